"""The loops that change weights, fused and without allocation.

All arrays are float32, C-contiguous, of one shape, and changed in place; what has no columns of its own
may be a part of them.
"""

import math

import numpy as np

from quire_models.jit import kernel
from quire_models.kernels import Floats, Real


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
    decay: Real,
    step: int,
) -> None:
    """One step of Adam; `step` counts from 1, and rate · decay of the weights goes each time.

    Sources: Kingma and Ba (2015), "Adam: A Method for Stochastic Optimization", algorithm 1: epsilon is
    added outside of the root of the corrected second moment; Loshchilov and Hutter (2019), "Decoupled
    Weight Decay Regularization", algorithm 2.
    """
    one = np.float32(1.0)
    # In float64: a power of beta2 near 1 leaves few digits of a float32.
    first = rate / np.float32(1.0 - float(beta1) ** step)
    second = np.float32(1.0 / (1.0 - float(beta2) ** step))
    keep, rest1, rest2 = one - rate * decay, one - beta1, one - beta2
    w, g, m, v = weights.ravel(), gradient.ravel(), mean.ravel(), square.ravel()
    for i in range(w.size):
        slope = g[i]
        m[i] = beta1 * m[i] + rest1 * slope
        v[i] = beta2 * v[i] + rest2 * slope * slope
        w[i] = keep * w[i] - first * m[i] / (math.sqrt(v[i] * second) + epsilon)


@kernel
def momentum(
    weights: Floats,
    gradient: Floats,
    velocity: Floats,
    rate: Real,
    friction: Real,
    decay: Real,
    nesterov: bool,
) -> None:
    """One step of gradient descent with momentum: v = friction · v - rate · g; w = (1 - rate · decay) w + v.

    With `nesterov`, v is looked ahead by: w = (1 - rate · decay) w + friction · v - rate · g.

    Sources: Polyak (1964), "Some methods of speeding up the convergence of iteration methods";
    Sutskever et al. (2013), "On the importance of initialization and momentum in deep learning", in the
    form that keeps the point looked ahead to as the weights.
    """
    keep = np.float32(1.0) - rate * decay
    w, g, v = weights.ravel(), gradient.ravel(), velocity.ravel()
    for i in range(w.size):
        v[i] = friction * v[i] - rate * g[i]
        ahead = friction * v[i] - rate * g[i] if nesterov else v[i]
        w[i] = keep * w[i] + ahead


@kernel
def shrink(weights: Floats, amount: Real) -> None:
    """Brings weights nearer to 0 by `amount`, and nearer ones to 0: the proximal step of L1.

    Source: Beck and Teboulle (2009), "A Fast Iterative Shrinkage-Thresholding Algorithm", equation 1.5.
    """
    w = weights.ravel()
    for i in range(w.size):
        size = abs(w[i]) - amount
        w[i] = np.float32(0.0) if size <= np.float32(0.0) else math.copysign(size, w[i])


@kernel
def limit_columns(weights: Floats, limit: Real, low: int, high: int, squares: Floats) -> None:
    """Shortens each column, from `low` to below `high`, that is longer than `limit`.

    `squares` is memory of a number for each of them.

    Source: Srivastava et al. (2014), "Dropout", section 5.1, max-norm regularization.
    """
    for column in range(squares.size):
        squares[column] = np.float32(0.0)
    for row in range(weights.shape[0]):
        part = weights[row, low:high]
        for column in range(squares.size):
            squares[column] += part[column] * part[column]
    is_longer = False
    for column in range(squares.size):
        length = math.sqrt(squares[column])
        is_longer |= bool(length > limit)
        squares[column] = limit / length if length > limit else np.float32(1.0)
    if is_longer:
        for row in range(weights.shape[0]):
            part = weights[row, low:high]
            for column in range(squares.size):
                part[column] *= squares[column]


@kernel
def average(running: Floats, weights: Floats, share: Real) -> None:
    """Sets running = running + share · (weights - running).

    Source: Polyak and Juditsky (1992), "Acceleration of Stochastic Approximation by Averaging", with
    weights that fade.
    """
    r, w = running.ravel(), weights.ravel()
    for i in range(r.size):
        r[i] += share * (w[i] - r[i])
