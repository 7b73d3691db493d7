"""`quire check`: a report that is run again finds what changed, where it changed, and nothing else."""

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import PIL.Image
import pytest

DEMO = '''
import logging

import numpy as np
import PIL.Image

from quire import NotebookOutput

SCALE = 2.0


def helper(x):
    return SCALE * x


def demo(log: NotebookOutput, seed: int = 0, count: int = 4) -> None:
    """A demo."""
    log.h1("A demo")
    log.p("The scale is given.")
    random = np.random.default_rng(seed)
    with log.code():
        values = helper(np.arange(count))
        print("the sum is", values.sum())
    mean = log.code(lambda: float(values.mean()))
    log.table([{"n": n, "value": float(value)} for n, value in enumerate(values)], "The values.")
    log.image(np.eye(8), "A diagonal.", scale=4)
    for step in range(3):
        log.metric("noise", step, random.normal())
    log.file(b"some bytes", "data.bin")
    log.math("x^2")
    log.metadata(mean=mean)
    with log.subreport("More") as page:
        page.p("On a page of its own.")
        page.image(np.eye(4), "A small one.", scale=4)
'''


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demo that was run."""
    folder = tmp_path_factory.mktemp("once")
    (folder / "demo.py").write_text(DEMO)
    assert quire(folder, "run", "demo.py").returncode == 0
    return folder


@pytest.fixture
def demo(once: Path, tmp_path: Path) -> Path:
    """A demo with its report, in a folder of its own."""
    shutil.copytree(once, tmp_path, dirs_exist_ok=True)
    return tmp_path / "demo.py"


def quire(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "quire", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def found(demo: Path, *options: str) -> list[str]:
    """The places that a check finds, with what it says of them."""
    done = quire(demo.parent, "check", "reports/demo", *options)
    lines = done.stdout.splitlines()
    assert done.returncode == (1 if len(lines) > 1 else 0), done.stderr
    assert re.fullmatch(r"demo differs in \d+ places?\.|demo still tells what it told\.", lines[-1])
    return lines[:-1]


def changed(demo: Path, old: str, new: str) -> None:
    text = demo.read_text()
    assert old in text
    demo.write_text(text.replace(old, new))


UNSEEN: dict[str, Callable[[Path], None]] = {
    "nothing": lambda demo: None,
    "a comment": lambda demo: changed(demo, "values = helper", "# doubled\n        values = helper"),
    "a moved line": lambda demo: changed(demo, "SCALE = 2.0", "\n\n\nSCALE = 2.0"),
    "layout": lambda demo: changed(demo, "helper(np.arange(count))", "helper( np.arange( count ) )"),
    "a refactoring": lambda demo: changed(demo, "return SCALE * x", "return x * SCALE"),
    "a new default": lambda demo: changed(demo, "count: int = 4", "count: int = 4, more: bool = False"),
}
SEEN: dict[str, tuple[str, str, set[str]]] = {
    "a constant": (
        "SCALE = 2.0",
        "SCALE = 2.5",
        {"a-demo-code", "a-demo-value", "a-demo-table", "the report"},
    ),
    "the seed": ("default_rng(seed)", "default_rng(seed + 1)", {"a-demo-chart"}),
    "the code alone": ("values = helper(np", "values = 1 * helper(np", {"a-demo-code"}),
    "what is printed": ('"the sum is"', '"their sum is"', {"a-demo-code"}),
    "a picture": ("np.eye(8)", "np.eye(8)[::-1]", {"a-diagonal"}),
    "the size of a picture": ("np.eye(8)", "np.eye(9)", {"a-diagonal"}),
    "a caption": ("The values.", "All values.", {"a-demo-table"}),
    "a column": ('"value": float', '"amount": float', {"a-demo-table"}),
    "a text": ("The scale is given.", "The scale was given.", {"a-demo-text"}),
    "a title": ('h1("A demo")', 'h1("A demo!")', {"a-demo-heading"}),
    "a file": ("some bytes", "more bytes", {"a-demo-file"}),
    "a formula": ("x^2", "x^3", {"a-demo-formula"}),
    "fewer steps": ("range(3)", "range(2)", {"a-demo-chart"}),
    "metadata": ("mean=mean", "mean=mean + 1", {"the report"}),
    "a page": ("On a page of its own.", "On another page.", {"a-demo-more-text"}),
    "a picture on a page": ("np.eye(4)", "np.eye(4)[::-1]", {"a-demo-more-a-small-one"}),
    "a block less": ('    log.math("x^2")\n', "", {"a-demo-formula"}),
}


@pytest.mark.parametrize("name", UNSEEN)
def test_what_changes_nothing_is_not_found(demo: Path, name: str) -> None:
    UNSEEN[name](demo)
    assert found(demo) == []
    # That the file was changed is another question.
    assert quire(demo.parent, "status").returncode == (0 if name == "nothing" else 1)


def test_a_report_whose_script_was_watched_is_run_again_once(demo: Path) -> None:
    shutil.rmtree(demo.parent / "reports")
    options = ["serve", "demo.py", "--watch", "--no-browser"]
    watched = subprocess.Popen(
        [sys.executable, "-m", "quire", *options],
        cwd=demo.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    report = demo.parent / "reports/demo/demo.md"
    until = time.monotonic() + 30
    while "state: done" not in (report.read_text() if report.exists() else ""):
        assert time.monotonic() < until, "the run did not end"
        time.sleep(0.05)
    watched.send_signal(signal.SIGINT)
    watched.wait(timeout=30)
    assert "--watch" in report.with_suffix(".json").read_text()
    assert found(demo) == []


@pytest.mark.parametrize("name", SEEN)
def test_a_fault_is_found_and_only_where_it_is(demo: Path, name: str) -> None:
    old, new, places = SEEN[name]
    changed(demo, old, new)
    assert {line.partition(": ")[0] for line in found(demo)} == places
    assert quire(demo.parent, "status").returncode == 1


def test_a_picture_that_was_put_in_the_place_of_another_is_found_by_both(demo: Path) -> None:
    picture = demo.parent / "reports/demo/etc/a-diagonal.png"
    with PIL.Image.open(picture) as image:
        size = image.size
    PIL.Image.new("L", size).save(picture)
    assert [line.partition(": ")[0] for line in found(demo)] == ["a-diagonal"]
    told = quire(demo.parent, "status")
    assert told.returncode == 1
    assert "etc/a-diagonal.png was changed since it was written" in told.stdout


def test_what_is_said_of_a_difference_can_be_acted_on(demo: Path) -> None:
    changed(demo, "SCALE = 2.0", "SCALE = 2.5")
    told = "\n".join(found(demo))
    assert "a-demo-code: the output: 'the sum is 12.0' before, 'the sum is 15.0' now" in told
    assert "a-demo-table: row 2, 'value': 2.0 before, 2.5 now" in told
    assert "the report: metadata mean: 3.0 before, 3.75 now" in told


def test_small_differences_are_within_a_tolerance(demo: Path) -> None:
    changed(demo, "SCALE = 2.0", "SCALE = 2.0000002")
    assert found(demo)
    assert found(demo, "--rtol", "1e-6") == []
    changed(demo, "np.eye(8)", "np.eye(8) * 0.99")
    assert [line.partition(": ")[0] for line in found(demo, "--rtol", "1e-6")] == ["a-diagonal"]
    assert found(demo, "--rtol", "1e-6", "--ptol", "0.01") == []


def test_a_run_that_fails_now_is_a_difference(demo: Path) -> None:
    changed(demo, "values = helper(np", "values = 1 / 0 + helper(np")
    told = found(demo)
    assert "the report: the run was done before, is failed now" in told


def test_the_report_stays_as_it_is(demo: Path) -> None:
    files = {path: path.read_bytes() for path in demo.parent.rglob("reports/**/*") if path.is_file()}
    changed(demo, "SCALE = 2.0", "SCALE = 2.5")
    found(demo)
    assert {path: path.read_bytes() for path in demo.parent.rglob("reports/**/*") if path.is_file()} == files


def test_parameters_are_those_of_the_report(demo: Path) -> None:
    assert quire(demo.parent, "run", "demo.py", "--count", "6", "--seed", "3").returncode == 0
    assert found(demo) == []


def test_what_cannot_be_run_again_is_told(demo: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = quire(elsewhere, "check", str(tmp_path / "reports/demo"))
    assert done.returncode == 2
    assert "demo.py is no file here: check demo from the folder in which `quire run demo.py`" in done.stderr
    (tmp_path / "own.py").write_text(
        "from quire import open_report\nwith open_report('reports/own') as log:\n    log.p('x')\n"
    )
    subprocess.run([sys.executable, "own.py"], cwd=tmp_path, check=True, capture_output=True)
    done = quire(tmp_path, "check", "reports/own")
    assert done.returncode == 2
    assert "not by `quire run` or `quire serve`" in done.stderr
    demo.write_text("what")
    done = quire(tmp_path, "check", "reports/demo")
    assert done.returncode == 2
    assert "demo cannot be run again: " in done.stderr
