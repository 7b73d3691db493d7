"""The process from which each run of a sweep is forked, so that a run costs a fork and no import.

It is forked itself when the demo has been imported and nothing else has begun: it has one thread, and no
open report, no captured output and no listening socket that a run could inherit.
"""

import atexit
import contextlib
import faulthandler
import os
import random
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from quire import beside, lifeline, origins, running
from quire.live import mourning
from quire.live.channel import Channel, Message
from quire.live.reception import Reception
from quire.parameters import plain
from quire.provenance import Linker, keep_checkout
from quire.report import open_report
from quire.steering import RunStopped
from quire.sweep.companion import Companion
from quire.sweep.drawing import Drawer, draw_there
from quire.sweep.news import Ended, News, from_json, to_json
from quire.sweep.rows import Row

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# How long a run may take to close its report when the sweep is gone, in seconds.
_PATIENCE = 4.0
_INTERRUPTED = 128 + signal.SIGINT


@dataclass(frozen=True)
class Job:
    """What the runs of a sweep have in common.

    Attributes:
        demo: the function.
        folder: where each report gets a folder of its own.
        reproducible: whether reports leave out times, machine and commit.
        force: whether a report is replaced that was edited by hand.
        cache: whether `log.cached` may take values that earlier runs have kept.
    """

    demo: Callable[..., Any]
    folder: Path
    reproducible: bool
    force: bool
    cache: bool = True


class Nursery:
    """Runs rows in processes of this machine; an `Executor`.

    Args:
        job: what the runs have in common.
        rows: all that may be run.
        workers: how many at a time.
    """

    def __init__(self, job: Job, rows: Sequence[Row], workers: int) -> None:
        self.workers = workers
        self._job = job
        self._rows = {row.number: row for row in rows}
        self._running: set[int] = set()
        self._closed: dict[int, Message] = {}
        self._links = ""
        self._channel, theirs = Channel.pair()
        self._pid = os.fork()
        if not self._pid:
            try:
                self._channel.abandon()
                _Tender(Channel(theirs), job, self._rows).tend()
            finally:
                os._exit(0)
        theirs.close()

    def answer_at(self, links: Path) -> None:
        """Has runs that begin from here on answer viewers, at sockets in the folder `links`."""
        self._links = str(links)

    def start(self, row: Row) -> None:
        """Begins the run of a row."""
        self._running.add(row.number)
        self._channel.send({"start": row.number, "links": self._links})

    def news(self, seconds: float) -> Iterator[News]:
        """What has happened since the last call, awaited for so many seconds at most.

        Raises:
            ChildProcessError: the nursery is gone, and all runs with it.
        """
        while self._channel.has_message or select.select([self._channel], [], [], seconds)[0]:
            seconds = 0
            message = self._channel.receive()
            if message is None:
                yield from self._mourn_all()
            else:
                yield from self._taken(message)

    def end(self, *, at_once: bool) -> None:
        """Has those that run end."""
        self._channel.send({"signal": signal.SIGKILL if at_once else signal.SIGINT})

    def close(self) -> None:
        """Ends all that still runs, and the nursery."""
        if self._pid:
            self._channel.close()
            os.waitpid(self._pid, 0)
            self._pid = 0

    def _taken(self, message: Message) -> Iterator[News]:
        if "news" in message:
            yield from_json(message)
        elif "closed" in message:
            self._closed[message["closed"]] = message
        else:
            yield self._ended(self._rows[message["ended"]], message["code"])

    def _ended(self, row: Row, code: int) -> Ended:
        self._running.discard(row.number)
        if closed := self._closed.pop(row.number, None):
            return Ended(row.number, closed["state"], closed["detail"])
        detail = mourning.cause(code)
        _close_report(self._job.folder / row.name, detail)
        return Ended(row.number, "died", detail)

    def _mourn_all(self) -> Iterator[News]:
        for number in sorted(self._running):
            _close_report(self._job.folder / self._rows[number].name, "the sweep lost it")
            yield Ended(number, "died", "the sweep lost it")
        raise ChildProcessError("the process from which runs are forked has died")


def _close_report(folder: Path, detail: str) -> None:
    mourning.close_report(folder, detail)
    mourning.remove_journal(folder)


class _Tender:
    """What the nursery does: forks runs when told to, and tells how they ended."""

    def __init__(self, channel: Channel, job: Job, rows: Mapping[int, Row]) -> None:
        self._channel = channel
        self._job = job
        self._rows = rows
        self._runs: dict[int, int] = {}

    def tend(self) -> None:
        """Goes on until the sweep lets go of its end of the channel, or is gone."""
        # Its own session: Ctrl-C at the terminal is for the sweep, which tells each run once.
        os.setsid()
        # Where a crash of the interpreter is told; nothing else of a run goes there.
        faulthandler.enable(os.dup(2))
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        # Taken by each run when it is ready for them.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        awake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        # The code is what was imported: it is told so even if its files are saved before a run ends.
        here = Path.cwd()
        keep_checkout(here)
        list(origins.used(Linker(here)))
        self._randomness = random.getstate()
        self._drawer = Drawer()
        is_open = True
        while is_open:
            ready = select.select([self._channel.fileno(), awake], [], [])[0]
            if awake in ready:
                os.read(awake, 1024)
            self._reap()
            while is_open and (self._channel.has_message or self._channel.fileno() in ready):
                ready = []
                message = self._channel.receive()
                is_open = message is not None
                if message is not None:
                    self._take(message)
        self._end()
        self._drawer.close()

    def _take(self, message: Message) -> None:
        if "start" in message:
            row = self._rows[message["start"]]
            nursery = os.getpid()
            with self._drawer.end_for_run() as drawer:
                pid = os.fork()
                if not pid:
                    draw_there(drawer)
                    link = beside.link_of(Path(links), row.name) if (links := message["links"]) else None
                    _become_run(self._job, row, self._channel, nursery, self._randomness, link)
            self._runs[pid] = row.number
        else:
            self._send_all(message["signal"])

    def _reap(self) -> None:
        while self._runs:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            if pid in self._runs:
                code = os.waitstatus_to_exitcode(status)
                self._channel.send({"ended": self._runs.pop(pid), "code": code})

    def _send_all(self, number: int) -> None:
        for pid in self._runs:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _end(self) -> None:
        self._send_all(signal.SIGTERM)
        end = time.monotonic() + _PATIENCE
        while self._runs and time.monotonic() < end:
            time.sleep(0.02)
            self._reap()
        self._send_all(signal.SIGKILL)


def _become_run(
    job: Job, row: Row, channel: Channel, nursery: int, randomness: Any, link: Path | None
) -> NoReturn:
    """Runs a row in this process, which ends with it."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        running.take_sigterm()
        lifeline.die_with(nursery)
        # A fork seeds it anew, but what a script has seeded when it was imported is to hold.
        random.setstate(randomness)
        code = run_row(job, row, channel, link)
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        # Without taking apart all that was imported, which would take longer than a short run.
        os._exit(code)


def run_row(job: Job, row: Row, channel: Channel, link: Path | None = None) -> int:
    """Runs a row in this process, and tells how it goes and how it ended; the exit status.

    Args:
        job: what it has in common with others.
        row: the row.
        channel: takes what is told.
        link: the socket at which it answers viewers, if there may be any.
    """

    def tell(news: News) -> None:
        channel.send(to_json(news))

    folder = job.folder / row.name
    companion = Companion(row.number, folder, tell)
    code, detail = 0, ""
    reception: Reception | None = None
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        log = open_report(
            folder,
            parameters=plain(row.values),
            command=row.command,
            reproducible=job.reproducible,
            backends=[companion],
            force=job.force,
            cache=job.cache,
        )
        reception = Reception(log._session, link) if link else None
        running.perform(log, job.demo, row.values)
    except RunStopped:
        pass
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except BaseException as error:
        code, detail = 1, companion.failure or f"{type(error).__name__}: {error}"
    # Whatever comes now comes too late.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    companion.remove_journal()
    if reception:
        reception.close()
    # What was closed as done, but could not be written whole, or could not even be opened, has failed.
    state = "failed" if code == 1 else companion.state
    channel.send({"closed": row.number, "state": state, "detail": detail})
    return code
