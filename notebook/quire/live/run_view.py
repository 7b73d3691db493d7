"""One run as the server has it: its feed, its files, and the way to it."""

import base64
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import quote

from quire import beside, codec
from quire.events import Subreport
from quire.folder import LEDGER
from quire.live.asking import Asking
from quire.live.channel import Message
from quire.live.feed import Feed, Nowhere
from quire.live.files import Files
from quire.tree import Node, Tree
from quire.web import PageView, Renderer

# How often an author's page that is open asks for itself again, in seconds.
_REFRESH = 2.0
# Numbers of events of the k-th run begin at k times this; JavaScript knows whole numbers up to 2**53.
_EPOCH = 1 << 40


class RunView:
    """A run, from its journal and from itself.

    Args:
        told: what is said of it: its `folder`; that of its `journal`; the `link` at which it listens, ""
            if it does not; the `epoch`, which is the number of runs of this report before it; and what is
            `above` a run of a sweep: title and address of the page on all of them.
    """

    def __init__(self, told: Message) -> None:
        self.folder = Path(told["folder"])
        self.files = Files(self.folder, self._folder_of)
        above, link = told.get("above"), told["link"]
        self.feed = Feed(
            Path(told["journal"]),
            told["epoch"] * _EPOCH,
            self._address,
            above=above and (above[0], above[1]),
            has_run=bool(link),
        )
        self.asking = Asking(link)

    def page(self, key: str) -> str:
        """A page of the report as HTML.

        Raises:
            KeyError: there is none with this key.
        """
        return self.feed.renderer.page(self.feed.view(key))

    def offered(self, name: str, answer: Message) -> str:
        """A page of the author's as HTML, from what the run answered."""
        urls = {href: self.files.keep(href, base64.b64decode(data)) for href, data in answer["files"].items()}
        tree = Tree(lambda block: ("", Nowhere()), colours=True)
        for told in answer["events"]:
            tree.add(codec.from_json(told))
        node = tree.node(answer["key"])
        renderer = Renderer(address=lambda page, href: f"../{urls[href]}" if href in urls else "", live=True)
        return renderer.page(self._offered_view(name, node))

    def _offered_view(self, name: str, node: Node) -> PageView:
        here = self.feed.view("")
        return PageView(
            node=node,
            opened=self.feed.opened,
            title=self.feed.pages.get(name, name),
            state=here.state,
            detail=here.detail,
            above=(here.name, "../"),
            base="../",
            refresh=_REFRESH,
        )

    def _address(self, page: str, href: str) -> str:
        run = "" if page else beside.name_in(href)
        if run and beside.folder_of(self.folder, run):
            return f"{beside.RUNS}/{quote(run)}/"
        url = self.files.url(page, href)
        return f"../../{url}" if url and page else url

    def _folder_of(self, key: str) -> str:
        """The folder of a page, relative to the report's."""
        parts: list[str] = []
        while key:
            node = self.feed.tree.node(key)
            event: Any = node.event
            if isinstance(event, Subreport):
                parts.insert(0, event.folder)
            key = node.page.event.key
        return PurePosixPath(*parts).as_posix() if parts else "."

    @property
    def name(self) -> str:
        """What the report's files are called."""
        return self.folder.name

    @property
    def title(self) -> str:
        """The title of the report's own page."""
        return self.feed.view("").name

    @property
    def has_begun_anew(self) -> bool:
        """Whether this run is over, and another one of the same report has begun."""
        return (
            self.feed.closed is not None
            and beside.is_running(self.folder)
            and not self.feed.is_of(self.folder)
        )

    def file(self, page: str, href: str) -> BinaryIO | None:
        """The open file at an address on a page; None if there is none, or none that may be read."""
        return self.files.opened(page, href)

    def all_files(self) -> Iterator[tuple[str, BinaryIO]]:
        """Every file that Quire wrote for the report, open, by its name there."""
        ledger = self.files.opened("", LEDGER)
        if ledger is None:
            return
        with ledger:
            listed = ledger.read().decode("utf-8", "replace").splitlines()
        for name in listed:
            opened = None if name.startswith("#") else self.files.opened("", name)
            if opened:
                yield name, opened

    def close(self) -> None:
        """Lets the journal go."""
        self.feed.close()
