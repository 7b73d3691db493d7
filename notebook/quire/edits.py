"""What became of a report's files since it was written."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from quire import digests, record
from quire.errors import ReportError
from quire.names import is_beneath

_HEAD = 4096
_EDITED = "was changed since it was written"
_UNENDED = "is of a later run, which has not ended"


def head(document: Path) -> str:
    """The front matter of a page, without its last line; "" if there is no page.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with document.open(encoding="utf-8", errors="replace") as file:
            return file.read(_HEAD).partition("\n---\n")[0]
    except FileNotFoundError:
        return ""


def changed(folder: Path, name: str, suffix: str = "") -> Iterator[tuple[str, str]]:
    """The files of the report `name` in `folder` that are not as its run left them, and what they are.

    Args:
        folder: of the report.
        name: of the report.
        suffix: how the names end of those that are looked at.

    Raises:
        ReportError: it has no record that can be read.
    """
    for href, sha256 in record.outputs(folder / f"{name}.json").items():
        if not href.endswith(suffix) or not is_beneath(href):
            continue
        try:
            now = digests.of_file(folder / href)
        except FileNotFoundError:
            yield href, "is gone"
        except OSError as error:
            yield href, f"cannot be read: {error.strerror}"
        else:
            if now != sha256:
                yield href, _UNENDED if _is_running(folder / href) else _EDITED


def edited(folder: Path, name: str) -> Path | None:
    """A page of the report that was edited since its run ended; of one that did not end, nobody knows."""
    with contextlib.suppress(ReportError):
        for href, what in changed(folder, name, ".md"):
            if what == _EDITED:
                return folder / href
    return None


def _is_running(path: Path) -> bool:
    """Whether it is a page that a later run was writing, and did not come to write a last time."""
    return path.suffix == ".md" and "\nstate: running" in head(path)
