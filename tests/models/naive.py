"""A slow, readable twin of every kernel, in float64."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
WORD, LONG = 2**32 - 1, 2**64 - 1


def stream_key(seed: int) -> int:
    bits = seed * 0x9E3779B97F4A7C15 & LONG
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 & LONG
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EB & LONG
    return bits ^ bits >> 31


def random_bits(key: int, index: int) -> int:
    bits = (index + key) & WORD
    bits = (bits ^ bits >> 16) * 0x21F0AAAD & WORD
    bits = (bits + (key >> 32)) & WORD
    bits = (bits ^ bits >> 15) * 0xD35A2D97 & WORD
    return bits ^ bits >> 15


def normal_radius(bits: int) -> float:
    return math.sqrt(-2 * math.log(((bits >> 16) + 0.5) / 2**16))


def sine(x: float) -> float:
    return math.sin(x)


def bits_of(seed: int, count: int) -> list[int]:
    return [random_bits(stream_key(seed), index) for index in range(count)]


def gaussian(rows: Array, chosen: Array, deviation: float, seed: int) -> Array:
    units = rows.shape[1]
    half = (units + 1) // 2
    out = rows[chosen].astype(float)
    for image, row in enumerate(out):
        for unit in range(half):
            bits = random_bits(stream_key(seed), image * half + unit)
            angle = ((bits & 0xFFFF) - 2**15) * math.pi / 2**15
            row[unit] += deviation * normal_radius(bits) * math.cos(angle)
            if half + unit < units:
                row[half + unit] += deviation * normal_radius(bits) * math.sin(angle)
    return out


def threshold(share: float) -> int:
    return int(share * 2**32)


def struck(shape: tuple[int, ...], share: float, seed: int) -> Array:
    count = math.prod(shape)
    return np.array([bits < threshold(share) for bits in bits_of(seed, count)]).reshape(shape)


def gather(rows: Array, chosen: Array) -> Array:
    return np.take(rows, chosen, axis=0)


def masking(rows: Array, chosen: Array, share: float, seed: int) -> Array:
    x = gather(rows, chosen)
    return np.where(struck(x.shape, share, seed), 0, x)


def salt_and_pepper(rows: Array, chosen: Array, share: float, seed: int) -> Array:
    x = gather(rows, chosen)
    coins = np.array([bits & 1 for bits in bits_of(seed, x.size)]).reshape(x.shape)
    return np.where(struck(x.shape, share, seed), coins, x)


def struck_gradient(delta: Array, corrupted: Array, original: Array) -> Array:
    return np.where(corrupted == original, delta, 0)


def activate(z: Array, bias: Array, activation: int) -> Array:
    value = z + bias
    results: list[Array] = [value, np.maximum(value, 0), 1 / (1 + np.exp(-value))]
    return results[activation]


def dropout(h: Array, rate: float, seed: int) -> Array:
    return np.where(struck(h.shape, rate, seed), 0, h / (1 - rate))


def relu_dropout(z: Array, bias: Array, rate: float, seed: int) -> Array:
    return dropout(activate(z, bias, 1), rate, seed)


def keep_largest(h: Array, count: int) -> Array:
    kept = np.zeros_like(h)
    for row, source in zip(kept, h, strict=True):
        best = sorted(range(len(source)), key=lambda unit: (-source[unit], unit))[:count]
        row[best] = source[best]
    return kept


def activation_gradient(delta: Array, output: Array, activation: int, rate: float) -> Array:
    before = output * (1 - rate)
    slopes: list[Array] = [
        np.ones_like(output),
        (output > 0) / (1 - rate),
        before * (1 - before) / (1 - rate),
    ]
    gradient: Array = delta * slopes[activation]
    return gradient


def column_sums(delta: Array) -> Array:
    sums: Array = delta.sum(axis=0)
    return sums


def add_transposed(a: Array, b: Array) -> Array:
    return a + b.T


def sum_of_magnitudes(output: Array, strength: float) -> tuple[float, Array]:
    return strength * float(np.abs(output).sum(axis=1).mean()), strength * np.sign(output) / len(output)


def divergence(output: Array, strength: float, target: float) -> tuple[float, Array]:
    mean = output.mean(axis=0)
    terms = target * np.log(target / mean) + (1 - target) * np.log((1 - target) / (1 - mean))
    slopes = strength * ((1 - target) / (1 - mean) - target / mean) / len(output)
    return strength * float(terms.sum()), np.broadcast_to(slopes, output.shape)


def squared_error(z: Array, bias: Array, activation: int, target: Array) -> tuple[float, Array]:
    output = activate(z, bias, activation)
    delta = 2 * (output - target) / output.size
    return float(((output - target) ** 2).mean()), activation_gradient(delta, output, activation, 0)


def binary_cross_entropy(z: Array, bias: Array, target: Array) -> tuple[float, Array]:
    value = z + bias
    p = 1 / (1 + np.exp(-value))
    loss = float((np.logaddexp(0, value) - target * value).mean())
    return loss, (p - target) / p.size


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares


def cross_entropy(z: Array, bias: Array, labels: Array) -> tuple[float, Array]:
    logits = z + bias
    shifted = logits - logits.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(labels))
    delta = (softmax(logits) - np.eye(logits.shape[1])[labels]) / len(labels)
    return float(-logs[rows, labels].mean()), delta


def patches(images: Array, size: int, stride: int) -> Array:
    count, height, width, _ = images.shape
    found = [
        images[image, y : y + size, x : x + size].ravel()
        for image in range(count)
        for y in range(0, height - size + 1, stride)
        for x in range(0, width - size + 1, stride)
    ]
    return np.array(found)


def add_patches(patches: Array, size: int, stride: int, shape: tuple[int, ...]) -> Array:
    out = np.zeros(shape)
    number = iter(patches)
    for image in range(shape[0]):
        for y in range(0, shape[1] - size + 1, stride):
            for x in range(0, shape[2] - size + 1, stride):
                out[image, y : y + size, x : x + size] += next(number).reshape(size, size, -1)
    return out


def adam(
    w: Array,
    gradients: list[Array],
    rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    decay: float = 0,
) -> Array:
    """Algorithm 1 of Kingma and Ba (2015), over some steps; the decay of Loshchilov and Hutter (2019)."""
    m = v = np.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        w = w - rate * decay * w - rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
    return w


def momentum(
    w: Array,
    gradients: list[Array],
    rate: float,
    friction: float,
    decay: float = 0,
    *,
    nesterov: bool = False,
) -> Array:
    v = np.zeros_like(w)
    for g in gradients:
        v = friction * v - rate * g
        w = (1 - rate * decay) * w + (friction * v - rate * g if nesterov else v)
    return w


def shrink(w: Array, amount: float) -> Array:
    shrunk: Array = np.sign(w) * np.maximum(np.abs(w) - amount, 0)
    return shrunk


def limit_columns(w: Array, limit: float) -> Array:
    lengths = np.sqrt((w**2).sum(axis=0))
    limited: Array = w * np.where(lengths > limit, limit / lengths, 1)
    return limited


def average(running: Array, w: Array, share: float) -> Array:
    return running + share * (w - running)
