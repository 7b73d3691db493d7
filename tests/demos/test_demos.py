"""The demos run, and what they say holds."""

import pytest

from quire.events import Metric, Picture
from quire.testing import Recorder
from tests.demos.modes import ROOT, recorded

MNIST = ROOT.parent / "shared/data/mnist"


def test_hello() -> None:
    recorder = recorded("hello", count=4)
    assert recorder.values == ["10"]
    assert recorder.output == "summing 1 2 3 4\n"


@pytest.fixture(scope="module")
def digits() -> Recorder:
    """The main job, with a third of its epochs."""
    return recorded("mnist", epochs=20)


def test_mnist_shows_what_the_article_showed(digits: Recorder) -> None:
    for heading in ("Layer 1: 8x8 to 6x6", "Layer 2: 6x6 to 4x4", "Tuning them together", "The worst errors"):
        assert heading in digits.headings
    curves = {event.chart for event in digits.events if isinstance(event, Metric)}
    assert len(curves) == 6, "one for each layer, the tuning, both classifiers, and the longer recipe"
    captions = " ".join(figure.caption for figure in digits.figures)
    for caption in ("The first 60 pictures", "The 36 units of layer 1", "The 16 units of layer 2"):
        assert caption in captions


def test_mnist_learns(digits: Recorder) -> None:
    losses = [value for _, value in digits.metric("loss")]
    assert losses[0] > 3 * min(losses)
    frozen, tuned = (float(value) for value in digits.values if value.startswith("0."))
    assert 0.85 < frozen < tuned
    assert tuned > 0.95


def test_mnist_puts_inputs_beside_reconstructions(digits: Recorder) -> None:
    table = next(table for table in digits.tables if table.columns[0].name == "input")
    assert [column.name for column in table.columns][:3] == ["input", "code", "reconstruction"]
    assert len(table.rows) == 10
    assert all(isinstance(cell, Picture) for cell in table.rows[0][:3])


def test_mnist_counts_what_is_taken_for_what(digits: Recorder) -> None:
    table = next(table for table in digits.tables if table.columns[0].name == "true")
    counts = [[int(cell) for cell in row[1:11] if isinstance(cell, int)] for row in table.rows]
    assert sum(map(sum, counts)) == 360
    tuned = float([value for value in digits.values if value.startswith("0.")][1])
    assert sum(counts[i][i] for i in range(10)) / 360 == tuned
    for row, line in zip(counts, table.rows, strict=True):
        assert line[11] == row[int(str(line[0]))] / sum(row), "the accuracy for each class"


def test_mnist_tells_what_recipe_and_room_give(digits: Recorder) -> None:
    table = next(table for table in digits.tables if table.columns[0].name == "network")
    names = [column.name for column in table.columns]
    rows = [dict(zip(names, row, strict=True)) for row in table.rows]
    assert [row["narrowest layer"] for row in rows] == [16, 16, 256]
    assert rows[2]["parameters"] == 64 * 256 + 256 * 256 * 2 + 256 * 10 + 3 * 256 + 10
    for row in rows:
        assert float(str(row["of others"])) == pytest.approx(1 - int(str(row["errors"])) / 360)
    told = next(text for text in digits.texts if text.startswith("The recipe alone takes"))
    assert f"takes {rows[0]['errors']} errors to {rows[1]['errors']};" in told


def test_mnist_says_its_findings_first(digits: Recorder) -> None:
    assert digits.texts[1].startswith("**What came out:** 16 numbers give a picture of\n64 pixels back")


def test_mnist_on_the_real_thing() -> None:
    """An epoch of each phase; five, as the report has them, give 97 % and more."""
    if not MNIST.is_dir():
        pytest.skip(f"MNIST is not at {MNIST}")
    recorder = recorded("mnist", dataset="mnist", data=MNIST, epochs=1, wide=100)
    tuned = float([value for value in recorder.values if value.startswith("0.")][1])
    assert tuned > 0.95


def test_initialisation_compares_what_it_says() -> None:
    recorder = recorded("initialisation", quick=True)
    curves = {event.name for event in recorder.events if isinstance(event, Metric)}
    assert curves == {"distance", "distance-signed", "glorot", "he", "orthogonal"}
    ranks = {str(row[0]): float(str(row[1])) for row in recorder.tables[0].rows}
    assert ranks["distance"] < 6 < 15 < ranks["distance-signed"] < ranks["orthogonal"]
    assert ranks["orthogonal"] > 35.9, "of 36"
    assert recorder.texts[1].startswith("**What came out:** weights by distance alone begin with")
    assert len(recorder.figures) == 10
    for name in curves:
        losses = [value for _, value in recorder.metric(name)]
        assert losses[-1] < losses[0]
