"""U6-U13, U20, U21, U29: a page that is read, on any screen, by anybody, on paper."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from quire.events import Code, Output, Text
from tests.live.conftest import wait_for
from tests.web.conftest import PATIENCE, SCHEMES, Open, until
from tests.web.double import Double
from tests.web.events import SOURCE, failure, heading


def test_u6_the_contents_show_the_section_that_is_read(full: Double, open_page: Open) -> None:
    page = open_page(full.url)
    contents = page.get_by_role("navigation", name="Contents", exact=True)
    expect(contents.get_by_role("link")).to_have_text(
        ["Code", "Parts & pictures", "How it went", "To play with"]
    )
    contents.get_by_role("link", name="How it went").click()
    expect(contents.locator("[aria-current=location]")).to_have_text("How it went")
    expect(page.get_by_role("heading", name="How it went")).to_be_in_viewport()
    # They grow with the page.
    full.write(heading("One `more`"))
    expect(contents.get_by_role("link").last).to_have_text("One more")


def test_u6_the_contents_are_folded_on_a_narrow_screen(full: Double, open_page: Open) -> None:
    page = open_page(full.url, viewport={"width": 899, "height": 700})
    link = page.get_by_role("link", name="To play with", exact=True)
    expect(link).to_be_hidden()
    page.locator("summary", has_text="Contents").click()
    expect(link).to_be_visible()


def test_u7_every_block_has_a_permalink(full: Double, open_page: Open) -> None:
    page = open_page(full.url)
    ids: list[str] = page.eval_on_selector_all(
        ", ".join(f"[data-block={kind}]" for kind in ("heading", "code", "figure", "table", "chart")),
        "blocks => blocks.map(b => b.id)",
    )
    assert len(ids) == 9
    for key in ids:
        target = page.locator(f"[id='{key}'] .permalink").first.get_attribute("href")
        assert target
        assert target == f"#{key}"
        page.goto(full.url + target)
        expect(page.locator(f"[id='{key}']:is([data-block])")).to_be_in_viewport()
    # A link into a part that is closed opens it.
    page.goto(f"{full.url}#hidden")
    expect(page.locator("#hidden")).to_be_in_viewport()


def ground(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_u8_dark_light_and_auto(full: Double, open_page: Open) -> None:
    page = open_page(full.url, color_scheme="dark")
    dark, light = "rgb(21, 23, 27)", "rgb(255, 255, 255)"
    assert ground(page) == dark
    button = page.get_by_role("button", name="Colours: auto")
    button.click()
    assert ground(page) == light
    # No flash: the choice holds before the page's first frame, without the scripts that come later.
    page.route("**/main.js*", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.reload()
    assert ground(page) == light
    page.unroute("**/main.js*")
    page.reload()
    page.get_by_role("button", name="Colours: light").click()
    assert ground(page) == dark
    page.get_by_role("button", name="Colours: dark").click()
    page.emulate_media(color_scheme="light")
    assert ground(page) == light


@pytest.mark.parametrize("state", ["running", "failed"])
def test_u9_axe_finds_nothing(
    full: Double, open_page: Open, axe: Callable[[Page], list[str]], state: str
) -> None:
    if state == "failed":
        full.write(failure())
        full.close("failed")
    for number in range(40):
        full.print(f"\x1b[3{number % 8}mERROR\x1b[0m line {number}\n")
    page = open_page(full.url)
    page.locator("#chart").scroll_into_view_if_needed()
    expect(page.locator("#chart canvas")).to_be_visible()
    page.locator("details:not([open])").evaluate_all("all => all.forEach(one => one.open = true)")
    page.keyboard.press("l")
    expect(page.get_by_role("searchbox", name="Search the log")).to_be_focused()
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert axe(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert axe(page) == []


def test_u10_everything_by_keyboard(full: Double, open_page: Open) -> None:
    page = open_page(full.url)
    expect(page.locator("#state")).to_have_text("running")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    for text in (
        "next section",
        "the log",
        "pause or resume",
        "fold or open all code",
        "colours",
        "downloads",
    ):
        expect(dialog).to_contain_text(text)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    until(page, "document.activeElement === document.body")
    for _ in range(5):
        page.keyboard.press("n")
    expect(page.get_by_role("heading", name="To play with")).to_be_in_viewport()
    for _ in range(5):
        page.keyboard.press("p")
    expect(page.get_by_role("heading", level=1)).to_be_in_viewport()
    page.keyboard.press("r")
    wait_for(lambda: ("run/pause", b"") in full.posted, PATIENCE)
    # Typing is not a command.
    page.get_by_role("textbox", name="Name").fill("")
    page.keyboard.type("lt?")
    expect(page.get_by_role("textbox", name="Name")).to_have_value("lt?")
    expect(page.locator("#log")).to_be_hidden()
    # Whatever can be clicked can be reached.
    out_of_reach = page.eval_on_selector_all(
        "a[href], button, input, select, summary, canvas.pad", "all => all.filter(e => e.tabIndex < 0).length"
    )
    assert out_of_reach == 0
    page.reload()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the report")).to_be_focused()


def test_u12_nothing_scrolls_the_page_sideways(full: Double, open_page: Open) -> None:
    full.write(
        Code(key="wide", source="x = " + " + ".join(["'long'"] * 60), path="a/very/long/path/" * 6, line=1),
        Output(parent="wide", text="=" * 300 + "\n"),
        Text(
            key="words",
            markdown="`"
            + "x" * 200
            + "` "
            + "y" * 200
            + "\n\n"
            + "|"
            + "column|" * 30
            + "\n"
            + "|"
            + "-|" * 30,
        ),
        Text(key="tex", markdown="$$" + " + ".join(["x"] * 90) + "$$"),
    )
    page = open_page(full.url)
    expect(page.locator("#state")).to_have_text("running")
    for is_logged in (False, True):
        for width in (320, 390, 768, 1024, 1440, 2560):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (width, is_logged)
        page.keyboard.press("l")


def test_u13_paper_is_black_on_white_with_folds_open(full: Double, open_page: Open) -> None:
    page = open_page(full.url, color_scheme="dark")
    expect(page.locator("#state")).to_have_text("running")
    page.keyboard.press("c")
    expect(page.locator("#code pre").first).to_be_hidden()
    page.emulate_media(media="print")
    assert ground(page) == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('#intro')).color") == "rgb(0, 0, 0)"
    expect(page.locator(".bar")).to_be_hidden()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator("#code pre").first).to_be_visible()
    expect(page.locator("#hidden")).to_be_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    expect(page.locator("#code pre").first).to_be_hidden()


def test_u13_motion_is_left_out_for_who_wants_none(full: Double, open_page: Open) -> None:
    page = open_page(full.url, reduced_motion="reduce")
    expect(page.locator("#state")).to_have_text("running")
    assert page.evaluate("document.getAnimations().length") == 0


def test_u20_copies_are_exact(full: Double, open_page: Open) -> None:
    page = open_page(full.url, permissions=["clipboard-read", "clipboard-write"])
    full.write(Output(parent="code", text="\ttab  \u00e9 \x1b[1mbold\x1b[0m\n\n"))
    for name, expected in [
        ("Copy this code", SOURCE),
        ("Copy this output", "red 4\n"),
        ("Copy this value", "{'a': 1}"),
    ]:
        button = page.locator("#code").get_by_role("button", name=name).first
        button.click()
        expect(button).to_have_text("copied")
        assert page.evaluate("navigator.clipboard.readText()") == expected


def test_u21_code_folds_and_stays_folded(full: Double, open_page: Open) -> None:
    page = open_page(full.url)
    full.write(Code(key="run", source="x = 1", path="demo.py", line=1))
    source = page.locator("#run pre")
    page.locator("#run summary").click()
    expect(source).to_be_hidden()
    full.write(Code(key="run", source="x = 1", path="demo.py", line=1, state="done", elapsed=0.5))
    expect(page.locator("#run")).to_contain_text("0.50 s")
    expect(source).to_be_hidden()


def test_u29_pictures_have_words_and_keep_their_place(full: Double, open_page: Open) -> None:
    page = open_page(full.url)
    pictures = page.eval_on_selector_all("main img", "all => all.map(i => [i.alt, i.width, i.height])")
    assert pictures == [["a small picture", 40, 20]] * 2
    page.get_by_role("link", name="Enlarge: a small picture").click()
    large = page.get_by_role("dialog").get_by_role("img")
    expect(large).to_have_js_property("complete", True)
    until(page, "document.querySelector('dialog img').width > 400")
    assert "sharp" in (large.get_attribute("class") or "")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_code_is_coloured_and_terminals_colours_are_kept(full: Double, open_page: Open) -> None:
    page = open_page(full.url)
    assert page.locator("#code .source .k").first.inner_text() == "def"
    red = page.locator("#code [data-output] .fg-red")
    assert red.inner_text() == "red"
    assert re.fullmatch(r"rgb\(\d+, \d+, \d+\)", red.evaluate("e => getComputedStyle(e).color"))
