"""A browser for all tests of the page, and what none may see: errors, violations, foreign requests."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from tests.live.conftest import serve as serve
from tests.web.double import Double
from tests.web.events import everything

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
_AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
# Kept by the page until the test looks: what the policy forbade, and how much the content jumped.
_WATCH = """
    window.violations = [];
    document.addEventListener("securitypolicyviolation",
        (e) => violations.push(`${e.violatedDirective} ${e.blockedURI}`));
    window.shift = 0;
    window.shifts = [];
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
            if (entry.hadRecentInput) continue;
            shift += entry.value;
            shifts.push([entry.value, ...entry.sources.map(({ node, previousRect, currentRect }) =>
                `${node?.nodeName}#${node?.id} ${previousRect.top} -> ${currentRect.top}`)]);
        }
    }).observe({ type: "layout-shift", buffered: true });
"""

PATIENCE = 40.0
"""Seconds to wait for what should come at once: the machine may be busy."""
expect.set_options(timeout=1000 * PATIENCE)

Open = Callable[..., Page]
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium is installed")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=_QUIET.split())
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens a URL in a window of its own; at the end, none may have seen anything wrong."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def open_(url: str, *, expect_errors: bool = False, **settings: Any) -> Page:
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 800}} | settings))
        contexts.append((context, expect_errors))
        page = context.new_page()
        page.set_default_timeout(1000 * PATIENCE)
        page.add_init_script(_WATCH)
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        if not expect_errors:
            page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
        page.on("request", lambda request: wrong.extend(_foreign(request, url)))
        page.goto(url)
        return page

    yield open_
    for context, _ in contexts:
        for page in context.pages:
            wrong += page.evaluate("window.violations ?? []")
        context.close()
    assert wrong == []


def until(page: Page, expression: str, argument: Any = None, *, timeout: float = PATIENCE) -> None:
    """Waits until an expression of JavaScript holds. Playwright's own way evaluates text in the page, which
    the page's policy forbids.
    """
    end = time.monotonic() + timeout
    while not page.evaluate(expression, argument):
        assert time.monotonic() < end, f"never: {expression}"
        page.wait_for_timeout(20)


def _foreign(request: Request, url: str) -> list[str]:
    origin = "/".join(url.split("/")[:3])
    fine = request.url.startswith((origin, origin.replace("http", "ws"), "data:", "blob:"))
    return [] if fine else [f"foreign request: {request.url}"]


@pytest.fixture
def double(tmp_path: Path) -> Iterator[Double]:
    """A server that the test has in its hand, with an empty report."""
    server = Double(tmp_path).start()
    yield server
    server.stop()


@pytest.fixture
def full(double: Double, tmp_path: Path) -> Double:
    """The same, with one of everything on the page."""
    double.write(*everything(tmp_path))
    return double


@pytest.fixture
def axe() -> Callable[[Page], list[str]]:
    """What axe-core finds wrong with a page, a line for each element."""

    def check(page: Page) -> list[str]:
        found = Axe().run(page, options=_AXE).response["violations"]
        return [
            f"{rule['id']}: {node['html'][:160]} {node['failureSummary']}"
            for rule in found
            for node in rule["nodes"]
        ]

    return check
