"""The reports of a folder as pages that any web server, or a disk, can show: a list, and each report."""

import mimetypes
from pathlib import Path

from quire import embedded, exporting, index, words
from quire.errors import ReportError
from quire.folder import write_whole
from quire.index import Entry
from quire.names import Names
from quire.web.listing import Item, generator, listing

NAME = "index.html"
_WIDTH = 320
# The head of a page, in which it says what made it.
_HEAD = 4096


def write(folder: Path, site: Path, *, title: str = "Reports") -> Path:
    """Writes the list of the reports below `folder` into the folder `site`, and beside it each report.

    Args:
        folder: of the reports.
        site: where the pages go; it is made if need be.
        title: of the list.

    Returns:
        The path of the list.

    Raises:
        ReportError: there is no report, or a page cannot be written, or one stands in its place that was
            not written here.
    """
    path = site / NAME
    found = index.entries(folder)
    names = Names()
    names.unique(NAME)
    pages = {names.unique(f"{Path(entry.document).stem}.html"): entry for entry in found}
    _check_is_ours(path, generator().partition(",")[2])
    for name in pages:
        _check_is_ours(site / name, "Quire")
    try:
        site.mkdir(parents=True, exist_ok=True)
        for name, entry in pages.items():
            document = folder / entry.document
            text = exporting.html(document.parent, document.stem, above=(title, NAME))
            write_whole(site / name, text.encode())
        items = [_item(entry, name, folder) for name, entry in pages.items()]
        write_whole(path, listing(title, items).encode())
    except OSError as error:
        if isinstance(error, ReportError):
            raise
        raise ReportError(f"cannot write {words.place(site)}: {error.strerror or error}") from error
    return path


def _check_is_ours(path: Path, maker: str) -> None:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            head = file.read(_HEAD)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ReportError(f"cannot read {words.place(path)}: {error.strerror or error}") from error
    made = head.partition('<meta name="generator" content="')[2].partition('"')[0]
    if maker not in made:
        raise ReportError(f"{words.place(path)} was not written by `quire index`: move it away first")


def _item(entry: Entry, name: str, folder: Path) -> Item:
    item = Item(
        href=name,
        title=entry.title,
        sentence=entry.sentence,
        picture=_picture(entry, folder),
        state=entry.state,
        facts=list(filter(None, index.facts_of(entry))),
    )
    around = [item]
    for page in entry.pages:
        inner = Item(href=f"{name}#{page.key}-page", title=page.title)
        del around[page.depth + 1 :]
        around[-1].pages.append(inner)
        around.append(inner)
    return item


def _picture(entry: Entry, folder: Path) -> tuple[str, str, int, int] | None:
    image = entry.picture
    path = folder / Path(entry.document).parent / image.file if image else None
    if image is None or path is None or not path.is_file():
        return None
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    width = min(image.width, _WIDTH)
    return embedded.url(path.read_bytes(), kind), image.alt, width, round(image.height * width / image.width)
