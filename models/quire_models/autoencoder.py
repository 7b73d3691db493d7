"""Stacked sparse denoising autoencoders, grown a layer at a time."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quire_models import kernels
from quire_models.initialisers import Initialiser, glorot
from quire_models.kernels import Floats
from quire_models.layers import Dense, Network
from quire_models.optimisers import Adam, Optimiser
from quire_models.shapes import Shape, check_shape
from quire_models.training import Step, minimise

# As many images as a forward pass outside of training takes at once.
_CHUNK = 1024


@dataclass(eq=False)
class Pair:
    """An encoder and its decoder, with the shapes of what goes in and of the code."""

    inputs: Shape
    outputs: Shape
    encoder: Dense
    decoder: Dense


class StackedAutoencoder:
    """A stack of denoising autoencoders, each of which learns the codes of the one before it.

    A pair of layers is, in order: Gaussian noise on the input, weights, a bias, a ReLU and dropout;
    and back: the transposed weights, a bias and a ReLU. Noise and dropout are there in training only.
    Grow a pair, pretrain it with tied weights, grow the next one; then `untie` all and `tune` them
    together.

    Source: Vincent et al. (2010), "Stacked Denoising Autoencoders"; for the order of the parts and the
    growth, A. Charneski, "Autoencoders and Interactive Research Notebooks" (2017).

    Args:
        shape: the shape of an image: (height, width) or (height, width, channels).
        seed: of first weights, noise, dropout and the order of the images.
    """

    def __init__(self, shape: Shape, *, seed: int = 0) -> None:
        self.shape = check_shape(shape)
        self.seed = seed
        self.pairs: list[Pair] = []
        self._trainings = 0

    @property
    def code_shape(self) -> Shape:
        """The shape of a code: that of the last pair, or of an image if there is none."""
        return self.pairs[-1].outputs if self.pairs else self.shape

    def grow(
        self, shape: Shape, *, noise: float = 0.1, dropout: float = 0.0, initialiser: Initialiser = glorot
    ) -> Pair:
        """Puts a pair on top, untrained, whose code has `shape`.

        Args:
            shape: the shape of the new code.
            noise: the standard deviation of the noise on the pair's input, where an image is 0 to 1.
            dropout: the share of the code that is set to 0.
            initialiser: makes the first weights.
        """
        inputs, outputs = self.code_shape, check_shape(shape)
        weights = initialiser(inputs, outputs, np.random.default_rng([self.seed, len(self.pairs)]))
        encoder = Dense(weights, np.zeros(math.prod(outputs), np.float32), noise=noise, dropout=dropout)
        self.pairs.append(Pair(inputs, outputs, encoder, encoder.transposed()))
        return self.pairs[-1]

    def pretrain(
        self, images: npt.ArrayLike, *, epochs: int = 1, batch: int = 100, optimiser: Optimiser | None = None
    ) -> Iterator[Step]:
        """Trains the top pair to give back the codes of the pairs below, and yields after each step.

        Args:
            images: shape (images, *shape) or (images, units), from 0 to 1.
            epochs: how many times to go through them.
            batch: how many images make a step.
            optimiser: how to learn; by default `Adam`.

        Raises:
            ValueError: there is no pair, or the images have another shape or are no finite numbers.
            TrainingError: the loss is no number any more.
        """
        self._require_pairs()
        codes = self._through([pair.encoder for pair in self.pairs[:-1]], self._checked(images))
        top = self.pairs[-1]
        return self._train([top.encoder, top.decoder], codes, epochs, batch, optimiser)

    def untie(self) -> None:
        """Gives every decoder weights of its own, as they are now."""
        for pair in self.pairs:
            pair.decoder.untie()

    def tune(
        self, images: npt.ArrayLike, *, epochs: int = 1, batch: int = 100, optimiser: Optimiser | None = None
    ) -> Iterator[Step]:
        """Trains all pairs together to give back the images, and yields after each step.

        Arguments and errors are those of `pretrain`.
        """
        self._require_pairs()
        layers = [pair.encoder for pair in self.pairs] + [pair.decoder for pair in reversed(self.pairs)]
        return self._train(layers, self._checked(images), epochs, batch, optimiser)

    def transform(self, images: npt.ArrayLike) -> Floats:
        """The codes of images: float32 of shape (images, units of the code)."""
        return self._through([pair.encoder for pair in self.pairs], self._checked(images))

    def inverse_transform(self, codes: npt.ArrayLike) -> Floats:
        """The images of codes: float32 of shape (images, units of an image)."""
        given = np.ascontiguousarray(codes, np.float32).reshape(len(np.asarray(codes)), -1)
        return self._through([pair.decoder for pair in reversed(self.pairs)], given)

    def reconstruct(self, images: npt.ArrayLike) -> Floats:
        """The images as their codes give them back: float32 of shape (images, units of an image)."""
        return self.inverse_transform(self.transform(images))

    def probe(self, number: int, intensity: float = 1.0) -> Floats:
        """What each unit of the code of pair `number` (from 0) stands for.

        Returns:
            The images of the codes in which one unit has `intensity` and all others 0, less the image
            of the code 0: float32 of shape (units of that code, *shape of an image).
        """
        pairs = self.pairs[: number + 1]
        units = math.prod(pairs[-1].outputs)
        codes = np.concatenate(
            [np.float32(intensity) * np.eye(units, dtype=np.float32), np.zeros((1, units), np.float32)]
        )
        images = self._through([pair.decoder for pair in reversed(pairs)], codes)
        return np.reshape(images[:-1] - images[-1], (units, *self.shape))

    def _train(
        self, layers: Sequence[Dense], images: Floats, epochs: int, batch: int, optimiser: Optimiser | None
    ) -> Iterator[Step]:
        self._trainings += 1
        return minimise(
            Network(layers, min(batch, len(images))),
            kernels.squared_error,
            optimiser or Adam(),
            images,
            images,
            epochs=epochs,
            seed=self.seed + 1_000_003 * self._trainings,
        )

    def _through(self, layers: Sequence[Dense], images: Floats) -> Floats:
        """What the layers make of images, without noise and dropout."""
        if not layers:
            return images
        network = Network(layers, min(_CHUNK, max(1, len(images))))
        parts = [network.forward(images[at : at + _CHUNK]).copy() for at in range(0, len(images), _CHUNK)]
        return np.concatenate(parts) if parts else np.empty((0, layers[-1].outputs), np.float32)

    def _checked(self, images: npt.ArrayLike) -> Floats:
        return check_images(images, self.shape)

    def _require_pairs(self) -> None:
        if not self.pairs:
            raise ValueError("there is nothing to train: grow a pair of layers first")


def check_images(images: npt.ArrayLike, shape: Shape) -> Floats:
    """Images as rows of float32.

    Raises:
        ValueError: they have another shape than `shape`, or hold numbers that are not finite.
    """
    given = np.asarray(images)
    units = math.prod(shape)
    if given.ndim < 2 or given.shape[1:] not in (shape, (units,)):
        wanted = ", ".join(map(str, shape))
        raise ValueError(
            f"images of shape {given.shape} are neither (images, {wanted}) nor (images, {units})"
        )
    rows = np.ascontiguousarray(given.reshape(len(given), units), np.float32)
    if not np.isfinite(rows).all():
        raise ValueError("images hold numbers that are not finite")
    return rows
