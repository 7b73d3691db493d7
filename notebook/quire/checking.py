"""A report that is run again, to see whether it still tells what it told."""

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from quire.comparison import Difference, Told, Tolerance, differences
from quire.errors import ReportError
from quire.script import report_name


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
    command = _again(before.command, name)
    with tempfile.TemporaryDirectory(prefix="quire-") as output:
        done = subprocess.run(
            [sys.executable, "-m", "quire", *command, "--no-cache", "--output", output],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
        # A run of a sweep is named by its parameters, and its script's report by the script.
        made = report_name(command[1])
        again = Path(output) / made
        if not (again / f"{made}.json").exists():
            told = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
            raise ReportError(f"{name} cannot be run again: {told[0]}")
        return list(differences(before, Told(again, made), tolerance))


def _again(command: str, name: str) -> list[str]:
    """The words by which a report that `command` made is made again."""
    words = shlex.split(command)
    if words[:1] != ["quire"] or words[1:2] not in (["run"], ["serve"]):
        made = f"by `{command}`" if command else "by a script of its own"
        raise ReportError(
            f"{name} was made {made}, not by `quire run` or `quire serve`: only these can be run again"
        )
    script = Path(words[2].partition("::")[0])
    if not script.is_file():
        raise ReportError(
            f"{script} is no file here: check {name} from the folder in which `{command}` was run"
        )
    if words[1] == "run":
        return words[1:]
    # A run that is watched does not end.
    return [*(word for word in words[1:] if word != "--watch"), "--no-browser", "--exit-when-done"]
