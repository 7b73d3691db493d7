"""The loops around the matrix products of a step, fused and without allocation.

All arrays are float32, C-contiguous, and made by the caller; a batch has shape (images, units). What
is checked, is checked above. A kernel may be given a part of a batch: `first` is then the number of its
first image. Random numbers come from a counter, so that they are the same whoever asks in which order:
number `i` of the stream `seed` is a hash of both.
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

IDENTITY, RELU, SIGMOID = 0, 1, 2
"""Activations, as kernels know them."""

_HALF_TURN = np.float32(math.pi)
_QUARTER_TURN = np.float32(math.pi / 2)
_ANGLE = np.float32(math.pi / 2**15)
_LN_2 = np.float32(math.log(2.0))
_ROOT_HALF = np.int32(0x3F3504F3)  # the bits of the float32 nearest to sqrt(1/2)


@kernel
def stream_key(seed: int) -> np.uint64:
    """The key of the stream `seed`: its bits, mixed.

    Source: Steele, Lea and Flood (2014), "Fast Splittable Pseudorandom Number Generators", as
    SplitMix64.
    """
    bits = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.uint64(bits ^ (bits >> np.uint64(31)))


@kernel
def random_bits(key: np.uint64, index: int) -> np.uint32:
    """32 random bits, number `index` (below 2^32) of a stream: a hash of 32 bits, which vectorises.

    Half of the key goes in before the first multiplication and half before the second, so that no
    stream is another one in another order.

    Source of the constants: C. Wellons, "Prospecting for Hash Functions" (2018), and the search that
    it began.
    """
    bits = np.uint32(np.uint32(index) + np.uint32(key & np.uint64(0xFFFFFFFF)))
    bits = np.uint32(np.uint32(bits ^ (bits >> np.uint32(16))) * np.uint32(0x21F0AAAD))
    bits = np.uint32(bits + np.uint32(key >> np.uint64(32)))
    bits = np.uint32(np.uint32(bits ^ (bits >> np.uint32(15))) * np.uint32(0xD35A2D97))
    return np.uint32(bits ^ (bits >> np.uint32(15)))


@kernel
def normal_radius(bits: np.uint32) -> Real:
    """sqrt(-2 ln u) for the number u in (0, 1) that the upper 16 bits say: u = (bits + 1/2) / 2^16.

    The logarithm is that of the mantissa, by the series of 2 artanh, and of the exponent.
    """
    odd = np.float32(np.int32(np.uint32(2) * (bits >> np.uint32(16)) + np.uint32(1)))
    raw = odd.view(np.int32)
    exponent = np.int32(np.int32(raw - _ROOT_HALF) >> np.int32(23))
    mantissa = np.int32(raw - np.int32(exponent << np.int32(23))).view(np.float32)
    z = (mantissa - np.float32(1.0)) / (mantissa + np.float32(1.0))
    s = z * z
    series = np.float32(1 / 3) + s * (np.float32(1 / 5) + s * (np.float32(1 / 7) + s * np.float32(1 / 9)))
    logarithm = np.float32(2.0) * z * (np.float32(1.0) + s * series)
    logarithm += np.float32(np.int32(exponent - np.int32(17))) * _LN_2
    return np.float32(math.sqrt(np.float32(-2.0) * logarithm))


@kernel
def sine(x: Real) -> Real:
    """The sine of a float32 from -π/2 to π/2, by its Taylor series to the eleventh power."""
    s = x * x
    series = np.float32(1 / 362880) + s * np.float32(-1 / 39916800)
    series = np.float32(-1 / 6) + s * (np.float32(1 / 120) + s * (np.float32(-1 / 5040) + s * series))
    return np.float32(x * (np.float32(1.0) + s * series))


@kernel
def gaussian(rows: Floats, chosen: Labels, first: int, deviation: Real, seed: int, out: Floats) -> None:
    """Sets out[i] = rows[chosen[i]] + deviation · n, with n independent standard normal numbers.

    A hash makes two of them: 16 bits are a radius, 16 an angle; the greatest is 4.85.

    Source: Box and Muller (1958), "A Note on the Generation of Random Normal Deviates".
    """
    key = stream_key(seed)
    half = (rows.shape[1] + 1) // 2
    for image in range(chosen.size):
        # Slices and not halves of one array: only so does LLVM see that they are apart.
        row, noisy, at = rows[chosen[image]], out[image], (first + image) * half
        low, high, out_low, out_high = row[:half], row[half:], noisy[:half], noisy[half:]
        for unit in range(high.size):
            bits = random_bits(key, at + unit)
            radius = deviation * normal_radius(bits)
            angle = np.float32(np.int32(bits & np.uint32(0xFFFF)) - np.int32(0x8000)) * _ANGLE
            positive = abs(angle)
            up = sine(min(positive, _HALF_TURN - positive))
            out_low[unit] = low[unit] + radius * sine(_QUARTER_TURN - positive)
            out_high[unit] = high[unit] + radius * (-up if angle < np.float32(0.0) else up)
        for unit in range(high.size, half):
            bits = random_bits(key, at + unit)
            angle = np.float32(np.int32(bits & np.uint32(0xFFFF)) - np.int32(0x8000)) * _ANGLE
            out_low[unit] = low[unit] + deviation * normal_radius(bits) * sine(_QUARTER_TURN - abs(angle))


@kernel
def threshold(share: Real) -> np.uint32:
    """The number below which `share` (below 1) of all 32-bit numbers are."""
    return np.uint32(np.uint64(share * 4294967296.0))


@kernel
def masking(rows: Floats, chosen: Labels, first: int, share: Real, seed: int, out: Floats) -> None:
    """Sets out[i] = rows[chosen[i]], a share of it set to 0.

    Source: Vincent et al. (2010), "Stacked Denoising Autoencoders", section 3.3.
    """
    key, limit = stream_key(seed), threshold(share)
    for image in range(chosen.size):
        row, noisy, at = rows[chosen[image]], out[image], (first + image) * rows.shape[1]
        for unit in range(rows.shape[1]):
            noisy[unit] = np.float32(0.0) if random_bits(key, at + unit) < limit else row[unit]


@kernel
def salt_and_pepper(rows: Floats, chosen: Labels, first: int, share: Real, seed: int, out: Floats) -> None:
    """Sets out[i] = rows[chosen[i]], a share of it set to 0 or 1 by the toss of a coin.

    Source: Vincent et al. (2010), "Stacked Denoising Autoencoders", section 3.3.
    """
    key, limit = stream_key(seed), threshold(share)
    for image in range(chosen.size):
        row, noisy, at = rows[chosen[image]], out[image], (first + image) * rows.shape[1]
        for unit in range(rows.shape[1]):
            bits = random_bits(key, at + unit)
            # The last bit is the coin: the first ones have decided already.
            salt = np.float32(np.int32(bits & np.uint32(1)))
            noisy[unit] = salt if bits < limit else row[unit]


@kernel
def struck_gradient(delta: Floats, corrupted: Floats, original: Floats) -> None:
    """Sets delta to 0 where an input was struck, in place, since nothing depends on it."""
    d, x, y = delta.ravel(), corrupted.ravel(), original.ravel()
    for i in range(d.size):
        d[i] = d[i] if x[i] == y[i] else np.float32(0.0)


@kernel
def gather(rows: Floats, chosen: Labels, out: Floats) -> None:
    """Sets out[i] = rows[chosen[i]]."""
    for image in range(chosen.size):
        row, copy = rows[chosen[image]], out[image]
        for unit in range(row.size):
            copy[unit] = row[unit]


@kernel
def activate(z: Floats, bias: Floats, activation: int) -> None:
    """Sets z = activation(z + bias), in place."""
    for image in range(z.shape[0]):
        row = z[image]
        if activation == RELU:
            for unit in range(row.size):
                value = row[unit] + bias[unit]
                # Not max(): a number that is none must stay one, and be noticed.
                row[unit] = np.float32(0.0) if value <= np.float32(0.0) else value
        elif activation == SIGMOID:
            for unit in range(row.size):
                row[unit] = np.float32(1.0) / (np.float32(1.0) + math.exp(-(row[unit] + bias[unit])))
        else:
            for unit in range(row.size):
                row[unit] += bias[unit]


@kernel
def relu_dropout(z: Floats, bias: Floats, rate: Real, first: int, seed: int) -> None:
    """Sets z = dropout(max(0, z + bias)), in place, in one pass over it."""
    key, limit = stream_key(seed), threshold(rate)
    scale = np.float32(1.0) / (np.float32(1.0) - rate)
    for image in range(z.shape[0]):
        row, at = z[image], (first + image) * z.shape[1]
        for unit in range(row.size):
            value = row[unit] + bias[unit]
            value = np.float32(0.0) if value <= np.float32(0.0) else value
            row[unit] = np.float32(0.0) if random_bits(key, at + unit) < limit else value * scale


@kernel
def dropout(h: Floats, rate: Real, first: int, seed: int) -> None:
    """Sets a share `rate` of h to 0 and divides the rest by 1 - rate, in place.

    Source: Srivastava et al. (2014), "Dropout", section 10, the inverted form.
    """
    key, limit = stream_key(seed), threshold(rate)
    scale = np.float32(1.0) / (np.float32(1.0) - rate)
    for image in range(h.shape[0]):
        row, at = h[image], (first + image) * h.shape[1]
        for unit in range(row.size):
            row[unit] = np.float32(0.0) if random_bits(key, at + unit) < limit else row[unit] * scale


@kernel
def keep_largest(h: Floats, count: int, largest: Floats) -> None:
    """Sets all but the `count` largest of each image's numbers to 0, in place; of equal ones the first stay.

    `largest` is memory of `count` numbers.

    Source: Makhzani and Frey (2014), "k-Sparse Autoencoders", algorithm 1.
    """
    for image in range(h.shape[0]):
        row = h[image]
        largest[:] = -np.inf
        for unit in range(row.size):
            if row[unit] > largest[count - 1]:
                place = count - 1
                while place and largest[place - 1] < row[unit]:
                    largest[place] = largest[place - 1]
                    place -= 1
                largest[place] = row[unit]
        least, above = largest[count - 1], 0
        for unit in range(row.size):
            above += row[unit] > least
        spare = count - above
        for unit in range(row.size):
            if row[unit] == least and spare > 0:
                spare -= 1
            elif row[unit] <= least:
                row[unit] = np.float32(0.0)


@kernel
def activation_gradient(delta: Floats, output: Floats, activation: int, rate: Real) -> None:
    """Takes the gradient back through dropout and activation, in place.

    A unit that dropout silenced is 0 like one that ReLU silenced, so that no mask is kept.
    """
    kept = np.float32(1.0) - rate
    scale = np.float32(1.0) / kept
    for image in range(delta.shape[0]):
        row, value = delta[image], output[image]
        if activation == RELU:
            for unit in range(row.size):
                row[unit] = row[unit] * scale if value[unit] > np.float32(0.0) else np.float32(0.0)
        elif activation == SIGMOID:
            for unit in range(row.size):
                # What dropout silenced is 0, and so is its slope.
                row[unit] *= value[unit] * (np.float32(1.0) - value[unit] * kept)


@kernel
def column_sums(delta: Floats, low: int, high: int, sums: Floats) -> None:
    """Sets sums = those of the columns of delta from `low` to below `high`: the gradient by a bias."""
    part = sums[low:high]
    for unit in range(part.size):
        part[unit] = np.float32(0.0)
    for image in range(delta.shape[0]):
        row = delta[image, low:high]
        for unit in range(part.size):
            part[unit] += row[unit]


@kernel
def add_transposed(a: Floats, b: Floats, low: int, high: int) -> None:
    """Sets a = a + bᵀ in the rows from `low` to below `high`: joins the gradients of tied weights."""
    for row in range(low, high):
        for column in range(a.shape[1]):
            a[row, column] += b[column, row]


@kernel
def sum_of_magnitudes(output: Floats, strength: Real, images: int, delta: Floats, losses: Floats) -> None:
    """Adds strength · the sum of an image's |output| to its loss; delta += the gradient by output.

    Here and below, the loss of an image is what it adds to the mean over a batch of so many `images`.
    """
    scale = strength / np.float32(images)
    for image in range(output.shape[0]):
        row, slope = output[image], delta[image]
        size: Real = np.float32(0.0)
        for unit in range(row.size):
            size += abs(row[unit])
            slope[unit] += scale * np.sign(row[unit])
        losses[image] += scale * size


@kernel
def divergence(
    output: Floats, strength: Real, target: Real, low: int, high: int, delta: Floats, terms: Floats
) -> None:
    """Sets terms = strength · KL(target ‖ mean output) for the units from `low` to below `high`.

    Adds its gradient by output to delta. Outputs are from 0 to 1.

    Source: A. Ng (2011), "Sparse Autoencoder", lecture notes of CS294A, section 3.
    """
    images = np.float32(output.shape[0])
    column_sums(output, low, high, terms)
    wanted = np.float32(1.0) - target
    for unit in range(low, high):
        # Away from 0 and 1, where it is infinite.
        mean = min(max(terms[unit] / images, np.float32(1e-6)), np.float32(1.0 - 1e-6))
        rest = np.float32(1.0) - mean
        slope = strength * (wanted / rest - target / mean) / images
        for image in range(output.shape[0]):
            delta[image, unit] += slope
        terms[unit] = strength * (target * math.log(target / mean) + wanted * math.log(wanted / rest))


@kernel
def squared_error(
    z: Floats, bias: Floats, activation: int, rows: Floats, chosen: Labels, images: int, losses: Floats
) -> None:
    """Sets losses = (activation(z + bias) - target)² by image, for the mean over all elements.

    The target is rows[chosen]; z becomes the gradient by itself.
    """
    each = np.float32(1.0) / np.float32(images * z.shape[1])
    scale = np.float32(2.0) * each
    for image in range(z.shape[0]):
        row, target = z[image], rows[chosen[image]]
        size: Real = np.float32(0.0)
        if activation == RELU:
            for unit in range(row.size):
                value = row[unit] + bias[unit]
                error = (np.float32(0.0) if value <= np.float32(0.0) else value) - target[unit]
                size += error * error
                row[unit] = np.float32(0.0) if value <= np.float32(0.0) else scale * error
        elif activation == SIGMOID:
            for unit in range(row.size):
                value = np.float32(1.0) / (np.float32(1.0) + math.exp(-(row[unit] + bias[unit])))
                error = value - target[unit]
                size += error * error
                row[unit] = scale * error * value * (np.float32(1.0) - value)
        else:
            for unit in range(row.size):
                error = row[unit] + bias[unit] - target[unit]
                size += error * error
                row[unit] = scale * error
        losses[image] = each * size


@kernel
def binary_cross_entropy(
    z: Floats, bias: Floats, rows: Floats, chosen: Labels, images: int, losses: Floats
) -> None:
    """Sets losses = -t ln p - (1 - t) ln(1 - p) by image, for the mean over all elements.

    p = sigmoid(z + bias), t = rows[chosen]. By z, not by p, which may be 0 or 1 in float32; z becomes the
    gradient by itself.

    Source: Vincent et al. (2010), "Stacked Denoising Autoencoders", section 2.2.
    """
    scale = np.float32(1.0) / np.float32(images * z.shape[1])
    for image in range(z.shape[0]):
        row, target = z[image], rows[chosen[image]]
        total = 0.0
        for unit in range(row.size):
            value = row[unit] + bias[unit]
            power = math.exp(-abs(value))
            total += float(max(value, np.float32(0.0)) - value * target[unit] + math.log1p(power))
            share = np.float32(1.0) / (np.float32(1.0) + power)
            row[unit] = scale * ((share if value >= np.float32(0.0) else power * share) - target[unit])
        losses[image] = total * float(scale)


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
def cross_entropy(
    z: Floats, bias: Floats, labels: Labels, chosen: Labels, images: int, losses: Floats
) -> None:
    """Sets losses = -ln softmax(z + bias)[label] by image, where label = labels[chosen].

    z becomes the gradient by itself.
    """
    count = np.float32(images)
    for image in range(z.shape[0]):
        row, label = z[image], labels[chosen[image]]
        highest = row[0] + bias[0]
        for unit in range(row.size):
            row[unit] += bias[unit]
            highest = max(highest, row[unit])
        own, total = row[label], 0.0
        for unit in range(row.size):
            row[unit] = math.exp(row[unit] - highest)
            total += float(row[unit])
        # By the logits: a probability may be too small for a float32, its logarithm is not.
        losses[image] = (math.log(total) + float(highest - own)) / float(count)
        for unit in range(row.size):
            row[unit] /= np.float32(total) * count
        row[label] -= np.float32(1.0) / count


@kernel
def patches(images: Floats, size: int, stride: int, out: Floats) -> None:
    """Sets each row of out to a square patch of an image, place by place.

    `images` has shape (images, height, width, channels), `out` (images · places, size · size ·
    channels), with the places in the order of rows.
    """
    down = (images.shape[1] - size) // stride + 1
    across = (images.shape[2] - size) // stride + 1
    channels = images.shape[3]
    for image in range(images.shape[0]):
        for y in range(down):
            for x in range(across):
                patch = out[(image * down + y) * across + x]
                for row in range(size):
                    for column in range(size):
                        at = (row * size + column) * channels
                        for channel in range(channels):
                            patch[at + channel] = images[
                                image, y * stride + row, x * stride + column, channel
                            ]


@kernel
def add_patches(patches: Floats, size: int, stride: int, out: Floats) -> None:
    """Sets out = the images that patches sum up to: the adjoint of `patches`, with its shapes."""
    down = (out.shape[1] - size) // stride + 1
    across = (out.shape[2] - size) // stride + 1
    channels = out.shape[3]
    out[:] = np.float32(0.0)
    for image in range(out.shape[0]):
        for y in range(down):
            for x in range(across):
                patch = patches[(image * down + y) * across + x]
                for row in range(size):
                    for column in range(size):
                        at = (row * size + column) * channels
                        for channel in range(channels):
                            out[image, y * stride + row, x * stride + column, channel] += patch[at + channel]
