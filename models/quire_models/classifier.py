"""A classifier on the code of an autoencoder."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from quire_models import kernels
from quire_models.autoencoder import StackedAutoencoder, check_images
from quire_models.initialisers import glorot
from quire_models.kernels import Floats, Labels
from quire_models.layers import Dense, Network
from quire_models.optimisers import Adam, Optimiser
from quire_models.training import Step, minimise

_CHUNK = 1024


class AutoencoderClassifier:
    """A softmax layer on the code of an autoencoder: first on the frozen code, then tuned with it.

    The encoder is copied; the autoencoder stays as it is.

    Args:
        autoencoder: a trained stack.
        classes: how many classes there are; labels are 0 to classes - 1.
        seed: of first weights, noise, dropout and the order of the images.

    Raises:
        ValueError: the stack has no layers, or there are fewer than 2 classes.
    """

    def __init__(self, autoencoder: StackedAutoencoder, classes: int, *, seed: int = 0) -> None:
        if not autoencoder.pairs:
            raise ValueError("the autoencoder has no layers: grow and train it first")
        if classes < 2:
            raise ValueError(f"a classifier needs 2 classes or more, not {classes}")
        self.shape = autoencoder.shape
        self.classes = classes
        self.seed = seed
        self.encoders = [
            Dense(d.weights.copy(), d.bias.copy(), d.activation, noise=d.noise, dropout=d.dropout)
            for d in (pair.encoder for pair in autoencoder.pairs)
        ]
        weights = glorot((self.encoders[-1].outputs,), (classes,), np.random.default_rng([seed, classes]))
        self.head = Dense(weights, np.zeros(classes, np.float32), "identity")
        self._trainings = 0

    def train_head(
        self,
        images: npt.ArrayLike,
        labels: npt.ArrayLike,
        *,
        epochs: int = 1,
        batch: int = 100,
        optimiser: Optimiser | None = None,
    ) -> Iterator[Step]:
        """Trains the softmax layer on the codes as they are, and yields after each step.

        Args:
            images: shape (images, *shape) or (images, units), from 0 to 1.
            labels: whole numbers of shape (images,).
            epochs: how many times to go through them.
            batch: how many images make a step.
            optimiser: how to learn; by default `Adam`.

        Raises:
            ValueError: images or labels have another shape, or are out of range.
            TrainingError: the loss is no number any more.
        """
        rows = check_images(images, self.shape)
        codes = _through(Network(self.encoders, min(_CHUNK, max(1, len(rows)))), rows)
        return self._train([self.head], codes, labels, epochs, batch, optimiser)

    def fine_tune(
        self,
        images: npt.ArrayLike,
        labels: npt.ArrayLike,
        *,
        epochs: int = 1,
        batch: int = 100,
        optimiser: Optimiser | None = None,
    ) -> Iterator[Step]:
        """Trains encoder and softmax layer together; arguments and errors are those of `train_head`."""
        rows = check_images(images, self.shape)
        return self._train([*self.encoders, self.head], rows, labels, epochs, batch, optimiser)

    def predict_proba(self, images: npt.ArrayLike) -> Floats:
        """The probability of each class: float32 of shape (images, classes)."""
        rows = check_images(images, self.shape)
        logits = _through(Network([*self.encoders, self.head], min(_CHUNK, max(1, len(rows)))), rows)
        probabilities = np.empty_like(logits)
        kernels.softmax(logits, probabilities)
        return probabilities

    def predict(self, images: npt.ArrayLike) -> Labels:
        """The most probable class: int64 of shape (images,)."""
        found: Labels = np.argmax(self.predict_proba(images), axis=1)
        return found

    def score(self, images: npt.ArrayLike, labels: npt.ArrayLike) -> float:
        """The share of images whose most probable class is their label."""
        return float((self.predict(images) == np.asarray(labels)).mean())

    def _train(
        self,
        layers: list[Dense],
        images: Floats,
        labels: npt.ArrayLike,
        epochs: int,
        batch: int,
        optimiser: Optimiser | None,
    ) -> Iterator[Step]:
        self._trainings += 1
        return minimise(
            Network(layers, min(batch, max(1, len(images)))),
            kernels.cross_entropy,
            optimiser or Adam(),
            images,
            check_labels(labels, self.classes),
            epochs=epochs,
            seed=self.seed + 1_000_003 * self._trainings,
        )


def check_labels(labels: npt.ArrayLike, classes: int) -> Labels:
    """Labels as int64 of shape (images,).

    Raises:
        ValueError: they are no whole numbers from 0 to classes - 1 in one dimension.
    """
    given = np.asarray(labels)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise ValueError(
            f"labels are whole numbers in one dimension, not {given.dtype} of shape {given.shape}"
        )
    if given.size and not 0 <= int(given.min()) <= int(given.max()) < classes:
        raise ValueError(f"labels go from 0 to {classes - 1}, these from {given.min()} to {given.max()}")
    return given.astype(np.int64)


def confusion_matrix(labels: npt.ArrayLike, predicted: npt.ArrayLike, classes: int) -> "np.ndarray[Any, Any]":
    """How many images of each class (rows) were taken for each class (columns): int64 (classes, classes)."""
    true, guessed = check_labels(labels, classes), check_labels(predicted, classes)
    return np.bincount(true * classes + guessed, minlength=classes * classes).reshape(classes, classes)


def _through(network: Network, rows: Floats) -> Floats:
    parts = [network.forward(rows[at : at + _CHUNK]).copy() for at in range(0, len(rows), _CHUNK)]
    return np.concatenate(parts) if parts else np.empty((0, network.layers[-1].outputs), np.float32)
