"""The command line: scripts, parameters, errors."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import quire as package
from tests.notebook.reports import check

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Demo = Callable[..., Path]

TYPED = '''
import enum
from pathlib import Path
from typing import Annotated, Literal, Optional
from quire import NotebookOutput, Range

class Colour(enum.Enum):
    RED = 1
    BLUE = 2

def main(
    log: NotebookOutput,
    dataset: Literal["digits", "mnist"] = "digits",
    epochs: Annotated[int, Range(1, 1000)] = 5,
    learning_rate: Annotated[float, Range(least=0)] = 1e-3,
    most: Annotated[int, Range()] | None = None,
    tries: Annotated[int, Range(1, 100_000_000)] | None = None,
    data: Path | None = None,
    colour: Colour = Colour.RED,
    shuffle: bool = True,
    name: Optional[str] = None,
) -> None:
    """Trains something.

    More words.

    Args:
        dataset: what to train on,
            told over two lines.
        epochs: how often to go through the data.
    """
    log.p(f"{dataset} {epochs} {learning_rate} {data!r} {colour} {shuffle} {name}")
'''


@pytest.fixture
def typed(tmp_path: Path) -> None:
    (tmp_path / "typed.py").write_text(TYPED)


@pytest.mark.usefixtures("typed")
def test_parameters_come_from_the_signature(quire: Run, tmp_path: Path) -> None:
    quire("run", "typed.py")
    page = tmp_path / "reports/typed/typed.md"
    assert "digits 5 0.001 None Colour.RED True None" in check(page)
    given = "--dataset mnist --epochs 7 --learning-rate 0.5 --data a/b --colour BLUE --no-shuffle --name x"
    quire("run", "typed.py", *given.split(), "--output", "out")
    text = check(tmp_path / "out/typed/typed.md")
    assert "mnist 7 0.5 PosixPath('a/b') Colour.BLUE False x" in text
    assert '"epochs": 7' in text
    assert '"colour": BLUE' in text
    assert "| Command | `quire run typed.py --dataset mnist" in text


@pytest.mark.usefixtures("typed")
def test_help_lists_them_with_the_docstrings_words(quire: Run) -> None:
    shown = re.sub(r"\s+", " ", quire("run", "typed.py", "--help").stdout)
    assert "Trains something." in shown
    assert "--dataset [digits|mnist] what to train on, told over two lines. [default: digits]" in shown
    assert "how often to go through the data. [default: 5; 1<=x<=1000]" in shown
    assert "--learning-rate FLOAT [default: 0.001; x>=0]" in shown
    assert "--most INTEGER --tries INTEGER [1<=x<=100000000]" in shown
    assert "--shuffle / --no-shuffle [default: shuffle]" in shown
    assert "--reproducible" in shown


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize(("command", "option"), [("serve", "--no-browser"), ("run", "--epochs")])
def test_an_option_before_the_script_is_told_its_place(quire: Run, command: str, option: str) -> None:
    done = quire(command, option, "typed.py", check=False)
    assert done.returncode == 2
    assert f"quire {command} SCRIPT {option}\n" in done.stderr
    shown = re.sub(r"\s+", " ", quire(command, "--help").stdout)
    assert f"`quire {command} SCRIPT --help` lists them" in shown


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "x"], "'x' is not a valid integer"),
        (["--epochs", "0"], "epochs must be between 1 and 1000, not 0"),
        (["--dataset", "cats"], "'cats' is not one of 'digits', 'mnist'"),
        (["--epoch", "3"], "No such option '--epoch'"),
        (["--learning-rate"], "requires an argument"),
        (["stray"], "unexpected extra argument"),
    ],
)
def test_a_wrong_parameter_is_told_and_ends_with_2(quire: Run, arguments: list[str], message: str) -> None:
    done = quire("run", "typed.py", *arguments, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("x = 1", "has no demo: define a function whose first parameter is annotated as NotebookOutput"),
        (
            "def a(log: NotebookOutput): ...\ndef b(log: NotebookOutput): ...",
            "has several demos: name one, as in",
        ),
        ("def a(log: NotebookOutput, x): ...", "the parameter 'x' of a has no type: annotate it as str, int"),
        (
            "def a(log: NotebookOutput, x: dict = {}): ...",
            "the parameter 'x' of a has the type dict: annotate",
        ),
        ("def a(log: NotebookOutput, *x: int): ...", "takes any number of values"),
        (
            "def a(log: NotebookOutput, output: int = 1): ...",
            "'output' of a is also an option of quire: rename it",
        ),
        ("def a(log: NotebookOutput, x: 'Nowhere' = 1): ...", "a type in the signature of a is not known"),
    ],
)
def test_a_script_without_a_usable_demo(quire: Run, tmp_path: Path, script: str, message: str) -> None:
    (tmp_path / "s.py").write_text(f"from quire import NotebookOutput\n{script}\n")
    done = quire("run", "s.py", check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "reports").exists()


def test_the_demo_of_several(quire: Run, tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text(
        "from quire import NotebookOutput\n"
        "def main(log: NotebookOutput): log.p('main')\n"
        "def other(log: 'NotebookOutput'): log.p('other')\n"
        "def _private(log: NotebookOutput): log.p('private')\n"
        "def helper(log, x): ...\n"
    )
    quire("run", "s.py")
    assert "\nmain\n" in check(tmp_path / "reports/s/s.md")
    quire("run", "s.py::other")
    assert "\nother\n" in check(tmp_path / "reports/s-other/s-other.md")
    done = quire("run", "s.py::none", check=False)
    assert done.returncode == 2
    assert "s.py has no function none(log: NotebookOutput) (it has main, other, _private)" in done.stderr


def test_a_script_that_cannot_be_imported(quire: Run, tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text("import nowhere_to_be_found\n")
    done = quire("run", "s.py", check=False)
    assert done.returncode == 1
    assert "No module named 'nowhere_to_be_found'" in done.stderr
    assert "quire" not in done.stderr
    (tmp_path / "s.py").write_text("def f(:\n")
    done = quire("run", "s.py", check=False)
    assert done.returncode == 1
    assert "SyntaxError" in done.stderr
    assert quire("run", "nowhere.py", check=False).returncode == 2


def test_a_script_finds_its_neighbours_and_keeps_its_name(quire: Run, tmp_path: Path) -> None:
    """Also if it is called like a module of the standard library, or starts processes of its own."""
    (tmp_path / "neighbour.py").write_text("value = 'from the neighbour'\n")
    (tmp_path / "sched.py").write_text(
        "import sched, neighbour\nfrom quire import NotebookOutput\n"
        "def main(log: NotebookOutput):\n    log.p(neighbour.value)\n"
    )
    quire("run", "sched.py")
    assert "from the neighbour" in check(tmp_path / "reports/sched/sched.md")
    (tmp_path / "parallel.py").write_text(
        "import multiprocessing\nfrom quire import NotebookOutput\n"
        "def double(x):\n    return 2 * x\n"
        "def main(log: NotebookOutput):\n"
        "    with multiprocessing.get_context('spawn').Pool(2) as pool:\n"
        "        log.p(str(pool.map(double, range(3))))\n"
        "if __name__ == '__main__':\n    raise SystemExit('not run as a script')\n"
    )
    quire("run", "parallel.py")
    assert "[0, 2, 4]" in check(tmp_path / "reports/parallel/parallel.md")


def test_async_demos(quire: Run, tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text(
        "import asyncio\nfrom quire import NotebookOutput\n"
        "async def main(log: NotebookOutput):\n    with log.code():\n        await asyncio.sleep(0)\n"
    )
    quire("run", "s.py")
    assert "await asyncio.sleep(0)\n```" in check(tmp_path / "reports/s/s.md")


@pytest.mark.parametrize(
    ("statement", "status", "state"),
    [
        ("raise SystemExit(3)", 3, "failed"),
        ("raise SystemExit", 0, "done"),
        ("raise SystemExit('why')", 1, "failed"),
    ],
)
def test_a_demo_that_exits(
    quire: Run, demo: Demo, tmp_path: Path, statement: str, status: int, state: str
) -> None:
    demo(f"log.p('x')\n{statement}")
    assert quire("run", "demo.py", check=False).returncode == status
    assert f"state: {state}" in check(tmp_path / "reports/demo/demo.md")


def test_a_crash_of_the_interpreter_is_told_on_the_terminal(quire: Run, demo: Demo, tmp_path: Path) -> None:
    demo("import ctypes\nlog.p('before')\ntime.sleep(1)\nctypes.string_at(0)", head="import time")
    done = quire("run", "demo.py", check=False)
    assert done.returncode == -11
    assert "Segmentation fault" in done.stderr
    text = check(tmp_path / "reports/demo/demo.md")
    assert "The run had not ended when this was written" in text
    assert "before" in text


def test_a_demo_that_changes_the_working_folder(quire: Run, demo: Demo, tmp_path: Path) -> None:
    """The report, its files and its links stay where they were begun, and so does what is told of them."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    demo(
        f"""
        os.chdir({str(elsewhere)!r})
        with log.code():
            print("from elsewhere")
        log.file("text", "note.txt")
        log.subreport("Inner").close()
        1 / 0
        """,
        head="import os",
    )
    done = quire("run", "demo.py", check=False)
    assert "ZeroDivisionError" in done.stderr
    text = check(tmp_path / "reports/demo/demo.md")
    assert "from elsewhere" in text
    assert "](../../demo.py#L" in text
    assert (tmp_path / "reports/demo/etc/note.txt").read_text() == "text"
    assert (tmp_path / "reports/demo/inner/inner.md").exists()
    assert list(elsewhere.iterdir()) == []


def test_a_plain_script(tmp_path: Path) -> None:
    """Without `quire run`, and even without closing the report."""
    import sys

    (tmp_path / "s.py").write_text(
        "from quire import open_report\nlog = open_report('out', title='Mine')\n"
        "with log.code():\n    x = 1\n    print(x)\n"
    )
    done = subprocess.run([sys.executable, "s.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    text = check(tmp_path / "out/out.md")
    assert "# Mine" in text
    assert "state: done" in text
    assert "x = 1\nprint(x)" in text
    assert "| Command | `python s.py` |" in text
    (tmp_path / "s.py").write_text("from quire import open_report\nlog = open_report('out')\n1 / 0\n")
    done = subprocess.run([sys.executable, "s.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    # Output and errors share one stream while the report is open.
    assert "ZeroDivisionError" in done.stdout
    assert "state: failed" in check(tmp_path / "out/out.md")


def test_progress_on_a_terminal(demo: Demo, tmp_path: Path) -> None:
    """A bar below the output, drawn over and gone at the end."""
    import os
    import pty
    import sys

    demo(
        """
        log.h1("Title")
        for step in log.progress(range(30), "training"):
            if step == 15:
                print("half of it")
            time.sleep(0.02)
        """,
        head="import time",
    )
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "quire", "run", "demo.py"], cwd=tmp_path, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            data = os.read(main, 65536)
        except OSError:
            break
        shown += data
    assert process.wait() == 0
    text = shown.decode()
    assert "\x1b[1m# Title\x1b[0m" in text
    assert re.search(r"\r\x1b\[Ktraining █+░+ \d+ of 30 \(\d+ %\), [\d.]+ m?s, [\d.]+ m?s left", text)
    assert "half of it" in text
    assert (
        text.rstrip().splitlines()[-1].removeprefix("\r").removeprefix("\x1b[K").startswith("Wrote reports/")
    )


def test_a_reader_that_leaves_does_not_end_the_run(demo: Demo, tmp_path: Path) -> None:
    import sys

    demo("with log.code():\n    for i in range(100_000):\n        print(i)")
    done = subprocess.run(
        f"{sys.executable} -m quire run demo.py | head -1",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0\n"
    assert "99999" in check(tmp_path / "reports/demo/demo.md")


def test_version(quire: Run) -> None:
    assert quire("--version").stdout == f"quire, version {package.__version__}\n"


@pytest.mark.parametrize(
    ("name", "function"), [("walk", "walk"), ("my-2nd.walk.py", "my_2nd_walk"), ("1", "main")]
)
def test_new_writes_a_demo_that_runs(quire: Run, tmp_path: Path, name: str, function: str) -> None:
    quire("new", name)
    script = f"{name.removesuffix('.py')}.py"
    assert f"def {function}(" in (tmp_path / script).read_text()
    quire("run", script, "--steps", "20")
    stem = script.removesuffix(".py")
    text = check(tmp_path / f"reports/{stem}/{stem}.md")
    assert "The bottom is at **1.364" in text
    assert "learning rate" in text


def test_new_replaces_nothing(quire: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("mine")
    refused = quire("new", "mine", check=False)
    assert refused.returncode == 2
    assert "mine.py is there already" in refused.stderr
    assert (tmp_path / "mine.py").read_text() == "mine"
    assert "cannot write" in quire("new", "nowhere/mine", check=False).stderr
