"""One run of a report: what its pages share, from the first event to the last."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

from quire import capture, origins, provenance
from quire.errors import ReportError
from quire.events import Backend, Closed, Event, Opened, Output, State
from quire.names import Names
from quire.offers import Offers
from quire.provenance import Linker
from quire.steering import Steering

# Within which block each page of each session stands, in this thread or task.
_within: ContextVar[Mapping[tuple[int, str], str]] = ContextVar("quire_within", default={})  # noqa: B039 - never mutated


class Live(Backend, Protocol):
    """What keeps a run's events for its viewers, and answers them.

    As a backend it is closed like the others; it takes events still until `end`.
    """

    @property
    def links(self) -> Path:
        """The private folder in which runs whose reports stand beside this one may listen to viewers."""

    def attend(self, session: "Session") -> None:
        """Begins to answer viewers of the run."""

    def linger(self, error: BaseException | None) -> None:
        """Answers viewers of a run that has come to its end (by `error`), until they end it for good."""

    def end(self) -> None:
        """Takes no more events, and answers nobody any more."""


class Session:
    """Hands the events of a run to its backends, in one order.

    Args:
        backends: what the events go to.
        linker: names the files of quoted code.
        folder: the folder of the report.
        only_blocks: whether to leave alone what is printed outside of blocks of code.
        live: what serves the run while it is live; it goes on when the report is closed.
        takes_cached: whether values may be taken from the cache.

    Attributes:
        steering: what may hold, end or question the run.
        offers: what viewers may set and ask for.
        is_kept: whether its report is there when it has ended, for its reader to be sent there.
        told: the exception that the terminal has been shown already, where the page stayed after it.
    """

    def __init__(
        self,
        backends: Sequence[Backend],
        linker: Linker,
        folder: Path,
        *,
        only_blocks: bool = False,
        live: "Live | None" = None,
        takes_cached: bool = True,
    ) -> None:
        self.live = live
        self.takes_cached = takes_cached
        # The journal comes first: what the others show can be found there, whatever happens to them.
        self.backends = [*([live] if live else []), *backends]
        self.linker = linker
        self.folder = folder
        self.keys = Names()
        self.quoted: dict[tuple[str, str, int, str], str] = {}
        self.failure: BaseException | None = None
        self.told: BaseException | None = None
        self.is_kept = True
        self.troubles: list[str] = []
        self.is_closed = False
        self.steering = Steering()
        self.offers = Offers()
        self._pid = os.getpid()
        self._began = time.perf_counter()
        self._base = capture.Sink(lambda text: self.output("", text), is_base=True)
        self._spell = capture.Spell(self._base, folder) if only_blocks else None

    def open(self, opened: Opened, make_console: Callable[[BinaryIO], Backend]) -> None:
        """Begins to capture (unless that is for blocks alone), and hands on the first event.

        Args:
            opened: the first event.
            make_console: makes the backend that shows the run, given what stands for the terminal.
        """
        if not self._spell:
            self._terminal = capture.start(self._base, self.folder)
            self.backends.append(make_console(self._terminal))
        try:
            self.emit(opened)
            if self.live:
                self.live.attend(self)
        except BaseException:
            if not self._spell:
                self._base.leave()
                capture.stop()
            raise

    def emit(self, event: Event) -> None:
        """Hands an event to every backend, after all that was printed before it.

        Raises:
            ReportError: the report is closed, or this process was forked from the one that opened it.
        """
        if not self.is_mine:
            raise ReportError(
                f"this report belongs to process {self._pid}: a forked process may print, "
                "but must give its results to that one to be reported"
            )
        with capture.lock:
            if self.is_closed and not self.backends:
                raise ReportError("this report is closed: nothing can be added to it any more")
            capture.sync()
            for backend in self.backends:
                backend.write(event)

    def say(self, text: str) -> None:
        """Tells the user something on the terminal that is no part of the report."""
        if self.is_closed or self._spell:
            print(text, end="", flush=True)
            return
        with capture.lock, contextlib.suppress(OSError, ValueError):
            self._terminal.write(text.encode("utf-8", "backslashreplace"))
            self._terminal.flush()

    def output(self, parent: str, text: str) -> None:
        """Hands on captured text; called under the lock."""
        if not self.is_closed:
            for backend in self.backends:
                backend.write(Output(parent=parent, text=text))

    def sink(self, key: str) -> capture.Sink:
        """What takes the output of the block `key`."""
        return capture.Sink(partial(self.output, key), spell=self._spell)

    @contextlib.contextmanager
    def overhearing(self, take: Callable[[str], object]) -> Iterator[None]:
        """Gives `take`, too, what is printed here meanwhile, if the report gets it at all."""
        outer = capture.receiver() if self.is_mine else None
        if outer is None:
            yield
            return
        deliver = outer.deliver

        def both(text: str) -> None:
            take(text)
            deliver(text)

        sink = capture.Sink(both)
        sink.enter()
        try:
            yield
        finally:
            sink.leave()

    @property
    def is_live(self) -> bool:
        """Whether there may be viewers."""
        return self.live is not None

    @property
    def is_mine(self) -> bool:
        """Whether this is the process that opened the report."""
        return os.getpid() == self._pid

    def within(self, page: str) -> str:
        """The key of the block in which the page `page` stands here; the page's own key outside of all."""
        return _within.get().get((id(self), page), page)

    def stand_within(self, page: str, key: str) -> None:
        """Makes the block `key` the one in which blocks of `page` stand from here on."""
        _within.set({**_within.get(), (id(self), page): key})

    def close(self, state: State) -> None:
        """Ends the run: the rest of the output, where all came from, and the backends' own ends.

        Raises:
            ReportError: a backend could not finish what it writes.
        """
        if not self._spell:
            self._base.leave()
        elapsed = time.perf_counter() - self._began
        for used in origins.used(self.linker):
            self.emit(used)
        closed = Closed(state=state, elapsed=elapsed, provenance=self._provenance())
        # What viewers see may still change, as long as they are served; the report does not.
        live: list[Backend] = [self.live] if self.live else []
        with capture.lock:
            capture.sync()
            ending, self.backends = [one for one in self.backends if one is not self.live], live
            for backend in ending:
                backend.write(closed)
        self.is_closed = True
        try:
            with contextlib.ExitStack() as ends:
                for backend in ending:
                    ends.callback(backend.close)
        finally:
            # Viewers hear of the end when the report is whole: who waits for it finds its files.
            for backend in live:
                backend.write(closed)
            lost = self._spell.lost if self._spell else capture.stop()
        if lost:
            self.troubles.append(f"{lost:,} bytes of output could not be kept")
        if self.troubles:
            raise ReportError(f"the report is not complete: {'; '.join(self.troubles)}")

    def linger(self, state: State, error: BaseException | None) -> None:
        """Answers viewers until they end the run for good, if there may be any."""
        if self.live and state != "interrupted":
            self.live.linger(error)

    def end(self) -> None:
        """Takes no more events, and answers nobody any more."""
        self.steering.end()
        if self.live:
            self.live.end()
        self.backends = []

    def _provenance(self) -> dict[str, str]:
        tree = self.linker.checkout
        commit = {"Commit": tree.describe()} if tree else {}
        return {**commit, "Versions": provenance.versions(), "Machine": provenance.machine()}
