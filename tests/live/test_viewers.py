"""Viewers who read at their own pace: what they cost, and that others do not notice. F11 and its kin."""

import asyncio
import json
from typing import Any

from quire.live.viewers import RESET, Viewer, Viewers, event_stream_frame, websocket_frame


class Connection(asyncio.WriteTransport):
    """A connection that takes what it is allowed to."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = bytearray()
        self.waiting = bytearray()
        self.is_blocked = False

    def write(self, data: Any) -> None:
        (self.waiting if self.is_blocked else self.taken).extend(data)

    def get_write_buffer_size(self) -> int:
        return len(self.waiting)

    def read_on(self) -> None:
        self.is_blocked = False
        self.taken += self.waiting
        self.waiting.clear()


def plain(text: bytes) -> bytes:
    return text + b"\n"


def messages(connection: Connection) -> list[Any]:
    return [json.loads(line) for line in bytes(connection.taken).splitlines()]


async def test_everybody_gets_everything_in_order() -> None:
    viewers = Viewers(lambda: 9)
    connections = [Connection() for _ in range(3)]
    for connection in connections:
        viewers.add(Viewer(connection, plain), {"n": 0})
    for n in range(1, 6):
        viewers.tell({"n": n})
    assert [message["n"] for message in messages(connections[0])] == [0, 1, 2, 3, 4, 5]
    assert connections[0].taken == connections[1].taken == connections[2].taken


async def test_f11_who_reads_too_slowly_is_told_to_begin_anew() -> None:
    viewers = Viewers(lambda: 1000)
    quick, slow = Connection(), Connection()
    for connection in (quick, slow):
        viewers.add(Viewer(connection, plain), {"n": 0})
    slow.is_blocked = True
    for n in range(1, 1001):
        viewers.tell({"n": n, "log": {"at": 0, "text": "x" * 20_000}})
    assert len(messages(quick)) == 1001
    assert len(slow.waiting) < 9_000_000, "what waits for one viewer is bounded"
    slow.read_on()
    viewers.push()
    told = messages(slow)
    assert told[-1] == {"n": 1000, RESET: True}
    viewers.tell({"n": 1001})
    assert messages(slow)[-1] == {"n": 1001}


async def test_f11_200_slow_viewers_cost_little() -> None:
    """What is sent to many is kept once: the ring, and a little for each connection."""
    viewers = Viewers(lambda: 0)
    connections = [Connection() for _ in range(200)]
    for connection in connections:
        viewers.add(Viewer(connection, plain), {"n": 0})
        connection.is_blocked = True
    for n in range(1, 1001):
        viewers.tell({"n": n, "log": {"at": 0, "text": "x" * 20_000}})
    kept = sum(len(connection.waiting) for connection in connections) + sum(map(len, viewers._ring))
    assert kept < 64_000_000


async def test_who_is_a_little_behind_catches_up() -> None:
    viewers = Viewers(lambda: 0)
    connection = Connection()
    viewers.add(Viewer(connection, plain), {"n": 0})
    connection.is_blocked = True
    for n in range(1, 101):
        viewers.tell({"n": n, "log": {"at": 0, "text": "x" * 200_000 if n == 1 else ""}})
    connection.read_on()
    for _ in range(10):
        viewers.push()
    assert [message["n"] for message in messages(connection)] == list(range(101))


def test_frames_as_the_standards_have_them() -> None:
    assert websocket_frame(b"abc") == b"\x81\x03abc"
    assert websocket_frame(b"x" * 200)[:4] == b"\x81\x7e\x00\xc8"
    assert websocket_frame(b"x" * 70_000)[:10] == b"\x81\x7f" + (70_000).to_bytes(8, "big")
    assert event_stream_frame(b"{}") == b"a\r\ndata: {}\n\n\r\n"
