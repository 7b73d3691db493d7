"""A metric's values, of which a bounded number is kept."""

import math
from collections.abc import Iterator

# With the newest group, 4,000 points at most are drawn or sent.
_MOST = 3_990


class Series:
    """The points of one metric, in order of arrival.

    Beyond 4,000 points, neighbours are thinned out so that the least and the greatest value of each
    group stay: extremes are what one looks for in a long curve.

    Args:
        most: how many points to keep, besides those of the newest group.

    Attributes:
        count: how many points came.
        not_finite: how many of them were not a number, or infinite.
        first, last: the first and the newest point.
        least, greatest: the extreme finite points, as (step, value), or None before the first.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self.count = 0
        self.not_finite = 0
        self.first = self.last = (math.nan, math.nan)
        self.least: tuple[float, float] | None = None
        self.greatest: tuple[float, float] | None = None
        self._points: list[tuple[float, float]] = []
        self._fresh: list[tuple[float, float]] = []
        self._group = 1

    def add(self, step: float, value: float) -> None:
        """Appends a point."""
        point = (step, value)
        self.first = self.first if self.count else point
        self.last = point
        self.count += 1
        if not math.isfinite(value):
            self.not_finite += 1
        elif self.least is None or self.greatest is None:
            self.least = self.greatest = point
        else:
            self.least = min(self.least, point, key=_value)
            self.greatest = max(self.greatest, point, key=_value)
        self._fresh.append(point)
        if len(self._fresh) == self._group:
            self._points += _extremes(self._fresh)
            self._fresh = []
        if len(self._points) > self._most:
            # The old points are as dense as groups of four, then eight, then sixteen would make them.
            self._group = max(4, self._group * 2)
            self._points = [
                p for at in range(0, len(self._points), 4) for p in _extremes(self._points[at : at + 4])
            ]

    def __iter__(self) -> Iterator[tuple[float, float]]:
        """The points that were kept, with the newest."""
        yield from self._points
        newest = _extremes(self._fresh)
        yield from newest
        if newest and newest[-1] != self.last:
            yield self.last


def _value(point: tuple[float, float]) -> float:
    return point[1]


def _extremes(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The least and the greatest of `points` in their order, and one that is not finite if there is any."""
    if len(points) <= 2:
        return points
    finite = [point for point in points if math.isfinite(point[1])]
    kept = {id(p): p for p in ([min(finite, key=_value), max(finite, key=_value)] if finite else [])}
    kept |= {id(p): p for p in points if not math.isfinite(p[1])}
    chosen = [point for point in points if id(point) in kept]
    return chosen if len(chosen) <= 3 else chosen[:3]
