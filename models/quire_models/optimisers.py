"""What changes weights by their gradients."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from quire_models import kernels
from quire_models.kernels import Floats
from quire_models.layers import Parameter


@dataclass
class State:
    """What an optimiser remembers from step to step; the optimiser itself is but its settings.

    Attributes:
        steps: how many were taken.
        arrays: running numbers by name, an array for each parameter.
    """

    steps: int = 0
    arrays: dict[str, list[Floats]] = field(default_factory=dict)


class Optimiser(Protocol):
    """Changes parameters, a step at a time.

    Attributes:
        rate: the learning rate; it may be changed between two steps.
    """

    rate: float

    def start(self, parameters: Sequence[Parameter]) -> State:
        """What is to be remembered, before the first step."""

    def step(self, parameters: Sequence[Parameter], state: State, evaluate: Callable[[], float]) -> float:
        """Changes the values of `parameters`, and gives the loss as it was before.

        Args:
            parameters: what to change.
            state: what was remembered; it is changed too.
            evaluate: reckons the loss and all gradients by the values as they are.
        """


@dataclass
class Adam:
    """Adam, as published: Kingma and Ba (2015), algorithm 1.

    Attributes:
        rate: the learning rate, alpha.
        beta1: how much of the gradient's running mean is kept at each step.
        beta2: how much of its square's running mean is kept.
        epsilon: keeps the step finite; added outside of the root.
    """

    rate: float = 1e-3
    beta1: float = field(default=0.9, kw_only=True)
    beta2: float = field(default=0.999, kw_only=True)
    epsilon: float = field(default=1e-8, kw_only=True)

    def __post_init__(self) -> None:
        _positive("rate", self.rate)

    def start(self, parameters: Sequence[Parameter]) -> State:
        """The running means, all 0."""
        return State(0, {name: [np.zeros_like(p.value) for p in parameters] for name in ("mean", "square")})

    def step(self, parameters: Sequence[Parameter], state: State, evaluate: Callable[[], float]) -> float:
        """Changes the values of `parameters` by their gradients, and gives the loss."""
        loss = evaluate()
        state.steps += 1
        rate, epsilon = np.float32(self.rate), np.float32(self.epsilon)
        beta1, beta2 = np.float32(self.beta1), np.float32(self.beta2)
        for p, mean, square in zip(parameters, state.arrays["mean"], state.arrays["square"], strict=True):
            kernels.adam(p.value, p.gradient, mean, square, rate, beta1, beta2, epsilon, state.steps)
        return loss


@dataclass
class SGD:
    """Stochastic gradient descent with momentum: Polyak (1964).

    Attributes:
        rate: the learning rate.
        momentum: how much of the last step is kept; 0 is plain gradient descent.
    """

    rate: float = 0.1
    momentum: float = field(default=0.9, kw_only=True)

    def __post_init__(self) -> None:
        _positive("rate", self.rate)

    def start(self, parameters: Sequence[Parameter]) -> State:
        """The velocities, all 0."""
        return State(0, {"velocity": [np.zeros_like(p.value) for p in parameters]})

    def step(self, parameters: Sequence[Parameter], state: State, evaluate: Callable[[], float]) -> float:
        """Changes the values of `parameters` by their gradients, and gives the loss."""
        loss = evaluate()
        state.steps += 1
        for parameter, velocity in zip(parameters, state.arrays["velocity"], strict=True):
            rate, friction = np.float32(self.rate), np.float32(self.momentum)
            kernels.momentum(parameter.value, parameter.gradient, velocity, rate, friction)
        return loss


def _positive(name: str, value: float) -> float:
    if not value > 0:
        raise ValueError(f"{name} must be above 0, not {value}")
    return value
