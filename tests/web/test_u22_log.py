"""U22: the log, however long it is."""

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Open
from tests.web.double import Double


@pytest.fixture
def log(double: Double, open_page: Open) -> Page:
    """A page with the log open: lines from before the viewer came, and lines from after."""
    lines = [f"INFO \x1b[32mstep\x1b[0m {step}" for step in range(500)]
    lines[100] = "WARNING the rate is high"
    lines[200] = "ERROR it broke"
    lines[201] = "  in a line that belongs to it"
    double.log = "".join(f"{line}\n" for line in lines).encode()
    page = open_page(double.url)
    expect(page.locator("#state")).to_have_text("running")
    page.keyboard.press("l")
    expect(page.locator("#log .count")).to_have_text("500 lines")
    return page


def test_u22_what_is_printed_comes_in_and_is_followed(log: Page, double: Double) -> None:
    double.print("INFO newest\n")
    expect(log.get_by_text("INFO newest")).to_be_in_viewport()
    expect(log.locator("#log .count")).to_have_text("501 lines")
    assert log.locator(".line .fg-green").first.inner_text() == "step"
    log.locator(".lines").hover()
    log.mouse.wheel(0, -3000)
    expect(log.get_by_label("follow")).not_to_be_checked()
    double.print("INFO newer still\n")
    expect(log.locator("#log .count")).to_have_text("502 lines")
    expect(log.get_by_label("follow")).not_to_be_checked()
    assert log.get_by_text("INFO newer still").count() == 0


def test_u22_searching(log: Page, double: Double) -> None:
    log.get_by_role("searchbox").fill("step 49")
    expect(log.locator("#log .count")).to_have_text("0 of 500 lines")
    log.get_by_role("searchbox").fill("it broke")
    expect(log.locator(".line")).to_have_text(["ERROR it broke"])
    assert log.evaluate("CSS.highlights.get('found').size") == 1
    double.print("INFO and it broke again\n")
    expect(log.locator(".line")).to_have_count(2)


def test_u22_by_level(log: Page) -> None:
    level = log.get_by_role("combobox", name="Least level")
    level.select_option("warning")
    expect(log.locator(".line")).to_have_text(
        ["WARNING the rate is high", "ERROR it broke", "  in a line that belongs to it"]
    )
    level.select_option("error")
    expect(log.locator(".line")).to_have_count(2)


def test_u22_wrapping(log: Page, double: Double) -> None:
    double.print("INFO " + "x" * 1000 + " end\n")
    wrap = log.get_by_label("wrap")
    wrap.check()
    line = log.locator(".line", has_text="xxx")
    expect(line).to_be_in_viewport()
    box = line.bounding_box()
    assert box
    assert box["width"] <= 1280
    assert box["height"] > 80
    assert box["y"] + box["height"] <= 801


def test_u22_download(log: Page, double: Double) -> None:
    with log.expect_download() as download:
        log.locator("#log").get_by_role("link", name="download").click()
    assert download.value.path().read_bytes() == double.log


def test_s30_control_characters_become_signs(log: Page, double: Double) -> None:
    double.print("bell \a nul \0 \x1b]0;title\x07 del \x7f\n10 %\r100 %\n")
    expect(log.locator(".line").nth(-2)).to_have_text("bell ␇ nul ␀  del ␡")
    expect(log.locator(".line").last).to_have_text("100 %")
    # The whole is in the page as text: nothing was read as HTML.
    double.print("<img src=x onerror=alert(1)> </div>\n")
    expect(log.locator(".line").last).to_have_text("<img src=x onerror=alert(1)> </div>")


def test_a_gap_in_the_log_is_told(log: Page, double: Double) -> None:
    double.print("INFO before\n")
    double.log += b"lost\n" * 10
    double.print("INFO after\n")
    expect(log.get_by_text("50 bytes were skipped here")).to_be_visible()


def test_f13_a_million_lines_leave_the_page_live(double: Double, open_page: Open) -> None:
    page = open_page(double.url)
    expect(page.locator("#state")).to_have_text("running")
    page.keyboard.press("l")
    at = 0
    for number in range(0, 1_000_000, 20_000):
        text = "".join(
            f"INFO line {line:07d} with some words behind it\n" for line in range(number, number + 20_000)
        )
        double.send({"log": {"at": at, "text": text}})
        at += len(text)
    expect(page.get_by_text("INFO line 0999999")).to_be_in_viewport()
    expect(page.locator("#log .count")).to_contain_text("earlier ones in the download")
    # The newest are held, and of them only those in sight are elements.
    assert page.locator(".line").count() < 150
    page.get_by_role("searchbox").fill("0999998")
    expect(page.locator(".line")).to_have_count(1)
