"""The public surface: complete, documented, typed, and quick to import."""

import importlib
import inspect
import pkgutil
import subprocess
import sys
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import quire
import quire_models
from quire import NotebookOutput
from quire.testing import Recorder, record

PACKAGES = [quire, quire_models]


def modules() -> Iterator[ModuleType]:
    for package in PACKAGES:
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


def public() -> Iterator[tuple[str, Any]]:
    """Every public class, function and method that a module defines."""
    for module in [*PACKAGES, *modules()]:
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
                continue
            if inspect.isfunction(value) or inspect.isclass(value):
                yield f"{module.__name__}.{name}", value
            if inspect.isclass(value):
                for method, function in vars(value).items():
                    inner = getattr(function, "fget", None) or getattr(function, "__func__", function)
                    if not method.startswith("_") and inspect.isfunction(inner):
                        yield f"{module.__name__}.{name}.{method}", inner


@pytest.mark.parametrize("package", PACKAGES)
def test_exports_are_sorted_and_complete(package: ModuleType) -> None:
    assert package.__all__ == sorted(package.__all__)
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match="nowhere"):
        _ = package.nowhere


def test_errors_are_exported() -> None:
    from quire import errors

    assert {name for name, value in vars(errors).items() if inspect.isclass(value)} <= set(quire.__all__)


def test_everything_public_has_a_docstring() -> None:
    assert [name for name, value in public() if not inspect.getdoc(value)] == []
    assert [module.__name__ for module in modules() if not module.__doc__] == []


def test_everything_public_is_typed() -> None:
    untyped = []
    for name, value in public():
        if inspect.isfunction(value):
            signature = inspect.signature(value)
            hints = [p.annotation for p in signature.parameters.values() if p.name not in ("self", "cls")]
            if inspect.Signature.empty in [*hints, signature.return_annotation]:
                untyped.append(name)
    assert untyped == []


def test_every_verb_of_the_design_is_there() -> None:
    verbs = (
        "h1 h2 h3 p out code image draw table math file link metadata details admonition subreport "
        "progress metric metrics on_close close"
    )
    assert [verb for verb in verbs.split() if not callable(getattr(NotebookOutput, verb, None))] == []


def test_f36_importing_brings_in_what_is_used() -> None:
    """`import quire` is free; what a script needs comes when it is used. What it takes is in tests/bench."""
    code = "import sys; before = set(sys.modules); import quire; print(len(set(sys.modules) - before))"
    assert (
        int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        < 10
    )
    code = "from quire import NotebookOutput, open_report; import sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"aiohttp", "asyncio", "jinja2", "vl_convert", "matplotlib", "numpy"} & {*loaded.split()}


def test_quire_and_its_models_do_not_know_each_other() -> None:
    for first, second in [("quire.testing, quire.cli", "quire_models"), ("quire_models", "quire")]:
        code = f"import {first}, sys; assert {second!r} not in sys.modules"
        subprocess.run([sys.executable, "-c", code], check=True)


def test_a_recorder_for_users_tests() -> None:
    """What the docstring of `quire.testing` promises, on a demo with a bit of everything."""

    def demo(log: NotebookOutput, count: int) -> None:
        log.h1("Title")
        log.p("text")
        with log.code():
            print("printed")
        log.code(lambda: count + 1)
        log.table({"a": [1]})
        with log.draw(2, 2, "drawn"):
            pass
        log.metric("loss", 1, 0.5)

    began = time.perf_counter()
    recorder = record(demo, count=2)
    assert time.perf_counter() - began < 10
    assert (recorder.state, recorder.is_closed) == ("done", True)
    assert (recorder.headings, recorder.texts) == (["Title"], ["text"])
    assert recorder.sources == ['print("printed")', "count + 1"]
    assert (recorder.output, recorder.values) == ("printed\n", ["3"])
    assert [figure.caption for figure in recorder.figures] == ["drawn"]
    assert recorder.tables[0].rows == ((1,),)
    assert recorder.metric("loss") == [(1.0, 0.5)]
    with pytest.raises(ZeroDivisionError):
        record(lambda log: 1 / 0)
    assert Recorder().state == "running"
