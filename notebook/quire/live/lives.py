"""Whether a run is still alive, and what it died of."""

import contextlib
import fcntl
import os
import select
import struct

# PIDFD_GET_INFO of Linux 6.13, with PIDFD_INFO_EXIT of 6.15: linux/pidfd.h.
_GET_INFO = 0xC040FF0B
_INFO_EXIT = 1 << 3
_INFO_SIZE, _EXIT_CODE_AT = 64, 60


class NoRun:
    """Where nothing runs, and nothing ends."""

    def poll(self) -> int | None:
        """None, always."""
        return None


class ChildRun:
    """A run that is a child of this process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: int | None = None

    def poll(self) -> int | None:
        """The exit status, or the number of the signal as a negative one; None while it lives."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code


class OtherRun:
    """A run that is no child of this process; what it died of can be told on Linux 6.15 and later.

    Attributes:
        code: as for `ChildRun`; None too if it cannot be told.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: int | None = None
        self._fd: int | None = None
        with contextlib.suppress(AttributeError, OSError):
            self._fd = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """None while it lives; then its exit status, if that can be told, else 0."""
        if self._fd is None:
            return None if self._exists() else 0
        if not select.select([self._fd], [], [], 0)[0]:
            return None
        self.code = self._exit_code()
        return self.code or 0

    def _exists(self) -> bool:
        return os.getppid() == self.pid

    def _exit_code(self) -> int | None:
        assert self._fd is not None
        info = bytearray(_INFO_SIZE)
        struct.pack_into("=Q", info, 0, _INFO_EXIT)
        try:
            fcntl.ioctl(self._fd, _GET_INFO, info)
        except OSError:
            return None
        mask, status = struct.unpack_from("=Q", info)[0], struct.unpack_from("=i", info, _EXIT_CODE_AT)[0]
        return os.waitstatus_to_exitcode(status) if mask & _INFO_EXIT else None
