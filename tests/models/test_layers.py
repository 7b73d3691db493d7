"""Networks: their gradients are those of their losses, and their steps those of a plain reference."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from quire_models import (
    BINARY_CROSS_ENTROPY,
    CROSS_ENTROPY,
    KL,
    L1,
    SGD,
    SQUARED_ERROR,
    Adam,
    Convolution,
    Dense,
    Loss,
    Network,
    Options,
    TopK,
    Training,
    TrainingError,
)
from quire_models.kernels import Floats
from quire_models.layers import run
from quire_models.network import Targets
from quire_models.team import threads_of
from tests.models import naive

rng = np.random.default_rng(0)


def dense(inputs: int, outputs: int, **settings: Any) -> Dense:
    # A bias that keeps most units alive, and away from the kink of the ReLU.
    weights = (0.5 * rng.standard_normal((inputs, outputs))).astype(np.float32)
    return Dense(weights, np.full(outputs, 0.3, np.float32), **settings)


def convolution(**settings: Any) -> Convolution:
    weights = (0.5 * rng.standard_normal((8, 3))).astype(np.float32)
    return Convolution(weights, np.full(3, 0.3, np.float32), image=(4, 5, 2), size=2, **settings)


def mirrored(*encoders: Dense, output: Any = "relu", untied: bool = False) -> list[Dense]:
    decoders = [each.transposed(activation=output if each is encoders[0] else "relu") for each in encoders]
    for decoder in decoders:
        decoder.bias += np.float32(0.1)
        if untied:
            decoder.untie()
    return [*encoders, *reversed(decoders)]


NETWORKS: dict[str, Callable[[], list[Dense]]] = {
    "one layer": lambda: [dense(6, 6)],
    "identity": lambda: [dense(6, 6, activation="identity")],
    "sigmoid": lambda: [dense(6, 5, activation="sigmoid", dropout=0.2), dense(5, 6, activation="sigmoid")],
    "noise and dropout": lambda: [dense(6, 5, noise=0.3, dropout=0.4), dense(5, 6)],
    "masking": lambda: [dense(6, 5, noise=0.3, corruption="masking"), dense(5, 6)],
    "salt and pepper": lambda: [dense(6, 5), dense(5, 6, noise=0.3, corruption="salt-and-pepper")],
    "tied": lambda: mirrored(dense(6, 4, noise=0.2, dropout=0.25)),
    "tied twice": lambda: mirrored(dense(6, 5, noise=0.2), dense(5, 3, noise=0.1, dropout=0.2)),
    "tied without noise": lambda: mirrored(dense(6, 5), dense(5, 3)),
    "untied": lambda: mirrored(dense(6, 5), dense(5, 3), untied=True),
    "deep": lambda: [dense(6, 7), dense(7, 5, dropout=0.2), dense(5, 6, activation="identity")],
    "L1": lambda: mirrored(dense(6, 5, sparsity=L1(0.05))),
    "KL": lambda: mirrored(dense(6, 5, activation="sigmoid", sparsity=KL(0.1, 0.2))),
    "k-sparse": lambda: mirrored(dense(6, 5, sparsity=TopK(2), dropout=0.2)),
    "convolution": lambda: mirrored(convolution(noise=0.1, dropout=0.2), untied=True),
    "convolution with strides": lambda: mirrored(convolution(stride=2), untied=True),
    "tied convolution": lambda: mirrored(convolution()),
    "convolution and dense": lambda: mirrored(convolution(), dense(36, 5)),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_gradients_by_finite_differences(kind: str) -> None:
    layers = NETWORKS[kind]()
    check_gradients(Network(layers, SQUARED_ERROR, batch=10), None)


@pytest.mark.parametrize("loss", [BINARY_CROSS_ENTROPY, CROSS_ENTROPY])
def test_gradients_of_other_losses(loss: Loss) -> None:
    output = loss.outputs[0]
    layers = [dense(6, 4, dropout=0.2), dense(4, 6, activation=output)]
    check_gradients(Network(layers, loss, batch=10), rng.integers(0, 6, 9) if loss is CROSS_ENTROPY else None)
    if loss is BINARY_CROSS_ENTROPY:
        check_gradients(Network(mirrored(dense(6, 4), output="sigmoid"), loss, batch=10), None)


def check_gradients(network: Network, targets: Targets | None) -> None:
    images = rng.random((9, network.layers[0].inputs)).astype(np.float32)
    targets = images if targets is None else targets
    chosen = np.array([4, 1, 7, 0, 8, 2, 3])

    def loss() -> float:
        return network.evaluate(images, targets, chosen, seed=3)

    middle = loss()
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
            if abs(above - below) > 0.003:
                kinks += 1
                continue
            assert math.isclose(gradient[index], (above + below) / 2, rel_tol=0.02, abs_tol=1.5e-3)
    assert kinks < 0.3 * checked


@pytest.mark.parametrize("threads", [1, 2])
def test_three_steps_are_those_of_a_float64_reference(threads: int) -> None:
    """A tied pair with noise and dropout, Adam, and another batch each time, of which the last is smaller."""
    rows, units, codes, batch = 50, 60, 24, 20
    start = np.random.default_rng(3)
    images = start.random((rows, units)).astype(np.float32)
    weights = (0.2 * start.standard_normal((units, codes))).astype(np.float32)
    encoder = Dense(weights.copy(), np.zeros(codes, np.float32), noise=0.3, dropout=0.5)
    network = Network([encoder, encoder.transposed()], SQUARED_ERROR, batch)
    options: Options = {"optimiser": Adam(0.01), "n_jobs": threads}
    training = Training(network, images, images, options, seed=7)
    found = [step.loss for step in training]
    # The same in float64 and plain words, with the numbers of the twins.
    exact = [weights.astype(float), np.zeros(codes), np.zeros(units)]
    gradients: list[list[Any]] = [[], [], []]
    order, losses = np.random.default_rng([7, 0]).permutation(rows), []
    values = list(exact)
    for number in range(1, 4):
        chosen = order[(number - 1) * batch : number * batch]
        seed = (((7 << 32) + number) << 6) & 0x7FFF_FFFF_FFFF_FFFF
        w, b, c = values
        x, target = naive.gaussian(images, chosen, 0.3, seed), images[chosen].astype(float)
        h = naive.relu_dropout(x @ w, b, 0.5, seed + 1)
        loss, delta = naive.squared_error(h @ w.T, c, 1, target)
        back = naive.activation_gradient(delta @ w, h, 1, 0.5)
        by_b, by_c = naive.column_sums(back), naive.column_sums(delta)
        losses.append(loss)
        for each, gradient in zip(gradients, (x.T @ back + delta.T @ h, by_b, by_c), strict=True):
            each.append(gradient)
        values = [
            naive.adam(first, each, 0.01, 0.9, 0.999, 1e-8)
            for first, each in zip(exact, gradients, strict=True)
        ]
    np.testing.assert_allclose(found, losses, rtol=1e-6)
    for parameter, value in zip(network.parameters, values, strict=True):
        np.testing.assert_allclose(parameter.value, value, atol=1e-6)


def test_tied_weights_stay_tied_until_they_are_untied() -> None:
    first = dense(6, 4)
    back = first.transposed()
    images = rng.random((20, 6)).astype(np.float32)

    def train() -> None:
        network = Network([first, back], SQUARED_ERROR, batch=10)
        Training(network, images, images, {"epochs": 2, "optimiser": Adam(0.01)}).finish()

    train()
    assert np.array_equal(first.weights.T, back.weights)
    assert back.tied_to is first
    back.untie()
    assert back.tied_to is None
    assert np.array_equal(first.weights.T, back.weights)
    train()
    assert not np.allclose(first.weights.T, back.weights)


def test_noise_and_dropout_are_for_training_only() -> None:
    layers = [dense(6, 4, noise=0.5, dropout=0.5), dense(4, 6)]
    network, chosen = Network(layers, SQUARED_ERROR, batch=4), np.arange(4)
    images = rng.random((4, 6)).astype(np.float32)
    quiet = network.evaluate(images, images, chosen)
    assert quiet == network.evaluate(images, images, chosen)
    assert quiet == pytest.approx(float(((run(layers, images) - images) ** 2).mean()), rel=1e-5)
    assert network.mean_loss(images, images) == pytest.approx(quiet)
    loud = network.evaluate(images, images, chosen, seed=1)
    assert quiet != loud
    assert loud == network.evaluate(images, images, chosen, seed=1)
    assert loud != network.evaluate(images, images, chosen, seed=2)


def test_a_smaller_batch_counts_only_its_own() -> None:
    encoder = dense(6, 5, noise=0.2, dropout=0.2)
    images, gradients = rng.random((3, 6)).astype(np.float32), []
    for batch in (3, 10):
        network = Network(mirrored(encoder), SQUARED_ERROR, batch)
        network.evaluate(images, images, np.arange(3), seed=4)
        gradients.append(network.parameters[0].gradient.copy())
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dense(np.zeros((2, 3), np.float32), np.zeros(2, np.float32)), "do not fit"),
        (lambda: dense(2, 3, noise=-1), "noise is a standard deviation"),
        (lambda: dense(2, 3, noise=1, corruption="masking"), "the noise of masking is a share"),
        (lambda: dense(2, 3, corruption="pink"), "a corruption is one of gaussian, masking"),
        (lambda: dense(2, 3, dropout=1), "dropout is a share"),
        (lambda: dense(2, 3, activation="tanh"), "'relu', 'sigmoid' or 'identity', not 'tanh'"),
        (lambda: dense(2, 3, activation="identity", dropout=0.1), "dropout follows a ReLU"),
        (lambda: dense(2, 3, sparsity=KL()), "KL is for codes from 0 to 1"),
        (lambda: KL(target=0), "the target of KL is between 0 and 1"),
        (lambda: L1(-1), "a strength is from 0 up"),
        (lambda: TopK(0), "TopK keeps 1 number or more"),
        (lambda: TopK(10**6), "TopK keeps at most"),
        (lambda: convolution(stride=0), "the stride 0 is not from 1 up"),
        (
            lambda: Convolution(
                np.zeros((18, 1), np.float32), np.zeros(1, np.float32), image=(2, 2, 2), size=3
            ),
            "does not fit into an image",
        ),
        (
            lambda: Network([dense(2, 3), dense(4, 2)], SQUARED_ERROR, 1),
            "a layer of 3 outputs cannot feed one of 4 inputs",
        ),
        (lambda: Network([dense(2, 3)], SQUARED_ERROR, 0), "1 image or more"),
        (lambda: Network([], SQUARED_ERROR, 1), "one layer or more"),
        (lambda: Network([dense(2, 3)], CROSS_ENTROPY, 1), "cross-entropy wants a last layer of identity"),
        (lambda: Network([dense(2, 3, dropout=0.1)], SQUARED_ERROR, 1), "neither dropout nor sparsity"),
        (lambda: Network([dense(2, 3).transposed()], SQUARED_ERROR, 1), "layer 1 is tied to none before it"),
        (lambda: Adam(0), "rate must be above 0"),
        (lambda: SGD(float("nan")), "rate must be above 0"),
        (lambda: Adam(decay=-1), "decay must be from 0 up"),
        (lambda: threads_of(0), "n_jobs is a number of threads"),
    ],
)
def test_wrong_settings(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_steps_are_counted_and_may_be_stopped() -> None:
    network = Network([dense(4, 4)], SQUARED_ERROR, batch=4)
    images = rng.random((10, 4)).astype(np.float32)
    steps = Training(network, images, images, {"epochs": 3, "optimiser": SGD(0.01)})
    first = next(steps)
    assert (first.number, first.total, first.epoch) == (1, 9, 0)
    weights = network.layers[0].weights.copy()
    rest = list(steps)
    assert [step.number for step in rest] == list(range(2, 10))
    assert [step.epoch for step in rest] == [0, 0, 1, 1, 1, 2, 2, 2]
    assert not np.array_equal(weights, network.layers[0].weights)


@pytest.mark.parametrize("optimiser", [Adam(0.01), SGD(0.05), SGD(0.05, nesterov=True, max_norm=1.0)])
def test_the_same_seed_gives_the_same_bits(optimiser: Any) -> None:
    images = np.random.default_rng(1).random((50, 6)).astype(np.float32)

    def train(seed: int) -> Floats:
        start = np.random.default_rng(7)
        weights = (0.3 * start.standard_normal((6, 5))).astype(np.float32)
        first = Dense(weights, np.zeros(5, np.float32), noise=0.1, dropout=0.1)
        network = Network([first, first.transposed()], SQUARED_ERROR, batch=8)
        Training(network, images, images, {"epochs": 3, "optimiser": optimiser}, seed=seed).finish()
        return first.weights

    assert np.array_equal(train(1), train(1))
    assert not np.array_equal(train(1), train(2))


def test_training_that_breaks_down_says_where() -> None:
    images = rng.random((8, 4)).astype(np.float32)
    network = Network([dense(4, 3), dense(3, 4)], SQUARED_ERROR, batch=8)
    steps = Training(network, images, images, {"epochs": 9, "optimiser": SGD(0.1)})
    next(steps)
    network.layers[1].weights[0, 0] = np.nan
    with pytest.raises(
        TrainingError, match=r"step 2: the output of layer 2 of 2 is not finite; try a smaller"
    ):
        list(steps)
    targets = np.full((8, 4), np.nan, np.float32)
    network = Network([dense(4, 3), dense(3, 4)], SQUARED_ERROR, batch=8)
    with pytest.raises(TrainingError, match="the targets are not finite"):
        list(Training(network, images, targets))


def test_a_dead_layer_says_so() -> None:
    images = rng.random((8, 4)).astype(np.float32)
    layers = [dense(4, 5), dense(5, 3), dense(3, 4)]
    layers[1].bias[:] = -100
    steps = Training(Network(layers, SQUARED_ERROR, batch=8), images, images, {"epochs": 150})
    with pytest.raises(
        TrainingError, match=r"layer 2 of 3 is dead at step 100: .* try a smaller learning rate"
    ):
        list(steps)
    assert steps.number == 100


def test_images_and_targets_must_match() -> None:
    network = Network([dense(4, 4)], SQUARED_ERROR, batch=4)
    for count, others in [(0, 0), (2, 3)]:
        images, targets = np.zeros((count, 4), np.float32), np.zeros((others, 4), np.float32)
        with pytest.raises(ValueError, match="give a target for each"):
            Training(network, images, targets)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((4, 4)),
        np.zeros((4, 5), np.float32),
        np.zeros((4, 8), np.float32)[:, ::2],
        np.zeros((4, 2, 2), np.float32),
    ],
)
def test_images_of_another_kind_are_refused_before_they_are_read(images: Any) -> None:
    """A step reads them by their address, and would find what is not theirs."""
    network = Network([dense(4, 4)], SQUARED_ERROR, batch=4)
    with pytest.raises(ValueError, match=r"are float32 of shape \(4, 4\) here, C-contiguous, not"):
        network.evaluate(images, images, np.arange(4))
    logits = Network([dense(4, 4, activation="identity")], CROSS_ENTROPY, batch=4)
    with pytest.raises(ValueError, match=r"are int64 of shape \(4,\) here"):
        logits.evaluate(np.zeros((4, 4), np.float32), np.zeros(4, np.int32), np.arange(4))
