"""The runs of a sweep: how they end, what is run again, and that nothing outlives the sweep."""

import os
import pty
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.notebook.conftest import Run
from tests.notebook.reports import check
from tests.notebook.sweep.conftest import Sweeping, is_alive, wait_until


def test_each_run_is_an_ordinary_report(sweep: Sweeping, quire: Run) -> None:
    told = sweep("--set", "seed=0:3", "--rate", "0.5")
    assert "seed-2 done (" in told
    assert "outside of all blocks" not in told
    assert len((sweep.folder / "imports").read_text().splitlines()) == 1, "a run costs no import"
    for seed in range(3):
        page = check(sweep.runs / f"seed-{seed}/seed-{seed}.md")
        assert f"run {seed} with" in page
        assert f"| Command | `quire run demo.py --rate 0.5 --seed {seed}` |" in page
        assert "\nstate: done\n" in page
    check(sweep.folder / "reports/demo-sweep/demo-sweep.md")
    # Threads are those of the sweep, in which this demo's output is a special one.
    quire("check", "reports/demo-sweep/runs/seed-1", OPENBLAS_NUM_THREADS="1")
    assert "seed-1.md: current" in quire("status", "reports").stdout


def test_runs_tell_the_commit_of_the_code_that_was_imported(sweep: Sweeping) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    (sweep.folder / ".gitignore").write_text("pids\nimports\n")

    def git(*arguments: str) -> str:
        command = ["git", *who, *arguments]
        return subprocess.run(
            command, cwd=sweep.folder, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    commit = git("rev-parse", "HEAD")
    process = sweep.begin("demo.py", "--set", "seed=0:2", "--wait", "1", "--workers", "1")
    wait_until(lambda: sweep.pids())
    git("commit", "-qm", "second", "--allow-empty")
    process.communicate(timeout=30)
    for seed in (0, 1):
        assert f"| Commit | {commit[:12]} |" in sweep.page(f"seed-{seed}")


def test_a_run_has_its_share_of_the_cores(sweep: Sweeping) -> None:
    cores = len(os.sched_getaffinity(0))
    sweep("--set", "seed=0", "--workers", "1")
    assert f"run 0 with {cores} threads" in sweep.page("seed-0")
    sweep("--set", "seed=1", f"--workers={cores}")
    assert "run 1 with 1 threads" in sweep.page("seed-1")
    sweep("--set", "seed=2", OPENBLAS_NUM_THREADS="5")
    assert "run 2 with 5 threads" in sweep.page("seed-2"), "what the user has said holds"


def test_runs_go_side_by_side(sweep: Sweeping) -> None:
    process = sweep.begin("demo.py", "--set", "seed=0:3", "--wait", "60", "--workers", "2")
    wait_until(lambda: len(sweep.pids()) == 2)
    assert set(sweep.pids()) == {0, 1}
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert set(sweep.pids()) == {0, 1}


def test_a_failed_run_is_a_failed_row(sweep: Sweeping) -> None:
    told = sweep("--set", "seed=0:4", "--fail", "1", code=1)
    assert "seed-1 failed: ValueError: no seed 1 | please (demo.py:" in told
    assert "1 of 4 runs failed." in told
    assert sweep.ran() == [0, 1, 2, 3], "the others went on"
    assert "Traceback (most recent call last)" in sweep.page("seed-1")
    lines = (sweep.folder / "demo.py").read_text().partition("raise")[0].splitlines()
    failed = sweep.summary.partition("## Failed runs")[2].partition("##")[0]
    what = f"| 1 | ValueError | no seed 1 \\| please | demo.py:{len(lines)} |"
    assert f"{what} [report](runs/seed-1/seed-1.md) |" in failed
    assert "> 3 of 4 runs done, 1 failed." in sweep.summary
    sweep("--set", "seed=0:4", "--fail", "1", code=1)
    assert sweep.ran() == [1], "what failed is run again"


def test_a_killed_run_is_a_failed_row_with_what_it_had(sweep: Sweeping) -> None:
    told = sweep("--set", "seed=0:3", "--die", "1", code=1)
    assert "seed-1 died: signal 9, SIGKILL" in told
    page = check(sweep.runs / "seed-1/seed-1.md")
    assert "\nstate: died\n" in page
    assert "run 1 with" in page
    assert "| 1 | died | signal 9, SIGKILL |" in sweep.summary
    assert not list(sweep.runs.rglob("*.tmp"))


def test_a_crash_of_the_interpreter_is_told_where_it_was(sweep: Sweeping) -> None:
    script = sweep.folder / "demo.py"
    script.write_text(script.read_text().replace("signal.SIGKILL", "signal.SIGSEGV"))
    process = sweep.begin("demo.py", "--set", "seed=0:3", "--die", "1")
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "seed-1 died: signal 11, SIGSEGV" in told
    assert "Fatal Python error: Segmentation fault" in told
    assert re.search(r'File ".*demo\.py", line \d+ in demo', told)


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(sweep: Sweeping) -> None:
    arguments = ("--set", "seed=0:4", "--wait", "1", "--workers", "2")
    process = sweep.begin("demo.py", *arguments)
    wait_until(lambda: len(sweep.pids()) == 4)
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=30)
    assert process.returncode == 130, told
    assert "The same command runs what is missing." in told
    assert "\nstate: interrupted\n" in sweep.summary
    assert "> 2 of 4 runs done, 2 not done." in sweep.summary
    assert "\nstate: interrupted\n" in sweep.page("seed-3")
    check(sweep.folder / "reports/demo-sweep/demo-sweep.md")
    before = {seed: (sweep.runs / f"seed-{seed}/seed-{seed}.md").stat().st_mtime_ns for seed in (0, 1)}
    sweep.ran()
    assert "2 of 4 are there already" in sweep(*arguments)
    assert sweep.ran() == [2, 3]
    for seed, time in before.items():
        assert (sweep.runs / f"seed-{seed}/seed-{seed}.md").stat().st_mtime_ns == time
    assert "\nstate: done\n" in sweep.summary


def test_sigterm_ends_a_sweep_as_ctrl_c_does(sweep: Sweeping) -> None:
    process = sweep.begin("demo.py", "--set", "seed=0:2", "--wait", "60", "--workers", "1")
    wait_until(lambda: sweep.pids())
    process.terminate()
    told, _ = process.communicate(timeout=30)
    assert process.returncode == 143, told
    assert "\nstate: interrupted\n" in sweep.page("seed-0")
    assert not any(map(is_alive, sweep.pids().values()))


def test_a_run_that_does_not_end_is_ended_by_a_second_ctrl_c(sweep: Sweeping) -> None:
    text = (sweep.folder / "demo.py").read_text()
    deaf = "    signal.signal(signal.SIGINT, signal.SIG_IGN)\n    time.sleep(seed * 60)\n"
    (sweep.folder / "demo.py").write_text(text.replace('    log.h1("Something")\n', deaf))
    process = sweep.begin("demo.py", "--set", "seed=1", "--workers", "1")
    wait_until(lambda: sweep.pids())
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.7)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    assert not is_alive(sweep.pids()[1])


def test_nothing_outlives_a_killed_sweep(sweep: Sweeping) -> None:
    process = sweep.begin("demo.py", "--set", "seed=0:3", "--wait", "60", "--workers", "2")
    wait_until(lambda: len(sweep.pids()) == 2)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.wait()
    family = [*sweep.pids().values(), *map(int, children)]
    wait_until(lambda: not any(map(is_alive, family)))
    sweep.ran()
    sweep("--set", "seed=0:3", "--wait", "0.01", "--workers", "2")
    assert sweep.ran() == [0, 1, 2]


def test_runs_do_not_outlive_the_process_that_they_were_forked_from(sweep: Sweeping) -> None:
    process = sweep.begin("demo.py", "--set", "seed=0:3", "--wait", "60", "--workers", "2")
    wait_until(lambda: len(sweep.pids()) == 2)
    nursery = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
    os.kill(nursery, signal.SIGKILL)
    told, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Error: the process from which runs are forked has died" in told
    wait_until(lambda: not any(map(is_alive, sweep.pids().values())))
    assert "1 not done" in sweep.summary


def test_charts_are_drawn_even_if_what_draws_for_all_has_died(sweep: Sweeping) -> None:
    process = sweep.begin("demo.py", "--set", "seed=0:2", "--wait", "1", "--workers", "1", "--reproducible")
    wait_until(lambda: sweep.pids())
    (nursery,) = psutil.Process(process.pid).children()
    (drawer,) = [child for child in nursery.children() if child.pid not in sweep.pids().values()]
    drawer.kill()
    told, _ = process.communicate(timeout=30)
    assert process.returncode == 0, told
    drawn = [(sweep.runs / f"seed-{seed}/etc/something-chart.svg").read_bytes() for seed in (0, 1)]
    sweep("--set", "seed=0:2", "--wait", "0.1", "--reproducible")
    assert [(sweep.runs / f"seed-{seed}/etc/something-chart.svg").read_bytes() for seed in (0, 1)] == drawn


def test_what_is_stale_is_run_again(sweep: Sweeping) -> None:
    (sweep.folder / "data.txt").write_text("1")
    arguments = ("--set", "seed=0:2", "--data", "data.txt")
    sweep(*arguments)
    assert sweep.ran() == [0, 1]
    sweep(*arguments)
    assert sweep.ran() == []
    (sweep.folder / "data.txt").write_text("2")
    sweep(*arguments)
    assert sweep.ran() == [0, 1], "the data"
    script = sweep.folder / "demo.py"
    script.write_text(script.read_text().replace("1 - rate", "2 - rate"))
    sweep(*arguments)
    assert sweep.ran() == [0, 1], "the code"
    sweep(*arguments, "--rate", "0.2")
    assert sweep.ran() == [0, 1], "a parameter"
    sweep(*arguments, "--rate", "0.2", "--reproducible")
    assert sweep.ran() == [0, 1], "what reports tell"


def test_an_edited_report_is_refused_before_anything_runs(sweep: Sweeping) -> None:
    sweep("--set", "seed=0:2")
    sweep.ran()
    page = sweep.runs / "seed-1/seed-1.md"
    page.write_text(page.read_text() + "Mine.\n")
    told = sweep("--set", "seed=0:3", code=2)
    assert "seed-1.md was edited by hand since it was written" in told
    assert sweep.ran() == []
    sweep("--set", "seed=0:3", "--force")
    assert sweep.ran() == [1, 2]
    assert "Mine." not in page.read_text()


def test_a_disk_that_is_full_for_the_summary_is_told_when_the_runs_are_done(sweep: Sweeping) -> None:
    def limit_files() -> None:
        # Enough for a run, and not for what is told of all.
        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))

    done = subprocess.run(
        [sys.executable, "-m", "quire", "sweep", "demo.py", "--set", "seed=0:60", "--reproducible"],
        cwd=sweep.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=limit_files,
    )
    assert done.returncode == 1, done.stderr
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert "60 of 60 done" in done.stdout
    sweep.ran()
    assert "60 of 60 are there already" in sweep("--set", "seed=0:60", "--reproducible")
    assert sweep.ran() == []


def test_two_sweeps_cannot_disturb_each_other(sweep: Sweeping) -> None:
    process = sweep.begin("demo.py", "--set", "seed=0:2", "--wait", "60")
    wait_until(lambda: sweep.pids())
    assert f"is being written by another run (process {process.pid})" in sweep("--set", "seed=0:2", code=2)
    process.terminate()


def test_a_terminal_has_a_line_of_progress(sweep: Sweeping) -> None:
    ours, theirs = pty.openpty()
    arguments = ["sweep", "demo.py", "--set", "seed=0:3", "--fail", "1", "--wait", "1.5", "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "quire", *arguments], cwd=sweep.folder, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    told = b""
    with open(ours, "rb", buffering=0) as terminal:  # noqa: PTH123 - a descriptor
        try:
            while data := terminal.read(1000):
                told += data
        except OSError:  # The other end is closed.
            pass
    assert process.wait() == 1
    lines = told.decode().replace("\r\n", "\n")
    assert "\r\x1b[Kruns ░░░░░░░░░░░░░░░░░░░░░░░░ 0 of 3 (0 %), 1." in lines
    assert re.search("\r\x1b\\[Kruns █{16}░{8} 2 of 3 \\(66 %\\), [^\r]* s left", lines)
    assert "\r\x1b[Kseed-1 failed: ValueError: no seed 1 | please (demo.py:" in lines
    assert "\r\x1b[K2 of 3 done, 1 failed\n" in lines
