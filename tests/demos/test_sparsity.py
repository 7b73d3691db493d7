"""What dropout does to features: the figures are of the run, and in a sane range."""

import numpy as np
import pytest

from quire import script
from quire.events import Metric, Picture, Table
from quire.testing import Recorder
from tests.demos.modes import ROOT, recorded

DEMO = ROOT / "demos/sparsity.py"


@pytest.fixture(scope="module")
def quick() -> Recorder:
    return recorded("sparsity", quick=True)


def table(recorder: Recorder, column: str) -> Table:
    return next(t for t in recorder.tables if column in [c.name for c in t.columns])


def numbers(recorder: Recorder, column: str) -> list[float]:
    found = table(recorder, column)
    place = [c.name for c in found.columns].index(column)
    return [float(str(row[place])) for row in found.rows]


def test_sparsity_trains_with_and_without_dropout(quick: Recorder) -> None:
    assert quick.state == "done"
    assert quick.headings[1:] == [
        "The networks",
        "What the units stand for",
        "How local, how sparse",
        "How well the codes classify",
    ]
    curves = {event.name for event in quick.events if isinstance(event, Metric)}
    assert curves == {"dropout 0%", "dropout 10%"}


def test_sparsity_shows_units_side_by_side(quick: Recorder) -> None:
    captions = [figure.caption for figure in quick.figures]
    for dropout in ("0%", "10%"):
        assert f"Dropout {dropout}: all 36 and 16 units." in captions
    rows = table(quick, "unit 8").rows
    assert len(rows) == 2
    assert all(isinstance(cell, Picture) for row in rows for cell in row[1:])


def test_sparsity_measures_what_dropout_does(quick: Recorder) -> None:
    without, with_dropout = numbers(quick, "active")
    assert with_dropout < without - 0.1, "dropout makes codes sparse, whatever the seed"
    without, with_dropout = numbers(quick, "sparseness")
    assert without < with_dropout < 1
    for intensity in (1, 10, 100):
        assert all(1 <= pieces <= 16 for pieces in numbers(quick, f"pieces at {intensity}"))
        assert all(0 < radius < 4 for radius in numbers(quick, f"radius at {intensity}"))
    assert all(0.6 < share < 1 for share in numbers(quick, "frozen code"))


def test_sparsity_says_what_its_tables_say(quick: Recorder) -> None:
    finding = next(text for text in quick.texts if text.startswith("**What came out:**"))
    before, after = numbers(quick, "pieces at 10")
    word = "fewer" if after < before else "more"
    assert f"{word} pieces ({after:.1f} instead of {before:.1f}, so in" in finding
    before, after = numbers(quick, "frozen code")
    word = "fewer" if after < before else "more"
    assert f"{word} test pictures ({after:.1%} instead of {before:.1%}, so in" in finding


def test_sparsity_counts_pieces_and_measures_a_radius() -> None:
    demo = script.load(DEMO)
    picture = np.zeros((1, 9, 9), np.float32)
    picture[0, 1, 1] = picture[0, 2, 2] = 1  # these touch at a corner
    picture[0, 7, 2:6] = 0.8
    picture[0, 4, 8] = 0.4  # less than half as bright as the brightest
    assert demo.pieces_of(picture) == [2]
    spread = np.zeros((1, 9, 9), np.float32)
    spread[0, 4, 1] = spread[0, 4, 7] = 5
    assert demo.radius_of(spread) == pytest.approx([3])
    assert demo.sparseness_of(np.array([[1, 1, 1, 1], [0, 9, 0, 0]], np.float32)) == pytest.approx([0, 1])


@pytest.mark.parametrize("name", ["distance", "distance-signed"])
def test_sparsity_begins_with_each_kind_of_weights(name: str) -> None:
    recorder = recorded("sparsity", quick=True, initialiser=name)
    assert recorder.state == "done"
