"""The backend that shows a run on the terminal: its headings, its output, its progress."""

import contextlib
import time
from typing import BinaryIO

from quire import words
from quire.events import Cached, Event, Heading, Output, Progress

_BAR = 24
# Where a line cannot be drawn over (a file, CI), progress is said this often, in seconds.
_SELDOM = 10.0
_OFTEN = 0.1


class ConsoleBackend:
    """Writes to `terminal`, which holds one line of progress at its end if it can be drawn over."""

    def __init__(self, terminal: BinaryIO) -> None:
        self._terminal = terminal
        with contextlib.suppress(AttributeError, OSError, ValueError):
            self._is_tty = terminal.isatty()
        self._status = ""
        self._at_start = True
        self._said = time.perf_counter()

    _is_tty = False

    def write(self, event: Event) -> None:
        """Shows what a person at the terminal wants to see of the event."""
        if isinstance(event, Output):
            self._print(event.text)
        elif isinstance(event, Heading):
            line = f"{'#' * event.level} {event.text}"
            self._print(self._fresh_line() + (f"\x1b[1m{line}\x1b[0m\n" if self._is_tty else f"{line}\n"))
        elif isinstance(event, Progress):
            self._progress(event)
        elif isinstance(event, Cached):
            self._print(f"{self._fresh_line()}{event.name}: {words.cached(event)}\n")

    def close(self) -> None:
        """Takes the line of progress away."""
        self._status = ""
        self._print(self._fresh_line())

    def _fresh_line(self) -> str:
        return "" if self._at_start else "\n"

    def _print(self, text: str) -> None:
        if text:
            self._at_start = text.endswith("\n")
        erase = "\r\x1b[K" if self._is_tty else ""
        # A bar after half a line would hide what the program prints next.
        status = self._status if self._at_start else ""
        # Whoever reads our output may have gone (`| head`): the report is what counts.
        with contextlib.suppress(OSError, ValueError):
            self._terminal.write(f"{erase}{text}{status}".encode("utf-8", "backslashreplace"))
            self._terminal.flush()

    def _progress(self, event: Progress) -> None:
        now = time.perf_counter()
        if now - self._said < (_OFTEN if self._is_tty else _SELDOM) and not event.finished:
            return
        self._said = now
        if self._is_tty:
            self._status = "" if event.finished else _bar(event)
            self._print("")
        else:
            self._print(f"{self._fresh_line()}{event.label}: {_course(event)}\n")


def _bar(event: Progress) -> str:
    filled = _BAR * event.done // event.total if event.total else 0
    bar = f" {'█' * filled}{'░' * (_BAR - filled)}" if event.total else ""
    return f"{event.label}{bar} {_course(event)}"


def _course(event: Progress) -> str:
    if event.finished:
        return f"{words.share(event.done, event.total)} in {words.duration(event.elapsed)}"
    left = event.elapsed * (event.total - event.done) / event.done if event.total and event.done else None
    rest = f", {words.duration(left)} left" if left is not None else ""
    return f"{words.share(event.done, event.total)}, {words.duration(event.elapsed)}{rest}"
