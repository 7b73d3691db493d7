"""A model that is asked, and whose knobs are turned, while it trains."""

import itertools
import threading
from typing import Any

import numpy as np
import pytest

from quire_models import SGD, Adam, AutoencoderClassifier, Dataset, StackedAutoencoder


@pytest.mark.parametrize("knob", ["noise", "dropout", "rate"])
def test_a_knob_takes_effect_at_the_next_step(knob: str, digits: Dataset) -> None:
    def train(*, turned: bool) -> list[Any]:
        model = StackedAutoencoder(shape=digits.shape, random_state=0)
        pair, adam = model.grow((5, 5), noise=0.0), Adam(1e-3)
        found = []
        for step in model.pretrain(digits.train_images, batch=100, optimiser=adam):
            if turned and step.number == 3:
                setattr(adam if knob == "rate" else pair.encoder, knob, 0.5)
            if turned and step.number == 6:
                setattr(adam if knob == "rate" else pair.encoder, knob, 1e-3 if knob == "rate" else 0.0)
            found.append(pair.encoder.weights.copy())
        return found

    plain, turned = train(turned=False), train(turned=True)
    same = [np.array_equal(a, b) for a, b in zip(plain, turned, strict=True)]
    assert same[:3] == [True] * 3
    assert not any(same[3:])
    assert np.isfinite(turned[-1]).all()


def test_a_rate_of_zero_stops_learning_for_a_while(digits: Dataset) -> None:
    model = StackedAutoencoder(shape=digits.shape, random_state=0)
    weights, sgd = model.grow((5, 5)).encoder.weights, SGD(0.1, momentum=0.0)
    steps = model.pretrain(digits.train_images, epochs=2, optimiser=sgd)
    next(steps)
    sgd.rate = 0.0
    kept = weights.copy()
    next(steps)
    assert np.array_equal(weights, kept)
    sgd.rate = 0.1
    next(steps)
    assert not np.array_equal(weights, kept)


def test_a_model_is_asked_from_other_threads_while_it_trains(digits: Dataset) -> None:
    """Answers have the right shape and finite numbers; training is what it would be if nobody asked."""

    def train(*, asked: bool) -> np.ndarray[Any, Any]:
        stack = StackedAutoencoder(shape=digits.shape, random_state=0)
        stack.grow((6, 6))
        stack.grow((4, 4))
        classifier = AutoencoderClassifier(stack, random_state=0)
        training = classifier.fine_tune(digits.train_images, digits.train_labels, epochs=15, batch=32)
        done, answers, failures = threading.Event(), itertools.count(), []

        def ask() -> None:
            try:
                while not done.is_set():
                    probabilities = classifier.predict_proba(digits.test_images)
                    codes = stack.transform(digits.test_images)
                    back = stack.inverse_transform(codes)
                    assert np.isfinite(back).all()
                    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-4)
                    assert codes.shape == (360, 16)
                    next(answers)
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=ask) for _ in range(3 if asked else 0)]
        for thread in threads:
            thread.start()
        for step in training:
            if step.number % 100 == 0:
                for _ in stack.tune(digits.train_images[:64], batch=32):
                    pass
        while asked and not failures and next(answers) < 3:
            done.wait(0.01)
        done.set()
        for thread in threads:
            thread.join()
        assert failures == []
        return classifier.predict_proba(digits.test_images)

    assert np.array_equal(train(asked=True), train(asked=False))
