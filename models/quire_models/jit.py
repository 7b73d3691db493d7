"""How every kernel is compiled, in one place."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit
from numba.core import event

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


class _Notice(event.Listener):
    """Says once that kernels are compiled, which takes seconds; to load one from the cache is not that."""

    is_said = False

    def on_start(self, event: Any) -> None:
        """Looks whose function it is."""
        if not self.is_said and event.data["dispatcher"].py_func.__module__.startswith("quire_models."):
            self.is_said = True
            logging.getLogger("quire_models").warning(
                "compiling kernels: it takes a few seconds, the first time only",
                # Quire keeps it out of reports: another run of the same code has nothing to compile.
                extra={"transient": True},
            )

    def on_end(self, event: Any) -> None:
        """Nothing: the next one is compiled soon."""


event.register("numba:compile", _Notice())  # type: ignore[no-untyped-call]  # numba has no types
