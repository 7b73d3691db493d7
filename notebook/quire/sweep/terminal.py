"""The listener that shows on the terminal how a sweep goes."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from quire.progress import Progress
from quire.sweep.news import Ended, News
from quire.sweep.rows import Row
from quire.sweep.tally import Tally

# How often the line of progress shows the time at least, in seconds.
_OFTEN = 1.0


class Terminal:
    """Shows how far the sweep has come; what has gone wrong, and each end where no line can be drawn over.

    Args:
        rows: all rows of the sweep.
        there: how many of them are done already.
        say: writes a text to the terminal.
        progress: that of the rows that are not.
        is_tty: whether a line can be drawn over there.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        there: int,
        say: Callable[[str], None],
        progress: Progress[Any],
        *,
        is_tty: bool,
    ) -> None:
        self._rows = rows
        self._say = say
        self._progress = progress
        self._is_tty = is_tty
        self._tally = Tally(len(rows), there)
        self._there = there
        self._drawn = 0.0

    def hear(self, news: News) -> None:
        """Takes the next news; what has gone wrong is told at once."""
        self._tally.hear(news)
        if isinstance(news, Ended):
            self._tell_end(news)

    def draw(self) -> None:
        """Shows how far it has come."""
        now = time.monotonic()
        if self._ended != self._progress.done or now - self._drawn > _OFTEN:
            self._drawn = now
            self._progress.update(self._ended)

    def end(self) -> None:
        """Leaves a line with the last state."""
        self._progress.update(self._ended)
        self._progress.finish()
        if self._is_tty:
            self._say(f"\r\x1b[K{self._tally}\n")

    @property
    def _ended(self) -> int:
        """How many have ended of those that were not there."""
        return self._tally.ended - self._there

    def _tell_end(self, news: Ended) -> None:
        why = f": {news.detail}" if news.detail else ""
        line = f"{self._rows[news.row].name} {news.state}{why}"
        if not self._is_tty:
            self._say(f"{line} ({self._tally})\n")
        elif why:
            # What went wrong stays to be read.
            self._say(f"\r\x1b[K{line}\n")
