"""The course of a sweep: rows are started, and what happens to them is told."""

import time
from collections import deque
from collections.abc import Sequence

from quire.steering import Steering
from quire.sweep.executor import Executor
from quire.sweep.news import Ended, Listener
from quire.sweep.rows import Row

# How often it looks whether it shall end, in seconds.
_BLINK = 0.1
# How long runs may take to close their reports when the sweep shall end, in seconds.
_PATIENCE = 10.0


class Course:
    """Runs rows on an executor, in their order, as many at a time as it has workers.

    Args:
        rows: those to run.
        executor: what runs them.
        listeners: what is told the news.
        steering: takes what viewers ask for: while it is paused no row is started, and to stop is to
            interrupt.

    Attributes:
        ends: how rows have ended, by their numbers.
        interruptions: how often it was asked to end.
    """

    def __init__(
        self, rows: Sequence[Row], executor: Executor, listeners: Sequence[Listener], steering: Steering
    ) -> None:
        self.ends: dict[int, Ended] = {}
        self.interruptions = 0
        self._waiting = deque(rows)
        self._running: set[int] = set()
        self._executor = executor
        self._listeners = listeners
        self._steering = steering

    def interrupt(self) -> None:
        """Asks it to end, from a signal handler: runs close their reports; the second time at once."""
        self.interruptions += 1

    def run(self) -> None:
        """Returns when all rows have ended, or those that ran when it was asked to end.

        Raises:
            ChildProcessError: the executor is gone.
        """
        granted, end = 0, 0.0
        while self._running or (self._waiting and not self.interruptions):
            self.interruptions += self._steering.glance()
            while self._can_start:
                row = self._waiting.popleft()
                self._running.add(row.number)
                self._executor.start(row)
            for news in self._executor.news(_BLINK):
                if isinstance(news, Ended):
                    self._running.discard(news.row)
                    self.ends[news.row] = news
                for listener in self._listeners:
                    listener.hear(news)
            for listener in self._listeners:
                listener.draw()
            if granted < min(self.interruptions, 2) or (granted == 1 and time.monotonic() > end):
                granted += 1
                end = time.monotonic() + _PATIENCE
                self._executor.end(at_once=granted > 1)

    @property
    def _can_start(self) -> bool:
        is_held = self._steering.is_paused or self.interruptions
        return bool(self._waiting) and not is_held and len(self._running) < self._executor.workers
