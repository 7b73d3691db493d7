"""What the tests of the models share."""

from collections.abc import Iterator
from pathlib import Path

import numba
import numpy as np
import pytest

from quire_models import Dataset, datasets

MNIST = Path(__file__).parents[3] / "shared/data/mnist"


@pytest.fixture(autouse=True)
def _integers_wrap() -> Iterator[None]:
    """Hashing wraps around on purpose; only without the compiler would NumPy warn of it."""
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]  # set when numba is imported
        with np.errstate(over="ignore"):
            yield
    else:
        yield


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return datasets.load("digits")


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The real MNIST, which is not part of the repository."""
    if not MNIST.is_dir():
        pytest.skip(f"MNIST is not at {MNIST}")
    return MNIST
