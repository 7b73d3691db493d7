"""Digests of functions and values: equal for what does the same in every run, and only then.

A function of the author's counts by its compiled code, its defaults, what it closes over and every global
that it names, these by the same rule; so do a class with its methods, and a module by those of its names
that are used. One that is imported within the function counts by its file. Layout and comments do not
count. What is installed counts by its name and version, any other value by what `pickle` would keep of it.
"""

import dis
import functools
import hashlib
import importlib.util
import inspect
import io
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any, Protocol

from quire import digests
from quire.failures import is_foreign

_PROTOCOL = 5
_Wrapped = (staticmethod, classmethod)


class _Hash(Protocol):
    def update(self, data: Any, /) -> None: ...


class Incomparable(TypeError):  # noqa: N818 - reads as what is the case, like ReportInUse
    """A value of which cannot be told whether it is the same as in another run.

    Attributes:
        value: it.
    """

    def __init__(self, value: object, reason: object = "") -> None:
        super().__init__(str(reason))
        self.value = value


class Forbidden(Incomparable):
    """A value of a type that the caller wants nowhere."""


class Digest:
    """Makes digests that belong together: of the same object, each time the same.

    Args:
        forbidden: types of values that may stand nowhere.
    """

    def __init__(self, forbidden: tuple[type, ...] = ()) -> None:
        self._forbidden = forbidden
        # With the objects, so that their ids stay their own.
        self._known: dict[int, tuple[object, str]] = {}

    def of(self, value: object) -> str:
        """The digest of a value.

        Raises:
            Forbidden: it, or something in it, is of a forbidden type.
            Incomparable: it is something like a file or a lock, of which cannot be told what it holds.
        """
        named = self.named(value)
        return named if named is not None else self._of_content(value)

    def named(self, value: object) -> str | None:
        """The digest of what `pickle` would keep by its name alone, or in no order; None for other values."""
        if isinstance(value, self._forbidden):
            raise Forbidden(value)
        if isinstance(value, set | frozenset):
            return _sha256("set", type(value).__name__, *sorted(map(self.of, value)))
        function = _function_in(value)
        if function is None and not isinstance(value, type | ModuleType):
            return None
        return self._once(function if function is not None else value)

    def _once(self, value: Any) -> str:
        if id(value) not in self._known:
            # Within itself, by its name: functions call themselves.
            self._known[id(value)] = value, _sha256("itself", getattr(value, "__qualname__", ""))
            self._known[id(value)] = value, self._of_named(value)
        return self._known[id(value)][1]

    def _of_named(self, value: Any) -> str:
        if isinstance(value, ModuleType):
            return _installed(value.__name__, "") or self._of_module(value)
        if by_name := _installed(value.__module__, value.__qualname__):
            return by_name
        if isinstance(value, type):
            return self._of_class(value)
        return self._of_function(value)

    def _of_function(self, function: FunctionType) -> str:
        cells = [_content(cell) for cell in function.__closure__ or ()]
        strict = [function.__defaults__, function.__kwdefaults__, *cells]
        return _sha256(
            "function",
            function.__qualname__,
            *map(self.of, (*_essence(function.__code__), *strict)),
            *self._of_globals(function.__code__, function.__globals__),
        )

    def _of_globals(self, code: CodeType, names: Mapping[str, object]) -> Iterator[str]:
        for name in sorted(_globals_in(code)):
            if name in names:
                value = names[name]
                is_own = isinstance(value, ModuleType) and not _installed(value.__name__, "")
                yield name
                yield self._of_module(value, _names_in(code)) if is_own else self._loosely(value)
        yield from map(_of_import, sorted(_imported_in(code)))

    def _of_module(self, module: Any, used: set[str] | None = None) -> str:
        """A module of the author's by its names, or those of them that are used."""
        inside = {name for name in vars(module) if not name.startswith("__")}
        parts = [module.__name__]
        for name in sorted(inside & used if used is not None else inside):
            value = vars(module)[name]
            is_own = isinstance(value, ModuleType) and not _installed(value.__name__, "")
            parts += [name, self._of_module(value, used) if is_own and used else self._loosely(value)]
        return _sha256("module", *parts)

    def _of_class(self, kind: type) -> str:
        parts = [kind.__qualname__, *map(self.of, kind.__bases__)]
        for name, value in sorted(vars(kind).items()):
            accessors = (value.fget, value.fset, value.fdel) if isinstance(value, property) else (value,)
            for accessor in accessors:
                # Of what is Python's own, the code alone: the rest is made of the class's other names.
                if _function_in(accessor) is not None or not (name.startswith("__") and name.endswith("__")):
                    parts += [name, self._loosely(accessor)]
        return _sha256("class", *parts)

    def _loosely(self, value: object) -> str:
        """The digest of what code refers to; by its type alone where it cannot be compared, as a lock."""
        try:
            return self.of(value)
        except Forbidden:
            raise
        except Incomparable:
            return _sha256("some", type(value).__module__, type(value).__qualname__)

    def _of_content(self, value: object) -> str:
        reasons: list[Exception] = []
        # Without a memo equal values have equal bytes, whichever of their parts are one object; a value
        # that holds itself needs one.
        for fast in (True, False):
            total = hashlib.sha256()
            pickler = _Pickler(total, self.named)
            pickler.fast = fast
            try:
                pickler.dump(value)
            except Incomparable:
                raise
            # What a class of the author's raises when it is pickled may be anything.
            except Exception as error:
                reasons.append(error)
            else:
                return total.hexdigest()
        raise Incomparable(value, reasons[-1])


class _Pickler(pickle.Pickler):
    """Gives a digest what it would write."""

    def __init__(self, total: _Hash, named: Callable[[object], str | None]) -> None:
        super().__init__(_Writer(total), _PROTOCOL, buffer_callback=lambda buffer: total.update(buffer.raw()))
        self._named = named

    def persistent_id(self, value: object) -> str | None:
        return self._named(value)


class _Writer(io.RawIOBase):
    def __init__(self, total: _Hash) -> None:
        self._total = total

    def write(self, data: Any, /) -> int:
        self._total.update(data)
        return len(data)


def _sha256(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _function_in(value: object) -> FunctionType | None:
    """The function, or the one behind what wraps it: a static method, a cache, a compiler such as Numba's."""
    if isinstance(value, FunctionType):
        return value
    if isinstance(value, _Wrapped):
        return _function_in(value.__func__)
    if isinstance(value, functools.cached_property):
        return _function_in(value.func)
    if isinstance(value, type | ModuleType | BuiltinFunctionType) or not callable(value):
        return None
    for name in ("py_func", "__wrapped__"):
        with suppress(Exception):
            inner = inspect.getattr_static(value, name)
            if isinstance(inner, FunctionType):
                return inner
    return None


def _installed(module: str, name: str) -> str:
    """The digest of something from a library or from Python, by its version; "" for the author's own."""
    found = sys.modules.get(module)
    # A package without an `__init__` has no file, but a place; what is built in has neither.
    file = getattr(found, "__file__", None) or next(iter(getattr(found, "__path__", ())), "")
    if found is None or module == "__main__" or (file and not is_foreign(file)):
        return ""
    top = module.partition(".")[0]
    version = str(vars(sys.modules.get(top, found)).get("__version__", ""))
    return _sha256("installed", module, name, version or ".".join(map(str, sys.version_info[:2])))


def _of_import(name: str) -> str:
    """The digest of a module that is imported within a function: of its file, or its package's folder."""
    spec = importlib.util.find_spec(name)
    place = Path(spec.origin) if spec and spec.origin else None
    if spec is None or place is None or is_foreign(str(place)) or not place.is_file():
        return name
    return (
        digests.of_folder(place.parent, "*.py") if spec.submodule_search_locations else digests.of_file(place)
    )


def _content(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:
        # It is filled later: by a function that is defined below.
        return "empty"


def _essence(code: CodeType) -> tuple[object, ...]:
    """What a piece of code does, but for where it stands."""
    constants = tuple(
        _essence(c) if isinstance(c, CodeType) else (type(c).__name__, c) for c in code.co_consts
    )
    counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
    names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    return code.co_name, code.co_code, code.co_exceptiontable, constants, counts, names


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _named_by(code: CodeType, *operations: str) -> set[str]:
    return {
        str(instruction.argval)
        for each in _codes(code)
        for instruction in dis.get_instructions(each)
        if instruction.opname in operations
    }


def _globals_in(code: CodeType) -> set[str]:
    return _named_by(code, "LOAD_GLOBAL", "LOAD_NAME")


def _imported_in(code: CodeType) -> set[str]:
    """The modules that code imports, by the first part of their names."""
    return {name.partition(".")[0] for name in _named_by(code, "IMPORT_NAME")} - {""}


def _names_in(code: CodeType) -> set[str]:
    return {name for each in _codes(code) for name in each.co_names}
