"""Layers, and networks of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np

from quire_models import kernels
from quire_models.kernels import Floats

Activation = Literal["relu", "identity"]

# As many images as are taken at once outside of training.
_CHUNK = 1024


@dataclass(eq=False)
class Dense:
    """A fully connected layer: dropout(activation(noise(x) W + b)).

    Attributes:
        weights: W, float32 of shape (inputs, outputs). For a tied layer, a transposed view of the
            other's.
        bias: b, float32 of shape (outputs,).
        activation: `relu` or `identity`.
        noise: the standard deviation of the Gaussian noise on the input, in training only.
        dropout: the share of outputs that are set to 0, in training only; from 0 to below 1.
        tied_to: the layer whose transposed weights this one uses.

    Raises:
        ValueError: shapes or settings do not fit.
    """

    weights: Floats
    bias: Floats
    activation: Activation = "relu"
    noise: float = 0.0
    dropout: float = 0.0
    tied_to: "Dense | None" = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.weights.ndim != 2 or self.bias.shape != self.weights.shape[1:]:
            raise ValueError(
                f"weights of shape {self.weights.shape} and a bias of shape {self.bias.shape} do not fit"
            )
        if self.noise < 0:
            raise ValueError(f"noise is a standard deviation, from 0 up, not {self.noise}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is a share from 0 to below 1, not {self.dropout}")
        if self.activation not in ("relu", "identity"):
            raise ValueError(f"an activation is 'relu' or 'identity', not {self.activation!r}")
        if self.activation == "identity" and self.dropout:
            raise ValueError("dropout follows a ReLU: a layer without one has none")

    @property
    def inputs(self) -> int:
        """The number of inputs."""
        return int(self.weights.shape[0])

    @property
    def outputs(self) -> int:
        """The number of outputs."""
        return int(self.weights.shape[1])

    def transposed(self, *, noise: float = 0.0) -> "Dense":
        """The layer back: the transpose of these weights, tied to them, with a bias of 0 and a ReLU."""
        bias = np.zeros(self.inputs, np.float32)
        return Dense(self.weights.T, bias, noise=noise, tied_to=self)

    def copy(self) -> "Dense":
        """A layer like this with weights of its own."""
        return Dense(
            np.array(self.weights, order="C"),
            self.bias.copy(),
            self.activation,
            noise=self.noise,
            dropout=self.dropout,
        )

    def infer(self, x: Floats) -> Floats:
        """The outputs for images, without noise and dropout: float32 of shape (images, outputs).

        It allocates what it gives, so that it may be asked while another thread trains the layer.
        """
        out: Floats = np.matmul(x, self.weights)
        (kernels.bias_relu if self.activation == "relu" else kernels.add_bias)(out, self.bias)
        return out

    def untie(self) -> None:
        """Gives a tied layer weights of its own, as they are now."""
        if self.tied_to is not None:
            self.weights = np.ascontiguousarray(self.weights)
            self.tied_to = None


@dataclass(eq=False)
class Parameter:
    """Numbers to be learnt, and the gradient of the loss by them."""

    value: Floats
    gradient: Floats


class Network:
    """Layers one after the other, with all the memory that a step on a batch needs.

    Args:
        layers: the layers; each takes as many inputs as the last has outputs. A tied layer must follow
            the one that it is tied to.
        batch: the greatest number of images in a batch.

    Raises:
        ValueError: the layers do not fit together.
    """

    def __init__(self, layers: Sequence[Dense], batch: int) -> None:
        if batch < 1:
            raise ValueError(f"a batch holds 1 image or more, not {batch}")
        for before, after in pairwise(layers):
            if before.outputs != after.inputs:
                raise ValueError(
                    f"a layer of {before.outputs} outputs cannot feed one of {after.inputs} inputs"
                )
        self.layers = list(layers)
        self.batch = batch
        self._noisy = [np.empty((batch, d.inputs), np.float32) for d in layers]
        self._inputs: list[Floats] = [np.empty((0, 0), np.float32)] * len(layers)
        self._outputs = [np.empty((batch, d.outputs), np.float32) for d in layers]
        self._deltas = [np.empty((batch, d.outputs), np.float32) for d in layers]
        self._products = [np.empty(d.weights.shape, np.float32) for d in layers]
        self._weights = {
            id(d): Parameter(d.weights, self._products[i]) for i, d in enumerate(layers) if not d.tied_to
        }
        self._biases = [Parameter(d.bias, np.empty_like(d.bias)) for d in layers]

    @property
    def parameters(self) -> list[Parameter]:
        """What is learnt, tied weights once; the gradients are those of the last `backward`."""
        return [*self._weights.values(), *self._biases]

    def forward(self, images: Floats, seed: int | None = None) -> Floats:
        """The outputs for a batch; a view that the next call overwrites.

        Args:
            images: float32 of shape (images, inputs), C-contiguous, at most `batch` of them.
            seed: of the noise and the dropout; None leaves both out, as after training.
        """
        count, x = len(images), images
        for number, layer in enumerate(self.layers):
            if layer.noise and seed is not None:
                noisy = self._noisy[number][:count]
                kernels.add_gaussian_noise(x, np.float32(layer.noise), _stream(seed, 2 * number), noisy)
                x = noisy
            out = self._outputs[number][:count]
            np.matmul(x, layer.weights, out=out)
            if layer.activation == "relu":
                kernels.bias_relu(out, layer.bias)
            else:
                kernels.add_bias(out, layer.bias)
            if layer.dropout and seed is not None:
                kernels.dropout(out, np.float32(layer.dropout), _stream(seed, 2 * number + 1))
            self._inputs[number], x = x, out
        return x

    def output_gradient(self, count: int) -> Floats:
        """Where a loss writes its gradient by the outputs of a batch of `count` images."""
        return self._deltas[-1][:count]

    def backward(self, count: int) -> None:
        """The gradients by all parameters, after `forward` and the loss of a batch of `count` images."""
        for number in reversed(range(len(self.layers))):
            layer, delta = self.layers[number], self._deltas[number][:count]
            if layer.activation == "relu":
                kernels.relu_gradient(delta, self._outputs[number][:count], np.float32(layer.dropout))
            kernels.column_sums(delta, self._biases[number].gradient)
            np.matmul(self._inputs[number].T, delta, out=self._products[number])
            if number:
                np.matmul(delta, layer.weights.T, out=self._deltas[number - 1][:count])
        for number, layer in enumerate(self.layers):
            if layer.tied_to is not None:
                kernels.add_transposed(self._weights[id(layer.tied_to)].gradient, self._products[number])

    def output_of(self, number: int, count: int) -> Floats:
        """What layer `number` gave for the last batch, of `count` images."""
        return self._outputs[number][:count]


def run(layers: Sequence[Dense], images: Floats) -> Floats:
    """What layers make of images, without noise and dropout: float32 of shape (images, outputs)."""
    if not layers:
        return images
    parts = []
    for start in range(0, len(images), _CHUNK):
        x = images[start : start + _CHUNK]
        for layer in layers:
            x = layer.infer(x)
        parts.append(x)
    return np.concatenate(parts) if parts else np.empty((0, layers[-1].outputs), np.float32)


def _stream(seed: int, number: int) -> int:
    """The seed of stream `number` of a step, apart from those of all other steps."""
    return ((seed << 6) + number) & 0x7FFF_FFFF_FFFF_FFFF
