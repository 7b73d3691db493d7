"""The cores that this process may use, and how runs at the same time share them."""

import os

# What the libraries of numbers read when they are imported.
_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS")


def count() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def share(runs: int) -> dict[str, str]:
    """The environment in which each of so many runs at a time takes its share of the cores."""
    return dict.fromkeys(_THREADS, str(max(1, count() // runs)))
