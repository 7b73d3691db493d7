"""What the tests of sweeps share: a demo of which each run leaves a trace, and its sweep in a process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

DEMO = '''\
import os
import signal
import time
from pathlib import Path
from typing import Annotated, Literal

from quire import NotebookOutput, Range

Path("imports").open("a").write(f"{os.getpid()}\\n")


def demo(
    log: NotebookOutput,
    rate: Annotated[float, Range(0, 10)] = 0.1,
    seed: int = 0,
    mode: Literal["plain", "signed"] = "plain",
    deep: bool = False,
    fail: int = -99,
    die: int = -99,
    wait: float = 0,
    data: Path | None = None,
) -> None:
    """Measures something.

    Args:
        rate: how fast.
    """
    with Path("pids").open("a") as file:
        file.write(f"{seed} {os.getpid()}\\n")
    log.h1("Something")
    print("outside of all blocks")
    with log.code():
        print("run", seed, "with", os.environ.get("OPENBLAS_NUM_THREADS"), "threads")
    if wait:
        for _ in log.progress(range(round(wait * 100)), "waiting"):
            time.sleep(0.01)
    for step in range(5):
        log.metrics(step, loss=rate * 10 / (step + 1) + seed / 100, chart="training")
    if seed == fail:
        raise ValueError(f"no seed {seed} | please")
    if seed == die:
        os.kill(os.getpid(), signal.SIGKILL)
    log.metadata(accuracy=1 - rate + seed / 1000, name="no number")
    with log.draw(100, 50, "A *line*", key="line") as pen:
        pen.line([0, 0, 100, seed * 10 + 5], fill="red")
'''


class Sweeping:
    """A folder in which sweeps of `demo.py` are run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[str]] = []
        (folder / "demo.py").write_text(DEMO)

    def begin(self, *arguments: str, **settings: str) -> "subprocess.Popen[str]":
        environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")} | settings
        process = subprocess.Popen(
            [sys.executable, "-m", "quire", "sweep", *(arguments or ("demo.py",))],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        self.processes.append(process)
        return process

    def __call__(self, *arguments: str, code: int = 0, **settings: str) -> str:
        """What a sweep of the demo writes to the terminal."""
        process = self.begin("demo.py", *arguments, **settings)
        told, _ = process.communicate(timeout=120)
        assert process.returncode == code, told
        assert "Traceback" not in told
        return told

    @property
    def runs(self) -> Path:
        return self.folder / "reports/demo-sweep/runs"

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in self.runs.iterdir())

    @property
    def summary(self) -> str:
        return (self.folder / "reports/demo-sweep/demo-sweep.md").read_text()

    def page(self, name: str) -> str:
        return (self.runs / name / f"{name}.md").read_text()

    def ran(self) -> list[int]:
        """The seeds of the runs since the last call, in order of their number."""
        path = self.folder / "pids"
        seeds = [int(line.split()[0]) for line in path.read_text().splitlines()] if path.exists() else []
        path.unlink(missing_ok=True)
        return sorted(seeds)

    def pids(self) -> dict[int, int]:
        path = self.folder / "pids"
        lines = path.read_text().splitlines() if path.exists() else []
        return {int(seed): int(pid) for seed, pid in (line.split() for line in lines)}

    def events(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((self.runs / name / f"{name}.json").read_bytes())["events"]
        return found


def wait_until(is_true: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it ended before it was opened, or before it was read
        return False


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[Sweeping]:
    sweeping = Sweeping(tmp_path)
    yield sweeping
    for process in sweeping.processes:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()
