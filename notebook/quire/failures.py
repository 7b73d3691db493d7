"""What a report says of an exception: where it came from in the author's code, and how it got there."""

import secrets
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from quire.provenance import Linker

_OURS = str(Path(__file__).parent)


@dataclass(frozen=True, slots=True)
class Trace:
    """An exception in words.

    Attributes:
        path, line: where in the author's code it arose, or "" and 0 if nowhere there.
        quoted: that line of code, without its indentation.
        text: the traceback without Quire's own frames, files named as in the report.
    """

    kind: str
    message: str
    path: str
    line: int
    quoted: str
    text: str


def trace(error: BaseException, linker: Linker) -> Trace:
    """Describes `error`."""
    report = traceback.TracebackException.from_exception(error)
    authors = [(path, line) for path, line in _frames(error.__traceback__) if not is_foreign(path)]
    path, line = authors[-1] if authors else ("", 0)
    quoted = next(
        (f.line or "" for f in reversed(report.stack) if (f.filename, f.lineno) == (path, line)), ""
    )
    for part in _all(report):
        part.stack = traceback.StackSummary.from_list(
            [f for f in part.stack if not f.filename.startswith(_OURS)]
        )
        for frame in part.stack:
            frame.filename = _name(frame.filename, linker)
    return Trace(type(error).__name__, str(error), path, line, quoted, "".join(report.format()))


def withheld(error: BaseException) -> str:
    """What a viewer may know of an exception in answer to a request: its type, and a number.

    The log tells all of it under the same number.
    """
    number = secrets.token_hex(4)
    print(f"error {number} while answering a viewer:\n{shown(error)}", end="", file=sys.stderr)
    return f"{type(error).__name__} (error {number}; the log says more)"


def shown(error: BaseException) -> str:
    """The traceback of `error` without Quire's own frames, for the terminal."""
    return "".join(traceback.format_exception(error.with_traceback(without_quire(error))))


def without_quire(error: BaseException) -> TracebackType | None:
    """The traceback of `error` from the first frame that is not Quire's, for the terminal."""
    tb = error.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename.startswith((_OURS, "<frozen")):
        tb = tb.tb_next
    return tb or error.__traceback__


def _frames(tb: TracebackType | None) -> Iterator[tuple[str, int]]:
    for frame, line in traceback.walk_tb(tb):
        yield frame.f_code.co_filename, line


def is_foreign(path: str) -> bool:
    """Whether code in `path` is a library's or Quire's, not the author's."""
    return path.startswith((_OURS, "<")) or "site-packages" in path or "/lib/python" in path


def _all(report: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """An exception with those that caused it or that it groups."""
    yield report
    for cause in (report.__cause__, report.__context__, *(report.exceptions or ())):
        if cause is not None:
            yield from _all(cause)


def _name(path: str, linker: Linker) -> str:
    """The file as it is called on every machine, so that no home folder is told."""
    for library in ("site-packages/", "/lib/python"):
        if library in path:
            return path.rpartition(library)[2]
    return path if path.startswith("<") else linker.name(path)
