"""How every kernel is compiled, in one place."""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import config, extending, njit
from numba.core import event

F = TypeVar("F", bound=Callable[..., Any])

_FILES = ("gate", "jit", "kernels", "operations", "products", "program", "team", "updates")
"""Where kernels are, and what they call."""


def _version() -> str:
    """A digest of all that kernels are made from."""
    sources = (Path(__file__).with_name(f"{name}.py").read_bytes() for name in _FILES)
    return hashlib.sha256(b"".join(sources)).hexdigest()[:12]


_VERSION = _version()


IS_ON = not config.DISABLE_JIT  # type: ignore[attr-defined]  # set when numba is imported
"""Whether kernels are compiled, and not run by Python."""

OPTIONS: dict[str, Any] = {
    "cache": True,
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract", "arcp", "nsz"},
}
"""Sums may be reordered, so that they are vectorised, but what is not a number stays so."""


def versioned(function: F) -> F:
    """Has the machine code of a function be cached beside its source for as long as no file changes.

    numba looks at the function's own file alone: what it calls from other files is in its name.
    """
    if not function.__qualname__.endswith(_VERSION):
        function.__qualname__ += f"-{_VERSION}"
    return function


def kernel(function: F) -> F:
    """Compiles a kernel, when it is first called, for the types that it is given; it runs without the GIL.

    What calls it has its code within: were it linked instead, to code that was optimised on its own, numbers
    would differ in the last bits between the run that compiles and those that find all in the cache.
    """
    # A compiled function is called like the one it was made from.
    return cast("F", njit(nogil=True, forceinline=True, **OPTIONS)(versioned(function)))


def intrinsic(function: Callable[..., Any]) -> Any:
    """A function for kernels alone, which is told in LLVM's terms: given types, gives a signature and how."""
    return extending.intrinsic(function)


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
