"""U1-U5, U14: how the run stands, and the page that grows under its reader."""

from typing import Any

import pytest
from playwright.sync_api import expect

from quire.events import Code, Progress, Text
from tests.web.conftest import Open, until
from tests.web.double import Double
from tests.web.events import failure, heading

# Whether nothing scrolls: a wheel's turn takes several frames.
_IS_STILL = """new Promise((tell) => {
    const at = scrollY;
    setTimeout(() => tell(scrollY === at), 200);
})"""


def texts(double: Double, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        double.write(Text(key=f"text-{number}", markdown=f"Paragraph {number}. " + "Many words. " * 30))


def test_u1_the_chip_tells_the_state(double: Double, open_page: Open) -> None:
    page = open_page(double.url)
    chip = page.get_by_role("status").filter(has_text="running")
    expect(chip).to_have_attribute("id", "state")
    for state, told in [("paused", "paused"), ("running", "running"), ("done", "done")]:
        double.run(state=state)
        expect(page.locator("#state")).to_have_text(told)
    double.run(state="died", detail="signal 9")
    expect(page.locator("#state")).to_have_text("died (signal 9)")


def test_u1_before_anything_is_heard_it_says_connecting(double: Double, open_page: Open) -> None:
    double.is_mute = True
    page = open_page(double.url)
    expect(page.locator("#state")).to_have_text("connecting")
    double.run()
    expect(page.locator("#state")).to_have_text("running")


def test_u2_a_killed_server_is_told_and_found_again(double: Double, open_page: Open) -> None:
    texts(double, 30)
    page = open_page(double.url, expect_errors=True)
    expect(page.locator("#state")).to_have_text("running")
    page.evaluate("window.same = true; scrollTo(0, 900)")
    page.wait_for_timeout(100)
    double.stop()
    expect(page.locator("#state")).to_have_text("offline, retrying")
    expect(page.get_by_role("button", name="retry now")).to_be_visible()
    assert page.title().startswith("… ")
    double.start()
    double.write(Text(key="after", markdown="After it."))
    # Not Playwright's own click: it scrolls to find the button, which goes when the page is back.
    page.locator("#retry").evaluate("button => button.click()")
    expect(page.locator("#state")).to_have_text("running")
    expect(page.locator("#after")).to_be_attached()
    expect(page.locator("#text-29")).to_have_count(1)
    assert page.evaluate("window.same && scrollY") == 900


def test_u2_it_comes_back_by_itself(double: Double, open_page: Open) -> None:
    page = open_page(double.url, expect_errors=True)
    expect(page.locator("#state")).to_have_text("running")
    double.stop()
    expect(page.locator("#state")).to_have_text("offline, retrying")
    double.start()
    expect(page.locator("#state")).to_have_text("running")


@pytest.mark.parametrize("blocked", [{"events"}, {"events", "stream"}])
def test_f28_what_blocks_websockets_does_not_block_the_page(
    double: Double, open_page: Open, blocked: set[str]
) -> None:
    double.blocked = blocked
    page = open_page(double.url, expect_errors=True)
    expect(page.locator("#state")).to_have_text("running")
    double.write(Text(key="late", markdown="It came."))
    expect(page.locator("#late")).to_have_text("It came.")


def test_f29_nine_tabs_are_all_live(double: Double, open_page: Open) -> None:
    first = open_page(double.url)
    pages = [first, *(first.context.new_page() for _ in range(8))]
    for page in pages[1:]:
        page.goto(double.url)
    double.write(Text(key="late", markdown="It came."))
    for page in pages:
        expect(page.locator("#late")).to_have_text("It came.")


def test_u3_title_and_icon_tell_the_state(double: Double, open_page: Open) -> None:
    page = open_page(double.url)
    progress = {"label": "training", "done": 34, "total": 100, "elapsed": 2.0}
    stages: list[tuple[dict[str, Any], str, str]] = [
        ({"progress": progress}, "34 % · Report", "running"),
        ({"state": "paused"}, "⏸ Report", "paused"),
        ({"state": "done", "progress": None}, "✓ Report", "done"),
        ({"state": "failed"}, "✗ Report", "failed"),
    ]
    for state, title, icon in stages:
        double.run(**state)
        until(page, "title => document.title === title", title)
        assert page.locator("#favicon").get_attribute("href").endswith(f"icon-{icon}.svg")  # type: ignore[union-attr]


def test_u4_the_end_is_followed_until_the_reader_leaves_it(double: Double, open_page: Open) -> None:
    texts(double, 20)
    page = open_page(double.url)
    expect(page.locator("#state")).to_have_text("running")
    page.keyboard.press("Shift+G")
    texts(double, 5, first=20)
    expect(page.locator("#text-24")).to_be_in_viewport()
    page.mouse.move(600, 400)
    page.mouse.wheel(0, -1500)
    until(page, "document.documentElement.scrollHeight - innerHeight - scrollY > 1000")
    until(page, _IS_STILL)
    before = page.evaluate("scrollY")
    texts(double, 3, first=25)
    jump = page.get_by_role("button", name="3 new, jump to end")
    expect(jump).to_be_visible()
    assert page.evaluate("scrollY") == before
    jump.click()
    expect(page.locator("#text-27")).to_be_in_viewport()
    expect(page.locator("#news")).to_be_hidden()
    texts(double, 1, first=28)
    expect(page.locator("#text-28")).to_be_in_viewport()


def test_u5_content_never_jumps(full: Double, open_page: Open) -> None:
    page = open_page(full.url)
    page.locator("#chart").scroll_into_view_if_needed()
    expect(page.locator("#chart canvas")).to_be_visible()
    for step in range(20):
        full.write(Progress(key="bar", label="training", done=30 + step, total=50, elapsed=6.0 + step))
        full.write(Code(key=f"run-{step}", source="x = 1", path="demo.py", line=step))
        full.write(
            Code(key=f"run-{step}", source="x = 1", path="demo.py", line=step, state="done", elapsed=0.1)
        )
        page.wait_for_timeout(30)
    full.write(Progress(key="bar", label="training", done=50, total=50, elapsed=9.0, finished=True))
    full.close()
    page.wait_for_timeout(300)
    assert page.evaluate("window.shift") <= 0.05


def test_a_reset_keeps_the_place_of_the_reader(double: Double, open_page: Open) -> None:
    texts(double, 40)
    page = open_page(double.url)
    expect(page.locator("#state")).to_have_text("running")
    page.locator("#text-20").scroll_into_view_if_needed()
    page.wait_for_timeout(100)
    before = page.locator("#text-20").bounding_box()
    with double._lock:
        double.tree.add(Text(key="text-3", markdown="Much shorter now."))
    double.send({"reset": True})
    expect(page.locator("#text-3")).to_have_text("Much shorter now.")
    page.wait_for_timeout(100)
    after = page.locator("#text-20").bounding_box()
    assert before
    assert after
    assert abs(before["y"] - after["y"]) <= 2
    double.write(Text(key="next", markdown="And on."))
    expect(page.locator("#next")).to_have_count(1)


def test_u14_progress_is_told_with_the_time_that_is_left(double: Double, open_page: Open) -> None:
    page = open_page(double.url)
    double.run(progress={"label": "training", "done": 120, "total": 600, "elapsed": 12.0})
    figures = page.locator("#overall .figures")
    expect(figures).to_contain_text("training · 20 % · 120/600 · 10/s · 12 s · 4")
    expect(figures).to_contain_text("8 s left")
    double.write(Progress(key="bar", label="epochs", done=5, total=20, elapsed=10.0))
    expect(page.locator("#bar")).to_contain_text("5 of 20 (25 %) · 0.5/s · 10.0 s · 30.0 s left")
    assert page.get_by_role("progressbar", name="epochs").get_attribute("value") == "5"


def test_u24_a_failure_is_told_once_and_found(double: Double, open_page: Open) -> None:
    texts(double, 20)
    page = open_page(double.url, permissions=["clipboard-read", "clipboard-write"])
    double.write(heading("End"), failure())
    double.run(state="failed")
    notice = page.get_by_role("alert").filter(has_text="failed")
    expect(notice).to_have_count(1)
    notice.get_by_role("link", name="Go to the error").click()
    error = page.locator("#failure")
    expect(error).to_be_in_viewport()
    expect(error).to_be_focused()
    expect(error).to_contain_text("ValueError: a <b>bad</b> value")
    error.get_by_role("button", name="Copy this traceback").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("Traceback (most")
    assert copied.endswith("ValueError: a <b>bad</b> value\n")


def test_a_flood_of_changes_leaves_the_page_live(double: Double, open_page: Open) -> None:
    page = open_page(double.url)
    expect(page.locator("#state")).to_have_text("running")
    page.evaluate("""() => {
        window.frames_ = 0;
        const tick = () => { frames_ += 1; requestAnimationFrame(tick); };
        requestAnimationFrame(tick);
    }""")
    for number in range(1500):
        double.write(Progress(key="bar", label="training", done=number, total=1500, elapsed=1.0))
    texts(double, 100)
    expect(page.locator("#text-99")).to_be_attached()
    expect(page.locator("#bar")).to_contain_text("1,499 of 1,500")
    # How quick its frames are is measured in tests/bench/page.py; here, that it had some meanwhile.
    assert page.evaluate("frames_") > 1


@pytest.mark.parametrize("size", [(320, 640), (390, 844), (768, 900), (1024, 768), (1280, 900)])
def test_the_bar_keeps_one_height(double: Double, open_page: Open, size: tuple[int, int]) -> None:
    width, height = size
    page = open_page(double.url, viewport={"width": width, "height": height})
    bar = page.locator(".bar")
    label = "Encoder and softmax layer together: cross-entropy"
    progress = {"label": label, "done": 34_000, "total": 100_000, "elapsed": 1000.0}
    heights = set()
    stages: list[tuple[dict[str, Any], str]] = [
        ({"state": "running", "title": "A title that is long: of what it is about"}, "pause"),
        ({"state": "running", "progress": progress}, "pause"),
        ({"state": "paused"}, "resume"),
        ({"state": "died", "detail": "signal 9", "progress": None}, ""),
        ({"state": "done", "detail": ""}, ""),
    ]
    for state, can in stages:
        double.run(**state, can=[can, "stop", "exit"] if can else ["exit"])
        until(page, "state => document.documentElement.dataset.state === state", state["state"])
        if state.get("progress"):
            # What matters most is not cut off: how far it is, and how long it will take.
            for part in (".share", ".left") if width > 320 else (".share",):
                assert page.locator(f"#overall {part}").evaluate("""part => {
                    const right = (e) => e.getBoundingClientRect().right;
                    const isInside = right(part) <= right(part.closest(".overall")) + 1;
                    return isInside && part.scrollWidth <= part.offsetWidth;
                }""")
        box = bar.bounding_box()
        assert box
        heights.add(box["height"])
        assert bar.evaluate(
            "bar => bar.scrollHeight <= bar.offsetHeight && bar.scrollWidth <= bar.offsetWidth"
        )
    assert len(heights) == 1
