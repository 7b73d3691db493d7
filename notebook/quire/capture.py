"""What a process prints, logs and writes, in order, handed to the block of code that runs.

While a report is open, file descriptors 1 and 2 lead to one file to which everything appends:
Python, C, subprocesses and forked children alike. The kernel keeps the order; no writer can ever
block (as it can on a full pipe whose reader waits for the GIL); nothing is held in memory. A thread
reads the file from behind and hands the text to the block that is running.

A block that runs beside another one, on a second thread or in another asyncio task, gets what Python
prints in its own context; what comes from below Python goes to the block that was there first.
"""

import codecs
import contextlib
import io
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from quire.logs import LoggingDefaults
from quire.streams import Router, Stream, flush_all, line_buffer_c

# The longest pause between a print and its appearance: that between two pictures of a screen.
_INTERVAL = 0.016
_CHUNK = 1 << 20

lock = threading.RLock()
"""Held while text or an event is handed on, so that there is one order in which things happened."""


class Sink:
    """Takes the output of one block, or (as a report's base) what is written outside of any block.

    `deliver` is called with text, under `lock`. While it is entered, so is `spell` if there is one.
    """

    def __init__(
        self, deliver: Callable[[str], None], *, is_base: bool = False, spell: "Spell | None" = None
    ) -> None:
        self.deliver = deliver
        self.is_base = is_base
        self._spell = spell
        self.aside = False
        self.ended = False
        self.pending: deque[bytes] = deque()
        self._before: Sink | None = None

    def enter(self) -> None:
        """From here on, what is written in this context is this sink's."""
        if self._spell:
            self._spell.enter()
        self._before = _current()
        with lock:
            flush_all()
            _redirect.read()
            _redirect.push(self, within=self._before)
        _here.set(self)

    def leave(self) -> None:
        """Hands on what is underway, and gives the output back to what surrounds this sink."""
        with lock:
            flush_all()
            _redirect.read()
            _redirect.remove(self)
            self.ended = True
        _here.set(self._before)
        if self._spell:
            self._spell.leave()


_here: ContextVar[Sink | None] = ContextVar("quire_sink", default=None)


def _current() -> Sink | None:
    sink = _here.get()
    return None if sink is None or sink.ended else sink


def receiver() -> Sink | None:
    """The sink that gets what is written here; None if nothing is captured."""
    return _current() or _redirect.top


def _aside(text: str) -> None:
    """Hands on text that no block of code gets."""
    with lock:
        _redirect.read()
        for sink in _redirect.bases:
            sink.deliver(text)


class _Redirect:
    """The one redirection of this process, shared by all the reports that are open in it."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.is_inherited = False
        self.lost = 0
        self._log: int | None = None
        self._stack: list[Sink] = []
        self._asides: list[Sink] = []

    def start(self, folder: Path) -> None:
        # Not that of the process that imported us, which may have forked this one.
        self.pid = os.getpid()
        self._log = _open_log(folder)
        self._position = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        flush_all()
        self._replaced = sys.stdout, sys.stderr
        self._fds = os.dup(1), os.dup(2)
        self.terminal = _terminal(sys.stdout, self._fds[0])
        for fd in (1, 2):
            os.dup2(self._log, fd)
        line_buffer_c()
        self._streams = [Stream(Router(stream, self._write)) for stream in self._replaced]
        sys.stdout, sys.stderr = self._streams
        self._logging = LoggingDefaults(_aside)
        self._stop = threading.Event()
        self._reader = threading.Thread(target=self._read_on, name="quire-capture", daemon=True)
        self._reader.start()

    def stop(self) -> None:
        self._stop.set()
        self._reader.join()
        flush_all()
        self._logging.restore()
        # An author who put another stream in place keeps it.
        if sys.stdout is self._streams[0]:
            sys.stdout = self._replaced[0]
        if sys.stderr is self._streams[1]:
            sys.stderr = self._replaced[1]
        for fd, saved in zip((1, 2), self._fds, strict=True):
            os.dup2(saved, fd)
        if self._log is not None:
            # What a thread printed after the last report had closed.
            rest = os.pread(self._log, _CHUNK, self._position)
            os.close(self._log)
            with contextlib.suppress(OSError):
                self.terminal.write(rest)
                self.terminal.flush()
        self._log = None
        for saved in self._fds:
            os.close(saved)

    @property
    def top(self) -> Sink | None:
        """The sink that gets what no other gets."""
        return self._stack[-1] if self._stack else None

    @property
    def bases(self) -> list[Sink]:
        """The sinks of the reports that are open, for what stands in no block."""
        return [sink for sink in self._stack if sink.is_base]

    def push(self, sink: Sink, within: Sink | None) -> None:
        """Makes `sink` the one that output goes to, unless another runs beside it."""
        top = self.top
        sink.aside = not (
            sink.is_base or top is within or (within is None and top is not None and top.is_base)
        )
        (self._asides if sink.aside else self._stack).append(sink)

    def remove(self, sink: Sink) -> None:
        with contextlib.suppress(ValueError):
            (self._asides if sink.aside else self._stack).remove(sink)

    def read(self) -> None:
        """Hands on everything that was written since the last call. Call it under `lock`."""
        if self._log is None or not self._stack:
            return
        while data := os.pread(self._log, _CHUNK, self._position):
            self._position += len(data)
            if text := self._decoder.decode(data):
                self._stack[-1].deliver(text)
        for sink in self._asides:
            while sink.pending:
                sink.deliver(sink.pending.popleft().decode("utf-8", "replace"))

    def _read_on(self) -> None:
        while not self._stop.wait(_INTERVAL):
            with lock:
                self.read()

    def _write(self, line: bytes) -> bool:
        """Takes a line that Python printed. It takes no lock: `__del__` and signal handlers print too."""
        if self.pid != os.getpid():
            # A child that was forked just now ends the other threads' streams: the lines that they had
            # begun are the parent's to write.
            return True
        sink = _here.get()
        if sink is not None and sink.aside and not sink.ended and not self.is_inherited:
            sink.pending.append(line)
        elif self._log is not None:
            self._append(self._log, line)
        else:
            return False
        return True

    def _append(self, log: int, line: bytes) -> None:
        """Appends to the file. On a full disk the terminal still gets the line, and the run goes on."""
        try:
            written = os.write(log, line)
        except OSError:
            written = 0
        if written < len(line):
            self.lost += len(line) - written
            with contextlib.suppress(OSError):
                self.terminal.write(line[written:])
                self.terminal.flush()


class _TextAsBytes(io.BytesIO):
    """A binary stream over a text stream that has no file descriptor, such as a test's."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def write(self, data: Any, /) -> int:
        self._stream.write(bytes(data).decode("utf-8", "replace"))
        return len(data)

    def flush(self) -> None:
        self._stream.flush()


def _terminal(stdout: TextIO, fd: int) -> BinaryIO:
    """What shows output to the user: the old descriptor 1, unless `sys.stdout` led elsewhere."""
    try:
        stdout.fileno()
    except (AttributeError, OSError, ValueError):
        return _TextAsBytes(stdout)
    return os.fdopen(fd, "wb", closefd=False)


def _open_log(folder: Path) -> int:
    """A file in `folder` to which every write appends, with no name: a kill leaves nothing behind."""
    path = folder / f".quire-log-{os.getpid()}.tmp"
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
    finally:
        path.unlink(missing_ok=True)


_redirect = _Redirect()
_starting = threading.Lock()
_users = 0


def start(base: Sink, folder: Path) -> BinaryIO:
    """Begins to capture for one more report; what no block writes goes to `base`.

    Args:
        base: the report's own sink.
        folder: where the file may be made, if this is the first report.

    Returns:
        What shows output to the user: the terminal, or what stood in its place.
    """
    global _users
    with _starting:
        if not _users:
            _redirect.start(folder)
        _users += 1
    base.enter()
    return _redirect.terminal


def stop() -> int:
    """Ends what `start` began; the base must have been left.

    Returns:
        How many bytes of output a full disk has cost this process so far.
    """
    global _users
    with _starting:
        _users -= 1
        if not _users:
            _redirect.stop()
    return _redirect.lost


class Spell:
    """Captures for a report while at least one of its blocks runs, and leaves all output alone between them.

    Args:
        base: the report's own sink.
        folder: where files may be made.

    Attributes:
        lost: how many bytes of output a full disk has cost.
    """

    def __init__(self, base: Sink, folder: Path) -> None:
        self._base = base
        self._folder = folder
        self._blocks = 0
        self._changing = threading.Lock()
        self._pid = os.getpid()
        self.lost = 0

    def enter(self) -> None:
        """Begins to capture, if no other block runs."""
        with self._changing:
            if not self._blocks:
                start(self._base, self._folder)
            self._blocks += 1

    def leave(self) -> None:
        """Ends that with the last block that runs."""
        if os.getpid() != self._pid:
            # A forked child that leaves the block: what was redirected is its parent's.
            return
        with self._changing:
            self._blocks -= 1
            if not self._blocks:
                self._base.leave()
                self.lost = stop()


def sync() -> None:
    """Hands on all that has been written so far. Call it under `lock`."""
    _redirect.read()


def _before_fork() -> None:
    if _users:
        # Else the child inherits the beginning of a line, and both write it.
        flush_all()


def _after_fork_in_child() -> None:
    global lock, _redirect, _starting, _users
    if _users:
        # Nobody reads in the child, and a lock may be held for ever: only the way to the file stays.
        _redirect.is_inherited, _redirect.pid = True, os.getpid()
        _redirect, lock, _starting, _users = _Redirect(), threading.RLock(), threading.Lock(), 0


os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
