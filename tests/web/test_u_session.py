"""A whole session with the real thing: `quire serve`, its server, and Chromium. Names are the cases'."""

import os
import re
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.live.conftest import Served
from tests.notebook.reports import hrefs
from tests.web.conftest import SCHEMES, Open, until

Serve = Callable[..., Served]

# A run with something of everything, which a test ends (`end`) and begins (`begin`) by a file of that name.
BODY = """
import logging, math

def wait(name):
    while not Path(name).exists():
        log.pause_point()
        time.sleep(0.02)

log.h1("A session")
log.p("What it does: $x^2$, `code`, **words**.")
rate = log.slider("rate", 0, 1, value=0.5)
log.number("units", 8, least=1, greatest=99)
log.choice("kind", ["plain", "fancy"])
log.checkbox("shuffle", True)
log.text("name", "first")
log.button("go")
log.upload("picture", accept="image/*")
log.sketch("digit", 28, 28)

@log.interact("Twice", n=log.slider("n", 0, 50, value=3))
def twice(n: float) -> str:
    return f"twice is {2 * n:g}"

@log.page("history", "History")
def history(page: NotebookOutput) -> None:
    page.h1("History")
    page.table([{"step": 1, "loss": 0.5}], "What was.")

wait("begin")
log.h2("Training")
log.image(np.eye(28), "A picture", scale=4)
log.math(r"\\\\sum_{i=1}^{n} i = \\\\frac{n (n + 1)}{2}")
with log.code():
    logging.getLogger("train").warning("the rate is high")
    for step in log.progress(range(100_000), "training"):
        print("\\x1b[32mINFO\\x1b[0m step", step)
        log.metrics(step, loss=1 / (step + 1), accuracy=1 - 1 / (step + 2))
        time.sleep(0.02)
        if Path("end").exists():
            break
log.h2("Results")
log.table({"picture": [np.eye(8), 1 - np.eye(8)], "error": [0.1, 0.2]}, "Two pictures.")
log.file(lambda path: path.write_text("1,2"), "data.csv")
log.h2("The end")
with log.code():
    answer = 42
    FAIL
"""
FAILS = 'raise ValueError("the loss is not a number")'


@pytest.fixture
def session(serve: Serve) -> Callable[..., Served]:
    """Serves the run above; `begin` at once unless it is told to wait."""

    def start(*, fails: bool = False, waits: bool = False) -> Served:
        served = serve(BODY.replace("FAIL", FAILS if fails else "pass"))
        if not waits:
            (served.folder / "begin").touch()
        return served

    return start


def end(served: Served) -> None:
    (served.folder / "end").touch()


def is_state(page: Page, state: str) -> None:
    expect(page.locator("#state")).to_have_text(state)


# Whether the chart of the page tells of a step beyond the one given.
_IS_BEYOND = """step => {
    const told = document.querySelector("[data-summary]")?.textContent;
    return Number(/at step (\\d+)/.exec(told)?.[1]) > step;
}"""


def show_charts(page: Page) -> None:
    expect(page.locator("[data-block=chart]").first).to_be_attached()
    for chart in page.locator("[data-block=chart]").all():
        chart.scroll_into_view_if_needed()
        expect(chart.locator("canvas")).to_be_visible()


@pytest.mark.parametrize("fails", [False, True], ids=["running", "failed"])
def test_u9_axe_finds_nothing(
    session: Callable[..., Served], open_page: Open, axe: Callable[[Page], list[str]], fails: bool
) -> None:
    served = session(fails=fails)
    page = open_page(served.url)
    show_charts(page)
    if fails:
        end(served)
        is_state(page, "failed")
        expect(page.get_by_role("alert").filter(has_text="The run failed")).to_be_visible()
    page.keyboard.press("l")
    expect(page.locator("#log .line").first).to_be_visible()
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert axe(page) == []
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("summary", has_text="contents").click()
    page.get_by_role("link", name="History").click()
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert axe(page) == []


def test_s19_s20_u30_a_whole_session_is_quiet(session: Callable[..., Served], open_page: Open) -> None:
    """No error, no violation of the policy, no foreign request, whatever a viewer does: `open_page` looks."""
    served = session()
    page = open_page(served.url, permissions=["clipboard-read", "clipboard-write"])
    is_state(page, "running")
    assert "token" not in page.url
    until(page, "/^\\d+ % · A session$/.test(document.title)")
    show_charts(page)
    page.locator("[data-block=chart] canvas").hover(position={"x": 300, "y": 80})
    expect(page.locator("[data-block=chart] output")).to_contain_text("step")
    page.get_by_role("button", name="Zoom into").click()
    page.get_by_role("slider", name="Smoothing of").fill("0.9")
    page.get_by_role("combobox", name="Scale of").select_option("log")
    page.get_by_role("slider", name="rate").fill("0.7")
    page.get_by_role("spinbutton", name="units").fill("16")
    page.get_by_role("combobox", name="kind").select_option("fancy")
    page.get_by_role("checkbox", name="shuffle").uncheck()
    page.get_by_role("textbox", name="name").fill("second")
    page.get_by_role("button", name="go", exact=True).click()
    page.get_by_label("picture", exact=True).set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n"}
    )
    pad = page.locator("canvas.pad")
    pad.click()
    pad.press("ArrowRight")
    slider = page.get_by_role("slider", name="n", exact=True)
    slider.focus()
    for _ in range(7):
        slider.press("ArrowRight")
    expect(page.locator("[data-block=interact]")).to_contain_text("twice is 20")
    page.locator("[data-block=code]").first.get_by_role("button", name="Copy this code").click()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("l")
    page.get_by_role("searchbox", name="Search the log").fill("step 1")
    expect(page.locator("#log .line").first).to_contain_text("INFO step 1")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Colours: auto").click()
    page.get_by_role("button", name="pause").click()
    is_state(page, "paused")
    assert page.title() == "⏸ A session"
    page.get_by_role("button", name="resume").click()
    is_state(page, "running")
    page.get_by_role("link", name="Enlarge: A picture").click()
    page.keyboard.press("Escape")
    page.get_by_role("navigation", name="Contents", exact=True).get_by_role("link", name="History").click()
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    page.get_by_role("link", name="← A session").click()
    end(served)
    is_state(page, "done")
    assert page.title() == "✓ A session"
    for text in ("units", "kind", "name"):
        expect(page.get_by_label(text, exact=True)).to_be_visible()
    expect(page.get_by_role("textbox", name="name")).to_have_value("second")
    # Words for every picture, and room for it before it comes.
    pictures: list[list[Any]] = page.eval_on_selector_all(
        "main img", "all => all.map(i => [i.alt, i.getAttribute('width'), i.getAttribute('height')])"
    )
    assert len(pictures) == 3
    assert all(all(one) for one in pictures), "U29"


def test_u28_downloads_open_offline(session: Callable[..., Served], open_page: Open, tmp_path: Path) -> None:
    served = session()
    page = open_page(served.url, accept_downloads=True)
    show_charts(page)
    end(served)
    is_state(page, "done")
    kept = {}
    for name in ("One HTML file", "Markdown and pictures"):
        page.locator("summary", has_text="download").click()
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        kept[name] = download.value.path()
    with zipfile.ZipFile(kept["Markdown and pictures"]) as packed:
        packed.extractall(tmp_path / "unpacked")
    document = next((tmp_path / "unpacked").rglob("demo.md"))
    linked = [href for href in hrefs(document.read_text()) if href.startswith("etc/")]
    assert len(linked) >= 4
    assert all((document.parent / href).is_file() for href in linked)
    page.close()
    served.end()
    (tmp_path / "one.html").write_bytes(kept["One HTML file"].read_bytes())
    alone = open_page(f"file://{tmp_path}/one.html", offline=True)
    expect(alone.get_by_role("heading", name="A session")).to_be_visible()
    assert alone.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert (
        alone.evaluate("performance.getEntriesByType('resource').filter(e => /^http/.test(e.name)).length")
        == 0
    )


def test_f29_nine_tabs_of_one_run_are_live(session: Callable[..., Served], open_page: Open) -> None:
    served = session(waits=True)
    first = open_page(served.url)
    pages = [first, *(first.context.new_page() for _ in range(8))]
    for page in pages[1:]:
        page.goto(served.base)
    for page in pages:
        is_state(page, "running")
    (served.folder / "begin").touch()
    for page in pages:
        expect(page.get_by_role("heading", name="Training")).to_be_attached()
    end(served)
    for page in pages:
        is_state(page, "done")
        expect(page.get_by_role("heading", name="The end")).to_be_attached()


def test_u2_f4_a_killed_server_is_back_without_a_reload(
    session: Callable[..., Served], open_page: Open
) -> None:
    served = session()
    page = open_page(served.url, expect_errors=True)
    show_charts(page)
    page.evaluate("""() => {
        window.told = [];
        const chip = document.getElementById("state");
        new MutationObserver(() => told.push(chip.textContent)).observe(chip, { childList: true });
    }""")
    until(page, _IS_BEYOND, 9)
    place = page.evaluate("scrollY")
    assert place > 0
    before = int(page.locator("[data-summary]").inner_text().rpartition(" ")[2])
    server = served.server
    os.kill(server, signal.SIGKILL)
    until(page, "told.includes('offline, retrying')")
    is_state(page, "running")
    until(page, _IS_BEYOND, before + 50)
    assert served.server not in (0, server)
    assert served.process.poll() is None
    assert page.evaluate("scrollY") == place
    # What came while nobody served it is in the chart too.
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV:").click()
    losses = [line for line in download.value.path().read_text().splitlines() if line.startswith("loss,")]
    assert [int(line.split(",")[1]) for line in losses] == list(range(len(losses)))
    end(served)
    is_state(page, "done")


# The page as a reader has it: without what scripts add to show the same thing better.
_PAGE = """() => {
    const page = document.documentElement.cloneNode(true);
    for (const part of page.querySelectorAll(".plot, .control input, script")) part.remove();
    for (const part of page.querySelectorAll("[style]")) part.removeAttribute("style");
    for (const part of page.querySelectorAll("img")) part.classList.remove("sharp");
    for (const part of page.querySelectorAll("[aria-current]")) part.removeAttribute("aria-current");
    for (const part of page.querySelectorAll("[data-ready]")) part.removeAttribute("data-ready");
    for (const part of page.querySelectorAll("[href]")) part.setAttribute("href", part.href);
    const text = (selector) => page.querySelector(selector).outerHTML.replace(/ class=""/g, "")
        .replace(/>\\s+/g, ">").replace(/\\s+</g, "<").replace(/\\s+/g, " ");
    return {
        title: document.title, icon: document.getElementById("favicon").href, chip: text("#state"),
        notice: text("#notice"), contents: text(".contents.wide"), narrow: text(".contents.narrow"),
        page: text("#page"), made: text(".made"),
        shown: [...document.querySelectorAll(".actions [data-do]:not([hidden])")].map((b) => b.textContent),
    };
}"""


@pytest.mark.parametrize("fails", [False, True], ids=["done", "failed"])
def test_f30_before_during_and_after_the_same_page(
    session: Callable[..., Served], open_page: Open, fails: bool
) -> None:
    served = session(fails=fails, waits=True)
    pages = [open_page(served.url)]
    is_state(pages[0], "running")
    (served.folder / "begin").touch()
    expect(pages[0].locator("[data-block=chart]")).to_be_attached()
    pages.append(open_page(served.url))
    is_state(pages[1], "running")
    end(served)
    is_state(pages[0], "failed" if fails else "done")
    pages.append(open_page(served.url))
    for page in pages:
        show_charts(page)
        is_state(page, "failed" if fails else "done")
        until(page, "document.querySelector('.made').textContent.includes(' in ')")
    early, during, late = (page.evaluate(_PAGE) for page in pages)
    assert early == late
    assert during == late


@pytest.mark.parametrize("blocked", ["WebSockets", "WebSockets and event streams"])
def test_f28_from_websockets_to_event_streams_to_polling(
    session: Callable[..., Served], open_page: Open, blocked: str
) -> None:
    served = session(waits=True)
    page = open_page(served.url, expect_errors=True)

    def cut(socket: WebSocketRoute) -> None:
        socket.close()

    page.route_web_socket(re.compile("/events"), cut)
    if blocked != "WebSockets":
        page.route(re.compile("/stream"), lambda route: route.abort())
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    is_state(page, "running")
    (served.folder / "begin").touch()
    expect(page.get_by_role("heading", name="Training")).to_be_attached()
    end(served)
    is_state(page, "done")
    wanted = "/stream?" if blocked == "WebSockets" else "/poll?"
    assert any(wanted in url for url in asked)


@pytest.mark.parametrize("fails", [False, True], ids=["done", "failed"])
@pytest.mark.parametrize("width", [1280, 390])
def test_u5_a_run_never_moves_the_page_under_its_reader(
    session: Callable[..., Served], open_page: Open, fails: bool, width: int
) -> None:
    served = session(fails=fails, waits=True)
    page = open_page(served.url, viewport={"width": width, "height": 800})
    is_state(page, "running")
    (served.folder / "begin").touch()
    show_charts(page)
    until(page, _IS_BEYOND, 9)
    page.evaluate("scrollTo(0, 0)")
    end(served)
    is_state(page, "failed" if fails else "done")
    until(page, "document.querySelector('.made').textContent.includes(' in ')")
    assert page.evaluate("window.shift") <= 0.05, page.evaluate("window.shifts")


def test_f13_a_long_run_keeps_the_page_small(serve: Serve, open_page: Open) -> None:
    """10^5 lines and 10^4 points; tests/bench/page.py has ten times as many, and what a frame takes."""
    served = serve(
        """
        log.h1("Long")
        with log.code():
            print("INFO begin")
            for step in log.progress(range(10_000), "training"):
                log.metric("loss", step, 99.0 if step == 4_321 else 1 / (step + 1))
                for line in range(10):
                    print("INFO step", step, "line", line)
        log.p("It is over.")
        """
    )
    page = open_page(served.url)
    page.keyboard.press("l")
    is_state(page, "done")
    expect(page.get_by_text("It is over.")).to_be_attached()
    expect(page.get_by_text("INFO step 9999 line 9")).to_have_count(2)
    show_charts(page)
    assert page.locator("#log .line").count() < 150
    assert page.evaluate("document.querySelectorAll('*').length") < 2000
    assert page.evaluate("document.getElementById('page').textContent.length") < 50_000
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV:").click()
    lines = download.value.path().read_text().splitlines()
    assert len(lines) <= 4001
    assert any(line.endswith(",99") for line in lines), "extremes are kept"
    with page.expect_download() as download:
        page.locator("#log").get_by_role("link", name="download").click()
    log = download.value.path().read_bytes()
    assert log.count(b"\n") == 100_001
