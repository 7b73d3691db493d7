"""How every kernel is compiled, in one place."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compiles a kernel, when it is first called, for the types it is called with.

    It releases the GIL while it runs. Sums may be reordered, so that they are vectorised, but what is
    not a number stays so. The machine code is cached beside the source; since numba looks only at
    that file to see whether a cached kernel is still valid, a kernel calls nothing from another file.
    """
    options = njit(
        nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "arcp", "nsz"}
    )
    # A compiled function is called like the one it was made from.
    return cast("F", options(function))
