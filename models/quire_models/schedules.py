"""How the learning rate goes on while a training does.

A schedule takes how much of the training is done, from 0 to below 1, and gives what the rate is
multiplied by.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

Schedule = Callable[[float], float]


@dataclass(frozen=True)
class Cosine:
    """Down along half a cosine, after a straight rise.

    Source: Loshchilov and Hutter (2017), "SGDR: Stochastic Gradient Descent with Warm Restarts",
    equation 5, without restarts.

    Attributes:
        warmup: the share of the training in which the rate rises.
        end: what it is multiplied by in the end.
    """

    warmup: float = 0.0
    end: float = 0.0

    def __call__(self, done: float) -> float:
        """What the rate is multiplied by."""
        if done < self.warmup:
            return _rise(done, self.warmup)
        share = (done - self.warmup) / (1 - self.warmup)
        return self.end + (1 - self.end) * (1 + math.cos(math.pi * share)) / 2


@dataclass(frozen=True)
class Linear:
    """Down along a straight line, after a straight rise.

    Attributes:
        warmup: the share of the training in which the rate rises.
        end: what it is multiplied by in the end.
    """

    warmup: float = 0.0
    end: float = 0.0

    def __call__(self, done: float) -> float:
        """What the rate is multiplied by."""
        if done < self.warmup:
            return _rise(done, self.warmup)
        return 1 - (1 - self.end) * (done - self.warmup) / (1 - self.warmup)


@dataclass(frozen=True)
class Exponential:
    """Down by the same factor in equal times.

    Attributes:
        end: what the rate is multiplied by in the end; above 0.
    """

    end: float = 0.01

    def __call__(self, done: float) -> float:
        """What the rate is multiplied by."""
        return float(self.end**done)


def _rise(done: float, warmup: float) -> float:
    # Not from 0: the first step shall do something.
    return max(done, 1e-3 * warmup) / warmup
