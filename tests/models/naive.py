"""A slow, readable twin of every kernel, in float64."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def random_bits(seed: int, index: int) -> int:
    mask = 2**64 - 1
    bits = (seed * 0x9E3779B97F4A7C15 + index) & mask
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        bits = ((bits ^ (bits >> 33)) * factor) & mask
    return (bits ^ (bits >> 33)) >> 32


def uniform(seed: int, index: int) -> float:
    return ((random_bits(seed, index) >> 8) + 1) / 2**24


def normal(seed: int, count: int) -> Array:
    numbers: list[float] = []
    for pair in range((count + 1) // 2):
        radius = math.sqrt(-2 * math.log(uniform(seed, 2 * pair)))
        angle = 2 * math.pi * uniform(seed, 2 * pair + 1)
        numbers += [radius * math.cos(angle), radius * math.sin(angle)]
    return np.array(numbers[:count])


def add_gaussian_noise(x: Array, deviation: float, seed: int) -> Array:
    return x + deviation * normal(seed, x.size).reshape(x.shape)


def add_bias(z: Array, bias: Array) -> Array:
    return z + bias


def bias_relu(z: Array, bias: Array) -> Array:
    rectified: Array = np.maximum(z + bias, 0)
    return rectified


def dropout(h: Array, rate: float, seed: int) -> Array:
    kept = np.array([uniform(seed, i) > rate for i in range(h.size)]).reshape(h.shape)
    dropped: Array = h * kept / (1 - rate)
    return dropped


def relu_gradient(delta: Array, output: Array, rate: float) -> Array:
    gradient: Array = delta * (output > 0) / (1 - rate)
    return gradient


def column_sums(delta: Array) -> Array:
    total: Array = delta.sum(axis=0)
    return total


def add_transposed(a: Array, b: Array) -> Array:
    return a + b.T


def squared_error(output: Array, target: Array) -> tuple[float, Array]:
    return float(((output - target) ** 2).mean()), 2 * (output - target) / output.size


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares


def cross_entropy(logits: Array, labels: Array) -> tuple[float, Array]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    return float(-logs[rows, labels].mean()), (softmax(logits) - np.eye(logits.shape[1])[labels]) / len(
        labels
    )


def gather(rows: Array, indices: Array) -> Array:
    return np.take(rows, indices, axis=0)


def adam(w: Array, gradients: list[Array], rate: float, beta1: float, beta2: float, epsilon: float) -> Array:
    """Algorithm 1 of Kingma and Ba (2015), over some steps."""
    m = v = np.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        w = w - rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
    return w


def momentum(w: Array, gradients: list[Array], rate: float, friction: float) -> Array:
    v = np.zeros_like(w)
    for g in gradients:
        v = friction * v - rate * g
        w = w + v
    return w
