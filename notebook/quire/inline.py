"""The backend that shows a report in the notebook whose cells write it: each block below its cell."""

import atexit
import html
import mimetypes
import os
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import quote, unquote

from quire import embedded
from quire.events import (
    Block,
    Closed,
    Code,
    Emptied,
    Event,
    Failure,
    Link,
    Metric,
    Output,
    State,
    Subreport,
)
from quire.folder import ReportFolder
from quire.markdown_blocks import BlockWriter
from quire.tree import Node, Tree

# Seconds between two states of a block, and bytes in a second: Jupyter drops what is more than 1 MB/s.
_PAUSE, _RATE = 0.2, 500_000
_MOST = 25_000_000
_IMAGE = re.compile(r'(<img src=")([^"]*)(")')

_open: "dict[Path, InlineBackend]" = {}


class Writer(Protocol):
    """What makes a block something that Jupyter shows."""

    kind: str
    """The media type of what it makes."""

    def style(self) -> str:
        """What must stand once in each cell, before its first block."""

    def block(self, node: Node) -> str:
        """A block with all within it."""


@dataclass(eq=False)
class _Shown:
    """A block below a cell: `run` names that run of the cell, `cell` the cell itself if it has a name."""

    node: Node
    name: str
    run: str
    cell: str
    is_styled: bool


class InlineBackend:
    """Shows each block below the cell that made it, and what it becomes in the same place.

    An exception is shown by the notebook itself, below the cell that it ended; the block shows it only
    if the cell went on.

    Args:
        shell: the kernel's.
        folder: of the report.
        times: whether to say how long each block took.
    """

    def __init__(self, shell: Any, folder: ReportFolder, *, times: bool = True) -> None:
        self._shell = shell
        self._folder = folder
        self._lock = threading.RLock()
        self._tree = Tree(_no_file, colours=True)
        self._files = _Files(folder)
        self._plain = BlockWriter(times=times, chart=lambda node: None, page=lambda event: event.folder)
        self._writer = _writer(self._files, self._plain, times=times)
        self._shown: dict[Node, _Shown] = {}
        self._changed: dict[_Shown, None] = {}
        self._failures: list[Failure] = []
        self._token = secrets.token_hex(4)
        self._styled = ""
        self._timer: threading.Timer | None = None
        self._pause = _PAUSE
        self._has_failed = self._is_silent = self._is_closed = False

    def attend(self, close: Callable[[State], None]) -> None:
        """Begins to watch the cells, and to look after the report, which `close` ends."""
        self._close = close
        self._shell.events.register("post_run_cell", self._after_cell)
        _open[self._folder.path] = self
        atexit.register(self._end)

    def write(self, event: Event) -> None:
        """Shows a new block at once, and what changed in another one before long."""
        with self._lock:
            if isinstance(event, Failure):
                self._failures.append(event)
            elif isinstance(event, Closed):
                self._tell_where(event)
            elif isinstance(event, Block | Output | Metric | Emptied):
                self._take(self._with_source(event) if isinstance(event, Code) else event)

    def close(self) -> None:
        """Shows all as it is at the end."""
        with self._lock:
            self._tree.root.end()
            self._show_changes()
            self._is_closed = True
            _open.pop(self._folder.path, None)
            atexit.unregister(self._end)

    def _end(self) -> None:
        """Closes a report that is still open when its cell runs again or the kernel ends."""
        self._is_silent = True
        self._close("failed" if self._has_failed else "done")

    def _take(self, event: Block | Output | Metric | Emptied) -> None:
        self._tree.add(event)
        if isinstance(event, Subreport):
            self._files.add_page(self._tree.node(event.key))
        node = _top(self._tree.node(_key(event)))
        if node is None or self._is_silent:
            return
        shown, run, cell = self._shown.get(node), *self._running()
        # A cell that runs again has lost what stood below it.
        if shown is None or (cell and shown.cell == cell and shown.run != run):
            name = f"quire-{self._token}-{len(self._shown)}-{run}"
            self._shown[node] = shown = _Shown(node, name, run, cell, run != self._styled)
            self._styled = run
            self._show(shown)
        else:
            self._changed[shown] = None
            self._show_soon()

    def _running(self) -> tuple[str, str]:
        """What names this run of a cell, and the cell itself; "" for the cell where nothing names it."""
        parent = self._shell.get_parent()
        return parent.get("header", {}).get("msg_id", ""), (parent.get("metadata") or {}).get("cellId") or ""

    def _with_source(self, event: Code) -> Code:
        """Code with its source, unless this run of the cell has shown it already."""
        above = _top(self._tree.node(event.repeats)) if event.repeats else None
        is_near = above in self._shown and self._shown[above].run == self._running()[0]
        return event if is_near else replace(event, repeats="")

    def _tell_where(self, closed: Closed) -> None:
        document, said = self._folder.document, "" if closed.state == "done" else closed.state
        text = self._files.relative(document)
        self._take(Link(key="quire-report", href=quote(document.name), text=text, caption=said))

    def _show(self, shown: _Shown, *, update: bool = False) -> int:
        """Shows a block, or its new state in its place; how many characters that took."""
        node = shown.node
        if isinstance(node.event, Subreport):
            name = node.event.folder
            node = Node(Link(key=node.event.key, href=f"{name}/{name}.md", text=node.event.title), node.above)
        text = (self._writer.style() if shown.is_styled else "") + self._writer.block(node)
        self._shell.display_pub.publish(
            {self._writer.kind: text, "text/plain": self._plain.write(node)},
            metadata={},
            transient={"display_id": shown.name},
            update=update,
        )
        return len(text)

    def _show_soon(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(self._pause, self._show_late)
            self._timer.daemon = True
            self._timer.start()

    def _show_late(self) -> None:
        with self._lock:
            if self._timer:
                self._show_changes()

    def _show_changes(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        changed, self._changed = self._changed, {}
        began, sent = time.perf_counter(), 0
        for shown in () if self._is_silent else changed:
            sent += self._show(shown, update=True)
        self._pause = max(_PAUSE, 4 * (time.perf_counter() - began), sent / _RATE)

    def _after_cell(self, result: Any) -> None:
        error = result.error_in_exec or result.error_before_exec
        with self._lock:
            failures, self._failures = self._failures, []
            for failure in failures:
                if (failure.kind, failure.message) != (type(error).__name__, str(error)):
                    self._take(failure)
            self._has_failed = error is not None
            self._show_changes()
            if self._is_closed:
                self._shell.events.unregister("post_run_cell", self._after_cell)


class _Files:
    """The files of a report, as a page below its notebook can show them."""

    def __init__(self, folder: ReportFolder) -> None:
        self._here = Path.cwd()
        self._pages = {"": folder.path}

    def add_page(self, node: Node) -> None:
        """Learns where the files of a subreport are."""
        assert isinstance(node.event, Subreport)
        self._pages[node.event.key] = self._pages[node.page.event.key] / node.event.folder

    def relative(self, path: Path) -> str:
        """A path as the notebook's own page finds it."""
        return Path(os.path.relpath(path, self._here)).as_posix()

    def address(self, page: str, href: str) -> str:
        """The URL of a file: a picture is embedded, others are linked to."""
        path = self._pages[page] / unquote(href)
        if ".." in Path(href).parts:
            return ""
        kind = mimetypes.guess_type(path.name)[0] or ""
        if kind.startswith("image/"):
            if not path.is_file() or path.stat().st_size > _MOST:
                return ""
            return embedded.url(path.read_bytes(), kind)
        return quote(self.relative(path))

    def pixels(self, page: str, href: str) -> tuple[int, int] | None:
        """The size of a PNG, from its header."""
        with (self._pages[page] / href).open("rb") as file:
            return embedded.pixels(file.read(embedded.HEAD))


class _MarkdownWriter:
    """Writes blocks as Markdown with their pictures in it, for where the extra `live` is not installed."""

    kind = "text/markdown"

    def __init__(self, files: _Files, plain: BlockWriter) -> None:
        self._files = files
        self._plain = plain

    def style(self) -> str:
        """None: it is the notebook's."""
        return ""

    def block(self, node: Node) -> str:
        """A block with all within it."""
        page = node.page.event.key

        def embed(found: re.Match[str]) -> str:
            href = unquote(html.unescape(found[2]))
            return f"{found[1]}{self._files.address(page, href)}{found[3]}"

        if isinstance(node.event, Link) and not re.match(r"[\w+.-]*:|[/#]", node.event.href):
            # The notebook stands elsewhere than the report.
            href = self._files.address(page, node.event.href)
            node = Node(replace(node.event, href=href), node.above)
        return _IMAGE.sub(embed, self._plain.write(node))


def _writer(files: _Files, plain: BlockWriter, *, times: bool) -> Writer:
    try:
        from quire.web.inline import CellWriter
    except ImportError:
        return _MarkdownWriter(files, plain)
    return CellWriter(files.address, files.pixels, times=times)


def leave(path: Path) -> None:
    """Closes the report in the folder `path` if this notebook has it open: its cell runs again."""
    if found := _open.get(path.absolute()):
        found._end()


def _top(node: Node) -> Node | None:
    """The block around `node` that stands on a page itself; None for the page."""
    while node.above is not None:
        if node.above.above is None or isinstance(node.above.event, Subreport):
            return node
        node = node.above
    return None


def _key(event: Block | Output | Metric | Emptied) -> str:
    if isinstance(event, Output):
        return event.parent
    return event.chart if isinstance(event, Metric) else event.key


def _no_file(block: Block) -> tuple[str, BinaryIO]:
    """Where all of a long output goes: the report's own file has it already."""
    return f"etc/{block.key}-output.txt", Path(os.devnull).open("wb")
