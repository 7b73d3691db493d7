"""Optimisers, schedules, and what surrounds a step: validation, averages, resuming."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quire_models import (
    KL,
    L1,
    LBFGS,
    SGD,
    Adam,
    AutoencoderClassifier,
    CheckpointError,
    Dataset,
    DenoisingAutoencoder,
    Filters,
    StackedAutoencoder,
    TopK,
    checkpoint,
    schedules,
)

OPTIMISERS: dict[str, Any] = {
    "Adam": Adam(3e-3),
    "AdamW": Adam(3e-3, decay=0.01),
    "Adam with limits": Adam(3e-3, max_norm=2.0, l1=1e-3),
    "SGD": SGD(1.0),
    "Nesterov": SGD(1.0, nesterov=True),
    "L-BFGS": LBFGS(5),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser_learns(name: str, digits: Dataset) -> None:
    batch = 1437 if name == "L-BFGS" else 32
    model = DenoisingAutoencoder(
        25, epochs=12, batch=batch, optimiser=OPTIMISERS[name], noise=0.05, random_state=0
    )
    model.fit(digits.train_images)
    assert -model.score(digits.test_images) < 0.5 * digits.test_images.var(axis=0).mean()


def test_an_optimiser_is_but_its_settings(digits: Dataset) -> None:
    """One object may train two models, one after the other or in turn."""
    adam = Adam(3e-3)
    first, second = (DenoisingAutoencoder(9, epochs=2, optimiser=adam, random_state=0) for _ in range(2))
    assert np.array_equal(
        first.fit(digits.train_images).transform(digits.test_images),
        second.fit(digits.train_images).transform(digits.test_images),
    )
    assert adam == Adam(3e-3)


def test_l1_makes_weights_nothing(digits: Dataset) -> None:
    cases: list[tuple[Any, int]] = [(Adam(3e-3, l1=0.05), 32), (LBFGS(5, l1=1e-4), 1437)]
    for optimiser, batch in cases:
        model = DenoisingAutoencoder(16, epochs=8, batch=batch, optimiser=optimiser, random_state=0)
        weights = model.fit(digits.train_images).pairs[0].encoder.weights
        # The corners of digits are always black, so that nothing holds their weights up.
        assert (weights == 0).mean() > 0.02
        assert -model.score(digits.test_images) < digits.test_images.var(axis=0).mean()


def test_max_norm_holds_after_every_step(digits: Dataset) -> None:
    model = StackedAutoencoder(shape=digits.shape, random_state=0)
    weights = model.grow((5, 5)).encoder.weights
    for _ in model.pretrain(digits.train_images, optimiser=Adam(0.05, max_norm=0.5)):
        assert np.linalg.norm(weights, axis=0).max() <= 0.5 + 1e-5


def test_decay_and_schedules(digits: Dataset) -> None:
    for schedule in (schedules.Cosine(warmup=0.2), schedules.Linear(warmup=0.2), schedules.Exponential(1e-4)):
        factors = [schedule(done) for done in np.linspace(0, 0.999, 200)]
        peak = int(np.argmax(factors))
        assert max(factors) == pytest.approx(1, abs=0.02)
        assert factors[-1] < 0.02
        assert all(a <= b for a, b in itertools.pairwise(factors[: peak + 1]))
        assert all(a >= b for a, b in itertools.pairwise(factors[peak:]))
    sizes = []
    for decay in (0.0, 1.0):
        model = DenoisingAutoencoder(9, epochs=5, optimiser=Adam(3e-3, decay=decay), random_state=0)
        sizes.append(float(np.abs(model.fit(digits.train_images).pairs[0].encoder.weights).mean()))
    assert sizes[1] < 0.9 * sizes[0]


def test_the_rate_follows_its_schedule(digits: Dataset) -> None:
    """With a schedule that is 0 from the middle on, nothing changes from there on."""
    model = StackedAutoencoder(shape=digits.shape, random_state=0)
    weights = model.grow((5, 5)).encoder.weights
    steps = model.pretrain(
        digits.train_images, schedule=lambda done: float(done < 0.5), optimiser=SGD(0.1, momentum=0)
    )
    seen = [weights.copy() for _ in steps]
    half = len(seen) // 2
    assert not np.array_equal(seen[half - 2], seen[half - 1])
    assert np.array_equal(seen[half + 1], seen[-1])


def test_validation_and_early_stopping(digits: Dataset) -> None:
    model = StackedAutoencoder(shape=digits.shape, random_state=0)
    model.grow((6, 6), noise=0.0)
    held = digits.train_images[:200]
    steps = model.pretrain(
        digits.train_images[200:300], epochs=400, batch=50, optimiser=Adam(0.02), validation=held, patience=4
    )
    told = [step.validation for step in steps]
    losses = [loss for loss in told if loss is not None]
    assert told[::2] == [None] * (len(told) // 2), "after each epoch of two steps"
    assert len(losses) < 400, "it stopped early"
    assert losses.index(min(losses)) == len(losses) - 5
    assert -model.score(held) == pytest.approx(min(losses), rel=1e-4), "with the weights of the best epoch"
    fitted = DenoisingAutoencoder(
        30, epochs=300, batch=20, patience=2, noise=0.0, optimiser=Adam(0.02), random_state=0
    )
    assert fitted.fit(digits.train_images[:60]).score(digits.test_images) > -0.2
    with pytest.raises(ValueError, match="leaves one part empty"):
        fitted.fit(digits.train_images[:2])
    with pytest.raises(ValueError, match="needs validation images"):
        model.pretrain(held, patience=3)
    classifier = AutoencoderClassifier(
        StackedAutoencoder((20,), tuning=0), patience=3, epochs=200, optimiser=Adam(0.01), random_state=0
    )
    classifier.fit(digits.train_images, digits.train_labels)
    assert classifier.score(digits.test_images, digits.test_labels) > 0.9


def test_averaged_weights(digits: Dataset) -> None:
    """They are near the last ones, and shake less."""
    scores = []
    for average in (None, 0.95):
        model = DenoisingAutoencoder(
            25, epochs=10, batch=16, optimiser=Adam(0.02), average=average, dropout=0.3, random_state=0
        )
        scores.append(model.fit(digits.train_images).score(digits.test_images))
    assert scores[1] > scores[0]
    with pytest.raises(ValueError, match="average is a share"):
        DenoisingAutoencoder(9, average=1.5).fit(digits.train_images)


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "cross-entropy"},
        {"loss": "cross-entropy", "activation": "sigmoid", "sparsity": KL(1e-3, 0.1)},
        {"corruption": "masking", "noise": 0.25},
        {"corruption": "salt-and-pepper", "noise": 0.1},
        {"sparsity": L1(1e-4)},
        {"sparsity": TopK(12)},
        {"output": "identity"},
        {"initialiser": "orthogonal"},
        {"n_jobs": 1},
    ],
)
def test_settings_of_an_autoencoder(settings: Any, digits: Dataset) -> None:
    model = DenoisingAutoencoder(36, epochs=30, batch=32, optimiser=Adam(5e-3), random_state=0, **settings)
    model.fit(digits.train_images)
    assert -model.score(digits.test_images) < 0.5 * digits.test_images.var(axis=0).mean()
    if settings.get("sparsity") == TopK(12):
        assert (model.transform(digits.test_images) > 0).sum(axis=1).max() <= 12


def test_a_convolutional_pair(digits: Dataset) -> None:
    """Filters over patches, then a dense code; the shapes follow, and it gives digits back."""
    model = StackedAutoencoder(
        (Filters(12, size=3, stride=1), (4, 4)),
        shape=(8, 8),
        epochs=4,
        tuning=12,
        batch=32,
        noise=0.05,
        optimiser=Adam(3e-3),
        random_state=0,
    )
    model.fit(digits.train_images)
    assert [pair.outputs for pair in model.pairs] == [(6, 6, 12), (4, 4)]
    assert -model.score(digits.test_images) < 0.4 * digits.test_images.var(axis=0).mean()
    # A digit that is moved by a pixel has its first code moved by a place.
    moved = np.zeros((1, 8, 8), np.float32)
    moved[:, :, 1:] = digits.test_images[0].reshape(8, 8)[:, :-1]
    first = StackedAutoencoder(shape=(8, 8), random_state=0)
    first.grow(Filters(5, size=3, stride=1))
    here, there = (first.transform(x).reshape(6, 6, 5) for x in (digits.test_images[:1], moved))
    np.testing.assert_allclose(there[:, 1:], here[:, :-1], atol=1e-6)
    with pytest.raises(ValueError, match="filters look at images"):
        StackedAutoencoder((Filters(3),)).fit(digits.train_images)


@pytest.mark.parametrize("stop", [1, 7, 15, 23])
@pytest.mark.parametrize(
    "options",
    [
        {"optimiser": Adam(0.01, decay=0.1)},
        {"optimiser": SGD(0.1, nesterov=True, max_norm=1.0), "schedule": schedules.Cosine()},
        {"optimiser": Adam(0.01), "average": 0.9, "patience": 2},
    ],
)
def test_a_training_that_is_resumed_goes_on_as_if_it_had_not_stopped(
    stop: int, options: Any, digits: Dataset, tmp_path: Path
) -> None:
    images, path = digits.train_images[:230], tmp_path / "training.safetensors"
    held = digits.test_images if "patience" in options else None

    def begin() -> tuple[StackedAutoencoder, Any]:
        model = StackedAutoencoder(shape=digits.shape, random_state=5)
        model.grow((5, 5), noise=0.2, dropout=0.2)
        model.grow((4, 4), noise=0.1, corruption="masking")
        return model, model.tune(images, epochs=3, batch=30, validation=held, **options)

    whole, steps = begin()
    told = [step.loss for step in steps]
    model, steps = begin()
    first = [step.loss for step in itertools.islice(steps, stop)]
    checkpoint.save(model, path, steps)
    again, rest = checkpoint.resume(path, images, validation=held)
    assert first + [step.loss for step in rest] == told
    assert isinstance(again, StackedAutoencoder)
    assert np.array_equal(again.transform(images), whole.transform(images))


def test_a_classifier_is_resumed(digits: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "classifier.safetensors"
    stack = StackedAutoencoder((20,), epochs=1, tuning=0, random_state=0).fit(digits.train_images)
    whole, halved = (AutoencoderClassifier(stack, random_state=0) for _ in range(2))
    for model in (whole, halved):
        model.train_head(digits.train_images, digits.train_labels).finish()
    whole.fine_tune(digits.train_images, digits.train_labels, epochs=2).finish()
    steps = halved.fine_tune(digits.train_images, digits.train_labels, epochs=2)
    for _ in range(9):
        next(steps)
    checkpoint.save(halved, path, steps)
    again, rest = checkpoint.resume(path, digits.train_images, digits.train_labels)
    rest.finish()
    assert isinstance(again, AutoencoderClassifier)
    assert np.array_equal(again.predict_proba(digits.test_images), whole.predict_proba(digits.test_images))
    with pytest.raises(CheckpointError, match="on 1437 images, not 5"):
        checkpoint.resume(path, digits.train_images[:5], digits.train_labels[:5])
    checkpoint.save(halved, path)
    with pytest.raises(CheckpointError, match="holds no training: save it with"):
        checkpoint.resume(path, digits.train_images, digits.train_labels)


@pytest.mark.parametrize(
    "model",
    [
        DenoisingAutoencoder(
            7, epochs=1, sparsity=KL(), activation="sigmoid", loss="cross-entropy", random_state=3
        ),
        StackedAutoencoder(
            (Filters(3, 3), (2, 2)),
            shape=(8, 8),
            epochs=1,
            tuning=1,
            optimiser=Adam(0.01),
            initialiser="distance",
            schedule=schedules.Cosine(0.1),
            tied=True,
            random_state=np.random.default_rng(0),
        ),
    ],
)
def test_a_checkpoint_has_the_whole_configuration(model: Any, digits: Dataset, tmp_path: Path) -> None:
    model.fit(digits.train_images)
    checkpoint.save(model, tmp_path / "model.safetensors")
    again: Any = checkpoint.load(tmp_path / "model.safetensors")
    skipped = {"random_state"}
    mine, other = (
        {k: v for k, v in each.get_params().items() if k not in skipped} for each in (model, again)
    )
    assert mine == other
    assert np.array_equal(again.transform(digits.test_images), model.transform(digits.test_images))
    # It may be trained on: what was tied is tied.
    more = [each.partial_fit(digits.train_images).transform(digits.test_images) for each in (model, again)]
    assert np.array_equal(more[0], more[1])
    model.set_params(initialiser=lambda *shapes: np.zeros(1))
    with pytest.raises(TypeError, match="cannot be written into a checkpoint"):
        checkpoint.save(model, tmp_path / "model.safetensors")
