"""What changes weights by their gradients."""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from quire_models import operations
from quire_models.kernels import Floats
from quire_models.network import Parameter
from quire_models.program import Program
from quire_models.team import Team


@dataclass
class State:
    """What an optimiser remembers from step to step; the optimiser itself is but its settings.

    Attributes:
        steps: how many were taken.
        arrays: running numbers by name, an array for each parameter.
        program: what changes the parameters, written when it is first needed.
        key: what the program was written for.
    """

    steps: int = 0
    arrays: dict[str, list[Floats]] = field(default_factory=dict)
    program: Program | None = field(default=None, repr=False, compare=False)
    key: tuple[object, ...] = field(default=(), repr=False, compare=False)


class Optimiser(Protocol):
    """Changes parameters, a step at a time."""

    def start(self, parameters: Sequence[Parameter]) -> State:
        """What is to be remembered, before the first step."""

    def step(
        self,
        parameters: Sequence[Parameter],
        state: State,
        evaluate: Callable[[], float],
        factor: float,
        team: Team,
    ) -> float:
        """Changes the values of `parameters`, and gives the loss as it was before.

        Args:
            parameters: what to change.
            state: what was remembered; it is changed too.
            evaluate: reckons the loss and all gradients by the values as they are; the same for the
                same values, since noise and dropout are those of the step.
            factor: what a schedule makes of the learning rate.
            team: the threads that share the work.
        """


@dataclass
class _Descent:
    """What optimisers by the gradient of one batch share."""

    rate: float
    _: KW_ONLY
    decay: float = 0.0
    l1: float = 0.0
    max_norm: float | None = None

    def __post_init__(self) -> None:
        _positive("rate", self.rate)
        _check_from_zero(decay=self.decay, l1=self.l1)
        if self.max_norm is not None:
            _positive("max_norm", self.max_norm)

    def step(
        self,
        parameters: Sequence[Parameter],
        state: State,
        evaluate: Callable[[], float],
        factor: float,
        team: Team,
    ) -> float:
        """Changes the values of `parameters` by their gradients, and gives the loss."""
        loss = evaluate()
        state.steps += 1
        rate = self.rate * factor
        program = self._program(parameters, state)
        rest = rate * self.l1, self.max_norm or 0.0
        program.knobs[:] = (*self._knobs(rate, self.decay), *rest), (*self._knobs(rate, 0.0), *rest)
        team.run(program, state.steps)
        return loss

    def _program(self, parameters: Sequence[Parameter], state: State) -> Program:
        """What changes these parameters, written anew where it is not that of the last step."""
        key = bool(self.l1), self.max_norm is not None, *parameters
        if state.program is None or state.key != key:
            program = Program(0, np.zeros((2, 7), np.float32))
            for parameter, *running in zip(parameters, *state.arrays.values(), strict=True):
                self._write(program, int(parameter.is_bias), parameter.value, parameter.gradient, *running)
                if self.l1 and not parameter.is_bias:
                    program.add(operations.shrink, parameter.value)
            if self.max_norm is not None:
                program.wait()
                for parameter in parameters:
                    if not parameter.is_bias:
                        program.add(operations.limit_columns, parameter.value)
            state.program, state.key = program, key
        return state.program

    def _start(self, parameters: Sequence[Parameter], *names: str) -> State:
        return State(0, {name: [np.zeros_like(p.value) for p in parameters] for name in names})

    def _write(self, program: Program, line: int, *arrays: Floats) -> None:
        """Writes down how a parameter is changed, with a line of knobs."""
        raise NotImplementedError

    def _knobs(self, rate: float, decay: float) -> tuple[float, ...]:
        raise NotImplementedError


@dataclass
class Adam(_Descent):
    """Adam, as published, and with decay AdamW.

    Sources: Kingma and Ba (2015), algorithm 1; Loshchilov and Hutter (2019), algorithm 2.

    Attributes:
        rate: the learning rate, alpha; it may be changed between two steps.
        beta1: how much of the gradient's running mean is kept at each step.
        beta2: how much of its square's running mean is kept.
        epsilon: keeps the step finite; added outside of the root.
        decay: the share of the weights, times the rate, that goes at each step.
        l1: how strongly weights are drawn to 0 by proximal steps: rate · l1 at each.
        max_norm: the greatest length of the weights into a unit; None sets no limit.
    """

    rate: float = 1e-3
    _: KW_ONLY
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def start(self, parameters: Sequence[Parameter]) -> State:
        """The running means, all 0."""
        return self._start(parameters, "mean", "square")

    def _write(self, program: Program, line: int, *arrays: Floats) -> None:
        program.add(operations.adam, *arrays, line=line)

    def _knobs(self, rate: float, decay: float) -> tuple[float, ...]:
        return rate, self.beta1, self.beta2, self.epsilon, decay


@dataclass
class SGD(_Descent):
    """Stochastic gradient descent with momentum.

    Sources: Polyak (1964); with `nesterov`, Sutskever et al. (2013).

    Attributes:
        rate: the learning rate; it may be changed between two steps.
        momentum: how much of the last step is kept; 0 is plain gradient descent.
        nesterov: whether the gradient is taken where the momentum leads.
        decay: the share of the weights, times the rate, that goes at each step.
        l1: how strongly weights are drawn to 0 by proximal steps: rate · l1 at each.
        max_norm: the greatest length of the weights into a unit; None sets no limit.
    """

    rate: float = 0.1
    _: KW_ONLY
    momentum: float = 0.9
    nesterov: bool = False

    def start(self, parameters: Sequence[Parameter]) -> State:
        """The velocities, all 0."""
        return self._start(parameters, "velocity")

    def _write(self, program: Program, line: int, *arrays: Floats) -> None:
        program.add(operations.momentum, *arrays, numbers=(self.nesterov,), line=line)

    def _knobs(self, rate: float, decay: float) -> tuple[float, ...]:
        return rate, self.momentum, decay, 0.0, 0.0


@dataclass
class LBFGS:
    """L-BFGS with a search along each direction for the Wolfe conditions, by SciPy's L-BFGS-B.

    Each step is a search of its own on a batch, whose noise and dropout stay as they are meanwhile:
    give it large batches. With `l1`, weights are differences of two parts from 0 up, which bounds
    keep there, so that many become 0: the same optimum as OWL-QN's.

    Sources: Liu and Nocedal (1989), "On the limited memory BFGS method"; Byrd et al. (1995), "A Limited
    Memory Algorithm for Bound Constrained Optimization"; for the search, Moré and Thuente (1994); for
    L1, Andrew and Gao (2007), "Scalable Training of L1-Regularized Log-Linear Models", section 2.

    Attributes:
        iterations: how many directions a step takes at most.
        history: how many of the last of them shape the next one.
        l1: the strength of the sum of the weights' magnitudes in what is made small.
    """

    iterations: int = 20
    _: KW_ONLY
    history: int = 10
    l1: float = 0.0

    def __post_init__(self) -> None:
        _positive("iterations", self.iterations)
        _positive("history", self.history)
        _check_from_zero(l1=self.l1)

    def start(self, parameters: Sequence[Parameter]) -> State:
        """Nothing is remembered: the next batch is another problem."""
        return State()

    def step(
        self,
        parameters: Sequence[Parameter],
        state: State,
        evaluate: Callable[[], float],
        factor: float,
        team: Team,
    ) -> float:
        """Searches from the values of `parameters`, and gives the loss before."""
        from scipy.optimize import minimize

        losses: list[float] = []
        free = np.concatenate([np.full(p.value.size, p.is_bias or not self.l1) for p in parameters])

        def function(x: npt.NDArray[Any]) -> tuple[float, npt.NDArray[Any]]:
            values = x[: free.size].copy()
            values[~free] -= x[free.size :]
            _spread(values, parameters)
            losses.append(evaluate())
            slopes = np.concatenate([p.gradient.ravel() for p in parameters]).astype(float)
            total = losses[-1] + self.l1 * float(x[: free.size][~free].sum() + x[free.size :].sum())
            return total, np.concatenate([slopes + self.l1 * ~free, self.l1 - slopes[~free]])

        values = np.concatenate([p.value.ravel() for p in parameters]).astype(float)
        x = np.concatenate([np.where(free, values, values.clip(min=0)), (-values[~free]).clip(min=0)])
        bounds = [(None if is_free else 0, None) for is_free in [*free, *free[~free]]]
        found = minimize(
            function,
            x,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds if self.l1 else None,
            options={"maxiter": self.iterations, "maxcor": self.history, "ftol": 1e-10, "gtol": 1e-9},
        ).x
        values = found[: free.size].copy()
        values[~free] -= found[free.size :]
        _spread(values, parameters)
        state.steps += 1
        return losses[0]


def _spread(values: npt.NDArray[Any], parameters: Sequence[Parameter]) -> None:
    """Sets the values of parameters to parts of one long row."""
    at = 0
    for parameter in parameters:
        parameter.value.ravel()[:] = values[at : at + parameter.value.size]
        at += parameter.value.size


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} must be above 0, not {value}")


def _check_from_zero(**values: float) -> None:
    for name, value in values.items():
        if not value >= 0:
            raise ValueError(f"{name} must be from 0 up, not {value}")
