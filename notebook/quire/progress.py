"""How far a loop has come."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

# A person cannot see changes that come faster.
_PAUSE = 0.1


class Progress(Generic[T]):
    """The progress of a loop; iterate over it, or call `update`.

    Args:
        items: what to iterate over.
        total: how many there will be, if that is known.
        report: called at most ten times a second with the number done, that of all, the seconds since
            the beginning, and whether this was the last.
        step: called between two steps: the run may be held or ended there.
        clock: the time in seconds, which may stand still while the run is held.
    """

    def __init__(
        self,
        items: Iterable[T],
        total: int | None,
        report: Callable[[int, int | None, float, bool], None],
        step: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._items = items
        self._report = report
        self._step = step
        self._clock = clock
        self._began = clock()
        self._reported = self._began
        self.total = total
        self.done = 0

    def __iter__(self) -> Iterator[T]:
        is_left = True
        try:
            for item in self._items:
                yield item
                self.update(self.done + 1)
            is_left = False
        finally:
            if is_left:
                self._tell(finished=False)
        self.finish()

    def update(self, done: int, total: int | None = None) -> None:
        """Says that `done` of `total` are done."""
        self.done = done
        self.total = self.total if total is None else total
        self._step()
        now = self._clock()
        if now - self._reported >= _PAUSE:
            self._reported = now
            self._tell(finished=False)

    def finish(self) -> None:
        """Says that no more will come. Nothing is shown of a loop that never began."""
        if self.done:
            self._tell(finished=True)

    def _tell(self, *, finished: bool) -> None:
        self._report(self.done, self.total, self._clock() - self._began, finished)
