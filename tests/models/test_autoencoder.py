"""Stacks and classifiers learn what they should, and refuse what they cannot use."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from quire_models import (
    AutoencoderClassifier,
    CheckpointError,
    Dataset,
    StackedAutoencoder,
    Step,
    checkpoint,
    confusion_matrix,
    datasets,
    initialisers,
    tile,
)
from quire_models.shapes import distances, positions


@pytest.fixture(scope="module")
def stack(digits: Dataset) -> StackedAutoencoder:
    """Two layers, pretrained and tuned."""
    model = StackedAutoencoder(shape=digits.shape, random_state=1)
    for shape in [(6, 6), (4, 4)]:
        model.grow(shape, noise=0.1, dropout=0.05, initialiser=initialisers.RandomDistance())
        losses(model.pretrain(digits.train_images, epochs=15, batch=32))
    model.untie()
    losses(model.tune(digits.train_images, epochs=15, batch=32))
    return model


def losses(steps: Any) -> list[float]:
    return [step.loss for step in steps if isinstance(step, Step)]


def error_of(model: StackedAutoencoder, images: np.ndarray[Any, Any]) -> float:
    return float(((model.reconstruct(images) - images) ** 2).mean())


@pytest.mark.parametrize("name", initialisers.INITIALISERS)
def test_a_layer_learns_whatever_its_first_weights(name: str, digits: Dataset) -> None:
    model = StackedAutoencoder(shape=digits.shape)
    model.grow((6, 6), initialiser=initialisers.INITIALISERS[name])
    told = losses(model.pretrain(digits.train_images, epochs=20, batch=32))
    assert np.mean(told[-20:]) < 0.3 * np.mean(told[:5])
    assert error_of(model, digits.test_images) < 0.4 * digits.test_images.var(axis=0).mean()


def test_a_stack_gives_images_back(stack: StackedAutoencoder, digits: Dataset) -> None:
    assert error_of(stack, digits.test_images) < 0.35 * digits.test_images.var(axis=0).mean()
    codes = stack.transform(digits.test_images)
    assert codes.shape == (len(digits.test_images), 16)
    assert codes.dtype == np.float32
    assert stack.code_shape == (4, 4)
    again = stack.inverse_transform(codes.reshape(-1, 4, 4))
    assert np.array_equal(again, stack.reconstruct(digits.test_images.reshape(-1, 8, 8)))
    assert stack.transform(digits.test_images[:0]).shape == (0, 16)


def test_growth_and_tuning_leave_what_they_should(digits: Dataset) -> None:
    model = StackedAutoencoder(shape=digits.shape)
    first = model.grow((5, 5))
    losses(model.pretrain(digits.train_images[:100]))
    assert np.array_equal(first.decoder.weights, first.encoder.weights.T)
    kept = first.encoder.weights.copy()
    second = model.grow((3, 3))
    losses(model.pretrain(digits.train_images[:100]))
    assert np.array_equal(first.encoder.weights, kept), "only the newest pair is pretrained"
    top = second.encoder.weights.copy()
    model.untie()
    losses(model.tune(digits.train_images[:100]))
    assert not np.array_equal(first.encoder.weights, kept)
    assert not np.array_equal(second.encoder.weights, top)
    assert not np.array_equal(first.decoder.weights, first.encoder.weights.T)


def test_tied_throughout(digits: Dataset) -> None:
    model = StackedAutoencoder(shape=digits.shape)
    model.grow((5, 5))
    model.grow((3, 3))
    losses(model.tune(digits.train_images[:200]))
    for pair in model.pairs:
        assert np.array_equal(pair.decoder.weights, pair.encoder.weights.T)


def test_what_a_unit_stands_for(stack: StackedAutoencoder) -> None:
    assert stack.probe(0).shape == (36, 8, 8)
    assert stack.probe(1, intensity=2).shape == (16, 8, 8)
    assert np.abs(stack.probe(1)).max() > 0


def test_a_classifier_on_the_code(stack: StackedAutoencoder, digits: Dataset) -> None:
    before = stack.pairs[0].encoder.weights.copy()
    model = AutoencoderClassifier(stack, random_state=0)
    losses(model.train_head(digits.train_images, digits.train_labels, epochs=40, batch=32))
    frozen = model.score(digits.test_images, digits.test_labels)
    assert frozen > 0.85
    losses(model.fine_tune(digits.train_images, digits.train_labels, epochs=40, batch=32))
    assert model.score(digits.test_images, digits.test_labels) > max(0.95, frozen)
    probabilities = model.predict_proba(digits.test_images)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert np.array_equal(stack.pairs[0].encoder.weights, before), "the autoencoder is left as it was"
    table = confusion_matrix(digits.test_labels, model.predict(digits.test_images), 10)
    assert table.sum() == len(digits.test_labels)
    assert np.trace(table) / table.sum() == model.score(digits.test_images, digits.test_labels)


def test_the_same_seed_gives_the_same_model(digits: Dataset) -> None:
    def train(seed: int) -> np.ndarray[Any, Any]:
        model = StackedAutoencoder(shape=digits.shape, random_state=seed)
        model.grow((4, 4), dropout=0.1)
        losses(model.pretrain(digits.train_images[:300], epochs=2))
        return model.transform(digits.test_images)

    assert np.array_equal(train(1), train(1))
    assert not np.array_equal(train(1), train(2))


def test_images_at_other_scales_and_types(stack: StackedAutoencoder, digits: Dataset) -> None:
    doubles = digits.test_images.astype(np.float64)
    assert np.array_equal(stack.transform(doubles), stack.transform(digits.test_images))
    assert np.array_equal(stack.transform(np.asfortranarray(doubles)), stack.transform(doubles))
    # Not to the bit: how BLAS sums a row may depend on how many rows there are.
    np.testing.assert_allclose(
        stack.transform(digits.test_images[::2]), stack.transform(digits.test_images)[::2], atol=1e-5
    )


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda s: StackedAutoencoder(shape=(1, 2, 3, 4)).grow(3), "a shape is"),
        (lambda s: StackedAutoencoder(shape=(8, 0)).grow(3), "a shape is"),
        (lambda s: StackedAutoencoder().grow(3), "the shape of an image is not known yet"),
        (lambda s: StackedAutoencoder(shape=(8, 8)).tune(np.zeros((1, 64))), "grow a pair of layers first"),
        (lambda s: StackedAutoencoder(()).fit(np.zeros((1, 64))), "layers is empty"),
        (lambda s: StackedAutoencoder(random_state=-1).fit(np.zeros((1, 64))), "random_state is a number"),
        (lambda s: s.grow((3, 3), noise=-1), "noise"),
        (lambda s: s.grow((3, 3), initialiser="zeros"), "no initialiser 'zeros': choose one of distance"),
        (
            lambda s: s.transform(np.zeros((2, 65))),
            r"\(2, 65\) are neither \(images, 8, 8\) nor \(images, 64\)",
        ),
        (lambda s: s.transform(np.zeros(64)), "have no rows"),
        (lambda s: s.transform(np.full((1, 64), np.nan)), "not finite"),
        (lambda s: s.inverse_transform(np.zeros((1, 8))), r"neither \(images, 3, 3\) nor \(images, 9\)"),
        (lambda s: s.pretrain(np.zeros((0, 64))), "a target for each of at least one"),
        (lambda s: StackedAutoencoder(shape=(8, 8)).transform(np.zeros((1, 64))), "not fitted yet: call fit"),
        (
            lambda s: AutoencoderClassifier().train_head(np.zeros((2, 64)), [0, 1]),
            "there is no autoencoder yet",
        ),
        (
            lambda s: AutoencoderClassifier(StackedAutoencoder(shape=(8, 8))).train_head(
                np.zeros((2, 64)), [0, 1]
            ),
            "has no layers",
        ),
        (lambda s: AutoencoderClassifier(s).train_head(np.zeros((2, 64)), [1, 1]), "2 classes or more"),
        (lambda s: AutoencoderClassifier(s).fine_tune(np.zeros((2, 64)), [0.5, 1.0]), "whole numbers"),
        (lambda s: AutoencoderClassifier(s).train_head(np.zeros((2, 64)), [0]), "2 images and 1 targets"),
        (lambda s: AutoencoderClassifier(s).predict(np.zeros((2, 64))), "not fitted yet: call fit"),
        (lambda s: confusion_matrix([0, 3], [0, 1], 3), r"labels \[3\] are none of the classes \[0, 1, 2\]"),
        (lambda s: tile(np.zeros((2, 2))), "are not"),
    ],
)
def test_what_cannot_be_used_gets_a_clear_error(
    act: Callable[[StackedAutoencoder], object], message: str, digits: Dataset
) -> None:
    model = StackedAutoencoder(shape=digits.shape)
    model.grow((3, 3))
    with pytest.raises(ValueError, match=message):
        act(model)


def test_positions_and_distances() -> None:
    assert positions((2, 3)).tolist() == [[0, 0], [0, 0.5], [0, 1], [1, 0], [1, 0.5], [1, 1]]
    assert positions((1, 1)).tolist() == [[0.5, 0.5]]
    assert positions((1, 2, 3)).shape == (6, 2)
    apart = distances((2, 2), (1, 1))
    np.testing.assert_allclose(apart, math.sqrt(0.5), rtol=1e-6)
    np.testing.assert_allclose(np.diag(distances((3, 3), (3, 3))), 0)


def test_the_articles_first_weights() -> None:
    """By the formula, at a few places; and what the docstring says of their rank."""
    weights = initialisers.Distance()((28, 28), (10, 10), np.random.default_rng(0))
    assert weights.shape == (784, 100)
    assert weights.dtype == np.float32
    corner = 0.001 * (1 + math.tanh(3 * (0.5 - 0))) / 2
    across = 0.001 * (1 + math.tanh(3 * (0.5 - math.sqrt(2)))) / 2
    np.testing.assert_allclose([weights[0, 0], weights[783, 0]], [corner, across], rtol=1e-5)
    shares = np.linalg.svd(weights.astype(float), compute_uv=False)
    shares /= shares.sum()
    # The effective rank of Roy and Vetterli (2007): the exponential of the entropy of the singular values.
    assert round(math.exp(-(shares * np.log(shares + 1e-30)).sum())) == 5


def test_random_first_weights() -> None:
    generator = np.random.default_rng(0)
    local = initialisers.RandomDistance()((28, 28), (10, 10), generator)
    np.testing.assert_allclose((local**2).sum(axis=0), 1, rtol=1e-4)
    far = distances((28, 28), (10, 10)) > 0.5
    assert (local[far] ** 2).sum() < 0.02 * (local**2).sum()
    glorot = initialisers.glorot((28, 28), (10, 10), generator)
    assert abs(glorot.std() - math.sqrt(2 / 884)) < 0.001
    he = initialisers.he((28, 28), (10, 10), generator)
    assert abs(he.std() - math.sqrt(2 / 784)) < 0.001


def test_tiles() -> None:
    sheet = tile(np.stack([np.full((2, 3), shade) for shade in (0, 0.5, 1)]), columns=2)
    assert sheet.shape == (5, 7)
    assert sheet[:2, :3].max() == 0
    assert (sheet[:2, 4:] == 0.5).all()
    assert sheet[2].min() == 1, "a gap"
    stretched = tile(np.array([[[2.0, 4.0]], [[1.0, 1.0]]]), stretch=True, columns=2, gap=0)
    assert stretched.tolist() == [[0, 1, 0, 0]]
    assert tile(np.zeros((5, 2, 2, 3))).shape == (5, 8, 3)


def test_checkpoints_give_the_model_back(stack: StackedAutoencoder, digits: Dataset, tmp_path: Path) -> None:
    checkpoint.save(stack, tmp_path / "stack.safetensors")
    again = checkpoint.load(tmp_path / "stack.safetensors")
    assert isinstance(again, StackedAutoencoder)
    assert np.array_equal(again.reconstruct(digits.test_images), stack.reconstruct(digits.test_images))
    assert again.get_params() == stack.get_params()
    assert again.code_shape == stack.code_shape
    assert [p.encoder.dropout for p in again.pairs] == [p.encoder.dropout for p in stack.pairs]
    classifier = AutoencoderClassifier(stack)
    losses(classifier.train_head(digits.train_images, digits.train_labels))
    checkpoint.save(classifier, tmp_path / "classifier.safetensors")
    same = checkpoint.load(tmp_path / "classifier.safetensors")
    assert isinstance(same, AutoencoderClassifier)
    assert np.array_equal(
        same.predict_proba(digits.test_images), classifier.predict_proba(digits.test_images)
    )


def test_tied_weights_are_stored_once_and_come_back_tied(tmp_path: Path) -> None:
    model = StackedAutoencoder(shape=(8, 8))
    model.grow((4, 4))
    checkpoint.save(model, tmp_path / "tied.safetensors")
    assert (tmp_path / "tied.safetensors").stat().st_size < 2 * 64 * 16 * 4
    again = checkpoint.load(tmp_path / "tied.safetensors")
    assert isinstance(again, StackedAutoencoder)
    assert again.pairs[0].decoder.tied_to is again.pairs[0].encoder
    assert np.shares_memory(again.pairs[0].decoder.weights, again.pairs[0].encoder.weights)


def test_files_that_are_no_checkpoints(stack: StackedAutoencoder, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(OSError, match=r"x\.safetensors"):
        checkpoint.load(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(CheckpointError, match="is no safetensors file"):
        checkpoint.load(path)
    save_file({"a": np.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="is no checkpoint of these models"):
        checkpoint.load(path)
    checkpoint.save(stack, path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError):
        checkpoint.load(path)
    path.write_bytes(content.replace(b'\\"codes\\"', b'\\"coins\\"'))
    with pytest.raises(CheckpointError, match="do not fit together"):
        checkpoint.load(path)


def test_mnist_with_the_articles_layers(mnist_folder: Path) -> None:
    """784-100-25 and a softmax layer, fine-tuned: two epochs of each, on the real thing."""
    data = datasets.load("mnist", mnist_folder)
    model = StackedAutoencoder(shape=data.shape, random_state=0)
    for shape in [(10, 10), (5, 5)]:
        model.grow(shape, noise=0.1, dropout=0.05, initialiser=initialisers.RandomDistance())
        losses(model.pretrain(data.train_images, epochs=1))
    classifier = AutoencoderClassifier(model, random_state=0)
    losses(classifier.fine_tune(data.train_images, data.train_labels, epochs=2))
    assert classifier.score(data.test_images, data.test_labels) > 0.96
