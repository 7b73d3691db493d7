"""One run of a demo, from its first step to its last, however it ends."""

import inspect
import signal
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from quire.notebook import NotebookOutput


class Terminated(KeyboardInterrupt):
    """The process was asked to end (SIGTERM), which a run takes as it takes Ctrl-C."""


def perform(log: "NotebookOutput", demo: Callable[..., Any], values: Mapping[str, Any]) -> None:
    """Runs a demo into an open report, and closes that.

    Args:
        log: the report.
        demo: the function; a coroutine function is awaited.
        values: its arguments besides the report.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; `Terminated` if the process was asked to end.
        RunStopped: a viewer asked the run to finish early.
        ReportError: the report could not be written.
        Exception: whatever the demo raises.
    """
    signal.signal(signal.SIGINT, partial(_interrupt, log))
    with log:
        for value in values.values():
            if isinstance(value, Path) and value.exists():
                log.data(value)
        result = demo(log, **values)
        if inspect.iscoroutine(result):
            import asyncio

            asyncio.run(result)


def take_sigterm() -> None:
    """From here on, SIGTERM raises `Terminated` in the main thread."""
    signal.signal(signal.SIGTERM, _terminate)


def _interrupt(log: "NotebookOutput", number: int, frame: FrameType | None) -> None:
    """Ctrl-C: at the next pause point of a run that has them, at once the second time."""
    if not log._session.steering.interrupt():
        raise KeyboardInterrupt
    click.echo("\nInterrupted: the run ends after this step. Ctrl-C again ends it at once.", err=True)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    # Once is enough: a second one would come upon the closing of the report.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated
