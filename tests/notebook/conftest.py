"""What the tests of the framework share."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from quire import script
from quire.testing import Recorder, record

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_script(tmp_path: Path) -> Callable[[str], Recorder]:
    """Writes a script, imports it as `quire run` does, runs its demo, and gives what it wrote."""

    def run(text: str) -> Recorder:
        path = tmp_path / f"demo_{len(list(tmp_path.iterdir()))}.py"
        path.write_text(text, encoding="utf-8")
        return record(script.demo_in(script.load(path), path))

    return run


@pytest.fixture
def quire(tmp_path: Path) -> Run:
    """Runs the command `quire` in the temporary folder, in a process of its own."""

    def run(*arguments: str, check: bool = True, **settings: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "quire", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ | settings,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture
def demo(tmp_path: Path) -> Callable[..., Path]:
    """Writes a script whose demo has the given body, as `demo.py` in the temporary folder."""

    def write(body: str, *, head: str = "", parameters: str = "", name: str = "demo.py") -> Path:
        path = tmp_path / name
        statements = textwrap.indent(textwrap.dedent(body).strip(), "    ")
        path.write_text(
            f"from quire import NotebookOutput\n{textwrap.dedent(head)}\n\n"
            f"def main(log: NotebookOutput{parameters}) -> None:\n{statements}\n",
            encoding="utf-8",
        )
        return path

    return write
