"""`quire export`: a finished report as one file."""

import io
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from quire import NotebookOutput, open_report
from quire.cli import cli
from quire.exporting import BROWSERS
from tests.notebook.reports import check


@pytest.fixture
def report(tmp_path: Path) -> Path:
    with open_report(tmp_path / "report", reproducible=True) as log:
        log.h1("A *finished* report")
        with log.code():
            print("what it printed")
        log.image(np.eye(9), "A diagonal")
        log.metric("loss", 1, 0.5)
        log.metric("loss", 2, 0.25)
        log.p("![](/etc/hostname) and ![](../../outside.png)")
        log.file(b"1,2\n", "data.csv")
        with log.subreport("Another page") as page:
            inner(page)
    return tmp_path / "report"


def inner(page: NotebookOutput) -> None:
    page.p("It stands on a page of its own.")


def export(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["export", *map(str, arguments)])


def test_a_report_as_one_html_file(report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = export(report)
    assert done.exit_code == 0, done.output
    assert re.fullmatch(r"Wrote report\.html \([\d.]+ kB\)\.\n", done.output)
    text = Path("report.html").read_text()
    for wanted in ("what it printed", "It stands on a page of its own.", "data:image/png;base64,", "<svg"):
        assert wanted in text
    assert "<script" not in text
    # S37: only what the report itself wrote is taken in.
    assert not re.search(r'(?:src|href)="(?!data:|#|https?:)[^"]+"', text)
    export(report / "report.md", "-o", "again.html")
    assert Path("again.html").read_text() == text, "the same bytes for the same report"


def test_it_says_what_data_the_report_was_made_from(tmp_path: Path) -> None:
    (tmp_path / "birds.csv").write_text("kind,count\nwren,3\n")
    with open_report(tmp_path / "report") as log:
        log.data(tmp_path / "birds.csv")
        log.p("Three wrens.")
    assert export(tmp_path / "report", "-o", tmp_path / "report.html").exit_code == 0
    text = (tmp_path / "report.html").read_text()
    assert re.search(r"<dt>Data</dt><dd>[^<]*birds\.csv \(SHA-256 [0-9a-f]{12}…\)</dd>", text)


def test_a_report_as_a_zip(report: Path, tmp_path: Path) -> None:
    assert export(report, "--zip", "-o", tmp_path / "r.zip").exit_code == 0
    with zipfile.ZipFile(io.BytesIO((tmp_path / "r.zip").read_bytes())) as archive:
        archive.extractall(tmp_path / "elsewhere")
    assert "what it printed" in check(tmp_path / "elsewhere/report/report.md")


@pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="no Chromium is installed")
def test_a_report_as_pdf(report: Path, tmp_path: Path) -> None:
    done = export(report, "--pdf", "-o", tmp_path / "r.pdf")
    assert done.exit_code == 0, done.output
    data = (tmp_path / "r.pdf").read_bytes()
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    assert b"/Type /Page\n" in data or b"/Type/Page" in data


def test_a_pdf_without_a_browser_says_what_to_do(
    report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = export(report, "--pdf", "-o", tmp_path / "r.pdf")
    assert done.exit_code == 2
    assert "apt install chromium" in done.output
    assert not (tmp_path / "r.pdf").exists()


def test_what_is_no_report_is_told(report: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty.json is missing: run the report again" in export(tmp_path / "empty").output
    done = export(report, "-o", tmp_path / "no/such/folder.html")
    assert done.exit_code == 2
    assert "folder.html cannot be written" in done.output
