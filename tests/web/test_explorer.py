"""The explorer in a real browser while it trains: what a reader does with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.demos.modes import ROOT
from tests.live.conftest import Served
from tests.web.conftest import Open, until


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """An explorer that trains for as long as the test takes."""
    served = Served(tmp_path, "--epochs", "1000000", script=str(ROOT / "demos/explorer.py"))
    yield served
    served.end()


@pytest.fixture
def page(served: Served, open_page: Open) -> Page:
    page = open_page(served.url)
    expect(page.locator("#training-code")).to_be_visible()
    return page


def draw(page: Page, *corners: tuple[float, float]) -> None:
    """Draws a line on the pad, between corners in shares of its width and height."""
    pad = page.locator("#a-digit-of-your-own-sketch canvas")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    assert box
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()


def picture_of_moved_code(page: Page) -> str | None:
    return page.locator("#moved td").nth(4).locator("img").get_attribute("src")


def test_a_drawn_7_is_recognised_while_the_network_learns(page: Page) -> None:
    expect(page.locator("#drawing")).to_contain_text("An example")
    draw(page, (0.2, 0.15), (0.8, 0.15), (0.4, 0.9))
    drawing = page.locator("#drawing")
    expect(drawing).to_contain_text("Your drawing")
    # At first it may take it for something else: it is shown anew as it learns.
    until(page, "/\\b7 \\(/.test(document.querySelector('#drawing td:nth-child(5)').textContent)")
    expect(page.locator("#state")).to_have_text("running")


def test_controls_are_answered_running_and_paused_and_a_stop_keeps_the_report(page: Page) -> None:
    number = page.get_by_role("spinbutton", name="test picture")
    number.fill("5")
    number.press("Enter")
    expect(page.locator("#moved")).to_contain_text("Test picture 5, a ")
    bar = page.get_by_role("toolbar")
    bar.get_by_role("button", name="pause").click()
    expect(page.locator("#state")).to_have_text("paused")
    # Nothing learns now: what changes is what the slider changed.
    before = picture_of_moved_code(page)
    page.get_by_role("slider", name="unit 1", exact=True).focus()
    page.keyboard.press("End")
    until(page, "old => !document.querySelectorAll('#moved td')[4].innerHTML.includes(old)", before)
    bar.get_by_role("button", name="resume").click()
    expect(page.locator("#state")).to_have_text("running")
    bar.get_by_role("button", name="stop").click()
    page.get_by_role("dialog").get_by_role("button").first.click()
    expect(page.locator("#state")).to_have_text("stopped")
    expect(page.locator("#findings")).to_contain_text("What came out: in ")
