"""A classifier on the code of an autoencoder."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self, Unpack

import numpy as np
import numpy.typing as npt

from quire_models import kernels
from quire_models.autoencoder import Autoencoder, split
from quire_models.estimator import Estimator, RandomState, seed_of, unfitted
from quire_models.initialisers import glorot
from quire_models.kernels import Floats, Labels
from quire_models.layers import Dense, run
from quire_models.network import CROSS_ENTROPY, Network
from quire_models.optimisers import Optimiser, State
from quire_models.schedules import Schedule
from quire_models.shapes import Shape
from quire_models.stacked import StackedAutoencoder
from quire_models.training import Options, Training
from quire_models.validation import check_any, check_images, check_targets, indices_of, raise_unfitted


class AutoencoderClassifier(Estimator):
    """A softmax layer on the code of an autoencoder: first on the frozen code, then tuned with it.

    `fit` does it all, and teaches an autoencoder of its own first. Step by step, on an autoencoder
    that has learnt already: `train_head`, then `fine_tune`. The encoder is copied then; the
    autoencoder stays as it is.

    Args:
        autoencoder: the autoencoder; None is `StackedAutoencoder()`.
        pretrained: whether `fit` takes the autoencoder as it has learnt, not a new one like it.
        head_epochs: how many times `fit` goes through the images with the code frozen.
        epochs: how many times it goes through them with the encoder learning too.
        batch: how many images make a step.
        optimiser: how to learn; None is `Adam()`.
        schedule: how the learning rate goes on; see `schedules`.
        average: how much of a running mean of the weights is kept at each step; the mean is taken in
            the end.
        patience: fine-tuning stops after so many epochs in which the loss of images that are held out
            was not the least; None goes on to the end, and holds none out.
        validation_fraction: the share of the images that is held out.
        n_jobs: how many threads there are; None is 1, -1 as many as there are processors.
        random_state: of first weights, noise, dropout and the order of the images; and of the
            autoencoder, unless that has its own.

    Attributes:
        classes_: the labels, sorted.
        encoders_: the layers below the softmax.
        head_: the softmax layer.
    """

    _kind: ClassVar[Literal["transformer", "classifier"]] = "classifier"
    classes_: npt.NDArray[Any]
    encoders_: tuple[Dense, ...] = ()
    head_: Dense
    _shape: Shape | None = None
    _seed: int | None = None
    _trainings = 0
    _memory: State | None = None

    def __init__(
        self,
        autoencoder: Autoencoder | None = None,
        *,
        pretrained: bool = False,
        head_epochs: int = 5,
        epochs: int = 20,
        batch: int = 100,
        optimiser: Optimiser | None = None,
        schedule: Schedule | None = None,
        average: float | None = None,
        patience: int | None = None,
        validation_fraction: float = 0.1,
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.autoencoder = autoencoder
        self.pretrained = pretrained
        self.head_epochs = head_epochs
        self.epochs = epochs
        self.batch = batch
        self.optimiser = optimiser
        self.schedule = schedule
        self.average = average
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.n_jobs = n_jobs
        self.random_state = random_state

    @property
    def n_features_in_(self) -> int:
        """The number of units of an image, once it is known."""
        if not self.encoders_:
            raise AttributeError("n_features_in_ is known once the model has seen an image")
        return self.encoders_[0].inputs

    @property
    def shape(self) -> Shape:
        """The shape of an image."""
        self._fitted()
        return self._shape or (self.n_features_in_,)

    def __sklearn_is_fitted__(self) -> bool:
        """Whether there is something to predict with."""
        return bool(self.encoders_)

    def train_head(
        self, images: npt.ArrayLike, labels: npt.ArrayLike, **options: Unpack[Options]
    ) -> Training:
        """Trains the softmax layer on the codes as they are: an iterator of steps.

        Args:
            images: shape (images, *shape) or (images, units), from 0 to 1.
            labels: shape (images,); the first time they say which classes there are.
            **options: how to train, see `Options`.

        Raises:
            ValueError: images or labels have another shape, a label is unknown, or the autoencoder has
                learnt nothing.
            TrainingError: the loss is no number any more.
        """
        rows, targets = self._begun(images, labels)
        return self._train("train_head", [self.head_], rows, targets, options, self.encoders_)

    def fine_tune(self, images: npt.ArrayLike, labels: npt.ArrayLike, **options: Unpack[Options]) -> Training:
        """Trains encoder and softmax layer together; arguments and errors are those of `train_head`."""
        rows, targets = self._begun(images, labels)
        return self._train("fine_tune", [*self.encoders_, self.head_], rows, targets, options)

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike | None) -> Self:
        """Learns from labelled images, from the beginning.

        Args:
            X: shape (images, *shape) or (images, units), from 0 to 1.
            y: labels of shape (images,): whole numbers or names.

        Raises:
            ValueError: images or labels cannot be used, or there is one class only.
            TrainingError: the loss is no number any more.
        """
        rows, labels, taught = self._taught(X, y, lambda autoencoder, images: autoencoder.fit(images))
        self._take(taught, np.unique(labels))
        if self.head_epochs:
            self.train_head(rows, labels, **self._options(self.head_epochs)).finish()
        if self.epochs:
            options = self._options(self.epochs)
            if self.patience is not None:
                learnt, held = split(len(rows), self.validation_fraction, self._seed or 0)
                options |= {"validation": (rows[held], labels[held]), "patience": self.patience}
                rows, labels = rows[learnt], labels[learnt]
            self.fine_tune(rows, labels, **options).finish()
        return self

    def partial_fit(self, X: npt.ArrayLike, y: npt.ArrayLike, classes: npt.ArrayLike | None = None) -> Self:
        """Goes through these images once; the first time, the autoencoder does before.

        Args:
            X: shape (images, *shape) or (images, units), from 0 to 1.
            y: labels of shape (images,).
            classes: all labels that will come; by default those that come first.

        Raises:
            ValueError: images or labels cannot be used.
            TrainingError: the loss is no number any more.
        """
        if not self.encoders_:
            rows, labels, learnt = self._taught(X, y, lambda coder, images: coder.partial_fit(images))
            self._take(learnt, np.unique(np.asarray(labels if classes is None else classes)))
        rows, targets = self._begun(X, y)
        layers = [*self.encoders_, self.head_]
        training = self._train("fine_tune", layers, rows, targets, self._options(1), state=self._memory)
        training.finish()
        self._memory = training.state
        return self

    def predict_proba(self, X: npt.ArrayLike) -> Floats:
        """The probability of each class: float32 of shape (images, classes), in the order of `classes_`."""
        self._fitted()
        logits = run([*self.encoders_, self.head_], self._checked(X), self.n_jobs)
        probabilities = np.empty_like(logits)
        kernels.softmax(logits, probabilities)
        return probabilities

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """The most probable class: labels of shape (images,)."""
        probabilities = self.predict_proba(X)
        found: npt.NDArray[Any] = self.classes_[np.argmax(probabilities, axis=1)]
        return found

    def score(self, X: npt.ArrayLike, y: npt.ArrayLike) -> float:
        """The share of images whose most probable class is their label."""
        return float((self.predict(X) == np.asarray(y)).mean())

    def _taught(
        self, X: npt.ArrayLike, y: npt.ArrayLike | None, teach: Any
    ) -> tuple[Floats, Any, Autoencoder]:
        """Checked images and labels, and an autoencoder that has learnt from the images or before."""
        name = type(self).__name__
        given = self.autoencoder if self.autoencoder is not None else StackedAutoencoder()
        shape = given.input_shape if self.pretrained or given.shape is not None else None
        rows = check_any(check_images(X, shape, name))
        labels = check_targets(y, len(rows), name)
        self._seed, self._trainings, self._memory = seed_of(self.random_state), 0, None
        if self.pretrained:
            return rows, labels, given
        learning = unfitted(given)
        if learning.random_state is None:
            learning.random_state = self._seed
        teach(learning, rows)
        return rows, labels, learning

    def _take(self, autoencoder: Autoencoder, classes: npt.NDArray[Any]) -> None:
        """Copies the encoders, and puts an untrained softmax layer for `classes` on top."""
        if not autoencoder.pairs:
            raise ValueError("the autoencoder has no layers: grow and train it first")
        if len(classes) < 2:
            raise ValueError(f"a classifier needs 2 classes or more, not {len(classes)} class")
        if self._seed is None:
            self._seed = seed_of(self.random_state)
        units = autoencoder.pairs[-1].encoder.outputs
        weights = glorot((units,), (len(classes),), np.random.default_rng([self._seed, len(classes)]))
        self.head_ = Dense(weights, np.zeros(len(classes), np.float32), "identity")
        self.classes_ = classes
        self._shape = autoencoder.input_shape
        self.encoders_ = tuple(pair.encoder.copy() for pair in autoencoder.pairs)

    def _begun(self, images: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Floats, Labels]:
        """Checked images, and labels as numbers of classes; the first time, takes the autoencoder."""
        name = type(self).__name__
        if not self.encoders_:
            if self.autoencoder is None:
                raise ValueError("there is no autoencoder yet: give one that has learnt, or call fit")
            rows = check_images(images, self.autoencoder.input_shape, name)
            self._take(self.autoencoder, np.unique(check_targets(labels, len(rows), name)))
        rows = self._checked(images)
        return rows, indices_of(check_targets(labels, len(rows), name), self.classes_)

    def _checked(self, images: npt.ArrayLike) -> Floats:
        return check_images(images, self._shape, type(self).__name__)

    def _fitted(self) -> None:
        if not self.encoders_:
            raise_unfitted(type(self).__name__, "call fit, or train_head on an autoencoder that has learnt")

    def _options(self, epochs: int) -> Options:
        return {
            "epochs": epochs,
            "batch": self.batch,
            "optimiser": self.optimiser,
            "schedule": self.schedule,
            "average": self.average,
            "n_jobs": self.n_jobs,
        }

    def _train(
        self,
        phase: str,
        layers: Sequence[Dense],
        rows: Floats,
        targets: Labels,
        options: Options,
        lower: Sequence[Dense] = (),
        state: State | None = None,
    ) -> Training:
        """Trains layers on what the layers below them make of images."""
        options, n_jobs = options.copy(), options.get("n_jobs", self.n_jobs)
        if (validation := options.get("validation")) is not None:
            images, labels = self._begun(*validation)
            options["validation"] = (run(lower, images, n_jobs), labels)
        self._trainings += 1
        network = Network(layers, CROSS_ENTROPY, min(options.get("batch", 100), max(1, len(rows))))
        seed = (self._seed or 0) + 1_000_003 * self._trainings
        rows = run(lower, rows, n_jobs)
        return Training(network, rows, targets, options, seed=seed, phase=phase, state=state)


def confusion_matrix(labels: npt.ArrayLike, predicted: npt.ArrayLike, classes: int) -> npt.NDArray[np.int64]:
    """How many images of each class (rows) were taken for each class (columns).

    Args:
        labels: what they are: whole numbers from 0 to classes - 1, shape (images,).
        predicted: what they were taken for, likewise.
        classes: how many there are.

    Returns:
        int64 of shape (classes, classes).

    Raises:
        ValueError: labels are out of range.
    """
    numbers = np.arange(classes)
    true, taken = (indices_of(np.asarray(each), numbers) for each in (labels, predicted))
    counts: npt.NDArray[np.int64] = np.bincount(true * classes + taken, minlength=classes * classes)
    return counts.reshape(classes, classes)
