"""Two reports side by side: what they were given, what came out, and each block that differs."""

import difflib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import PIL.Image

from quire.comparison import Difference, Told, Tolerance, differences
from quire.events import Chart, Code, Figure
from quire.notebook import NotebookOutput


@dataclass(frozen=True, slots=True)
class Row:
    """What both reports have under one name; `None` where one has nothing of that name."""

    name: str
    first: object
    second: object


class Diff:
    """What differs between two reports.

    Args:
        first: what one of them told.
        second: what the other one told.
        tolerance: how far numbers and pictures may lie apart and still count as the same.

    Attributes:
        parameters: those that the runs were given differently.
        metadata: the fields of the front matter that differ.
        ends: the last values of the curves that both or one have, where they differ.
        blocks: what else differs, each by its block.
    """

    def __init__(self, first: Told, second: Told, tolerance: Tolerance) -> None:
        self._first, self._second = first, second
        self.parameters = list(_rows(first.parameters, second.parameters, tolerance))
        self.metadata = list(_rows(first.fields, second.fields, tolerance))
        self.ends = list(_rows(_ends(first), _ends(second), tolerance))
        self.blocks = [
            found for found in differences(first, second, tolerance) if not found.what.startswith("metadata ")
        ]

    def __bool__(self) -> bool:
        return bool(self.parameters or self.metadata or self.ends or self.blocks)

    def lines(self) -> Iterator[str]:
        """All as lines for a terminal."""
        for title, rows in self._parts():
            yield f"{title}:"
            width = max(len(row.name) for row in rows)
            for row in rows:
                yield f"  {row.name:<{width}}  {_shown(row.first)} -> {_shown(row.second)}"
        if self.blocks:
            yield "blocks:"
            yield from (f"  {found.place or 'the report'}: {found.what}" for found in self.blocks)

    def write(self, log: NotebookOutput, names: tuple[str, str]) -> None:
        """Writes all as a report, where curves, code and pictures stand side by side.

        Args:
            log: the report.
            names: what the two are called in it.
        """
        log.h1(f"{names[0]} and {names[1]}")
        if not self:
            log.p("They tell the same.")
        for title, rows in self._parts():
            log.h2(title.capitalize())
            log.table(
                [
                    {"name": row.name, names[0]: _shown(row.first), names[1]: _shown(row.second)}
                    for row in rows
                ]
            )
        self._write_curves(log, names)
        self._write_blocks(log, names)

    def _parts(self) -> Iterator[tuple[str, list[Row]]]:
        parts = {"parameters": self.parameters, "metadata": self.metadata, "ends of curves": self.ends}
        yield from ((title, rows) for title, rows in parts.items() if rows)

    def _write_curves(self, log: NotebookOutput, names: tuple[str, str]) -> None:
        places = {found.place for found in self.blocks if found.what.startswith("the curve ")}
        for place in sorted(places):
            for told, name in zip((self._first, self._second), names, strict=True):
                block = told.blocks.get(place)
                title = block.title if isinstance(block, Chart) else place
                for curve, points in told.series.get(place, {}).items():
                    for step, value in points:
                        log.metric(f"{curve}, {name}", step, value, chart=title)

    def _write_blocks(self, log: NotebookOutput, names: tuple[str, str]) -> None:
        if not self.blocks:
            return
        log.h2("Blocks")
        by_place: dict[str, list[Difference]] = {}
        for found in self.blocks:
            by_place.setdefault(found.place, []).append(found)
        for place, differing in by_place.items():
            log.h3(place or "The report")
            log.out("\n".join(f"- {_escaped(each.what)}" for each in differing))
            one, other = self._first.blocks.get(place), self._second.blocks.get(place)
            if isinstance(one, Code) and isinstance(other, Code) and one.source != other.source:
                parted = difflib.unified_diff(
                    one.source.splitlines(), other.source.splitlines(), *names, lineterm=""
                )
                log.out("````diff\n" + "\n".join(parted) + "\n````")
            if isinstance(one, Figure) and isinstance(other, Figure):
                pictures = [_picture(self._first, one), _picture(self._second, other)]
                if any(picture is not None for picture in pictures):
                    log.table([dict(zip(names, pictures, strict=True))])


def _rows(first: Mapping[str, object], second: Mapping[str, object], tolerance: Tolerance) -> Iterator[Row]:
    for name in dict.fromkeys([*first, *second]):
        one, other = first.get(name), second.get(name)
        numbers = [n for n in (one, other) if isinstance(n, int | float) and not isinstance(n, bool)]
        if one != other and not (len(numbers) == 2 and tolerance.same(*map(float, numbers))):
            yield Row(name, one, other)


def _ends(told: Told) -> dict[str, float]:
    """The last value of each curve, by its name, with its chart's where that says more."""
    found = {}
    for key, curves in told.series.items():
        block = told.blocks.get(key)
        title = block.title if isinstance(block, Chart) else key
        for name, points in curves.items():
            found[name if name == title else f"{title}: {name}"] = points[-1][1]
    return found


def _shown(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _escaped(text: str) -> str:
    fence = "`" * (
        1 + max((len(run) for run in "".join(c if c == "`" else " " for c in text).split()), default=0)
    )
    return f"{fence} {text} {fence}"


def _picture(told: Told, figure: Figure) -> PIL.Image.Image | None:
    data = told.file(figure, figure.picture.file)
    if data is None:
        return None
    try:
        return PIL.Image.open(io.BytesIO(data)).convert("RGBA")
    except OSError:
        return None  # a drawing
