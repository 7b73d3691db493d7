"""What changes weights by their gradients."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from quire_models import kernels
from quire_models.layers import Parameter


class Optimiser(Protocol):
    """Changes parameters, a step at a time; it keeps what it has to remember by their order."""

    def step(self, parameters: Sequence[Parameter]) -> None:
        """Changes the values of `parameters` by their gradients."""


class Adam:
    """Adam, as published: Kingma and Ba (2015), algorithm 1.

    Args:
        rate: the learning rate, alpha.
        beta1: how much of the gradient's running mean is kept at each step.
        beta2: how much of its square's running mean is kept.
        epsilon: keeps the step finite; added outside of the root.
    """

    def __init__(
        self, rate: float = 1e-3, *, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
    ) -> None:
        self.rate = _positive("rate", rate)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self._step = 0
        self._moments: list[tuple[kernels.Floats, kernels.Floats]] = []

    def step(self, parameters: Sequence[Parameter]) -> None:
        """Changes the values of `parameters` by their gradients."""
        if not self._moments:
            self._moments = [(np.zeros_like(p.value), np.zeros_like(p.value)) for p in parameters]
        self._step += 1
        rate, epsilon = np.float32(self.rate), np.float32(self.epsilon)
        beta1, beta2 = np.float32(self.beta1), np.float32(self.beta2)
        for p, (mean, square) in zip(parameters, self._moments, strict=True):
            kernels.adam(p.value, p.gradient, mean, square, rate, beta1, beta2, epsilon, self._step)


class Momentum:
    """Stochastic gradient descent with momentum: Polyak (1964).

    Args:
        rate: the learning rate.
        friction: how much of the last step is kept; 0 is plain gradient descent.
    """

    def __init__(self, rate: float = 0.1, *, friction: float = 0.9) -> None:
        self.rate = _positive("rate", rate)
        self.friction = friction
        self._velocities: list[kernels.Floats] = []

    def step(self, parameters: Sequence[Parameter]) -> None:
        """Changes the values of `parameters` by their gradients."""
        if not self._velocities:
            self._velocities = [np.zeros_like(parameter.value) for parameter in parameters]
        for parameter, velocity in zip(parameters, self._velocities, strict=True):
            rate, friction = np.float32(self.rate), np.float32(self.friction)
            kernels.momentum(parameter.value, parameter.gradient, velocity, rate, friction)


def _positive(name: str, value: float) -> float:
    if not value > 0:
        raise ValueError(f"{name} must be above 0, not {value}")
    return value
