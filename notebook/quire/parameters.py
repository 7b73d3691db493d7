"""The parameters of a demo, read from its signature, as options of the command line."""

import enum
import inspect
import math
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union

import click

from quire.errors import ParameterError
from quire.events import Scalar

if TYPE_CHECKING:
    from click.types import OptionHelpExtra

_SUPPORTED = "str, int, float, bool, pathlib.Path, an Enum, a Literal, or one of these with `| None`"


@dataclass(frozen=True, slots=True)
class Range:
    """The least and the greatest value of a parameter: `epochs: Annotated[int, Range(1, 1000)] = 5`."""

    least: float = -math.inf
    greatest: float = math.inf

    def __str__(self) -> str:
        """As click tells its own ranges: `1<=x<=1000`, `x>=1`; nothing of an end that is infinite."""
        greatest = f"x<={self.greatest:.15g}" if math.isfinite(self.greatest) else ""
        if not math.isfinite(self.least):
            return greatest
        return f"{self.least:.15g}<={greatest}" if greatest else f"x>={self.least:.15g}"

    def check(self, name: str, value: float) -> None:
        """Raises `ParameterError` if `value` is outside of this range."""
        if not self.least <= value <= self.greatest:
            raise ParameterError(
                f"{name} must be between {self.least:.15g} and {self.greatest:.15g}, not {value!r}"
            )


class _InRange(click.ParamType[Any]):
    """Reads a number and checks its range."""

    def __init__(self, kind: click.ParamType[Any], limits: Range) -> None:
        self._kind = kind
        self.limits = limits
        self.name = kind.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = self._kind.convert(value, param, ctx)
        try:
            self.limits.check(param.name or "" if param else "value", number)
        except ParameterError as error:
            self.fail(str(error), param, ctx)
        return number


def options(demo: Callable[..., Any]) -> list[click.Option]:
    """An option for each parameter of `demo` after the first.

    Raises:
        ParameterError: a parameter has no annotation, or one that the command line cannot read.
    """
    hints = _hints(demo)
    return [
        _option(demo, parameter, hints.get(parameter.name))
        for parameter in list(inspect.signature(demo).parameters.values())[1:]
    ]


def parsed(demo: Callable[..., Any], words: Sequence[str]) -> dict[str, Any]:
    """The arguments of `demo` besides the report, from words of a command line.

    Raises:
        ParameterError: a parameter has no annotation, or one that the command line cannot read.
        click.UsageError: a word is no option, or none of its values.
    """
    known = options(demo)
    command = click.Command(demo.__name__, params=[*known])
    found = command.make_context(demo.__name__, list(words)).params
    return {str(option.name): found[str(option.name)] for option in known}


def check(demo: Callable[..., Any], values: Mapping[str, Any]) -> None:
    """Checks values of the parameters of `demo` against their ranges, as the command line does.

    Raises:
        ParameterError: a value is outside of its range.
    """
    # What is no plain function, such as a partial one, has no annotations of its own.
    hints = _hints(demo) if inspect.isroutine(demo) else {}
    for name, value in values.items():
        limits = _limits(hints.get(name))
        if limits and value is not None:
            limits.check(name, value)


def _hints(demo: Callable[..., Any]) -> dict[str, Any]:
    try:
        # The first parameter's type may have been imported for type checkers alone.
        return typing.get_type_hints(demo, localns={"NotebookOutput": object}, include_extras=True)
    except NameError as error:
        raise ParameterError(
            f"a type in the signature of {demo.__name__} is not known where it runs: {error}"
        ) from error


def plain(values: Mapping[str, Any]) -> dict[str, Scalar]:
    """The values of parameters as they are told in the report."""
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Scalar:
    if isinstance(value, enum.Enum):
        return value.name
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


class _Described(click.Option):
    """An option whose help stands in the docstring of a demo, which is read only if somebody asks."""

    def __init__(self, demo: Callable[..., Any], declarations: list[str], **settings: Any) -> None:
        super().__init__(declarations, **settings)
        self._demo = demo

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        self.help = _descriptions(inspect.getdoc(self._demo) or "").get(self.name or "")
        return super().get_help_record(ctx)

    def get_help_extra(self, ctx: click.Context) -> "OptionHelpExtra":
        extra = super().get_help_extra(ctx)
        if isinstance(self.type, _InRange) and (told := str(self.type.limits)):
            extra["range"] = told
        return extra


def _option(demo: Callable[..., Any], parameter: inspect.Parameter, hint: Any) -> click.Option:
    where = f"the parameter {parameter.name!r} of {demo.__name__}"
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise ParameterError(f"{where} takes any number of values: name each parameter of a demo")
    if hint is None:
        raise ParameterError(f"{where} has no type: annotate it as {_SUPPORTED}")
    flag = parameter.name.replace("_", "-")
    required = parameter.default is parameter.empty
    common: dict[str, Any] = {"required": required, "show_default": not required}
    if not required:
        common["default"] = parameter.default
    if _bare(hint) is bool:
        return _Described(demo, [parameter.name, f"--{flag}/--no-{flag}"], **common)
    try:
        return _Described(demo, [parameter.name, f"--{flag}"], type=_type(hint), **common)
    except ParameterError as error:
        raise ParameterError(f"{where} has the type {error}: annotate it as {_SUPPORTED}") from None


def _bare(hint: Any) -> Any:
    """The type without `Annotated` and `| None`."""
    if typing.get_origin(hint) is typing.Annotated:
        return _bare(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (Union, types.UnionType):
        parts = [part for part in typing.get_args(hint) if part is not type(None)]
        return _bare(parts[0]) if len(parts) == 1 else hint
    return hint


def _limits(hint: Any) -> Range | None:
    """The range in an annotation, also where `| None` follows it."""
    found = [part for part in getattr(hint, "__metadata__", ()) if isinstance(part, Range)]
    if typing.get_origin(hint) in (Union, types.UnionType):
        found += filter(None, map(_limits, typing.get_args(hint)))
    return found[0] if found else None


def _type(hint: Any) -> click.ParamType[Any]:
    kind = _plain_type(_bare(hint))
    limits = _limits(hint)
    return _InRange(kind, limits) if limits else kind


def _plain_type(bare: Any) -> click.ParamType[Any]:
    simple: dict[Any, click.ParamType[Any]] = {str: click.STRING, int: click.INT, float: click.FLOAT}
    if bare in simple:
        return simple[bare]
    if bare is Path:
        return click.Path(path_type=Path)
    if typing.get_origin(bare) is Literal:
        return click.Choice(typing.get_args(bare))
    if isinstance(bare, type) and issubclass(bare, enum.Enum):
        return click.Choice(bare)
    raise ParameterError(getattr(bare, "__name__", str(bare)))


def _descriptions(docstring: str) -> dict[str, str]:
    """What a docstring says of each parameter, in Google's, NumPy's or Sphinx's manner."""
    import docstring_parser

    parsed = docstring_parser.parse(docstring)
    return {p.arg_name: re.sub(r"\s+", " ", p.description or "").strip() for p in parsed.params}
