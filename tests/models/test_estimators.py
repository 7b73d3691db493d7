"""The models keep scikit-learn's conventions: its own checks, and what its users do."""

import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from quire_models import Adam, AutoencoderClassifier, Dataset, DenoisingAutoencoder, StackedAutoencoder

# Small and quick: the checks fit each of them a hundred times, to a few dozen rows.
SMALL = [
    DenoisingAutoencoder(5, epochs=2),
    StackedAutoencoder((5, 3), epochs=2, tuning=2),
    AutoencoderClassifier(
        StackedAutoencoder((20,), epochs=1, tuning=0),
        head_epochs=1,
        epochs=40,
        batch=20,
        optimiser=Adam(0.02),
    ),
]


def checks() -> Iterator[Any]:
    with warnings.catch_warnings():
        # It takes a second and more to import scikit-learn's BaseEstimator, which is why they are none.
        warnings.filterwarnings("ignore", ".* does not inherit from `sklearn.base.BaseEstimator`")
        for model in SMALL:
            for estimator, check in estimator_checks_generator(model, mark="xfail"):
                yield pytest.param(estimator, check, id=_name(model, check))


def _name(model: object, check: Any) -> str:
    details = "-".join(f"{key}={value}" for key, value in check.keywords.items() if key != "name")
    function = getattr(check, "func", check)
    return f"{type(model).__name__}-{getattr(function, 'func', function).__name__}{details and '-' + details}"


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_scikit_learns_own_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def test_the_usual_company_of_estimators(digits: Dataset) -> None:
    """Pipelines, searches, clones, pickles, data frames, names as labels."""
    images, names = 16 * digits.train_images[:400], np.array(list("abcdefghij"))[digits.train_labels[:400]]
    classifier = AutoencoderClassifier(
        StackedAutoencoder((32,), epochs=2, tuning=0), epochs=20, batch=32, random_state=0
    )
    pipeline = make_pipeline(MinMaxScaler(), classifier)
    search = GridSearchCV(pipeline, {"autoencoderclassifier__autoencoder__noise": [0.0, 0.2]}, cv=2)
    search.fit(images, names)
    assert search.best_score_ > 0.8
    assert set(search.predict(16 * digits.test_images)) <= set(names)
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    assert np.array_equal(again.predict(images), search.predict(images))
    twin = clone(classifier)
    assert twin.autoencoder is not classifier.autoencoder
    assert repr(twin) == repr(classifier)
    twin.set_params(autoencoder__noise=0.5, epochs=3)
    assert twin.get_params()["autoencoder__noise"] == 0.5
    assert (twin.epochs, classifier.get_params()["autoencoder__noise"]) == (3, 0.1)
    with pytest.raises(ValueError, match="no parameter 'epoch'"):
        twin.set_params(epoch=3)
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(images)
    assert np.array_equal(
        search.best_estimator_[0].fit_transform(frame), MinMaxScaler().fit_transform(images)
    )


def test_fit_does_what_its_steps_do(digits: Dataset) -> None:
    images = digits.train_images[:300]
    whole = StackedAutoencoder(((5, 5), 8), shape=(8, 8), epochs=2, tuning=3, batch=50, random_state=3).fit(
        images
    )
    steps = StackedAutoencoder(shape=(8, 8), random_state=3)
    for shape in ((5, 5), 8):
        steps.grow(shape)
        steps.pretrain(images, epochs=2, batch=50).finish()
    steps.untie()
    steps.tune(images, epochs=3, batch=50).finish()
    assert np.array_equal(whole.transform(images), steps.transform(images))
    assert whole.score(images) == pytest.approx(-((whole.reconstruct(images) - images) ** 2).mean())
    tied = clone(whole).set_params(tied=True).fit(images)
    assert all(np.array_equal(pair.encoder.weights.T, pair.decoder.weights) for pair in tied.pairs)


@pytest.mark.parametrize(
    "model", [DenoisingAutoencoder(16, random_state=0), StackedAutoencoder((25, 16), random_state=0)]
)
def test_partial_fit_goes_on_learning(model: Any, digits: Dataset) -> None:
    model = clone(model).set_params(batch=32, noise=0.05)
    scores = [
        model.partial_fit(part).score(digits.test_images) for part in np.array_split(digits.train_images, 6)
    ]
    assert scores[-1] > scores[0]
    for _ in range(10):
        model.partial_fit(digits.train_images)
    assert model.score(digits.test_images) > 0.6 * scores[0]


def test_a_classifier_learns_in_parts(digits: Dataset) -> None:
    model = AutoencoderClassifier(StackedAutoencoder((36,)), batch=32, random_state=0)
    order = np.argsort(digits.train_labels[:200], kind="stable")
    model.partial_fit(digits.train_images[order[:20]], digits.train_labels[order[:20]], classes=range(10))
    assert model.classes_.tolist() == list(range(10))
    for _ in range(15):
        model.partial_fit(digits.train_images, digits.train_labels)
    assert model.score(digits.test_images, digits.test_labels) > 0.9


def test_a_classifier_on_an_autoencoder_that_has_learnt(digits: Dataset) -> None:
    stack = StackedAutoencoder((36,), epochs=20, random_state=0).fit(digits.train_images)
    kept = stack.transform(digits.test_images)
    model = AutoencoderClassifier(stack, pretrained=True, head_epochs=30, epochs=0, batch=32, random_state=0)
    model.fit(digits.train_images, digits.train_labels)
    assert model.score(digits.test_images, digits.test_labels) > 0.9
    assert np.array_equal(model.encoders_[0].weights, stack.pairs[0].encoder.weights), "the code was frozen"
    assert np.array_equal(stack.transform(digits.test_images), kept)
