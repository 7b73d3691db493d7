"""A run of a sweep on a worker of a cluster.

The worker lays out the author's code, runs the row in a process of its own, and gives the report back. The
process is this module, started as a program.
"""

import functools
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quire import cores, origins
from quire.errors import ReportError
from quire.folder import LEDGER
from quire.live import mourning
from quire.live.channel import Channel
from quire.sweep.parcel import Parcel

# What runs on this worker, by the sweep and the number of the row; and the sweeps that are to end.
_processes: dict[tuple[str, int], "subprocess.Popen[bytes]"] = {}
_ended: set[str] = set()
_changing = threading.Lock()


@dataclass(frozen=True)
class Data:
    """A file or folder that a parameter names.

    Attributes:
        path: as the parameter has it.
        absolute: where it is on the machine of the sweep.
        sha256: of what it holds.
        packed: its files by their paths in it ("" for a file), where workers do not have it.
    """

    path: str
    absolute: str
    sha256: str
    packed: Mapping[str, bytes] | None = None


@dataclass(frozen=True)
class Errand:
    """A row as a worker gets it.

    Attributes:
        sweep: names the sweep.
        number: of the row.
        report: the folder of its report, seen from where the sweep was started, or "" if it is outside.
        name: of its report.
        script: the script, seen from where the sweep was started, with the function's name if there is one.
        words: its parameters, as on the command line.
        command: what makes its report again.
        reproducible: whether the report leaves out times.
        cache: whether `log.cached` may take values that earlier runs on the worker have kept.
        threads: how many runs there may be on each host, by its address.
    """

    sweep: str
    number: int
    report: str
    name: str
    script: str
    words: tuple[str, ...]
    command: str
    reproducible: bool
    cache: bool
    threads: Mapping[str, int]


@dataclass(frozen=True)
class Returned:
    """How a run ended, with the files of its report by their names in its folder."""

    state: str
    detail: str
    files: Mapping[str, bytes]


def run(parcel: Parcel, errand: Errand, data: tuple[Data, ...]) -> Returned:
    """Runs a row; a task of the cluster's.

    Raises:
        ReportError: data are not on this worker.
    """
    from distributed import get_worker

    worker = get_worker()
    tree = parcel.lay_out(Path(worker.local_directory))
    here = tree / parcel.here
    for each in data:
        _place(each, here)
    folder = here / errand.report if errand.report else tree.parent / "reports" / errand.name
    shutil.rmtree(folder, ignore_errors=True)
    ours, theirs = Channel.pair()
    with theirs, _changing:
        if errand.sweep in _ended:
            return Returned("interrupted", "", {})
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno()), str(os.getpid())],
            cwd=here,
            env=_environment(tree, parcel, errand.threads.get(worker.ip, 1)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        _processes[errand.sweep, errand.number] = process
    try:
        ours.send({"folder": str(folder), **_told(errand)})
        closed: Mapping[str, Any] = {}
        while message := ours.receive():
            if "news" in message:
                worker.log_event(errand.sweep, {"told": message})
            else:
                closed = message
        code = process.wait()
    finally:
        ours.close()
        with _changing:
            del _processes[errand.sweep, errand.number]
    if not closed:
        closed = {"state": "died", "detail": mourning.cause(code)}
        mourning.close_report(folder, closed["detail"])
        mourning.remove_journal(folder)
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in _written(folder)}
    shutil.rmtree(folder, ignore_errors=True)
    return Returned(closed["state"], closed["detail"], files)


def has(places: tuple[tuple[str, str], ...]) -> list[bool]:
    """Whether the files and folders of these paths and SHA-256 are on this worker's machine."""
    return [_digest(path) == sha256 for path, sha256 in places]


def end(sweep: str, number: int) -> None:
    """Sends a signal to the runs of a sweep on this worker; no further one begins."""
    with _changing:
        _ended.add(sweep)
        for (of, _), process in _processes.items():
            if of == sweep:
                process.send_signal(number)


def _told(errand: Errand) -> dict[str, Any]:
    names = ("number", "name", "script", "words", "command", "reproducible", "cache")
    return {name: getattr(errand, name) for name in names}


def _environment(tree: Path, parcel: Parcel, threads: int) -> dict[str, str]:
    entries = [str(tree / path) for path in parcel.paths]
    known = os.environ.get("PYTHONPATH", "")
    return {
        **cores.share(threads),
        **os.environ,
        "PYTHONPATH": os.pathsep.join([*entries, *([known] if known else [])]),
        # The tree is not part of a work tree in which the worker may have been started.
        "GIT_CEILING_DIRECTORIES": str(tree.parent),
    }


def _place(data: Data, here: Path) -> None:
    """Puts data where the parameter names them, seen from `here`."""
    place = here / data.path
    if place.exists() and _digest(str(place)) == data.sha256:
        return
    if _digest(data.absolute) == data.sha256:
        place.parent.mkdir(parents=True, exist_ok=True)
        partly = place.with_name(f".{place.name}.{os.getpid()}.{threading.get_ident()}.tmp")
        partly.symlink_to(data.absolute)
        partly.replace(place)
        return
    if data.packed is None or Path(data.path).is_absolute():
        raise ReportError(
            f"{data.path} is not on the worker {os.uname().nodename}: put it there, at {data.absolute}"
        )
    for name, content in data.packed.items():
        path = place / name if name else place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@functools.lru_cache
def _digest(path: str) -> str:
    """The digest of data, known once: nobody changes them during a sweep."""
    try:
        return origins.digest(Path(path), "data")
    except OSError:
        return ""


def _written(folder: Path) -> list[Path]:
    """The files of a report, by the list that Quire keeps."""
    try:
        names = (folder / LEDGER).read_text("utf-8").splitlines()
    except OSError:
        return []
    return [folder / name for name in names if not name.startswith("#") and (folder / name).is_file()]


def main() -> None:
    """Runs a row in this process, told of on the socket whose descriptor it is given."""
    from quire import lifeline, parameters, running, script
    from quire.sweep.nursery import Job, run_row
    from quire.sweep.rows import Row

    channel = Channel.adopt(int(sys.argv[1]))
    running.take_sigterm()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    lifeline.die_with(int(sys.argv[2]))
    told = channel.receive()
    assert told
    file, _, function = told["script"].partition("::")
    try:
        demo = script.demo_in(script.load(Path(file)), Path(file), function)
        values = parameters.parsed(demo, told["words"])
    except Exception as error:
        channel.send({"state": "failed", "detail": f"{type(error).__name__}: {error}"})
        return
    folder = Path(told["folder"])
    row = Row(told["number"], told["name"], values, {}, told["command"])
    run_row(Job(demo, folder.parent, told["reproducible"], force=False, cache=told["cache"]), row, channel)


if __name__ == "__main__":
    main()
