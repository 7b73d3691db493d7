"""The page of a sweep in a browser: it fills in, and its rows lead to the runs and back."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.live.conftest import Served
from tests.notebook.sweep.conftest import DEMO
from tests.web.conftest import SCHEMES, Open

ARGUMENTS = ("--set", "seed=0:14", "--set", "wait=0,60", "--workers", "2", "--serve")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "demo.py").write_text(DEMO)
    served = Served(tmp_path, *ARGUMENTS, command="sweep")
    yield served
    served.end()


def stop(page: Page) -> None:
    # A page that was just opened by a link has its buttons before what they do.
    expect(page.locator("html[data-connected=yes]")).to_have_count(1)
    page.get_by_role("button", name="stop", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="stop the run").click()


def test_the_table_fills_in_and_a_row_opens_its_run(served: Served, open_page: Open) -> None:
    page = open_page(served.url)
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(28)
    expect(rows.nth(0).get_by_role("link", name="done")).to_be_visible()
    running = rows.nth(1).get_by_role("link", name="running")
    expect(running).to_be_visible()
    told = running.inner_text()
    expect(running).not_to_have_text(told)
    expect(page.locator("figure").get_by_text(re.compile("seed 0, wait 0 from 1 to 0.2"))).to_be_visible()
    running.click()
    expect(page.get_by_role("heading", name="Something")).to_be_visible()
    expect(page).to_have_url(re.compile("/runs/seed-0-wait-60/$"))
    stop(page)
    expect(page.get_by_text("stopped").first).to_be_visible()
    page.get_by_role("link", name="A sweep of demo").click()
    expect(rows.nth(1).get_by_role("link", name="stopped")).to_be_visible()
    expect(rows.nth(2).get_by_role("link", name="done")).to_be_visible()
    stop(page)
    expect(page.get_by_text("not done.")).to_be_visible()
    expect(page.get_by_role("heading", name="The runs")).to_be_visible()
    expect(rows.nth(3).get_by_text("interrupted")).to_be_visible()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_everybody_can_read_the_table(
    served: Served, open_page: Open, axe: Callable[[Page], list[str]], scheme: str
) -> None:
    page = open_page(served.url, color_scheme=scheme)
    expect(page.locator("tbody tr").nth(1).get_by_role("link", name="running")).to_be_visible()
    chart = page.locator("[data-chart]")
    chart.scroll_into_view_if_needed()
    expect(chart.locator("canvas")).to_be_visible()
    assert axe(page) == []
