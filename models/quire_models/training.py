"""Training, a step at a time."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from quire_models import kernels
from quire_models.errors import TrainingError
from quire_models.kernels import Floats
from quire_models.layers import Network
from quire_models.optimisers import Optimiser

Targets = npt.NDArray[Any]
Loss = Callable[[Floats, Targets, Floats], float]
"""Takes outputs and targets of a batch, writes the gradient by the outputs, and gives the mean loss."""


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
    """How many steps `minimise` takes."""
    return epochs * math.ceil(images / batch)


def minimise(
    network: Network,
    loss: Loss,
    optimiser: Optimiser,
    images: Floats,
    targets: Targets,
    *,
    epochs: int,
    seed: int,
) -> Iterator[Step]:
    """Trains `network` in batches of its size, and yields after each step.

    Whoever iterates may log, wait, or stop: the network is as good as the steps that were taken.

    Args:
        network: what to train.
        loss: what to make small.
        optimiser: how.
        images: float32 of shape (images, inputs), C-contiguous.
        targets: what the outputs shall be: float32 of shape (images, outputs), or int64 labels of
            shape (images,), as the loss wants it.
        epochs: how many times to go through the data, each time in another order.
        seed: of the order, the noise and the dropout.

    Raises:
        ValueError: there are no images, or not as many targets.
        TrainingError: the loss is no number any more.
    """
    if not len(images) or len(images) != len(targets):
        raise ValueError(
            f"{len(images)} images and {len(targets)} targets: give a target for each of at least one"
        )
    return _steps(network, loss, optimiser, images, targets, epochs, seed)


def _steps(
    network: Network,
    loss: Loss,
    optimiser: Optimiser,
    images: Floats,
    targets: Targets,
    epochs: int,
    seed: int,
) -> Iterator[Step]:
    generator = np.random.default_rng(seed)
    total = steps_in(len(images), epochs=epochs, batch=network.batch)
    batch = np.empty((network.batch, images.shape[1]), np.float32)
    number = 0
    for epoch in range(epochs):
        order = generator.permutation(len(images))
        for start in range(0, len(images), network.batch):
            chosen = order[start : start + network.batch]
            count, number = len(chosen), number + 1
            kernels.gather(images, chosen, batch)
            output = network.forward(batch[:count], seed=(seed << 32) + number)
            value = loss(output, targets[chosen], network.output_gradient(count))
            if not math.isfinite(value):
                raise TrainingError(_broken(network, number, count))
            network.backward(count)
            optimiser.step(network.parameters)
            yield Step(number, total, epoch, value)


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
