"""Training, a step at a time."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self, TypedDict

import numpy as np
import numpy.typing as npt

from quire_models import kernels
from quire_models.errors import TrainingError
from quire_models.kernels import Floats
from quire_models.layers import Network
from quire_models.optimisers import Optimiser, State

Targets = npt.NDArray[Any]
Loss = Callable[[Floats, Targets, Floats], float]
"""Takes outputs and targets of a batch, writes the gradient by the outputs, and gives the mean loss."""


class Options(TypedDict, total=False):
    """How to train; what is left out has the default that stands here.

    Attributes:
        epochs: how many times to go through the data, each time in another order; 1.
        batch: how many images make a step; 100.
        optimiser: how to learn; `Adam()`.
    """

    epochs: int
    batch: int
    optimiser: Optimiser | None


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was taken.

    Attributes:
        number: how many steps have been taken, this one included.
        total: how many there will be.
        epoch: how many times the data had been gone through before this step.
        loss: the mean loss of its batch, before the step.
    """

    number: int
    total: int
    epoch: int
    loss: float


def steps_in(images: int, *, epochs: int, batch: int) -> int:
    """How many steps a training takes."""
    return epochs * math.ceil(images / batch)


class Training(Iterator[Step]):
    """Trains a network in batches of its size: an iterator that takes a step each time it is asked.

    Whoever iterates may log, wait, or stop: the network is as good as the steps that were taken. The
    noise and the dropout of its layers and the optimiser's rate may be changed between two steps.

    Args:
        network: what to train.
        loss: what to make small.
        optimiser: how.
        images: float32 of shape (images, inputs), C-contiguous.
        targets: what the outputs shall be: float32 of shape (images, outputs), or int64 labels of
            shape (images,), as the loss wants it.
        epochs: how many times to go through the data, each time in another order.
        seed: of the order, the noise and the dropout.
        state: what the optimiser remembers of steps before.

    Raises:
        ValueError: there are no images, or not as many targets.
        TrainingError: from a step whose loss is no number any more.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        optimiser: Optimiser,
        images: Floats,
        targets: Targets,
        *,
        epochs: int,
        seed: int,
        state: State | None = None,
    ) -> None:
        if not len(images) or len(images) != len(targets):
            raise ValueError(
                f"{len(images)} images and {len(targets)} targets: give a target for each of at least one"
            )
        self.network, self.loss, self.optimiser = network, loss, optimiser
        self.images, self.targets = images, targets
        self.epochs, self.seed = epochs, seed
        self.state = state or optimiser.start(network.parameters)
        self.number = 0
        self.total = steps_in(len(images), epochs=epochs, batch=network.batch)
        self._order = np.empty(0, np.int64)
        self._batch = np.empty((network.batch, images.shape[1]), np.float32)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Step:
        if self.number >= self.total:
            raise StopIteration
        epoch, position = divmod(self.number, self.total // self.epochs)
        if position == 0 or not len(self._order):
            # By the epoch, so that a training that is resumed within one goes on in its order.
            self._order = np.random.default_rng([self.seed, epoch]).permutation(len(self.images))
        start = position * self.network.batch
        chosen = self._order[start : start + self.network.batch]
        self.number += 1
        loss = self.optimiser.step(self.network.parameters, self.state, lambda: self._evaluate(chosen))
        return Step(self.number, self.total, epoch, loss)

    def finish(self) -> float:
        """Takes all steps that are left, and gives the mean loss of the last epoch's."""
        losses = [step.loss for step in self]
        last = losses[-(self.total // self.epochs) :] if losses else []
        return float(np.mean(last)) if last else math.nan

    def _evaluate(self, chosen: kernels.Labels) -> float:
        """The loss of a batch; its gradients are in the network's parameters."""
        count = len(chosen)
        kernels.gather(self.images, chosen, self._batch)
        output = self.network.forward(self._batch[:count], seed=(self.seed << 32) + self.number)
        value = self.loss(output, self.targets[chosen], self.network.output_gradient(count))
        if not math.isfinite(value):
            raise TrainingError(_broken(self.network, self.number, count))
        self.network.backward(count)
        return value


def _broken(network: Network, number: int, count: int) -> str:
    """What to say of a loss that is no number: the first layer whose output is none."""
    for layer in range(len(network.layers)):
        if not np.isfinite(network.output_of(layer, count)).all():
            where = f"the output of layer {layer + 1} of {len(network.layers)} is not finite"
            break
    else:
        where = "every layer's output is finite, so the targets are not"
    advice = "try a smaller learning rate, or look at the data"
    return f"the loss is not a number at step {number}: {where}; {advice}"
