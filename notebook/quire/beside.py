"""Where the runs of a sweep are: each has its report in a folder beside the report on all of them."""

import hashlib
from pathlib import Path, PurePosixPath

from quire.journal import EVENTS

RUNS = "runs"
"""The folder of their folders."""


def href(name: str) -> str:
    """The report of the run with this name, seen from the summary's folder."""
    return f"{RUNS}/{name}/{name}.md"


def name_in(address: str) -> str:
    """The run to whose report an address leads that stands in the summary; "" if to none."""
    name = PurePosixPath(address).stem
    return name if address == href(name) else ""


def folder_of(summary: Path, name: str) -> Path | None:
    """The folder of the run with this name; None if there is none with a report, finished or not.

    Args:
        summary: the folder of the report on all runs.
        name: as somebody gave it.
    """
    folder = summary / RUNS / name
    is_plain = name and not name.startswith(".") and not any(mark in name for mark in "/\\\0")
    if not is_plain or any(path.is_symlink() for path in (folder.parent, folder, folder / f"{name}.json")):
        return None
    return folder if (folder / f"{name}.json").is_file() or is_running(folder) else None


def is_running(folder: Path) -> bool:
    """Whether the run that has its report in this folder has not closed it yet."""
    return (folder / EVENTS).exists()


def link_of(links: Path, name: str) -> Path:
    """The socket at which a run listens to viewers: addresses of sockets must be short."""
    return links / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.sock"
