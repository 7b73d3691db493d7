"""A child process that does not outlive its parent."""

import contextlib
import ctypes
import os
import signal
import sys

_PARENT_DIED = 1  # PR_SET_PDEATHSIG, of linux/prctl.h


def die_with(parent: int) -> None:
    """Has this process get SIGTERM when its parent is killed, where the system can do that.

    Args:
        parent: the process that forked this one; if it is gone already, so is this one at once.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PARENT_DIED, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
