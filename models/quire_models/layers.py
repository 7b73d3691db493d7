"""Layers: what they learn, and their products with weights."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self

import numpy as np

from quire_models import kernels, operations
from quire_models.kernels import Floats
from quire_models.products import WIDTH
from quire_models.program import Operation, Program
from quire_models.shapes import Shape
from quire_models.sparsity import KL, Sparsity
from quire_models.team import Team

Activation = Literal["relu", "sigmoid", "identity"]
Corruption = Literal["gaussian", "masking", "salt-and-pepper"]

ACTIVATIONS: dict[str, int] = {
    "identity": kernels.IDENTITY,
    "relu": kernels.RELU,
    "sigmoid": kernels.SIGMOID,
}
CORRUPTIONS: dict[str, Operation] = {
    "gaussian": operations.gaussian,
    "masking": operations.masking,
    "salt-and-pepper": operations.salt_and_pepper,
}

# As many images as are taken at once outside of training.
_CHUNK = 1024


@dataclass(eq=False)
class Dense:
    """A fully connected layer: dropout(activation(corrupted(x) W + b)).

    `noise` and `dropout` may be changed while the layer is trained.

    Attributes:
        weights: W, float32 of shape (inputs, outputs). For a tied layer, a transposed view of the
            other's.
        bias: b, float32 of shape (outputs,).
        activation: `relu`, `sigmoid` or `identity`.
        noise: how much the input is corrupted, in training only: the standard deviation of Gaussian
            noise, or the share of the inputs that is struck.
        dropout: the share of outputs that are set to 0, in training only; from 0 to below 1.
        corruption: `gaussian`, `masking` (inputs are set to 0) or `salt-and-pepper` (to 0 or 1).
        sparsity: what makes few outputs answer at once, or None.
        tied_to: the layer whose transposed weights this one uses.

    Raises:
        ValueError: shapes or settings do not fit.
    """

    weights: Floats
    bias: Floats
    activation: Activation = "relu"
    noise: float = 0.0
    dropout: float = 0.0
    corruption: Corruption = field(default="gaussian", kw_only=True)
    sparsity: Sparsity | None = field(default=None, kw_only=True)
    tied_to: "Dense | None" = field(default=None, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        self._check_shapes()
        self.check()

    def check(self) -> None:
        """Looks at the settings.

        Raises:
            ValueError: they do not fit.
        """
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"an activation is 'relu', 'sigmoid' or 'identity', not {self.activation!r}")
        if self.corruption not in CORRUPTIONS:
            raise ValueError(f"a corruption is one of {', '.join(CORRUPTIONS)}, not {self.corruption!r}")
        if isinstance(self.sparsity, KL) and self.activation != "sigmoid":
            raise ValueError("KL is for codes from 0 to 1: give the layer activation='sigmoid'")
        self.check_knobs()

    def check_knobs(self) -> None:
        """Looks at what may be changed in training.

        Raises:
            ValueError: noise or dropout is out of range.
        """
        if not self.noise >= 0:
            raise ValueError(f"noise is a standard deviation, from 0 up, not {self.noise}")
        if self.corruption != "gaussian" and not self.noise < 1:
            raise ValueError(f"the noise of {self.corruption} is a share from 0 to below 1, not {self.noise}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is a share from 0 to below 1, not {self.dropout}")
        if self.activation == "identity" and self.dropout:
            raise ValueError("dropout follows a ReLU or a sigmoid: a layer without one has none")

    @property
    def inputs(self) -> int:
        """The number of inputs."""
        return int(self.weights.shape[0])

    @property
    def outputs(self) -> int:
        """The number of outputs."""
        return int(self.weights.shape[1])

    def transposed(self, *, activation: Activation = "relu") -> "Dense":
        """The layer back: the transpose of these weights, tied to them, with a bias of 0."""
        return Dense(self.weights.T, np.zeros(self.inputs, np.float32), activation, tied_to=self)

    def copy(self) -> Self:
        """A layer like this with weights of its own."""
        weights = np.array(self.weights, order="C")
        return replace(self, weights=weights, bias=self.bias.copy(), tied_to=None)

    def untie(self) -> None:
        """Gives a tied layer weights of its own, as they are now."""
        if self.tied_to is not None:
            self.weights = np.ascontiguousarray(self.weights)
            self.tied_to = None

    @property
    def is_plain(self) -> bool:
        """Whether the outputs are one product of inputs and weights."""
        return True

    def sparse_memory(self) -> Floats:
        """Memory that the layer's sparsity needs."""
        return self.sparsity.memory(self.outputs) if self.sparsity else np.empty(0, np.float32)

    def scratch(self, images: int) -> Floats:
        """Memory for the products of a batch."""
        return np.empty((0, 0), np.float32)

    def product(self, program: Program, x: Floats, out: Floats, scratch: Floats) -> None:
        """Writes down: out = x W, of shape (images, outputs)."""
        _multiply(program, x, self.weights, out)

    def infer(self, program: Program, x: Floats, out: Floats) -> None:
        """Writes down: out = the outputs for images, without noise and dropout."""
        self.product(program, x, out, self.scratch(len(x)))
        bias = self.spread_bias(np.empty(self.outputs, np.float32))
        program.add(operations.activate, out, bias, numbers=(ACTIVATIONS[self.activation],))
        if self.sparsity is not None:
            self.sparsity.restrict(program, out)

    def weight_gradient(
        self, program: Program, x: Floats, delta: Floats, scratch: Floats, out: Floats
    ) -> None:
        """Writes down: out = the gradient by W, where delta is that by x W; after `product`."""
        program.add(operations.product, x, delta, out, numbers=(1, 0))

    def input_gradient(self, program: Program, delta: Floats, scratch: Floats, out: Floats) -> None:
        """Writes down: out = the gradient by x, where delta is that by x W; after `weight_gradient`."""
        _multiply(program, delta, self.weights.T, out)

    def spread_bias(self, out: Floats) -> Floats:
        """The bias of each output: float32 of shape (outputs,); `out` may be used for it."""
        return self.bias

    def gather_bias(self, sums: Floats, out: Floats) -> None:
        """Sets out = the gradient by b, where sums is that by the bias of each output."""
        out[:] = sums

    def _check_shapes(self) -> None:
        if self.weights.ndim != 2 or self.bias.shape != self.weights.shape[1:]:
            raise ValueError(
                f"weights of shape {self.weights.shape} and a bias of shape {self.bias.shape} do not fit"
            )


@dataclass(eq=False)
class Convolution(Dense):
    """A layer of filters that look at square patches of an image, without padding.

    Source of the arithmetic: Dumoulin and Visin (2016), "A guide to convolution arithmetic for deep
    learning", relationship 6.

    Attributes:
        weights: float32 of shape (size · size · channels, filters).
        bias: float32 of shape (filters,).
        image: the shape of an image: (height, width, channels).
        size: the side of a patch.
        stride: how far one patch is from the next.
    """

    image: Shape = field(default=(1, 1, 1), kw_only=True)
    size: int = field(default=1, kw_only=True)
    stride: int = field(default=1, kw_only=True)

    @property
    def inputs(self) -> int:
        """The number of inputs."""
        return math.prod(self.image)

    @property
    def places(self) -> Shape:
        """How many patches there are below one another, and beside."""
        height, width, _ = self.image
        return (height - self.size) // self.stride + 1, (width - self.size) // self.stride + 1

    @property
    def outputs(self) -> int:
        """The number of outputs: filters at each place."""
        return math.prod(self.places) * len(self.bias)

    def transposed(self, *, activation: Activation = "relu") -> "Deconvolution":
        """The layer back: each output adds its filter to its patch; tied, with a bias of 0."""
        return Deconvolution(
            self.weights.T,
            np.zeros(self.image[2], np.float32),
            activation,
            image=self.image,
            size=self.size,
            stride=self.stride,
            tied_to=self,
        )

    @property
    def is_plain(self) -> bool:
        """Whether the outputs are one product of inputs and weights."""
        return False

    def scratch(self, images: int) -> Floats:
        """Memory for the patches of a batch."""
        patch = self.size * self.size * self.image[2]
        return np.empty((images * math.prod(self.places), patch), np.float32)

    def product(self, program: Program, x: Floats, out: Floats, scratch: Floats) -> None:
        """Writes down: out = x W at each place, of shape (images, outputs)."""
        rows = scratch[: len(x) * math.prod(self.places)]
        program.add(operations.patches, x, rows, numbers=self._geometry)
        _multiply(program, rows, self.weights, out.reshape(len(rows), -1))

    def weight_gradient(
        self, program: Program, x: Floats, delta: Floats, scratch: Floats, out: Floats
    ) -> None:
        """Writes down: out = the gradient by W, where delta is that by x W; after `product`."""
        rows = scratch[: len(x) * math.prod(self.places)]
        program.wait()
        program.add(operations.product, rows, delta.reshape(len(rows), -1), out, numbers=(1, 0))

    def input_gradient(self, program: Program, delta: Floats, scratch: Floats, out: Floats) -> None:
        """Writes down: out = the gradient by x, where delta is that by x W; after `weight_gradient`."""
        rows = scratch[: len(delta) * math.prod(self.places)]
        _multiply(program, delta.reshape(len(rows), -1), self.weights.T, rows)
        program.add(operations.add_patches, rows, out, numbers=self._geometry)

    @property
    def _geometry(self) -> tuple[int, int, int, int]:
        return self.size, self.stride, self.image[0], self.image[1]

    def spread_bias(self, out: Floats) -> Floats:
        """The bias of each output: that of its filter."""
        out.reshape(-1, len(self.bias))[:] = self.bias
        return out

    def gather_bias(self, sums: Floats, out: Floats) -> None:
        """Sets out = the gradient by b, where sums is that by the bias of each output."""
        np.sum(sums.reshape(-1, len(self.bias)), axis=0, out=out)

    def _check_shapes(self) -> None:
        patch = self.size * self.size * self.image[2]
        if self.weights.shape != (patch, *self.bias.shape) or self.stride < 1:
            raise ValueError(
                f"weights of shape {self.weights.shape} are not ({patch}, {len(self.bias)}), for patches of "
                f"{self.size}x{self.size}x{self.image[2]}, or the stride {self.stride} is not from 1 up"
            )
        if min(self.places) < 1:
            raise ValueError(f"a patch of side {self.size} does not fit into an image of {self.image}")


@dataclass(eq=False)
class Deconvolution(Convolution):
    """The adjoint of a convolution: each input adds its filter to its patch of the image.

    Attributes:
        weights: float32 of shape (filters, size · size · channels).
        bias: float32 of shape (channels,).
    """

    @property
    def inputs(self) -> int:
        """The number of inputs: filters at each place."""
        return math.prod(self.places) * int(self.weights.shape[0])

    @property
    def outputs(self) -> int:
        """The number of outputs."""
        return math.prod(self.image)

    def product(self, program: Program, x: Floats, out: Floats, scratch: Floats) -> None:
        """Writes down: out = the image that filters sum up to, of shape (images, outputs)."""
        rows = scratch[: len(x) * math.prod(self.places)]
        _multiply(program, x.reshape(len(rows), -1), self.weights, rows)
        program.add(operations.add_patches, rows, out, numbers=self._geometry)

    def weight_gradient(
        self, program: Program, x: Floats, delta: Floats, scratch: Floats, out: Floats
    ) -> None:
        """Writes down: out = the gradient by W, where delta is that by the image; after `product`."""
        rows = scratch[: len(x) * math.prod(self.places)]
        program.add(operations.patches, delta, rows, numbers=self._geometry)
        program.wait()
        program.add(operations.product, x.reshape(len(rows), -1), rows, out, numbers=(1, 0))

    def input_gradient(self, program: Program, delta: Floats, scratch: Floats, out: Floats) -> None:
        """Writes down: out = the gradient by x, where delta is that by the image; after `weight_gradient`."""
        rows = scratch[: len(delta) * math.prod(self.places)]
        _multiply(program, rows, self.weights.T, out.reshape(len(rows), -1))

    def _check_shapes(self) -> None:
        patch = self.size * self.size * self.image[2]
        if self.weights.ndim != 2 or self.weights.shape[1] != patch or len(self.bias) != self.image[2]:
            raise ValueError(
                f"weights of shape {self.weights.shape} are not (filters, {patch}), or {len(self.bias)} "
                f"biases are not one for each of {self.image[2]} channels"
            )


def run(layers: Sequence[Dense], images: Floats, n_jobs: int | None = None) -> Floats:
    """What layers make of images, without noise and dropout: float32 of shape (images, outputs).

    All memory is its own, so that it may be asked while another thread trains the layers.
    """
    if not layers:
        return images
    out = np.empty((len(images), layers[-1].outputs), np.float32)
    with Team(n_jobs) as team:
        for start in range(0, len(images), _CHUNK):
            x = np.ascontiguousarray(images[start : start + _CHUNK])
            steps = Program(len(x), np.zeros((1, 1), np.float32))
            for layer in layers:
                z = out[start : start + len(x)]
                if layer is not layers[-1]:
                    z = np.empty((len(x), layer.outputs), np.float32)
                layer.infer(steps, x, z)
                x = z
            team.run(steps)
    return out


def _multiply(program: Program, x: Floats, y: Floats, out: Floats) -> None:
    """Writes down: out = x y, where y may be a transposed view."""
    if y.flags.c_contiguous:
        program.add(operations.product, x, y, out)
    elif out.shape[1] < 2 * WIDTH:
        program.add(operations.product, x, y.T, out, numbers=(0, 1))
    else:
        # y is turned before it is multiplied: each thread turns its own columns, and none all of them.
        program.wait()
        program.add(operations.product, x, y.T, out, numbers=(0, 1, 1))
        program.wait()
