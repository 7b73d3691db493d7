"""What a viewer's request may say to an author's function, read from the function's signature."""

import enum
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union

from quire.errors import ControlError, ParameterError
from quire.parameters import Range

_SUPPORTED = "str, int, float, bool, an Enum, a Literal, a list of these, or one of these with `| None`"
# A longer list is a mistake or an attack, not something that a person sets.
_LONGEST = 10_000
_TRUTHS: dict[object, bool] = {
    True: True,
    False: False,
    "true": True,
    "false": False,
    "on": True,
    "off": False,
    "": True,
}


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields that a function takes from a request.

    Attributes:
        types: the annotation of each field.
        required: the fields without a default.
    """

    types: Mapping[str, Any]
    required: frozenset[str]

    @classmethod
    def of(cls, function: Callable[..., Any], given: int) -> "Fields":
        """Those of `function` after its first `given` parameters.

        Raises:
            ParameterError: a parameter has no annotation, or one that a request cannot fill.
        """
        hints = typing.get_type_hints(function, localns={"NotebookOutput": object}, include_extras=True)
        parameters = list(inspect.signature(function).parameters.values())[given:]
        for parameter in parameters:
            where = f"the parameter {parameter.name!r} of {getattr(function, '__name__', 'a function')}"
            if parameter.name not in hints or not _is_supported(hints[parameter.name]):
                raise ParameterError(f"{where} cannot be given by a request: annotate it as {_SUPPORTED}")
        required = frozenset(p.name for p in parameters if p.default is p.empty)
        return cls({p.name: hints[p.name] for p in parameters}, required)

    def read(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments in what a request says.

        Raises:
            ControlError: a field is missing, unknown, or no value of its type.
        """
        for name in given:
            if name not in self.types:
                raise ControlError(name[:100], "there is no such field")
        for name in self.required:
            if name not in given:
                raise ControlError(name, "this field is missing")
        return {name: _read(name, self.types[name], value) for name, value in given.items()}


def _is_supported(hint: Any) -> bool:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _is_supported(parts[0])
    if origin in (Union, types.UnionType):
        return all(part is type(None) or _is_supported(part) for part in parts)
    if origin is list:
        return _is_supported(parts[0])
    if origin is Literal:
        return True
    return hint in (str, int, float, bool) or (isinstance(hint, type) and issubclass(hint, enum.Enum))


def _read(name: str, hint: Any, value: Any) -> Any:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        plain = _read(name, parts[0], value)
        _check_ranges(name, parts[1:], plain)
        return plain
    if origin in (Union, types.UnionType):
        bare = [part for part in parts if part is not type(None)]
        return None if value is None else _read(name, bare[0], value)
    if origin is list:
        return _read_list(name, parts[0], value)
    if origin is Literal:
        return _read_option(name, {str(part): part for part in parts}, value)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _read_option(name, dict(hint.__members__), value)
    return _SCALARS[hint](name, value)


def _check_ranges(name: str, extras: tuple[Any, ...], value: Any) -> None:
    for limits in extras:
        if isinstance(limits, Range) and isinstance(value, int | float):
            try:
                limits.check(name, value)
            except ParameterError as error:
                raise ControlError(name, str(error)) from None


def _read_list(name: str, hint: Any, value: Any) -> list[Any]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list):
        raise ControlError(name, "a list is wanted")
    if len(parts) > _LONGEST:
        raise ControlError(name, f"at most {_LONGEST:,} items are taken, not {len(parts):,}")
    return [_read(name, hint, part) for part in parts]


def _read_option(name: str, options: Mapping[str, Any], value: Any) -> Any:
    if str(value) not in options:
        raise ControlError(name, f"one of {', '.join(options)} is wanted")
    return options[str(value)]


def _read_text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ControlError(name, "a text is wanted")
    return value


def _read_truth(name: str, value: Any) -> bool:
    if not isinstance(value, bool | str) or value not in _TRUTHS:
        raise ControlError(name, "true or false is wanted")
    return _TRUTHS[value]


def _read_number(name: str, value: Any) -> float:
    try:
        number = float("nan" if isinstance(value, bool) else value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ControlError(name, "a finite number is wanted")
    return number


def _read_whole(name: str, value: Any) -> int:
    number = _read_number(name, value)
    if number != int(number) or abs(number) > 2**53:
        raise ControlError(name, "a whole number is wanted")
    return int(number)


_SCALARS: dict[type, Callable[[str, Any], Any]] = {
    str: _read_text,
    bool: _read_truth,
    int: _read_whole,
    float: _read_number,
}
