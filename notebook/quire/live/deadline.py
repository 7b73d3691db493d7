"""Closes connections that begin a request and do not end it."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

# How long the head of a request may take to come, in seconds.
_HEAD_TIME = 10.0
# More connections than this are not taken: each costs memory.
_MOST = 4_000


class Deadlines:
    """The connections of a server, by their transports.

    Attributes:
        middleware: tells that a request has come.
    """

    def __init__(self) -> None:
        self.open: dict[Any, Deadline] = {}

        self.middleware = self._made()

    def _made(self) -> Middleware:
        @web.middleware
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            # The head of a request has come, or there would be no request.
            if deadline := self.open.get(request.transport):
                deadline.stop()
            return await handler(request)

        return middleware


class Deadline(asyncio.Protocol):
    """Stands between a connection and aiohttp's protocol for it.

    Args:
        make: makes aiohttp's protocol.
        deadlines: where this connection is put down.
    """

    def __init__(self, make: Callable[[], Any], deadlines: Deadlines) -> None:
        self._inner = make()
        self._deadlines = deadlines
        self._timer: asyncio.TimerHandle | None = None
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Waits for the first request."""
        self._transport = transport
        if len(self._deadlines.open) >= _MOST:
            transport.abort()
            return
        self._deadlines.open[transport] = self
        self._start()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Hands the data on; if it begins a request, its end must come soon."""
        if self._timer is None and not self._inner_is_busy():
            self._start()
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Hands it on."""
        result: bool | None = self._inner.eof_received()
        return result

    def connection_lost(self, exc: Exception | None) -> None:
        """Hands it on."""
        self.stop()
        if self._deadlines.open.pop(self._transport, None) is not None:
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
        self._timer = asyncio.get_running_loop().call_later(_HEAD_TIME, self._transport.abort)

    def _inner_is_busy(self) -> bool:
        # Data that comes while a request is answered (a body, frames of a WebSocket) begins none.
        return getattr(self._inner, "_current_request", None) is not None
