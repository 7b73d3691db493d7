"""Products of matrices, of whatever shape, on whatever processor."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from quire_models.kernels import Floats
from quire_models.products import LANES, SCRATCH, WIDTH, multiply

NO_JIT = os.environ.get("NUMBA_DISABLE_JIT") == "1"
# Rows, terms and columns: less than a tile, just one, one and a rest, and more than are summed up at once.
SHAPES = [(1, 1, 1), (7, 5, 3), (8, 16, WIDTH), (9, 33, WIDTH + 1), (20, 70, 100), (17, 1100, 2 * LANES + 5)]


def some(rows: int, columns: int, seed: int) -> Floats:
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("is_x_turned", "is_y_turned"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_products_are_those_of_numpy(shape: tuple[int, int, int], is_x_turned: int, is_y_turned: int) -> None:
    rows, terms, columns = shape
    a, b = some(rows, terms, 0), some(terms, columns, 1)
    x, y = (
        (np.ascontiguousarray(a.T) if is_x_turned else a),
        (np.ascontiguousarray(b.T) if is_y_turned else b),
    )
    out = np.full((rows, columns), np.nan, np.float32)
    multiply(x, is_x_turned, y, is_y_turned, 0, rows, 0, columns, np.empty(SCRATCH, np.float32), out)
    exact = a.astype(float) @ b.astype(float)
    np.testing.assert_allclose(out, exact, rtol=1e-5, atol=1e-6 * terms)


def test_a_part_is_that_of_the_whole_to_the_bit() -> None:
    x, y, scratch = some(40, 300, 0), some(300, 70, 1), np.empty(SCRATCH, np.float32)
    whole, parts = np.empty((40, 70), np.float32), np.full((40, 70), 7, np.float32)
    multiply(x, 0, y, 0, 0, 40, 0, 70, scratch, whole)
    multiply(x, 0, y, 0, 3, 16, 5, 60, scratch, parts)
    if NO_JIT:  # NumPy's products, which have no such order
        np.testing.assert_allclose(parts[3:16, 5:60], whole[3:16, 5:60], rtol=1e-4)
    else:
        assert np.array_equal(parts[3:16, 5:60], whole[3:16, 5:60])
    parts[3:16, 5:60] = 7
    assert (parts == 7).all()


def test_what_is_no_number_stays_so() -> None:
    x, y, out = some(9, 20, 0), some(20, 30, 1), np.empty((9, 30), np.float32)
    x[8, 3] = np.nan
    multiply(x, 0, y, 0, 0, 9, 0, 30, np.empty(SCRATCH, np.float32), out)
    assert np.isnan(out[8]).all()
    assert np.isfinite(out[:8]).all()


@pytest.mark.skipif(LANES == 8 or NO_JIT, reason="is what the other tests have seen")
def test_a_processor_without_avx_512(tmp_path: Path) -> None:
    """Code for one of 2013 runs here too."""
    processor = {
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2,+f16c,+popcnt,+sse4.2",
        "NUMBA_CACHE_DIR": str(tmp_path),
    }
    tests = [f"{__file__}::{name}" for name in ("test_products_are_those_of_numpy", "test_lanes_of_eight")]
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        env=os.environ | processor,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout
    assert "25 passed" in found.stdout


@pytest.mark.skipif("avx512" in os.environ.get("NUMBA_CPU_FEATURES", "avx512"), reason="for the test above")
def test_lanes_of_eight() -> None:
    assert LANES == 8
