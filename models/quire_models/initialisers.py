"""First weights of a layer.

Each initialiser takes the shapes of a layer's inputs and outputs and a random generator, and gives
weights of shape (inputs, outputs), float32.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from quire_models.kernels import Floats
from quire_models.shapes import Shape, distances

Initialiser = Callable[[Shape, Shape, np.random.Generator], Floats]


@dataclass(frozen=True)
class Distance:
    """Weights by the distance between units: near ones are tied strongly, far ones hardly.

    w = peak · (1 + tanh(stiffness · (radius - distance))) / 2, with the units of both layers on the
    unit square. All weights are positive and smooth, so that units begin much alike: from 28x28 to
    10x10, the entropy of the 100 singular values is that of 5 equal ones. It trains more slowly at
    first than `glorot`, stands smaller learning rates, and is level with it after a few epochs.

    Source: A. Charneski, "Autoencoders and Interactive Research Notebooks" (2017), and its code.

    Attributes:
        peak: the weight at distance 0, nearly.
        stiffness: how steeply the weight falls at the radius.
        radius: the distance at which the weight is half of the peak.
    """

    peak: float = 0.001
    stiffness: float = 3.0
    radius: float = 0.5

    def __call__(self, inputs: Shape, outputs: Shape, generator: np.random.Generator) -> Floats:
        """The weights; `generator` is not used."""
        weights: Floats = np.float32(self.peak) * self._envelope(inputs, outputs)
        return weights

    def _envelope(self, inputs: Shape, outputs: Shape) -> Floats:
        rising = np.tanh(self.stiffness * (self.radius - distances(inputs, outputs)))
        envelope: Floats = (1 + rising) / np.float32(2)
        return envelope


@dataclass(frozen=True)
class RandomDistance(Distance):
    """The envelope of `Distance` over random normal weights: local, but different from unit to unit.

    The weights of each output unit are scaled to a sum of squares of `peak`, as `glorot` would have
    it for many inputs and few outputs.
    """

    peak: float = 1.0
    stiffness: float = 10.0
    radius: float = 0.25

    def __call__(self, inputs: Shape, outputs: Shape, generator: np.random.Generator) -> Floats:
        """The weights."""
        signs = generator.standard_normal((math.prod(inputs), math.prod(outputs)), np.float32)
        weights = self._envelope(inputs, outputs) * signs
        scale = np.sqrt(np.float32(self.peak) / (weights**2).sum(axis=0))
        scaled: Floats = weights * scale
        return scaled


def glorot(inputs: Shape, outputs: Shape, generator: np.random.Generator) -> Floats:
    """Uniform weights between ±sqrt(6 / (inputs + outputs)).

    Source: Glorot and Bengio (2010), "Understanding the difficulty of training deep feedforward
    neural networks", equation 16.
    """
    limit = math.sqrt(6 / (math.prod(inputs) + math.prod(outputs)))
    return generator.uniform(-limit, limit, (math.prod(inputs), math.prod(outputs))).astype(np.float32)


def he(inputs: Shape, outputs: Shape, generator: np.random.Generator) -> Floats:
    """Normal weights of variance 2 / inputs, made for ReLU.

    Source: He et al. (2015), "Delving Deep into Rectifiers", equation 10.
    """
    deviation = math.sqrt(2 / math.prod(inputs))
    return (deviation * generator.standard_normal((math.prod(inputs), math.prod(outputs)))).astype(np.float32)


def orthogonal(inputs: Shape, outputs: Shape, generator: np.random.Generator) -> Floats:
    """Weights whose shorter side's vectors have length 1 and are at right angles to one another.

    Source: Saxe et al. (2014), "Exact solutions to the nonlinear dynamics of learning in deep linear
    neural networks".
    """
    shape = (math.prod(inputs), math.prod(outputs))
    square, triangle = np.linalg.qr(generator.standard_normal((max(shape), min(shape))))
    # The signs make every such matrix equally probable.
    found = square * np.sign(np.diag(triangle))
    return np.ascontiguousarray(found if shape[0] >= shape[1] else found.T, np.float32)


INITIALISERS: dict[str, Initialiser] = {
    "distance": Distance(),
    "distance-signed": RandomDistance(),
    "glorot": glorot,
    "he": he,
    "orthogonal": orthogonal,
}
"""The initialisers by name, with their defaults."""


def named(initialiser: str | Initialiser) -> Initialiser:
    """The initialiser of this name, or what was given instead of a name.

    Raises:
        ValueError: there is none of this name.
    """
    if not isinstance(initialiser, str):
        return initialiser
    if initialiser not in INITIALISERS:
        raise ValueError(f"there is no initialiser {initialiser!r}: choose one of {', '.join(INITIALISERS)}")
    return INITIALISERS[initialiser]
