"""`quire serve`: one process keeps the page, its child runs the demo."""

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import click

from quire import journal, lifeline
from quire.errors import ServeError
from quire.events import Event
from quire.live import attendance, mourning
from quire.live.channel import Channel
from quire.live.keeper import Keeper
from quire.live.lives import ChildRun, NoRun
from quire.serving import Serving

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# How long a run may take to close its report when it is told to end, in seconds.
_PATIENCE = 4.0
_SENT_BY_PROCESS = 0  # SI_USER


def become_run() -> None:
    """Returns in a child of this process, which is to be the run; this process keeps its page, and exits.

    Raises:
        SystemExit: in this process, when all has ended, with the status of the run.
    """
    # Taken one by one, when the keeper is ready for them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    supervisor = _Supervisor()
    if supervisor.start():
        return
    supervisor.keep()


def view(events: Iterable[Event], folder: Path, serving: Serving) -> NoReturn:
    """Serves a finished report until it is ended; nothing is run.

    Args:
        events: the report's, from its record.
        folder: its folder, for its files.
        serving: where and how to serve.

    Raises:
        ServeError: it cannot be served as asked.
        SystemExit: all has ended.
    """
    private = Path(tempfile.mkdtemp(prefix="quire-"))
    journal.fill(private, events)
    options = {name: getattr(serving, name) for name in serving.__slots__}
    nobody = str(private / "nobody.sock")
    told = {"folder": str(folder), "journal": str(private), "link": nobody, "serving": options}
    keeper = Keeper(NoRun(), None, _say)
    try:
        answer = keeper.serve(told | {"modules": [], "pid": os.getpid()})
        if "refused" in answer:
            raise ServeError(answer["refused"])
        for line in answer["said"]:
            click.echo(line)
        with contextlib.suppress(KeyboardInterrupt):
            while not keeper.is_over:
                keeper.look()
    finally:
        keeper.end()
    raise SystemExit(0)


class _Supervisor:
    def __init__(self) -> None:
        self._keeper: Keeper | None = None
        self._again = False
        self._seen: dict[str, float] = {}
        self._ended_by = 0

    def start(self) -> bool:
        """Begins a run; whether this process is it."""
        ours, theirs = Channel.pair()
        keeper = os.getpid()
        pid = os.fork()
        if not pid:
            ours.abandon()
            attendance.inherited = Channel(theirs)
            if self._keeper:
                self._keeper.abandon()
            lifeline.die_with(keeper)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            return True
        theirs.close()
        run = ChildRun(pid)
        if self._keeper is None:
            self._keeper = Keeper(run, ours, _say)
        else:
            self._keeper.follow(run, ours)
        self._run = run
        return False

    def keep(self) -> None:
        """Keeps the page until all has ended; returns only in a run that was started anew."""
        keeper = self._keeper
        assert keeper
        while True:
            code = keeper.look()
            self._take_signals()
            if keeper.serving.watch and self._has_changed():
                self._restart()
            if code is None:
                continue
            if self._again:
                self._again = False
                if self.start():
                    return
            elif not self._goes_on(code):
                keeper.end()
                raise SystemExit(128 - code if code < 0 else code)

    def _goes_on(self, code: int) -> bool:
        """Whether the page stays though the run has ended: to say how it died, or to wait for a change."""
        keeper = self._keeper
        assert keeper
        if keeper.is_over or self._ended_by:
            keeper.mourn(code)
            return False
        if keeper.mourn(code):
            _say(f"The run died ({mourning.cause(code)}); the report holds what it had done by then.\n")
            if not keeper.serving.exit_when_done:
                _say(f"The page stays at {keeper.url} until Ctrl-C ends it.\n")
        return keeper.is_mourning and not keeper.serving.exit_when_done

    def _take_signals(self) -> None:
        while pending := signal.sigpending() & set(_SIGNALS):
            number = pending.pop()
            was_sent = False
            if hasattr(signal, "sigwaitinfo"):
                was_sent = signal.sigwaitinfo([number]).si_code == _SENT_BY_PROCESS
            else:
                signal.sigwait([number])
            self._take(number, was_sent=was_sent)

    def _take(self, number: int, *, was_sent: bool) -> None:
        self._ended_by = number
        if self._run.poll() is not None:
            assert self._keeper
            self._keeper.is_over = True
        # What the terminal sends, it sends to the run too.
        elif number == signal.SIGTERM or was_sent:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._run.pid, number)
        if number == signal.SIGTERM:
            self._wait_or_kill()

    def _wait_or_kill(self) -> None:
        end = time.monotonic() + _PATIENCE
        assert self._keeper
        while self._run.poll() is None:
            if time.monotonic() > end:
                os.kill(self._run.pid, signal.SIGKILL)
            self._keeper.look()

    def _has_changed(self) -> bool:
        """Whether a file of the run was saved since the last look."""
        assert self._keeper
        now = {}
        for name in self._keeper.modules:
            with contextlib.suppress(OSError):
                now[name] = Path(name).stat().st_mtime
        changed = any(self._seen.get(name, time_) != time_ for name, time_ in now.items())
        self._seen = now
        return changed

    def _restart(self) -> None:
        _say("Saved: the run begins anew.\n")
        self._again = True
        if self._run.poll() is None:
            os.kill(self._run.pid, signal.SIGTERM)
            self._wait_or_kill()


def _say(text: str) -> None:
    click.echo(text, err=True, nl=False)
