"""The run's own part of its live report: it keeps the journal, and answers viewers."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from quire import failures
from quire.errors import ServeError
from quire.events import Event
from quire.folder import ReportFolder
from quire.journal import Journal
from quire.live.channel import Channel, Message
from quire.live.reception import Reception
from quire.origins import own_modules
from quire.serving import Serving
from quire.session import Session

_SOCKET = "run.sock"
# How often the run looks for modules of the author's that it has imported since.
_LOOK = 2.0

inherited: Channel | None = None
"""The way to the keeper, if that is the process from which this one was forked."""


class Attendance:
    """A live report as its run sees it: what events go to, and how viewers reach the run.

    Args:
        folder: the claimed folder of the report.
        serving: where and how to serve.
    """

    def __init__(self, folder: ReportFolder, serving: Serving) -> None:
        self._folder = folder
        self._serving = serving
        self._journal = Journal(folder.path)
        self._private = Path(tempfile.mkdtemp(prefix="quire-"))
        self._reception: Reception | None = None
        self._keeper = inherited
        self._over = threading.Event()
        self._address = ""

    @property
    def links(self) -> Path:
        """The private folder of the sockets at which this run, and those beside it, listen to viewers."""
        return self._private

    def write(self, event: Event) -> None:
        """Appends the event to the journal."""
        self._journal.write(event)

    def close(self) -> None:
        """Does nothing yet: viewers are served until `end`."""

    def attend(self, session: Session) -> None:
        """Has the report served, and begins to answer.

        Raises:
            ServeError: it cannot be served as asked.
        """
        self._session = session
        self._reception = Reception(session, self._private / _SOCKET)
        self._ask_keeper()
        self._thread(self._hear_keeper)
        self._thread(self._tell_modules)

    def linger(self, error: BaseException | None) -> None:
        """Serves the report of a run that has ended, until a viewer or Ctrl-C ends it for good."""
        steering = self._session.steering
        if self._serving.exit_when_done or steering.is_over or self._over.is_set():
            return
        if error is not None and not isinstance(error, SystemExit):
            self._say(failures.shown(error))
            self._session.told = error
        self._say(f"The page stays at {self._address} until it is ended there, or by Ctrl-C here.\n")
        try:
            steering.serve()
        except KeyboardInterrupt as error:
            # Ctrl-C is how one ends the page; a kind of it (a request of the system's) goes on.
            if type(error) is not KeyboardInterrupt:
                raise

    def end(self) -> None:
        """Takes no more events, and answers nobody any more."""
        self._over.set()
        if self._reception:
            self._reception.close()
        if self._keeper:
            self._keeper.send({"end": True})
        self._journal.remove()
        shutil.rmtree(self._private, ignore_errors=True)

    def _ask_keeper(self) -> None:
        if self._keeper is None:
            self._keeper = _start_keeper()
        self._keeper.send({"run": self._told()})
        answer = self._keeper.receive() or {"refused": "what should serve the page has ended"}
        if "refused" in answer:
            self.end()
            raise ServeError(answer["refused"])
        self._address = answer["url"]
        for line in answer["said"]:
            self._say(f"{line}\n")

    def _told(self) -> Message:
        options = {name: getattr(self._serving, name) for name in self._serving.__slots__}
        return {
            "pid": os.getpid(),
            "folder": str(self._folder.path),
            "journal": str(self._folder.path),
            "link": str(self._private / _SOCKET),
            "serving": options,
            "modules": _modules(),
        }

    def _hear_keeper(self) -> None:
        keeper = self._keeper
        while keeper and (message := keeper.receive()) is not None:
            if message.get("exit"):
                self._session.steering.request("exit")
        # Nobody is left to serve for; a run that goes on writes its report all the same.
        self._over.set()
        self._session.steering.is_over = True
        self._session.steering.poke()

    def _tell_modules(self) -> None:
        """Tells the keeper which files the run consists of, as it imports them."""
        known = _modules()
        while self._keeper and not self._over.wait(_LOOK):
            if len(found := _modules()) > len(known):
                known = found
                self._keeper.send({"modules": known})

    def _thread(self, function: Any) -> None:
        threading.Thread(target=function, name="quire-live", daemon=True).start()

    def _say(self, text: str) -> None:
        # Past the report, which is not what this is about.
        self._session.say(text)


def _start_keeper() -> Channel:
    """Starts a keeper for a run that was not started by one."""
    ours, theirs = Channel.pair()
    with theirs:
        subprocess.Popen(
            [sys.executable, "-m", "quire.live.keeper", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    return ours


def _modules() -> list[str]:
    return sorted(set(own_modules().values()))
