"""Networks of layers: a step's loss and its gradients, in memory that is made once."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from quire_models import operations
from quire_models.kernels import Floats, Labels
from quire_models.layers import ACTIVATIONS, CORRUPTIONS, Activation, Dense
from quire_models.program import Operation, Program
from quire_models.team import Team

Targets = npt.NDArray[Any]


@dataclass(frozen=True)
class Loss:
    """What a training makes small.

    Attributes:
        name: what it is called.
        operation: reckons it, and its gradient, from the last layer's products and biases.
        outputs: the activations that the last layer may have.
    """

    name: str
    operation: Operation
    outputs: tuple[Activation, ...]


SQUARED_ERROR = Loss("squared error", operations.squared_error, ("relu", "sigmoid", "identity"))
BINARY_CROSS_ENTROPY = Loss("binary cross-entropy", operations.binary_cross_entropy, ("sigmoid",))
CROSS_ENTROPY = Loss("cross-entropy", operations.cross_entropy, ("identity",))


@dataclass(eq=False, frozen=True)
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
        outputs: what comes out; of the last layer, what then becomes the gradient.
        deltas: the gradients by the products.
    """

    outputs: list[Floats]
    deltas: list[Floats]


class Network:
    """Layers one after the other, with all the memory that a step on a batch needs.

    The gradient of tied weights is one product: with inputs x and gradients d of the encoder, h and e
    of its decoder, it is [x; e]ᵀ [d; h], for which x and e, d and h lie in memory one over the other.

    Attributes:
        team: the threads that share its steps; one, unless a training gives it others.

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
        self._penalties = [each for each in self._sparse if each.size]
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
        self._programs: dict[tuple[object, ...], Program] = {}
        self._knobs = np.zeros((len(self.layers), 4), np.float32)
        self._chosen, self._rows = np.empty(batch, np.int64), np.arange(batch)
        self._losses = np.empty(batch, np.float32)
        self._data: tuple[Floats, Targets] | tuple[None, None] = None, None
        self._now = self._views(batch)
        self.team = Team()

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

        Raises:
            ValueError: the arrays are of another kind.
        """
        self._run(rows, targets, chosen, seed, is_backward=True)
        for number, layer in enumerate(self.layers):
            layer.gather_bias(self._sums[number], self._bias[number].gradient)
        return self._loss(len(chosen)) + sum(float(each.sum()) for each in self._penalties)

    def mean_loss(self, rows: Floats, targets: Targets) -> float:
        """The mean loss over all images, without noise, dropout and penalties."""
        total = 0.0
        for start in range(0, len(rows), self.batch):
            chosen = np.arange(start, min(start + self.batch, len(rows)))
            self._run(rows, targets, chosen, None, is_backward=False)
            total += len(chosen) * self._loss(len(chosen))
        return total / len(rows)

    def is_silent(self, number: int) -> bool:
        """Whether not one unit of the hidden layer `number` answered to an image of the last batch."""
        # The first is quick, and nearly always says no.
        return not self._sums[number].any() and not self._now.outputs[number].any()

    def output_of(self, number: int) -> Floats:
        """What layer `number` gave for the last batch; for the last one, the gradient by its products."""
        return self._now.outputs[number]

    def _run(
        self, rows: Floats, targets: Targets, chosen: Labels, seed: int | None, *, is_backward: bool
    ) -> None:
        if rows is not self._data[0] or targets is not self._data[1]:
            self._check_data(rows, targets)
        count = len(chosen)
        self._chosen[:count] = chosen
        for number, layer in enumerate(self.layers):
            layer.spread_bias(self._spread[number])
            if seed is not None:
                # Here, since both may have been changed since the last step.
                layer.check_knobs()
            self._knobs[number, 0] = 0.0 if seed is None else layer.noise
            self._knobs[number, 1] = 0.0 if seed is None else layer.dropout
        # What is 0 is left out, and not reckoned with.
        used = tuple((bool(noise), bool(rate)) for noise, rate in self._knobs[:, :2].tolist())
        key = count, used, is_backward
        if key not in self._programs:
            self._programs[key] = self._write(count, used, is_backward=is_backward)
        program = self._programs[key]
        program.bind("rows", rows)
        program.bind("targets", targets)
        self._now = self._views(count)
        self.team.run(program, _stream(seed or 0))

    def _check_data(self, rows: Floats, targets: Targets) -> None:
        """Looks once at what programs then read by its address."""
        wanted: list[tuple[Targets, type, tuple[int, ...]]] = [
            (rows, np.float32, (len(rows), self.layers[0].inputs))
        ]
        if self.loss is CROSS_ENTROPY:
            wanted.append((targets, np.int64, (len(targets),)))
        else:
            wanted.append((targets, np.float32, (len(targets), self.layers[-1].outputs)))
        for array, dtype, shape in wanted:
            if array.dtype != dtype or array.shape != shape or not array.flags.c_contiguous:
                raise ValueError(
                    f"images and targets are {np.dtype(dtype)} of shape {shape} here, C-contiguous, not "
                    f"{array.dtype} of shape {array.shape}"
                )
        self._data = rows, targets

    def _loss(self, count: int) -> float:
        return float(self._losses[:count].sum(dtype=np.float64))

    def _write(self, count: int, used: tuple[tuple[bool, bool], ...], *, is_backward: bool) -> Program:
        """The program of a step on `count` images; of each layer, whether it has noise, and dropout."""
        program, now = Program(count, self._knobs), self._views(count)
        inputs: list[Floats] = []
        for number, layer in enumerate(self.layers):
            inputs.append(self._write_input(program, number, count, is_noisy=used[number][0]))
            z, bias = now.outputs[number], layer.spread_bias(self._spread[number])
            layer.product(program, inputs[number], z, self._scratch[number])
            if number < self._last:
                self._write_activation(program, number, z, bias, is_dropping=used[number][1])
        code = () if self.loss is not SQUARED_ERROR else (ACTIVATIONS[layer.activation],)
        losses, chosen = self._losses[:count], self._chosen[:count]
        program.add(self.loss.operation, z, bias, "targets", chosen, losses, numbers=code)
        if is_backward:
            self._write_backward(program, now, inputs, [is_noisy for is_noisy, _ in used])
        return program

    def _write_input(self, program: Program, number: int, count: int, *, is_noisy: bool) -> Floats:
        """What the product of a layer takes: the rows chosen, corrupted in training."""
        rows = self._views(count).outputs[number - 1]
        if number and not is_noisy and number not in self._stacks:
            return rows
        x = self._input_memory(number, count)
        chosen = self._rows[:count] if number else self._chosen[:count]
        corrupt = CORRUPTIONS[self.layers[number].corruption] if is_noisy else operations.gather
        program.add(corrupt, rows if number else "rows", chosen, x, numbers=(2 * number,), line=number)
        return x

    def _write_activation(
        self, program: Program, number: int, z: Floats, bias: Floats, *, is_dropping: bool
    ) -> None:
        layer, streams = self.layers[number], (2 * number + 1,)
        if is_dropping and layer.activation == "relu" and layer.sparsity is None:
            program.add(operations.relu_dropout, z, bias, numbers=streams, line=number)
            return
        program.add(operations.activate, z, bias, numbers=(ACTIVATIONS[layer.activation],))
        if layer.sparsity is not None:
            layer.sparsity.restrict(program, z)
        if is_dropping:
            program.add(operations.dropout, z, numbers=streams, line=number)

    def _write_backward(self, program: Program, now: _Views, inputs: list[Floats], noisy: list[bool]) -> None:
        """All gradients: those by what goes from layer to layer, then those by weights and biases."""
        count = program.images
        for number in range(self._last, -1, -1):
            layer, delta, scratch = self.layers[number], now.deltas[number], self._scratch[number]
            output = now.outputs[number]
            if number < self._last:
                if layer.sparsity is not None:
                    self._knobs[number, 2:] = layer.sparsity.knobs
                    losses = self._losses[:count]
                    layer.sparsity.penalty(program, number, output, delta, losses, self._sparse[number])
                code = ACTIVATIONS[layer.activation]
                program.add(operations.activation_gradient, delta, output, numbers=(code,), line=number)
            if not layer.is_plain:
                self._write_weights(program, number, inputs[number], delta)
                program.wait()
            if number:
                before = now.deltas[number - 1]
                layer.input_gradient(program, delta, scratch, before)
                if noisy[number] and layer.corruption != "gaussian":
                    program.add(operations.struck_gradient, before, inputs[number], now.outputs[number - 1])
        program.wait()
        for number, layer in enumerate(self.layers):
            program.add(operations.column_sums, now.deltas[number], self._sums[number])
            if layer.is_plain:
                self._write_weights(program, number, inputs[number], now.deltas[number])
            if not layer.is_plain and number in self._decoders:
                product = self._products[self._decoders[number]]
                program.add(operations.add_transposed, self._weights[number].gradient, product)

    def _write_weights(self, program: Program, number: int, x: Floats, delta: Floats) -> None:
        layer, count = self.layers[number], program.images
        if number in self._stacks:
            left, right = self._stacks[number]
            left, right, out = left[: 2 * count], right[: 2 * count], self._weights[number].gradient
            program.add(operations.product, left, right, out, numbers=(1, 0))
        elif not (layer.tied_to is not None and layer.is_plain):
            out = self._products[number] if layer.tied_to else self._weights[number].gradient
            layer.weight_gradient(program, x, delta, self._scratch[number], out)

    def _views(self, count: int) -> _Views:
        """The memory for a batch of `count` images, looked up or laid out."""
        if count not in self._known:
            layers = range(len(self.layers))
            outputs = [self._output_memory(number, count) for number in layers]
            deltas = [self._delta_memory(number, count) for number in layers]
            self._known[count] = _Views(outputs, deltas)
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


def _stream(seed: int) -> int:
    """The number of a step's first stream, apart from those of all other steps."""
    return (seed << 6) & 0x7FFF_FFFF_FFFF_FFFF
