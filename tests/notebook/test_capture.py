"""What a block prints, logs and writes is its own: once, whole, and in order."""

import asyncio
import ctypes
import logging
import multiprocessing
import os
import re
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from quire import NotebookOutput, ReportError, open_report
from quire.events import Code
from quire.testing import Recorder, record


def outputs(recorder: Recorder) -> list[str]:
    return [recorder.output_of(code) for code in recorder.blocks(Code)]


@contextmanager
def unconfigured_logging() -> Iterator[None]:
    """`logging` as a program finds it, without the handlers that pytest adds to every test."""
    handlers, level = logging.root.handlers[:], logging.root.level
    logging.root.handlers[:] = []
    try:
        yield
    finally:
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)


def test_everything_in_order(
    quire: Callable[..., "subprocess.CompletedProcess[str]"], demo: Callable[..., Path], tmp_path: Path
) -> None:
    """Python, logging, warnings, C, descriptors and subprocesses, as one would see them on a terminal."""
    demo(
        """
        with log.code():
            print("print")
            libc.puts(b"C")
            print("stderr", file=sys.stderr)
            logging.getLogger("x").info("logged")
            warnings.warn("careful")
            libc.printf(b"C again\\n")
            subprocess.run(["sh", "-c", "echo child; echo child error >&2"], check=True)
            os.write(1, b"descriptor\\n")
            sys.stdout.buffer.write(b"bytes\\n")
            print("no newline", end="")
        with log.code():
            print("next")
        """,
        head="import ctypes, logging, os, subprocess, sys, warnings\nlibc = ctypes.CDLL(None)",
    )
    shown = quire("run", "demo.py").stdout
    first, second = re.findall(
        r"```text\n(.*?)\n```", (tmp_path / "reports/demo/demo.md").read_text(), re.DOTALL
    )
    lines = first.splitlines()
    assert lines[:4] == ["print", "C", "stderr", "INFO x: logged"]
    assert lines[4].endswith("demo.py:11: UserWarning: careful")
    assert lines[5].strip() == 'warnings.warn("careful")'
    assert lines[6:] == ["C again", "child", "child error", "descriptor", "bytes", "no newline"]
    assert second == "next"
    assert shown.startswith(f"{first}next\n")


def test_output_is_still_shown(
    quire: Callable[..., "subprocess.CompletedProcess[str]"], demo: Callable[..., Path]
) -> None:
    demo(
        """
        print("before")
        with log.code():
            print("inside")
            os.system("echo child")
        print("after")
        """,
        head="import os",
    )
    shown = quire("run", "demo.py").stdout.splitlines()
    assert shown[:4] == ["before", "inside", "child", "after"]
    assert shown[-1].startswith("Wrote reports/demo/demo.md")


def test_a_test_that_captures_sees_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    def demo(log: NotebookOutput) -> None:
        with log.code():
            print("seen")

    record(demo)
    assert "seen\n" in capsys.readouterr().out


def test_nested_blocks_share_nothing() -> None:
    def demo(log: NotebookOutput) -> None:
        with log.code():
            print("outer 1")
            with log.code():
                print("inner")
            print("outer 2")

    assert outputs(record(demo)) == ["outer 1\nouter 2\n", "inner\n"]


def test_blocks_on_two_threads_keep_to_their_own() -> None:
    turn = threading.Barrier(2)

    def other(log: NotebookOutput) -> None:
        with log.code():
            for i in range(50):
                print(f"other {i}")
                turn.wait()

    def demo(log: NotebookOutput) -> None:
        with log.code():
            thread = threading.Thread(target=other, args=[log])
            thread.start()
            for i in range(50):
                print(f"main {i}")
                turn.wait()
            thread.join()

    mains, others = outputs(record(demo))
    assert mains.splitlines() == [f"main {i}" for i in range(50)]
    assert others.splitlines() == [f"other {i}" for i in range(50)]


def test_blocks_in_two_tasks_keep_to_their_own() -> None:
    async def step(log: NotebookOutput, name: str) -> None:
        with log.code():
            for i in range(3):
                print(f"{name} {i}")
                await asyncio.sleep(0)

    async def both(log: NotebookOutput) -> None:
        await asyncio.gather(step(log, "a"), step(log, "b"))

    found = outputs(record(lambda log: asyncio.run(both(log))))
    assert found == ["a 0\na 1\na 2\n", "b 0\nb 1\nb 2\n"]


def test_threads_that_a_block_starts_are_its_own() -> None:
    def demo(log: NotebookOutput) -> None:
        with log.code():
            thread = threading.Thread(target=print, args=["from the thread"])
            thread.start()
            thread.join()

    assert outputs(record(demo)) == ["from the thread\n"]


class Dying:
    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        print(f"del {self.number}")


def _print_from_child(name: str, count: int) -> None:
    for i in range(count):
        print(f"{name} {i}", flush=i % 2 == 0)


def test_f17_every_line_once_and_whole() -> None:
    """Threads, forked and spawned children, subprocesses, C, logging and finalisers at the same time."""
    libc = ctypes.CDLL(None)
    rounds = 300

    def chatter(name: str) -> None:
        for i in range(rounds):
            print(name, i, "x" * (i % 90))

    def demo(log: NotebookOutput) -> None:
        with log.code():
            threads = [threading.Thread(target=chatter, args=[f"thread {n}"]) for n in range(8)]
            for thread in threads:
                thread.start()
            with warnings.catch_warnings():
                # Forking beside threads is what is tested here.
                warnings.simplefilter("ignore", DeprecationWarning)
                forked = multiprocessing.get_context("fork").Process(
                    target=_print_from_child, args=["fork", 50]
                )
                spawned = multiprocessing.get_context("spawn").Process(
                    target=_print_from_child, args=["spawn", 50]
                )
                children = [forked, spawned]
                for child in children:
                    child.start()
            shell = subprocess.Popen(["sh", "-c", "for i in $(seq 100); do echo shell $i; done"])
            for i in range(rounds):
                libc.printf(b"C %d\n", i)
                logging.getLogger("l").warning("log %d", i)
                Dying(i)
            for thread in threads:
                thread.join()
            for child in children:
                child.join()
            assert shell.wait() == 0

    with unconfigured_logging():
        found = Counter(record(demo).output.splitlines())
    expected = Counter(f"thread {n} {i} {'x' * (i % 90)}" for n in range(8) for i in range(rounds))
    expected.update(f"{method} {i}" for method in ("fork", "spawn") for i in range(50))
    expected.update(f"shell {i}" for i in range(1, 101))
    expected.update(line for i in range(rounds) for line in (f"C {i}", f"WARNING l: log {i}", f"del {i}"))
    assert found == expected


def test_f17_no_deadlock_in_ten_thousand_rounds(tmp_path: Path) -> None:
    """Blocks begin and end on two threads while others print and fork."""
    program = tmp_path / "rounds.py"
    program.write_text(
        """
import os, sys, threading, time, warnings
warnings.simplefilter("ignore")
from quire import open_report

def chatter():
    while not done:
        print("beside")
        time.sleep(0.001)

def blocks(log):
    for i in range(5_000):
        with log.code():
            print("block", i)

done = False
with open_report("report") as log:
    beside = [threading.Thread(target=chatter, daemon=True) for _ in range(2)]
    for thread in beside: thread.start()
    other = threading.Thread(target=blocks, args=[log])
    other.start()
    for i in range(100):
        if not (child := os.fork()):
            print("forked", i)
            sys.exit(0)
        os.waitpid(child, 0)
    blocks(log)
    other.join()
    done = True
    for thread in beside: thread.join()
"""
    )
    done = subprocess.run(
        [sys.executable, str(program)], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = Counter(done.stdout.splitlines())
    assert sum(lines[f"block {i}"] for i in range(5_000)) == 10_000
    assert all(lines[f"forked {i}"] == 1 for i in range(100))
    assert (tmp_path / "report/report.md").read_text().count("state: done") == 1


def test_f16_bytes_that_are_not_text() -> None:
    """Only what is no UTF-8 is replaced; a character that comes in two pieces stays whole."""

    def demo(log: NotebookOutput) -> None:
        with log.code():
            os.write(1, b"a\xff\xc3b")
            os.write(1, b" \xe2\x82")
            time.sleep(0.2)
            os.write(1, b"\xac\n")

    assert record(demo).output == "a\ufffd\ufffdb €\n"


def test_lone_surrogates_are_shown() -> None:
    def demo(log: NotebookOutput) -> None:
        with log.code():
            print("a\ud800b")

    assert record(demo).output == "a\\ud800b\n"


def test_logging_that_the_author_configures_is_left_alone() -> None:
    def demo(log: NotebookOutput) -> None:
        with log.code():
            logging.getLogger("a").info("by default")
            logging.basicConfig(format="mine %(message)s", level=logging.DEBUG)
            logging.getLogger("a").debug("configured")

    with unconfigured_logging():
        assert record(demo).output == "INFO a: by default\nmine configured\n"


def test_the_streams_are_given_back(tmp_path: Path) -> None:
    before = sys.stdout, sys.stderr, os.fstat(1), os.fstat(2), logging.lastResort, logging.root.level
    with open_report(tmp_path / "report"):
        assert sys.stdout is not before[0]
        kept = sys.stdout
    assert (sys.stdout, sys.stderr) == before[:2]
    assert (os.fstat(1).st_ino, os.fstat(2).st_ino) == (before[2].st_ino, before[3].st_ino)
    assert (logging.lastResort, logging.root.level) == before[4:]
    print("a handler may still write here", file=kept)


def test_two_reports_at_once(tmp_path: Path) -> None:
    one, two = Recorder(), Recorder()
    first = open_report(tmp_path / "one", backends=[one])
    second = open_report(tmp_path / "two", backends=[two])
    with first.code():
        print("of one")
        with second.code():
            print("of two")
        print("of one again")
    first.close()
    with second.code():
        print("two alone")
    second.close()
    assert one.output == "of one\nof one again\n"
    assert two.output == "of two\ntwo alone\n"


def test_a_forked_child_prints_but_cannot_report(tmp_path: Path) -> None:
    recorder = Recorder()
    with open_report(tmp_path / "report", backends=[recorder]) as log:
        with log.code():
            child = os.fork()
            if not child:
                try:
                    log.p("from the child")
                except ReportError as error:
                    print(error)
                    sys.stdout.flush()
                os._exit(0)
            os.waitpid(child, 0)
        log.p("from the parent")
    assert f"this report belongs to process {os.getpid()}" in recorder.output
    assert recorder.texts == ["from the parent"]
    assert recorder.state == "done"


def test_a_report_can_be_opened_in_a_forked_child(tmp_path: Path) -> None:
    with open_report(tmp_path / "parent"):
        child = os.fork()
        if not child:
            status = 1
            try:
                with open_report(tmp_path / "child") as log, log.code():
                    print("in the child")
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
    text = (tmp_path / "child/child.md").read_text()
    assert "```text\nin the child\n```" in text
    assert "state: done" in text


def test_memory_does_not_grow_with_the_output(
    quire: Callable[..., "subprocess.CompletedProcess[str]"], demo: Callable[..., Path], tmp_path: Path
) -> None:
    """100 MB go to a file, and the report holds head, tail and a link."""
    demo(
        """
        with log.code():
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            for i in range(1_000_000):
                print(f"{i:99d}")
        with log.code():
            print("grown by", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, "kB")
        """,
        head="import resource",
    )
    quire("run", "demo.py", TERM="dumb")
    text = (tmp_path / "reports/demo/demo.md").read_text()
    assert int(text.partition("grown by ")[2].partition(" ")[0]) < 50_000
    assert len(text) < 20_000
    whole = tmp_path / "reports/demo" / text.partition("[the whole output](")[2].partition(")")[0]
    assert whole.read_text() == "".join(f"{i:99d}\n" for i in range(1_000_000))
    assert f"{0:99d}\n" in text
    assert f"{999_999:99d}\n" in text


def test_a_transient_record_is_for_the_terminal_alone(
    quire: Callable[..., "subprocess.CompletedProcess[str]"], demo: Callable[..., Path], tmp_path: Path
) -> None:
    demo(
        """
        with log.code():
            print("before")
            logging.getLogger("compiler").warning("compiling", extra={"transient": True})
            logging.getLogger("compiler").warning("compiled")
        """,
        head="import logging",
    )
    done = quire("run", "demo.py")
    assert "before\nWARNING compiler: compiling\nWARNING compiler: compiled\n" in done.stdout
    text = (tmp_path / "reports/demo/demo.md").read_text()
    assert "```text\nbefore\nWARNING compiler: compiled\n```" in text
