"""The listener that shows on the sweep's live page how its runs go."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quire import beside
from quire.events import Reference
from quire.notebook import NotebookOutput
from quire.sweep import outcomes
from quire.sweep.curves import Curve, Curves
from quire.sweep.news import Ended, Measured, News, Progressed, Started
from quire.sweep.rows import Row
from quire.sweep.tally import Tally

# Seconds between two drawings: at least so many, so many for each row, and so many for each second that the
# sweep has taken. The journal keeps each of them, and must not grow without bounds.
_OFTEN, _PER_ROW, _PER_SECOND = 0.5, 1 / 25, 1 / 2000
# So many rows are shown at most; of these, so many that run or have failed, and so many of the next.
_MOST_ROWS, _MOST_RUNNING, _MOST_FAILED, _MOST_NEXT = 50, 25, 10, 5
# So many columns there are for curves, and for figures.
_MOST_COLUMNS = 3
# What went wrong is told at length in the run's report.
_LONGEST = 80


@dataclass
class _Run:
    """A row of the table."""

    row: Row
    state: str = "queued"
    detail: str = ""
    has_begun: bool = False
    progress: Progressed | None = None
    latest: dict[Curve, float] = field(default_factory=dict)
    figures: dict[str, float] | None = None

    @property
    def told(self) -> str:
        """Such as `running, 43 %`, or `failed: ValueError: …`."""
        if self.state == "running" and self.progress:
            done, total = self.progress.done, self.progress.total
            return f"running, {100 * done // total} %" if total else f"running, {done:,}"
        why = f": {self.detail}" if self.detail else ""
        told = f"{self.state}{why}"
        return told if len(told) <= _LONGEST else f"{told[: _LONGEST - 1]}…"


class Board:
    """A table of the runs, with how far each has come, and their curves in charts; a `Listener`.

    Args:
        page: where it stands.
        rows: all rows of the sweep.
        there: the numbers of those that are done already.
        folder: where each row has its report.
    """

    def __init__(self, page: NotebookOutput, rows: Sequence[Row], there: Iterable[int], folder: Path) -> None:
        done = set(there)
        self._folder = folder
        self._runs = {row.number: _Run(row) for row in rows}
        for number in done:
            self._runs[number].state, self._runs[number].has_begun = "done", True
        self._swept = rows[0].swept.keys()
        self._varying = [n for n in self._swept if len({row.swept[n] for row in rows}) > 1]
        self._tally = Tally(len(rows), len(done))
        self._ended: list[int] = sorted(done)
        self._page = page
        self._began = self._drawn = time.monotonic()
        self._has_news = False
        self._tabulate()
        # Below the table, though they come before it is drawn again.
        self._curves = Curves(page)

    def hear(self, news: News) -> None:
        """Takes the next news."""
        self._has_news = True
        self._tally.hear(news)
        run = self._runs[news.row]
        if isinstance(news, Started):
            run.state, run.has_begun, run.progress, run.detail = "running", True, None, ""
        elif isinstance(news, Progressed):
            run.progress = news
        elif isinstance(news, Measured):
            curve = Curve(news.chart, news.name)
            run.latest[curve] = news.value
            self._curves.add(self._label(run.row), curve, news.step, news.value)
        elif isinstance(news, Ended):
            run.state, run.detail = news.state, news.detail
            self._ended.append(news.row)
            self._curves.end(self._label(run.row))

    def draw(self) -> None:
        """Shows what has changed, if it is time for that."""
        now = time.monotonic()
        shown = min(len(self._runs), _MOST_ROWS)
        pause = max(_OFTEN, shown * _PER_ROW, (now - self._began) * _PER_SECOND)
        if not self._has_news or now - self._drawn < pause:
            return
        self._drawn, self._has_news = now, False
        self._tabulate()
        self._curves.draw()

    def end(self) -> None:
        """Does nothing: with its page, all of it will be gone."""

    def _label(self, row: Row) -> str:
        return outcomes.label({name: row.swept[name] for name in self._varying or row.swept})

    def _tabulate(self) -> None:
        self._page.p(f"{self._tally}.", key="state")
        runs = [self._runs[number] for number in self._shown()]
        curves = list(dict.fromkeys(curve for run in runs for curve in run.latest))[:_MOST_COLUMNS]
        for run in runs:
            if run.state in ("done", "stopped") and run.figures is None:
                found = outcomes.outcome(run.row, self._folder, None, is_there=True)
                run.figures = dict(found.figures)
        taken = {*self._swept, *_headers(curves)}
        names = dict.fromkeys(name for run in runs for name in run.figures or () if name not in taken)
        figures = list(names)[:_MOST_COLUMNS]
        rows = [self._cells(run, curves, figures) for run in runs]
        left = len(self._runs) - len(runs)
        caption = (
            f"{len(runs)} of {len(self._runs):,} runs: those that run or have failed, the last that ended, "
            "and the next. The summary will have all."
            if left
            else ""
        )
        self._page.table(rows, caption, key="runs")

    def _cells(self, run: _Run, curves: Sequence[Curve], figures: Sequence[str]) -> dict[str, Any]:
        state = Reference(beside.href(run.row.name), run.told) if run.has_begun else run.told
        told: dict[str, Any] = {**run.row.swept, "state": state}
        latest = [run.latest.get(curve) for curve in curves]
        told |= dict(zip(_headers(curves), latest, strict=True))
        return told | {name: (run.figures or {}).get(name) for name in figures}

    def _shown(self) -> list[int]:
        """The numbers of the rows to show: all, or those of which one wants to know."""
        if len(self._runs) <= _MOST_ROWS:
            return list(self._runs)
        running = [n for n, run in self._runs.items() if run.state == "running"][:_MOST_RUNNING]
        queued = [n for n, run in self._runs.items() if run.state == "queued"][:_MOST_NEXT]
        failed = [n for n in self._ended if self._runs[n].state in ("failed", "died")][-_MOST_FAILED:]
        shown = {*running, *queued, *failed}
        others = [number for number in reversed(self._ended) if number not in shown]
        return sorted(shown | set(others[: _MOST_ROWS - len(shown)]))


def _headers(curves: Sequence[Curve]) -> list[str]:
    """What the columns of curves are called: short where that is enough to tell them apart."""
    names = [curve.name for curve in curves]
    return [curve.name if names.count(curve.name) == 1 else curve.title for curve in curves]
