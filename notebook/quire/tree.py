"""A report as it stands: the blocks that the events so far have made, each in its place."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

from quire.events import (
    Block,
    Code,
    Control,
    Emptied,
    Event,
    Figure,
    Link,
    Metric,
    Output,
    Picture,
    Subreport,
    Table,
)
from quire.names import is_beneath
from quire.printed import Printed
from quire.series import Series


class Node:
    """A block with what stands inside it, in order: other blocks, and what was printed between them.

    Attributes:
        event: the newest state of the block.
        above: the block around it, or None at the top of the report.
        series: a chart's metrics by name.
        is_fresh: whether anything in or below it has changed since somebody set this to False.
    """

    def __init__(self, event: Block, above: "Node | None") -> None:
        self.event = event
        self.above = above
        self.inside: list[Node | Printed] = []
        self.series: dict[str, Series] = {}
        self.is_fresh = True

    @property
    def page(self) -> "Node":
        """The subreport, or else the report, on whose page this block stands; of the report, itself."""
        above = self.above
        while above is not None and above.above is not None and not isinstance(above.event, Subreport):
            above = above.above
        return above or self

    @property
    def files(self) -> list[str]:
        """The files beside its page that the block names, but for what was printed."""
        event, found = self.event, list[str]()
        if isinstance(event, Figure):
            found.append(event.picture.file)
        elif isinstance(event, Table):
            found += [cell.file for row in event.rows for cell in row if isinstance(cell, Picture)]
            found.append(event.file)
        elif isinstance(event, Link) and event.size is not None:
            found.append(event.href)
        elif isinstance(event, Control) and event.kind == "upload" and event.value:
            found.append(str(event.value))
        return [href for href in found if href and is_beneath(href)]

    def touch(self) -> None:
        """Marks this block and all around it as changed."""
        node: Node | None = self
        while node is not None:
            node.is_fresh = True
            node = node.above

    def walk(self) -> "Iterator[Node]":
        """This node and all below it, in order."""
        yield self
        for child in self.inside:
            if isinstance(child, Node):
                yield from child.walk()

    def end(self) -> None:
        """Says that nothing more will be printed here or below."""
        for child in self.inside:
            child.end()


class Tree:
    """Builds the nodes of a report from its events.

    Args:
        open_file: opens a file for a block's long output, given the block; see `Printed`.
        colours: whether to keep the colours of what is printed.
    """

    def __init__(self, open_file: Callable[[Block], tuple[str, BinaryIO]], *, colours: bool = False) -> None:
        self.root = Node(Block(key=""), None)
        self._nodes = {"": self.root}
        self._open_file = open_file
        self._colours = colours

    def node(self, key: str) -> Node:
        """The block with this key; the report itself for ""."""
        return self._nodes[key]

    def has(self, key: str) -> bool:
        """Whether there is a block with this key."""
        return key in self._nodes

    def add(self, event: Event) -> None:
        """Takes the next event; those that make no block change nothing."""
        if isinstance(event, Block):
            self._place(event)
        elif isinstance(event, Output):
            self._print(event)
        elif isinstance(event, Emptied):
            self._empty(self._nodes[event.key])
        elif isinstance(event, Metric):
            chart = self._nodes[event.chart]
            chart.series.setdefault(event.name, Series()).add(event.step, event.value)
            chart.touch()

    def _place(self, event: Block) -> None:
        node = self._nodes.get(event.key)
        if node is None:
            above = self._nodes[event.parent]
            node = self._nodes[event.key] = Node(event, above)
            above.inside.append(node)
        elif node.event.parent != event.parent:
            self._move(node, self._nodes[event.parent])
        node.event = event
        if isinstance(event, Code) and event.state != "running":
            node.end()
        node.touch()

    def _move(self, node: Node, above: Node) -> None:
        assert node.above is not None
        node.above.touch()
        node.above.inside.remove(node)
        above.inside.append(node)
        node.above = above

    def _empty(self, node: Node) -> None:
        for child in node.inside:
            child.end()
            if isinstance(child, Node):
                for gone in child.walk():
                    del self._nodes[gone.event.key]
        node.inside.clear()
        node.touch()

    def _print(self, event: Output) -> None:
        node = self._nodes[event.parent]
        # What is printed outside of every block is on the terminal and in the log, not on a page.
        if not isinstance(node.event, Code):
            return
        if not node.inside or not isinstance(node.inside[-1], Printed):
            node.inside.append(Printed(lambda: self._open_file(node.event), colours=self._colours))
        last = node.inside[-1]
        assert isinstance(last, Printed)
        last.add(event.text)
        node.touch()
