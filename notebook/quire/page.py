"""The page behind a `NotebookOutput`: names blocks, writes their files, hands on their events."""

import errno
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from quire import capture, failures, words
from quire.display import Cleaned, Formula, Marked, Plain, Shown, show
from quire.events import (
    Admonition,
    Block,
    Cell,
    Code,
    Failure,
    Figure,
    Heading,
    Html,
    Math,
    Picture,
    Reference,
    State,
    Table,
    Text,
    Value,
)
from quire.folder import Folder
from quire.images import Encoded, encode, is_picture, looks_like_pixels
from quire.names import Names, anchor, slug
from quire.quoting import Quote
from quire.session import Session
from quire.steering import RunStopped
from quire.tables import MOST_IN_FILE, Grid, scalar

CELL = 64
"""The size of pictures in the cells of a table, in pixels, unless the author says another."""
# What a disk may suffer without the run having to stop for it.
_DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


class Page:
    """One page of a report.

    Args:
        session: the run that it belongs to.
        folder: where its files go.
        key: the key of the block that it fills, such as a subreport, or "" for the report itself.
        names: gives out the keys of its blocks; by default those of the session.
        hrefs: the files that it wrote, by their blocks, to be written anew.
    """

    def __init__(
        self,
        session: Session,
        folder: Folder,
        key: str = "",
        names: Names | None = None,
        hrefs: dict[str, str] | None = None,
    ) -> None:
        self.session = session
        self.folder = folder
        self.key = key
        self._names = session.keys if names is None else names
        self._anchors = Names()
        self._keyed: dict[str, tuple[str, str]] = {}
        self._hrefs = {} if hrefs is None else hrefs
        self._section = ""

    def scoped(self, key: str, hrefs: dict[str, str]) -> "Page":
        """What fills the block `key` of this page, and can fill it again under the same names."""
        return Page(self.session, self.folder, key, Names(), hrefs)

    def put(
        self, make: Callable[..., Block], name: str, key: str | None = None, *, is_whole: bool = False
    ) -> str:
        """Puts a block on the page.

        Args:
            make: makes the block, given its `key` and `parent`.
            name: what the key is made from, after the name of the section.
            key: the author's own name for the block; a second block with it replaces the first.
            is_whole: whether `name` alone is the key, without the section.

        Returns:
            The key.
        """
        with capture.lock:
            full, parent = self._place(name, key, is_whole=is_whole)
            self.session.emit(make(key=full, parent=parent))
        return full

    def heading(self, level: int, text: str) -> None:
        """Puts a heading on the page, and names the blocks that follow after it."""
        with capture.lock:
            self._section = slug(text)
            # GitHub numbers equal headings from 1; GitLab joins hyphens where GitHub keeps them.
            place = self._anchors.unique(re.sub("-+", "-", anchor(text)).strip("-") or "section", first=1)
            self.put(partial(Heading, level=level, text=text, anchor=place), "heading")

    def figure(self, image: Encoded, caption: str, alt: str, key: str | None) -> None:
        """Puts a picture on the page."""
        with capture.lock:
            name = slug(caption)[:40].rstrip("-") if caption else "figure"
            full, parent = self._place(name, key, is_whole=bool(caption))
            told = alt or re.sub(r"[*_`$]", "", caption) or full.replace("-", " ")
            if picture := self._save(image, full, told):
                self.session.emit(Figure(key=full, parent=parent, picture=picture, caption=caption))

    def table(
        self, data: Grid, caption: str, formats: Mapping[str, str], key: str | None, size: int = CELL
    ) -> None:
        """Puts a table on the page, with the pictures in its cells, and a file of all rows if it is long."""
        columns = data.columns(formats)
        shown = data.shortened()
        with capture.lock:
            full, parent = self._place("table", key)
            file = ""
            if shown.left_out and data.length <= MOST_IN_FILE:
                file = self._write(f"{full}.csv", full, data.csv())
            rows = tuple(
                tuple(
                    self._cell(value, f"{full}-{slug(name)}-{row}", size)
                    for name, value in zip(data.names, values, strict=True)
                )
                for row, values in enumerate(shown.rows, 1)
            )
            self.session.emit(
                Table(
                    key=full,
                    parent=parent,
                    columns=columns,
                    rows=rows,
                    caption=caption,
                    left_out=shown.left_out,
                    gap=shown.gap,
                    file=file,
                )
            )

    def show(self, value: object) -> None:
        """Shows a value as its type suggests; one that cannot be shown is named, and stops nothing."""
        try:
            shown = show(value)
        except Exception as error:
            shown = Plain(
                f"<{type(value).__name__}, which could not be shown: {type(error).__name__}: {error}>", "text"
            )
        if shown is not None:
            self._put_shown(shown)

    def _put_shown(self, shown: Shown) -> None:
        if isinstance(shown, Encoded):
            self.figure(shown, "", "", None)
        elif isinstance(shown, Grid):
            self.table(shown, "", {}, None)
        elif isinstance(shown, Marked):
            self.put(partial(Text, markdown=shown.markdown), "value")
        elif isinstance(shown, Formula):
            self.put(partial(Math, tex=shown.tex), "value")
        elif isinstance(shown, Cleaned):
            self.put(partial(Html, html=shown.html), "value")
        else:
            self.put(partial(Value, text=shown.text, language=shown.language), "value")

    def write_file(self, name: str, write: Callable[[Path], object]) -> tuple[str, int]:
        """Has `write` make the file `name`; its address (or "", if the disk failed) and its size."""
        with capture.lock:
            href = self.folder.reserve(name)
        try:
            return href, self.folder.fill(href, write)
        except OSError as error:
            self._trouble(name, error)
            return "", 0

    @contextmanager
    def inside(self, key: str) -> Iterator[None]:
        """Puts what follows within the block `key`."""
        around = self.session.within(self.key)
        self.session.stand_within(self.key, key)
        try:
            yield
        finally:
            self.session.stand_within(self.key, around)

    def pause_point(self) -> None:
        """Lets the run be held or ended here."""
        self.session.steering.pause_point()

    def begin_code(self, quote: Quote) -> Code:
        """Puts code on the page, and what follows within it."""
        with capture.lock:
            linker = self.session.linker
            link = (
                linker.link(quote.path, quote.line, quote.last_line, self.folder.path) if quote.path else ""
            )
            name = linker.name(quote.path) if quote.path else ""
            ran = (self.key, quote.path, quote.line, quote.source)
            key, parent = self._place("code", None)
            code = Code(
                key=key,
                parent=parent,
                source=quote.source,
                path=name,
                line=quote.line,
                last_line=quote.last_line,
                link=link,
                repeats=self.session.quoted.get(ran, "") if quote.source else "",
                note=quote.note,
            )
            self.session.quoted.setdefault(ran, key)
            self.session.emit(code)
        self.session.stand_within(self.key, key)
        return code

    def end_code(self, code: Code) -> None:
        """Puts the end of code on the page; what follows stands beside it."""
        self.session.emit(code)
        self.session.stand_within(self.key, code.parent)

    def sink(self, block: Block) -> capture.Sink:
        """What takes the output of a block."""
        return self.session.sink(block.key)

    def fail(self, error: BaseException, where: str = "") -> State:
        """Puts an exception on the page unless it is there already; how what it left has ended."""
        state = state_after(error)
        if state == "failed" and self.session.failure is not error:
            self.session.failure = error
            linker = self.session.linker
            told = failures.trace(error, linker)
            link = linker.link(told.path, told.line, told.line, self.folder.path) if told.path else ""
            self.put(
                partial(
                    Failure,
                    kind=told.kind,
                    message=told.message,
                    path=linker.name(told.path) if told.path else "",
                    line=told.line,
                    link=link,
                    quoted=told.quoted,
                    traceback=told.text,
                ),
                "failure",
            )
            if where:
                more = f"; {words.place(self.folder.document)} says more" if self.session.is_kept else ""
                error.add_note(f"in the block of code at {where}{more}")
        return state

    def _place(self, name: str, key: str | None, *, is_whole: bool = False) -> tuple[str, str]:
        """The key and the parent of a new block, or those that the author's `key` had the first time."""
        if key is not None and key in self._keyed:
            return self._keyed[key]
        wanted = slug(key) if key else name if is_whole or not self._section else f"{self._section}-{name}"
        prefix = f"{self.key}-" if self.key else ""
        place = self._names.unique(prefix + wanted), self.session.within(self.key)
        if key is not None:
            self._keyed[key] = place
        return place

    def _cell(self, value: object, name: str, size: int) -> Cell:
        if is_picture(value) or looks_like_pixels(value):
            return self._save(encode(value, size=size).within(size), name, name.replace("-", " "))
        return value if isinstance(value, Reference) else scalar(value)

    def _save(self, image: Encoded, name: str, alt: str) -> Picture | None:
        href = self._write(f"{name}{image.suffix}", name, image.data)
        return Picture(file=href, alt=alt, width=image.width, height=image.height) if href else None

    def _write(self, name: str, owner: str, data: bytes) -> str:
        """Writes a file that belongs to the block `owner`; its address, or "" if the disk failed."""
        href = self._hrefs.get(f"{owner} {name}") or self.folder.reserve(name)
        self._hrefs[f"{owner} {name}"] = href
        try:
            self.folder.write(href, data)
        except OSError as error:
            self._trouble(name, error)
            return ""
        return href

    def _trouble(self, name: str, error: OSError) -> None:
        """Lets a run go on whose disk is full: the page says what is missing, and the end of the run too."""
        if error.errno not in _DISK_TROUBLE:
            raise error
        told = f"{name} could not be written: {error.strerror}"
        self.session.troubles.append(told)
        around = self.put(partial(Admonition, severity="warning"), "trouble")
        with self.inside(around):
            self.put(partial(Text, markdown=told), "trouble")


def state_after(error: BaseException) -> State:
    """How a run ends that `error` leaves."""
    asyncio = sys.modules.get("asyncio")
    if isinstance(error, KeyboardInterrupt) or (asyncio and isinstance(error, asyncio.CancelledError)):
        return "interrupted"
    if isinstance(error, RunStopped):
        return "stopped"
    if isinstance(error, SystemExit):
        return "failed" if error.code else "done"
    return "failed"
