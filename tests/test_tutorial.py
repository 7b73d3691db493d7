"""The tutorial, done as it is told."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.notebook.reports import check

TUTORIAL = Path(__file__).parents[1] / "docs/tutorial.md"
BLOCK = re.compile(r"^(`{3,})(\w+)([^\n]*)\n(.*?)^\1\n", re.DOTALL | re.MULTILINE)
# A page that nobody looks at would stay for ever.
UNATTENDED = ["--no-browser", "--exit-when-done"]


def test_the_tutorial_as_it_is_told(tmp_path: Path) -> None:
    done, told_last = [], ""
    for _, language, told, text in BLOCK.findall(TUTORIAL.read_text()):
        options = dict(part.split("=") for part in told.split())
        if language == "python":
            (tmp_path / options["title"]).write_text(text)
        elif language == "sh":
            for line in text.splitlines():
                told_last = run(line, tmp_path, int(options.get("exits", 0)))
        elif language == "text":
            assert text in told_last
        else:
            assert text in (tmp_path / options["in"]).read_text()
        done.append(language)
    assert set(done) == {"python", "sh", "text", "markdown"}
    report = check(tmp_path / "reports/darts/darts.md")
    assert "state: done" in report
    assert "(board/board.md)" in report
    check(tmp_path / "reports/darts/board/board.md")


def run(line: str, folder: Path, status: int) -> str:
    words = shlex.split(line)
    words = [sys.executable, *words[1:]] if words[0] == "python" else [sys.executable, "-m", *words]
    done = subprocess.run(
        [*words, *(UNATTENDED if "serve" in words else [])],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == status, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stderr
