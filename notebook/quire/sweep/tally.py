"""How many runs of a sweep are done, have failed, and are running."""

from quire.sweep.news import Ended, News, Started


class Tally:
    """Counts the runs of a sweep by how they stand.

    Args:
        total: how many rows the sweep has.
        there: how many of them are done already.
    """

    def __init__(self, total: int, there: int) -> None:
        self.total = total
        self.done = there
        self.failed = 0
        self.interrupted = 0
        self._running: set[int] = set()

    @property
    def ended(self) -> int:
        """How many have ended, well or not."""
        return self.done + self.failed + self.interrupted

    def hear(self, news: News) -> None:
        """Takes the next news."""
        if isinstance(news, Started):
            self._running.add(news.row)
        elif isinstance(news, Ended):
            self._running.discard(news.row)
            self.done += news.state in ("done", "stopped")
            self.failed += news.state in ("failed", "died")
            self.interrupted += news.state == "interrupted"

    def __str__(self) -> str:
        """Such as `12 of 20 done, 1 failed, 2 running`."""
        told = [f"{self.done} of {self.total} done"]
        told += [f"{self.failed} failed"] if self.failed else []
        told += [f"{self.interrupted} interrupted"] if self.interrupted else []
        told += [f"{len(self._running)} running"] if self._running else []
        return ", ".join(told)
