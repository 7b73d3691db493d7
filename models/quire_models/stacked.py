"""Stacked sparse denoising autoencoders, grown a layer at a time."""

from collections.abc import Sequence
from typing import Self, Unpack

import numpy.typing as npt

from quire_models.autoencoder import Autoencoder, LossName
from quire_models.estimator import RandomState
from quire_models.initialisers import Initialiser
from quire_models.layers import Activation, Corruption, Dense
from quire_models.optimisers import Optimiser
from quire_models.schedules import Schedule
from quire_models.shapes import Filters, Shape
from quire_models.sparsity import Sparsity
from quire_models.training import Options, Training
from quire_models.validation import check_any


class StackedAutoencoder(Autoencoder):
    """A stack of denoising autoencoders, each of which learns the codes of the one before it.

    `fit` does it all: it grows and pretrains each pair with tied weights, unties them, and tunes all
    together. Step by step: `grow` a pair, `pretrain` it, grow the next one; then `untie` all and
    `tune`.

    Source: Vincent et al. (2010), "Stacked Denoising Autoencoders"; for the order of the parts and the
    growth, A. Charneski, "Autoencoders and Interactive Research Notebooks" (2017).

    Args:
        layers: the codes, the lowest first: the shape of each, or its number of units, or `Filters`.
        shape: the shape of an image, (height, width[, channels]); None takes rows of any length.
        noise: the standard deviation of the noise on each pair's input, where an image is 0 to 1, or
            the share of the inputs that is struck.
        corruption: `gaussian`, `masking` (inputs are set to 0) or `salt-and-pepper` (to 0 or 1).
        dropout: the share of each code that is set to 0 in training.
        activation: of the codes: `relu`, `sigmoid` or `identity`.
        sparsity: what makes few units of a code answer at once: `L1`, `KL`, `TopK`, or None.
        output: the activation of the lowest decoder; None is what fits the loss: `relu` or `sigmoid`.
        loss: `squared error`, or `cross-entropy` for images that are shares from 0 to 1.
        initialiser: makes the first weights; one of `initialisers`, or its name.
        epochs: how many times `fit` goes through the images to pretrain each pair.
        tuning: how many times it goes through them to tune all pairs together.
        tied: whether decoders keep the weights of the encoders when all are tuned.
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
        layers: Sequence[int | Shape | Filters] = (100, 25),
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
        tuning: int = 10,
        tied: bool = False,
        batch: int = 100,
        optimiser: Optimiser | None = None,
        schedule: Schedule | None = None,
        average: float | None = None,
        patience: int | None = None,
        validation_fraction: float = 0.1,
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.layers = layers
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
        self.tuning = tuning
        self.tied = tied
        self.batch = batch
        self.optimiser = optimiser
        self.schedule = schedule
        self.average = average
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.n_jobs = n_jobs
        self.random_state = random_state

    def tune(self, images: npt.ArrayLike, **options: Unpack[Options]) -> Training:
        """Trains all pairs together to give back the images; arguments and errors are those of `pretrain`."""
        self._required()
        return self._train("tune", self._all(), self._loss(), self._checked(images), options)

    def fit(self, X: npt.ArrayLike, y: object = None) -> Self:
        """Learns from images, from the beginning: every pair for itself, then all together.

        Args:
            X: shape (images, *shape) or (images, units), from 0 to 1.
            y: not used.

        Raises:
            ValueError: the images have another shape, or are no finite numbers.
            TrainingError: the loss is no number any more, or a layer is dead.
        """
        rows, options = self._held_out(self._forget(X), self._options(self.epochs))
        self._build(rows, options)
        if self.tuning:
            options["epochs"] = self.tuning
            self.tune(rows, **options).finish()
        return self

    def partial_fit(self, X: npt.ArrayLike, y: object = None) -> Self:
        """Goes through these images once, all pairs together; the first time, through each pair before.

        Arguments and errors are those of `fit`.
        """
        if self._pairs:
            rows = check_any(self._checked(X))
        else:
            rows = self._forget(X)
            self._build(rows, self._options(1))
        training = self._train("tune", self._all(), self._loss(), rows, self._options(1), state=self._memory)
        training.finish()
        self._memory = training.state
        return self

    def _build(self, rows: npt.ArrayLike, options: Options) -> None:
        if not len(self.layers):
            raise ValueError("layers is empty: give the shape of one code at least")
        for shape in self.layers:
            self._grow_as_set(shape)
            self.pretrain(rows, **options).finish()
        if not self.tied:
            self.untie()

    def _all(self) -> list[Dense]:
        return [pair.encoder for pair in self._pairs] + [pair.decoder for pair in reversed(self._pairs)]
