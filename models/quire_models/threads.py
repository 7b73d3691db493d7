"""How many threads BLAS takes for the products of matrices."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_lock = threading.Lock()
_inside = 0
_before: list[int] = []


@contextmanager
def limited(n_jobs: int | None) -> Iterator[None]:
    """Has BLAS take so many threads within a `with` block.

    As in scikit-learn, None is 1 and -1 is all processors. One thread is the default since its sums
    are the same whatever else runs, and since two that wait for one another on a busy machine are slower
    than one by far. The number is the process's: of blocks at the same time in several threads, the one
    that began last decides.

    Raises:
        ValueError: the number is neither -1 nor from 1 up.
    """
    global _inside, _before
    count = threads_of(n_jobs)
    libraries = _libraries()
    with _lock:
        if not _inside:
            _before = [library.get_num_threads() for library in libraries]
        _inside += 1
        for library in libraries:
            library.set_num_threads(count)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                for library, number in zip(libraries, _before, strict=True):
                    library.set_num_threads(number)


def threads_of(n_jobs: int | None) -> int:
    """The number of threads that `n_jobs` says.

    Raises:
        ValueError: it is neither None nor -1 nor from 1 up.
    """
    if n_jobs is None:
        return 1
    if n_jobs == -1:
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count() or 1
    if n_jobs < 1:
        raise ValueError(f"n_jobs is a number of threads from 1 up, or -1 for all, not {n_jobs}")
    return n_jobs


@cache
def _libraries() -> list[Any]:
    """The BLAS libraries that are loaded; looking for them takes milliseconds, so that it is done once."""
    from threadpoolctl import ThreadpoolController

    return [each for each in ThreadpoolController().lib_controllers if each.user_api == "blas"]
