"""Whether reports still belong to the code and the data that are there now. Nothing is run for it."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from quire import edits, index, origins, provenance, record, words
from quire.errors import ReportError
from quire.events import Closed, Code, State, Used

_ENDS = {
    "running": "has not ended",
    "failed": "failed",
    "interrupted": "was interrupted",
    "stopped": "was asked to finish early",
    "died": "died",
}


@dataclass
class Standing:
    """How a report stands.

    Attributes:
        document: its Markdown, relative to the folder that was looked through.
        state: how its run ended.
        faults: why it is stale, in words; empty if it is not.
        notes: what a reader should know besides.
    """

    document: Path
    state: State = "running"
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def standings(folder: Path, *, strict: bool = False) -> list[Standing]:
    """How the reports below `folder` stand, by their names.

    Args:
        folder: where to look.
        strict: whether a report is stale already if a library of the author's was changed, which none of
            its code is quoted from.

    Raises:
        ReportError: there is none, or a record cannot be read.
    """
    return [standing(path, folder, strict=strict) for path in index.records(folder)]


def standing(
    path: Path, folder: Path, *, strict: bool, digest: Callable[[Path, str], str] = origins.digest
) -> Standing:
    """How the report with the record `path` stands.

    Args:
        path: its record.
        folder: what its document is told relative to.
        strict: as for `standings`.
        digest: tells what a file or folder holds now; one that keeps its answers saves reading twice what
            many reports are made from.

    Raises:
        ReportError: the record cannot be read.
    """
    events = record.load(path, output=False)
    found = Standing(path.with_suffix(".md").relative_to(folder))
    found.state = next((event.state for event in events if isinstance(event, Closed)), "running")
    if found.state in _ENDS:
        found.notes.append(f"its run {_ENDS[found.state]}")
    found.faults += [f"{href} {what}" for href, what in edits.changed(path.parent, path.stem)]
    used = [event for event in events if isinstance(event, Used)]
    if not used and not record.outputs(path):
        found.faults.append("it does not say what it was made from: run it again")
    elif not used:
        found.notes.append("its code is in no file, but in cells or a console")
    codes = [event for event in events if isinstance(event, Code)]
    roots = [provenance.top(path.parent), Path.cwd()]
    for each in used:
        place = next((root / each.path for root in roots if (root / each.path).exists()), None)
        _compare(found, each, place, codes, strict=strict, digest=digest)
    return found


def _compare(
    found: Standing,
    used: Used,
    place: Path | None,
    codes: list[Code],
    *,
    strict: bool,
    digest: Callable[[Path, str], str],
) -> None:
    if place is None:
        told = f"{used.path} is not here"
        (found.notes if used.kind == "data" else found.faults).append(told)
        return
    try:
        if digest(place, used.kind) == used.sha256:
            return
    except OSError as error:
        raise ReportError(f"{words.place(place)} cannot be read: {error.strerror}") from error
    if used.kind == "source":
        found.faults.append(f"{used.path} was changed{_quoted(codes, used.path, place)}")
    elif used.kind == "data" or strict:
        found.faults.append(f"{used.path} was changed")
    else:
        found.notes.append(f"its library {used.path} was changed: `quire check` tells whether that matters")


def _quoted(codes: list[Code], path: str, place: Path) -> str:
    """Which of the blocks that were quoted from a file are not in it any more."""
    quoted = [code for code in codes if code.path == path and code.source]
    if not quoted:
        return ""
    now = _lean(place.read_text("utf-8", errors="replace"))
    gone = [code.key for code in quoted if not _stands(_lean(code.source), now)]
    if not gone:
        return ", but none of the code that it quotes"
    return f", and {words.count(len(gone), 'quoted block')} with it: {', '.join(gone)}"


def _stands(code: str, text: str) -> bool:
    """Whether lines, or an expression that is the whole of a lambda or an argument, stand in a text."""
    return re.search(rf"(?:^|[:(,=] *){re.escape(code)}(?:$| *[,)#])", text, re.MULTILINE) is not None


def _lean(text: str) -> str:
    """The lines without their indentation, which a quotation takes off."""
    return "\n".join(line.strip() for line in text.strip().splitlines())


def told(found: Iterable[Standing]) -> str:
    """The standings as lines."""
    lines = []
    for each in found:
        lines.append(f"{each.document}: {'stale' if each.faults else 'current'}")
        lines += [f"  {text}" for text in (*each.faults, *each.notes)]
    return "\n".join(lines)
