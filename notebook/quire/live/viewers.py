"""Those who look at a run: each gets every message in order, or is told to begin anew.

A message is made once and shared by all. A viewer who reads more slowly than messages come falls
behind in the ring of the newest ones, which is bounded; who falls out of it is told to reset.
"""

import asyncio
import contextlib
import json
import struct
from collections import deque
from collections.abc import Callable

from quire.live.feed import Message

# What the ring holds at most, in bytes and in messages.
_RING_BYTES, _RING_LENGTH = 4_000_000, 10_000
# As much as waits in a viewer's own socket before it counts as behind, shared by all; and the least of it.
_WAITING, _LEAST_WAITING = 16_000_000, 32_000
# Without anything to say, a viewer is told that we are there, in seconds.
_HEARTBEAT = 10.0

RESET = "reset"


class Viewer:
    """One who looks at a run, over a transport of some kind.

    Args:
        transport: the connection.
        frame: makes what goes over it from a message's text.
    """

    def __init__(self, transport: asyncio.WriteTransport, frame: Callable[[bytes], bytes]) -> None:
        self.transport = transport
        self.frame = frame
        self.next = 0
        self.spoke = 0.0

    def send(self, data: bytes, now: float) -> None:
        """Sends one message's frame."""
        self.spoke = now
        self.transport.write(data)


class Viewers:
    """All who look at a run.

    Args:
        number: gives the number of the newest event.
    """

    def __init__(self, number: Callable[[], int]) -> None:
        self._number = number
        self._all: set[Viewer] = set()
        self._ring: deque[bytes] = deque()
        self._ring_bytes = 0
        self._first = 0
        self._frames: dict[Callable[[bytes], bytes], bytes] = {}
        self.waiters: set[asyncio.Event] = set()

    def __len__(self) -> int:
        return len(self._all)

    def add(self, viewer: Viewer, greeting: Message) -> None:
        """Sends a viewer what they miss; from here on they get everything."""
        viewer.next = self._end
        viewer.send(viewer.frame(encoded(greeting)), _now())
        self._all.add(viewer)

    def remove(self, viewer: Viewer) -> None:
        """Sends a viewer nothing more."""
        self._all.discard(viewer)

    def tell(self, message: Message) -> None:
        """Sends a message to all."""
        self._append(encoded(message))
        for event in self.waiters:
            event.set()
        self.push()

    def push(self) -> None:
        """Sends to each viewer what their connection can take."""
        now = _now()
        most = max(_LEAST_WAITING, _WAITING // max(1, len(self._all)))
        self._frames.clear()
        for viewer in list(self._all):
            if viewer.next < self._end:
                self._push_to(viewer, most, now)
            elif now - viewer.spoke > _HEARTBEAT:
                viewer.send(viewer.frame(encoded({"n": self._number()})), now)

    @property
    def _end(self) -> int:
        return self._first + len(self._ring)

    def _push_to(self, viewer: Viewer, most: int, now: float) -> None:
        while viewer.next < self._end and viewer.transport.get_write_buffer_size() < most:
            if viewer.next < self._first:
                viewer.send(viewer.frame(encoded({"n": self._number(), RESET: True})), now)
                viewer.next = self._end
                return
            viewer.send(self._framed(viewer), now)
            viewer.next += 1

    def _framed(self, viewer: Viewer) -> bytes:
        message = self._ring[viewer.next - self._first]
        if viewer.next != self._end - 1:
            return viewer.frame(message)
        # The newest goes to nearly all of them.
        if viewer.frame not in self._frames:
            self._frames[viewer.frame] = viewer.frame(message)
        return self._frames[viewer.frame]

    def _append(self, message: bytes) -> None:
        self._ring.append(message)
        self._ring_bytes += len(message)
        while len(self._ring) > 1 and (self._ring_bytes > _RING_BYTES or len(self._ring) > _RING_LENGTH):
            self._ring_bytes -= len(self._ring.popleft())
            self._first += 1

    def close(self) -> None:
        """Cuts all connections: a stream that is waited for may never end."""
        for viewer in list(self._all):
            with contextlib.suppress(Exception):
                viewer.transport.abort()


async def first_of(change: asyncio.Event, seconds: float) -> None:
    """Waits for `change`, but no longer than so many seconds."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(change.wait(), seconds)


def encoded(message: Message) -> bytes:
    """A message as JSON."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def websocket_frame(text: bytes) -> bytes:
    """One unfragmented text frame, as a server sends it: RFC 6455, section 5.2."""
    size = len(text)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + text
    if size < 1 << 16:
        return struct.pack("!BBH", 0x81, 126, size) + text
    return struct.pack("!BBQ", 0x81, 127, size) + text


def event_stream_frame(text: bytes) -> bytes:
    """One server-sent event in a chunk of its own: RFC 9112, section 7.1."""
    event = b"data: %s\n\n" % text
    return b"%x\r\n%s\r\n" % (len(event), event)


def _now() -> float:
    return asyncio.get_running_loop().time()
