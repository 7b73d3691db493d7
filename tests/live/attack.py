"""Requests as no browser or library would send them, byte by byte."""

import asyncio
import base64
import os
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.live.conftest import Served

Header = tuple[str, str]


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        headers: by their names in lower case; of several with one name the last.
        raw: all of it, as it came.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    raw: bytes


def request(
    served: Served, method: str, target: str, headers: Iterable[Header] = (), *, host: str | None = ""
) -> bytes:
    """The head of a request, after which the connection ends.

    Args:
        served: who is asked.
        method: whatever may stand there.
        target: likewise.
        headers: names and values, beside `Host` and `Connection`.
        host: for another `Host` than the right one; None for none at all.
    """
    lines = [] if host is None else [("Host", host or f"127.0.0.1:{served.port}")]
    if not any(name == "Connection" for name, _ in headers):
        lines.append(("Connection", "close"))
    head = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in [*lines, *headers])]
    return "\r\n".join([*head, "", ""]).encode("utf-8", "surrogateescape")


@asynccontextmanager
async def connection(served: Served) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection, which is cut at the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def sent(served: Served, data: bytes, seconds: float = 20.0) -> Answer:
    """The answer to these bytes, up to the end of the connection.

    Raises:
        TimeoutError: the connection does not end.
    """
    async with connection(served) as (reader, writer):
        writer.write(data)
        raw = b""
        async with asyncio.timeout(seconds):
            try:
                while piece := await reader.read(1 << 16):
                    raw += piece
            except ConnectionError:
                # Cut off, which is an answer too.
                pass
    head, _, body = raw.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    number = status.split()[1] if status.startswith("HTTP/1.") else "0"
    return Answer(int(number), headers, body, raw)


async def asked(
    served: Served,
    method: str,
    target: str,
    *headers: Header,
    host: str | None = "",
    body: bytes = b"",
) -> Answer:
    """The answer to one request."""
    length = (("Content-Length", str(len(body))),) if body else ()
    return await sent(served, request(served, method, target, (*headers, *length), host=host) + body)


async def cookie_of(served: Served) -> Header:
    """The header that opens the page, as a browser sends it once it was opened with the token."""
    answer = await asked(served, "GET", f"/?token={served.token}")
    assert answer.status == 303, answer.raw
    return "Cookie", answer.headers["set-cookie"].partition(";")[0]


def upgrade() -> tuple[Header, ...]:
    """The headers with which a WebSocket begins; where it may not, the connection ends."""
    return (
        ("Connection", "Upgrade, close"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", base64.b64encode(os.urandom(16)).decode()),
    )


def frame(opcode: int, payload: bytes = b"", *, final: bool = True, reserved: int = 0) -> bytes:
    """A masked frame of a client: RFC 6455, section 5.2."""
    size = len(payload)
    first = opcode | final << 7 | reserved << 4
    if size < 126:
        head = struct.pack("!BB", first, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, size)
    # A mask of zeros leaves the payload as it is.
    return head + bytes(4) + payload
