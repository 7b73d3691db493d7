"""The events of a run on disk, numbered and in order: the one truth that outlives the run.

A journal is two files to which the run only appends: `EVENTS`, a line of JSON for each event, whose
number is that of its line from 1, and `LOG`, the text of all output. An output's event says where in
the log its text stands. A line that is not whole (the run was killed within it) counts for nothing.
"""

import contextlib
import json
import os
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from quire import codec
from quire.events import Event, Output

EVENTS, LOG = ".quire-journal.tmp", ".quire-log.tmp"
# A link in the place of either would lead to somebody else's file.
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
# As much as is held back while a full disk takes nothing, in bytes.
_MOST_HELD = 4_000_000
# As much as is read at once, so that whoever reads can do something else in between.
_CHUNK = 1 << 20


class Journal:
    """Writes the journal of a run into `folder`: a backend like any other.

    What it cannot write for a full disk it holds back, up to 4 MB, and tries again with the next event.

    Attributes:
        lost: how many bytes it had to give up.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lost = 0
        self._events, self._log = _Appended(folder / EVENTS), _Appended(folder / LOG)

    def write(self, event: Event) -> None:
        """Appends the event; what the kernel has taken survives a kill."""
        if isinstance(event, Output):
            at, size = self._log.append(event.text.encode("utf-8", "backslashreplace"))
            told = {"event": "Output", "parent": event.parent, "at": at, "size": size}
            line = json.dumps(told, ensure_ascii=False)
        else:
            line = codec.dumps(event)
        # A lone surrogate becomes JSON's own way to write it.
        self._events.append(f"{line}\n".encode("utf-8", "backslashreplace"))
        self.lost = self._events.lost + self._log.lost

    def close(self) -> None:
        """Nothing is left to do: all that can be on disk is."""

    def release(self) -> None:
        """Lets the files go; no event can be written any more."""
        self._events.close()
        self._log.close()

    def remove(self) -> None:
        """Removes the files; whoever reads them may read on."""
        for name in (EVENTS, LOG):
            (self.folder / name).unlink(missing_ok=True)


def fill(folder: Path, events: Iterable[Event]) -> None:
    """Writes a journal of events that are all there, such as those of a record, into `folder`."""
    journal = Journal(folder)
    for event in events:
        journal.write(event)
    journal.release()


class _Appended:
    """A file to which whole pieces are appended, or nothing of them."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, _APPEND, 0o600)
        self._size = os.fstat(self._fd).st_size
        self._end = self._size
        self._held: deque[bytes] = deque()
        self.lost = 0

    def append(self, piece: bytes) -> tuple[int, int]:
        """Where the piece will stand: its place and its size, 0 if it had to be given up."""
        if self._end + len(piece) - self._size > max(_MOST_HELD, len(piece) * bool(not self._held)):
            self.lost += len(piece)
            return self._end, 0
        at, self._end = self._end, self._end + len(piece)
        self._held.append(piece)
        while self._held and self._put(self._held[0]):
            self._size += len(self._held.popleft())
        return at, len(piece)

    def close(self) -> None:
        os.close(self._fd)

    def _put(self, piece: bytes) -> bool:
        rest = memoryview(piece)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            # The part that was written would make the next piece unreadable.
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)
            return False
        return True


class Reader:
    """Reads a journal from its beginning, while it grows.

    Attributes:
        number: that of the last event that was read.
        log_size: how many bytes of the log the events so far have told of.
    """

    def __init__(self, folder: Path) -> None:
        self._events = os.open(folder / EVENTS, _READ)
        self._log = os.open(folder / LOG, _READ)
        self._position = 0
        self._rest = b""
        self.number = 0
        self.log_size = 0

    def read(self) -> Iterator[Event]:
        """The next events, some of those that are there; nothing if there is none."""
        data = os.pread(self._events, _CHUNK, self._position)
        self._position += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self.number += 1
            yield self._event(json.loads(line))

    @property
    def is_behind(self) -> bool:
        """Whether there is more to read at once."""
        return os.fstat(self._events).st_size > self._position

    @property
    def changed(self) -> float:
        """When the newest event came, in seconds since 1970."""
        return os.fstat(self._events).st_mtime

    def is_of(self, folder: Path) -> bool:
        """Whether it reads the journal that is in this folder now."""
        try:
            return os.path.samestat(os.fstat(self._events), (folder / EVENTS).stat())
        except OSError:
            return False

    def text(self, at: int, end: int) -> bytes:
        """The bytes `at` to `end` of the log, or as many as a chunk holds."""
        return os.pread(self._log, min(end - at, _CHUNK), at)

    def close(self) -> None:
        """Lets the files go."""
        os.close(self._events)
        os.close(self._log)

    def _event(self, told: dict[str, Any]) -> Event:
        if told["event"] != "Output":
            return codec.from_json(told)
        at, size = told["at"], told["size"]
        self.log_size = max(self.log_size, at + size)
        text = b"".join(iter_range(self._log, at, at + size)).decode("utf-8", "replace")
        return Output(parent=told["parent"], text=text)


def iter_range(fd: int, at: int, end: int) -> Iterator[bytes]:
    """The bytes `at` to `end` of a file, in chunks."""
    while at < end and (piece := os.pread(fd, min(end - at, _CHUNK), at)):
        yield piece
        at += len(piece)
