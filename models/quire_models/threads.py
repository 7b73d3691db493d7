"""How many threads BLAS takes for the products of matrices."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any


def limited(threads: int | None) -> AbstractContextManager[object]:
    """Has BLAS take so many threads within a `with` block; None leaves it as it is.

    The limit is the process's: what other threads multiply meanwhile is held to it too.

    Raises:
        ValueError: the number is not from 1 up.
    """
    if threads is None:
        return nullcontext()
    if threads < 1:
        raise ValueError(f"n_jobs is a number of threads from 1 up, or None, not {threads}")
    return _limited(threads)


@contextmanager
def _limited(threads: int) -> Iterator[None]:
    libraries = _libraries()
    before = [library.get_num_threads() for library in libraries]
    for library in libraries:
        library.set_num_threads(threads)
    try:
        yield
    finally:
        for library, count in zip(libraries, before, strict=True):
            library.set_num_threads(count)


@cache
def _libraries() -> list[Any]:
    """The BLAS libraries that are loaded; looking for them takes milliseconds, so that it is done once."""
    from threadpoolctl import ThreadpoolController

    return [each for each in ThreadpoolController().lib_controllers if each.user_api == "blas"]
