"""The reports of a folder as a site: a list with each report beside it."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from quire import ReportError, open_report, site
from tests.notebook.test_index import write_two
from tests.web.conftest import SCHEMES, Open
from tests.web.test_content import LINKS, PAYLOADS


@pytest.fixture
def listed(tmp_path: Path) -> str:
    """The URL of the list of two reports."""
    write_two(tmp_path / "reports")
    return site.write(tmp_path / "reports", tmp_path / "site", title="Ours").as_uri()


def test_the_list_leads_to_every_page_and_back(listed: str, open_page: Open) -> None:
    page = open_page(listed, java_script_enabled=False)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    expect(page.get_by_role("heading", level=1)).to_have_text("Ours")
    assert page.get_by_role("heading", level=2).all_inner_texts() == ["A", "The second"]
    first, second = page.locator("article").all()
    expect(first.locator(".state")).to_have_text("failed")
    expect(first).to_contain_text("What it found. And more.")
    expect(first.locator("img")).to_have_attribute("alt", "The one to show")
    expect(second).to_contain_text("epochs = 3")
    expect(second).to_contain_text("accuracy: 0.9877")
    expect(second).to_contain_text(re.compile(r"\d{4}-\d\d-\d\d"))
    expect(second.locator(".pages .pages a")).to_have_text("Deeper | yet")

    second.get_by_role("link", name="Deeper").click()
    expect(page).to_have_url(re.compile(r"/b\.html#"))
    expect(page.get_by_role("heading", name="Deeper | yet")).to_be_in_viewport()
    page.get_by_role("link", name="← Ours").click()
    page.get_by_role("link", name="A", exact=True).click()
    expect(page.locator(".notice")).to_contain_text("The run failed")
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def test_axe_finds_nothing_in_the_list(
    listed: str, open_page: Open, axe: Callable[[Page], list[str]]
) -> None:
    page = open_page(listed)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert axe(page) == []


def test_the_list_fits_every_width(listed: str, open_page: Open) -> None:
    page = open_page(listed)
    for width in (320, 800, 2560):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_nothing_hostile_acts_in_the_list(tmp_path: Path, open_page: Open) -> None:
    for number, evil in enumerate(PAYLOADS):
        with open_report(tmp_path / f"r{number}", title=evil, parameters={evil: evil}) as log:
            log.h1(evil)
            log.p(f"{evil} [x]({LINKS[number % len(LINKS)]})", key="findings")
            log.image(np.eye(2), evil, alt=evil)
            log.metadata(**{evil: 1})
            log.subreport(evil)
    page = open_page(site.write(tmp_path, tmp_path / "site", title=PAYLOADS[0]).as_uri())
    assert page.locator("article").count() == len(PAYLOADS)
    page.evaluate("document.querySelectorAll('*').forEach((e) => e.dispatchEvent(new Event('mouseover')))")
    assert page.evaluate("window.hit") is None
    assert page.locator("main :is(script, iframe, form, base, meta, link, style, svg)").count() == 0
    hrefs: list[str] = page.locator("a").evaluate_all("all => all.map((a) => a.getAttribute('href'))")
    assert [href for href in hrefs if not re.match(r"r\d+\.html", href)] == []


def test_pages_of_others_are_not_replaced(tmp_path: Path) -> None:
    write_two(tmp_path / "reports")
    folder = tmp_path / "site"
    index = site.write(tmp_path / "reports", folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(before) == {"index.html", "a.html", "b.html"}
    assert site.write(tmp_path / "reports", folder) == index
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    # A report that was exported there is no list of ours either.
    for name, text in [("index.html", before["a.html"]), ("b.html", b"mine"), ("index.html", b"mine")]:
        (folder / name).write_bytes(text)
        with pytest.raises(ReportError, match=rf"{name} was not written by"):
            site.write(tmp_path / "reports", folder)
        assert (folder / name).read_bytes() == text
        assert (folder / "a.html").read_bytes() == before["a.html"]
        (folder / name).write_bytes(before[name])
