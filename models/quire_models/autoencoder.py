"""Autoencoders: pairs of an encoder and its decoder, and what they make of images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self, Unpack

import numpy as np
import numpy.typing as npt

from quire_models.estimator import Estimator, RandomState, seed_of
from quire_models.initialisers import Initialiser, named
from quire_models.kernels import Floats
from quire_models.layers import Activation, Convolution, Corruption, Dense, run
from quire_models.network import BINARY_CROSS_ENTROPY, SQUARED_ERROR, Loss, Network
from quire_models.optimisers import Optimiser, State
from quire_models.schedules import Schedule
from quire_models.shapes import Filters, Shape, check_shape
from quire_models.sparsity import Sparsity
from quire_models.training import Options, Training
from quire_models.validation import check_any, check_images, raise_unfitted

LossName = Literal["squared error", "cross-entropy"]
_LOSSES = {"squared error": SQUARED_ERROR, "cross-entropy": BINARY_CROSS_ENTROPY}


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
    noise: float
    corruption: Corruption
    dropout: float
    activation: Activation
    sparsity: Sparsity | None
    output: Activation | None
    loss: LossName
    initialiser: str | Initialiser
    batch: int
    optimiser: Optimiser | None
    schedule: Schedule | None
    average: float | None
    patience: int | None
    validation_fraction: float
    n_jobs: int | None
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
        shape: int | Shape | Filters,
        *,
        noise: float = 0.1,
        dropout: float = 0.0,
        initialiser: str | Initialiser = "glorot",
        corruption: Corruption = "gaussian",
        activation: Activation = "relu",
        sparsity: Sparsity | None = None,
        output: Activation | None = None,
    ) -> Pair:
        """Puts a pair on top, untrained, whose code has `shape`.

        Args:
            shape: the shape of the new code, or its number of units, or `Filters`.
            noise: how much the pair's input is corrupted: the standard deviation of Gaussian noise,
                where an image is 0 to 1, or the share of the inputs that is struck.
            dropout: the share of the code that is set to 0.
            initialiser: makes the first weights; one of `initialisers`, or its name.
            corruption: `gaussian`, `masking` (inputs are set to 0) or `salt-and-pepper` (to 0 or 1).
            activation: of the code: `relu`, `sigmoid` or `identity`.
            sparsity: what makes few units of the code answer at once, besides dropout.
            output: the activation of the decoder; None is `sigmoid` for the cross-entropy and where the
                code below is `sigmoid`, else `relu`.

        Raises:
            ValueError: the shape of an image is not known, or settings do not fit.
        """
        inputs = self.code_shape
        generator = np.random.default_rng([self._begin(), len(self._pairs)])
        encoder, outputs = _encoder(inputs, shape, named(initialiser), generator)
        encoder.noise, encoder.dropout, encoder.corruption = noise, dropout, corruption
        encoder.activation, encoder.sparsity = activation, sparsity
        encoder.check()
        below = self._pairs[-1].encoder.activation if self._pairs else None
        is_share = below == "sigmoid" or (below is None and self.loss == "cross-entropy")
        decoder = encoder.transposed(activation=output or ("sigmoid" if is_share else "relu"))
        pair = Pair(inputs, outputs, encoder, decoder)
        self._pairs = (*self._pairs, pair)
        return pair

    def pretrain(self, images: npt.ArrayLike, **options: Unpack[Options]) -> Training:
        """Trains the top pair to give back the codes of the pairs below: an iterator of steps.

        Args:
            images: shape (images, *shape) or (images, units), from 0 to 1.
            **options: how to train, see `Options`.

        Raises:
            ValueError: there is no pair, or the images have another shape or are no finite numbers.
            TrainingError: the loss is no number any more, or a layer is dead.
        """
        *below, top = self._required()
        lower = [pair.encoder for pair in below]
        loss = SQUARED_ERROR if below else self._loss()
        return self._train(
            "pretrain", [top.encoder, top.decoder], loss, self._checked(images), options, lower
        )

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
        return run([pair.encoder for pair in pairs], self._checked(X), self.n_jobs)

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
        return run([pair.decoder for pair in reversed(pairs)], codes, self.n_jobs)

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
        images = run([pair.decoder for pair in reversed(pairs)], codes, self.n_jobs)
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
        self,
        phase: str,
        layers: Sequence[Dense],
        loss: Loss,
        images: Floats,
        options: Options,
        lower: Sequence[Dense] = (),
        state: State | None = None,
    ) -> Training:
        """Trains layers to give back what the layers below them make of images."""
        options, n_jobs = options.copy(), options.get("n_jobs", self.n_jobs)
        rows = run(lower, images, n_jobs)
        if (validation := options.get("validation")) is not None:
            others = run(lower, self._checked(validation), n_jobs)
            options["validation"] = (others, others)
        self._trainings += 1
        network = Network(layers, loss, min(options.get("batch", 100), max(1, len(rows))))
        seed = self._begin() + 1_000_003 * self._trainings
        return Training(network, rows, rows, options, seed=seed, phase=phase, state=state)

    def _loss(self) -> Loss:
        if self.loss not in _LOSSES:
            raise ValueError(f"a loss is one of {', '.join(_LOSSES)}, not {self.loss!r}")
        return _LOSSES[self.loss]

    def _grow_as_set(self, shape: int | Shape | Filters) -> None:
        """Grows a pair by the model's own parameters."""
        self.grow(
            shape,
            noise=self.noise,
            dropout=self.dropout,
            initialiser=self.initialiser,
            corruption=self.corruption,
            activation=self.activation,
            sparsity=self.sparsity,
            output=None if self._pairs else self.output,
        )

    def _options(self, epochs: int) -> Options:
        return {
            "epochs": epochs,
            "batch": self.batch,
            "optimiser": self.optimiser,
            "schedule": self.schedule,
            "average": self.average,
            "n_jobs": self.n_jobs,
        }

    def _held_out(self, rows: Floats, options: Options) -> tuple[Floats, Options]:
        """Images to learn from, and options with the others to validate by, if training may stop early."""
        if self.patience is None:
            return rows, options
        learnt, held = split(len(rows), self.validation_fraction, self._begin())
        return rows[learnt], options | {"validation": rows[held], "patience": self.patience}

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


def split(count: int, fraction: float, seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The numbers of images in two parts, at random: to learn from, and to validate by.

    Raises:
        ValueError: one part would be empty.
    """
    held = round(count * fraction)
    if not 0 < held < count:
        raise ValueError(f"validation_fraction {fraction} of {count} images leaves one part empty")
    order = np.random.default_rng([seed, count]).permutation(count)
    return order[held:], order[:held]


def _encoder(
    inputs: Shape, code: int | Shape | Filters, initialiser: Initialiser, generator: np.random.Generator
) -> tuple[Dense, Shape]:
    """An encoder with first weights, and the shape of its code."""
    if not isinstance(code, Filters):
        outputs = check_shape(code)
        return Dense(
            initialiser(inputs, outputs, generator), np.zeros(math.prod(outputs), np.float32)
        ), outputs
    if len(inputs) < 2:
        raise ValueError(f"filters look at images, (height, width[, channels]), not at rows of {inputs[0]}")
    image = (*inputs[:2], math.prod(inputs[2:]))
    # A patch, and all filters in its middle.
    weights = initialiser((code.size, code.size, image[2]), (1, 1, code.count), generator)
    bias = np.zeros(code.count, np.float32)
    layer = Convolution(weights, bias, image=image, size=code.size, stride=code.stride)
    return layer, (*layer.places, code.count)


class DenoisingAutoencoder(Autoencoder):
    """One encoder and its decoder, with the same weights.

    Source: Vincent et al. (2008), "Extracting and Composing Robust Features with Denoising
    Autoencoders".

    Args:
        units: the shape of a code, or its number of units, or `Filters`.
        shape: the shape of an image, (height, width[, channels]); None takes rows of any length.
        noise: the standard deviation of the noise on the input, where an image is 0 to 1, or the share
            of the inputs that is struck.
        corruption: `gaussian`, `masking` (inputs are set to 0) or `salt-and-pepper` (to 0 or 1).
        dropout: the share of the code that is set to 0 in training.
        activation: of the code: `relu`, `sigmoid` or `identity`.
        sparsity: what makes few units of the code answer at once: `L1`, `KL`, `TopK`, or None.
        output: the activation of the decoder; None is what fits the loss: `relu` or `sigmoid`.
        loss: `squared error`, or `cross-entropy` for images that are shares from 0 to 1.
        initialiser: makes the first weights; one of `initialisers`, or its name.
        epochs: how many times `fit` goes through the images.
        batch: how many images make a step.
        optimiser: how to learn; None is `Adam()`.
        schedule: how the learning rate goes on; see `schedules`.
        average: how much of a running mean of the weights is kept at each step; the mean is taken in
            the end.
        patience: training stops after so many epochs in which the loss of images that are held out was
            not the least; None goes on to the end, and holds none out.
        validation_fraction: the share of the images that is held out.
        n_jobs: how many threads there are; None is 1, -1 as many as there are processors.
        random_state: of first weights, noise, dropout and the order of the images.
    """

    def __init__(
        self,
        units: int | Shape | Filters = 100,
        *,
        shape: int | Shape | None = None,
        noise: float = 0.1,
        corruption: Corruption = "gaussian",
        dropout: float = 0.0,
        activation: Activation = "relu",
        sparsity: Sparsity | None = None,
        output: Activation | None = None,
        loss: LossName = "squared error",
        initialiser: str | Initialiser = "glorot",
        epochs: int = 10,
        batch: int = 100,
        optimiser: Optimiser | None = None,
        schedule: Schedule | None = None,
        average: float | None = None,
        patience: int | None = None,
        validation_fraction: float = 0.1,
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.units = units
        self.shape = shape
        self.noise = noise
        self.corruption = corruption
        self.dropout = dropout
        self.activation = activation
        self.sparsity = sparsity
        self.output = output
        self.loss = loss
        self.initialiser = initialiser
        self.epochs = epochs
        self.batch = batch
        self.optimiser = optimiser
        self.schedule = schedule
        self.average = average
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: object = None) -> Self:
        """Learns from images, from the beginning.

        Args:
            X: shape (images, *shape) or (images, units), from 0 to 1.
            y: not used.

        Raises:
            ValueError: the images have another shape, or are no finite numbers.
            TrainingError: the loss is no number any more, or the layer is dead.
        """
        rows, options = self._held_out(self._forget(X), self._options(self.epochs))
        self._grow_as_set(self.units)
        self.pretrain(rows, **options).finish()
        return self

    def partial_fit(self, X: npt.ArrayLike, y: object = None) -> Self:
        """Goes through these images once; arguments and errors are those of `fit`."""
        if self._pairs:
            rows = check_any(self._checked(X))
        else:
            rows = self._forget(X)
            self._grow_as_set(self.units)
        layers = [self._pairs[0].encoder, self._pairs[0].decoder]
        training = self._train("pretrain", layers, self._loss(), rows, self._options(1), state=self._memory)
        training.finish()
        self._memory = training.state
        return self
