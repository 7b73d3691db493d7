"""Closes the report of a run that died, from its journal."""

import contextlib
import datetime
import signal
from pathlib import Path

from quire.errors import ReportError
from quire.events import Closed, Event, Opened
from quire.folder import ReportFolder
from quire.journal import EVENTS, LOG, Journal, Reader
from quire.markdown import write_markdown


def cause(code: int | None) -> str:
    """What a run died of, by its exit code (negative: the number of a signal)."""
    if code is None:
        return "nobody knows of what"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"signal {-code}, {signal.Signals(-code).name}"
        return f"signal {-code}"
    return f"it left with exit status {code}, and did not close its report"


def close_report(folder: Path, detail: str) -> None:
    """Ends the journal in `folder` as that of a run that died, and writes its Markdown.

    What the run wrote last, and its Markdown may not have had yet, is there then.
    """
    try:
        reader = Reader(folder)
    except OSError:
        return
    events: list[Event] = []
    while reader.is_behind:
        events += reader.read()
    changed = reader.changed
    reader.close()
    if any(isinstance(event, Closed) for event in events):
        return
    closed = Closed(state="died", elapsed=max(0.0, changed - _began(events, changed)), detail=detail)
    Journal(folder).write(closed)
    with contextlib.suppress(ReportError):
        _write(folder, [*events, closed])


def remove_journal(folder: Path) -> None:
    """Removes the journal in `folder`."""
    for name in (EVENTS, LOG):
        (folder / name).unlink(missing_ok=True)


def _began(events: list[Event], otherwise: float) -> float:
    """When the run began, in seconds since 1970."""
    opened = next((event for event in events if isinstance(event, Opened)), None)
    return datetime.datetime.fromisoformat(opened.started).timestamp() if opened else otherwise


def _write(folder: Path, events: list[Event]) -> None:
    claimed = ReportFolder.claim(folder, keep=True, force=True)
    try:
        write_markdown(claimed, events)
    finally:
        # Nothing is removed: what the run had put down is all there is.
        claimed.release(tidy=False)
