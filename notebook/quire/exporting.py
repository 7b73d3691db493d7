"""A finished report as one file: HTML, a zip of its Markdown and files, or PDF."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from quire import journal, record
from quire.errors import ReportError
from quire.events import Event
from quire.live import downloads
from quire.live.run_view import RunView

T = TypeVar("T")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
"""What can print a page, by the names that it has on the path."""
# Nothing that is printed comes from elsewhere: the file is Quire's own, and its policy forbids requests.
_PRINT = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --no-pdf-header-footer"
)
# Seconds for a browser to print; a long report takes it a few.
_PATIENCE = 120.0


def write(folder: Path, name: str, kind: str, target: Path) -> None:
    """Writes a report as one file.

    Args:
        folder: of the report.
        name: of the report, which its Markdown and its record are called by.
        kind: a name in `KINDS`.
        target: the file to write; it is replaced.

    Raises:
        ReportError: there is no such report, or it cannot be written so: why, and what to do.
    """
    data = _made(folder, name, KINDS[kind])
    try:
        target.write_bytes(data)
    except OSError as error:
        raise ReportError(f"{target} cannot be written: {error.strerror}") from error


def html(folder: Path, name: str, above: tuple[str, str]) -> str:
    """A report as one HTML document that leads back to another.

    Args:
        folder: of the report.
        name: of the report.
        above: the title and the address of the page to go back to.

    Raises:
        ReportError: there is no such report.
    """
    return _made(folder, name, partial(downloads.html, above=above))


def _made(folder: Path, name: str, make: Callable[[RunView], T]) -> T:
    with view(folder, record.load(folder / f"{name}.json")) as run:
        return make(run)


@contextmanager
def view(folder: Path, events: Iterable[Event]) -> Iterator[RunView]:
    """A finished run as the live page has it, given the report's folder and the events of its record."""
    with tempfile.TemporaryDirectory(prefix="quire-") as private:
        journal.fill(Path(private), events)
        run = RunView({"folder": str(folder.resolve()), "journal": private, "epoch": 0, "link": ""})
        try:
            while run.feed.take():
                pass
            yield run
        finally:
            run.close()


def _html(run: RunView) -> bytes:
    return downloads.html(run).encode()


def _pdf(run: RunView) -> bytes:
    """The HTML as a browser prints it."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise ReportError(
            "a PDF is printed by Chromium or Chrome, and neither is on the path: install one (on Debian, "
            "`apt install chromium`), or export --html and print that from the browser that you have"
        )
    with tempfile.TemporaryDirectory(prefix="quire-") as name:
        page, printed = Path(name) / "report.html", Path(name) / "report.pdf"
        page.write_bytes(_html(run))
        command = [browser, *_PRINT.split(), f"--user-data-dir={name}/profile"]
        try:
            done = subprocess.run(
                [*command, f"--print-to-pdf={printed}", page.as_uri()],
                capture_output=True,
                timeout=_PATIENCE,
                text=True,
                errors="replace",
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ReportError(f"{browser} did not print the report within {_PATIENCE:.0f} s") from None
        if done.returncode or not printed.exists():
            told = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
            raise ReportError(f"{browser} did not print the report: {told[0]}")
        return printed.read_bytes()


KINDS: dict[str, Callable[[RunView], bytes]] = {"html": _html, "zip": downloads.packed, "pdf": _pdf}
"""How a report is made one file, by the ending of its name."""
