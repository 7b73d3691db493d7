"""What one page shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from quire.events import Closed, Failure, Heading, Opened, Subreport, Used
from quire.names import plain
from quire.tree import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """A page as it stands.

    Attributes:
        node: the block whose content the page is: the report's root, or a subreport.
        opened: how the run began.
        closed: how it ended, as long as it has not None.
        state: running, paused, done, failed, interrupted, stopped or died; by default what `closed` says.
        detail: what more is known of the state (`signal 9`).
        metadata: the author's fields of the front matter.
        used: what the report was made from.
        title: what to call the page; by default its first heading, or what it was opened as.
        above: the title and the relative URL of the page to go back to, or None.
        base: leads from this page's URL to that of the report: "" or "../../".
        number: every event up to this one is on the page.
        can: what a viewer may do to the run: pause, stop, exit.
        pages: the author's own pages that can be asked for: their titles by name.
        refresh: seconds after which an author's page asks for itself again; 0 for never.
    """

    node: Node
    opened: Opened | None = None
    closed: Closed | None = None
    state: str = ""
    detail: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict)
    used: Sequence[Used] = ()
    title: str = ""
    above: tuple[str, str] | None = None
    base: str = ""
    number: int = 0
    can: Sequence[str] = ()
    pages: Mapping[str, str] = field(default_factory=dict)
    refresh: float = 0

    @property
    def key(self) -> str:
        """The key of the page; "" for the report's own."""
        return self.node.event.key

    @property
    def first_heading(self) -> Heading | None:
        """The first heading of level 1 that stands on the page itself."""
        events = (child.event for child in self.node.inside if isinstance(child, Node))
        return next((event for event in events if isinstance(event, Heading) and event.level == 1), None)

    @property
    def name(self) -> str:
        """The page's title as plain text."""
        if self.title:
            return self.title
        if self.first_heading is not None:
            return plain(self.first_heading.text)
        if isinstance(self.node.event, Subreport):
            return self.node.event.title
        return self.opened.title if self.opened else "Report"

    @property
    def stands(self) -> str:
        """How the run stands, in a word."""
        return self.state or (self.closed.state if self.closed else "running")

    @property
    def headings(self) -> list[Heading]:
        """The headings below the first level, in order, those within other blocks too."""
        return [
            node.event
            for node in walk_page(self.node)
            if isinstance(node.event, Heading) and node.event.level > 1
        ]

    @property
    def failure(self) -> Failure | None:
        """The exception that ended the page, if one did."""
        found = [node.event for node in walk_page(self.node) if isinstance(node.event, Failure)]
        return found[-1] if found else None


def walk_page(node: Node) -> list[Node]:
    """All nodes of the page whose content is that of `node`, in order, without those of its subreports."""
    found = []
    for child in node.inside:
        if isinstance(child, Node):
            found.append(child)
            if not isinstance(child.event, Subreport):
                found += walk_page(child)
    return found
