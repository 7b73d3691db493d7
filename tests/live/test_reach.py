"""Where the page is reached from, and for how long: proxies, addresses, long runs. Names are the cases'."""

import asyncio
import json
import os
import re
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.live.conftest import Served, state, until, wait_for

Serve = Callable[..., Served]


@asynccontextmanager
async def proxied(served: Served, port: int) -> AsyncIterator[str]:
    """The page behind a proxy that adds a prefix, as jupyter-server-proxy and nginx do; its address there."""

    async def forward(request: web.Request) -> web.StreamResponse:
        path = request.path_qs.removeprefix("/a/b/")
        headers = {k: v for k, v in request.headers.items() if k not in ("Host", "Accept-Encoding")}
        async with aiohttp.ClientSession(served.base) as session:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await forward_socket(request, session, path)
            async with session.request(
                request.method, path, headers=headers, data=await request.read(), allow_redirects=False
            ) as answer:
                kept = ("Location", "Set-Cookie", "Content-Type", "Content-Security-Policy")
                passed = {name: answer.headers[name] for name in kept if name in answer.headers}
                return web.Response(status=answer.status, body=await answer.read(), headers=passed)

    async def forward_socket(
        request: web.Request, session: aiohttp.ClientSession, path: str
    ) -> web.StreamResponse:
        theirs = web.WebSocketResponse()
        headers = {name: request.headers[name] for name in ("Origin", "Cookie")}
        async with session.ws_connect(path, headers=headers) as ours:
            await theirs.prepare(request)

            async def leave() -> None:
                async for _ in theirs:
                    pass
                await ours.close()

            leaving = asyncio.create_task(leave())
            async for message in ours:
                await theirs.send_str(message.data)
            await theirs.close()
            await leaving
        return theirs

    application = web.Application()
    application.router.add_route("*", "/a/b/{path:.*}", forward)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/a/b/"
    finally:
        await runner.cleanup()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_f27_behind_a_prefix(serve: Serve) -> None:
    """All addresses are relative, and the proxy's own origin, once named, may steer."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    body = "log.image(np.eye(4), 'a picture')\nfor n in log.progress(range(9999)):\n    time.sleep(0.01)"
    served = serve(body, "--origin", origin)
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        proxied(served, port) as address,
        aiohttp.ClientSession(address, cookie_jar=jar, headers={"Origin": origin}) as session,
    ):
        async with session.get(f"?token={served.token}") as answer:
            assert str(answer.url) == address
            page = await answer.text()
        assert '="/' not in page, "no address is absolute"
        assert not re.search(r"(src|href|action)=.?http://127", page)
        source = page.partition('src="files/')[2].partition('"')[0]
        async with session.get(f"files/{source}") as answer:
            assert (await answer.read()).startswith(b"\x89PNG")
        began = time.monotonic()
        async with session.ws_connect("events?since=0&page=") as viewer:
            assert json.loads((await viewer.receive(3)).data)["n"] > 0
        assert time.monotonic() - began < 3
        async with session.post("run/pause") as answer:
            assert answer.status == 204
        await until(session, "paused")


async def test_f27_a_heartbeat_when_nothing_happens(serve: Serve) -> None:
    served = serve("time.sleep(60)")
    async with served.client() as session, session.ws_connect("events?since=0&page=") as viewer:
        await viewer.receive()
        began = time.monotonic()
        assert set(json.loads((await viewer.receive(16)).data)) == {"n"}
        assert time.monotonic() - began < 15


def test_f26_the_other_loopback(serve: Serve) -> None:
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").read_text().strip():
        pytest.skip("this machine has no IPv6")
    served = serve("time.sleep(20)", "--host", "::1")
    assert served.url.startswith("http://[::1]:")
    with socket.create_connection(("::1", served.port), 5) as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: [::1]:{served.port}\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 401")


async def test_f23_a_clock_that_is_set(serve: Serve) -> None:
    """Order, durations and the time that is left do not look at the clock on the wall."""
    served = serve(
        """
        now = time.time
        for n in log.progress(range(60), "steps"):
            time.time = lambda: now() + (3600 if n % 2 else -3600)
            print("step", n)
            time.sleep(0.02)
        """
    )
    async with served.client() as session:
        elapsed = []
        while (told := await state(session))["state"] == "running":
            if told["progress"]:
                elapsed.append(told["progress"]["elapsed"])
            await asyncio.sleep(0.05)
        assert elapsed == sorted(elapsed)
        assert 0 < elapsed[-1] < 60
        async with session.get("log") as answer:
            assert (await answer.text()).split() == " ".join(f"step {n}" for n in range(60)).split()
        assert told["elapsed"] < 60


async def test_f24_long_runs_do_not_grow(serve: Serve) -> None:
    """Compressed from ten million events to a hundred thousand: some pages at most, no descriptor more."""
    served = serve(
        """
        def events(count):
            for n in range(count):
                log.metric("loss", n, n % 100)
        events(50_000)
        Path("half").touch()
        while not Path("go").exists():
            log.pause_point()
            time.sleep(0.01)
        events(100_000)
        Path("whole").touch()
        time.sleep(60)
        """
    )

    async def caught_up(session: aiohttp.ClientSession) -> None:
        before = -1
        while (now := (await state(session))["n"]) != before:
            before = now
            await asyncio.sleep(0.5)

    async with served.client() as session:
        await asyncio.to_thread(wait_for, (served.folder / "half").exists, 180)
        await caught_up(session)
        before = [(memory(pid), descriptors(pid)) for pid in (served.server, served.pid)]
        (served.folder / "go").touch()
        await asyncio.to_thread(wait_for, (served.folder / "whole").exists, 180)
        await caught_up(session)
        after = [(memory(pid), descriptors(pid)) for pid in (served.server, served.pid)]
    for (memory_then, open_then), (memory_now, open_now) in zip(before, after, strict=True):
        # What an allocator keeps for later differs by some pages.
        assert memory_now - memory_then < 3.0
        assert abs(open_now - open_then) <= 1


def memory(pid: int) -> float:
    """In MB."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0]) / 1000


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - /proc has no files to stat
