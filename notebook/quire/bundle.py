"""A finished report as the folder of a page, for a site that Hugo, Jekyll or MkDocs makes."""

import shutil
import tempfile
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from quire import exporting, record, words
from quire.errors import ReportError
from quire.events import Subreport
from quire.flavours import FLAVOURS, Flavour
from quire.folder import ReportFolder
from quire.live.run_view import RunView
from quire.markdown import write_markdown
from quire.tree import Node


def write(folder: Path, name: str, flavour: str, target: Path) -> Path:
    """Writes a report as the page of a site.

    Args:
        folder: of the report.
        name: of the report, which its Markdown and its record are called by.
        flavour: a name in `FLAVOURS`.
        target: the folder to write. What an earlier export wrote there is replaced.

    Returns:
        The path of the page.

    Raises:
        ReportError: there is no such report, or the folder cannot be written, or holds a report, or what
            Quire did not write there.
    """
    events = record.load(folder / f"{name}.json")
    with tempfile.TemporaryDirectory(prefix="quire-") as private:
        # Written first where nobody's files are: names are given out anew, and a failure changes nothing.
        made = ReportFolder.claim(Path(private) / name)
        try:
            with exporting.view(folder, events) as run:
                pages = _pages(run.feed.tree.root, made, FLAVOURS[flavour])
                _take_files(run, made)
            write_markdown(made, events, FLAVOURS[flavour])
        finally:
            made.release(tidy=False)
        names = {href: pages.get(href, href) for href in record.outputs(made.record)}
        _lay_out(made.path, names, target)
    return target / pages[made.listed(made.document)]


def _home(report: ReportFolder, page: Node) -> ReportFolder:
    """The folder of a page."""
    if not isinstance(page.event, Subreport):
        return report
    return _home(report, page.page).inner(page.event.folder)


def _pages(root: Node, report: ReportFolder, flavour: Flavour) -> dict[str, str]:
    """What each page's file is to be called, by its name in the report's folder."""
    subreports = [node for node in root.walk() if isinstance(node.event, Subreport)]
    above = {node.page for node in subreports}
    names = {}
    for page in (root, *subreports):
        href = PurePosixPath(report.listed(_home(report, page).document))
        new = flavour.document_above if page in above else flavour.document
        names[href.as_posix()] = href.with_name(new).as_posix()
    return names


def _take_files(run: RunView, report: ReportFolder) -> None:
    """Copies the files that blocks of the report name; all others, the Markdown's writer makes anew."""
    named = {(node.page, href): None for node in run.feed.tree.root.walk() for href in node.files}
    for page, href in named:
        opened = run.file(page.event.key, href)
        if opened is not None:
            home = _home(report, page)
            with opened:
                home.fill(home.reserve(PurePosixPath(href).name), partial(_copy, opened))


def _copy(opened: BinaryIO, path: Path) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(opened, file)


def _lay_out(made: Path, names: dict[str, str], target: Path) -> None:
    claimed = ReportFolder.claim(target)
    is_written = False
    try:
        if claimed.record.exists():
            raise ReportError(f"{target} is the folder of a report: choose another for the page")
        if foreign := claimed.foreign():
            raise ReportError(
                f"{words.place(foreign)} was not written by Quire: move it away, or choose another folder"
            )
        for name, new in names.items():
            claimed.fill(new, partial(shutil.copyfile, made / name))
        is_written = True
    except OSError as error:
        if isinstance(error, ReportError):
            raise
        raise ReportError(f"cannot write {words.place(target)}: {error.strerror or error}") from error
    finally:
        claimed.release(tidy=is_written)
