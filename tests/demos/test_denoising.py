"""One denoising autoencoder: it learns, and its figures are those of a sweep."""

from typing import Any

import pytest

from quire.events import Metadata
from quire.testing import Recorder
from tests.demos.modes import recorded


@pytest.fixture(scope="module")
def run() -> Recorder:
    return recorded("denoising", epochs=8, dropout=0.1, seed=1)


def test_denoising_learns_epoch_by_epoch(run: Recorder) -> None:
    learnt, new = run.metric("learnt"), run.metric("new")
    assert [step for step, _ in learnt] == [step for step, _ in new] == list(range(1, 9))
    assert new[-1][1] < new[0][1] / 2


def test_denoising_shows_its_units_and_what_it_takes_off(run: Recorder) -> None:
    units, digits = run.figures
    assert (units.key, units.picture.width) == ("thumbnail", 318)
    assert "36 units" in units.caption
    assert digits.caption == "New digits; with noise; and what comes back."


def test_denoising_tells_its_figures(run: Recorder) -> None:
    told: dict[str, Any] = {}
    for event in run.events:
        if isinstance(event, Metadata):
            told |= event.fields
    assert 0.85 < told["accuracy"] < 1
    assert told["squared_error"] == pytest.approx(run.metric("new")[-1][1], abs=1e-5)
    finding = next(text for text in run.texts if text.startswith("**What came out:**"))
    assert f"recognises {told['accuracy']:.1%} of them" in finding


def test_denoising_depends_on_its_parameters() -> None:
    first, second = (recorded("denoising", epochs=1, noise=noise).metric("new") for noise in (0.0, 1.0))
    assert first < second
