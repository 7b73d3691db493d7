"""A demo as tests run it: recorded, and in both modes, each in a process of its own."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from quire import script
from quire.testing import Recorder, record

ROOT = Path(__file__).parents[2]


def recorded(name: str, **parameters: Any) -> Recorder:
    """What a demo tells."""
    path = ROOT / "demos" / f"{name}.py"
    return record(script.demo_in(script.load(path), path), **parameters)


def run_and_serve(name: str, folder: Path, *options: str) -> tuple[dict[str, str], dict[str, str]]:
    """The Markdown of a demo and its pages, by path, as `quire run` and as `quire serve` write it.

    The command itself is left out.
    """

    def output(inner: Path) -> list[str]:
        return ["--reproducible", "--output", str(inner)]

    modes = {"run": [], "serve": ["--no-browser", "--exit-when-done"]}
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "quire",
                mode,
                f"demos/{name}.py",
                *options,
                *further,
                *output(folder / mode),
            ],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for mode, further in modes.items()
    ]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    run, serve = (
        {
            str(path.relative_to(folder / mode)): re.sub(r"`quire (run|serve) .*`", "", path.read_text())
            for path in (folder / mode).rglob("*.md")
        }
        for mode in modes
    )
    return run, serve
