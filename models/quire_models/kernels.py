"""The loops around the matrix products of a step, fused and without allocation.

All arrays are float32, C-contiguous, and made by the caller; a batch has shape (images, units). What
is checked, is checked above. Random numbers come from a counter, so that they are the same whoever
asks in which order: number `i` of the stream `seed` is a hash of both.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from quire_models.jit import kernel

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Real = float | np.floating[Any]
"""A number; kernels are given float32 ones, so that they reckon with those."""

_SHARE = np.float32(2.0**-24)
_TURN = np.float32(2.0 * math.pi)


@kernel
def random_bits(seed: int, index: int) -> np.uint32:
    """32 random bits, number `index` of the stream `seed`: both mixed by the finaliser of MurmurHash3.

    Source: A. Appleby, MurmurHash3 (2011), `fmix64`.
    """
    bits = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(index)
    bits = (bits ^ (bits >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    bits = (bits ^ (bits >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return np.uint32((bits ^ (bits >> np.uint64(33))) >> np.uint64(32))


@kernel
def uniform(seed: int, index: int) -> Real:
    """Number `index` of the stream `seed`, uniform in (0, 1]: the ends of 2^24 equal steps."""
    return (np.float32(random_bits(seed, index) >> np.uint32(8)) + np.float32(1.0)) * _SHARE


@kernel
def add_gaussian_noise(x: Floats, deviation: Real, seed: int, out: Floats) -> None:
    """Sets out = x + deviation · n, with n independent standard normal numbers.

    Source: Box and Muller (1958), "A Note on the Generation of Random Normal Deviates".
    """
    source, target = x.ravel(), out.ravel()
    pairs = source.size // 2
    for pair in range(pairs):
        radius = deviation * math.sqrt(np.float32(-2.0) * math.log(uniform(seed, 2 * pair)))
        angle = _TURN * uniform(seed, 2 * pair + 1)
        target[2 * pair] = source[2 * pair] + radius * math.cos(angle)
        target[2 * pair + 1] = source[2 * pair + 1] + radius * math.sin(angle)
    if source.size % 2:
        radius = deviation * math.sqrt(np.float32(-2.0) * math.log(uniform(seed, 2 * pairs)))
        target[-1] = source[-1] + radius * math.cos(_TURN * uniform(seed, 2 * pairs + 1))


@kernel
def add_bias(z: Floats, bias: Floats) -> None:
    """Sets z = z + bias, in place."""
    for image in range(z.shape[0]):
        for unit in range(z.shape[1]):
            z[image, unit] += bias[unit]


@kernel
def bias_relu(z: Floats, bias: Floats) -> None:
    """Sets z = max(0, z + bias), in place."""
    for image in range(z.shape[0]):
        for unit in range(z.shape[1]):
            value = z[image, unit] + bias[unit]
            # Not max(): a number that is none must stay one, and be noticed.
            z[image, unit] = np.float32(0.0) if value <= np.float32(0.0) else value


@kernel
def dropout(h: Floats, rate: Real, seed: int) -> None:
    """Sets a share `rate` of h to 0 and divides the rest by 1 - rate, in place.

    Source: Srivastava et al. (2014), "Dropout", section 10, the inverted form.
    """
    flat = h.ravel()
    scale = np.float32(1.0) / (np.float32(1.0) - rate)
    for index in range(flat.size):
        flat[index] = flat[index] * scale if uniform(seed, index) > rate else np.float32(0.0)


@kernel
def relu_gradient(delta: Floats, output: Floats, rate: Real) -> None:
    """Takes the gradient back through dropout and ReLU, in place.

    A unit that dropout silenced is 0 like one that ReLU silenced, so that no mask is kept.
    """
    scale = np.float32(1.0) / (np.float32(1.0) - rate)
    gradient, value = delta.ravel(), output.ravel()
    for index in range(gradient.size):
        gradient[index] = gradient[index] * scale if value[index] > np.float32(0.0) else np.float32(0.0)


@kernel
def column_sums(delta: Floats, out: Floats) -> None:
    """Sets out = the sum of delta over the images: the gradient of a bias."""
    for unit in range(delta.shape[1]):
        out[unit] = np.float32(0.0)
    for image in range(delta.shape[0]):
        for unit in range(delta.shape[1]):
            out[unit] += delta[image, unit]


@kernel
def add_transposed(a: Floats, b: Floats) -> None:
    """Sets a = a + bᵀ, in place: joins the gradients of tied weights."""
    for row in range(a.shape[0]):
        for column in range(a.shape[1]):
            a[row, column] += b[column, row]


@kernel
def squared_error(output: Floats, target: Floats, delta: Floats) -> float:
    """The mean of (output - target)² over all elements; delta = its gradient by output."""
    scale = np.float32(2.0) / np.float32(output.size)
    total = 0.0
    for image in range(output.shape[0]):
        row: Real = np.float32(0.0)
        for unit in range(output.shape[1]):
            error = output[image, unit] - target[image, unit]
            row += error * error
            delta[image, unit] = scale * error
        total += float(row)
    return total / output.size


@kernel
def softmax(logits: Floats, out: Floats) -> None:
    """Sets out = exp(logits) over its sum, by image; it cannot overflow."""
    for image in range(logits.shape[0]):
        highest = logits[image, 0]
        for unit in range(1, logits.shape[1]):
            highest = max(highest, logits[image, unit])
        total = np.float32(0.0)
        for unit in range(logits.shape[1]):
            out[image, unit] = math.exp(logits[image, unit] - highest)
            total += out[image, unit]
        for unit in range(logits.shape[1]):
            out[image, unit] /= total


@kernel
def cross_entropy(logits: Floats, labels: Labels, delta: Floats) -> float:
    """The mean of -log softmax(logits)[label] over the images; delta = its gradient by logits.

    Labels are int64 of shape (images,).
    """
    images = logits.shape[0]
    softmax(logits, delta)
    loss = 0.0
    for image in range(images):
        label = labels[image]
        highest, total = logits[image, label], 0.0
        for unit in range(logits.shape[1]):
            highest = max(highest, logits[image, unit])
        for unit in range(logits.shape[1]):
            total += math.exp(logits[image, unit] - highest)
        # By the logits: a probability may be too small for a float32, its logarithm is not.
        loss += math.log(total) + highest - logits[image, label]
        delta[image, label] -= np.float32(1.0)
        for unit in range(logits.shape[1]):
            delta[image, unit] /= np.float32(images)
    return float(loss / images)


@kernel
def gather(rows: Floats, indices: Labels, out: Floats) -> None:
    """Sets out[i] = rows[indices[i]]."""
    for index in range(indices.size):
        for column in range(rows.shape[1]):
            out[index, column] = rows[indices[index], column]


@kernel
def adam(
    weights: Floats,
    gradient: Floats,
    mean: Floats,
    square: Floats,
    rate: Real,
    beta1: Real,
    beta2: Real,
    epsilon: Real,
    step: int,
) -> None:
    """One step of Adam, in place; `step` counts from 1.

    Source: Kingma and Ba (2015), "Adam: A Method for Stochastic Optimization", algorithm 1: epsilon
    is added outside of the root of the corrected second moment.
    """
    one = np.float32(1.0)
    first = one / (one - np.float32(beta1**step))
    second = one / (one - np.float32(beta2**step))
    w, g, m, v = weights.ravel(), gradient.ravel(), mean.ravel(), square.ravel()
    for i in range(w.size):
        m[i] = beta1 * m[i] + (one - beta1) * g[i]
        v[i] = beta2 * v[i] + (one - beta2) * g[i] * g[i]
        w[i] -= rate * (m[i] * first) / (math.sqrt(v[i] * second) + epsilon)


@kernel
def momentum(weights: Floats, gradient: Floats, velocity: Floats, rate: Real, friction: Real) -> None:
    """One step of gradient descent with momentum, in place: v = friction · v - rate · g; w = w + v.

    Source: Polyak (1964), "Some methods of speeding up the convergence of iteration methods".
    """
    w, g, v = weights.ravel(), gradient.ravel(), velocity.ravel()
    for i in range(w.size):
        v[i] = friction * v[i] - rate * g[i]
        w[i] += v[i]
