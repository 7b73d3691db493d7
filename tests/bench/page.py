"""What the page costs in a browser: `python tests/bench/page.py`, with nothing else running.

One session as long as a training: 10^6 lines of log and 10^5 points of a curve, while the log is open, then
a slider, and the sizes. Each figure stands beside its goal.
"""

import gzip
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.web.conftest import _QUIET, CHROMIUM
from tests.web.double import Double
from tests.web.events import everything

from quire.events import Text
from quire.web import assets, vega

_FRAMES = """
    window.frames_ = []; let last = performance.now();
    const tick = () => { const now = performance.now(); frames_.push(now - last); last = now; requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
"""  # noqa: E501 - a line of JavaScript


def main() -> None:
    """Measures, and prints a line for each figure."""
    scripts = [assets.read(name)[0] for name in assets.names() if name.endswith((".js", ".css"))]
    told("JS and CSS, gzipped", sum(len(gzip.compress(data)) for data in scripts) / 1000, "kB", 150)
    told("  the charts' bundle besides", len(gzip.compress(vega.bundle())) / 1000, "kB", None)
    folder = Path(tempfile.mkdtemp())
    double = Double(folder).start()
    double.write(*everything(folder))
    double.reacts = lambda key, value: double.write(
        Text(key="play-text", parent="play-result", markdown=f"n is {value:g}")
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_QUIET.split())
        paints = []
        for _ in range(7):
            page = browser.new_page()
            page.goto(double.url)
            page.wait_for_timeout(300)
            paints.append(
                page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            )
            page.close()
        told("first paint, median of 7", statistics.median(paints), "ms", 1000)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(double.url)
        page.locator("#chart").scroll_into_view_if_needed()
        page.locator("#chart canvas").wait_for()
        slide(page)
        train(page, double)
        browser.close()
    double.stop()


def slide(page: Page) -> None:
    """How soon a slider's answer is on the page."""
    slider = page.get_by_role("slider", name="n", exact=True)
    slider.focus()
    waits = []
    for number in range(60):
        before = page.locator("#play-text").inner_text()
        began = time.perf_counter()
        page.keyboard.press("ArrowRight" if number // 7 % 2 == 0 else "ArrowLeft")
        while page.locator("#play-text").inner_text() == before and time.perf_counter() - began < 1:
            pass
        waits.append((time.perf_counter() - began) * 1000)
    told("slider to answer, p95 of 60", sorted(waits)[56], "ms", 100)


def train(page: Page, double: Double) -> None:
    """A training of half an hour in half a minute."""
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.locator("#chart").evaluate("chart => chart.scrollIntoView()")
    page.keyboard.press("l")
    page.evaluate(_FRAMES)
    began, at = time.perf_counter(), 0
    for batch in range(500):
        text = "".join(
            f"INFO step {batch * 2000 + line:07d} loss 0.123456 rate 0.001\n" for line in range(2000)
        )
        double.send({"log": {"at": at, "text": text}})
        at += len(text)
        step = 100 + batch * 200
        points = [["loss", step + number, 1 / (step + number)] for number in range(200)]
        double.send({"points": {"chart": points}})
        time.sleep(max(0, began + 0.06 * batch - time.perf_counter()))
    page.get_by_text("INFO step 0999999").wait_for(timeout=60_000)
    told("10^6 lines and 10^5 points came in", time.perf_counter() - began, "s", None)
    frames = sorted(page.evaluate("frames_"))
    told("  frame, p99", frames[int(len(frames) * 0.99)], "ms", 100)
    told("  frame, worst", frames[-1], "ms", 100)
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")
    told("  memory of the page's scripts", heap["usedSize"] / 1e6, "MB", 200)
    told("  elements", page.evaluate("document.querySelectorAll('*').length"), "", None)


def told(what: str, value: float, unit: str, goal: float | None) -> None:
    """Prints a figure beside its goal."""
    verdict = "" if goal is None else f"   goal {goal:g} {unit}" + ("" if value <= goal else "   MISSED")
    print(f"{what:40} {value:10.1f} {unit}{verdict}", flush=True)


if __name__ == "__main__":
    main()
