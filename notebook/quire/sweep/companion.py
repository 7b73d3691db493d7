"""The backend of a sweep's run: keeps its journal, and tells the sweep how it goes."""

import time
from collections.abc import Callable
from pathlib import Path

from quire import words
from quire.events import Chart, Closed, Event, Failure, Metric, Opened, Progress, State
from quire.journal import Journal
from quire.sweep.news import Measured, News, Progressed, Started

# A loop or a curve is told of so often, in seconds.
_OFTEN = 0.1
# Longer texts are told in the report alone: messages of one line stay whole between processes.
_LONGEST = 300


class Companion:
    """Goes with a run.

    Args:
        row: the number of the run's row.
        folder: of its report.
        tell: what takes the news.

    Attributes:
        state: how the run has ended, or "running".
        failure: the exception that ended it, and where, in a line.
    """

    def __init__(self, row: int, folder: Path, tell: Callable[[News], None]) -> None:
        self.state: State = "running"
        self.failure = ""
        self._row = row
        self._folder = folder
        self._tell = tell
        self._journal: Journal | None = None
        self._charts: dict[str, str] = {}
        self._told: dict[tuple[str, ...], float] = {}
        self._held: dict[tuple[str, ...], News] = {}

    def write(self, event: Event) -> None:
        """Keeps the event, and tells of it what the sweep wants to know."""
        if self._journal is None:
            # Not before the report's folder is claimed, which is then tidied.
            self._journal = Journal(self._folder)
        self._journal.write(event)
        if isinstance(event, Opened):
            self._tell(Started(self._row))
        elif isinstance(event, Progress):
            news = Progressed(self._row, event.label[:_LONGEST], event.done, event.total)
            self._tell_seldom((event.key,), news)
        elif isinstance(event, Chart):
            self._charts[event.key] = event.title[:_LONGEST]
        elif isinstance(event, Metric):
            chart, name = self._charts.get(event.chart, event.chart), event.name[:_LONGEST]
            self._tell_seldom((chart, name), Measured(self._row, chart, name, event.step, event.value))
        elif isinstance(event, Failure):
            self.failure = _told(event)
        elif isinstance(event, Closed):
            self.state = event.state
            for held in self._held.values():
                self._tell(held)

    def close(self) -> None:
        """Nothing is left to do: the report may still be written, and the journal is what knows it all."""

    def remove_journal(self) -> None:
        """Removes the journal of a run whose report is written."""
        if self._journal:
            self._journal.remove()

    def _tell_seldom(self, what: tuple[str, ...], news: News) -> None:
        now = time.monotonic()
        if now - self._told.get(what, 0) < _OFTEN:
            self._held[what] = news
            return
        self._told[what] = now
        self._held.pop(what, None)
        self._tell(news)


def _told(event: Failure) -> str:
    message = f": {event.message}" if event.message else ""
    where = f" ({event.path}:{event.line})" if event.path else ""
    return words.in_a_line(f"{event.kind}{message}", _LONGEST) + where
