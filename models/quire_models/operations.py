"""A thread's share of each kernel: what programs are made of.

The share is one of the images of a batch, or of the rows or columns of a matrix. No number depends on how
many share the work: whoever sums up, sums up all terms, in their order.

Arrays are named in brackets, in the order in which a program gives them; then come whole numbers and knobs.
"""

from typing import Any

from quire_models import kernels, updates
from quire_models.products import LANES, SCRATCH, multiply
from quire_models.program import (
    Operation,
    images,
    knob,
    labels,
    matrix,
    memory,
    part,
    run_number,
    series,
    whole,
)

_VECTOR = 64
"""Shares of long rows are in units that fill vectors, so that the rest is the rest of the whole."""
_BLOCK = 512
"""Columns that are summed up at once: the sums stay in the cache."""


@Operation
def gather(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[rows, chosen, out]: the rows chosen."""
    low, high = part(images(job), share, shares)
    chosen, out = labels(job, step, 1)[low:high], matrix(job, step, 2)[low:high]
    kernels.gather(matrix(job, step, 0), chosen, out)


@Operation
def gaussian(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[rows, chosen, out]; the random stream; the standard deviation."""
    low, high = part(images(job), share, shares)
    chosen, out = labels(job, step, 1)[low:high], matrix(job, step, 2)[low:high]
    stream = run_number(job) + whole(job, step, 0)
    kernels.gaussian(matrix(job, step, 0), chosen, low, knob(job, step, 0), stream, out)


@Operation
def masking(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[rows, chosen, out]; the random stream; the share that is struck."""
    low, high = part(images(job), share, shares)
    chosen, out = labels(job, step, 1)[low:high], matrix(job, step, 2)[low:high]
    stream = run_number(job) + whole(job, step, 0)
    kernels.masking(matrix(job, step, 0), chosen, low, knob(job, step, 0), stream, out)


@Operation
def salt_and_pepper(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[rows, chosen, out]; the random stream; the share that is struck."""
    low, high = part(images(job), share, shares)
    chosen, out = labels(job, step, 1)[low:high], matrix(job, step, 2)[low:high]
    stream = run_number(job) + whole(job, step, 0)
    kernels.salt_and_pepper(matrix(job, step, 0), chosen, low, knob(job, step, 0), stream, out)


@Operation
def product(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[x, y, out]; whether x and y are transposed, and whether columns are shared: out = x y.

    A share is one of the columns of `out`; or else, with x transposed, one of its rows; or else, one of the
    images, which have some rows each.
    """
    x, y, out = matrix(job, step, 0), matrix(job, step, 1), matrix(job, step, 2)
    is_x_turned, is_y_turned = whole(job, step, 0), whole(job, step, 1)
    low, high, left, right = 0, len(out), 0, out.shape[1]
    if whole(job, step, 2):
        left, right = part(right, share, shares, unit=LANES)
    elif is_x_turned:
        low, high = part(high, share, shares)
    else:
        each = high // images(job)
        low, high = part(images(job), share, shares)
        low, high = low * each, high * each
    multiply(x, is_x_turned, y, is_y_turned, low, high, left, right, memory(scratch, SCRATCH), out)


@Operation
def activate(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[z, bias]; the activation."""
    low, high = part(images(job), share, shares)
    kernels.activate(matrix(job, step, 0)[low:high], series(job, step, 1), whole(job, step, 0))


@Operation
def relu_dropout(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[z, bias]; the random stream; the share that is dropped."""
    low, high = part(images(job), share, shares)
    z, bias, rate = matrix(job, step, 0)[low:high], series(job, step, 1), knob(job, step, 1)
    kernels.relu_dropout(z, bias, rate, low, run_number(job) + whole(job, step, 0))


@Operation
def dropout(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[h]; the random stream; the share that is dropped."""
    low, high = part(images(job), share, shares)
    stream = run_number(job) + whole(job, step, 0)
    kernels.dropout(matrix(job, step, 0)[low:high], knob(job, step, 1), low, stream)


@Operation
def keep_largest(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[h]; how many."""
    low, high = part(images(job), share, shares)
    count = whole(job, step, 0)
    kernels.keep_largest(matrix(job, step, 0)[low:high], count, memory(scratch, count))


@Operation
def squared_error(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[z, bias, targets, chosen, losses]; the activation."""
    low, high = part(images(job), share, shares)
    z, bias, targets = matrix(job, step, 0)[low:high], series(job, step, 1), matrix(job, step, 2)
    chosen, losses = labels(job, step, 3)[low:high], series(job, step, 4)[low:high]
    kernels.squared_error(z, bias, whole(job, step, 0), targets, chosen, images(job), losses)


@Operation
def binary_cross_entropy(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[z, bias, targets, chosen, losses]."""
    low, high = part(images(job), share, shares)
    z, bias, targets = matrix(job, step, 0)[low:high], series(job, step, 1), matrix(job, step, 2)
    chosen, losses = labels(job, step, 3)[low:high], series(job, step, 4)[low:high]
    kernels.binary_cross_entropy(z, bias, targets, chosen, images(job), losses)


@Operation
def cross_entropy(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[z, bias, labels, chosen, losses]."""
    low, high = part(images(job), share, shares)
    z, bias, wanted = matrix(job, step, 0)[low:high], series(job, step, 1), labels(job, step, 2)
    chosen, losses = labels(job, step, 3)[low:high], series(job, step, 4)[low:high]
    kernels.cross_entropy(z, bias, wanted, chosen, images(job), losses)


@Operation
def sum_of_magnitudes(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[output, delta, losses]; knob 2 is the strength."""
    low, high = part(images(job), share, shares)
    output, delta = matrix(job, step, 0)[low:high], matrix(job, step, 1)[low:high]
    losses = series(job, step, 2)[low:high]
    kernels.sum_of_magnitudes(output, knob(job, step, 2), images(job), delta, losses)


@Operation
def divergence(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[output, delta, terms]; knobs 2 and 3 are strength and target: of all images, by unit."""
    terms = series(job, step, 2)
    low, high = part(terms.size, share, shares, unit=_VECTOR)
    strength, target = knob(job, step, 2), knob(job, step, 3)
    kernels.divergence(matrix(job, step, 0), strength, target, low, high, matrix(job, step, 1), terms)


@Operation
def activation_gradient(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[delta, output]; the activation; knob 1 is the share that was dropped."""
    low, high = part(images(job), share, shares)
    delta, output = matrix(job, step, 0)[low:high], matrix(job, step, 1)[low:high]
    kernels.activation_gradient(delta, output, whole(job, step, 0), knob(job, step, 1))


@Operation
def struck_gradient(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[delta, corrupted, original]."""
    low, high = part(images(job), share, shares)
    delta, corrupted = matrix(job, step, 0)[low:high], matrix(job, step, 1)[low:high]
    kernels.struck_gradient(delta, corrupted, matrix(job, step, 2)[low:high])


@Operation
def column_sums(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[delta, sums], of all images, by unit."""
    sums = series(job, step, 1)
    low, high = part(sums.size, share, shares, unit=_VECTOR)
    kernels.column_sums(matrix(job, step, 0), low, high, sums)


@Operation
def add_transposed(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[a, b]: by row of a."""
    a = matrix(job, step, 0)
    low, high = part(len(a), share, shares)
    kernels.add_transposed(a, matrix(job, step, 1), low, high)


@Operation
def patches(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[images, out]; size, stride, height and width."""
    low, high = part(images(job), share, shares)
    whole_images, out, places = matrix(job, step, 0)[low:high], matrix(job, step, 1), images(job)
    each = len(out) // places
    height, width = whole(job, step, 2), whole(job, step, 3)
    shape = high - low, height, width, whole_images.shape[1] // (height * width)
    rows = out[low * each : high * each]
    kernels.patches(whole_images.reshape(shape), whole(job, step, 0), whole(job, step, 1), rows)


@Operation
def add_patches(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[patches, out]; size, stride, height and width."""
    low, high = part(images(job), share, shares)
    pieces, out = matrix(job, step, 0), matrix(job, step, 1)[low:high]
    each = len(pieces) // images(job)
    height, width = whole(job, step, 2), whole(job, step, 3)
    shape = high - low, height, width, out.shape[1] // (height * width)
    rows = pieces[low * each : high * each]
    kernels.add_patches(rows, whole(job, step, 0), whole(job, step, 1), out.reshape(shape))


@Operation
def adam(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[weights, gradient, mean, square]; rate, beta1, beta2, epsilon and decay."""
    size = series(job, step, 0).size
    low, high = part(size, share, shares, unit=_VECTOR)
    weights, gradient = series(job, step, 0)[low:high], series(job, step, 1)[low:high]
    mean, square = series(job, step, 2)[low:high], series(job, step, 3)[low:high]
    rate, beta1, beta2 = knob(job, step, 0), knob(job, step, 1), knob(job, step, 2)
    epsilon, decay = knob(job, step, 3), knob(job, step, 4)
    updates.adam(weights, gradient, mean, square, rate, beta1, beta2, epsilon, decay, run_number(job))


@Operation
def momentum(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[weights, gradient, velocity]; whether it is Nesterov's; rate, friction and decay."""
    size = series(job, step, 0).size
    low, high = part(size, share, shares, unit=_VECTOR)
    weights, gradient = series(job, step, 0)[low:high], series(job, step, 1)[low:high]
    velocity, is_nesterov = series(job, step, 2)[low:high], whole(job, step, 0) != 0
    rate, friction, decay = knob(job, step, 0), knob(job, step, 1), knob(job, step, 2)
    updates.momentum(weights, gradient, velocity, rate, friction, decay, is_nesterov)


@Operation
def average(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[running, weights]; the share that is taken."""
    size = series(job, step, 0).size
    low, high = part(size, share, shares, unit=_VECTOR)
    updates.average(series(job, step, 0)[low:high], series(job, step, 1)[low:high], knob(job, step, 0))


@Operation
def shrink(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[weights]; knob 5 is by how much."""
    low, high = part(series(job, step, 0).size, share, shares, unit=_VECTOR)
    updates.shrink(series(job, step, 0)[low:high], knob(job, step, 5))


@Operation
def limit_columns(job: Any, step: int, share: int, shares: int, scratch: Any) -> None:
    """[weights], by column; knob 6 is the limit."""
    weights = matrix(job, step, 0)
    low, high = part(weights.shape[1], share, shares, unit=_VECTOR)
    for column in range(low, high, _BLOCK):
        end = min(column + _BLOCK, high)
        updates.limit_columns(weights, knob(job, step, 6), column, end, memory(scratch, end - column))
