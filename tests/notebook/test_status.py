"""`quire status`: which reports no longer belong to the code and the data that are there; nothing is run."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.notebook.conftest import Run

DEMO = """\
from pathlib import Path

import helper
import library
import numpy as np

from quire import NotebookOutput


def demo(log: NotebookOutput, data: Path = Path("numbers.txt"), more: Path | None = None) -> None:
    print("it runs")
    log.h1("A demo")
    with log.code():
        numbers = [int(line) for line in data.read_text().split()]
        print(sum(numbers))
    mean = log.code(lambda: helper.mean(numbers))
    log.p(f"{library.name(mean)}")
    log.image(np.eye(2), "Four pixels")
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, quire: Run) -> Path:
    """A report with its script, a module beside that, data, and a library of the author's elsewhere."""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "demo.py").write_text(DEMO)
    (scripts / "helper.py").write_text("def mean(x):\n    return sum(x) / len(x)\n")
    package = tmp_path / "lib/library"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from library.names import name\n")
    (package / "names.py").write_text("def name(x):\n    return f'it is {x}'\n")
    (tmp_path / "numbers.txt").write_text("1\n2\n3\n")
    quire("run", "scripts/demo.py", PYTHONPATH=str(tmp_path / "lib"))
    return tmp_path


def told(quire: Run, *arguments: str, code: int) -> list[str]:
    done = quire("status", *arguments, check=False)
    assert "it runs" not in done.stdout
    assert done.returncode == code, done.stdout + done.stderr
    return [line.strip() for line in done.stdout.splitlines()]


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


CURRENT = ["demo/demo.md: current"]


def test_a_report_of_what_is_there_is_current(quire: Run, project: Path) -> None:
    assert told(quire, code=0) == CURRENT
    assert told(quire, "reports/demo", code=0) == ["demo.md: current"]
    assert told(quire, "reports/demo/demo.md", code=0) == ["demo.md: current"]
    # Git gives texts other ends of lines on other systems.
    for name in ("scripts/demo.py", "numbers.txt", "reports/demo/demo.md"):
        (project / name).write_bytes((project / name).read_bytes().replace(b"\n", b"\r\n"))
    assert told(quire, code=0) == CURRENT


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("scripts/demo.py", "    log.p", "    # said\n    log.p", "none of the code that it quotes"),
        ("scripts/demo.py", "import helper", "\n\nimport helper", "none of the code that it quotes"),
        ("scripts/demo.py", '"numbers.txt"', '"others.txt"', "none of the code that it quotes"),
        ("scripts/demo.py", "print(sum", "print('sum', sum", "1 quoted block with it: a-demo-code"),
        ("scripts/demo.py", "helper.mean(n", "0 + helper.mean(n", "1 quoted block with it: a-demo-code-2"),
        ("scripts/helper.py", "sum(x)", "sum(x[:])", "scripts/helper.py was changed"),
        ("numbers.txt", "3", "4", "numbers.txt was changed"),
        ("reports/demo/demo.md", "A demo", "The demo", "demo.md was changed since it was written"),
    ],
)
def test_a_change_makes_it_stale(quire: Run, project: Path, file: str, old: str, new: str, says: str) -> None:
    replace(project / file, old, new)
    lines = told(quire, code=1)
    assert lines[0] == "demo/demo.md: stale"
    assert len(lines) == 2
    assert says in lines[1]


def test_a_library_counts_if_asked_for(quire: Run, project: Path) -> None:
    replace(project / "lib/library/names.py", "it is", "it was")
    lines = told(quire, code=0)
    assert lines[0] == "demo/demo.md: current"
    assert "its library lib/library/ was changed" in lines[1]
    assert told(quire, "--strict", code=1) == ["demo/demo.md: stale", "lib/library/ was changed"]


def test_a_folder_of_data_is_all_that_is_in_it(quire: Run, project: Path) -> None:
    (project / "more/inner").mkdir(parents=True)
    (project / "more/inner/a.bin").write_bytes(b"\0\r\n")
    quire("run", "scripts/demo.py", "--more", "more", PYTHONPATH=str(project / "lib"))
    assert "| Data | `more/` (SHA-256 " in (project / "reports/demo/demo.md").read_text()
    assert told(quire, code=0) == CURRENT
    (project / "more/inner/a.bin").write_bytes(b"\0\n")
    assert told(quire, code=1)[1:] == ["more/ was changed"]


def test_what_a_demo_says_that_it_reads_is_data(quire: Run, project: Path) -> None:
    (project / "other.txt").write_text("7")
    replace(
        project / "scripts/demo.py", "    log.p", "    log.p(log.data('other.txt').read_text())\n    log.p"
    )
    quire("run", "scripts/demo.py", PYTHONPATH=str(project / "lib"))
    assert told(quire, code=0) == CURRENT
    (project / "other.txt").write_text("8")
    assert told(quire, code=1)[1:] == ["other.txt was changed"]


def test_what_is_gone_is_told(quire: Run, project: Path) -> None:
    (project / "numbers.txt").unlink()
    # Data may be too large to be everywhere: without it nobody can tell.
    assert told(quire, code=0) == [*CURRENT, "numbers.txt is not here"]
    (project / "reports/demo/etc/four-pixels.png").unlink()
    (project / "scripts/helper.py").unlink()
    lines = told(quire, code=1)
    assert "etc/four-pixels.png is gone" in lines
    assert "scripts/helper.py is not here" in lines


def test_a_moved_report_is_still_known(quire: Run, project: Path) -> None:
    (project / "docs").mkdir()
    (project / "reports").rename(project / "docs/results")
    assert told(quire, "docs", code=0) == ["results/demo/demo.md: current"]


def test_a_run_that_failed_is_told_and_no_fault(quire: Run, project: Path) -> None:
    replace(project / "scripts/demo.py", "    log.p", "    1 / 0\n    log.p")
    quire("run", "scripts/demo.py", check=False, PYTHONPATH=str(project / "lib"))
    assert told(quire, code=0) == [*CURRENT, "its run failed"]


def test_a_report_that_was_edited_is_kept(quire: Run, project: Path) -> None:
    page = project / "reports/demo/demo.md"
    for old in ("# A demo", "generator: quire"):
        replace(page, old, "My own words")
        mine = page.read_text()
        done = quire("run", "scripts/demo.py", check=False, PYTHONPATH=str(project / "lib"))
        assert done.returncode == 2
        assert "reports/demo/demo.md was edited by hand since it was written" in done.stderr
        assert "it runs" not in done.stdout
        assert page.read_text() == mine
    quire("run", "scripts/demo.py", "--force", PYTHONPATH=str(project / "lib"))
    assert "My own words" not in page.read_text()
    quire("run", "scripts/demo.py", PYTHONPATH=str(project / "lib"))


def test_a_killed_run_does_not_look_like_an_edit(quire: Run, project: Path) -> None:
    replace(project / "scripts/demo.py", "    log.p", "    import time; time.sleep(60)\n    log.p")
    run = subprocess.Popen(
        [sys.executable, "-m", "quire", "run", "scripts/demo.py"],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(project / "lib")},
        stdout=subprocess.DEVNULL,
    )
    page = project / "reports/demo/demo.md"
    end = time.monotonic() + 30
    while "state: running" not in page.read_text():
        assert time.monotonic() < end
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait(10)
    assert "demo.md is of a later run, which has not ended" in told(quire, code=1)
    replace(project / "scripts/demo.py", "time.sleep(60)", "pass")
    quire("run", "scripts/demo.py", PYTHONPATH=str(project / "lib"))
    assert told(quire, code=0) == CURRENT


def test_where_there_is_no_report(quire: Run, project: Path) -> None:
    done = quire("status", "scripts", check=False)
    assert done.returncode == 2
    assert "scripts holds no report: `quire run SCRIPT` writes one" in done.stderr


def test_a_report_whose_code_is_in_no_file_is_not_called_stale(tmp_path: Path, quire: Run) -> None:
    lines = 'from quire import open_report; log = open_report("reports/mine"); log.p("x"); log.close()'
    subprocess.run([sys.executable, "-c", lines], cwd=tmp_path, check=True, capture_output=True)
    assert "mine/mine.md: current\n  its code is in no file" in quire("status").stdout
