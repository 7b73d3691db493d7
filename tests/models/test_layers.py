"""Networks: their gradients are those of their losses."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from quire_models import Dense, Network, Training, TrainingError, kernels
from quire_models.kernels import Floats
from quire_models.optimisers import SGD, Adam

rng = np.random.default_rng(0)


def dense(inputs: int, outputs: int, **settings: Any) -> Dense:
    # A bias that keeps most units alive, and away from the kink of the ReLU.
    weights = (0.5 * rng.standard_normal((inputs, outputs))).astype(np.float32)
    return Dense(weights, np.full(outputs, 0.3, np.float32), **settings)


def tied() -> list[Dense]:
    first = dense(6, 4, noise=0.2, dropout=0.25)
    return [first, first.transposed()]


NETWORKS: dict[str, Callable[[], list[Dense]]] = {
    "one layer": lambda: [dense(6, 6)],
    "identity": lambda: [dense(6, 6, activation="identity")],
    "noise and dropout": lambda: [dense(6, 5, noise=0.3, dropout=0.4), dense(5, 6)],
    "tied": tied,
    "deep": lambda: [dense(6, 7), dense(7, 5, dropout=0.2), dense(5, 6, activation="identity")],
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_gradients_by_finite_differences(kind: str) -> None:
    network = Network(NETWORKS[kind](), batch=8)
    images = rng.random((8, 6)).astype(np.float32)

    def loss() -> float:
        output = network.forward(images, seed=3)
        return kernels.squared_error(output, images, network.output_gradient(8))

    middle = loss()
    network.backward(8)
    gradients = [parameter.gradient.copy() for parameter in network.parameters]
    step, kinks, checked = np.float32(2e-3), 0, 0
    for parameter, gradient in zip(network.parameters, gradients, strict=True):
        for index in np.ndindex(parameter.value.shape):
            kept = parameter.value[index]
            parameter.value[index] = kept + step
            above = (loss() - middle) / float(step)
            parameter.value[index] = kept - step
            below = (middle - loss()) / float(step)
            parameter.value[index] = kept
            checked += 1
            # Where a unit of the ReLU goes off between the two, there is no one slope.
            if abs(above - below) > 0.02:
                kinks += 1
                continue
            assert math.isclose(gradient[index], (above + below) / 2, rel_tol=0.02, abs_tol=1e-3)
    assert kinks < 0.2 * checked


def test_the_gradient_of_cross_entropy() -> None:
    network = Network([dense(6, 4, dropout=0.2), dense(4, 3, activation="identity")], batch=5)
    images, labels = rng.random((5, 6)).astype(np.float32), rng.integers(0, 3, 5)

    def loss() -> float:
        return kernels.cross_entropy(network.forward(images, seed=1), labels, network.output_gradient(5))

    loss()
    network.backward(5)
    bias = network.parameters[-1]
    gradient = bias.gradient.copy()
    for index in range(3):
        bias.value[index] += 1e-2
        above = loss()
        bias.value[index] -= 2e-2
        below = loss()
        bias.value[index] += 1e-2
        assert math.isclose(gradient[index], (above - below) / 2e-2, rel_tol=0.01, abs_tol=1e-3)


def test_tied_weights_stay_tied_until_they_are_untied() -> None:
    first = dense(6, 4)
    back = first.transposed()
    images = rng.random((20, 6)).astype(np.float32)

    def train() -> None:
        network = Network([first, back], batch=10)
        for _ in Training(network, kernels.squared_error, Adam(0.01), images, images, epochs=2, seed=0):
            pass

    train()
    assert np.array_equal(first.weights.T, back.weights)
    assert back.tied_to is first
    back.untie()
    assert back.tied_to is None
    assert np.array_equal(first.weights.T, back.weights)
    train()
    assert not np.allclose(first.weights.T, back.weights)


def test_noise_and_dropout_are_for_training_only() -> None:
    network = Network([dense(6, 4, noise=0.5, dropout=0.5)], batch=4)
    images = rng.random((4, 6)).astype(np.float32)
    quiet = network.forward(images).copy()
    assert np.array_equal(quiet, network.forward(images))
    loud = network.forward(images, seed=1).copy()
    assert not np.allclose(quiet, loud)
    assert np.array_equal(loud, network.forward(images, seed=1))
    assert not np.allclose(loud, network.forward(images, seed=2))


def test_a_smaller_batch_counts_only_its_own() -> None:
    layer = dense(6, 6)
    images = rng.random((3, 6)).astype(np.float32)
    gradients: list[Floats] = []
    for batch in (3, 10):
        network = Network([layer], batch)
        kernels.squared_error(network.forward(images), images, network.output_gradient(3))
        network.backward(3)
        gradients.append(network.parameters[0].gradient.copy())
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dense(np.zeros((2, 3), np.float32), np.zeros(2, np.float32)), "do not fit"),
        (lambda: dense(2, 3, noise=-1), "noise is a standard deviation"),
        (lambda: dense(2, 3, dropout=1), "dropout is a share"),
        (lambda: dense(2, 3, activation="tanh"), "'relu' or 'identity', not 'tanh'"),
        (lambda: dense(2, 3, activation="identity", dropout=0.1), "dropout follows a ReLU"),
        (lambda: Network([dense(2, 3), dense(4, 2)], 1), "a layer of 3 outputs cannot feed one of 4 inputs"),
        (lambda: Network([dense(2, 3)], 0), "1 image or more"),
        (lambda: Adam(0), "rate must be above 0"),
        (lambda: SGD(float("nan")), "rate must be above 0"),
    ],
)
def test_wrong_settings(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_steps_are_counted_and_may_be_stopped() -> None:
    network = Network([dense(4, 4)], batch=4)
    images = rng.random((10, 4)).astype(np.float32)
    steps = Training(network, kernels.squared_error, SGD(0.01), images, images, epochs=3, seed=0)
    first = next(steps)
    assert (first.number, first.total, first.epoch) == (1, 9, 0)
    weights = network.layers[0].weights.copy()
    rest = list(steps)
    assert [step.number for step in rest] == list(range(2, 10))
    assert [step.epoch for step in rest] == [0, 0, 1, 1, 1, 2, 2, 2]
    assert not np.array_equal(weights, network.layers[0].weights)


@pytest.mark.parametrize("optimiser", [lambda: Adam(0.01), lambda: SGD(0.05)])
def test_the_same_seed_gives_the_same_bits(optimiser: Callable[[], Adam | SGD]) -> None:
    images = np.random.default_rng(1).random((50, 6)).astype(np.float32)

    def train(seed: int) -> Floats:
        start = np.random.default_rng(7)
        weights = (0.3 * start.standard_normal((6, 5))).astype(np.float32)
        first = Dense(weights, np.zeros(5, np.float32), noise=0.1, dropout=0.1)
        network = Network([first, first.transposed()], batch=8)
        for _ in Training(network, kernels.squared_error, optimiser(), images, images, epochs=3, seed=seed):
            pass
        return first.weights

    assert np.array_equal(train(1), train(1))
    assert not np.array_equal(train(1), train(2))


def test_training_that_breaks_down_says_where() -> None:
    images = rng.random((8, 4)).astype(np.float32)
    network = Network([dense(4, 3), dense(3, 4)], batch=8)
    steps = Training(network, kernels.squared_error, SGD(0.1), images, images, epochs=9, seed=0)
    next(steps)
    network.layers[1].weights[0, 0] = np.nan
    with pytest.raises(
        TrainingError, match=r"step 2: the output of layer 2 of 2 is not finite; try a smaller"
    ):
        list(steps)
    targets = np.full((8, 4), np.nan, np.float32)
    network = Network([dense(4, 3), dense(3, 4)], batch=8)
    with pytest.raises(TrainingError, match="so the targets are not"):
        list(Training(network, kernels.squared_error, Adam(), images, targets, epochs=1, seed=0))


def test_images_and_targets_must_match() -> None:
    network = Network([dense(4, 4)], batch=4)
    for count, others in [(0, 0), (2, 3)]:
        images, targets = np.zeros((count, 4), np.float32), np.zeros((others, 4), np.float32)
        with pytest.raises(ValueError, match="give a target for each"):
            Training(network, kernels.squared_error, Adam(), images, targets, epochs=1, seed=0)
