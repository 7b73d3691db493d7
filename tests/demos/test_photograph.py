"""A photograph in tiles: it comes back, and what is said of it is what was measured."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from quire import script
from quire.events import Picture, Table
from quire.testing import Recorder
from tests.demos.modes import ROOT, recorded

DEMO = ROOT / "demos/photograph.py"


@pytest.fixture(scope="module")
def quick() -> Recorder:
    return recorded("photograph", quick=True)


def table(recorder: Recorder, column: str) -> Table:
    return next(t for t in recorder.tables if column in [c.name for c in t.columns])


def test_photograph_grows_tunes_and_rebuilds(quick: Recorder) -> None:
    assert quick.state == "done"
    for heading in ("Layer 1: 10x10x3 to 5x5x3", "Layer 2: 5x5x3 to 3x3x3", "How many bits that takes"):
        assert heading in quick.headings
    captions = [figure.caption for figure in quick.figures]
    assert captions.count("The 9 units of each of the 3 bands of layer 2.") == 2, "before and after tuning"
    assert any(caption.startswith("Rebuilt: ") for caption in captions)
    losses = [value for _, value in quick.metric("loss")]
    assert losses[0] > 2 * losses[-1]


def test_photograph_puts_tiles_beside_rebuilt_ones(quick: Recorder) -> None:
    rows = table(quick, "rebuilt").rows
    assert len(rows) == 8
    assert all(isinstance(cell, Picture) for row in rows for cell in row[:2])


def test_photograph_compares_with_what_is_simpler(quick: Recorder) -> None:
    ratios = {str(row[0]): float(str(row[2])) for row in table(quick, "way").rows}
    assert set(ratios) == {"autoencoder", "PCA", "made smaller"}
    assert all(12 < ratio < 40 for ratio in ratios.values())
    finding = next(text for text in quick.texts if text.startswith("**What came out:**"))
    assert f"PCA with as many ({ratios['PCA']:.1f} dB)" in finding
    assert ("dB less than PCA" in finding) == (ratios["autoencoder"] < ratios["PCA"] - 0.1)


def test_photograph_takes_fewer_bits_the_coarser_it_is(quick: Recorder) -> None:
    rows = table(quick, "levels").rows
    bits = [float(str(row[1])) for row in rows]
    assert bits == sorted(bits, reverse=True)
    assert all(
        0 < each <= 27 * np.log2(levels) / 100
        for each, levels in zip(bits, (256, 64, 32, 16, 8, 4), strict=True)
    )
    assert float(str(rows[0][2])) > float(str(rows[-1][2]))


def test_photograph_cuts_and_joins_any_picture(tmp_path: Path) -> None:
    demo = script.load(DEMO)
    noise = np.random.default_rng(0).integers(0, 256, (47, 913, 3), np.uint8)
    PIL.Image.fromarray(noise).save(tmp_path / "noise.png")
    picture = demo.opened(tmp_path / "noise.png")
    assert picture.shape == (30, 640, 3), "made smaller, and cut to whole tiles"
    assert (demo.joined(demo.cut(picture), picture.shape) == picture).all()
    with pytest.raises(ValueError, match="8x9 pixels holds no tile of 10x10"):
        demo.whole_tiles(noise[:9, :8])
