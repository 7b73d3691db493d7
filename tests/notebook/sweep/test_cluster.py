"""`quire sweep --dask`: the same sweep on a cluster of real processes, of which one may be killed."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from quire.errors import ReportError
from quire.sweep import remote
from quire.sweep.parcel import Parcel
from quire.sweep.remote import Data
from tests.notebook.sweep.conftest import Sweeping, is_alive, wait_until


class DaskCluster:
    """A scheduler and two workers of one thread each, on loopback."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        file = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--port", "0", "--scheduler-file", str(file))
        wait_until(lambda: file.exists() and file.read_text().strip().endswith("}"), seconds=60)
        self.address: str = json.loads(file.read_text())["address"]
        self.workers = [self.start_worker(number) for number in range(2)]

    def start_worker(self, number: int) -> "subprocess.Popen[bytes]":
        place = self._folder / f"worker-{number}"
        alone = ("--nthreads", "1", "--no-nanny", "--local-directory", str(place))
        process = self._start("worker", self.address, *alone)
        log = self._folder / f"{process.pid}.log"
        wait_until(lambda: "Starting established connection" in log.read_text(), seconds=60)
        return process

    def _start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        # As docs/sweeps.md has it. Without a dashboard they still serve their health, to everybody.
        loopback = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
        command = [sys.executable, "-m", "dask", *arguments, *loopback]
        log = self._folder / "begun.log"
        # Whatever share of the cores a run would get, which grows when a worker is lost.
        settings = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        with log.open("wb") as file:
            process = subprocess.Popen(command, stdout=file, stderr=file, cwd=self._folder, env=settings)
        log.rename(self._folder / f"{process.pid}.log")
        return process

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    made = DaskCluster(tmp_path_factory.mktemp("cluster"))
    yield made
    made.close()


def content(page: str) -> str:
    """A page without how it was made: the command and the versions of what the sweep itself imported."""
    return page.partition("<summary>Made with")[0]


def test_a_worker_that_is_killed_costs_no_row_and_the_summary_is_that_of_a_local_sweep(
    cluster: DaskCluster, sweep: Sweeping
) -> None:
    arguments = ("--set", "rate=0.1,0.2,0.3", "--set", "seed=0:4", "--wait", "0.4", "--reproducible")
    process = sweep.begin("demo.py", *arguments, "--dask", cluster.address)
    wait_until(lambda: len(list(sweep.runs.glob("*/*.json"))) >= 3, seconds=90)
    cluster.workers[0].send_signal(signal.SIGKILL)
    told, _ = process.communicate(timeout=180)
    assert process.returncode == 0, told
    assert "12 of 12 done" in told
    assert len(sweep.names) == 12
    summary, pages = sweep.summary, {name: sweep.page(name) for name in sweep.names}
    (sweep.folder / "reports").rename(sweep.folder / "by-cluster")
    sweep(*arguments, "--workers", "2", OPENBLAS_NUM_THREADS="1")
    assert content(summary) == content(sweep.summary)
    assert pages == {name: sweep.page(name) for name in sweep.names}


def test_a_sweep_that_was_interrupted_runs_what_is_missing(cluster: DaskCluster, sweep: Sweeping) -> None:
    arguments = ("--set", "seed=0:6", "--wait", "1", "--dask", cluster.address)
    process = sweep.begin("demo.py", *arguments)
    wait_until(lambda: len(list(sweep.runs.glob("*/*.json"))) >= 2, seconds=90)
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 130, told
    done = {
        page: page.stat().st_mtime_ns
        for page in sweep.runs.glob("*/*.md")
        if "\nstate: done\n" in page.read_text()
    }
    assert 2 <= len(done) < 6
    assert f"{len(done)} of 6 are there already" in sweep(*arguments)
    assert {page: page.stat().st_mtime_ns for page in done} == done
    assert "\nstate: done\n" in sweep.summary
    assert "6 runs" in sweep.summary


def test_a_run_that_raises_is_one_failed_row_with_its_traceback(
    cluster: DaskCluster, sweep: Sweeping
) -> None:
    told = sweep(
        "--set", "seed=0:4", "--fail", "1", "--die", "2", "--reproducible", "--dask", cluster.address, code=1
    )
    assert "seed-1 failed: ValueError: no seed 1 | please (demo.py:" in told
    assert "seed-2 died: signal 9, SIGKILL" in told
    assert "2 of 4 runs failed." in told
    assert 'raise ValueError(f"no seed {seed} | please")' in sweep.page("seed-1")
    assert "Traceback (most recent call last)" in sweep.page("seed-1")
    assert "\nstate: died\n" in sweep.page("seed-2")
    # Ordinary reports: they are still what they were made from, and can be made again here.
    done = subprocess.run(
        [sys.executable, "-m", "quire", "check", "reports/demo-sweep/runs/seed-3"],
        cwd=sweep.folder,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_listens_but_loopback(cluster: DaskCluster, sweep: Sweeping) -> None:
    process = sweep.begin("demo.py", "--set", "seed=0:2", "--wait", "3", "--dask", cluster.address)
    workers = [psutil.Process(worker.pid) for worker in cluster.workers]
    wait_until(lambda: any(worker.children() for worker in workers), seconds=60)
    every = [psutil.Process(cluster.scheduler.pid), psutil.Process(process.pid), *workers]
    every += [child for one in every for child in one.children(recursive=True)]
    listening = {
        (connection.laddr.ip, one.pid)
        for one in every
        for connection in one.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert {ip for ip, _ in listening} == {"127.0.0.1"}
    assert process.pid not in {pid for _, pid in listening}, "the sweep itself is asked by nobody"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)


def test_no_run_outlives_its_worker(cluster: DaskCluster, sweep: Sweeping) -> None:
    sweep.begin("demo.py", "--set", "seed=0:1", "--wait", "60", "--dask", cluster.address)
    workers = [psutil.Process(worker.pid) for worker in cluster.workers]
    wait_until(lambda: any(worker.children() for worker in workers), seconds=60)
    runs = [child.pid for worker in workers for child in worker.children()]
    for worker in cluster.workers:
        worker.kill()
    wait_until(lambda: not any(map(is_alive, runs)))


def test_a_scheduler_that_is_not_there_is_told_before_anything_runs(sweep: Sweeping) -> None:
    told = sweep("--set", "seed=0:2", "--dask", "tcp://127.0.0.1:9", code=2)
    assert "--dask tcp://127.0.0.1:9: no scheduler answers there" in told
    assert "`dask scheduler` starts one" in told
    assert sweep.ran() == []


# The ways of code and data to a worker, without one.


def test_data_are_found_or_brought_or_missed(tmp_path: Path) -> None:
    here = tmp_path / "tree"
    here.mkdir()
    mine = tmp_path / "mine.txt"
    mine.write_text("birds")
    sha256 = remote._digest(str(mine))
    remote._place(Data("data/found.txt", str(mine), sha256), here)
    assert (here / "data/found.txt").read_text() == "birds"
    remote._place(Data("../birds", "/nowhere/birds", sha256, {"a/wren.txt": b"wren"}), here)
    assert (tmp_path / "birds/a/wren.txt").read_text() == "wren"
    with pytest.raises(
        ReportError, match=r"gone\.txt is not on the worker .*: put it there, at /nowhere/gone"
    ):
        remote._place(Data("gone.txt", "/nowhere/gone.txt", sha256), here)


def test_code_is_laid_out_as_in_its_work_tree(tmp_path: Path) -> None:
    work, library = tmp_path / "work", tmp_path / "library"
    for folder in (work / "demos/near", work / ".git", library / "far"):
        folder.mkdir(parents=True)
    (work / "demos/one.py").write_text("import near.part, far\n")
    (work / "demos/beside.py").write_text("LATER = 1\n")
    (work / "demos/near/__init__.py").write_text("")
    (work / "demos/near/part.py").write_text("")
    (library / "far/__init__.py").write_text("")
    (library / "far/table.csv").write_text("1,2\n")
    code = (
        "import sys; from pathlib import Path\n"
        "from quire import script; from quire.sweep.parcel import Parcel\n"
        "script.load(Path('demos/one.py')); parcel = Parcel.of(Path('demos/one.py'))\n"
        "tree = parcel.lay_out(Path(sys.argv[1])); print(tree); print(*parcel.paths)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "there")],
        cwd=work,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(library)])},
        capture_output=True,
        text=True,
        check=True,
    )
    tree, paths = done.stdout.splitlines()
    names = {path.relative_to(tree).as_posix() for path in Path(tree).rglob("*") if path.is_file()}
    assert {"demos/one.py", "demos/beside.py", "demos/near/part.py"} <= names
    assert any(re.fullmatch(r"\.elsewhere/\d+/far/table\.csv", name) for name in names)
    assert "demos" in paths.split()


def test_code_that_holds_data_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo.py").write_bytes(b"#" * 50_000_001)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ReportError, match="keep data out of the packages"):
        Parcel.of(Path("demo.py"))
