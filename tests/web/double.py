"""A server that speaks the page's side of the protocol, and that a test has wholly in its hand."""

import asyncio
import json
import math
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from quire import charts
from quire.events import Block, Chart, Closed, Code, Control, Event, Metric, Opened, Output
from quire.printed import Printed
from quire.tree import Node, Tree
from quire.web import PageView, Renderer, assets

Answer = Awaitable[web.StreamResponse]


class Double:
    """Serves one report, whose events the test gives it one by one.

    Attributes:
        blocked: transports that do not work: "events", "stream".
        is_mute: whether nothing is said to who connects.
        delay: seconds that a control's answer takes.
        posted: what viewers sent, in order, as (path, body).
        served: the paths that were asked for.
    """

    def __init__(self, files: Path | None = None, *, prefix: str = "/") -> None:
        self.files = files
        self.prefix = prefix
        self.blocked: set[str] = set()
        self.is_mute = False
        self.delay = 0.0
        self.posted: list[tuple[str, Any]] = []
        self.served: list[str] = []
        self.refuse = ""
        self.state: dict[str, Any] = {"state": "running", "title": "Report", "elapsed": 1, "progress": None}
        self.state["can"] = ["pause", "stop", "exit"]
        self.log = b""
        self.reacts: Callable[[str, Any], None] = lambda key, value: None
        self._reset()
        self._queues: set[asyncio.Queue[str]] = set()
        self._sockets: set[web.WebSocketResponse] = set()
        self._loop = asyncio.new_event_loop()
        self._lock = threading.RLock()
        self.port = 0

    def _reset(self) -> None:
        self.tree = Tree(lambda block: (f"etc/{block.key}-output.txt", BytesIO()), colours=True)
        self.renderer = Renderer(address=self._address, live=True)
        self.opened: Opened | None = None
        self.closed: Closed | None = None
        self.messages: list[dict[str, Any]] = []

    # What a test does

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def write(self, *events: Event) -> None:
        """Takes events, and sends what they change."""
        for event in events:
            with self._lock:
                message = self._take(event)
            self.send(message)

    def send(self, message: dict[str, Any]) -> None:
        """Sends any message, with the next number."""
        with self._lock:
            message["n"] = len(self.messages) + 1
            self.messages.append(message)
            text = json.dumps(message)
        self._loop.call_soon_threadsafe(self._spread, text)

    def run(self, **state: Any) -> None:
        """Says how the run stands."""
        self.state |= state
        self.send({"state": dict(self.state)})

    def print(self, text: str) -> None:
        """Appends to the log."""
        at = len(self.log)
        self.log += text.encode()
        self.send({"log": {"at": at, "text": text}})

    def close(self, state: Any = "done") -> None:
        """Ends the run."""
        self.write(Closed(state=state, elapsed=2.5, provenance={"Versions": "Python"}))
        self.run(state=state, can=["exit"], progress=None, elapsed=2.5)

    def start(self) -> "Double":
        """Begins to serve, at the same port as before."""
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def stop(self) -> None:
        """Ends the server as a kill would: what is open is cut."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._loop = asyncio.new_event_loop()
        self._queues.clear()

    # How it does it

    def _take(self, event: Event) -> dict[str, Any]:
        known = isinstance(event, Block) and event.key in self.tree._nodes
        self.tree.add(event)
        if isinstance(event, Opened):
            self.opened = event
        elif isinstance(event, Closed):
            self.closed = event
        elif isinstance(event, Metric):
            value = event.value if math.isfinite(event.value) else None
            return {"points": {event.chart: [[event.name, event.step, value]]}}
        elif isinstance(event, Output):
            node = self.tree.node(event.parent)
            number = len(node.inside) - 1
            printed = node.inside[number]
            assert isinstance(printed, Printed)
            key = f"{event.parent}-out-{number}"
            html = self.renderer.printed(printed, key)
            return {"patches": [{"page": "", "id": key, "parent": event.parent, "html": html}]}
        elif isinstance(event, Block):
            node = self.tree.node(event.key)
            own = known and isinstance(event, Code)
            html = self.renderer.own(node) if own else self.renderer.block(node)
            patch = {"page": "", "id": event.key, "parent": event.parent or "page", "html": html, "own": own}
            return {"patches": [patch]}
        return {}

    def _address(self, page: str, href: str) -> str:
        return f"files/1/{href}" if self.files and (self.files / href).is_file() else ""

    def _view(self) -> PageView:
        return PageView(
            node=self.tree.root,
            opened=self.opened,
            closed=self.closed,
            state=self.state["state"],
            number=len(self.messages),
            can=self.state["can"],
        )

    def _spread(self, text: str) -> None:
        for queue in self._queues:
            queue.put_nowait(text)

    def _serve(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._begin())
        started.set()
        self._loop.run_forever()

    async def _begin(self) -> None:
        application = web.Application(middlewares=[self._middleware])
        application.router.add_route("*", self.prefix + "{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        assert site._server is not None
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]

    async def _end(self) -> None:
        self._spread("")  # ends the streams
        for socket in list(self._sockets):
            await socket.close()
        await self._runner.cleanup()

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.served.append(request.path)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        head, _, rest = path.partition("/")
        routes: dict[str, Callable[[web.Request, str], Answer]] = {
            "": self._page,
            "assets": self._asset,
            "files": self._file,
            "charts": self._chart,
            "events": self._events,
            "stream": self._stream,
            "poll": self._poll,
            "log": self._log,
            "state": self._state,
            "run": self._post,
            "controls": self._post,
            "uploads": self._post,
        }
        if head not in routes or head in self.blocked:
            raise web.HTTPNotFound
        return await routes[head](request, rest)

    async def _page(self, request: web.Request, rest: str) -> web.StreamResponse:
        with self._lock:
            html = self.renderer.page(self._view())
        headers = {"Content-Security-Policy": assets.POLICY, "Cache-Control": "no-store"}
        return web.Response(text=html, content_type="text/html", headers=headers)

    async def _asset(self, request: web.Request, rest: str) -> web.StreamResponse:
        data, kind = await asyncio.to_thread(assets.read, rest)
        return web.Response(body=data, content_type=kind, headers={"Cache-Control": "max-age=31536000"})

    async def _file(self, request: web.Request, rest: str) -> web.StreamResponse:
        assert self.files is not None
        return web.FileResponse(self.files / rest.partition("/")[2])

    async def _chart(self, request: web.Request, rest: str) -> web.StreamResponse:
        with self._lock:
            node: Node = self.tree.node(rest)
            assert isinstance(node.event, Chart)
            spec = charts.describe(node.event.title, node.series)
            points = [
                [name, step, value if math.isfinite(value) else None]
                for name, series in node.series.items()
                for step, value in series
            ]
        del spec["data"]
        return web.json_response({"title": node.event.title, "spec": spec, "points": points})

    def _since(self, request: web.Request) -> list[str]:
        return [json.dumps(message) for message in self.messages[int(request.query.get("since", 0)) :]]

    def _hello(self) -> str:
        return json.dumps({"n": len(self.messages), "state": self.state})

    async def _events(self, request: web.Request, rest: str) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        queue: asyncio.Queue[str] = asyncio.Queue()
        for text in [] if self.is_mute else [self._hello(), *self._since(request)]:
            queue.put_nowait(text)
        self._queues.add(queue)
        self._sockets.add(socket)

        async def push() -> None:
            while text := await queue.get():
                await socket.send_str(text)

        pushing = asyncio.create_task(push())
        try:
            async for message in socket:
                if message.type is WSMsgType.ERROR:
                    break
        finally:
            pushing.cancel()
            self._queues.discard(queue)
            self._sockets.discard(socket)
        return socket

    async def _stream(self, request: web.Request, rest: str) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        queue: asyncio.Queue[str] = asyncio.Queue()
        for text in [self._hello(), *self._since(request)]:
            queue.put_nowait(text)
        self._queues.add(queue)
        try:
            while text := await queue.get():
                await answer.write(f"data: {text}\n\n".encode())
        finally:
            self._queues.discard(queue)
        return answer

    async def _poll(self, request: web.Request, rest: str) -> web.StreamResponse:
        ready = self._since(request)
        end = time.monotonic() + 2
        while not ready and time.monotonic() < end:
            await asyncio.sleep(0.02)
            ready = self._since(request)
        merged: dict[str, Any] = {"n": len(self.messages), "patches": [], "state": self.state}
        for text in ready:
            merged["patches"] += json.loads(text).get("patches", [])
        return web.json_response(merged)

    async def _log(self, request: web.Request, rest: str) -> web.StreamResponse:
        data = self.log
        if "tail" in request.query:
            data = data[-int(request.query["tail"]) :]
        elif "from" in request.query:
            data = data[int(request.query["from"]) : int(request.query["to"])]
        return web.Response(body=data, content_type="text/plain", charset="utf-8")

    async def _state(self, request: web.Request, rest: str) -> web.StreamResponse:
        return web.json_response(self.state)

    async def _post(self, request: web.Request, rest: str) -> web.StreamResponse:
        body = await request.read()
        value = json.loads(body)["value"] if request.content_type == "application/json" else body
        await asyncio.sleep(self.delay)
        self.posted.append((request.match_info["path"], value))
        if self.refuse:
            return web.json_response({"error": self.refuse, "field": "value"}, status=422)
        if request.content_type == "application/json":
            self._set(rest, value)
        return web.Response(status=204)

    def _set(self, key: str, value: Any) -> None:
        event = self.tree.node(key).event
        assert isinstance(event, Control)
        self.write(replace(event, value=value))
        self.reacts(key, value)
