"""What the page costs in a browser, with a real server and a real run.

    python -m tests.bench.page [--quick] [--write docs/performance.md]

The sizes; the first paint; a slider, from the key to its answer on the page; and a training of half an
hour pressed into a minute: 10^6 lines of log and 10^5 points of a curve, while log and chart are in sight.
Run, server and browser share the machine: nothing else may run meanwhile.
"""

import argparse
import gzip
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from quire import provenance
from quire.web import assets, vega
from tests.bench.document import tell
from tests.live.conftest import Served
from tests.web.conftest import _QUIET, CHROMIUM

READ = """
from pathlib import Path
from quire import NotebookOutput

def demo(log: NotebookOutput) -> None:
    log.h1("A report to read")
    for section in range(20):
        log.h2(f"Section {section}")
        log.p("Some words with $x^2$ and `code`. " * 20)
        with log.code():
            total = sum(range(section))
            print("the sum is", total)
        log.table([{"n": n, "square": n * n} for n in range(10)])

    @log.interact("Twice", n=log.slider("n", 0, 100, value=50))
    def twice(n: float) -> str:
        return f"twice is {2 * n:g}"
"""
TRAIN = """
import time
from quire import NotebookOutput

def demo(log: NotebookOutput, lines: int = 1_000_000, points: int = 100_000, seconds: float = 60) -> None:
    log.h1("Long")
    while not log_is_open():
        log.pause_point()
        time.sleep(0.05)
    began = time.monotonic()
    each = lines // points
    with log.code():
        for step in range(points):
            log.metric("loss", step, 1 / (step + 1))
            for line in range(each):
                print(f"INFO step {step:07d} line {line} loss 0.123456 rate 0.001")
            ahead = began + seconds * step / points - time.monotonic()
            if ahead > 0.005:
                time.sleep(ahead)
    log.p("It is over.")

def log_is_open() -> bool:
    from pathlib import Path
    return Path("go").exists()
"""
_FRAMES = """() => {
    window.frames_ = [];
    let last = performance.now();
    const tick = () => {
        const now = performance.now();
        frames_.push(now - last);
        last = now;
        requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
}"""

# From a key pressed in a field of numbers to the frame that shows the test picture of that number.
_ANSWERS = """() => {
    const field = document.activeElement;
    window.waits = [];
    window.began = 0;
    field.addEventListener("keydown", () => { window.began = performance.now(); });
    new MutationObserver(() => {
        const shown = document.getElementById("moved").textContent;
        if (!began || !shown.includes(`Test picture ${field.value}, a`)) return;
        const since = began;
        window.began = 0;
        requestAnimationFrame(() => waits.push(performance.now() - since));
    }).observe(document.getElementById("page"), { childList: true, subtree: true, characterData: true });
}"""

Row = tuple[str, float, str, float | None]
"""What was measured, how much it is, its unit, and the goal if there is one."""


@contextmanager
def served(text: str, *parameters: str, script: str = "demo.py") -> Iterator[Served]:
    """A script with this text under `quire serve`, in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / script).write_text(text)
        one = Served(Path(name), *parameters, script=script)
        try:
            yield one
        finally:
            one.end()


def sizes() -> Iterator[Row]:
    """What a browser fetches before it can show a page."""
    scripts = [assets.read(name)[0] for name in assets.names() if name.endswith((".js", ".css"))]
    yield "scripts and style, gzipped", sum(len(gzip.compress(data)) for data in scripts) / 1000, "kB", 150
    yield "the charts' script besides, when one is near", len(gzip.compress(vega.bundle())) / 1000, "kB", None


def reading(browser: Browser, rounds: int) -> Iterator[Row]:
    """The first paint of a page of twenty sections, in windows with empty caches; and a slider."""
    with served(READ) as run:
        paints = []
        for _ in range(rounds):
            context = browser.new_context()
            page = context.new_page()
            page.goto(run.url)
            page.locator("#state", has_text="done").wait_for()
            page.wait_for_timeout(200)
            paints.append(
                page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            )
            context.close()
        yield f"first paint, median of {rounds}", statistics.median(paints), "ms", 1000
        page = browser.new_page()
        page.goto(run.url)
        waits = sorted(slide(page, 20 * rounds))
        yield "slider, from key to answer: median", statistics.median(waits), "ms", None
        yield "slider, from key to answer: 95th percentile", waits[int(len(waits) * 0.95)], "ms", 100
        page.close()


def slide(page: Page, count: int) -> list[float]:
    """How long each of the slider's answers took, in milliseconds, by the page's own clock."""
    slider = page.get_by_role("slider", name="n", exact=True)
    slider.focus()
    page.evaluate("""() => {
        const block = document.querySelector("[data-block=interact]");
        const input = block.querySelector("input");
        window.waits = [];
        input.addEventListener("keydown", () => { window.began = performance.now(); });
        new MutationObserver(() => {
            if (!began || !block.textContent.includes(`twice is ${2 * input.value}'`)) return;
            const since = began;
            window.began = 0;
            requestAnimationFrame(() => waits.push(performance.now() - since));
        }).observe(block, { childList: true, subtree: true, characterData: true });
        window.began = 0;
    }""")
    for number in range(count):
        page.keyboard.press("ArrowRight" if number // 40 % 2 == 0 else "ArrowLeft")
        while page.evaluate("waits.length") <= number:
            page.wait_for_timeout(10)
    found: list[float] = page.evaluate("waits")
    return found


def exploring(browser: Browser, count: int) -> Iterator[Row]:
    """What a reader of the explorer waits for while both networks learn; the model's time is in it."""
    demo = Path(__file__).parents[2] / "demos/explorer.py"
    with served(demo.read_text(), "--epochs", "1000000", script=demo.name) as run:
        page = browser.new_page()
        page.goto(run.url)
        page.locator("#training-code").wait_for()
        number = page.get_by_role("spinbutton", name="test picture")
        number.fill("1")
        number.press("Enter")
        page.locator("#moved", has_text="Test picture 1, a").wait_for()
        number.focus()
        page.evaluate(_ANSWERS)
        for done in range(count):
            page.keyboard.press("ArrowUp")
            while page.evaluate("waits.length") <= done:
                page.wait_for_timeout(10)
        waits = sorted(page.evaluate("waits"))
        # The goal is for what the page adds; a step and a look at the test pictures are in these.
        named = "explorer in training, from key to answer, the networks' own time in it"
        yield f"{named}: median", statistics.median(waits), "ms", None
        yield f"{named}: 95th percentile", waits[int(len(waits) * 0.95)], "ms", None
        page.close()


def training(browser: Browser, lines: int, points: int, seconds: float) -> Iterator[Row]:
    """A long training, followed from its first line to its last."""
    parameters = ("--lines", str(lines), "--points", str(points), "--seconds", str(seconds))
    with served(TRAIN, *parameters) as run:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(10 * 60_000)
        page.goto(run.url)
        page.keyboard.press("l")
        page.evaluate(_FRAMES)
        began = time.perf_counter()
        (run.folder / "go").touch()
        page.locator("[data-block=chart]").wait_for()
        page.locator("[data-block=chart]").evaluate("chart => chart.scrollIntoView()")
        page.get_by_text(f"INFO step {points - 1:07d} line 0").first.wait_for(state="attached")
        yield f"{lines:,} lines and {points:,} points shown", time.perf_counter() - began, "s", None
        frames = sorted(page.evaluate("frames_"))
        yield "a frame meanwhile, 99th percentile", frames[int(len(frames) * 0.99)], "ms", 100
        yield "a frame meanwhile, the longest", frames[-1], "ms", 100
        page.locator("#state", has_text="done").wait_for()
        page.locator("[data-block=chart] canvas").wait_for()
        session = page.context.new_cdp_session(page)
        session.send("HeapProfiler.collectGarbage")
        heap = session.send("Runtime.getHeapUsage")["usedSize"]
        yield "memory of the page's scripts", heap / 1e6, "MB", 200
        yield "elements on the page", page.evaluate("document.querySelectorAll('*').length"), "", None
        page.close()


def table(rows: list[Row]) -> str:
    """The figures, each beside its goal."""
    lines = ["| | measured | goal |", "| --- | ---: | ---: |"]
    for what, value, unit, goal in rows:
        figure = f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
        told = "" if goal is None else f"{goal:,.0f} {unit}"
        told += "" if goal is None or value <= goal else " (missed)"
        lines.append(f"| {what} | {figure} {unit} | {told} |".replace("  ", " "))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures, and prints what was found or writes it into a document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of it, for working on the page")
    parser.add_argument(
        "--write", type=Path, help="a document that has a part between this benchmark's marks"
    )
    options = parser.parse_args()
    part = 10 if options.quick else 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_QUIET.split())
        rows = [
            *sizes(),
            *reading(browser, 3 if options.quick else 9),
            *exploring(browser, 20 if options.quick else 200),
            *training(browser, 1_000_000 // part, 100_000 // part, 60 / part),
        ]
        version = browser.version
        browser.close()
    python = provenance.versions().partition(",")[0]
    found = f"{python}; Chromium {version}, headless; {provenance.machine()}.\n\n{table(rows)}"
    tell(found, "page", options.write)


if __name__ == "__main__":
    main()
