"""The files that pages show: served by a number, never by a path."""

import contextlib
import os
import stat
from collections import OrderedDict
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import quote

# As much as is kept of the files of pages that were made for one viewer, in bytes.
_MOST_KEPT = 64_000_000


class Files:
    """Gives a number to each file that an event of the report named, and opens it by that.

    Args:
        root: the folder of the report.
        folder: gives the folder of the page with a key, relative to `root`.
    """

    def __init__(self, root: Path, folder: Callable[[str], str]) -> None:
        self._root = root
        self._folder = folder
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._kept_size = 0
        self._next = 1

    def url(self, page: str, href: str) -> str:
        """The address of a file, relative to the report's own page; "" for one that no report can have."""
        name = self._name(page, href)
        if name not in self._numbers:
            opened = self.opened(page, href)
            if opened is None:
                return ""
            opened.close()
            self._numbers[name] = self._new(name)
        return self._address(self._numbers[name], href) + self._version(name)

    def keep(self, href: str, data: bytes) -> str:
        """The address of a file that is on no disk; it is kept for a while."""
        number = self._new(href)
        self._kept[number] = data
        self._kept_size += len(data)
        while self._kept_size > _MOST_KEPT and len(self._kept) > 1:
            gone, old = self._kept.popitem(last=False)
            self._kept_size -= len(old)
            del self._names[gone]
        return self._address(number, href)

    def open(self, number: int) -> tuple[str, bytes | BinaryIO]:
        """A file's name, and its content: bytes, or the open file.

        Raises:
            KeyError: there is none with this number, or it is no plain file any more.
        """
        name = self._names[number]
        if number in self._kept:
            return name, self._kept[number]
        file = self._opened(name)
        if file is None:
            raise KeyError(number)
        return name, file

    def opened(self, page: str, href: str) -> BufferedReader | None:
        """The open file at an address on a page; None if there is none, or none that may be read."""
        parts = PurePosixPath(href).parts
        if not href or href.startswith("/") or ".." in parts or any(mark in href for mark in "\0:\\"):
            return None
        return self._opened(self._name(page, href))

    def _name(self, page: str, href: str) -> str:
        return (PurePosixPath(self._folder(page)) / href).as_posix()

    def _new(self, name: str) -> int:
        number, self._next = self._next, self._next + 1
        self._names[number] = name
        return number

    def _address(self, number: int, href: str) -> str:
        return f"files/{number}/{quote(PurePosixPath(href).name)}"

    def _version(self, name: str) -> str:
        # A picture that is drawn anew has a new address, else the browser would show the old one.
        try:
            return f"?v={(self._root / name).lstat().st_mtime_ns:x}"
        except OSError:
            return ""

    def _opened(self, name: str) -> BufferedReader | None:
        """The file, unless it is a link, a pipe or a device, or leads out of the report."""
        try:
            *folders, last = PurePosixPath(name).parts
            # Folder by folder: one that is replaced by a link meanwhile leads nowhere either.
            with contextlib.ExitStack() as opened:
                folder = _open(self._root, None, os.O_DIRECTORY, opened)
                for part in folders:
                    folder = _open(part, folder, os.O_DIRECTORY | os.O_NOFOLLOW, opened)
                return _plain_file(last, folder)
        except (OSError, ValueError):
            return None


def _open(path: str | Path, folder: int | None, flags: int, opened: contextlib.ExitStack) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags, dir_fd=folder)
    opened.callback(os.close, fd)
    return fd


def _plain_file(name: str, folder: int) -> BufferedReader | None:
    # To open a device may do something, and to open a pipe wait for its writer.
    if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        return None
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return None
    return os.fdopen(fd, "rb")
