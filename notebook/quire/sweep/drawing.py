"""A process that draws the charts of all runs: to start what draws takes longer than a short run."""

import os
import selectors
import signal
import socket
from functools import partial
from typing import Any, NoReturn

from quire import charts, lifeline
from quire.live.channel import Channel


class Drawer:
    """Draws charts for others, one at a time.

    It is forked from a process that has one thread, and lives as long as that.
    """

    def __init__(self) -> None:
        self._channel, theirs = Channel.pair()
        parent = os.getpid()
        if not os.fork():
            self._channel.abandon()
            _become_drawer(Channel(theirs), parent)
        theirs.close()

    def end_for_run(self) -> socket.socket:
        """One end of a way to it, for a run that will be forked from here."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._channel.send({}, [theirs.fileno()])
        return ours

    def close(self) -> None:
        """Lets it end."""
        self._channel.close()


def draw_there(end: socket.socket) -> None:
    """Has this process's charts drawn at the other end, as long as somebody is there."""
    charts.drawn_by = partial(_ask, Channel(end))


def _ask(drawer: Channel, description: str) -> str:
    """The chart as SVG; drawn here if nobody is at the other end any more.

    Raises:
        ImportError: what draws is not installed.
    """
    answer = drawer.receive() if drawer.send({"draw": description}) else None
    return answer["drawn"] if answer else charts.drawn_here(description)


def _become_drawer(nursery: Channel, parent: int) -> NoReturn:
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        lifeline.die_with(parent)
        _serve(nursery)
    finally:
        os._exit(0)


def _serve(nursery: Channel) -> None:
    with selectors.DefaultSelector() as runs:
        runs.register(nursery, selectors.EVENT_READ)
        while True:
            for key, _ in runs.select():
                channel: Any = key.fileobj
                if channel is nursery:
                    if nursery.receive() is None:
                        return
                    while nursery.descriptors:
                        runs.register(Channel.adopt(nursery.descriptors.pop()), selectors.EVENT_READ)
                elif not _answer(channel):
                    runs.unregister(channel)
                    channel.close()


def _answer(run: Channel) -> bool:
    """Draws what a run asks for; whether it may ask again."""
    asked = run.receive()
    if asked is None:
        return False
    try:
        drawn = charts.drawn_here(asked["draw"])
    except Exception:
        # Who gets no answer draws itself, and finds what is wrong.
        return False
    return run.send({"drawn": drawn})
