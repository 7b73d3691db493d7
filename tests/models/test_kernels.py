"""Every kernel does what its slow twin does."""

import inspect
from typing import Any

import numpy as np
import pytest

from quire_models import kernels, updates
from quire_models.kernels import IDENTITY, RELU, SIGMOID
from tests.models import naive

SHAPES = [(1, 1), (3, 5), (7, 8), (16, 33)]
f32 = np.float32
u64 = np.uint64


def some(shape: tuple[int, ...], seed: int = 0) -> kernels.Floats:
    return np.random.default_rng(seed).standard_normal(shape).astype(f32)


def near(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)


def picked(count: int) -> Any:
    """Rows of a larger array, in an order of their own."""
    return np.random.default_rng(5).permutation(count + 4)[:count]


def test_every_kernel_has_a_twin() -> None:
    names = [
        line.split("def ")[1].split("(")[0]
        for module in (kernels, updates)
        for line in inspect.getsource(module).splitlines()
        if line.startswith("def ")
    ]
    assert [name for name in names if not hasattr(naive, name)] == []
    tested = inspect.getsource(inspect.getmodule(test_every_kernel_has_a_twin) or naive)
    assert [name for name in names if f"naive.{name}" not in tested] == []


def test_random_bits() -> None:
    for seed in (0, 1, 2**40 + 7, 2**62):
        key = int(kernels.stream_key(seed))
        assert key == naive.stream_key(seed)
        found = [int(kernels.random_bits(u64(key), index)) for index in range(50)]
        assert found == [naive.random_bits(key, index) for index in range(50)]


def test_random_bits_are_even_and_independent() -> None:
    """Each bit is on half the time, changes half the time with the index, and with the seed."""
    draws = [[naive.random_bits(naive.stream_key(seed), index) for index in range(4000)] for seed in (1, 2)]
    first, second = (np.array(each, np.uint32) for each in draws)
    for bits in (first, first[1:] ^ first[:-1], first ^ second):
        shares = ((bits[:, None] >> np.arange(32, dtype=np.uint32)) & 1).mean(axis=0)
        # Five standard deviations of a share.
        assert np.abs(shares - 0.5).max() < 5 * 0.5 / np.sqrt(len(bits))


def test_radius_and_sine() -> None:
    for upper in (0, 1, 2, 100, 2**15, 2**16 - 2, 2**16 - 1):
        bits = np.uint32(upper << 16 | 77)
        assert float(kernels.normal_radius(bits)) == pytest.approx(naive.normal_radius(int(bits)), rel=1e-5)
    for x in np.linspace(-np.pi / 2, np.pi / 2, 21, dtype=f32):
        assert float(kernels.sine(x)) == pytest.approx(naive.sine(float(x)), abs=3e-7)


@pytest.mark.parametrize("shape", SHAPES)
def test_gaussian(shape: tuple[int, int]) -> None:
    rows, chosen, out = some((shape[0] + 4, shape[1])), picked(shape[0]), np.empty(shape, f32)
    kernels.gaussian(rows, chosen, 0, f32(0.3), 5, out)
    near(out, naive.gaussian(rows, chosen, 0.3, 5))


def test_the_noise_is_normal() -> None:
    """Mean, variance, skewness and kurtosis, and no correlation with neighbours or other streams."""
    zeros, chosen = np.zeros((250, 81), f32), np.arange(250)
    first, second = np.empty((250, 81), f32), np.empty((250, 81), f32)
    kernels.gaussian(zeros, chosen, 0, f32(1), 1, first)
    kernels.gaussian(zeros, chosen, 0, f32(1), 2, second)
    n = first.size
    moments = [float((first.astype(float) ** power).mean()) for power in (1, 2, 3, 4)]
    # Five standard deviations of each moment's estimate.
    for found, expected, variance in zip(moments, (0, 1, 0, 3), (1, 2, 15, 96), strict=True):
        assert abs(found - expected) < 5 * np.sqrt(variance / n)
    for a, b in [(first[:, 1:], first[:, :-1]), (first[1:], first[:-1]), (first, second)]:
        assert abs(float((a.astype(float) * b).mean())) < 5 / np.sqrt(n)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.9])
def test_masking_and_salt_and_pepper(share: float) -> None:
    rows, chosen, out = some((12, 33)), picked(8), np.empty((8, 33), f32)
    assert int(kernels.threshold(f32(share))) == naive.threshold(float(f32(share)))
    kernels.masking(rows, chosen, 0, f32(share), 6, out)
    near(out, naive.masking(rows, chosen, float(f32(share)), 6))
    kernels.salt_and_pepper(rows, chosen, 0, f32(share), 6, out)
    near(out, naive.salt_and_pepper(rows, chosen, float(f32(share)), 6))
    delta = some((8, 33), 1)
    expected = naive.struck_gradient(delta, out, rows[chosen])
    kernels.struck_gradient(delta, out, rows[chosen])
    near(delta, expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("activation", [IDENTITY, RELU, SIGMOID])
def test_activate(shape: tuple[int, int], activation: int) -> None:
    z, bias = some(shape), some(shape[1:], 1)
    expected = naive.activate(z, bias, activation)
    kernels.activate(z, bias, activation)
    near(z, expected)


def test_a_number_that_is_none_is_not_hidden() -> None:
    z, bias, chosen = np.array([[np.nan, 1.0]], f32), np.zeros(2, f32), np.arange(1)
    for activation in (IDENTITY, RELU, SIGMOID):
        output = z.copy()
        kernels.activate(output, bias, activation)
        assert np.isnan(output[0, 0])
        losses = np.empty(1, f32)
        kernels.squared_error(z.copy(), bias, activation, np.zeros((1, 2), f32), chosen, 1, losses)
        assert np.isnan(losses[0])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rate", [0.05, 0.5, 0.9])
def test_dropout(shape: tuple[int, int], rate: float) -> None:
    h, bias = some(shape), some(shape[1:], 1)
    found, fused = h.copy(), h.copy()
    kernels.dropout(found, f32(rate), 0, 9)
    near(found, naive.dropout(h, float(f32(rate)), 9))
    kernels.relu_dropout(fused, bias, f32(rate), 0, 9)
    near(fused, naive.relu_dropout(h, bias, float(f32(rate)), 9))


def test_dropout_keeps_the_mean() -> None:
    h = np.ones((100, 100), f32)
    kernels.dropout(h, f32(0.3), 0, 4)
    assert abs((h == 0).mean() - 0.3) < 0.025
    assert abs(h.mean() - 1) < 0.035


@pytest.mark.parametrize("count", [1, 3, 8])
def test_keep_largest(count: int) -> None:
    h = np.maximum(some((6, 8)).round(1), 0)
    found = h.copy()
    kernels.keep_largest(found, count, np.empty(count, f32))
    near(found, naive.keep_largest(h, count))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("activation", [IDENTITY, RELU, SIGMOID])
def test_activation_gradient(shape: tuple[int, int], activation: int) -> None:
    rate = 0.0 if activation == IDENTITY else 0.25
    delta, output = some(shape), naive.activate(some(shape, 1), np.zeros(shape[1]), activation) / (1 - rate)
    found = delta.copy()
    kernels.activation_gradient(found, output.astype(f32), activation, f32(rate))
    near(found, naive.activation_gradient(delta, output, activation, rate))


@pytest.mark.parametrize("shape", SHAPES)
def test_column_sums(shape: tuple[int, int]) -> None:
    delta, sums = some(shape), np.full(shape[1], 7, f32)
    low, high = shape[1] // 3, shape[1]
    kernels.column_sums(delta, low, high, sums)
    near(sums[low:high], naive.column_sums(delta)[low:high])
    assert (sums[:low] == 7).all()


@pytest.mark.parametrize("first", [0, 3])
def test_a_part_of_a_batch_has_the_numbers_of_the_whole(first: int) -> None:
    rows, bias, chosen = some((8, 33)), some((33,), 1), picked(4)
    for corrupt in (kernels.gaussian, kernels.masking, kernels.salt_and_pepper):
        whole, part = np.empty((4, 33), f32), np.empty((4 - first, 33), f32)
        corrupt(rows, chosen, 0, f32(0.3), 5, whole)
        corrupt(rows, chosen[first:], first, f32(0.3), 5, part)
        assert np.array_equal(part, whole[first:])
    whole, part = rows[:4].copy(), rows[first:4].copy()
    kernels.relu_dropout(whole, bias, f32(0.5), 0, 5)
    kernels.relu_dropout(part, bias, f32(0.5), first, 5)
    assert np.array_equal(part, whole[first:])


@pytest.mark.parametrize("shape", SHAPES)
def test_add_transposed(shape: tuple[int, int]) -> None:
    a, b = some(shape), some(shape[::-1], 1)
    found = a.copy()
    middle = shape[0] // 2
    kernels.add_transposed(found, b, 0, middle)
    assert np.array_equal(found[middle:], a[middle:])
    kernels.add_transposed(found, b, middle, shape[0])
    near(found, naive.add_transposed(a, b))


def test_penalties_for_codes_that_are_not_sparse() -> None:
    output, delta = some((6, 5)), some((6, 5), 1)
    found, losses = delta.copy(), np.ones(6, f32)
    penalty, slopes = naive.sum_of_magnitudes(output, 0.1)
    kernels.sum_of_magnitudes(output, f32(0.1), 6, found, losses)
    near(losses.sum() - 6, penalty)
    near(found, delta + slopes)
    output, found = naive.activate(output, np.zeros(5), SIGMOID).astype(f32), delta.copy()
    penalty, slopes = naive.divergence(output, 0.5, 0.05)
    terms = np.empty(5, f32)
    for low, high in ((0, 2), (2, 5)):
        kernels.divergence(output, f32(0.5), f32(0.05), low, high, found, terms)
    near(terms.sum(), penalty)
    near(found, delta + slopes)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("activation", [IDENTITY, RELU, SIGMOID])
def test_squared_error(shape: tuple[int, int], activation: int) -> None:
    z, bias, rows, chosen = (
        some(shape),
        some(shape[1:], 1),
        some((shape[0] + 4, shape[1]), 2),
        picked(shape[0]),
    )
    losses = np.empty(shape[0], f32)
    loss, gradient = naive.squared_error(z, bias, activation, rows[chosen])
    kernels.squared_error(z, bias, activation, rows, chosen, shape[0], losses)
    near(losses.sum(), loss)
    near(z, gradient)


@pytest.mark.parametrize("scale", [1.0, 1000.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_binary_cross_entropy(shape: tuple[int, int], scale: float) -> None:
    z, bias, chosen = some(shape) * f32(scale), some(shape[1:], 1), picked(shape[0])
    rows, losses = np.random.default_rng(2).random((shape[0] + 4, shape[1]), f32), np.empty(shape[0], f32)
    with np.errstate(over="ignore"):
        loss, gradient = naive.binary_cross_entropy(z.astype(float), bias, rows[chosen])
    kernels.binary_cross_entropy(z, bias, rows, chosen, shape[0], losses)
    near(losses.sum(), loss)
    near(z, gradient)


@pytest.mark.parametrize("scale", [1.0, 1000.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_softmax_and_cross_entropy(shape: tuple[int, int], scale: float) -> None:
    z, bias, chosen = some(shape) * f32(scale), some(shape[1:], 1), picked(shape[0])
    labels = np.random.default_rng(2).integers(0, shape[1], shape[0] + 4)
    out, losses = np.empty(shape, f32), np.empty(shape[0], f32)
    kernels.softmax(z, out)
    near(out, naive.softmax(z.astype(float)))
    loss, gradient = naive.cross_entropy(z.astype(float), bias, labels[chosen])
    kernels.cross_entropy(z, bias, labels, chosen, shape[0], losses)
    near(losses.sum(), loss)
    near(z, gradient)


def test_gather() -> None:
    rows, out = some((6, 4)), np.empty((3, 4), f32)
    kernels.gather(rows, np.array([5, 0, 5]), out)
    near(out, naive.gather(rows, np.array([5, 0, 5])))


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (2, 1), (3, 2), (4, 4)])
def test_patches(size: int, stride: int) -> None:
    images = some((2, 5, 7, 3))
    expected = naive.patches(images, size, stride)
    out, back = np.empty(expected.shape, f32), np.empty(images.shape, f32)
    kernels.patches(images, size, stride, out)
    near(out, expected)
    kernels.add_patches(out, size, stride, back)
    near(back, naive.add_patches(expected, size, stride, images.shape))


@pytest.mark.parametrize("scale", [1.0, 1e-6])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adam(scale: float, decay: float) -> None:
    """Where epsilon is added matters at the small gradients of a mean; it is outside, as published."""
    start, gradients = some((4, 3)), [some((4, 3), seed) * f32(scale) for seed in range(1, 6)]
    w, m, v = start.copy(), np.zeros((4, 3), f32), np.zeros((4, 3), f32)
    for step, gradient in enumerate(gradients, 1):
        updates.adam(w, gradient, m, v, f32(0.01), f32(0.9), f32(0.999), f32(1e-8), f32(decay), step)
    exact = [gradient.astype(float) for gradient in gradients]
    near(w, naive.adam(start.astype(float), exact, 0.01, 0.9, 0.999, 1e-8, decay))


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum(nesterov: bool) -> None:
    start, gradients = some((4, 3)), [some((4, 3), seed) for seed in range(1, 6)]
    w, velocity = start.copy(), np.zeros((4, 3), f32)
    for gradient in gradients:
        updates.momentum(w, gradient, velocity, f32(0.1), f32(0.9), f32(0.2), nesterov)
    near(w, naive.momentum(start, gradients, 0.1, 0.9, 0.2, nesterov=nesterov))


def test_what_is_done_to_weights_besides() -> None:
    start, other = some((6, 5)), some((6, 5), 1)
    shrunk, limited, averaged = start.copy(), start.copy(), start.copy()
    updates.shrink(shrunk, f32(0.4))
    near(shrunk, naive.shrink(start, 0.4))
    updates.limit_columns(limited, f32(1.9), 0, 5, np.empty(5, f32))
    near(limited, naive.limit_columns(start, 1.9))
    updates.average(averaged, other, f32(0.1))
    near(averaged, naive.average(start, other, 0.1))
