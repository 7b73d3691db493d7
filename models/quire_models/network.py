"""Networks of layers: a step's loss and its gradients, in memory that is made once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from quire_models import kernels
from quire_models.kernels import Floats, Labels
from quire_models.layers import ACTIVATIONS, CORRUPTIONS, Activation, Dense

Targets = npt.NDArray[Any]


@dataclass(frozen=True)
class Loss:
    """What a training makes small.

    Attributes:
        name: what it is called.
        kernel: reckons it, and its gradients, from the last layer's products and biases.
        outputs: the activations that the last layer may have.
    """

    name: str
    kernel: Callable[..., float]
    outputs: tuple[Activation, ...]


SQUARED_ERROR = Loss("squared error", kernels.squared_error, ("relu", "sigmoid", "identity"))
BINARY_CROSS_ENTROPY = Loss("binary cross-entropy", kernels.binary_cross_entropy, ("sigmoid",))
CROSS_ENTROPY = Loss("cross-entropy", kernels.cross_entropy, ("identity",))


@dataclass(eq=False)
class Parameter:
    """Numbers to be learnt, and the gradient of the loss by them.

    Attributes:
        value: the numbers.
        gradient: by them, of their shape.
        is_bias: whether they are a bias, which is neither decayed nor limited.
    """

    value: Floats
    gradient: Floats
    is_bias: bool


@dataclass
class _Views:
    """The parts of a network's memory that a batch of some size uses, by layer.

    Attributes:
        inputs: what the products take.
        outputs: what comes out; of the last layer, what then becomes the gradient.
        deltas: the gradients by the products.
    """

    inputs: list[Floats]
    outputs: list[Floats]
    deltas: list[Floats]


class Network:
    """Layers one after the other, with all the memory that a step on a batch needs.

    The gradient of tied weights is one product: with inputs x and gradients d of the encoder, h and e
    of its decoder, it is [x; e]ᵀ [d; h], for which x and e, d and h lie in memory one over the other.

    Args:
        layers: the layers; each takes as many inputs as the last has outputs, and comes after the one
            that it is tied to.
        loss: what to make small.
        batch: the greatest number of images in a batch.

    Raises:
        ValueError: the layers do not fit together.
    """

    def __init__(self, layers: Sequence[Dense], loss: Loss, batch: int) -> None:
        _check(layers, loss, batch)
        self.layers, self.loss, self.batch = list(layers), loss, batch
        self._last = len(self.layers) - 1
        self._decoders = {
            self.layers.index(layer.tied_to): number
            for number, layer in enumerate(self.layers)
            if layer.tied_to is not None
        }
        self._weights = {
            number: Parameter(layer.weights, np.empty(layer.weights.shape, np.float32), is_bias=False)
            for number, layer in enumerate(self.layers)
            if layer.tied_to is None
        }
        self._bias = [Parameter(layer.bias, np.empty_like(layer.bias), is_bias=True) for layer in self.layers]
        self._scratch = [layer.scratch(batch) for layer in self.layers]
        self._spread = [np.empty(layer.outputs, np.float32) for layer in self.layers]
        self._sums = [np.empty(layer.outputs, np.float32) for layer in self.layers]
        self._sparse = [layer.sparse_memory() for layer in self.layers]
        # The gradients of tied weights that are not stacked, by their decoders.
        self._products = {
            number: np.empty(layer.weights.shape, np.float32)
            for number, layer in enumerate(self.layers)
            if layer.tied_to is not None and not layer.is_plain
        }
        self._stacks = {
            number: tuple(np.empty((2 * batch, n), np.float32) for n in self.layers[number].weights.shape)
            for number in self._decoders
            if self.layers[number].is_plain
        }
        self._memory: dict[tuple[str, int], Floats] = {}
        self._known: dict[int, _Views] = {}
        self._rows = np.arange(batch)
        self._now = self._views(batch)

    @property
    def parameters(self) -> list[Parameter]:
        """What is learnt, tied weights once; the gradients are those of the last `evaluate`."""
        return [*self._weights.values(), *self._bias]

    def evaluate(self, rows: Floats, targets: Targets, chosen: Labels, seed: int | None = None) -> float:
        """The mean loss of a batch; afterwards the parameters have its gradients.

        Args:
            rows: images, float32 of shape (images, inputs), C-contiguous.
            targets: what the outputs shall be: float32 of shape (images, outputs) or int64 of (images,).
            chosen: which of them make the batch: int64, at most `batch`.
            seed: of the noise and the dropout; None leaves both out.
        """
        return self._forward(rows, targets, chosen, seed) + self._backward(seed)

    def mean_loss(self, rows: Floats, targets: Targets) -> float:
        """The mean loss over all images, without noise, dropout and penalties."""
        total = 0.0
        for start in range(0, len(rows), self.batch):
            chosen = np.arange(start, min(start + self.batch, len(rows)))
            total += len(chosen) * self._forward(rows, targets, chosen, None)
        return total / len(rows)

    def is_silent(self, number: int) -> bool:
        """Whether not one unit of the hidden layer `number` answered to an image of the last batch."""
        # The first is quick, and nearly always says no.
        return not self._sums[number].any() and not self._now.outputs[number].any()

    def output_of(self, number: int) -> Floats:
        """What layer `number` gave for the last batch; for the last one, the gradient by its products."""
        return self._now.outputs[number]

    def _forward(self, rows: Floats, targets: Targets, chosen: Labels, seed: int | None) -> float:
        self._now = self._views(len(chosen))
        x, which = rows, chosen
        for number, layer in enumerate(self.layers):
            x = self._input(number, x, which, seed)
            z = self._now.outputs[number]
            layer.product(x, z, self._scratch[number])
            bias = layer.spread_bias(self._spread[number])
            if number < self._last:
                self._activate(number, z, bias, seed)
                x, which = z, self._rows[: len(chosen)]
        code = ACTIVATIONS[layer.activation]
        return float(self.loss.kernel(z, bias, code, targets, chosen, self._sums[number]))

    def _input(self, number: int, rows: Floats, chosen: Labels, seed: int | None) -> Floats:
        """What the product of a layer takes: the rows chosen, corrupted in training."""
        layer = self.layers[number]
        if seed is not None:
            # Here, since both may have been changed since the last step.
            layer.check_knobs()
        noise = 0.0 if seed is None else layer.noise
        if number and not noise and number not in self._stacks:
            self._now.inputs[number] = rows
            return rows
        x = self._now.inputs[number] = self._input_memory(number, len(chosen))
        if noise and seed is not None:
            corrupt = CORRUPTIONS[layer.corruption]
            corrupt(rows, chosen, np.float32(noise), _stream(seed, 2 * number), x)
        else:
            kernels.gather(rows, chosen, x)
        return x

    def _activate(self, number: int, z: Floats, bias: Floats, seed: int | None) -> None:
        layer = self.layers[number]
        rate = np.float32(0.0 if seed is None else layer.dropout)
        stream = _stream(seed or 0, 2 * number + 1)
        if rate and layer.activation == "relu" and layer.sparsity is None:
            kernels.relu_dropout(z, bias, rate, stream)
            return
        kernels.activate(z, bias, ACTIVATIONS[layer.activation])
        if layer.sparsity is not None:
            layer.sparsity.restrict(z, self._sparse[number])
        if rate:
            kernels.dropout(z, rate, stream)

    def _backward(self, seed: int | None) -> float:
        """Sets all gradients, and gives what is added to the loss for sparsity."""
        penalty, now = 0.0, self._now
        for number in range(self._last, -1, -1):
            layer, delta, scratch = self.layers[number], now.deltas[number], self._scratch[number]
            if number < self._last:
                rate = np.float32(0.0 if seed is None else layer.dropout)
                if layer.sparsity is not None:
                    penalty += layer.sparsity.penalty(now.outputs[number], delta, self._sparse[number])
                code = ACTIVATIONS[layer.activation]
                kernels.activation_gradient(delta, now.outputs[number], code, rate, self._sums[number])
            layer.gather_bias(self._sums[number], self._bias[number].gradient)
            self._weight_gradient(number, len(delta))
            if number:
                layer.input_gradient(delta, scratch, now.deltas[number - 1])
                if seed is not None and layer.noise and layer.corruption != "gaussian":
                    kernels.struck_gradient(
                        now.deltas[number - 1], now.inputs[number], now.outputs[number - 1]
                    )
        return penalty

    def _weight_gradient(self, number: int, count: int) -> None:
        layer, scratch = self.layers[number], self._scratch[number]
        if number in self._stacks:
            left, right = self._stacks[number]
            np.matmul(left[: 2 * count].T, right[: 2 * count], out=self._weights[number].gradient)
            return
        if layer.tied_to is not None and layer.is_plain:
            return
        out = self._products[number] if layer.tied_to else self._weights[number].gradient
        layer.weight_gradient(self._now.inputs[number], self._now.deltas[number], scratch, out)
        if number in self._decoders:
            kernels.add_transposed(out, self._products[self._decoders[number]])

    def _views(self, count: int) -> _Views:
        """The memory for a batch of `count` images, looked up or laid out."""
        if count not in self._known:
            layers = range(len(self.layers))
            outputs = [self._output_memory(number, count) for number in layers]
            deltas = [self._delta_memory(number, count) for number in layers]
            self._known[count] = _Views(list(outputs), outputs, deltas)
        return self._known[count]

    def _input_memory(self, number: int, count: int) -> Floats:
        if number in self._stacks:
            return self._stacks[number][0][:count]
        return self._own("input", number, self.layers[number].inputs, count)

    def _output_memory(self, number: int, count: int) -> Floats:
        if number == self._last:
            return self._delta_memory(number, count)
        for encoder, decoder in self._decoders.items():
            if decoder == number + 1 and encoder in self._stacks:
                return self._stacks[encoder][1][count : 2 * count]
        return self._own("output", number, self.layers[number].outputs, count)

    def _delta_memory(self, number: int, count: int) -> Floats:
        if number in self._stacks:
            return self._stacks[number][1][:count]
        for encoder, decoder in self._decoders.items():
            if decoder == number and encoder in self._stacks:
                return self._stacks[encoder][0][count : 2 * count]
        return self._own("delta", number, self.layers[number].outputs, count)

    def _own(self, kind: str, number: int, units: int, count: int) -> Floats:
        """Memory of a layer's own, made when it is first needed."""
        if (kind, number) not in self._memory:
            self._memory[kind, number] = np.empty((self.batch, units), np.float32)
        return self._memory[kind, number][:count]


def _check(layers: Sequence[Dense], loss: Loss, batch: int) -> None:
    if batch < 1:
        raise ValueError(f"a batch holds 1 image or more, not {batch}")
    if not layers:
        raise ValueError("a network has one layer or more")
    for before, after in pairwise(layers):
        if before.outputs != after.inputs:
            raise ValueError(f"a layer of {before.outputs} outputs cannot feed one of {after.inputs} inputs")
    if layers[-1].activation not in loss.outputs:
        raise ValueError(
            f"the {loss.name} wants a last layer of {' or '.join(loss.outputs)}, not {layers[-1].activation}"
        )
    if layers[-1].dropout or layers[-1].sparsity:
        raise ValueError("the last layer has neither dropout nor sparsity: its outputs are the answer")
    seen: list[Dense] = []
    for number, layer in enumerate(layers):
        if layer.tied_to is not None:
            if layer.tied_to not in layers[:number] or layer.tied_to in seen:
                raise ValueError(
                    f"layer {number + 1} is tied to none before it, or to one that has a decoder"
                )
            seen.append(layer.tied_to)
            if layer.noise:
                raise ValueError(f"layer {number + 1} is tied, and takes no noise of its own")


def _stream(seed: int, number: int) -> int:
    """The seed of stream `number` of a step, apart from those of all other steps."""
    return ((seed << 6) + number) & 0x7FFF_FFFF_FFFF_FFFF
