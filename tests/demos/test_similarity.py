"""The neighbours of digits: what the report says of them is what its figures say."""

import numpy as np
import pytest

from quire import script
from quire.events import Table
from quire.testing import Recorder
from tests.demos.modes import ROOT, recorded

DEMO = ROOT / "demos/similarity.py"
MEASURES = ["pixels", "principal components", "first layer's code", "code"]


@pytest.fixture(scope="module")
def report() -> Recorder:
    return recorded("similarity", quick=True)


def column(table: Table, name: str) -> list[float]:
    place = [column.name for column in table.columns].index(name)
    return [float(str(row[place])) for row in table.rows]


def test_similarity_compares_four_measures(report: Recorder) -> None:
    named, disturbed = report.tables
    for table in (named, disturbed):
        assert [row[0] for row in table.rows] == MEASURES
    assert column(named, "numbers") == [64, 25, 36, 25]
    for name in ("by distance", "by angle", "same digit among the nearest"):
        assert all(0.9 < share <= 1 for share in column(named, name)), name
    assert column(disturbed, "as they are") == column(named, "by angle")
    for name in ("noisy", "moved", "turned"):
        assert all(0.2 < share < 0.97 for share in column(disturbed, name)), name


def test_similarity_finds_what_its_table_says(report: Recorder) -> None:
    shares = dict(zip(MEASURES, column(report.tables[0], "by angle"), strict=True))
    told = " ".join(report.texts[1].split())
    assert f"name {shares['code']:.1%} of 360 test pictures rightly" in told
    assert f"by all 64 pixels they name {shares['pixels']:.1%}" in told
    best = max(column(report.tables[1], "moved"))
    ranked = next(text for text in report.texts if text.startswith("What names most pictures"))
    assert f"{best:.1%}; turned" in ranked


def test_similarity_shows_neighbours_and_a_map(report: Recorder) -> None:
    captions = [figure.caption for figure in report.figures]
    assert [caption.partition(",")[0] for caption in captions] == [
        "The first picture of each digit",
        "Twelve pictures: as they are",
        "120 test pictures",
    ]


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        ([1] * 90 + [0] * 10, [1] * 60 + [0] * 40, "The code is better than pixels: 30 are named by code"),
        ([1] * 60 + [0] * 40, [1] * 90 + [0] * 10, "The code is worse than pixels: 0 are named by code"),
        ([1] * 90 + [0] * 10, [1] * 88 + [0] * 12, "no clear difference: 2 are named by code"),
    ],
)
def test_similarity_tells_a_difference_from_chance(ours: list[int], theirs: list[int], told: str) -> None:
    module = script.load(DEMO)
    hits = {"code": np.array(ours, bool), "pixels": np.array(theirs, bool)}
    assert told in module.versus(hits, "pixels")
