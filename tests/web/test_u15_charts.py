"""U15-U19: charts that one can point at, zoom, smooth and keep."""

import math
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from quire.events import Chart, Metric
from tests.web.conftest import Open, until
from tests.web.double import Double

# The view that Vega made, so that a test can ask it where things are.
_KEEP_VIEW = """
    Object.defineProperty(window, "vegaEmbed", { configurable: true, set(embed) {
        Object.defineProperty(window, "vegaEmbed", { value: async (...all) => {
            const made = await embed(...all); window.view = made.view; return made; } }); } });
"""


@pytest.fixture
def chart(double: Double, open_page: Open) -> Page:
    """A page with one chart of two curves, one of them with a gap."""
    double.write(Chart(key="chart", title="Training"))
    for step in range(100):
        noise = 0.2 * (step % 2)
        double.write(Metric(chart="chart", name="loss", step=step, value=1 + noise))
        accuracy = math.nan if step == 40 else step / 100
        double.write(Metric(chart="chart", name="accuracy", step=step, value=accuracy))
    page = open_page(double.url, accept_downloads=True)
    page.add_init_script(_KEEP_VIEW)
    page.reload()
    expect(page.locator("#chart canvas")).to_be_visible()
    until(page, "!!window.view")
    return page


def steps(page: Page) -> list[float]:
    shown: list[float] = page.evaluate("view.scale('x').domain()")
    return shown


def test_u15_pointing_shows_the_values(chart: Page) -> None:
    readout = chart.locator("#chart output")
    chart.locator("#chart canvas").hover(position={"x": 300, "y": 80})
    expect(readout).to_have_text(re.compile(r"step \d+ · loss 1(\.2)? · accuracy 0\.\d+"))
    step = int(readout.inner_text().split()[1])
    assert f"accuracy {step / 100:g}" in readout.inner_text()
    # And the same by keyboard.
    chart.locator("#chart .canvas").focus()
    chart.keyboard.press("ArrowRight")
    expect(readout).to_contain_text(f"step {step + 1} · ")


def test_u16_the_zoom_survives_updates(chart: Page, double: Double) -> None:
    assert steps(chart) == [0, 99]
    chart.get_by_role("button", name="Zoom into Training").click()
    until(chart, "view.scale('x').domain()[1] < 90")
    zoomed = steps(chart)
    for step in range(100, 140):
        double.write(Metric(chart="chart", name="loss", step=step, value=1.0))
    until(chart, "view.data('points').length > 235")
    assert steps(chart) == zoomed
    # Even where the chart is drawn anew.
    double.write(Metric(chart="chart", name="third", step=140, value=0.5))
    expect(chart.locator("#chart figcaption")).to_contain_text("third")
    until(chart, "view.scale('color').domain().length === 3")
    until(chart, "wanted => Math.abs(view.scale('x').domain()[1] - wanted) < 1e-6", zoomed[1])
    assert steps(chart) == pytest.approx(zoomed)
    chart.get_by_role("button", name="Show all of Training").click()
    until(chart, "view.scale('x').domain()[1] === 140")


def test_u16_turning_the_wheel_scrolls_the_page_but_with_a_key(chart: Page) -> None:
    chart.locator("#chart canvas").hover(position={"x": 300, "y": 80})
    chart.mouse.wheel(0, -200)
    chart.wait_for_timeout(100)
    assert steps(chart) == [0, 99]
    chart.keyboard.down("Shift")
    chart.mouse.wheel(0, -200)
    chart.keyboard.up("Shift")
    until(chart, "view.scale('x').domain()[1] < 99")


def test_u17_logarithmic_and_smoothed(chart: Page) -> None:
    assert chart.evaluate("view.scale('y').type") == "linear"
    smoothing = chart.get_by_role("slider", name="Smoothing of Training")
    smoothing.fill("0.9")
    until(chart, "view.data('points').some(row => row.smooth !== row.value)")
    values: dict[str, float] = chart.evaluate(
        "view.data('points').find(row => row.series === 'loss' && row.step === 99)"
    )
    # The raw curve is kept beside the smoothed one, which lies between its extremes.
    assert values["value"] == pytest.approx(1.2)
    assert 1.05 < values["smooth"] < 1.15
    marks: list[str] = chart.evaluate("Object.keys(view.getState({ data: () => true }).data)")
    assert {"layer_0_pathgroup", "layer_1_pathgroup"} <= set(marks)
    chart.get_by_role("combobox", name="Scale of Training").select_option("log")
    until(chart, "view.scale('y').type === 'log'")


def test_the_axis_has_room_for_labels_that_grow(chart: Page, double: Double) -> None:
    before = chart.evaluate("view.origin()[0]")
    double.write(Metric(chart="chart", name="loss", step=100, value=3_000_000.0))
    until(chart, "before => view.origin()[0] > before + 20", before)


def test_u18_what_is_not_finite_is_marked_and_told(chart: Page) -> None:
    assert chart.evaluate("view.data('gaps').map(row => [row.series, row.step])") == [["accuracy", 40]]
    expect(chart.locator("#chart figcaption")).to_contain_text(
        "accuracy from 0 to 0.99 at step 99 (1 not finite)"
    )


def test_u18_curves_are_told_apart_without_their_colours(chart: Page) -> None:
    colours: list[str] = chart.evaluate("view.scale('color').range()")
    assert colours == ["#0072B2", "#D55E00"]
    dashes = chart.evaluate("view.scale('strokeDash').range()")
    assert len({tuple(dash) for dash in dashes}) == 2


def test_u19_a_chart_can_be_kept(chart: Page, tmp_path: Path) -> None:
    kept = {}
    for kind in ("PNG", "SVG", "CSV"):
        with chart.expect_download() as download:
            chart.get_by_role("button", name=f"Download as {kind}: Training").click()
        assert download.value.suggested_filename == f"chart.{kind.lower()}"
        kept[kind] = Path(download.value.path()).read_bytes()
    assert kept["PNG"].startswith(b"\x89PNG")
    assert kept["SVG"].startswith(b"<svg")
    lines = kept["CSV"].decode().splitlines()
    assert lines[0] == "series,step,value"
    assert len(lines) == 201
    assert "accuracy,40,nan" in lines


def test_s32_a_curves_name_is_no_formula_of_a_spreadsheet(double: Double, open_page: Open) -> None:
    double.write(Chart(key="chart", title="Sums"))
    for name in ("=1+1", "+1", "-1", "@x", 'a,"b'):
        double.write(Metric(chart="chart", name=name, step=1, value=1.0))
    page = open_page(double.url)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV: Sums").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[1:] == ["'=1+1,1,1", "'+1,1,1", "'-1,1,1", "'@x,1,1", '"a,""b",1,1']


def test_f14_a_long_curve_is_thinned_with_its_extremes(double: Double, open_page: Open) -> None:
    double.write(Chart(key="chart", title="Long"), Metric(chart="chart", name="loss", step=0, value=1.0))
    page = open_page(double.url)
    page.add_init_script(_KEEP_VIEW)
    page.reload()
    until(page, "!!window.view")
    points = [["loss", step, 99.0 if step == 51_234 else math.sin(step)] for step in range(1, 100_001)]
    for at in range(0, len(points), 5000):
        double.send({"points": {"chart": points[at : at + 5000]}})
    until(page, "view.data('points').at(-1).step === 100000")
    assert page.evaluate("view.data('points').length") <= 4000
    assert page.evaluate("Math.max(...view.data('points').map(row => row.value))") == 99
