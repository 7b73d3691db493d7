"""Takes the pictures of live pages: the MNIST demo, while it runs and when it is done, and a sweep.

    python docs/images/make.py [--data ../shared/data/mnist] [--epochs 5]

It wants the extras `models`, `charts` and `test`, and a Chromium. MNIST is fetched if no folder is given.
"""

import argparse
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import PIL.Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
DEMOS = HERE.parents[1] / "demos"
SWEEP = ("--set", "noise=0,0.2,0.5", "--set", "seed=0:4", "--epochs", "600", "--serve")
WIDTH, HEIGHT = 1280, 760
PATIENCE = 10 * 60_000  # milliseconds: the kernels are compiled first, and MNIST may have to be fetched


def main() -> None:
    """Runs the demos once, and writes the pictures beside this file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="a folder with MNIST's files")
    parser.add_argument("--epochs", type=int, default=5, help="how long to train")
    options = parser.parse_args()
    parameters = ["--dataset", "mnist", "--epochs", str(options.epochs)]
    parameters += ["--data", str(options.data.resolve())] if options.data else []
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.set_default_timeout(PATIENCE)
        with served("serve", "mnist.py", *parameters) as url:
            page.goto(url)
            while_it_runs(page)
            when_it_is_done(page)
        with served("sweep", "denoising.py", *SWEEP) as url:
            page.goto(url)
            while_a_sweep_runs(page)
        browser.close()


@contextmanager
def served(verb: str, demo: str, *parameters: str) -> Iterator[str]:
    """The address of a demo that is served, in a folder that is removed afterwards."""
    command = [sys.executable, "-m", "quire", verb, demo, "--no-browser", "--json", *parameters]
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(DEMOS / demo, folder)
        told = Path(folder) / "told.txt"
        # To a file: a pipe that nobody reads would hold the run up.
        with told.open("w") as out:
            process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.DEVNULL)
        try:
            while "\n" not in told.read_text():
                if process.poll() is not None:
                    raise SystemExit("the demo could not be served: try it with `quire serve`")
                time.sleep(0.05)
            yield json.loads(told.read_text().partition("\n")[0])["url"]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def while_it_runs(page: Page) -> None:
    """All layers being tuned, more than half of it done."""
    page.locator("h2", has_text="Tuning them together").wait_for(state="attached")
    chart = page.locator("[data-block=chart]").nth(2)
    chart.scroll_into_view_if_needed()
    chart.locator("canvas").wait_for()
    page.locator("h2", has_text="Tuning them together").evaluate("heading => heading.scrollIntoView()")
    share = page.locator("#overall .share")
    while int(share.inner_text().split()[0]) < 60:
        page.wait_for_timeout(50)
    shoot(page, "page-running.png")


def when_it_is_done(page: Page) -> None:
    """What goes in, what passes through the code, and what comes back."""
    page.locator("#state", has_text="done").wait_for()
    page.reload()
    page.locator("h2", has_text="Inputs and reconstructions").evaluate("heading => heading.scrollIntoView()")
    page.mouse.move(0, HEIGHT - 1)
    page.wait_for_timeout(500)
    shoot(page, "page-done.png")


def while_a_sweep_runs(page: Page) -> None:
    """Half of the runs done, and the curves of all that have begun."""
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT * 3 // 2})
    page.get_by_text("7 of 12 done").wait_for()
    page.reload()
    page.locator("[data-chart] canvas").first.wait_for()
    page.get_by_role("link", name=re.compile("running, [3-6]. %")).first.wait_for()
    shoot(page, "page-sweep.png")


def shoot(page: Page, name: str) -> None:
    """Writes what is in sight as a PNG."""
    picture = PIL.Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.save(HERE / name, optimize=True)
    print(f"{name}: {(HERE / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
