"""How values, pictures and tables are shown."""

import dataclasses
import io
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import PIL.Image
import polars as pl
import pytest

from quire import NotebookOutput, exporting, open_report
from quire.comparison import Told
from quire.display import show
from quire.events import Failure, Html, Math, Picture, Reference, Table, Text, Value
from quire.images import encode, to_pillow
from quire.tables import grid
from quire.testing import Recorder, record

mpl.use("Agg")
import matplotlib.pyplot as plt

PNG = encode(np.zeros((2, 3), np.uint8), scale=1).data
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 30 20"><script>alert(1)</script></svg>'


def shown(value: object) -> Recorder:
    return record(lambda log: log.code(lambda: value))


def pixels(picture: bytes) -> "np.ndarray[Any, Any]":
    return np.asarray(PIL.Image.open(io.BytesIO(picture)))


@dataclasses.dataclass
class Settings:
    rate: float
    weights: "np.ndarray[Any, Any]"
    name: str = "x"
    secret: str = dataclasses.field(default="hidden", repr=False)


def offering(**methods: object) -> object:
    """An object that offers representations of itself, as notebooks ask for them."""
    return type(
        "Offering", (), {f"_repr_{kind}_": lambda self, content=c: content for kind, c in methods.items()}
    )()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        ("text", "'text'"),
        ("two\nlines", "two\nlines"),
        (np.float64(0.5), "0.5"),
        (np.arange(3), "array([0, 1, 2])"),
        (np.array(["a"] * 20), "<U1 array of shape (20,)\n"),
        (np.array([[1, math.nan]] * 20), "float64 array of shape (20, 2), from 1 to 1, mean 1"),
        (np.full(20, math.inf), "float64 array of shape (20,), 20 not finite"),
        (np.zeros((0, 3)), "array([], shape=(0, 3), dtype=float64)"),
        ({}, "{}"),
        ([{1: 2}], "[{1: 2}]"),
        ({"a": [1, 2]}, "{'a': [1, 2]}"),
        (int, "<class 'int'>"),
        (Settings, "<class 'tests.notebook.test_display.Settings'>"),
    ],
)  # fmt: skip
def test_values_as_text(value: object, text: str) -> None:
    assert shown(value).values[0].startswith(text)


def test_an_address_in_memory_is_left_out() -> None:
    assert shown(object()).values[0] == "<object object>"


def test_a_long_list_fills_its_lines() -> None:
    assert len(shown([1] * 1000).values[0].splitlines()) < 40


def test_none_shows_nothing() -> None:
    assert shown(None).values == []


def test_a_long_value_is_cut() -> None:
    text = shown(list(range(100_000))).values[0]
    assert len(text) < 10_000
    assert "characters left out" in text
    assert text.startswith("[0,")
    assert text.endswith("99999]")


def test_a_value_that_cannot_be_shown_stops_nothing() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    recorder = shown(Broken())
    assert recorder.values == ["<Broken, which could not be shown: RuntimeError: no repr>"]
    assert recorder.state == "done"


def test_dataclasses_and_flat_mappings_are_tables() -> None:
    table = shown(Settings(0.1, np.zeros((20, 20)))).tables[0]
    assert [row[0] for row in table.rows] == ["rate", "weights", "name"]
    assert table.rows[0][1] == 0.1
    assert str(table.rows[1][1]).startswith("float64 array of shape (20, 20)")
    assert shown({"a": 1, "b": np.float32(0.5), "c": None}).tables[0].rows == (
        ("a", 1),
        ("b", 0.5),
        ("c", None),
    )


def test_pictures_and_figures() -> None:
    recorder = shown(PIL.Image.new("RGB", (30, 20), "red"))
    assert (recorder.figures[0].picture.width, recorder.figures[0].picture.height) == (30, 20)
    figure, axes = plt.subplots(figsize=(3, 2))
    axes.plot([1, 2])
    for value in (figure, axes):
        picture = shown(value).figures[0].picture
        assert 200 < picture.width < 400
        assert picture.file.endswith(".png")
    plt.close(figure)


def test_the_same_figure_is_the_same_bytes() -> None:
    def draw() -> bytes:
        figure, axes = plt.subplots()
        axes.plot([1, 2])
        data = encode(figure).data
        plt.close(figure)
        return data

    assert draw() == draw()


def test_representations_that_notebooks_know() -> None:
    assert shown(offering(markdown="**bold**")).blocks(Text)[0].markdown == "**bold**"
    assert shown(offering(latex="$$x^2$$")).blocks(Math)[0].tex == "x^2"
    assert shown(offering(png=PNG)).figures[0].picture.width == 3
    svg = shown(offering(svg=SVG)).figures[0].picture
    assert (svg.width, svg.height, svg.file[-4:]) == (30, 20, ".svg")
    bundle = offering(mimebundle={"text/plain": "plain", "text/markdown": "*best*"}, html="<b>second</b>")
    assert shown(bundle).blocks(Text)[0].markdown == "*best*"
    assert shown(offering(mimebundle=({"text/plain": "plain"}, {}))).values == ["plain"]
    assert shown(offering(mimebundle={"image/png": __import__("base64").b64encode(PNG).decode()})).figures


def test_html_can_do_nothing() -> None:
    html = '<table onclick="x()"><tr><td style="x">1</td></tr></table>\n\n<style>td{}</style><img onerror=y>'
    assert (
        shown(offering(html=html)).blocks(Html)[0].html == "<table><tbody><tr><td>1</td></tr></tbody></table>"
    )
    live = offering(html="<div></div><script>draw()</script>")
    assert shown(live).values[0].startswith("<")
    assert not shown(live).blocks(Html)


def test_an_object_that_answers_everything_is_shown_by_its_repr() -> None:
    class Proxy:
        def __getattr__(self, name: str) -> Callable[[], str]:
            return lambda: "no"

        def __repr__(self) -> str:
            return "proxy"

    assert show(Proxy()) == show_text("proxy")


def show_text(text: str) -> object:
    from quire.display import Plain

    return Plain(text)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[0, 128, 255]], np.uint8), [[0, 128, 255]]),
        (np.array([[0.0, 0.5, 1.0]]), [[0, 128, 255]]),
        (np.array([[-1.0, 0.0, 3.0]]), [[0, 64, 255]]),
        (np.array([[True, False]]), [[255, 0]]),
        (np.array([[7, 7]]), [[0, 0]]),
        (np.array([[0.0, math.nan, 1.0]]), [[[0, 0, 0], [255, 0, 255], [255, 255, 255]]]),
        (np.array([[[0.5], [1.0]]]), [[128, 255]]),
        (np.array([[[0, 0.5, 1]]]), [[[0, 128, 255]]]),
    ],
)
def test_arrays_as_pixels(array: "np.ndarray[Any, Any]", expected: list[Any]) -> None:
    assert np.asarray(to_pillow(array)).tolist() == expected


def test_limits_and_scale() -> None:
    encoded = encode(np.array([[0.0, 5.0, 20.0]]), limits=(0, 10), scale=2)
    assert (encoded.width, encoded.height) == (6, 2)
    assert pixels(encoded.data)[0].tolist() == [0, 0, 128, 128, 255, 255]
    assert encode(np.zeros((8, 8))).width == 128
    assert encode(np.zeros((1000, 2000))).width == 760


@pytest.mark.parametrize("value", [np.zeros(3), np.zeros((2, 3, 5)), np.zeros((0, 2)), b"none", 3])
def test_what_is_no_picture_gets_a_clear_error(value: object) -> None:
    with pytest.raises((TypeError, ValueError), match="picture"):
        record(lambda log: log.image(value))


def test_what_draws_itself_may_be_a_picture(tmp_path: Path) -> None:
    class Drawing:
        def _repr_svg_(self) -> str:
            return "<svg xmlns='http://www.w3.org/2000/svg' width='30' height='20'/>"

    with open_report(tmp_path / "report") as log:
        log.image(Drawing(), "drawn")
    assert 'alt="drawn" width="30" height="20"' in (tmp_path / "report/report.md").read_text()


def test_pictures_from_files(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    recorder = record(lambda log: (log.image(tmp_path / "a.png"), log.image(SVG.encode(), alt="A drawing")))
    assert [figure.picture.file for figure in recorder.figures] == ["etc/figure.png", "etc/figure-2.svg"]
    assert recorder.figures[1].picture.alt == "A drawing"
    with pytest.raises(FileNotFoundError):
        record(lambda log: log.image("nowhere.png"))


FRAME = {"a": [1.5, 2.5], "b": ["x", "y"]}


@pytest.mark.parametrize(
    "data",
    [FRAME, [{"a": 1.5, "b": "x"}, {"a": 2.5, "b": "y"}], pd.DataFrame(FRAME), pl.DataFrame(FRAME)],
    ids=["columns", "rows", "pandas", "polars"],
)
def test_tables_of_every_kind(data: Any) -> None:
    table = record(lambda log: log.table(data, "A *table*", formats={"a": ".1%"})).tables[0]
    assert [(column.name, column.numeric, column.format) for column in table.columns] == [
        ("a", True, ".1%"),
        ("b", False, ""),
    ]
    assert table.rows == ((1.5, "x"), (2.5, "y"))


def test_the_index_of_pandas_is_shown_if_it_says_something() -> None:
    assert grid(pd.DataFrame({"a": [1]}, index=["row"])).rows == (("row", 1),)
    assert grid(pd.DataFrame({"a": [1, 2]})).names == ("a",)
    assert grid(pd.Series([1, 2], index=["x", "y"], name="s")).rows == (("x", 1), ("y", 2))
    many = pd.DataFrame({"a": range(20_000)}, index=range(20_000, 40_000))
    assert (grid(many).rows[0], grid(many).rows[-1], grid(many).length) == (
        (20_000, 0),
        (39_999, 19_999),
        20_000,
    )
    assert grid(pl.Series("s", [1, 2])).rows == ((1,), (2,))
    two = pd.MultiIndex.from_tuples([("a", 1)], names=["x", "y"])
    assert grid(pd.DataFrame({"z": [1]}, index=two)).names == ("x, y", "z")


def test_a_frame_whose_columns_share_a_name_shows_itself(tmp_path: Path) -> None:
    frame = pd.DataFrame([[11, 22]], columns=["u", "u"])
    with open_report(tmp_path / "r") as log:
        log.code(lambda: frame)
        with pytest.raises(ValueError, match="rename"):
            log.table(frame)
    text = (tmp_path / "r/r.md").read_text()
    assert "<td>11</td>" in text
    assert "<td>22</td>" in text


def test_a_table_of_nothing_says_so(tmp_path: Path) -> None:
    with open_report(tmp_path / "r") as log:
        log.table([])
    assert "*Empty.*" in (tmp_path / "r/r.md").read_text()


def test_rows_need_not_be_equal() -> None:
    table = grid([{"a": 1}, {"b": 2, "a": None}])
    assert (table.names, table.rows) == (("a", "b"), ((1, None), (None, 2)))
    assert grid([]).rows == ()
    assert grid({}).rows == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"a": [1], "b": [1, 2]}, "equally long: a has 1, b has 2"),
        ({"a": 1}, "the column 'a' of a table must be a sequence, not a int"),
        ([1], "a row of a table must be a mapping"),
        (3, "a int is no table"),
        (pl.LazyFrame(FRAME), "lazy: collect it"),
    ],
)
def test_what_is_no_table_gets_a_clear_error(data: object, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        record(lambda log: log.table(data))


@pytest.mark.parametrize(
    ("formats", "message"),
    [({"c": ".1%"}, "for the column 'c', but the columns are a, b"), ({"a": "?"}, "is none for numbers")],
)
def test_formats_that_fit_nothing(formats: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        record(lambda log: log.table(FRAME, formats=formats))


def test_cells_may_be_pictures(tmp_path: Path) -> None:
    digits = np.random.default_rng(0).random((2, 8, 8))
    table = record(
        lambda log: log.table(
            {
                "input": digits,
                "image": [PIL.Image.new("L", (200, 100))] * 2,
                "n": np.arange(2),
                "v": [np.arange(2)] * 2,
            }
        )
    ).tables[0]
    first, image, number, vector = table.rows[0]
    assert isinstance(first, Picture)
    assert isinstance(image, Picture)
    assert (first.width, first.height, first.file) == (64, 64, "etc/table-input-1.png")
    assert (image.width, image.height) == (64, 32)
    assert (number, vector) == (0, "[0 1]")
    assert first.alt == "table input 1"


def test_pictures_in_cells_may_be_larger() -> None:
    rows = [{"image": PIL.Image.new("L", (400, 100)), "digit": np.eye(8)}]
    image, digit = record(lambda log: log.table(rows, picture_size=200)).tables[0].rows[0]
    assert isinstance(image, Picture)
    assert isinstance(digit, Picture)
    assert (image.width, image.height) == (200, 50)
    assert 64 < digit.width == digit.height <= 200


def test_cells_may_be_links(tmp_path: Path) -> None:
    rows = [
        {"report": Reference("runs/a b/a.md", "a | <b>")},
        {"report": Reference("javascript:alert(1)", "no link")},
        {"report": Reference("https://example.org/", "a page")},
    ]
    with open_report(tmp_path / "r") as log:
        log.table(rows)
    page = (tmp_path / "r/r.md").read_text()
    assert "| [a \\| &lt;b&gt;](runs/a%20b/a.md) |" in page
    assert "\n| no link |\n" in page
    told = Told(tmp_path / "r", "r").blocks["table"]
    assert isinstance(told, Table)
    assert [row[0] for row in told.rows] == [row["report"] for row in rows], "the record keeps them"
    exporting.write(tmp_path / "r", "r", "html", tmp_path / "r.html")
    html = (tmp_path / "r.html").read_text()
    assert '<a href="https://example.org/" rel="noopener noreferrer">a page</a>' in html
    assert "<td>no link</td>" in html
    assert "a | &lt;b&gt;" in html, "a file that one page does not hold is no link there"


def test_s32_a_long_table_is_shown_in_part_and_kept_whole_without_formulas(tmp_path: Path) -> None:
    rows = [
        {"n": number, "text": text} for number in range(25) for text in ("=1+1", "+1", "-x", "@a", "plain")
    ]
    recorder = Recorder()
    with open_report(tmp_path / "report", backends=[recorder]) as log:
        log.table(rows)
    table = recorder.tables[0]
    assert (len(table.rows), table.left_out, table.gap) == (50, 75, 40)
    lines = (tmp_path / "report" / table.file).read_text().splitlines()
    assert lines[:6] == ["n,text", "0,'=1+1", "0,'+1", "0,'-x", "0,'@a", "0,plain"]
    assert len(lines) == 126
    page = (tmp_path / "report/report.md").read_text()
    assert "*(50 of 125 rows; [all of them](etc/table.csv))*" in page
    assert page.count("| … | … |") == 1


def test_nothing_is_imported_to_show_a_value(tmp_path: Path) -> None:
    """The core needs neither NumPy nor a library of data frames or charts."""
    program = (
        "import sys\nfrom quire import open_report\n"
        "with open_report('report') as log:\n"
        "    log.code(lambda: 1)\n    log.code(lambda: {'a': 1})\n    log.table([{'a': 1}])\n"
        "heavy = {'numpy', 'pandas', 'polars', 'narwhals', 'PIL', 'nh3', 'numba', 'vl_convert'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_metrics_of_every_library() -> None:
    def demo(log: NotebookOutput) -> None:
        for value in (1, np.float32(0.5), np.array(2), np.array([3.0]), None, float("inf"), 2**60, True):
            log.metric("m", 0, value)

    values = [value for _, value in record(demo).metric("m")]
    assert values[:4] == [1.0, 0.5, 2.0, 3.0]
    assert math.isnan(values[4])
    assert values[5:] == [math.inf, float(2**60), 1.0]
    with pytest.raises(TypeError, match="the metric 'm' must be a number, not a str"):
        record(lambda log: log.metric("m", 0, "x"))


def test_a_failure_is_recorded() -> None:
    recorder = Recorder()

    def fail(folder: Path) -> None:
        with open_report(folder, backends=[recorder]) as log, log.code():
            raise KeyError("k")

    import tempfile

    with tempfile.TemporaryDirectory() as folder, pytest.raises(KeyError):
        fail(Path(folder) / "report")
    assert [(f.kind, f.quoted) for f in recorder.blocks(Failure)] == [("KeyError", 'raise KeyError("k")')]
    assert recorder.state == "failed"
    assert isinstance(recorder.failures[0], Failure)
    assert not recorder.blocks(Table)
    assert not recorder.blocks(Value)
