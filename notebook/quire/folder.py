"""The folder of a report: who may write there, what was written, and nothing left over."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

from quire import digests, edits
from quire.errors import ReportError
from quire.lock import Lock
from quire.names import Names, file_name, is_beneath, slug

MARK = "generator: quire"
LEDGER = ".quire"
"""The file, in the folder of each report, that lists what Quire wrote there."""

_LEDGER_HEAD = "# What Quire wrote here. A later run removes what it no longer writes; your own files stay.\n"
_FILES = "etc"


class Folder(Protocol):
    """Where the files of one page go."""

    @property
    def path(self) -> Path:
        """The folder itself."""
        ...

    @property
    def document(self) -> Path:
        """The page's own file."""
        ...

    def reserve(self, name: str) -> str:
        """A new file's address relative to this folder, made from `name`, safe and unique."""
        ...

    def write(self, href: str, data: bytes) -> None:
        """Writes the file `href`, whole or not at all."""
        ...

    def fill(self, href: str, write: Callable[[Path], object]) -> int:
        """Lets `write` make the file `href` at the path that it is given; the size in bytes."""
        ...

    def new_inner(self, title: str) -> str:
        """The name of a new folder in this one, for a page of its own."""
        ...

    def inner(self, name: str) -> "Folder":
        """The folder of this name, of a page of its own."""
        ...


class ReportFolder:
    """The folder of one page of a report: `NAME/NAME.md` and its files in `NAME/etc/`.

    Files are written whole or not at all, and only beneath this folder. Every name is put down in a
    list before its file is made, so that even after a kill the next run knows what to remove.
    """

    def __init__(self, path: Path, name: str, ledger: "_Ledger") -> None:
        self._path = path
        self.name = name
        self._ledger = ledger
        self._names = Names()
        self._inner: dict[str, ReportFolder] = {}

    @classmethod
    def claim(cls, path: Path, *, keep: bool = False, force: bool = False) -> "ReportFolder":
        """Makes the folder `path` if need be, and locks it for this process.

        Args:
            path: the folder.
            keep: whether to leave alone what a killed run left half done.
            force: whether to replace a report that was edited by hand.

        Raises:
            ReportInUse: another run is writing this report.
            ReportError: the folder cannot be made or written, or holds a document of the same name
                that Quire did not write, or one that was edited since.
        """
        name = file_name(path.resolve().name)
        if path.exists() and not path.is_dir():
            raise ReportError(f"{path} is a file; a report needs a folder: choose another")
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock = Lock(_lock_in(path))
        except ReportError:
            raise
        except OSError as error:
            raise ReportError(f"cannot write a report in {path}: {error.strerror}") from error
        try:
            check_is_ours(path, name, force=force)
            # What runs may change the working folder; the report stays where it was begun.
            whole = path.absolute()
            return cls(whole, name, _Ledger(whole, lock, keep=keep))
        except BaseException:
            lock.release()
            raise

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self._path

    @property
    def document(self) -> Path:
        """The page's Markdown file."""
        return self.path / f"{self.name}.md"

    def new_inner(self, title: str) -> str:
        """The name of a new folder in this one, for a page of its own."""
        return self._names.unique(slug(title))

    def inner(self, name: str) -> "ReportFolder":
        """The folder of this name, of a page of its own."""
        if name not in self._inner:
            self._inner[name] = ReportFolder(self.path / name, name, self._ledger)
        return self._inner[name]

    @property
    def record(self) -> Path:
        """The record of the run; see `quire.record`."""
        return self.path / f"{self.name}.json"

    def reserve(self, name: str) -> str:
        """A new file's address relative to this folder, made from `name`, safe and unique."""
        while True:
            href = f"{_FILES}/{self._names.unique(file_name(name))}"
            # A file that is there and not in our list is somebody else's: leave it be.
            if not self._ledger.is_foreign(self.path / href):
                return href

    def write(self, href: str, data: bytes) -> None:
        """Writes the file `href`, whole or not at all, in place of what it held.

        Raises:
            OSError: it could not be written; what was there is unchanged.
        """
        path = self._claim_file(href)
        write_whole(path, data)

    def fill(self, href: str, write: Callable[[Path], object]) -> int:
        """Lets `write` make the file `href` at the path that it is given; the size in bytes."""
        path = self._claim_file(href)
        temporary = _temporary(path)
        try:
            write(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        return path.stat().st_size

    def stream(self, href: str) -> BinaryIO:
        """Opens the file `href`, emptied, to be written as text comes."""
        return self._claim_file(href).open("wb")

    def write_document(self, content: bytes, *, durable: bool = False) -> None:
        """Replaces the page by `content`. If `durable`, the disk has it before this returns."""
        self._ledger.add(self.document)
        self.path.mkdir(parents=True, exist_ok=True)
        write_whole(self.document, content, durable=durable)

    def write_record(self, text: str) -> None:
        """Replaces the record of the run, from which the page was written, by `text`."""
        self._ledger.add(self.record)
        write_whole(self.record, text.encode("utf-8", "backslashreplace"))

    def remove_record(self) -> None:
        """Removes the record, of a run whose page could not be written."""
        with contextlib.suppress(OSError):
            self.record.unlink()

    def foreign(self) -> Path | None:
        """A file here that Quire did not write, if there is one; hidden ones do not count."""
        found = (path for path in sorted(self.path.rglob("*")) if not path.is_dir() and path.name[0] != ".")
        return next(filter(self._ledger.is_foreign, found), None)

    def listed(self, path: Path) -> str:
        """The name of a file of this page, relative to the folder of the whole report."""
        return self._ledger.name(path)

    def digests(self) -> dict[str, str]:
        """The digest of each file that this run wrote in the whole report by now."""
        return self._ledger.digests()

    def release(self, *, tidy: bool) -> None:
        """Unlocks the report.

        Args:
            tidy: whether to remove what earlier runs wrote and this one did not. Not if the page could
                not be written: the old one still shows those files.
        """
        self._ledger.close(tidy=tidy)

    def _claim_file(self, href: str) -> Path:
        path = self.path / href
        self._ledger.add(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


class _Ledger:
    """The list, in the report's folder, of the files that Quire wrote there."""

    def __init__(self, root: Path, lock: Lock, *, keep: bool) -> None:
        self._root = root
        self._lock = lock
        self._path = root / LEDGER
        self._before = self._read()
        self._now: set[str] = set()
        for leftover in () if keep else root.rglob(".quire-*.tmp"):
            leftover.unlink(missing_ok=True)

    def name(self, path: Path) -> str:
        """How the list calls `path`."""
        return path.relative_to(self._root).as_posix()

    def digests(self) -> dict[str, str]:
        """The digest of each file that was written by now and is still there."""
        found = {}
        for name in self._now:
            with contextlib.suppress(OSError):
                found[name] = digests.of_file(self._root / name)
        return found

    def add(self, path: Path) -> None:
        """Puts `path` on the list; on disk before this returns."""
        name = self.name(path)
        if name in self._now:
            return
        if name not in self._before:
            with self._path.open("a", encoding="utf-8") as ledger:
                ledger.write(f"{name}\n")
        self._now.add(name)

    def is_foreign(self, path: Path) -> bool:
        """Whether `path` exists and Quire did not write it."""
        return self.name(path) not in self._before and os.path.lexists(path)

    def close(self, *, tidy: bool) -> None:
        """Removes what this run did not write again, if `tidy`, and leaves the list of what it did."""
        try:
            if not tidy:
                return
            for name in self._before - self._now:
                self._remove(name)
            listing = "".join(f"{name}\n" for name in sorted(self._now))
            write_whole(self._path, (_LEDGER_HEAD + listing).encode())
        finally:
            self._lock.release()

    def _remove(self, name: str) -> None:
        path = self._root / name
        path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == self._root or any(folder.iterdir() if folder.is_dir() else ()):
                break
            folder.rmdir()

    def _read(self) -> set[str]:
        try:
            lines = self._path.read_text("utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return set()
        return {line for line in lines if line and not line.startswith("#") and is_beneath(line)}


def write_whole(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Replaces the file `path` by `data` in one step: a reader, a kill or a full disk sees old or new.

    Raises:
        OSError: nothing was changed.
    """
    temporary = _temporary(path)
    try:
        # The usual mode, which the user's umask narrows; tempfile would make it 0600.
        with temporary.open("wb", buffering=0) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _temporary(path: Path) -> Path:
    return path.with_name(f".quire-{path.name}.tmp")


def check_is_ours(folder: Path, name: str, *, force: bool) -> None:
    """Makes sure that the report `name` in `folder` may be replaced, if there is one.

    Raises:
        ReportError: its document was not written by Quire, or was edited by hand since and not `force`.
    """
    document = folder / f"{name}.md"
    page = edits.edited(folder, name)
    if page is not None and not force:
        raise ReportError(
            f"{page} was edited by hand since it was written: bring the change into the script, or keep a "
            "copy, then run with --force to replace it (in a script of your own, force=True)"
        )
    head = edits.head(document)
    if page is None and head and f"\n{MARK}" not in head:
        raise ReportError(
            f"{document} exists and was not written by Quire: move it, or choose another folder"
        )


def holds_report(folder: Path) -> bool:
    """Whether Quire has written a report into a folder, or is about to."""
    return (folder / LEDGER).is_file() or _lock_in(folder).is_file()


def _lock_in(folder: Path) -> Path:
    return folder / f".{file_name(folder.resolve().name)}.lock"
