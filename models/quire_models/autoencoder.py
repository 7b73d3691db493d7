"""Autoencoders: pairs of an encoder and its decoder, and what they make of images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, Unpack

import numpy as np
import numpy.typing as npt

from quire_models import kernels
from quire_models.estimator import Estimator, RandomState, seed_of
from quire_models.initialisers import Initialiser, named
from quire_models.kernels import Floats
from quire_models.layers import Dense, Network, run
from quire_models.optimisers import Adam, Optimiser, State
from quire_models.shapes import Shape, check_shape
from quire_models.training import Options, Training
from quire_models.validation import check_any, check_images, raise_unfitted


@dataclass(eq=False)
class Pair:
    """An encoder and its decoder, with the shapes of what goes in and of the code."""

    inputs: Shape
    outputs: Shape
    encoder: Dense
    decoder: Dense


class Autoencoder(Estimator):
    """What all autoencoders can do: give codes of images, and images of codes.

    A pair of layers is, in order: noise on the input, weights, a bias, a ReLU and dropout; and back:
    the transposed weights, a bias and a ReLU. Noise and dropout are there in training only.
    """

    shape: int | Shape | None
    random_state: RandomState
    # On the class, since a constructor of scikit-learn's kind sets its parameters and nothing else.
    _pairs: tuple[Pair, ...] = ()
    _shape: Shape | None = None
    _seed: int | None = None
    _trainings = 0
    _memory: State | None = None

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs of layers, the lowest first."""
        return self._pairs

    @property
    def input_shape(self) -> Shape:
        """The shape of an image.

        Raises:
            ValueError: it is not known before the first image.
        """
        if self._shape is None:
            if self.shape is None:
                raise ValueError(
                    "the shape of an image is not known yet: make the model with shape=, or fit it"
                )
            self._shape = check_shape(self.shape)
        return self._shape

    @property
    def code_shape(self) -> Shape:
        """The shape of a code: that of the last pair, or of an image if there is none."""
        return self._pairs[-1].outputs if self._pairs else self.input_shape

    @property
    def n_features_in_(self) -> int:
        """The number of units of an image, once it is known."""
        if self._shape is None:
            raise AttributeError("n_features_in_ is known once the model has seen an image")
        return math.prod(self._shape)

    def __sklearn_is_fitted__(self) -> bool:
        """Whether there is something to transform with."""
        return bool(self._pairs)

    def grow(
        self,
        shape: int | Shape,
        *,
        noise: float = 0.1,
        dropout: float = 0.0,
        initialiser: str | Initialiser = "glorot",
    ) -> Pair:
        """Puts a pair on top, untrained, whose code has `shape`.

        Args:
            shape: the shape of the new code, or its number of units.
            noise: the standard deviation of the noise on the pair's input, where an image is 0 to 1.
            dropout: the share of the code that is set to 0.
            initialiser: makes the first weights; one of `initialisers`, or its name.
        """
        inputs, outputs = self.code_shape, check_shape(shape)
        weights = named(initialiser)(
            inputs, outputs, np.random.default_rng([self._begin(), len(self._pairs)])
        )
        encoder = Dense(weights, np.zeros(math.prod(outputs), np.float32), noise=noise, dropout=dropout)
        pair = Pair(inputs, outputs, encoder, encoder.transposed())
        self._pairs = (*self._pairs, pair)
        return pair

    def pretrain(self, images: npt.ArrayLike, **options: Unpack[Options]) -> Training:
        """Trains the top pair to give back the codes of the pairs below: an iterator of steps.

        Args:
            images: shape (images, *shape) or (images, units), from 0 to 1.
            **options: how to train, see `Options`.

        Raises:
            ValueError: there is no pair, or the images have another shape or are no finite numbers.
            TrainingError: the loss is no number any more.
        """
        top = self._required()[-1]
        codes = run([pair.encoder for pair in self._pairs[:-1]], self._checked(images))
        return self._train([top.encoder, top.decoder], codes, options)

    def untie(self) -> None:
        """Gives every decoder weights of its own, as they are now."""
        for pair in self._pairs:
            pair.decoder.untie()

    def transform(self, X: npt.ArrayLike) -> Floats:
        """The codes of images: float32 of shape (images, units of the code).

        Args:
            X: shape (images, *shape) or (images, units).
        """
        pairs = self._fitted()
        return run([pair.encoder for pair in pairs], self._checked(X))

    def fit_transform(self, X: npt.ArrayLike, y: object = None) -> Floats:
        """Fits to images and gives their codes, as `fit` and `transform` do."""
        return self.fit(X).transform(X)

    def inverse_transform(self, X: npt.ArrayLike) -> Floats:
        """The images of codes: float32 of shape (images, units of an image).

        Args:
            X: codes of shape (images, *code_shape) or (images, units of the code).
        """
        pairs = self._fitted()
        codes = check_images(X, self.code_shape, type(self).__name__)
        return run([pair.decoder for pair in reversed(pairs)], codes)

    def reconstruct(self, images: npt.ArrayLike) -> Floats:
        """The images as their codes give them back: float32 of shape (images, units of an image)."""
        return self.inverse_transform(self.transform(images))

    def score(self, X: npt.ArrayLike, y: object = None) -> float:
        """Minus the mean squared error of the images' reconstructions, so that more is better."""
        rows = check_any(self._checked(X))
        return -float(((self.reconstruct(rows) - rows) ** 2).mean(dtype=float))

    def probe(self, number: int, intensity: float = 1.0) -> Floats:
        """What each unit of the code of pair `number` (from 0) stands for.

        Returns:
            The images of the codes in which one unit has `intensity` and all others 0, less the image
            of the code 0: float32 of shape (units of that code, *shape of an image).
        """
        pairs = self._pairs[: number + 1]
        units = math.prod(pairs[-1].outputs)
        codes = np.concatenate(
            [np.float32(intensity) * np.eye(units, dtype=np.float32), np.zeros((1, units), np.float32)]
        )
        images = run([pair.decoder for pair in reversed(pairs)], codes)
        return np.reshape(images[:-1] - images[-1], (units, *self.input_shape))

    def fit(self, X: npt.ArrayLike, y: object = None) -> Self:
        """Learns from images, from the beginning."""
        raise NotImplementedError

    def _forget(self, X: npt.ArrayLike) -> Floats:
        """Begins anew, for images like these: float32 of shape (images, units)."""
        shape = None if self.shape is None else check_shape(self.shape)
        rows = check_any(check_images(X, shape, type(self).__name__))
        self._pairs, self._memory, self._trainings = (), None, 0
        self._shape, self._seed = shape or (rows.shape[1],), seed_of(self.random_state)
        return rows

    def _begin(self) -> int:
        if self._seed is None:
            self._seed = seed_of(self.random_state)
        return self._seed

    def _train(
        self, layers: Sequence[Dense], images: Floats, options: Options, state: State | None = None
    ) -> Training:
        batch, epochs = options.get("batch", 100), options.get("epochs", 1)
        self._trainings += 1
        return Training(
            Network(layers, min(batch, max(1, len(images)))),
            kernels.squared_error,
            options.get("optimiser") or Adam(),
            images,
            images,
            epochs=epochs,
            seed=self._begin() + 1_000_003 * self._trainings,
            state=state,
        )

    def _checked(self, images: npt.ArrayLike) -> Floats:
        return check_images(images, self.input_shape, type(self).__name__)

    def _required(self) -> tuple[Pair, ...]:
        if not self._pairs:
            raise ValueError("there is nothing to train: grow a pair of layers first")
        return self._pairs

    def _fitted(self) -> tuple[Pair, ...]:
        if not self._pairs:
            raise_unfitted(type(self).__name__, "call fit, or grow and train its layers")
        return self._pairs


class DenoisingAutoencoder(Autoencoder):
    """One encoder and its decoder, with the same weights.

    Source: Vincent et al. (2008), "Extracting and Composing Robust Features with Denoising
    Autoencoders".

    Args:
        units: the shape of a code, or its number of units.
        shape: the shape of an image, (height, width[, channels]); None takes rows of any length.
        noise: the standard deviation of the noise on the input, where an image is 0 to 1.
        dropout: the share of the code that is set to 0 in training.
        initialiser: makes the first weights; one of `initialisers`, or its name.
        epochs: how many times `fit` goes through the images.
        batch: how many images make a step.
        optimiser: how to learn; None is `Adam()`.
        random_state: of first weights, noise, dropout and the order of the images.
    """

    def __init__(
        self,
        units: int | Shape = 100,
        *,
        shape: int | Shape | None = None,
        noise: float = 0.1,
        dropout: float = 0.0,
        initialiser: str | Initialiser = "glorot",
        epochs: int = 10,
        batch: int = 100,
        optimiser: Optimiser | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.units = units
        self.shape = shape
        self.noise = noise
        self.dropout = dropout
        self.initialiser = initialiser
        self.epochs = epochs
        self.batch = batch
        self.optimiser = optimiser
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: object = None) -> Self:
        """Learns from images, from the beginning.

        Args:
            X: shape (images, *shape) or (images, units), from 0 to 1.
            y: not used.

        Raises:
            ValueError: the images have another shape, or are no finite numbers.
            TrainingError: the loss is no number any more.
        """
        rows = self._forget(X)
        self._grown()
        self.pretrain(rows, epochs=self.epochs, batch=self.batch, optimiser=self.optimiser).finish()
        return self

    def partial_fit(self, X: npt.ArrayLike, y: object = None) -> Self:
        """Goes through these images once; arguments and errors are those of `fit`."""
        rows = check_any(self._checked(X)) if self._pairs else self._forget(X)
        self._grown()
        layers = [self._pairs[0].encoder, self._pairs[0].decoder]
        training = self._train(layers, rows, self._options(1), self._memory)
        training.finish()
        self._memory = training.state
        return self

    def _grown(self) -> None:
        if not self._pairs:
            self.grow(self.units, noise=self.noise, dropout=self.dropout, initialiser=self.initialiser)

    def _options(self, epochs: int) -> Options:
        return {"epochs": epochs, "batch": self.batch, "optimiser": self.optimiser}
