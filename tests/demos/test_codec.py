"""The codec: its files are read back by their bytes alone, and the verdict is what the table says."""

import re
from types import ModuleType

import numpy as np
import pytest
import scipy.stats

from quire import script
from quire.events import Table
from quire.testing import Recorder
from tests.demos.modes import ROOT, recorded

DEMO = ROOT / "demos/codec.py"
NAMES = ["autoencoder", "PCA", "JPEG", "WebP"]


@pytest.fixture(scope="module")
def codec() -> ModuleType:
    return script.load(DEMO)


@pytest.fixture(scope="module")
def quick() -> Recorder:
    return recorded("codec", quick=True)


def rates(recorder: Recorder) -> list[Table]:
    return [table for table in recorder.tables if table.columns[-1].name == "best"]


def test_codec_names_the_best_at_each_rate(quick: Recorder) -> None:
    assert quick.state == "done"
    assert len(rates(quick)) == 2, "small pictures, and a photograph"
    for table in rates(quick):
        assert [column.name for column in table.columns] == ["bits per pixel", *NAMES, "best"]
        for row in table.rows:
            found = {name: float(str(cell)) for name, cell in zip(NAMES, row[1:5], strict=True) if cell}
            assert all(5 < ratio < 60 for ratio in found.values())
            assert row[5] == max(found, key=lambda name: found[name])


def test_codec_has_more_for_more_bits(quick: Recorder) -> None:
    for table in rates(quick):
        for column in range(1, 5):
            ratios = [float(str(row[column])) for row in table.rows if row[column]]
            assert ratios == sorted(ratios)


def test_codec_says_first_what_came_out(quick: Recorder) -> None:
    told = " ".join(quick.texts[1].split())
    assert told.startswith("**What came out:** On handwritten digits, the autoencoder")
    lost = [f"{row[0]:g}" for row in rates(quick)[1].rows if row[5] != "autoencoder"]
    on_photograph = told[told.index("On a photograph") :]
    assert lost
    assert set(lost) <= set(re.findall(r"\d+(?:\.\d+)?", on_photograph))


def test_codec_reads_its_file_back_from_the_disk(quick: Recorder) -> None:
    assert re.search(r"^100 pictures of [\d,]+ bytes: \d\d\.\d\d dB$", quick.output, re.MULTILINE)


def test_symbols_come_back_and_cost_about_their_entropy(codec: ModuleType) -> None:
    random = np.random.default_rng(0)
    shares = [np.array([0.9, 0.07, 0.03]), np.full(20, 0.05), np.array([1.0])]
    symbols = np.stack([random.choice(len(share), 4000, p=share) for share in shares], axis=1)
    counts = np.stack([np.bincount(unit, minlength=20) for unit in symbols.T])
    tables = [codec.frequencies(unit) for unit in counts]
    data = codec.packed(symbols, tables)
    assert np.array_equal(codec.unpacked(data, len(symbols), tables), symbols)
    entropy = sum(scipy.stats.entropy(unit, base=2) for unit in counts) * len(symbols) / 8
    assert entropy < len(data) < 1.01 * entropy + 8


def test_a_file_that_was_cut_off_is_told(codec: ModuleType) -> None:
    symbols = np.random.default_rng(0).integers(0, 8, (100, 4))
    tables = [codec.frequencies(np.bincount(unit, minlength=8)) for unit in symbols.T]
    data = codec.packed(symbols, tables)
    with pytest.raises(ValueError, match="it was cut off"):
        codec.unpacked(data[:-20], len(symbols), tables)
    with pytest.raises(ValueError, match="none of this codec's"):
        codec.unpacked(data + b"more", len(symbols), tables)
