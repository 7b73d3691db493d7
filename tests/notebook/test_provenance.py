"""Where code comes from, and how a report points at it."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from quire.provenance import Checkout, Linker, _web, machine, versions
from tests.notebook.reports import check

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Demo = Callable[..., Path]


@pytest.fixture
def git(tmp_path: Path) -> Callable[..., str]:
    """Runs git in the temporary folder, which is a repository."""
    who = {
        f"GIT_{role}_{what}": f"{what}@x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }

    def run(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | who,
        ).stdout.strip()

    run("init", "-q", "-b", "main")
    return run


def test_links_and_commit(quire: Run, demo: Demo, tmp_path: Path, git: Callable[..., str]) -> None:
    demo("with log.code():\n    x = 1\n    y = 2")
    page = tmp_path / "reports/demo/demo.md"

    def written() -> str:
        quire("run", "demo.py")
        return check(page)

    assert "| Commit | none yet |" in written()
    git("add", ".")
    git("commit", "-qm", "first")
    commit = git("rev-parse", "HEAD")
    text = written()
    assert "[demo.py:6](../../demo.py#L6-L7)" in text
    # The report itself does not count as a change, also where there was none before.
    assert f"| Commit | {commit[:12]} |" in text
    quire("run", "demo.py", "--output", "elsewhere")
    assert f"| Commit | {commit[:12]} |" in (tmp_path / "elsewhere/demo/demo.md").read_text()
    git("remote", "add", "origin", "https://user:secret@github.com/owner/repo.git")
    assert "(../../demo.py#L6-L7)" in written(), "not pushed yet"
    git("update-ref", "refs/remotes/origin/main", "HEAD")
    text = written()
    assert f"(https://github.com/owner/repo/blob/{commit}/demo.py#L6-L7)" in text
    assert "secret" not in text
    demo("with log.code():\n    x = 1\n    y = 3")
    text = written()
    assert "(../../demo.py#L6-L7)" in text, "the file is not what was pushed"
    assert f"| Commit | {commit[:12]}, with changes to demo.py |" in text
    quire("run", "demo.py", "--reproducible")
    assert commit[:12] not in check(page)


def test_a_report_outside_of_the_repository_has_no_links_that_break(
    quire: Run, demo: Demo, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    demo("with log.code():\n    x = 1")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    quire("run", "demo.py", "--output", str(elsewhere))
    assert "<sub>demo.py:6 · " in check(elsewhere / "demo/demo.md")


@pytest.mark.parametrize(
    ("remote", "web"),
    [
        ("git@github.com:owner/repo.git", "https://github.com/owner/repo/blob/abc/"),
        (
            "ssh://git@gitlab.example.org:2222/group/sub/repo",
            "https://gitlab.example.org/group/sub/repo/-/blob/abc/",
        ),
        ("https://token@github.com/owner/repo/", "https://github.com/owner/repo/blob/abc/"),
        ("/srv/git/repo.git", ""),
        ("https://example.org/repo.git", ""),
        ("", ""),
    ],
)
def test_addresses_of_remotes(remote: str, web: str) -> None:
    assert _web(remote, "abc") == web


def test_changes_are_named(tmp_path: Path, git: Callable[..., str]) -> None:
    for name in ("a.py", "b c.py", "d.py"):
        (tmp_path / name).write_text("1")
    git("add", ".")
    git("commit", "-qm", "first")
    git("mv", "a.py", "renamed.py")
    (tmp_path / "b c.py").write_text("2")
    (tmp_path / "new.py").write_text("3")
    (tmp_path / "d.py").unlink()
    tree = Checkout.around(tmp_path)
    assert tree
    assert set(tree.changed) == {"b c.py", "d.py", "renamed.py", "new.py"}
    assert tree.describe().endswith("and 1 more")


def test_no_repository(tmp_path: Path) -> None:
    assert Checkout.around(tmp_path) is None
    linker = Linker(tmp_path)
    assert linker.name(os.__file__) == "os.py"
    assert linker.link(os.__file__, 1, 1, tmp_path) == ""


def test_versions_and_machine() -> None:
    import numpy as np

    assert versions().startswith("Python 3.")
    assert f"numpy {np.__version__}" in versions()
    assert "cores" in machine()
