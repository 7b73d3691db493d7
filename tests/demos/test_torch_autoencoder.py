"""The demo in PyTorch: it learns as quire_models does, and says what to install where PyTorch is missing."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from quire.events import Metric, Picture, Table
from quire.testing import Recorder
from tests.demos.modes import ROOT, recorded
from tests.live.conftest import Served, until, wait_for

DEMO = ROOT / "demos/torch_autoencoder.py"


@pytest.fixture(scope="module")
def installed() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed; no test of Quire's requires it")


@pytest.fixture(scope="module")
def quick(installed: None) -> Recorder:
    return recorded("torch_autoencoder", quick=True)


def table(recorder: Recorder, column: str) -> list[dict[str, object]]:
    found: Table = next(t for t in recorder.tables if column in [c.name for c in t.columns])
    return [dict(zip([c.name for c in found.columns], row, strict=True)) for row in found.rows]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize("mode", [("run",), ("serve", "--no-browser"), ("run", "--help")])
def test_without_pytorch_one_line_says_what_to_install(mode: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\")\n")
    command, *options = mode
    done = subprocess.run(
        [sys.executable, "-m", "quire", command, str(DEMO), *options],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    (line,) = (done.stdout + done.stderr).splitlines()
    assert "needs PyTorch (No module named 'torch')" in line
    assert "pip install torch --index-url https://download.pytorch.org/whl/cpu" in line
    assert not (tmp_path / "reports").exists()


def test_the_report_has_its_parts(quick: Recorder) -> None:
    assert quick.state == "done"
    for heading in ("The network", "Training", "What the units stand for", "Beside quire_models"):
        assert heading in quick.headings
    assert any("loss.backward()" in source and "log.pause_point()" in source for source in quick.sources)
    charts = {event.chart for event in quick.events if isinstance(event, Metric)}
    assert len(charts) == 3, "one for each layer, and one for both"
    row = table(quick, "with noise")[0]
    assert all(isinstance(row[name], Picture) for name in ("picture", "with noise", "given back"))
    captions = [figure.caption for figure in quick.figures]
    assert {"The 36 units of layer 1.", "The 16 units of layer 2."} <= {*captions}


def test_it_learns_what_quire_models_learns(quick: Recorder) -> None:
    ours, theirs, mean = table(quick, "PSNR (dB)")
    psnr = [float(str(row["PSNR (dB)"])) for row in (ours, theirs, mean)]
    assert min(psnr[:2]) > psnr[2] + 3
    assert psnr[0] == pytest.approx(psnr[1], abs=1)
    shares = [float(str(row["recognised"])) for row in (ours, theirs)]
    assert min(shares) > 0.75
    assert shares[0] == pytest.approx(shares[1], abs=0.08)


def test_without_chance_it_learns_the_same_step_for_step(quick: Recorder) -> None:
    rows = table(quick, "step")
    losses = [(float(str(row["PyTorch"])), float(str(row["quire_models"]))) for row in rows]
    assert losses[-1][0] < losses[0][0] / 2, "there is something to agree on"
    for ours, theirs in losses:
        assert ours == pytest.approx(theirs, rel=1e-3)


def test_the_same_seed_writes_the_same_bytes(installed: None, tmp_path: Path) -> None:
    files = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        done = run(folder, "quire", "run", str(DEMO), "--quick", "--epochs", "2", "--reproducible")
        assert done.returncode == 0, done.stderr
        written = folder / "reports/torch_autoencoder"
        # The record keeps the times.
        told = (path for path in written.rglob("*") if path.is_file() and path.suffix != ".json")
        files.append({path.relative_to(written): path.read_bytes() for path in told})
    assert files[0] == files[1]


def test_the_script_for_many_processes_runs(quick: Recorder, tmp_path: Path) -> None:
    """As a reader of the report would take it from there."""
    told = "\n".join(quick.texts)
    script = next(code for code in re.findall(r"```python\n(.*?)```", told, re.DOTALL) if "torchrun" in code)
    (tmp_path / "parallel.py").write_text(script)
    options = re.findall(r"`torchrun (.*?) parallel.py`", script)[0].split()
    done = run(tmp_path, "torch.distributed.run", *options, "parallel.py")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "reports/parallel/parallel.md").read_text()
    assert "state: done" in text
    first, last = map(float, re.findall(r"loss from ([\d.]+) to ([\d.]+) at step 200", text)[0])
    assert last < first / 2


async def test_it_answers_while_it_trains_and_a_stop_keeps_the_report(
    installed: None, tmp_path: Path
) -> None:
    served = Served(tmp_path, "--epochs", "1000000", script=str(DEMO))
    try:
        async with served.client() as session:
            await asyncio.to_thread(wait_for, lambda: "## Training" in served.out.read_text(), 60)
            async with session.get("pages/now") as answer:
                assert "The 16 units of layer 2." in await answer.text()
            async with session.post("run/pause") as answer:
                assert answer.status == 204
            await until(session, "paused")
            async with session.post("run/resume") as answer:
                assert answer.status == 204
            async with session.post("run/stop") as answer:
                assert answer.status == 204
            await until(session, "stopped", 30)
            async with session.post("run/exit") as answer:
                assert answer.status == 204
        assert served.process.wait(20) == 0
    finally:
        served.end()
    text = (tmp_path / "reports/torch_autoencoder/torch_autoencoder.md").read_text()
    assert "state: stopped" in text
    assert "now/now.md" in text
