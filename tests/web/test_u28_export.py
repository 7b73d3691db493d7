"""U28, U30: the report as one file, and what the page costs."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from quire.events import Block, Chart, Closed, Event, Figure, Link, Metric, Opened, Text
from quire.tree import Tree
from quire.web import PageView, assets, export
from tests.web.conftest import SCHEMES, Open, until
from tests.web.double import Double
from tests.web.events import CLOSED, everything, failure, heading, write_picture


def document(events: list[Event], folder: Path, *, state: str = "") -> str:
    """The one file that these events make, their files beside it in `folder`."""

    def no_file(block: Block) -> tuple[str, object]:
        raise OSError("not in this test")

    tree = Tree(no_file, colours=True)  # type: ignore[arg-type]
    for event in events:
        tree.add(event)
    tree.root.end()
    opened = next((event for event in events if isinstance(event, Opened)), None)
    closed = next((event for event in events if isinstance(event, Closed)), None)

    def read(page: str, file: str) -> bytes | None:
        path = folder / file
        return path.read_bytes() if path.is_file() else None

    return export(PageView(node=tree.root, opened=opened, closed=closed, state=state), read)


@pytest.fixture
def exported(tmp_path: Path) -> str:
    """The URL of the file that a report with one of everything makes."""
    (tmp_path / "report.html").write_text(document([*everything(tmp_path), CLOSED], tmp_path), "utf-8")
    return f"file://{tmp_path}/report.html"


def test_u28_one_file_is_read_offline_and_without_scripts(exported: str, open_page: Open) -> None:
    page = open_page(exported, java_script_enabled=False)
    expect(page.get_by_role("heading", level=1).first).to_have_text(re.compile("A report of everything"))
    for name in ("Code", "Parts & pictures", "A page"):
        expect(page.get_by_role("heading", name=name).first).to_be_visible()
    # What a live page would draw or ask is drawn and said.
    expect(page.locator("#chart svg").first).to_be_visible()
    expect(page.locator("#noise")).to_have_text("Noise: 0.5")
    expect(page.locator("#pad")).to_have_text("Draw: nothing drawn")
    expect(page.get_by_text("On a page of its own.")).to_be_visible()
    expect(page.locator("#figure img")).to_have_attribute("src", re.compile("^data:image/png;base64,"))
    expect(page.get_by_role("link", name="data.csv")).to_have_attribute("href", re.compile("^data:text/csv"))
    assert page.locator("script, button, [data-copy]").count() == 0


def test_u28_one_file_asks_nobody_for_anything(exported: str, open_page: Open) -> None:
    asked: list[str] = []
    page = open_page(exported)
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def test_u9_axe_finds_nothing_in_the_one_file(
    exported: str, open_page: Open, axe: Callable[[Page], list[str]]
) -> None:
    page = open_page(exported)
    page.locator("details:not([open])").evaluate_all("all => all.forEach(one => one.open = true)")
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert axe(page) == []


def test_u12_the_one_file_fits_every_width(exported: str, open_page: Open) -> None:
    page = open_page(exported)
    for width in (320, 800, 2560):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_u13_folds_of_the_one_file_are_open_on_paper(exported: str, open_page: Open) -> None:
    page = open_page(exported)
    expect(page.locator("#hidden")).to_be_hidden()
    page.emulate_media(media="print")
    until(page, "document.querySelector('#hidden').checkVisibility({contentVisibilityAuto: true})")


def test_a_failed_report_says_so_at_its_head(tmp_path: Path, open_page: Open) -> None:
    events = [heading("Title", 1), failure(), Closed(state="failed", elapsed=1.5)]
    (tmp_path / "report.html").write_text(document(events, tmp_path), "utf-8")
    page = open_page(f"file://{tmp_path}/report.html")
    expect(page.locator(".notice")).to_contain_text(
        "The run failed after 1.50 s: ValueError. Go to the error"
    )
    page.get_by_role("link", name="Go to the error").click()
    expect(page.locator("#failure")).to_be_in_viewport()


def test_s37_only_files_of_the_report_are_taken_in(tmp_path: Path) -> None:
    picture = write_picture(tmp_path)
    outside = tmp_path.parent / "outside.png"
    outside.write_bytes(b"secret")
    events: list[Event] = [
        Text(
            key="a",
            markdown="![](/etc/passwd) ![](../outside.png) ![](file:///etc/passwd) <img src='/etc/passwd'>",
        ),
        Text(
            key="b",
            markdown="![own](etc/small.png) [own](etc/small.png) [x](/etc/passwd) [y](../outside.png)",
        ),
        Link(key="c", href="/etc/passwd", text="passwd", size=1),
        Link(key="d", href="../outside.png", text="outside", size=1),
        Figure(key="e", picture=picture),
    ]
    text = document(events, tmp_path)
    assert text.count("data:image/png") == 3
    assert not re.search(r"(src|href)=.[^\"']*(passwd|outside)", text)
    assert "c2VjcmV0" not in text


def test_f37_equal_events_make_equal_bytes(tmp_path: Path) -> None:
    events: list[Event] = [heading("Title", 1), Chart(key="chart", title="Loss")]
    events += [Metric(chart="chart", name="loss", step=step, value=1 / (step + 1)) for step in range(9)]
    assert document(events, tmp_path) == document(events, tmp_path)


def test_u30_style_and_scripts_are_small() -> None:
    whole = [assets.read(name)[0] for name in assets.names() if name.endswith((".js", ".css"))]
    assert sum(len(gzip.compress(data)) for data in whole) <= 150_000


def test_u30_nothing_large_stands_before_the_first_paint(full: Double, open_page: Open) -> None:
    """How soon it comes is measured in tests/bench/page.py."""
    page = open_page(full.url, viewport={"width": 1280, "height": 300})
    until(page, "performance.getEntriesByName('first-contentful-paint').length === 1")
    expect(page.locator("#state")).to_have_text("running")
    # The charts' bundle, which is larger than the rest, is asked for when a chart is near, not before.
    assert not any("vega.js" in path for path in full.served)
    page.locator("#chart").scroll_into_view_if_needed()
    expect(page.locator("#chart canvas")).to_be_visible()
    assert any("vega.js" in path for path in full.served)


def test_every_asset_is_named_with_the_hash_of_all(double: Double, open_page: Open) -> None:
    page = open_page(double.url)
    loaded: list[str] = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    scripts = [url for url in loaded if ".js" in url or ".css" in url]
    assert len(scripts) > 15
    assert all(url.endswith(f"?v={assets.version()}") for url in scripts)
