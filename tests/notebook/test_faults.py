"""A report survives what happens to its run. The names are those of the cases."""

import json
import os
import random
import re
import resource
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.notebook.reports import check, litter

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Demo = Callable[..., Path]

BUSY = """
for step in range(10_000):
    log.h2(f"Step {step}")
    with log.code():
        for _ in range(5):
            print("tick", time.time())
            time.sleep(0.002)
    log.image(np.full((8, 8), step % 256, np.uint8), f"Picture {step % 7}", key=f"picture {step % 7}")
    log.table({"picture": [np.eye(4)], "step": [step]}, key="table")
    log.metric("loss", step, 1 / (step + 1))
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts `quire` in the temporary folder, and ends what still runs after the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "quire", *arguments],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def holds(path: Path, text: str) -> bool:
    return path.exists() and text in path.read_text("utf-8")


def line_of(path: Path, text: str) -> int:
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def test_f1_a_failing_block(quire: Run, demo: Demo, tmp_path: Path) -> None:
    path = demo(
        """
        log.h1("Report")
        with log.code():
            before = 1
        with log.code():
            print("so far")
            helper(0)
        log.p("never reached")
        """,
        head="""
        def helper(x):
            return 1 / x  # the culprit
        """,
    )
    done = quire("run", "demo.py", check=False)
    assert done.returncode == 1
    text = check(tmp_path / "reports/demo/demo.md")
    assert "state: failed" in text
    assert "before = 1" in text
    assert "```text\nso far\n```" in text
    assert "never reached" not in text
    assert "> **ZeroDivisionError**: division by zero" in text
    assert "return 1 / x  # the culprit" in text
    culprit, block = line_of(path, "culprit"), line_of(path, "so far")
    assert re.search(rf"> \[?demo\.py:{culprit}", text)
    # The traceback holds the author's frames, and not Quire's.
    trace = text.partition("Traceback (most recent call last):")[2].partition("```")[0]
    assert re.findall(r'File "(.*?)", line (\d+)', trace) == [
        ("demo.py", str(block + 1)),
        ("demo.py", str(culprit)),
    ]
    shown = done.stderr
    assert "ZeroDivisionError: division by zero" in shown
    assert f"in the block of code at demo.py:{block}" in shown
    assert "notebook/quire" not in shown
    # The page says so at its top, with a way to the place.
    key = re.search(r"The run failed.*\(#(.*?)\)", text)
    assert key
    assert f'<a id="{key[1]}"></a>' in text


def test_f1_a_failure_outside_of_any_block(quire: Run, demo: Demo, tmp_path: Path) -> None:
    demo("log.p('one')\nraise ValueError('a | *pipe* <b>')")
    assert quire("run", "demo.py", check=False).returncode == 1
    text = check(tmp_path / "reports/demo/demo.md")
    assert r"**ValueError**: a \| \*pipe\* &lt;b&gt;" in text
    assert "one" in text


def test_f2_killed_at_200_random_moments(tmp_path: Path) -> None:
    """The page is whole, less than a second of output is lost, and the next run leaves no litter."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys, time\nimport numpy as np\nfrom quire import open_report\n"
        "import PIL.PngImagePlugin, quire.charts\n"
        "def run(steps):\n"
        "    with open_report('report') as log:\n"
        + "\n".join(f"        {line}" for line in BUSY.replace("10_000", "steps").splitlines())
        + "\nfor line in sys.stdin:\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        run(int(line))\n"
        "        os._exit(0)\n"
        "    print(child, file=sys.__stderr__, flush=True)\n"
        "    os.waitpid(child, 0)\n"
        "    print('ended', file=sys.__stderr__, flush=True)\n"
    )
    choose = random.Random(7)
    document = tmp_path / "report/report.md"
    lost = []
    # One process that has imported everything forks each run: what is killed is the run alone.
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", str(program)],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdin
        assert parent.stderr
        for _ in range(200):
            parent.stdin.write("100000\n")
            parent.stdin.flush()
            child = int(parent.stderr.readline())
            born = time.time()
            # Most runs die young, when files are made; some have been writing for a while.
            time.sleep(
                choose.choice([choose.uniform(0, 0.1), choose.uniform(0, 0.4), choose.uniform(0.6, 0.9)])
            )
            killed = time.time()
            os.kill(child, signal.SIGKILL)
            assert parent.stderr.readline() == "ended\n"
            if not document.exists():
                continue
            text = check(document)
            ticks = [float(tick) for tick in re.findall(r"^tick (\S+)$", text, re.MULTILINE)]
            # A run that dies before it has written leaves the document of the run before it.
            lost.append(killed - max(born, *ticks))
        parent.stdin.write("3\n")
        parent.stdin.close()
        parent.wait(60)
    # On a machine that others use too, now and then a run waits for a core longer than it writes.
    assert statistics.quantiles(lost, n=20)[-1] < 1.0
    assert "state: done" in check(document)
    assert litter(tmp_path / "report") == set()


def test_f5_a_full_disk(quire: Run, demo: Demo, tmp_path: Path) -> None:
    """Whatever file hits its limit at whatever byte, the page is the last whole one, and the run says so."""
    demo(
        """
        log.h1(f"Version {version}")
        with log.code():
            for line in range(400):
                print(version, "a line of output", line)
        log.image(np.random.default_rng(version).random((40, 40)), "Picture")
        log.p("x" * 5000)
        log.p("the end")
        """,
        head="import numpy as np",
        parameters=", version: int = 1",
    )
    quire("run", "demo.py")
    document = tmp_path / "reports/demo/demo.md"
    whole = check(document)
    failed = 0

    def limit_files(most: int) -> None:
        # Writing beyond the limit fails as on a full disk, at exactly this byte of each file.
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    for version, limit in enumerate(
        [0, 1, 100, 500, 1000, 2500, 5000, 8000, 10_000, 12_000, 15_000, 100_000], 2
    ):
        done = subprocess.run(
            [sys.executable, "-m", "quire", "run", "demo.py", "--version", str(version)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            preexec_fn=partial(limit_files, limit),
        )
        text = check(document)
        if done.returncode == 0:
            assert f"# Version {version}" in text
            assert "the end" in text
            whole = text
        else:
            failed += 1
            assert done.returncode in (1, 2), done.stderr
            assert "Error: " in done.stderr
            assert "File too large" in done.stderr or "could not be kept" in done.stderr
            # An earlier version, or a later state of this one: whole either way.
            assert text == whole or f"# Version {version}" in text
            whole = text
        # All that was printed is on the terminal, whatever the disk did.
        if done.returncode != 2:
            assert f"{version} a line of output 399\n" in done.stdout
        assert not list(tmp_path.rglob("*.tmp"))
    assert failed >= 8
    quire("run", "demo.py")
    assert litter(tmp_path / "reports/demo") == set()


def test_f5_a_disk_that_is_full_for_a_while(quire: Run, demo: Demo, tmp_path: Path) -> None:
    """The run goes on; what could not be written is named, and what can be is there."""
    demo(
        """
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, limit[1]))
        log.image(np.eye(30), "Lost")
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        log.image(np.eye(30), "Kept")
        """,
        head="import resource\nimport numpy as np",
    )
    done = quire("run", "demo.py", check=False)
    assert done.returncode == 1
    assert "the report is not complete: lost.png could not be written: File too large" in done.stderr
    text = check(tmp_path / "reports/demo/demo.md")
    assert "state: done" in text
    assert "lost.png could not be written" in text
    assert "kept.png" in text


def test_f6_a_path_that_cannot_be_written(quire: Run, demo: Demo, tmp_path: Path) -> None:
    demo("print('a step')")
    (tmp_path / "file").write_text("")
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/demo").write_text("")
    (tmp_path / "closed").mkdir(mode=0o555)
    # Nobody, not even root, may make files in /proc.
    closed = "/proc" if os.geteuid() == 0 else "closed"
    for output, says in [("file", "file/demo"), ("dir", "dir/demo is a file"), (closed, f"{closed}/demo")]:
        done = quire("run", "demo.py", "--output", output, check=False)
        assert done.returncode == 2, output
        assert re.fullmatch(r"Error: [^\n]*\n", done.stderr)
        assert says in done.stderr
        assert "a step" not in done.stdout


def test_f6_a_document_of_somebody_elses(quire: Run, demo: Demo, tmp_path: Path) -> None:
    demo("print('a step')")
    mine = tmp_path / "reports/demo/demo.md"
    mine.parent.mkdir(parents=True)
    mine.write_text("# Written by hand\n")
    done = quire("run", "demo.py", check=False)
    assert done.returncode == 2
    assert "was not written by Quire" in done.stderr
    assert mine.read_text() == "# Written by hand\n"


def test_f7_two_runs_of_one_report(
    quire: Run, demo: Demo, tmp_path: Path, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    demo(
        "log.p('begun')\nwhile not Path('go').exists(): time.sleep(0.01)",
        head="import time\nfrom pathlib import Path",
    )
    document = tmp_path / "reports/demo/demo.md"
    first = start("run", "demo.py")
    wait_for(lambda: holds(document, "begun"))
    second = quire("run", "demo.py", check=False)
    assert second.returncode == 2
    assert f"process {first.pid}" in second.stderr
    (tmp_path / "go").touch()
    assert first.wait(10) == 0
    assert "state: done" in check(document)
    assert not list((tmp_path / "reports").rglob("*.lock"))


def test_f7_a_dead_runs_lock_is_taken_over(
    quire: Run, demo: Demo, tmp_path: Path, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    """Even if a child that the dead run forked is still alive."""
    demo(
        """
        log.p("begun")
        if not Path("go").exists():
            if not os.fork():
                Path("child").write_text(str(os.getpid()))
            time.sleep(60)
        """,
        head="import os, time\nfrom pathlib import Path",
    )
    first = start("run", "demo.py")
    wait_for(lambda: holds(tmp_path / "child", ""))
    wait_for(lambda: holds(tmp_path / "reports/demo/demo.md", "begun"))
    first.kill()
    first.wait()
    (tmp_path / "go").touch()
    try:
        quire("run", "demo.py")
    finally:
        os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)
    assert "state: done" in check(tmp_path / "reports/demo/demo.md")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_f19_interrupted(
    number: int, status: int, demo: Demo, tmp_path: Path, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    demo(
        """
        with log.code():
            for step in range(10_000):
                print("step", step)
                time.sleep(0.01)
        """,
        head="import time",
    )
    document = tmp_path / "reports/demo/demo.md"
    run = start("run", "demo.py")
    wait_for(lambda: holds(document, "step 10"))
    run.send_signal(number)
    sent = time.monotonic()
    _, shown = run.communicate(timeout=20)
    assert time.monotonic() - sent < 2.5
    assert run.returncode == status
    assert "Interrupted; reports/demo/demo.md holds" in shown
    assert "Traceback" not in shown
    text = check(document)
    assert "state: interrupted" in text
    assert "The run was interrupted" in text
    assert "step 10" in text


def test_f19_interrupted_twice(
    demo: Demo, tmp_path: Path, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    """The second time ends the run at once, even while it is closing; the page is a whole one."""
    demo(
        """
        log.on_close(lambda: (Path("closing").touch(), time.sleep(60)))
        log.p("begun")
        time.sleep(60)
        """,
        head="import time\nfrom pathlib import Path",
    )
    document = tmp_path / "reports/demo/demo.md"
    run = start("run", "demo.py")
    wait_for(lambda: holds(document, "begun"))
    run.send_signal(signal.SIGINT)
    wait_for(lambda: (tmp_path / "closing").exists())
    sent = time.monotonic()
    run.send_signal(signal.SIGINT)
    assert run.wait(10) == 130
    assert time.monotonic() - sent < 2
    assert "begun" in check(document)


def without_times(told: Any) -> Any:
    if isinstance(told, dict):
        return {name: without_times(v) for name, v in told.items() if name not in ("started", "elapsed")}
    return [without_times(part) for part in told] if isinstance(told, list) else told


def test_f37_equal_runs_write_equal_bytes(quire: Run, demo: Demo, tmp_path: Path) -> None:
    demo(
        """
        rng = np.random.default_rng(seed)
        with log.code():
            x = rng.normal(size=(20, 20))
            print(x.sum())
        log.code(lambda: object())
        log.image(x, "Picture")
        log.table({"picture": list(rng.random((3, 8, 8))), "n": [1, 2, 3]})
        for step in log.progress(range(30), "training"):
            log.metrics(step, loss=float(rng.random()), other=float(rng.random()))
        @log.code
        def figure():
            figure, axes = plt.subplots()
            axes.plot(x[0])
            return figure
        with log.subreport("Page") as page:
            page.p("text")
        raise ValueError(repr(object()))
        """,
        head="import numpy as np\nimport matplotlib\nmatplotlib.use('Agg')\nimport matplotlib.pyplot as plt",
        parameters=", seed: int = 0",
    )
    states = []
    for hash_seed in ("1", "2"):
        quire("run", "demo.py", "--reproducible", "--seed", "3", check=False, PYTHONHASHSEED=hash_seed)
        folder = tmp_path / "reports/demo"
        states.append(
            {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        )
        time.sleep(1.1)
    # Times are told in the record of the run alone.
    records = [json.loads(state.pop(Path("demo.json"))) for state in states]
    assert without_times(records[0]) == without_times(records[1])
    assert states[0] == states[1]
    text = states[0][Path("demo.md")].decode()
    assert "state: failed" in text
    for differing in ("date:", "Commit", "Machine", " ms", " µs"):
        assert differing not in text
