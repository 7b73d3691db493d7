"""Links of a report hold wherever its folder is put, but for those to code that stays where it was."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from quire.names import anchor
from tests.notebook.conftest import Run
from tests.notebook.reports import EVERYTHING, hrefs


@pytest.fixture
def reports(tmp_path: Path, quire: Run, demo: Callable[..., Path]) -> Path:
    """A folder of two reports and their list, which link to code beside it."""
    demo(EVERYTHING, head="import numpy as np", name="everything.py")
    demo("log.p('nothing')", name="other.py")
    quire("run", "everything.py")
    quire("run", "other.py")
    quire("index", "reports")
    return tmp_path / "reports"


def leads_nowhere(page: Path) -> set[str]:
    """The relative links of a page of Markdown or HTML that lead to nothing, in it or beside it."""
    text = page.read_text()
    own = set(re.findall(r'id="([^"]*)"', text))
    if page.suffix == ".md":
        found = hrefs(text)
        own |= {anchor(heading) for heading in re.findall(r"^#+ (.*)", text, re.MULTILINE)}
    else:
        found = re.findall(r'(?:href|src)="([^"]*)"', text)
    lost = set()
    for href in found:
        path, _, fragment = href.partition("#")
        if re.match(r"[a-z]+:", href):
            continue
        if not (page.parent / unquote(path)).exists() or (not path and unquote(fragment) not in own):
            lost.add(href)
    return lost


def test_links_survive_a_moved_folder(reports: Path, tmp_path: Path) -> None:
    pages = sorted(reports.rglob("*.md"))
    assert len(pages) == 6
    before = {page: [href for href in hrefs(page.read_text()) if "etc/" in href] for page in pages}
    assert sum(map(len, before.values())) >= 12
    assert not set().union(*map(leads_nowhere, pages))
    moved = tmp_path / "far/away/from here"
    moved.parent.mkdir(parents=True)
    shutil.move(reports, moved)
    lost = {page.relative_to(moved).as_posix(): leads_nowhere(page) for page in moved.rglob("*.md")}
    code = {name: found for name, found in lost.items() if found}
    # The code was not pushed, and has not moved: its place stands there in words as well.
    assert set(code) == {"everything/everything.md", "everything/another-page/another-page.md"}
    for name, found in code.items():
        assert all(re.fullmatch(r"(\.\./)+everything\.py#L\d+(-L\d+)?", href) for href in found)
        assert "[everything.py:" in (moved / name).read_text()


def test_a_single_report_that_is_moved_takes_its_pages_along(reports: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.move(reports / "everything", moved)
    for page in moved.rglob("*.md"):
        assert all("everything.py#L" in href for href in leads_nowhere(page)), page


def test_html_survives_it_whole(reports: Path, tmp_path: Path, quire: Run) -> None:
    quire("export", "reports/everything", "-o", "one.html")
    quire("index", "reports", "--html", "site")
    moved = tmp_path / "a/b/c"
    moved.mkdir(parents=True)
    shutil.move(tmp_path / "one.html", moved)
    shutil.move(tmp_path / "site", moved)
    shutil.rmtree(reports)
    pages = sorted(moved.rglob("*.html"))
    assert [page.name for page in pages] == ["one.html", "everything.html", "index.html", "other.html"]
    lost = {page.name: leads_nowhere(page) for page in pages}
    assert not any(lost.values()), lost
