"""`quire diff`: two reports side by side, in the terminal and as a report."""

from pathlib import Path

from tests.notebook.conftest import Run
from tests.notebook.reports import check

DEMO = '''
import numpy as np

from quire import NotebookOutput


def demo(log: NotebookOutput, seed: int = 0, size: int = 4) -> None:
    """A demo."""
    log.h1("A demo")
    with log.code():
        random = np.random.default_rng(seed)
        print("of", size)
    log.image(np.eye(size), "A diagonal.", scale=4)
    for step in range(3):
        log.metric("noise", step, random.normal())
    log.metadata(size=size)
'''


def runs(folder: Path, quire: Run) -> None:
    script = folder / "demo.py"
    script.write_text(DEMO)
    quire("run", "demo.py", "-o", "a")
    script.write_text(DEMO.replace('"of"', '"from"'))
    quire("run", "demo.py", "-o", "b", "--seed", "1", "--size", "5")


def test_what_differs_is_told_by_its_kind(tmp_path: Path, quire: Run) -> None:
    runs(tmp_path, quire)
    done = quire("diff", "a/demo", "b/demo/demo.md", check=False)
    assert done.returncode == 1, done.stderr
    assert "parameters:\n  seed  0 -> 1\n  size  4 -> 5\n" in done.stdout
    assert "metadata:\n  size  4 -> 5\n" in done.stdout
    assert "ends of curves:\n  noise  0." in done.stdout
    assert "a-demo-code: the output: 'of 4' before, 'from 5' now" in done.stdout
    assert "a-diagonal: the picture" in done.stdout


def test_as_a_report_it_has_code_curves_and_pictures(tmp_path: Path, quire: Run) -> None:
    runs(tmp_path, quire)
    assert quire("diff", "a/demo", "b/demo", "-o", "both", check=False).returncode == 1
    text = check(tmp_path / "both/both.md")
    assert '-    print("of", size)\n+    print("from", size)'.replace("    ", "") in text.replace("    ", "")
    record = (tmp_path / "both/both.json").read_text()
    assert "noise, a/demo" in record
    assert "noise, b/demo" in record
    pictures = list((tmp_path / "both/etc").glob("*.png"))
    assert len(pictures) >= 2


def test_equal_reports_do_not_differ(tmp_path: Path, quire: Run) -> None:
    runs(tmp_path, quire)
    done = quire("diff", "a/demo", "a/demo", check=False)
    assert (done.returncode, done.stdout) == (0, "They tell the same.\n")


def test_what_is_no_report_is_refused(tmp_path: Path, quire: Run) -> None:
    runs(tmp_path, quire)
    (tmp_path / "empty").mkdir()
    done = quire("diff", "a/demo", "empty", check=False)
    assert done.returncode == 2
    assert "empty" in done.stderr


def test_it_stands_by_the_two_reports_and_replaces_neither(tmp_path: Path, quire: Run) -> None:
    runs(tmp_path, quire)
    before = (tmp_path / "a/demo/demo.md").read_bytes()
    refused = quire("diff", "a/demo", "b/demo", "-o", "a/demo", check=False)
    assert refused.returncode == 2
    assert "choose another folder" in refused.stderr
    assert (tmp_path / "a/demo/demo.md").read_bytes() == before
    quire("diff", "a/demo", "b/demo", "-o", "c/both", check=False)
    assert "both/both.md: current" in quire("status", "c").stdout
    quire("run", "demo.py", "-o", "a", "--seed", "2")
    done = quire("status", "c", check=False)
    assert "a/demo/demo.json was changed" in done.stdout
