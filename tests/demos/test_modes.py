"""Every demo writes the same report served as run."""

from pathlib import Path

import pytest

from tests.demos.modes import ROOT, run_and_serve

OPTIONS = {"hello": (), "mnist": ("--epochs", "3"), "denoising": ("--epochs", "3")}
# What a demo needs that the tests' install leaves out.
NEEDED = {"torch_autoencoder": "torch"}
DEMOS = sorted(path.stem for path in (ROOT / "demos").glob("*.py"))


def test_there_are_demos() -> None:
    assert {"hello", "mnist", "explorer"} <= {*DEMOS}


@pytest.mark.parametrize("name", DEMOS)
def test_a_demo_writes_the_same_served_as_run(name: str, tmp_path: Path) -> None:
    if name in NEEDED:
        pytest.importorskip(NEEDED[name], reason=f"{name} needs {NEEDED[name]}, which is not installed")
    run, serve = run_and_serve(name, tmp_path, *OPTIONS.get(name, ("--quick",)))
    assert "\nstate: done\n" in run[f"{name}/{name}.md"]
    assert run == serve
