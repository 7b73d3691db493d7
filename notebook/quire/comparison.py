"""What differs between two runs of a report: in what they say, not in when and where they ran."""

import ast
import io
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from quire import record
from quire.events import (
    Block,
    Cached,
    Chart,
    Closed,
    Code,
    Control,
    Event,
    Figure,
    Link,
    Metadata,
    Metric,
    Opened,
    Output,
    Picture,
    Progress,
    Scalar,
    Subreport,
    Table,
)

_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w])")
# Of long texts, so much is shown of the place at which they part.
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that the second run tells differently.

    Attributes:
        place: the key of the block; "" for the report itself.
        what: what differs, in words.
    """

    place: str
    what: str


@dataclass(frozen=True)
class Tolerance:
    """How far numbers may lie apart and still count as the same.

    Attributes:
        relative: apart by at most this share of the greater one.
        pixels: pictures by at most this root of the mean squared difference, where white is 1.
    """

    relative: float = 0.0
    pixels: float = 0.0

    def same(self, first: float, second: float) -> bool:
        """Whether two numbers count as the same; what is not finite only if it is the very same."""
        if not (math.isfinite(first) and math.isfinite(second)):
            return first == second or (math.isnan(first) and math.isnan(second))
        return math.isclose(first, second, rel_tol=self.relative, abs_tol=0.0)


class Told:
    """What a run told, from its record.

    Args:
        folder: the folder of the report.
        name: of the report.

    Attributes:
        title: of the report.
        command: what it was made by, or "" if that is not known.
        parameters: of the run.
        fields: its metadata.
        series: the points of curves, as step and value, by the key of the chart and the name of the curve.

    Raises:
        ReportError: there is no record, or none that can be read.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.blocks: dict[str, Block] = {}
        self.output: dict[str, str] = {}
        self.series: dict[str, dict[str, list[tuple[float, float]]]] = {}
        self.fields: dict[str, object] = {}
        self.title = name
        self.command = ""
        self.parameters: Mapping[str, Scalar] = {}
        self.closed: Closed | None = None
        self._pages = {"": folder}
        for event in record.load(folder / f"{name}.json"):
            self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, Subreport):
            self._pages[event.key] = self.folder(event.parent) / event.folder
        # Whence a value came says nothing of what it is.
        if isinstance(event, Block) and not isinstance(event, Cached | Progress):
            self.blocks[event.key] = event
        elif isinstance(event, Output):
            self.output[event.parent] = self.output.get(event.parent, "") + event.text
        elif isinstance(event, Metric):
            curves = self.series.setdefault(event.chart, {})
            curves.setdefault(event.name, []).append((event.step, event.value))
        elif isinstance(event, Metadata):
            self.fields |= event.fields
        elif isinstance(event, Opened):
            self.title = event.title
            self.command = event.command
            self.parameters = event.parameters
        elif isinstance(event, Closed):
            self.closed = event

    def chart(self, key: str) -> str:
        """The title of the chart `key`; its key, if it has none."""
        block = self.blocks.get(key)
        return block.title if isinstance(block, Chart) else key

    def folder(self, key: str) -> Path:
        """The folder of the page on which the block `key` stands."""
        return self._pages[record.page_of(key, self._pages)]

    def file(self, block: Block, href: str) -> bytes | None:
        """The content of a file that a block names; None if it cannot be read."""
        try:
            return (self.folder(block.parent) / href).read_bytes()
        except OSError:
            return None


def differences(first: Told, second: Told, tolerance: Tolerance) -> Iterator[Difference]:
    """What the second run tells differently: its blocks, in their order, and its metadata."""
    yield from in_blocks(first, second, tolerance)
    for name, one, other in parting(first.fields, second.fields, tolerance):
        yield Difference("", f"metadata {name}: {one!r} before, {other!r} now")


def in_blocks(first: Told, second: Told, tolerance: Tolerance) -> Iterator[Difference]:
    """What the blocks of the second run tell differently, in their order, and how it ended.

    What the code that ran says counts, not how it is laid out, commented or where it stands; and no time.
    """
    for key in dict.fromkeys([*first.blocks, *second.blocks]):
        one, other = first.blocks.get(key), second.blocks.get(key)
        if one is None or other is None or type(one) is not type(other):
            yield Difference(key, f"{_kind(one)} before, {_kind(other)} now")
            continue
        for what in _Pair(first, second, tolerance).compare(one, other):
            yield Difference(key, what)
    states = [told.closed.state if told.closed else "running" for told in (first, second)]
    if states[0] != states[1]:
        yield Difference("", f"the run was {states[0]} before, is {states[1]} now")


def parting(
    first: Mapping[str, object], second: Mapping[str, object], tolerance: Tolerance
) -> Iterator[tuple[str, object, object]]:
    """The names under which two runs have something else, and what; None where one has nothing."""
    for name in dict.fromkeys([*first, *second]):
        one, other = first.get(name), second.get(name)
        if not _same(one, other, tolerance):
            yield name, one, other


def _same(one: object, other: object, tolerance: Tolerance) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return tolerance.same(float(one), float(other))
    if isinstance(one, str) and isinstance(other, str):
        return _parting(one, other, tolerance) is None
    return one == other


@dataclass
class _Pair:
    """Compares the blocks of two runs."""

    first: Told
    second: Told
    tolerance: Tolerance

    def compare(self, one: Any, other: Any) -> Iterator[str]:
        """What differs between two blocks of one kind, in words."""
        if isinstance(one, Code):
            if _meaning(one.source) != _meaning(other.source):
                yield from self._text(one.source, other.source, "the code")
            if one.state != other.state:
                yield f"the block was {one.state} before, is {other.state} now"
        elif isinstance(one, Figure):
            yield from self._text(one.caption, other.caption, "the caption")
            yield from self._picture(one, other, one.picture, other.picture)
        elif isinstance(one, Table):
            yield from self._table(one, other)
        elif isinstance(one, Link):
            yield from self._link(one, other)
        elif isinstance(one, Control):
            if one.value != other.value:
                yield f"its value was {one.value!r}, is {other.value!r}"
        else:
            for name in ("text", "markdown", "html", "tex", "kind", "message", "title"):
                if hasattr(one, name):
                    yield from self._text(getattr(one, name), getattr(other, name), "the text")
        printed = [told.output.get(one.key, "") for told in (self.first, self.second)]
        yield from self._text(printed[0], printed[1], "the output")
        yield from self._curves(one.key)

    def _text(self, one: str, other: str, what: str) -> Iterator[str]:
        apart = _parting(one, other, self.tolerance)
        if apart is not None:
            yield f"{what}: {apart[0]!r} before, {apart[1]!r} now"

    def _curves(self, key: str) -> Iterator[str]:
        curves = [told.series.get(key, {}) for told in (self.first, self.second)]
        for name in dict.fromkeys([*curves[0], *curves[1]]):
            one, other = (curve.get(name, []) for curve in curves)
            for (step, value), (step_now, now) in zip(one, other, strict=False):
                if step != step_now or not self.tolerance.same(value, now):
                    yield f"the curve {name!r}: {value:g} at {step:g} before, {now:g} at {step_now:g} now"
                    break
            else:
                if len(one) != len(other):
                    yield f"the curve {name!r}: {len(one)} points before, {len(other)} now"

    def _table(self, one: Table, other: Table) -> Iterator[str]:
        yield from self._text(one.caption, other.caption, "the caption")
        names = [[column.name for column in table.columns] for table in (one, other)]
        if names[0] != names[1]:
            yield f"its columns: {names[0]} before, {names[1]} now"
            return
        if len(one.rows) + one.left_out != len(other.rows) + other.left_out:
            yield f"{len(one.rows) + one.left_out} rows before, {len(other.rows) + other.left_out} now"
            return
        for number, (row, now) in enumerate(zip(one.rows, other.rows, strict=False), 1):
            for name, before, after in zip(names[0], row, now, strict=True):
                place = f"row {number}, {name!r}"
                if isinstance(before, Picture) and isinstance(after, Picture):
                    yield from (f"{place}: {told}" for told in self._picture(one, other, before, after))
                elif not _same(before, after, self.tolerance):
                    yield f"{place}: {before!r} before, {after!r} now"

    def _link(self, one: Link, other: Link) -> Iterator[str]:
        yield from self._text(one.text, other.text, "the text")
        yield from self._text(one.caption, other.caption, "the caption")
        if (one.size is None) != (other.size is None) or one.href != other.href:
            yield f"it led to {one.href}, leads to {other.href}"
        elif one.size is not None and self.first.file(one, one.href) != self.second.file(other, other.href):
            yield f"the file {one.href}"

    def _picture(self, one: Block, other: Block, before: Picture, after: Picture) -> Iterator[str]:
        data = [self.first.file(one, before.file), self.second.file(other, after.file)]
        if data[0] is None or data[1] is None:
            if data[0] is not data[1]:
                yield f"the picture {before.file} can be read of one run only"
        elif data[0] != data[1]:
            apart = _apart(data[0], data[1])
            if apart is None or apart > self.tolerance.pixels:
                told = "" if apart is None else f": {apart:.3g} apart, of 1"
                yield f"the picture {before.file}{told}"


def _kind(block: Block | None) -> str:
    return "nothing" if block is None else f"a {type(block).__name__.lower()}"


def _meaning(source: str) -> str:
    """The code without its layout and comments; as it stands where it cannot be parsed by itself."""
    try:
        return ast.dump(ast.parse(source))
    except SyntaxError:
        return source


def _parting(one: str, other: str, tolerance: Tolerance) -> tuple[str, str] | None:
    """Where two texts part, a little of each; None where only numbers differ, and these not by much."""
    for before, now in zip_longest(one.splitlines(), other.splitlines()):
        if before == now:
            continue
        if before is None or now is None or not _close(before, now, tolerance):
            return _cut(before or "", now or "")
    return None


def _close(one: str, other: str, tolerance: Tolerance) -> bool:
    if _NUMBER.sub("0", one) != _NUMBER.sub("0", other):
        return False
    numbers = [[float(n.replace(",", "")) for n in _NUMBER.findall(line)] for line in (one, other)]
    return all(tolerance.same(a, b) for a, b in zip(*numbers, strict=True))


def _cut(one: str, other: str) -> tuple[str, str]:
    """The part of two lines around the first sign that differs."""
    at = len(os.path.commonprefix([one, other]))  # noqa: RUF071 -- of texts: sign by sign is what is wanted
    start = max(0, at - _SHOWN // 3)
    return one[start : start + _SHOWN], other[start : start + _SHOWN]


def _apart(one: bytes, other: bytes) -> float | None:
    """How far two pictures of one size are apart; None for others, and for drawings."""
    import PIL.Image
    import PIL.ImageChops
    import PIL.ImageStat

    try:
        first, second = (PIL.Image.open(io.BytesIO(data)).convert("RGBA") for data in (one, other))
    except OSError:
        return None
    if first.size != second.size:
        return None
    channels = PIL.ImageStat.Stat(PIL.ImageChops.difference(first, second)).rms
    return math.sqrt(sum(rms**2 for rms in channels) / len(channels)) / 255


def told(found: Iterable[Difference]) -> str:
    """The differences as lines."""
    return "\n".join(f"{each.place or 'the report'}: {each.what}" for each in found)
