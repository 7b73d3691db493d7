"""Clusters of digits: the tables agree with each other, and the words with the tables."""

from types import ModuleType

import numpy as np
import pytest

from quire import script
from quire.events import Table
from quire.testing import Recorder
from tests.demos.modes import ROOT, recorded

DEMO = ROOT / "demos/clusters.py"
WAYS = ["pixels", "principal components", "first layer's code", "code"]


@pytest.fixture(scope="module")
def clusters() -> ModuleType:
    return script.load(DEMO)


@pytest.fixture(scope="module")
def quick() -> Recorder:
    return recorded("clusters", quick=True)


def column(table: Table, name: str) -> list[float]:
    place = [column.name for column in table.columns].index(name)
    return [float(str(row[place])) for row in table.rows]


def test_clusters_compares_four_ways_by_distance_and_angle(quick: Recorder) -> None:
    compared = quick.tables[0]
    assert [row[0] for row in compared.rows] == [way for way in WAYS for _ in range(2)]
    assert [row[2] for row in compared.rows] == ["distance", "angle"] * 4
    assert all(0.1 < rand < 1 for rand in column(compared, "adjusted Rand"))
    assert all(0.1 < share < 1 for share in column(compared, "named rightly"))


def test_clusters_counts_every_picture_once(quick: Recorder) -> None:
    counted = quick.tables[1]
    digits = np.array([column(counted, str(digit)) for digit in range(10)])
    assert digits.sum() == 1437, "all pictures to learn from"
    assert column(counted, "pictures") == digits.sum(axis=0).tolist()
    assert column(counted, "most are") == digits.argmax(axis=0).tolist()
    assert column(counted, "share") == pytest.approx(digits.max(axis=0) / digits.sum(axis=0), abs=0.01)


def test_clusters_says_first_what_came_out(quick: Recorder) -> None:
    told = " ".join(quick.texts[1].split())
    best = max(zip(column(quick.tables[0], "adjusted Rand")[6:], (0, 1), strict=True))[1]
    named = column(quick.tables[0], "named rightly")[6 + best]
    assert told.startswith(f"**What came out:** 10 clusters by code name {named:.1%} of 1,437 pictures")


def test_more_clusters_name_more_pictures(quick: Recorder) -> None:
    for way in WAYS:
        shares = column(quick.tables[2], way)
        assert len(shares) == 4
        assert shares[0] < shares[-1]


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        ([0.5, 0.52, 0.48], [0.3, 0.32, 0.28], "By code they fit the labels better than by pixels"),
        ([0.3, 0.32, 0.28], [0.5, 0.52, 0.48], "By code they fit the labels worse than by pixels"),
        ([0.5, 0.52, 0.48], [0.51, 0.53, 0.49], "they fit the labels about as well, as far as 3 runs tell"),
    ],
)
def test_a_difference_is_told_from_chance(
    clusters: ModuleType, ours: list[float], theirs: list[float], told: str
) -> None:
    def score(rand: list[float]) -> object:
        return clusters.Score(rand, rand, rand, np.zeros(3, np.int64))

    scores = {
        (name, by): score(r)
        for name, r in (("code", ours), ("pixels", theirs))
        for by in ("distance", "angle")
    }
    assert told in clusters.versus(scores, "pixels")


def test_digits_without_a_cluster_are_named(clusters: ModuleType) -> None:
    assert clusters.told_of(np.diag([5, 5, 5])) == "Each digit has a cluster of its own."
    counts = np.array([[9, 0, 1], [8, 1, 0], [0, 1, 9]])
    assert clusters.told_of(counts) == "No cluster is mostly 1; more than one is mostly 0 (2)."
