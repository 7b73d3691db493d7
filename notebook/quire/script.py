"""A script with a demo in it: a function that takes a `NotebookOutput`."""

import importlib.machinery
import importlib.util
import inspect
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from quire.errors import DemoError
from quire.notebook import NotebookOutput
from quire.source import remember


def load(path: Path) -> ModuleType:
    """Imports a script by its path, as `python path` would find its neighbours, and keeps its text.

    Raises:
        Exception: whatever the script raises while it is imported.
    """
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    # Under its own name, so that processes it starts can import it, unless the name is taken.
    taken = path.stem in sys.modules or path.stem in sys.stdlib_module_names
    name = f"demo_{path.stem}" if taken else path.stem
    content = path.read_bytes()
    source = remember(str(path.resolve()), content)
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None:
        raise DemoError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # The text that is quoted is the text that is compiled, even if the file is saved in between.
    exec(compile(content, source.path, "exec", dont_inherit=True), module.__dict__)
    return module


def report_name(named: str) -> str:
    """What the report of a demo is called that the command line names as `SCRIPT[::FUNCTION]`."""
    file, _, function = named.partition("::")
    return f"{Path(file).stem}-{function}" if function else Path(file).stem


def demo_in(module: ModuleType, path: Path, name: str = "") -> Callable[..., Any]:
    """The function of a script that writes its report.

    It is the one named `name`; else the only public one that the script defines whose first parameter
    is annotated as `NotebookOutput`; else, of several, the one called `main` or like the file.

    Raises:
        DemoError: there is none, or no single one.
    """
    found = {n: f for n, f in vars(module).items() if _is_demo(f, module)}
    demos: dict[str, Callable[..., Any]] = {n: f for n, f in found.items() if name or not n.startswith("_")}
    if name:
        if name not in demos:
            raise DemoError(f"{path} has no function {name}(log: NotebookOutput){_told(demos)}")
        return demos[name]
    if len(demos) == 1:
        return next(iter(demos.values()))
    for likely in ("main", path.stem):
        if likely in demos:
            return demos[likely]
    if demos:
        raise DemoError(
            f"{path} has several demos: name one, as in {path}::{next(iter(demos))}{_told(demos)}"
        )
    raise DemoError(
        f"{path} has no demo: define a function whose first parameter is annotated as NotebookOutput, "
        "as in `def main(log: NotebookOutput) -> None:`"
    )


def _is_demo(value: Any, module: ModuleType) -> bool:
    if not inspect.isfunction(value) or value.__module__ != module.__name__:
        return False
    first = next(iter(inspect.signature(value).parameters.values()), None)
    if first is None or first.annotation is first.empty:
        return False
    if isinstance(first.annotation, str):
        return first.annotation.rpartition(".")[2] == NotebookOutput.__name__
    return isinstance(first.annotation, type) and issubclass(first.annotation, NotebookOutput)


def _told(demos: typing.Iterable[str]) -> str:
    names = ", ".join(demos)
    return f" (it has {names})" if names else ""
