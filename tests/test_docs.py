"""What the documents say is so."""

import inspect
import re
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest

from quire import NotebookOutput
from quire.cli import _RUN_OPTIONS, _SERVE_OPTIONS, _SERVE_RUN_OPTIONS, _SWEEP_OPTIONS
from tests.notebook.reports import hrefs

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "reports").rglob("*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"\A---\n.*?\n---\n", "", document.read_text(), flags=re.DOTALL)
    for href in hrefs(text):
        if not re.match(r"\w+:|#", href):
            assert (document.parent / unquote(href.partition("#")[0])).exists(), href


def test_the_readme_shows_the_demo_as_it_is() -> None:
    example = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    demo = (ROOT / "demos/hello.py").read_text().partition("\n\n")[2]
    assert example == demo


def test_the_readme_has_exactly_two_commands() -> None:
    commands = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert [len(command.strip().splitlines()) for command in commands] == [2, 2]
    for command in commands:
        assert command.count("\n# ") == 0
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        for extra in re.findall(r"\[([\w,]+)\]", command)[0].split(","):
            assert extra in extras


def test_every_verb_is_documented() -> None:
    text = (ROOT / "docs/reports.md").read_text() + (ROOT / "docs/live.md").read_text()
    listed = re.findall(r"^\| ((?:`\w+` ?)+)\|", text, re.MULTILINE)
    verbs = {name for name, _ in inspect.getmembers(NotebookOutput, inspect.isfunction) if name[0] != "_"}
    assert {verb for row in listed for verb in re.findall(r"\w+", row)} == verbs


def test_every_option_is_documented() -> None:
    text = "".join((ROOT / f"docs/{name}.md").read_text() for name in ("reports", "live", "sweeps"))
    every = (*_RUN_OPTIONS, *_SERVE_OPTIONS, *_SERVE_RUN_OPTIONS, *_SWEEP_OPTIONS)
    told = [next(name for name in option.opts if name.startswith("-")) for option in every]
    names = [name for name in told if name.startswith("--")]
    assert [name for name in names if name not in text and name.replace("--", "--no-") not in text] == []


def test_every_promise_names_its_test() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for name in re.findall(r"`(test_\w+)(?:…)?`", (ROOT / "docs/live.md").read_text()):
        assert f"def {name}" in tests, name


def test_the_menu_names_what_there_is() -> None:
    menu = (ROOT / "Makefile").read_text()
    for path in re.findall(r"[\w/.]+\.py\b", menu):
        assert (ROOT / path).exists(), path
