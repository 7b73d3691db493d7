"""Every kernel does what its slow twin does."""

import inspect
from typing import Any

import numpy as np
import pytest

from quire_models import kernels
from tests.models import naive

SHAPES = [(1, 1), (3, 5), (7, 8), (16, 33)]
f32 = np.float32


def some(shape: tuple[int, ...], seed: int = 0) -> kernels.Floats:
    return np.random.default_rng(seed).standard_normal(shape).astype(f32)


def near(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)


def test_every_kernel_has_a_twin() -> None:
    assert [name for name in _kernels() if not hasattr(naive, name)] == []
    tested = inspect.getsource(inspect.getmodule(test_every_kernel_has_a_twin) or naive)
    assert [name for name in _kernels() if f"naive.{name}" not in tested] == []


def _kernels() -> list[str]:
    source = inspect.getsource(kernels)
    return [line.split("def ")[1].split("(")[0] for line in source.splitlines() if line.startswith("def ")]


def test_random_bits() -> None:
    for seed in (0, 1, 2**40 + 7, 2**62):
        found = [int(kernels.random_bits(seed, index)) for index in range(50)]
        assert found == [naive.random_bits(seed, index) for index in range(50)]


def test_uniform() -> None:
    found = [float(kernels.uniform(3, index)) for index in range(200)]
    assert found == [naive.uniform(3, index) for index in range(200)]
    assert all(0 < number <= 1 for number in found)


@pytest.mark.parametrize("shape", SHAPES)
def test_add_gaussian_noise(shape: tuple[int, int]) -> None:
    x, out = some(shape), np.empty(shape, f32)
    kernels.add_gaussian_noise(x, f32(0.3), 5, out)
    near(out, naive.add_gaussian_noise(x, 0.3, 5))


def test_the_noise_is_normal() -> None:
    """Mean, variance, skewness and kurtosis, and no correlation with neighbours or other streams."""
    zeros, first, second = np.zeros((500, 401), f32), np.empty((500, 401), f32), np.empty((500, 401), f32)
    kernels.add_gaussian_noise(zeros, f32(1), 1, first)
    kernels.add_gaussian_noise(zeros, f32(1), 2, second)
    n = first.size
    moments = [float((first.astype(float) ** power).mean()) for power in (1, 2, 3, 4)]
    # Five standard deviations of each moment's estimate.
    for found, expected, variance in zip(moments, (0, 1, 0, 3), (1, 2, 15, 96), strict=True):
        assert abs(found - expected) < 5 * np.sqrt(variance / n)
    for a, b in [(first[:, 1:], first[:, :-1]), (first[1:], first[:-1]), (first, second)]:
        assert abs(float((a.astype(float) * b).mean())) < 5 / np.sqrt(n)


@pytest.mark.parametrize("shape", SHAPES)
def test_biases(shape: tuple[int, int]) -> None:
    z, bias = some(shape), some(shape[1:], 1)
    added, rectified = z.copy(), z.copy()
    kernels.add_bias(added, bias)
    kernels.bias_relu(rectified, bias)
    near(added, naive.add_bias(z, bias))
    near(rectified, naive.bias_relu(z, bias))


def test_a_number_that_is_none_is_not_hidden() -> None:
    z = np.array([[np.nan, 1.0]], f32)
    kernels.bias_relu(z, np.zeros(2, f32))
    assert np.isnan(z[0, 0])
    assert np.isnan(kernels.squared_error(z, np.zeros((1, 2), f32), np.empty((1, 2), f32)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rate", [0.05, 0.5, 0.9])
def test_dropout(shape: tuple[int, int], rate: float) -> None:
    h = np.abs(some(shape))
    found = h.copy()
    kernels.dropout(found, f32(rate), 9)
    near(found, naive.dropout(h, float(f32(rate)), 9))


def test_dropout_keeps_the_mean() -> None:
    h = np.ones((1000, 100), f32)
    kernels.dropout(h, f32(0.3), 4)
    assert abs((h == 0).mean() - 0.3) < 0.01
    assert abs(h.mean() - 1) < 0.01


@pytest.mark.parametrize("shape", SHAPES)
def test_relu_gradient(shape: tuple[int, int]) -> None:
    delta, output = some(shape), np.maximum(some(shape, 1), 0)
    found = delta.copy()
    kernels.relu_gradient(found, output, f32(0.25))
    near(found, naive.relu_gradient(delta, output, 0.25))


@pytest.mark.parametrize("shape", SHAPES)
def test_column_sums(shape: tuple[int, int]) -> None:
    delta, out = some(shape), np.full(shape[1], 7, f32)
    kernels.column_sums(delta, out)
    near(out, naive.column_sums(delta))


@pytest.mark.parametrize("shape", SHAPES)
def test_add_transposed(shape: tuple[int, int]) -> None:
    a, b = some(shape), some(shape[::-1], 1)
    found = a.copy()
    kernels.add_transposed(found, b)
    near(found, naive.add_transposed(a, b))


@pytest.mark.parametrize("shape", SHAPES)
def test_squared_error(shape: tuple[int, int]) -> None:
    output, target, delta = some(shape), some(shape, 1), np.empty(shape, f32)
    loss, gradient = naive.squared_error(output, target)
    near(kernels.squared_error(output, target, delta), loss)
    near(delta, gradient)


@pytest.mark.parametrize("scale", [1.0, 1000.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_softmax_and_cross_entropy(shape: tuple[int, int], scale: float) -> None:
    logits = some(shape) * f32(scale)
    labels = np.random.default_rng(2).integers(0, shape[1], shape[0])
    out, delta = np.empty(shape, f32), np.empty(shape, f32)
    kernels.softmax(logits, out)
    near(out, naive.softmax(logits.astype(float)))
    loss, gradient = naive.cross_entropy(logits.astype(float), labels)
    near(kernels.cross_entropy(logits, labels, delta), loss)
    near(delta, gradient)


def test_gather() -> None:
    rows, out = some((6, 4)), np.empty((3, 4), f32)
    kernels.gather(rows, np.array([5, 0, 5]), out)
    near(out, naive.gather(rows, np.array([5, 0, 5])))


def test_adam() -> None:
    start, gradients = some((4, 3)), [some((4, 3), seed) for seed in range(1, 6)]
    w, m, v = start.copy(), np.zeros((4, 3), f32), np.zeros((4, 3), f32)
    for step, gradient in enumerate(gradients, 1):
        kernels.adam(w, gradient, m, v, f32(0.01), f32(0.9), f32(0.999), f32(1e-8), step)
    near(w, naive.adam(start, gradients, 0.01, 0.9, 0.999, 1e-8))


def test_adam_with_the_small_gradients_of_a_mean() -> None:
    """Where epsilon is added matters at gradients of 1e-6; it is outside of the root, as published."""
    start, gradients = some((40,)), [some((40,), seed) * f32(1e-6) for seed in range(1, 6)]
    w, m, v = start.copy(), np.zeros(40, f32), np.zeros(40, f32)
    for step, gradient in enumerate(gradients, 1):
        kernels.adam(w, gradient, m, v, f32(0.01), f32(0.9), f32(0.999), f32(1e-8), step)
    near(w, naive.adam(start.astype(float), [g.astype(float) for g in gradients], 0.01, 0.9, 0.999, 1e-8))


def test_momentum() -> None:
    start, gradients = some((4, 3)), [some((4, 3), seed) for seed in range(1, 6)]
    w, velocity = start.copy(), np.zeros((4, 3), f32)
    for gradient in gradients:
        kernels.momentum(w, gradient, velocity, f32(0.1), f32(0.9))
    near(w, naive.momentum(start, gradients, 0.1, 0.9))
