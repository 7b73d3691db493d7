"""The backend that writes a report as Markdown, while the run goes on and once it has ended."""

import re
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO

from quire import __version__, charts, digests, record, words
from quire.errors import ReportError
from quire.events import (
    Block,
    Chart,
    Closed,
    Emptied,
    Event,
    Failure,
    Heading,
    Metadata,
    Opened,
    Output,
    Picture,
    Subreport,
    Used,
    Value,
)
from quire.flavours import GITHUB, Flavour
from quire.folder import ReportFolder
from quire.markdown_blocks import BlockWriter
from quire.markdown_page import Page, Run
from quire.tree import Node, Tree

# With the reader of the output (0.05 s), less than a second of work is lost to a kill.
_PAUSE = 0.3
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+>")


class MarkdownBackend:
    """Writes `NAME.md`, and a page for each subreport, whole at every moment.

    The pages are rewritten in one step, some three times a second at most and from a thread of its
    own, so that a kill or a full disk leaves the last whole state.

    Args:
        folder: the claimed folder of the report.
        times: whether to say when the run was and how long it took; without, two equal runs give
            equal bytes.
        flavour: for which kind of reader.
    """

    def __init__(self, folder: ReportFolder, *, times: bool = True, flavour: Flavour = GITHUB) -> None:
        self._run = Run(f"quire {__version__}", times=times)
        self._tree = Tree(self._open_output)
        self._pages = {"": Page(self._tree.root, folder, None, flavour)}
        self._charts: dict[Node, Picture] = {}
        self._flavour = flavour
        self._blocks = BlockWriter(
            times=times,
            chart=self._charts.get,
            page=lambda event: flavour.address(event.folder, event.folder),
            flavour=flavour,
        )
        self._state = threading.Lock()
        self._disk = threading.Lock()
        self._timer: threading.Timer | None = None
        self._pause = _PAUSE
        self._is_closed = False

    def write(self, event: Event) -> None:
        """Takes the next event, and has the pages written before long.

        Not at once: a run that fails as it begins leaves the last report as it was until it is closed.
        """
        with self._state:
            self._take(event if self._run.times else _without_addresses(event))
            if self._timer is None and not self._is_closed:
                self._timer = threading.Timer(self._pause, self._write_soon)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        """Draws the charts and writes the pages for the last time.

        Raises:
            ReportError: they could not be written; the last version that could be is still there.
        """
        with self._state:
            self._is_closed = True
            if self._timer:
                self._timer.cancel()
            self._tree.root.end()
            self._draw_charts()
        folder = self._pages[""].folder
        try:
            # The record first: whoever finds a page that it does not know finds one that was edited.
            with self._disk:
                pages = self._composed()
                try:
                    folder.write_record(self._record(pages))
                finally:
                    self._write(pages, durable=True)
        except OSError as error:
            folder.remove_record()
            if isinstance(error, ReportError):
                raise
            raise ReportError(
                f"cannot write {words.place(folder.document)}: {error.strerror or error}; "
                "what was written before is still there"
            ) from error

    def _record(self, pages: list[tuple[ReportFolder, bytes]]) -> str:
        run, outputs = self._run, self._pages[""].folder.digests()
        for folder, content in pages:
            outputs[folder.listed(folder.document)] = digests.of_text(content)
        before = [run.opened, Metadata(fields=run.metadata) if run.metadata else None]
        after = [*run.used.values(), *filter(None, [run.closed])]
        return record.dumps(filter(None, before), self._tree, after, outputs)

    def _take(self, event: Event) -> None:
        self._tree.add(event)
        if isinstance(event, Opened):
            self._run.opened = event
        elif isinstance(event, Closed):
            self._run.closed = event
        elif isinstance(event, Metadata):
            self._run.metadata |= event.fields
        elif isinstance(event, Used):
            self._run.used[event.path] = event
        elif isinstance(event, Subreport) and event.key not in self._pages:
            above = self._page_of(event)
            folder = above.folder.inner(event.folder)
            self._pages[event.key] = Page(self._tree.node(event.key), folder, above, self._flavour)
        elif isinstance(event, Heading) and event.level > 1:
            self._page_of(event).headings[event.key] = event
        elif isinstance(event, Emptied):
            for page in self._pages.values():
                page.headings = {key: h for key, h in page.headings.items() if self._tree.has(key)}
        elif isinstance(event, Failure):
            self._page_of(event).failure = event

    def _page_of(self, event: Block) -> Page:
        """The page on which a block stands."""
        node = self._tree.node(event.parent)
        while node.above is not None and not isinstance(node.event, Subreport):
            node = node.above
        return self._pages[node.event.key]

    def _open_output(self, block: Block) -> tuple[str, BinaryIO]:
        folder = self._page_of(block).folder
        href = folder.reserve(f"{block.key}-output.txt")
        return href, folder.stream(href)

    def _write_soon(self) -> None:
        # Of this thread's own work: on a busy machine, waiting for a core costs the run nothing.
        began = time.thread_time()
        with self._state:
            self._timer = None
        try:
            with self._disk:
                self._write(self._composed())
        except OSError:
            # A disk may be full for a while; the next event tries again, and `close` says so.
            return
        # A very long report is written less often, so that writing it never is what the run does.
        self._pause = max(_PAUSE, 4 * (time.thread_time() - began))

    def _composed(self) -> list[tuple[ReportFolder, bytes]]:
        """What each page now says."""
        with self._state:
            return [
                (page.folder, page.compose(self._run, self._blocks.write).encode("utf-8", "backslashreplace"))
                for page in self._pages.values()
            ]

    def _write(self, pages: list[tuple[ReportFolder, bytes]], *, durable: bool = False) -> None:
        for folder, content in pages:
            folder.write_document(content, durable=durable)

    def _draw_charts(self) -> None:
        for node in list(self._tree.root.walk()):
            if isinstance(node.event, Chart) and node.series:
                self._draw(node, node.event)

    def _draw(self, node: Node, chart: Chart) -> None:
        folder = self._page_of(chart).folder
        svg = charts.draw(chart.title, node.series)
        if svg is None:
            return
        href = folder.reserve(f"{chart.key}.svg")
        try:
            folder.write(href, svg)
        except OSError:
            # The table that stands in for the picture says the same.
            return
        alt = f"{chart.title}: {charts.summarise(node.series)}"
        self._charts[node] = Picture(file=href, alt=alt, width=charts.WIDTH, height=charts.HEIGHT)
        node.touch()


def _without_addresses(event: Event) -> Event:
    """The event without the addresses in memory that the default `repr` tells: no two runs share them."""
    if isinstance(event, Output | Value):
        return replace(event, text=_ADDRESS.sub(" at 0x…>", event.text))
    if isinstance(event, Failure):
        message, trace = (_ADDRESS.sub(" at 0x…>", text) for text in (event.message, event.traceback))
        return replace(event, message=message, traceback=trace)
    return event


def write_markdown(folder: ReportFolder, events: Sequence[Event], flavour: Flavour = GITHUB) -> None:
    """Writes the Markdown of a run that is over, from its events.

    Raises:
        ReportError: it cannot be written.
    """
    times = next((event.times for event in events if isinstance(event, Opened)), True)
    markdown = MarkdownBackend(folder, times=times, flavour=flavour)
    for event in events:
        markdown.write(event)
    markdown.close()
