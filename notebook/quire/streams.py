"""Text streams that put whole lines into one file, whichever thread prints."""

import contextlib
import ctypes
import io
import sys
import threading
from collections.abc import Callable
from functools import cache
from typing import Any, TextIO

_C_BUFFER = 8192


class Router(io.RawIOBase):
    """The bottom of a `Stream`: hands lines to `write`, or to the replaced stream once it is gone."""

    def __init__(self, original: TextIO, write: Callable[[bytes], bool]) -> None:
        self._original = original
        self._write = write

    def writable(self) -> bool:
        """Yes."""
        return True

    def fileno(self) -> int:
        """The descriptor of the stream that this one stands for."""
        return self._original.fileno()

    def write(self, data: Any, /) -> int:
        """Hands on bytes of UTF-8, as a rule whole lines."""
        line = bytes(data)
        if not self._write(line):
            self._original.write(line.decode("utf-8", "replace"))
        return len(line)

    def close(self) -> None:
        """Stays open: a thread that ends closes its own wrapper, and others share this."""


class Stream(threading.local):
    """A text stream that is another one in every thread, so that each thread's lines stay whole.

    Usable after the report is closed, since a logging handler may hold it.
    """

    def __init__(self, router: Router) -> None:
        # A lone surrogate is shown; by default it would raise in the author's code.
        self._text = io.TextIOWrapper(
            router,  # type: ignore[type-var]  # unbuffered on purpose: each line is one write
            encoding="utf-8",
            errors="backslashreplace",
            newline="",
            line_buffering=True,
        )
        # An attribute of the thread's own: `print` then calls the C method itself.
        self.write = self._text.write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._text, name)


@cache
def _c_stdout() -> tuple[ctypes.CDLL, ctypes.c_void_p] | None:
    """C's library and its `stdout`, where they can be had."""
    try:
        libc = ctypes.CDLL(None)
        name = "__stdoutp" if sys.platform == "darwin" else "stdout"
        return libc, ctypes.c_void_p.in_dll(libc, name)
    except (OSError, ValueError):
        return None


@cache
def line_buffer_c() -> None:
    """Makes C's stdout hand over each line, as on a terminal, so that it stays in order with Python's."""
    if found := _c_stdout():
        libc, stdout = found
        line_buffered = 1  # _IOLBF, the same on Linux, macOS and the BSDs
        # A buffer of ours, since Python started with -u leaves one of a single byte; from malloc, and
        # never freed, since C uses it until the process is gone.
        libc.malloc.restype = ctypes.c_void_p
        libc.setvbuf(
            stdout, ctypes.c_void_p(libc.malloc(_C_BUFFER)), line_buffered, ctypes.c_size_t(_C_BUFFER)
        )


def flush_all() -> None:
    """Hands over the lines that this thread, and C, have begun."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    if found := _c_stdout():
        libc, stdout = found
        libc.fflush(stdout)
