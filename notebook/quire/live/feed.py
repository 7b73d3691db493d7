"""The journal as viewers see it: the tree of blocks so far, and what changed in it since any number."""

import bisect
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from quire.events import (
    Admonition,
    Block,
    Chart,
    Closed,
    Code,
    Details,
    Emptied,
    Event,
    Interact,
    Metadata,
    Metric,
    Offered,
    Opened,
    Output,
    Part,
    Paused,
    Progress,
    Subreport,
    Used,
)
from quire.journal import Reader
from quire.names import Names, file_name
from quire.printed import Printed
from quire.series import Series
from quire.tree import Node, Tree
from quire.web import PageView, Renderer

Message = dict[str, Any]

# So long, at most, events are taken before others get their turn, in seconds.
_SLICE = 0.01
# As much of the log as one message holds, and as a viewer who comes back is sent, in bytes.
_MOST_LOG = 256_000
# How many places in the log are known by the number of their event.
_MARKS = 20_000
# Blocks that show themselves apart from what stands inside them.
_HOLDERS = (Admonition, Code, Details, Interact, Part)
# More new points of one curve than this, in one message, are thinned out.
_MOST_POINTS = 200


class Feed:
    """What a journal has told so far.

    Args:
        folder: where the journal is.
        base: what is added to the numbers of events, so that those of two runs of a report are not mixed up.
        address: gives the URL of a file of the report, for a page's key and the file's address there.
        above: the title and the address of the page to go back to, if this is one run of several; then
            it cannot end all.
        has_run: whether there is a run that can be asked for anything.

    Attributes:
        number: that of the last event that was taken.
        log_size: how many bytes of the log it has told of.
    """

    def __init__(
        self,
        folder: Path,
        base: int,
        address: Callable[[str, str], str],
        *,
        above: tuple[str, str] | None = None,
        has_run: bool = True,
    ) -> None:
        self._reader = Reader(folder)
        self._coming: Iterator[Event] = iter(())
        self.folder = folder
        self._report_above = above
        self._has_run = has_run
        self.number = self._sent = self.base = base
        self.log_size = 0
        self.opened: Opened | None = None
        self.closed: Closed | None = None
        self.metadata: dict[str, object] = {}
        self.used: dict[str, Used] = {}
        self.pages: dict[str, str] = {}
        self.is_paused = False
        self._began = time.monotonic()
        self._progress: dict[str, Progress] = {}
        self._files: dict[str, Names] = {}
        self.tree = Tree(self._open_output, colours=True)
        self.renderer = Renderer(address=address, live=True)
        self._made: dict[str, int] = {}
        self._changed: dict[str, int] = {}
        self._emptied: dict[str, int] = {}
        self._moved: dict[str, int] = {}
        self._dirty: dict[str, None] = {}
        self._points: dict[str, dict[str, list[tuple[float, float]]]] = {}
        self._log: list[str] = []
        self._log_at = 0
        self._marks: deque[tuple[int, int]] = deque(maxlen=_MARKS)
        self._state_is_new = True

    # Reading

    def take(self) -> bool:
        """Takes events that are there, for a moment; whether there may be more."""
        end = time.monotonic() + _SLICE
        while True:
            for event in self._coming:
                self.number += 1
                self._take(event)
                if time.monotonic() > end:
                    return True
            if not self._reader.is_behind:
                return False
            self._coming = self._reader.read()

    @property
    def has_news(self) -> bool:
        """Whether something was taken that viewers have not been told."""
        return self.number > self._sent

    def log(self, at: int, end: int) -> bytes:
        """The bytes of the log from `at` to `end`, or as many as a chunk holds."""
        return self._reader.text(at, min(end, self.log_size))

    def is_of(self, folder: Path) -> bool:
        """Whether this is the journal that is in a folder now."""
        return self._reader.is_of(folder)

    def close(self) -> None:
        """Lets the journal go."""
        self._reader.close()

    def _take(self, event: Event) -> None:
        if isinstance(event, Block):
            self._take_block(event)
        elif isinstance(event, Output):
            self._take_output(event)
        elif isinstance(event, Metric):
            self.tree.add(event)
            curves = self._points.setdefault(event.chart, {})
            curves.setdefault(event.name, []).append((event.step, event.value))
            self._changed[event.chart] = self.number
        elif isinstance(event, Emptied):
            self._take_away(event.key)
        elif isinstance(event, Metadata):
            self.metadata |= event.fields
        else:
            self._take_state(event)

    def _take_state(self, event: Event) -> None:
        self._state_is_new = True
        if isinstance(event, Opened):
            self.opened = event
            self.renderer.times = event.times
        elif isinstance(event, Closed):
            self.closed = event
            self._progress.clear()
        elif isinstance(event, Used):
            self.used[event.path] = event
        elif isinstance(event, Paused):
            self.is_paused = event.is_paused
        elif isinstance(event, Offered):
            self.pages[event.name] = event.title

    def _take_block(self, event: Block) -> None:
        before = self.tree.node(event.key).event if self.tree.has(event.key) else None
        self.tree.add(event)
        if before is None:
            self._made[event.key] = self.number
        elif before.parent != event.parent:
            self._made[event.key] = self._moved[event.key] = self.number
        self._touch(event.key)
        if isinstance(event, Progress):
            self._state_is_new = True
            self._progress.pop(event.key, None)
            if not event.finished:
                self._progress[event.key] = event

    def _take_output(self, event: Output) -> None:
        self.tree.add(event)
        self._log.append(event.text)
        # What the reader gave for this event ends here.
        self.log_size = self._reader.log_size
        self._marks.append((self.number, self.log_size))
        node = self.tree.node(event.parent)
        if isinstance(node.event, Code) and node.inside:
            key = f"{event.parent}-out-{len(node.inside) - 1}"
            self._made.setdefault(key, self.number)
            self._touch(key)

    def _take_away(self, key: str) -> None:
        self._state_is_new = True
        kept = (self._made, self._changed, self._emptied, self._moved, self._dirty, self._points)
        for child in list(self.tree.node(key).walk())[1:]:
            for known in (*kept, self._progress):
                known.pop(child.event.key, None)
        self.tree.add(Emptied(key=key))
        self._emptied[key] = self.number
        self._dirty.pop(key, None)
        self._touch(key)

    def _touch(self, key: str) -> None:
        self._changed[key] = self.number
        self._dirty[key] = None

    def _open_output(self, block: Block) -> tuple[str, BytesIO]:
        # The file is the run's to write; here is only how it is called.
        page = self.tree.node(block.key).page.event.key
        names = self._files.setdefault(page, Names())
        return f"etc/{names.unique(file_name(f'{block.key}-output.txt'))}", Nowhere()

    # Telling

    def news(self) -> Message:
        """All that viewers have not been told; from here on they have been."""
        patches = list(self._patches(self._dirty, self._sent))
        message: Message = {"n": self.number}
        if patches:
            message["patches"] = patches
        if self._points:
            message["points"] = {key: _told_points(curves) for key, curves in self._points.items()}
        if self._log:
            message["log"] = self._told_log()
        if self._state_is_new:
            message["state"] = self.state()
        self._sent = self.number
        self._dirty.clear()
        self._points.clear()
        self._state_is_new = False
        return message

    def since(self, number: int) -> Message:
        """All that changed after event `number`, for a viewer who has seen that one.

        To be asked when all others have been told the news.
        """
        if not self.base <= number <= self.number:
            return {"n": self.number, "reset": True}
        changed = [key for key in self._in_order() if self._changed.get(key, 0) > number]
        message: Message = {"n": self.number, "state": self.state()}
        if changed:
            message["patches"] = list(self._patches(changed, number))
        at = max(self._place_of(number), self.log_size - _MOST_LOG)
        if at < self.log_size:
            message["log"] = {"at": at, "text": self.log(at, self.log_size).decode("utf-8", "replace")}
        return message

    def state(self) -> Message:
        """How the run stands."""
        going = next(reversed(self._progress.values()), None)
        progress = going and {
            "label": going.label,
            "done": going.done,
            "total": going.total,
            "elapsed": going.elapsed,
        }
        return {
            "state": self.stands,
            "detail": self.closed.detail if self.closed else "",
            "title": self.view("").name,
            "elapsed": self.closed.elapsed if self.closed else time.monotonic() - self._began,
            "progress": progress or None,
            "can": self.can,
            "pages": self.pages,
        }

    @property
    def stands(self) -> str:
        """How the run stands, in a word."""
        return self.closed.state if self.closed else "paused" if self.is_paused else "running"

    @property
    def can(self) -> list[str]:
        """What a viewer may ask of the run."""
        ending = [] if self._report_above else ["exit"]
        if self.closed or not self._has_run:
            return ending
        return ["resume" if self.is_paused else "pause", "stop", *ending]

    def view(self, key: str) -> PageView:
        """The page with this key.

        Raises:
            KeyError: there is none.
        """
        node = self.tree.node(key)
        if key and not isinstance(node.event, Subreport):
            raise KeyError(key)
        return PageView(
            node=node,
            opened=self.opened,
            closed=self.closed,
            state=self.stands,
            detail=self.closed.detail if self.closed else "",
            metadata=self.metadata,
            used=tuple(self.used.values()),
            above=self._above(node),
            base="../../" if key else "",
            number=self.number,
            can=self.can,
            pages=self.pages,
        )

    def chart(self, key: str) -> tuple[Chart, Node]:
        """The chart with this key.

        Raises:
            KeyError: there is none.
        """
        node = self.tree.node(key)
        if not isinstance(node.event, Chart):
            raise KeyError(key)
        return node.event, node

    def _above(self, node: Node) -> tuple[str, str] | None:
        if not isinstance(node.event, Subreport):
            return self._report_above
        above = node.page.event.key
        return self.view(above).name, f"../../p/{above}/" if above else "../../"

    def _in_order(self) -> Iterator[str]:
        for node in self.tree.root.walk():
            yield node.event.key
            for number, child in enumerate(node.inside):
                if isinstance(child, Printed):
                    yield f"{node.event.key}-out-{number}"

    def _patches(self, keys: Iterable[str], number: int) -> Iterator[Message]:
        """What shows the blocks with these keys to a viewer who has seen event `number`."""
        keys = list(keys)
        # Before all else: what holds a block in its new place brings it along.
        for key in keys:
            if self.tree.has(key) and self._moved.get(key, 0) > number:
                yield {"page": self.tree.node(key).page.event.key, "id": key, "gone": True}
        for key in keys:
            if self.tree.has(key):
                yield from self._block_patches(key, number)
            else:
                yield from self._printed_patches(key, number)

    def _block_patches(self, key: str, number: int) -> Iterator[Message]:
        node = self.tree.node(key)
        place = {"page": node.page.event.key, "id": key}
        if not key or self._is_within_new(node, number):
            return
        is_new = self._made.get(key, 0) > number
        if not is_new and self._emptied.get(key, 0) > number:
            yield {**place, "empty": True}
        elif not is_new and isinstance(node.event, _HOLDERS):
            yield {**place, "parent": _parent(node), "html": self.renderer.own(node), "own": True}
        else:
            yield {**place, "parent": _parent(node), "html": self.renderer.block(node)}

    def _printed_patches(self, key: str, number: int) -> Iterator[Message]:
        parent, _, index = key.rpartition("-out-")
        if not index.isdigit() or not self.tree.has(parent):
            return
        node = self.tree.node(parent)
        if self._is_within_new(node, number) or self._made.get(parent, 0) > number:
            return
        printed = node.inside[int(index)]
        if isinstance(printed, Printed):
            page = node.page.event.key
            html = self.renderer.printed(printed, key, page)
            yield {"page": page, "id": key, "parent": parent, "html": html}

    def _is_within_new(self, node: Node, number: int) -> bool:
        """Whether a block around this one is new itself, and so is sent with all within it."""
        above = node.above
        while above is not None and above.above is not None and not isinstance(above.event, Subreport):
            if self._made.get(above.event.key, 0) > number:
                return True
            above = above.above
        return False

    def _told_log(self) -> Message:
        text = "".join(self._log)
        self._log.clear()
        at, self._log_at = self._log_at, self.log_size
        if len(text) > _MOST_LOG:
            # The page shows the end of what comes too fast to be read; the log has all of it.
            text = text[-_MOST_LOG:].partition("\n")[2]
            at = self.log_size - len(text.encode("utf-8", "backslashreplace"))
        return {"at": at, "text": text}

    def _place_of(self, number: int) -> int:
        """Where the log ended when event `number` came."""
        place = bisect.bisect_right(self._marks, number, key=lambda mark: mark[0])
        return self._marks[place - 1][1] if place else 0


def _parent(node: Node) -> str:
    above = node.above
    if above is None or above.above is None or isinstance(above.event, Subreport):
        return "page"
    return above.event.key


def _told_points(curves: dict[str, list[tuple[float, float]]]) -> list[list[Any]]:
    return [
        [name, step, value if math.isfinite(value) else None]
        for name, points in curves.items()
        for step, value in _thinned(points)
    ]


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points, or where they are many the extremes of each group of neighbours."""
    if len(points) <= _MOST_POINTS:
        return points
    series = Series(most=_MOST_POINTS)
    for step, value in points:
        series.add(step, value)
    return list(series)


class Nowhere(BytesIO):
    """A file that keeps nothing."""

    def write(self, data: Any, /) -> int:
        """Takes bytes, and forgets them."""
        return len(data)
