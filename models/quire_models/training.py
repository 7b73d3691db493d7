"""Training, a step at a time."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypedDict

import numpy as np
import numpy.typing as npt

from quire_models import operations
from quire_models.errors import TrainingError
from quire_models.kernels import Floats, Labels
from quire_models.network import Network, Targets
from quire_models.optimisers import Adam, Optimiser, State
from quire_models.program import Program
from quire_models.schedules import Schedule
from quire_models.team import Team

# After so many steps in which a whole layer gave nothing but zeros, it is not going to wake up.
_SILENT = 100


class Options(TypedDict, total=False):
    """How to train; what is left out has the default that stands here.

    Attributes:
        epochs: how many times to go through the data, each time in another order; 1.
        batch: how many images make a step; 100.
        optimiser: how to learn; `Adam()`.
        schedule: how the learning rate goes on, see `schedules`; None leaves it as it is.
        average: how much of a running mean of the weights is kept at each step, such as 0.999; in the
            end the weights are that mean. None takes no mean.
        validation: images that are not learnt from, whose loss is told after each epoch; for a
            classifier, images and labels.
        patience: after so many epochs in which that loss was not the least, training stops, and the
            weights become those of the least. None goes on to the end, with the last weights.
        n_jobs: how many threads take a step together; None is 1, -1 as many as there are processors. The
            numbers are the same.
    """

    epochs: int
    batch: int
    optimiser: Optimiser | None
    schedule: Schedule | None
    average: float | None
    validation: Any
    patience: int | None
    n_jobs: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was taken.

    Attributes:
        number: how many steps have been taken, this one included.
        total: how many there will be, unless training stops early.
        epoch: how many times the data had been gone through before this step.
        loss: the mean loss of its batch, before the step.
        validation: after the last step of an epoch, the loss of the images that are not learnt from.
    """

    number: int
    total: int
    epoch: int
    loss: float
    validation: float | None = None


def steps_in(images: int, *, epochs: int, batch: int) -> int:
    """How many steps a training takes."""
    return epochs * math.ceil(images / batch)


class Training(Iterator[Step]):
    """Trains a network in batches of its size: an iterator that takes a step each time it is asked.

    Whoever iterates may log, wait, or stop: the network is as good as the steps that were taken. The
    noise and the dropout of its layers and the optimiser's rate may be changed between two steps.

    Args:
        network: what to train, and by which loss.
        images: float32 of shape (images, inputs), C-contiguous.
        targets: what the outputs shall be: float32 of shape (images, outputs), or int64 labels of
            shape (images,), as the loss wants it.
        options: how to train; `validation` holds rows and targets here.
        seed: of the order, the noise and the dropout.
        phase: the method of a model that began it.
        state: what the optimiser remembers of steps before.

    Raises:
        ValueError: there are no images, or not as many targets, or options are out of range.
        TrainingError: from a step whose loss is no number any more, or in which a layer has been dead
            for long.
    """

    def __init__(
        self,
        network: Network,
        images: Floats,
        targets: Targets,
        options: Options | None = None,
        *,
        seed: int = 0,
        phase: str = "",
        state: State | None = None,
    ) -> None:
        if not len(images) or len(images) != len(targets):
            raise ValueError(
                f"{len(images)} images and {len(targets)} targets: give a target for each of at least one"
            )
        given = options or {}
        self.options = given
        self.network, self.seed, self.phase = network, seed, phase
        self.images, self.targets = images, targets
        self.epochs = given.get("epochs", 1)
        self.optimiser: Optimiser = given.get("optimiser") or Adam()
        self.schedule, self.average = given.get("schedule"), given.get("average")
        self.validation: tuple[Floats, Targets] | None = given.get("validation")
        self.patience, self.n_jobs = given.get("patience"), given.get("n_jobs")
        self._check()
        network.team = Team(self.n_jobs)
        self.state = state or self.optimiser.start(network.parameters)
        self.number = 0
        self.total = steps_in(len(images), epochs=self.epochs, batch=network.batch)
        self._order = np.empty(0, np.int64)
        self._silent = [0] * len(network.layers)
        self._means = self._copies() if self.average is not None else []
        self._averaging: Program | None = None
        self._best: list[Floats] = []
        self._least, self._waited, self._stopped = math.inf, 0, False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Step:
        if self.number >= self.total or self._stopped:
            raise StopIteration
        per_epoch = self.total // self.epochs
        epoch, position = divmod(self.number, per_epoch)
        if position == 0 or not len(self._order):
            # By the epoch, so that a training that is resumed within one goes on in its order.
            self._order = np.random.default_rng([self.seed, epoch]).permutation(len(self.images))
        start = position * self.network.batch
        chosen = self._order[start : start + self.network.batch]
        factor = self.schedule(self.number / self.total) if self.schedule else 1.0
        self.number += 1
        parameters = self.network.parameters
        team = self.network.team
        loss = self.optimiser.step(parameters, self.state, lambda: self._evaluate(chosen), factor, team)
        if self.average is not None:
            self._take_mean(self.average)
        told = self._validate() if position == per_epoch - 1 and self.validation else None
        if self.number == self.total or self._stopped:
            self._settle()
        return Step(self.number, self.total, epoch, loss, told)

    def finish(self) -> float:
        """Takes all steps that are left, and gives the mean loss of the last epoch's."""
        last: list[float] = []
        for step in self:
            if step.number % (self.total // self.epochs) == 1:
                last.clear()
            last.append(step.loss)
        return float(np.mean(last)) if last else math.nan

    def snapshot(self) -> tuple[dict[str, Any], dict[str, list[Floats]]]:
        """What must be kept to go on later as if nothing had been: plain values, and arrays by name."""
        plain = {
            "number": self.number,
            "steps": self.state.steps,
            "least": self._least if math.isfinite(self._least) else None,
            "waited": self._waited,
            "stopped": self._stopped,
            "silent": self._silent,
        }
        arrays = {f"state.{name}": each for name, each in self.state.arrays.items()}
        return plain, arrays | {"mean": self._means, "best": self._best}

    def restore(self, plain: Mapping[str, Any], arrays: Mapping[str, list[Floats]]) -> None:
        """Goes on where `snapshot` was taken of a training of the same network, data, options and seed.

        Raises:
            ValueError: the arrays do not fit the network.
        """
        for name, kept in arrays.items():
            for array, parameter in zip(kept, self.network.parameters, strict=True):
                if array.shape != parameter.value.shape:
                    raise ValueError(f"{name} of shape {array.shape} is not {parameter.value.shape}")
        self.number, self.state.steps = plain["number"], plain["steps"]
        self._least = math.inf if plain["least"] is None else plain["least"]
        self._waited, self._stopped = plain["waited"], plain["stopped"]
        self._silent = list(plain["silent"])
        self._means, self._best = arrays.get("mean", []), arrays.get("best", [])
        prefix = "state."
        self._averaging = self.state.program = None
        self.state.arrays = {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}

    def _check(self) -> None:
        if self.epochs < 1:
            raise ValueError(f"epochs are counted from 1, not {self.epochs}")
        if self.average is not None and not 0 < self.average < 1:
            raise ValueError(f"average is a share between 0 and 1, such as 0.999, not {self.average}")
        if self.patience is not None and (self.validation is None or self.patience < 1):
            raise ValueError("patience counts epochs from 1 up, and needs validation images to look at")

    def _evaluate(self, chosen: Labels) -> float:
        """The loss of a batch; its gradients are in the network's parameters."""
        seed = (self.seed << 32) + self.number
        value = self.network.evaluate(self.images, self.targets, chosen, seed)
        if not math.isfinite(value):
            raise TrainingError(_broken(self.network, self.number, self.targets[chosen]))
        for layer in range(len(self.network.layers) - 1):
            self._silent[layer] = self._silent[layer] + 1 if self.network.is_silent(layer) else 0
            if self._silent[layer] == _SILENT:
                raise TrainingError(_dead(self.network, self.number, layer))
        return value

    def _validate(self) -> float:
        """The loss of the images that are not learnt from; keeps the weights, if it is the least."""
        if self.validation is None:
            return math.nan
        live = self._swap(self._means) if self.average is not None else []
        loss = self.network.mean_loss(*self.validation)
        if self.patience is not None:
            self._waited = 0 if loss < self._least else self._waited + 1
            self._stopped = self._waited >= self.patience
            if loss < self._least:
                self._least, self._best = loss, self._copies()
        if live:
            self._swap(live)
        return loss

    def _settle(self) -> None:
        """Gives the network the weights that training was for, and lets its threads go."""
        self.network.team.close()
        if self._best:
            self._swap(self._best)
        elif self._means:
            self._swap(self._means)

    def _take_mean(self, average: float) -> None:
        if self._averaging is None:
            self._averaging = Program(0, np.zeros((1, 1), np.float32))
            for mean, parameter in zip(self._means, self.network.parameters, strict=True):
                self._averaging.add(operations.average, mean, parameter.value)
        # The first weights are soon forgotten, however slow the mean is.
        self._averaging.knobs[0, 0] = 1 - min(average, self.number / (self.number + 9))
        self.network.team.run(self._averaging)

    def _copies(self) -> list[Floats]:
        return [parameter.value.copy() for parameter in self.network.parameters]

    def _swap(self, values: list[Floats]) -> list[Floats]:
        """Sets the parameters to `values`, and gives what they were."""
        before = self._copies()
        for parameter, value in zip(self.network.parameters, values, strict=True):
            parameter.value[:] = value
        return before


def _broken(network: Network, number: int, targets: npt.NDArray[Any]) -> str:
    """What to say of a loss that is no number: the first layer whose output is none."""
    advice = "try a smaller learning rate, or look at the data"
    count = len(network.layers)
    if not np.isfinite(targets).all():
        where = "the targets are not finite"
    else:
        bad = [n for n in range(count) if not np.isfinite(network.output_of(n)).all()]
        where = f"the output of layer {bad[0] + 1 if bad else count} of {count} is not finite"
    return f"the loss is not a number at step {number}: {where}; {advice}"


def _dead(network: Network, number: int, layer: int) -> str:
    return (
        f"layer {layer + 1} of {len(network.layers)} is dead at step {number}: for {_SILENT} steps no unit "
        "has answered to any image, so that nothing below it learns; try a smaller learning rate, less "
        "dropout, another initialiser, or images from 0 to 1"
    )
