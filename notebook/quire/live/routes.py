"""What the server answers, address by address. All stand behind the guard."""

import asyncio
import base64
import contextlib
import json
import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from aiohttp import HttpVersion11, WSMsgType, web
from aiohttp.typedefs import Handler, Middleware

from quire import beside, charts, failures
from quire.live import downloads
from quire.live.asking import Unanswered
from quire.live.channel import Message
from quire.live.guard import refusal
from quire.live.run_view import RunView
from quire.live.served import Served
from quire.live.viewers import Viewer, encoded, event_stream_frame, first_of, websocket_frame
from quire.terminal_text import TerminalText
from quire.web import assets

Answer = Awaitable[web.StreamResponse]

_POLL = 25.0
# A page's script says nothing over its WebSocket: more than a pong is no page of ours.
_MOST_FRAME = 4096
# How long a body may take to come.
_BODY_TIME = 10.0
_LOG_PAUSE = 0.05
_ACTIONS = ("pause", "resume", "stop")
_HTML = {"Content-Security-Policy": assets.POLICY}
# What an SVG or an HTML file of the report may do when it is opened by itself: nothing.
_FILE = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
    )
}
_SHOWN = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".csv": "text/csv",
}
_PIECE = 1 << 18


class Routes:
    """The handlers of requests about a report, and about those of a sweep's runs at addresses below it.

    Args:
        report: gives the report that is served, for the name of a run, or else "".
        end: ends all, for good.
    """

    def __init__(self, report: Callable[[str], Awaitable[Served]], end: Callable[[], None]) -> None:
        self._report = report
        self._end = end

    def add_to(self, application: web.Application) -> None:
        """Puts all routes into `application`."""
        for prefix in ("", f"/{beside.RUNS}/{{run}}"):
            self._add_below(prefix, application.router)

    def _add_below(self, prefix: str, router: web.UrlDispatcher) -> None:
        for path, handler in {
            "/events": self.events,
            "/stream": self.stream,
            "/poll": self.poll,
            "/log": self.log,
        }.items():
            router.add_get(f"{prefix}{path}", handler, allow_head=False)
        for path, handler in {
            "/": self.page,
            "/p/{key}/": self.page,
            "/pages/{name}": self.offered,
            "/assets/{name}": self.asset,
            "/files/{number}/{name}": self.file,
            "/charts/{key}": self.chart,
            "/state": self.state,
            "/report.zip": self.zip,
            "/report.html": self.html,
        }.items():
            router.add_get(f"{prefix}{path}", handler)
        router.add_post(f"{prefix}/run/{{action}}", self.steer)
        router.add_post(f"{prefix}/controls/{{key}}", self.control)
        router.add_post(f"{prefix}/uploads/{{key}}", self.upload)
        for method in ("GET", "POST", "PUT", "DELETE"):
            router.add_route(method, f"{prefix}/api/{{path:.+}}", self.endpoint)

    # Pages

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The report, or one of its subreports."""
        report = await self._served(request)
        with _missing():
            html = report.page(request.match_info.get("key", ""))
        return web.Response(text=html, content_type="text/html", headers=_HTML)

    async def offered(self, request: web.Request) -> web.StreamResponse:
        """A page of the author's, as the run writes it now."""
        name = request.match_info["name"]
        run = (await self._served(request)).run
        answer = await _asked(run, do="page", name=name, query=dict(request.query))
        html = run.offered(name, answer)
        return web.Response(text=html, content_type="text/html", headers=_HTML)

    async def asset(self, request: web.Request) -> web.StreamResponse:
        """A part of the page itself: style, script, icon."""
        with _missing():
            data, kind = await asyncio.to_thread(assets.read, request.match_info["name"])
        lasting = "public, max-age=31536000, immutable" if request.query.get("v") else "no-cache"
        response = web.Response(body=data, content_type=kind, headers={"Cache-Control": lasting})
        response.enable_compression()
        return response

    async def file(self, request: web.Request) -> web.StreamResponse:
        """A file of the report."""
        run = (await self._served(request)).run
        with _missing():
            name, content = run.files.open(int(request.match_info["number"]))
        suffix = f".{name.rpartition('.')[2].lower()}"
        kind = _SHOWN.get(suffix, "application/octet-stream")
        headers = _FILE | {"Content-Type": f"{kind}; charset=utf-8" if kind.startswith("text/") else kind}
        if suffix not in _SHOWN:
            headers["Content-Disposition"] = "attachment"
        if isinstance(content, bytes):
            return web.Response(body=content, headers=headers)
        response = web.StreamResponse(headers=headers)
        with content:
            await response.prepare(request)
            # aiohttp would send to HEAD what is written by piece.
            while request.method != "HEAD" and (piece := await asyncio.to_thread(content.read, _PIECE)):
                await response.write(piece)
        await response.write_eof()
        return response

    async def chart(self, request: web.Request) -> web.StreamResponse:
        """A chart's description and its points so far."""
        report = await self._served(request)
        report.refresh()
        with _missing():
            event, node = report.run.feed.chart(request.match_info["key"])
        spec = charts.describe(event.title, node.series, on_paper=False)
        del spec["data"]
        points = [
            [name, step, value if math.isfinite(value) else None]
            for name, series in node.series.items()
            for step, value in series
        ]
        return web.json_response({"title": event.title, "spec": spec, "points": points})

    # Messages

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Messages over a WebSocket."""
        report, since = await self._served(request), _number(request, "since")
        socket = web.WebSocketResponse(max_msg_size=_MOST_FRAME, compress=False, timeout=1.0)
        transport = _transport(request)
        await socket.prepare(request)
        viewer = Viewer(transport, websocket_frame)
        report.greet(viewer, since)
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    break
        finally:
            report.viewers.remove(viewer)
        if not socket.closed:
            with contextlib.suppress(Exception):
                await socket.close(code=1008)
        transport.abort()
        return socket

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Messages as server-sent events."""
        if request.version < HttpVersion11:
            raise web.HTTPVersionNotSupported
        report, since = await self._served(request), _number(request, "since")
        headers = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)
        response.enable_chunked_encoding()
        transport = _transport(request)
        await response.prepare(request)
        # What is sent past aiohttp must come behind the head, which it holds back for the first piece.
        await response.write(b": welcome\n\n")
        viewer = Viewer(transport, event_stream_frame)
        report.greet(viewer, since)
        gone = asyncio.Event()
        try:
            while not transport.is_closing():
                await first_of(gone, 1.0)
        finally:
            report.viewers.remove(viewer)
        return response

    async def poll(self, request: web.Request) -> web.StreamResponse:
        """What has happened since, or what happens next."""
        report, since, change = await self._served(request), _number(request, "since"), asyncio.Event()
        report.viewers.waiters.add(change)
        try:
            message = report.missed(since)
            if len(message) <= 2 and message["n"] == since:
                await first_of(change, _POLL)
                message = report.missed(since)
        finally:
            report.viewers.waiters.discard(change)
        return web.Response(body=encoded(message), content_type="application/json")

    async def state(self, request: web.Request) -> web.StreamResponse:
        """How the run stands."""
        report = await self._served(request)
        report.refresh()
        feed = report.run.feed
        return web.json_response({"n": feed.number, **feed.state(), "viewers": len(report.viewers)})

    async def log(self, request: web.Request) -> web.StreamResponse:
        """The log as plain text: all of it as it comes, its last part, or a part of it."""
        report = await self._served(request)
        report.refresh()
        feed = report.run.feed
        is_part = bool({"tail", "from"} & request.query.keys())
        at = max(0, feed.log_size - _number(request, "tail")) if "tail" in request.query else 0
        at = _number(request, "from") if "from" in request.query else at
        end = min(_number(request, "to"), feed.log_size) if "to" in request.query else feed.log_size
        headers = {"Content-Type": "text/plain; charset=utf-8", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        if not is_part:
            await _stream_log(report, response)
        # As it is, for the page itself, which shows colours and makes all other control characters visible.
        while is_part and at < end and (piece := feed.log(at, end)):
            await response.write(piece)
            at += len(piece)
        await response.write_eof()
        return response

    # Downloads

    async def html(self, request: web.Request) -> web.StreamResponse:
        """The report as one HTML file."""
        report = await self._served(request)
        report.refresh()
        text = await asyncio.to_thread(downloads.html, report.run)
        return _download(text.encode(), f"{report.run.name}.html", "text/html")

    async def zip(self, request: web.Request) -> web.StreamResponse:
        """The Markdown with its files."""
        run = (await self._served(request)).run
        data = await asyncio.to_thread(downloads.packed, run)
        return _download(data, f"{run.name}.zip", "application/zip")

    # Requests to the run

    async def steer(self, request: web.Request) -> web.StreamResponse:
        """Pauses the run, lets it go on, or ends it."""
        action = request.match_info["action"]
        report = await self._served(request)
        if action == "exit" and "run" not in request.match_info:
            self._end()
        elif action in _ACTIONS:
            await _asked(report.run, do="steer", action=action)
        else:
            raise web.HTTPNotFound
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def control(self, request: web.Request) -> web.StreamResponse:
        """Sets a control."""
        run = (await self._served(request)).run
        told = await _json(request)
        if not isinstance(told, dict) or "value" not in told:
            raise _unprocessable("value", "this field is missing")
        await _asked(run, do="control", key=request.match_info["key"], value=told["value"])
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """Takes a file for a control."""
        run = (await self._served(request)).run
        data = base64.b64encode(await _body(request)).decode()
        name = request.headers.get("X-Name", "") or "upload"
        await _asked(run, do="upload", key=request.match_info["key"], name=name, data=data)
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def endpoint(self, request: web.Request) -> web.StreamResponse:
        """What an endpoint of the author's answers."""
        run = (await self._served(request)).run
        fields: Any = dict(request.query)
        if request.method != "GET" and request.can_read_body:
            told = await _json(request)
            if not isinstance(told, dict):
                raise _unprocessable("body", "a JSON object is wanted")
            fields |= told
        path = f"/api/{request.match_info['path']}"
        answer = await _asked(run, do="endpoint", method=request.method, path=path, fields=fields)
        if "data" in answer:
            return web.Response(body=base64.b64decode(answer["data"]), content_type=answer["type"])
        return web.Response(text=answer["text"], content_type=answer["type"])

    async def _served(self, request: web.Request) -> Served:
        """The report that a request is about."""
        with _missing():
            return await self._report(request.match_info.get("run", ""))


async def _asked(run: RunView, **question: Any) -> Message:
    """What a run answers."""
    try:
        return await run.asking.ask(**question)
    except Unanswered as error:
        told: Message = {name: error.told[name] for name in ("error", "field") if name in error.told}
        raise _error(error.told["status"], told) from None


async def _stream_log(report: Served, response: web.StreamResponse) -> None:
    run = report.run
    screen, at = TerminalText(), 0
    while True:
        ends = run.feed.closed is not None or run is not report.run
        while piece := run.feed.log(at, run.feed.log_size):
            # A piece may end within a character.
            whole = piece[: len(piece) - _open_bytes(piece)] or piece
            at += len(whole)
            await response.write(screen.feed(whole.decode("utf-8", "replace")).encode())
        if ends:
            rest = screen.pending
            await response.write(f"{rest}\n".encode() if rest else b"")
            return
        await asyncio.sleep(_LOG_PAUSE)


@contextlib.contextmanager
def _missing() -> Any:
    """What does not exist is not found."""
    try:
        yield
    except (KeyError, ValueError):
        raise web.HTTPNotFound from None


def _open_bytes(piece: bytes) -> int:
    """How many bytes at the end of a piece of UTF-8 begin a character that is not whole."""
    for back in range(1, min(4, len(piece)) + 1):
        byte = piece[-back]
        if byte & 0xC0 == 0x80:
            continue
        length = 2 if byte >> 5 == 0b110 else 3 if byte >> 4 == 0b1110 else 4 if byte >> 3 == 0b11110 else 1
        return back if length > back else 0
    return 0


def _number(request: web.Request, name: str) -> int:
    try:
        return max(0, int(request.query.get(name, "0")))
    except ValueError:
        raise _unprocessable(name, "a whole number is wanted") from None


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(_BODY_TIME):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


async def _json(request: web.Request) -> Any:
    body = await _body(request)
    try:
        return json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise _unprocessable("body", "JSON is wanted") from None


def _no_number(name: str) -> float:
    # JSON has no such numbers; Python's reader takes them.
    raise ValueError(name)


def _error(status: int, told: Message) -> web.HTTPException:
    class Refused(web.HTTPException):
        status_code = status

    return Refused(text=json.dumps(told), content_type="application/json")


def _transport(request: web.Request) -> asyncio.WriteTransport:
    """The connection, which the request itself forgets once it is lost.

    Raises:
        ConnectionResetError: it is lost already.
    """
    if request.transport is None:
        raise ConnectionResetError
    transport: asyncio.WriteTransport = request.transport
    return transport


def _unprocessable(field: str, message: str) -> web.HTTPException:
    return _error(HTTPStatus.UNPROCESSABLE_ENTITY, {"error": message, "field": field})


def _download(data: bytes, name: str, kind: str) -> web.Response:
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    }
    return web.Response(body=data, content_type=kind, headers=headers)


def errors() -> Middleware:
    """The middleware that words errors without telling of paths or versions."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            answer = await handler(request)
        except web.HTTPException as error:
            if error.content_type == "application/json" or error.status < HTTPStatus.BAD_REQUEST:
                raise
            return refusal(HTTPStatus(error.status), "there is nothing for you here")
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, failures.withheld(error))
        return answer

    return middleware
