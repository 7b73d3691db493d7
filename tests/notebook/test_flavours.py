"""`quire export --flavour`: a report as a page of a site that Hugo, Jekyll or MkDocs makes."""

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from quire import open_report
from quire.cli import cli
from quire.flavours import FLAVOURS
from tests.notebook.conftest import Run
from tests.notebook.reports import EVERYTHING, MARKDOWN, hrefs

REPORTS = Path(__file__).parents[2] / "reports"


def export(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["export", *map(str, arguments)])


@pytest.fixture
def report(tmp_path: Path, quire: Run, demo: Callable[..., Path]) -> Path:
    demo(EVERYTHING, head="import numpy as np", name="everything.py")
    quire("run", "everything.py")
    return tmp_path / "reports/everything"


@pytest.fixture(params=FLAVOURS)
def flavour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def page(report: Path, flavour: str, tmp_path: Path) -> Path:
    done = export(report, "--flavour", flavour, "-o", tmp_path / "site/page")
    assert done.exit_code == 0, done.output
    return tmp_path / "site/page"


def parts(path: Path) -> tuple[dict[str, Any], str]:
    """The front matter and the rest of a page."""
    _, front, body = path.read_text().split("---\n", 2)
    return yaml.safe_load(front), body


def pages(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*index.md"), key=lambda path: path.parent)


def test_each_page_has_a_folder_of_its_own(page: Path, flavour: str) -> None:
    above = "_index.md" if flavour == "hugo" else "index.md"
    names = {path.relative_to(page).as_posix() for path in page.rglob("*.md")}
    assert names == {above, f"another-page/{above}", "another-page/deeper/index.md", "history/index.md"}
    assert not list(page.rglob("*.json")), "the record is no part of a site"


def test_front_matter(page: Path, flavour: str) -> None:
    for path in pages(page):
        front, _ = parts(path)
        assert isinstance(front["date"], datetime)
        assert front["date"].tzinfo is not None
        layout = {"hugo": "single" if path.name == "_index.md" else None, "jekyll": "page", "mkdocs": None}
        assert front.get("layout") == layout[flavour]
    assert [parts(path)[0]["title"] for path in pages(page)] == [
        *("A report with all in it", "Another page", "Deeper", "History")
    ]


def test_links_lead_to_pages_and_files_and_back(page: Path, flavour: str, report: Path) -> None:
    reached = set()
    for path in pages(page):
        _, body = parts(path)
        for href in hrefs(body):
            if href.startswith("#"):
                continue
            target = (path.parent / unquote(href)).resolve()
            if flavour != "mkdocs" and href.endswith("/"):
                target = next(target.glob("*index.md"))
            assert target.is_file(), f"{path}: {href}"
            assert target.is_relative_to(page.resolve()), "what is not there cannot be linked to"
            reached.add(target)
        assert path.parent == page or re.search(r"← \[[^\]]+\]\(\.\./(index\.md)?\)", body)
        assert "[everything.py:" not in body, "where code stands is told in words alone"
    files = {path.resolve() for path in page.rglob("*") if path.is_file() and path.name != ".quire"}
    assert reached == files, "each is linked to, none is left over"
    for file in (*report.rglob("etc/*.png"), *report.rglob("etc/*.csv")):
        assert (page / file.relative_to(report)).read_bytes() == file.read_bytes()


def test_anchors_that_generators_make_otherwise_are_written_out(page: Path) -> None:
    _, body = parts(pages(page)[0])
    assert re.search(r'<a id="tables-more"></a>\n\n## Tables & more', body)


def test_a_title_is_shown_once(page: Path, flavour: str) -> None:
    for path in pages(page):
        shown = re.findall(r"^# .*", re.sub(r"```.*?```", "", parts(path)[1], flags=re.DOTALL), re.MULTILINE)
        assert len(shown) == (flavour == "mkdocs"), "the layouts of the others write it"


def test_parts_set_apart(page: Path, flavour: str) -> None:
    _, body = parts(pages(page)[0])
    assert "[!WARNING]" not in body
    if flavour == "mkdocs":
        assert (
            '<div class="admonition warning" markdown="1">\n<p class="admonition-title" markdown="1">Mind</p>'
            in body
        )
    else:
        assert "> **Warning: Mind**\n>\n> what you **do**" in body
    assert ('<details markdown="1">' in body) == (flavour != "hugo")


def test_code_reaches_the_reader_as_it_ran(page: Path, flavour: str) -> None:
    _, body = parts(pages(page)[0])
    if flavour == "jekyll":
        # As Liquid does it: what is raw as it stands, and the one value between such parts.
        assert body.strip().startswith("{% raw %}")
        raws = re.findall(r"\{% raw %\}(.*?)\{%-?\s*endraw.*?%\}", body, re.DOTALL)
        between = re.split(r"\{% raw %\}.*?\{%-?\s*endraw.*?%\}", body, flags=re.DOTALL)
        assert [part.strip() for part in between] == ["", *['{{ "{%" }}'] * (len(raws) - 1), ""]
        body = "{%".join(raws)
    elif flavour == "hugo":
        # As Hugo does it: what stands in its comment is text, whatever it is.
        opened = body.index("{{</*")
        assert body.index("{{") == opened
        assert body.index("*/>}}") == body.rindex("*/>}}") > body.rindex("{{")
    sources = [token.content for token in MARKDOWN.parse(body) if token.type == "fence"]
    template = "{{ name }} {% raw %} {% endraw %} {%- endraw -%} {{< short >}} {{"
    assert sources[:2] == [f'template = "{template}"\nprint(template)\n', f"{template}\n"]


def test_what_hugo_cannot_be_kept_from_reading_is_refused(tmp_path: Path) -> None:
    with open_report(tmp_path / "report") as log:
        log.p("`{{< a >}}` is told by `{{</* a */>}}`")
    done = export(tmp_path / "report", "--flavour", "hugo", "-o", tmp_path / "page")
    assert done.exit_code == 0
    assert "{{%/*" in (tmp_path / "page/index.md").read_text()
    with open_report(tmp_path / "report") as log:
        log.p("`{{</* a */>}}` and `{{%/* b */%}}`")
    done = export(tmp_path / "report", "--flavour", "hugo", "-o", tmp_path / "other")
    assert done.exit_code == 2
    assert re.search(r"Error: the report holds both .* Hugo", done.output), (
        "what it is, not where it was written"
    )
    assert not (tmp_path / "other").exists()


def test_a_run_that_failed_says_so(tmp_path: Path, flavour: str) -> None:
    with pytest.raises(ZeroDivisionError), open_report(tmp_path / "report") as log, log.code():
        1 / 0  # noqa: B018 - it is to fail
    assert export(tmp_path / "report", "--flavour", flavour, "-o", tmp_path / "page").exit_code == 0
    front, body = parts(tmp_path / "page/index.md")
    assert front["state"] == "failed"
    told = re.sub(r"^> ?", "", body, flags=re.MULTILINE)
    assert "The run failed" in told
    assert "**ZeroDivisionError**: division by zero" in told
    assert "```python\n1 / 0" in told


def test_a_picture_called_like_a_chart_stays_itself(tmp_path: Path) -> None:
    with open_report(tmp_path / "report", reproducible=True) as log:
        log.metric("loss", 1, 0.5)
        log.metric("loss", 2, 0.25)
        log.file(b"mine", "chart.svg")
    assert export(tmp_path / "report", "--flavour", "hugo", "-o", tmp_path / "page").exit_code == 0
    assert (tmp_path / "page/etc/chart.svg").read_bytes() == b"mine"
    assert sorted(path.name for path in (tmp_path / "page/etc").iterdir()) == ["chart-2.svg", "chart.svg"]


def test_a_second_export_replaces_the_first(tmp_path: Path, flavour: str) -> None:
    for name in ("first", "second"):
        with open_report(tmp_path / "report") as log:
            log.file(name.encode(), f"{name}.txt")
        done = export(tmp_path / "report", "--flavour", flavour, "-o", tmp_path / "page")
        assert done.output == f"Wrote {tmp_path}/page/index.md.\n"
    assert [path.name for path in (tmp_path / "page/etc").iterdir()] == ["second.txt"]


def test_what_quire_did_not_write_is_left_alone(tmp_path: Path) -> None:
    with open_report(tmp_path / "report") as log:
        log.image(np.eye(2), "small")
    (tmp_path / "page").mkdir()
    (tmp_path / "page/index.md").write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for target, said in (
        ("page", "index.md was not written by Quire"),
        ("report", "is the folder of a report"),
        ("page/index.md", "is a file"),
    ):
        done = export(tmp_path / "report", "--flavour", "mkdocs", "-o", tmp_path / target)
        assert done.exit_code == 2
        assert said in done.output
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with open_report(tmp_path / "report") as log:
        log.p("words")
    done = export(tmp_path / "report", "--flavour", "hugo", "--zip", "-o", tmp_path / "page")
    assert done.exit_code == 2
    assert "choose one" in done.output


@pytest.mark.parametrize("path", sorted(REPORTS.glob("*/*.md")), ids=lambda path: path.stem)
def test_front_matter_of_a_report_fits_as_it_is(path: Path) -> None:
    front, _ = parts(path)
    assert isinstance(front["title"], str)
    # None of the names that steer a generator: where a page goes, and whether it is shown.
    steering = {
        "url",
        "type",
        "layout",
        "weight",
        "draft",
        "aliases",
        "slug",
        "permalink",
        "published",
        "category",
    }
    assert not steering & set(front)
    assert isinstance(front.get("date", datetime.min), datetime)
