"""A report that is run again, to see whether it still tells what it told."""

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from quire import record
from quire.comparison import Difference, Told, Tolerance, differences
from quire.errors import ReportError
from quire.events import Opened


def check(folder: Path, name: str, tolerance: Tolerance) -> list[Difference]:
    """Runs a report again as it was run, in the current folder, and compares what it tells.

    Args:
        folder: of the report, which stays as it is.
        name: of the report.
        tolerance: how far numbers and pictures may lie apart.

    Raises:
        ReportError: it has no record, or it cannot be run again: why, and what to do.
    """
    before = Told(folder, name)
    command = _command(folder, name)
    with tempfile.TemporaryDirectory(prefix="quire-") as output:
        done = subprocess.run(
            [sys.executable, "-m", "quire", *command, "--output", output],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
        again = Path(output) / name
        if not (again / f"{name}.json").exists():
            told = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
            raise ReportError(f"{name} cannot be run again: {told[0]}")
        return list(differences(before, Told(again, name), tolerance))


def _command(folder: Path, name: str) -> list[str]:
    """What the report was made by, to be run again."""
    opened = next(e for e in record.load(folder / f"{name}.json", output=False) if isinstance(e, Opened))
    words = shlex.split(opened.command)
    if words[:1] != ["quire"] or words[1:2] not in (["run"], ["serve"]):
        made = f"by `{opened.command}`" if opened.command else "by a script of its own"
        raise ReportError(
            f"{name} was made {made}, not by `quire run` or `quire serve`: only these can be run again"
        )
    script = Path(words[2].partition("::")[0])
    if not script.is_file():
        raise ReportError(
            f"{script} is no file here: check {name} from the folder in which `{opened.command}` was run"
        )
    return words[1:] if words[1] == "run" else [*words[1:], "--no-browser", "--exit-when-done"]
