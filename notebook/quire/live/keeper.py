"""Watches over a run and its server: each may die without the other.

The keeper holds the listening socket, so that a server which died is started again on the same port
while browsers wait. It is the parent of the server, and of the run too under `quire serve`; a run that
is a script of its own starts a keeper beside it.
"""

import math
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from quire.live import mourning
from quire.live.address import Address, open_browser
from quire.live.channel import Channel, Message
from quire.live.lives import ChildRun, NoRun, OtherRun
from quire.serving import Serving

# How long the keeper sleeps at most between two looks at its children, in seconds.
_BLINK = 0.1
# A server that dies more often than this within a minute will not live.
_MOST_DEATHS = 10
# How long a server may take to end its streams before it is killed.
_PATIENCE = 2.0
# How long the page of a run that died waits for somebody to look at it, if no terminal does.
_FORSAKEN = 60.0


class Keeper:
    """Keeps a server up for the journal of a run.

    Args:
        run: the run to begin with, or None before there is one.
        channel: the way to it.
        say: tells the user something on the terminal.
    """

    def __init__(
        self, run: ChildRun | OtherRun | NoRun, channel: Channel | None, say: Callable[[str], None]
    ) -> None:
        self._run = run
        self._channel = channel
        self._say = say
        self._address: Address | None = None
        self._journal: Message = {}
        self._serving = Serving()
        self._deaths: list[float] = []
        self._ended_well = False
        self._epoch = 0
        self._quiet_since = time.monotonic()
        self.is_over = self.is_mourning = False
        self.modules: list[str] = []
        # At once, so that the server is being imported while the run is.
        self._start_server()

    @property
    def serving(self) -> Serving:
        """How the run asked to be served."""
        return self._serving

    def look(self, seconds: float = _BLINK) -> int | None:
        """Waits for what happens, at most so many seconds; how the run ended, once it has."""
        with selectors.DefaultSelector() as selector:
            for channel in (self._channel, self._server):
                # That of a server which was given up is closed.
                if channel and channel.fileno() >= 0:
                    selector.register(channel, selectors.EVENT_READ)
            for key, _ in selector.select(seconds):
                (self._hear_run if key.fileobj is self._channel else self._hear_server)()
        if self._process.poll() is not None and not self.is_over:
            self._restart_server()
        return self._run.poll()

    @property
    def url(self) -> str:
        """The address that opens the page; "" as long as there is none."""
        return self._address.url if self._address else ""

    @property
    def is_forsaken(self) -> bool:
        """Whether nobody has looked at the page for a minute."""
        return time.monotonic() - self._quiet_since > _FORSAKEN

    def follow(self, run: ChildRun, channel: Channel) -> None:
        """Serves another run from here on: the same report, begun anew."""
        self._run, self._channel = run, channel
        self._ended_well = self.is_mourning = False

    def abandon(self) -> None:
        """Closes what a forked child must not hold."""
        self._server.abandon()
        if self._channel:
            self._channel.abandon()
        if self._address:
            self._address.close()

    def mourn(self, code: int | None) -> bool:
        """Closes the report of a run that ended without doing so itself; whether that was done now."""
        while self._channel:
            self._hear_run()
        if self._ended_well or self.is_mourning or not self._journal:
            return False
        self.is_mourning = True
        mourning.close_report(Path(self._journal["folder"]), mourning.cause(code))
        return True

    def end(self) -> None:
        """Ends the server, and removes what the run left behind."""
        self.is_over = True
        self._server.send({"end": True})
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._address:
            self._address.close()
        if self._journal:
            mourning.remove_journal(Path(self._journal["journal"]))
            shutil.rmtree(Path(self._journal["link"]).parent, ignore_errors=True)

    def _hear_run(self) -> None:
        assert self._channel
        message = self._channel.receive()
        if message is None:
            self._channel.close()
            self._channel = None
        elif "run" in message:
            self._channel.send(self.serve(message["run"]))
        elif "modules" in message:
            self.modules = message["modules"]
        elif "end" in message:
            self._ended_well = True

    def serve(self, told: Message) -> Message:
        """Has the server serve the run that told this; what to answer it."""
        self._serving = Serving(**told["serving"])
        self.modules = told["modules"]
        kept = ("folder", "link", "journal")
        self._journal = {name: told[name] for name in kept} | {"epoch": self._epoch}
        self._epoch += 1
        is_first = self._address is None
        if self._address is None:
            try:
                self._address = Address(self._serving)
            except OSError as error:
                return {"refused": str(error)}
        self._tell_server()
        said = self._address.said(told["pid"]) if is_first else []
        if is_first and self._serving.browser:
            open_browser(self._address.url, Path(told["link"]).parent)
        return {"url": self._address.url, "said": said}

    def _hear_server(self) -> None:
        message = self._server.receive()
        if message is None:
            # Its end is noticed by its process.
            time.sleep(_BLINK / 10)
        elif "viewers" in message:
            self._quiet_since = math.inf if message["viewers"] else time.monotonic()
        elif "exit" in message and not (self._channel and self._channel.send({"exit": True})):
            self.is_over = True

    def _start_server(self) -> None:
        self._server, theirs = Channel.pair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "quire.live.server", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # Ctrl-C is for the run; the server ends when it is told to.
                start_new_session=True,
            )
        if self._address:
            self._tell_server()

    def _restart_server(self) -> None:
        self._server.close()
        now = time.monotonic()
        self._deaths = [*(t for t in self._deaths if now - t < 60), now]
        if len(self._deaths) > _MOST_DEATHS:
            self._say("The server of the live page dies again and again: the page is given up.\n")
            self.is_over = True
            return
        self._start_server()

    def _tell_server(self) -> None:
        assert self._address
        self._server.send({"serve": {**self._journal, **self._address.told()}}, self._address.descriptors)


def main() -> None:
    """Keeps the report of another process: one that opened a report as live by itself."""
    run = OtherRun(os.getppid())
    keeper = Keeper(run, Channel.adopt(int(sys.argv[1])), lambda text: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while (code := keeper.look()) is None and not keeper.is_over:
        pass
    if code is not None and keeper.mourn(run.code):
        # The page says how the run died, for as long as somebody looks at it.
        while not keeper.is_over and not keeper.is_forsaken:
            keeper.look()
    keeper.end()


if __name__ == "__main__":
    main()
