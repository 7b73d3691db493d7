"""The list of reports."""

import contextlib
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from quire import ReportError, index, open_report
from tests.notebook.conftest import Run
from tests.notebook.reports import hrefs


def write_two(folder: Path) -> None:
    with open_report(folder / "b", parameters={"epochs": 3, "data": None}) as log:
        log.h1("The *second*")
        log.p("It finds 4.5 of them. More is said here.")
        log.image(np.eye(4), "A diagonal", scale=100)
        log.metadata(accuracy=0.98765, name="not a figure", tags=["a"])
        with log.subreport("Details of it") as page:
            page.image(np.eye(3), "Not this one")
            with page.subreport("Deeper | yet"):
                pass
    with contextlib.suppress(ZeroDivisionError), open_report(folder / "a", reproducible=True) as log:
        log.p("First")
        log.p("*Not known yet.*", key="findings")
        log.image(np.eye(2), "First of all")
        log.image(np.eye(2), "The one to show", key="thumbnail")
        log.p("What it **found**. And more.", key="findings")
        raise ZeroDivisionError


def test_the_list_shows_what_each_report_is(tmp_path: Path) -> None:
    write_two(tmp_path)
    path = index.write(tmp_path, title="All of them")
    text = path.read_text()
    assert all((tmp_path / unquote(href)).exists() for href in hrefs(text))
    assert text.index("## [A](a/a.md)") < text.index("## [The *second*](b/b.md)")
    assert "What it **found**. And more.\n" in text
    assert "Not known yet" not in text
    assert "The one to show" in text
    assert "First of all" not in text
    assert "**failed**" in text
    assert "It finds 4.5 of them.\n" in text
    assert "<sub>epochs = 3<br>" in text
    assert "accuracy: 0.9877" in text
    assert "not a figure" not in text
    assert 'width="320" height="320"' in text
    assert "- [Details of it](b/details-of-it/details-of-it.md)\n  - [Deeper \\| yet](" in text
    assert text.count("<img") == 2


def test_the_list_is_written_again_but_nothing_else_is_replaced(tmp_path: Path) -> None:
    write_two(tmp_path)
    first = index.write(tmp_path).read_text()
    assert index.write(tmp_path).read_text() == first
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(ReportError, match=r"README\.md was not written by"):
        index.write(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="holds no report"):
        index.write(tmp_path)


def test_the_command_writes_a_site_too(tmp_path: Path, quire: Run) -> None:
    write_two(tmp_path / "reports")
    done = quire("index", "reports", "--html", "site", "--title", "Ours")
    assert done.stdout == "Wrote reports/README.md.\nWrote site/index.html.\n"
    assert "<h1>Ours</h1>" in (tmp_path / "site/index.html").read_text()
    (tmp_path / "site/index.html").write_text("mine")
    done = quire("index", "reports", "--html", "site", check=False)
    assert done.returncode == 2
    assert "site/index.html was not written by `quire index`" in done.stderr
