"""The listener that shows on the terminal how a sweep goes."""

import time
from collections.abc import Callable, Sequence

from quire.sweep.news import Ended, News, Started
from quire.sweep.rows import Row

_OFTEN = 0.1


class Terminal:
    """Shows a line of progress where it can be drawn over, else a line for each end.

    Args:
        rows: all rows of the sweep.
        there: how many of them are done already.
        say: writes a text to the terminal.
        is_tty: whether a line can be drawn over there.
    """

    def __init__(self, rows: Sequence[Row], there: int, say: Callable[[str], None], *, is_tty: bool) -> None:
        self._rows = rows
        self._say = say
        self._is_tty = is_tty
        self._done = there
        self._failed = 0
        self._running: set[int] = set()
        self._drawn = 0.0

    def hear(self, news: News) -> None:
        """Shows what has changed."""
        if isinstance(news, Started):
            self._running.add(news.row)
        elif isinstance(news, Ended):
            self._running.discard(news.row)
            self._done += news.state in ("done", "stopped")
            self._failed += news.state in ("failed", "died")
            self._tell_end(news)
        if self._is_tty and time.monotonic() - self._drawn > _OFTEN:
            self._drawn = time.monotonic()
            self._say(f"\r\x1b[K{self}")

    def end(self) -> None:
        """Leaves the line with its last state."""
        if self._is_tty:
            self._say(f"\r\x1b[K{self}\n")

    def __str__(self) -> str:
        """Such as `12 of 20 done, 1 failed, 2 running`."""
        told = [f"{self._done} of {len(self._rows)} done"]
        told += [f"{self._failed} failed"] if self._failed else []
        told += [f"{len(self._running)} running"] if self._running else []
        return ", ".join(told)

    def _tell_end(self, news: Ended) -> None:
        why = f": {news.detail}" if news.detail else ""
        line = f"{self._rows[news.row].name} {news.state}{why}"
        if not self._is_tty:
            self._say(f"{line} ({self})\n")
        elif why:
            # What went wrong stays to be read.
            self._say(f"\r\x1b[K{line}\n")
