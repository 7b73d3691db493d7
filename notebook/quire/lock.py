"""A lock on a report, which dies with the process that holds it."""

import fcntl
import os
from pathlib import Path

from quire.errors import ReportError, ReportInUse

_held: set[Path] = set()


class Lock:
    """Holds `path` locked for this process until `release`, or until the process dies in any way.

    A POSIX record lock: unlike one made by `flock`, a forked child neither inherits it nor keeps it
    alive, so that a worker which outlives a killed run does not block the next.

    Raises:
        ReportInUse: another run holds the lock.
        ReportError: the file cannot be made or locked.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        if self._path in _held:
            raise ReportInUse(f"{path.parent} is already open in this process: close that report first")
        self._fd = self._claim(path)
        self._pid = os.getpid()
        _held.add(self._path)

    def _claim(self, path: Path) -> int:
        while True:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                holder = os.read(fd, 32).decode("ascii", "replace").strip() or "unknown"
                os.close(fd)
                raise ReportInUse(
                    f"{path.parent} is being written by another run (process {holder}): "
                    "wait for it, stop it, or choose another folder"
                ) from None
            except OSError as error:
                os.close(fd)
                raise ReportError(f"cannot lock {path}: {error.strerror}") from error
            if _is_still(fd, path):
                os.ftruncate(fd, 0)
                os.write(fd, f"{os.getpid()}\n".encode())
                return fd
            # The last holder removed the file between our open and our lock.
            os.close(fd)

    def release(self) -> None:
        """Gives the lock up and removes its file. A forked child that calls this changes nothing."""
        if os.getpid() == self._pid and self._path in _held:
            _held.discard(self._path)
            self._path.unlink(missing_ok=True)
            os.close(self._fd)


def _is_still(fd: int, path: Path) -> bool:
    """Whether `path` still names the file that is open as `fd`."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False
