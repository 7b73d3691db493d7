"""The curves of a sweep's runs, drawn together while they come."""

import time
from typing import NamedTuple

from quire.events import Emptied, Part
from quire.notebook import NotebookOutput
from quire.series import Series

# Charts from which a line has gone are drawn anew no more often than this, in seconds.
_SELDOM = 2.0
# So many charts there are at most, lines in each, and points in a line.
_MOST_CHARTS, _MOST_LINES, _MOST_POINTS = 4, 12, 400


class Curve(NamedTuple):
    """What runs measure: a curve of one of their charts."""

    chart: str
    name: str

    @property
    def title(self) -> str:
        """What its chart is called in which each run has a line."""
        return self.name if self.name == self.chart else f"{self.chart}: {self.name}"


class Curves:
    """Charts in which the newest runs have a line each.

    Args:
        page: the report in which they stand.
    """

    def __init__(self, page: NotebookOutput) -> None:
        self._page = page
        self._key = page._page.put(Part, "curves")
        self._shown = NotebookOutput(page._page.scoped(self._key, {}))
        self._lines: dict[str, dict[Curve, Series]] = {}
        self._ended: set[str] = set()
        self._titles: list[Curve] = []
        self._drawn = 0.0
        self._is_stale = False

    def add(self, label: str, curve: Curve, step: float, value: float) -> None:
        """Adds a point to the line of the run with this label."""
        if curve not in self._titles:
            if len(self._titles) == _MOST_CHARTS:
                return
            self._titles.append(curve)
        if label not in self._lines and not self._make_room():
            return
        line = self._lines.setdefault(label, {}).setdefault(curve, Series(_MOST_POINTS))
        line.add(step, value)
        if not self._is_stale:
            self._put(label, curve, step, value)

    def end(self, label: str) -> None:
        """Says that a run has ended: its line may make room for others."""
        self._ended.add(label)

    def draw(self) -> None:
        """Draws all anew, without the lines that are gone, if it is time for that."""
        now = time.monotonic()
        if not self._is_stale or now - self._drawn < _SELDOM:
            return
        self._is_stale, self._drawn = False, now
        self._page._session.emit(Emptied(key=self._key))
        self._shown = NotebookOutput(self._page._page.scoped(self._key, {}))
        for label, lines in self._lines.items():
            for curve, line in lines.items():
                for step, value in line:
                    self._put(label, curve, step, value)

    def _make_room(self) -> bool:
        """Whether there is room for one more line."""
        if len(self._lines) < _MOST_LINES:
            return True
        gone = next((label for label in self._lines if label in self._ended), None)
        if gone is None:
            return False
        del self._lines[gone]
        self._is_stale = True
        return True

    def _put(self, label: str, curve: Curve, step: float, value: float) -> None:
        self._shown.metric(label, step, value, chart=curve.title)
