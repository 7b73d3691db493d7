"""Where the rows of a sweep are run."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from quire.sweep.news import News
from quire.sweep.rows import Row


class Executor(Protocol):
    """What runs rows, several at a time, each into a report of its own.

    Attributes:
        workers: how many rows it runs at a time.
    """

    @property
    def workers(self) -> int:
        """How many rows it runs at a time."""

    def answer_at(self, links: Path) -> None:
        """Has runs that begin from here on answer viewers, if they can: at sockets in the folder `links`."""

    def start(self, row: Row) -> None:
        """Begins the run of a row; there are fewer than `workers` running."""

    def news(self, seconds: float) -> Iterable[News]:
        """What has happened since the last call, awaited for so many seconds at most.

        The last news of each row is that it has `Ended`, and its report is closed by then.

        Raises:
            ChildProcessError: no row can be run any more.
        """

    def end(self, *, at_once: bool) -> None:
        """Has those that run end: their reports say that they were interrupted, unless it is `at_once`."""

    def close(self) -> None:
        """Ends all that still runs, and the executor."""
