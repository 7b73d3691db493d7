"""Messages between the processes of a live report: JSON, a line each, over a stream socket."""

import contextlib
import json
import socket
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

Message = dict[str, Any]

_CHUNK = 1 << 16
# A message that is longer is none of ours: the largest holds the pictures of a page.
_LONGEST = 64 << 20


class Channel:
    """One end of a connected stream socket; may be used from several threads.

    Args:
        end: the socket.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._rest = b""
        self._messages: deque[Message] = deque()
        self._sending = threading.Lock()
        self.descriptors: list[int] = []

    @classmethod
    def pair(cls) -> tuple["Channel", socket.socket]:
        """A channel, and the other end of it for another process."""
        ours, theirs = socket.socketpair()
        return cls(ours), theirs

    @classmethod
    def adopt(cls, descriptor: int) -> "Channel":
        """The channel whose socket this process was given."""
        return cls(socket.socket(fileno=descriptor))

    def fileno(self) -> int:
        """The socket's descriptor, for selectors."""
        return self._socket.fileno()

    @property
    def has_message(self) -> bool:
        """Whether a message has come already, of which the socket knows no more."""
        return bool(self._messages)

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> bool:
        """Sends a message, and open files with it; whether the other end still takes any."""
        line = f"{json.dumps(message)}\n".encode()
        try:
            with self._sending:
                if descriptors:
                    socket.send_fds(self._socket, [line], list(descriptors))
                else:
                    self._socket.sendall(line)
        except OSError:
            return False
        return True

    def receive(self, timeout: float | None = None) -> Message | None:
        """The next message; None if the other end is gone.

        Raises:
            TimeoutError: none came within `timeout` seconds.
        """
        while not self._messages:
            self._socket.settimeout(timeout)
            try:
                data, descriptors, _, _ = socket.recv_fds(self._socket, _CHUNK, 8)
            except TimeoutError:
                raise
            except OSError:
                return None
            self.descriptors += descriptors
            if not data or len(self._rest) > _LONGEST:
                return None
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._messages += map(json.loads, lines)
        return self._messages.popleft()

    def abandon(self) -> None:
        """Lets the socket go in a forked child, where it is still another process's."""
        self._socket.close()

    def close(self) -> None:
        """Lets the socket go; the other end notices."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
