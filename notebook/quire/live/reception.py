"""Where a run takes the requests of viewers, which the server passes on."""

import contextlib
import os
import socket
import threading
from functools import partial
from pathlib import Path

from quire.events import Paused
from quire.live.answers import Answers
from quire.live.channel import Channel
from quire.session import Session


class Reception:
    """Answers requests to a run until it is closed.

    Args:
        session: the run.
        path: of the socket that is listened at; nobody else can reach its folder.
    """

    def __init__(self, session: Session, path: Path) -> None:
        self._answers = Answers(session)
        self._is_over = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        # A forked child must not keep viewers waiting for answers that it will never give.
        os.register_at_fork(after_in_child=self._listener.close)
        for happening, is_paused in (("pause", True), ("resume", False)):
            listeners = session.steering.listeners.setdefault(happening, [])
            listeners.insert(0, partial(session.emit, Paused(is_paused=is_paused)))
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, name="quire-live", daemon=True).start()

    def close(self) -> None:
        """Answers nobody any more."""
        self._is_over.set()
        with contextlib.suppress(OSError):
            # A thread that waits for connections does not notice a mere close.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._is_over.is_set():
            try:
                end, _ = self._listener.accept()
            except OSError:
                return
            server = Channel(end)
            threading.Thread(target=self._answer, args=[server], name="quire-live", daemon=True).start()

    def _answer(self, server: Channel) -> None:
        while (request := server.receive()) is not None:
            self._answers.take(request, server.send)
