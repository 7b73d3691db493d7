"""One plain Python function becomes a Markdown report that quotes the code that ran.

    from quire import NotebookOutput

    def main(log: NotebookOutput) -> None:
        log.h1("A first report")
        with log.code():
            total = sum(range(10))
        log.p(f"The sum is {total}.")

`quire run SCRIPT` runs it and writes the report; `open_report` does so from any script.
"""

__version__ = "0.1.0"

# `typing` itself would cost more than all the rest of this module; type checkers know the name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from quire.controls import Handle
    from quire.errors import (
        ControlError,
        DemoError,
        ParameterError,
        QuireError,
        ReportError,
        ReportInUse,
        ServeError,
    )
    from quire.events import Backend, Reference
    from quire.notebook import NotebookOutput
    from quire.parameters import Range
    from quire.report import open_report
    from quire.serving import Serving
    from quire.steering import RunStopped

__all__ = [
    "Backend",
    "ControlError",
    "DemoError",
    "Handle",
    "NotebookOutput",
    "ParameterError",
    "QuireError",
    "Range",
    "Reference",
    "ReportError",
    "ReportInUse",
    "RunStopped",
    "ServeError",
    "Serving",
    "open_report",
]

_HOMES = {
    "Backend": "events",
    "ControlError": "errors",
    "DemoError": "errors",
    "Handle": "controls",
    "NotebookOutput": "notebook",
    "ParameterError": "errors",
    "QuireError": "errors",
    "Range": "parameters",
    "Reference": "events",
    "ReportError": "errors",
    "ReportInUse": "errors",
    "RunStopped": "steering",
    "ServeError": "errors",
    "Serving": "serving",
    "open_report": "report",
}


def __getattr__(name: str) -> object:
    # Imported when first asked for, so that `import quire` costs a program nothing.
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'quire' has no attribute {name!r}")
    value = getattr(import_module(f"quire.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
