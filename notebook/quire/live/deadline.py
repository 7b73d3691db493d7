"""Closes connections that begin a request and do not end it."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

MOST_CONNECTIONS = 4_000
"""Each costs memory: for one more than this, another one that waits for nothing has to go."""

# How long the head of a request may take to come, in seconds.
_HEAD_TIME = 10.0
# A viewer says nothing over a WebSocket; whoever says more than this, in bytes, wastes the server's time.
_MOST_SAID = 1 << 18


class Deadlines:
    """The connections of a server, by their transports.

    Attributes:
        middleware: tells that a request has come.
    """

    def __init__(self) -> None:
        self.open: dict[Any, Deadline] = {}
        self.middleware = self._made()

    def make_room(self) -> bool:
        """Cuts the oldest connection that is not being answered; whether there was one."""
        oldest = next((deadline for deadline in self.open.values() if not deadline.is_busy), None)
        if oldest is None:
            return False
        del self.open[oldest.transport]
        oldest.transport.abort()
        return True

    def _made(self) -> Middleware:
        @web.middleware
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            # The head of a request has come, or there would be no request.
            if deadline := self.open.get(request.transport):
                deadline.stop()
                is_upgrade = "upgrade" in request.headers.get("Connection", "").lower()
                deadline.left = _MOST_SAID if is_upgrade else math.inf
            return await handler(request)

        return middleware


class Deadline(asyncio.Protocol):
    """Stands between a connection and aiohttp's protocol for it.

    Args:
        make: makes aiohttp's protocol.
        deadlines: where this connection is put down.

    Attributes:
        transport: the connection.
        left: how many bytes more may come before it is cut.
    """

    def __init__(self, make: Callable[[], Any], deadlines: Deadlines) -> None:
        self._inner = make()
        self._deadlines = deadlines
        self._timer: asyncio.TimerHandle | None = None
        self._is_taken = False
        self.transport: Any = None
        self.left: float = math.inf

    def connection_made(self, transport: Any) -> None:
        """Waits for the first request."""
        self.transport = transport
        if len(self._deadlines.open) >= MOST_CONNECTIONS and not self._deadlines.make_room():
            transport.abort()
            return
        self._deadlines.open[transport] = self
        self._is_taken = True
        self._start()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Hands the data on; if it begins a request, its end must come soon."""
        self.left -= len(data)
        if self.left < 0:
            self.transport.abort()
            return
        if self._timer is None and not self.is_busy:
            self._start()
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Hands it on."""
        result: bool | None = self._inner.eof_received()
        return result

    def connection_lost(self, exc: Exception | None) -> None:
        """Hands it on."""
        self.stop()
        self._deadlines.open.pop(self.transport, None)
        if self._is_taken:
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Hands it on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Hands it on."""
        self._inner.resume_writing()

    def stop(self) -> None:
        """The request has come."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _start(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_HEAD_TIME, self.transport.abort)

    @property
    def is_busy(self) -> bool:
        """Whether a request is answered: data that comes meanwhile, a body or a WebSocket's, begins none."""
        return getattr(self._inner, "_current_request", None) is not None
