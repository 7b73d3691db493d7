"""Two reports side by side: what they were given, what came out, and each block that differs."""

import difflib
import io
import itertools
from collections.abc import Iterator

import PIL.Image

from quire import comparison
from quire import markdown_text as md
from quire.comparison import Told, Tolerance
from quire.events import Chart, Code, Figure
from quire.notebook import NotebookOutput


class Diff:
    """What differs between two reports.

    Args:
        first: what one of them told.
        second: what the other one told.
        tolerance: how far numbers and pictures may lie apart and still count as the same.

    Attributes:
        facts: what differs by name, with what each has (None for nothing of that name): parameters,
            metadata, and the last values of curves; the kinds without a difference are left out.
        blocks: what else differs, block by block.
    """

    def __init__(self, first: Told, second: Told, tolerance: Tolerance) -> None:
        self._told = first, second
        kinds = {
            "parameters": (first.parameters, second.parameters),
            "metadata": (first.fields, second.fields),
            "ends of curves": (_ends(first), _ends(second)),
        }
        found = {kind: list(comparison.parting(*both, tolerance)) for kind, both in kinds.items()}
        self.facts = {kind: rows for kind, rows in found.items() if rows}
        self.blocks = list(comparison.in_blocks(first, second, tolerance))

    def __bool__(self) -> bool:
        return bool(self.facts or self.blocks)

    def lines(self) -> Iterator[str]:
        """All as lines for a terminal."""
        for kind, rows in self.facts.items():
            yield f"{kind}:"
            width = max(len(name) for name, _, _ in rows)
            yield from (f"  {name:<{width}}  {_shown(one)} -> {_shown(other)}" for name, one, other in rows)
        if self.blocks:
            yield "blocks:"
            yield from (f"  {line}" for line in comparison.told(self.blocks).splitlines())

    def write(self, log: NotebookOutput, names: tuple[str, str]) -> None:
        """Writes all as a report, where curves, code and pictures stand side by side.

        Args:
            log: the report.
            names: what the two are called in it.
        """
        log.h1(f"{names[0]} and {names[1]}")
        if not self:
            log.p("They tell the same.")
        for kind, rows in self.facts.items():
            log.h2(kind.capitalize())
            log.table(
                [{"name": name, names[0]: _shown(one), names[1]: _shown(other)} for name, one, other in rows]
            )
        if self.blocks:
            log.h2("Blocks")
        for place, found in itertools.groupby(self.blocks, lambda each: each.place):
            log.h3(place or "The report")
            log.out("\n".join(f"- {md.code_span(each.what)}" for each in found))
            self._show(log, place, names)

    def _show(self, log: NotebookOutput, place: str, names: tuple[str, str]) -> None:
        """Shows what both have in one place, where there is more to see than words tell."""
        one, other = (told.blocks.get(place) for told in self._told)
        if isinstance(one, Code) and isinstance(other, Code) and one.source != other.source:
            lines = difflib.unified_diff(
                one.source.splitlines(), other.source.splitlines(), *names, lineterm=""
            )
            log.out("\n".join(["````diff", *lines, "````"]))
        elif isinstance(one, Figure) and isinstance(other, Figure):
            pictures = [_picture(told, figure) for told, figure in zip(self._told, (one, other), strict=True)]
            if any(pictures):
                log.table([dict(zip(names, pictures, strict=True))])
        elif isinstance(one, Chart) or isinstance(other, Chart):
            for told, name in zip(self._told, names, strict=True):
                for curve, points in told.series.get(place, {}).items():
                    for step, value in points:
                        log.metric(f"{curve}, {name}", step, value, chart=told.chart(place))


def _ends(told: Told) -> dict[str, float]:
    """The last value of each curve, by its name, with its chart's where that says more."""
    return {
        name if name == told.chart(key) else f"{told.chart(key)}: {name}": points[-1][1]
        for key, curves in told.series.items()
        for name, points in curves.items()
    }


def _shown(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _picture(told: Told, figure: Figure) -> PIL.Image.Image | None:
    try:
        return PIL.Image.open(io.BytesIO(told.file(figure, figure.picture.file) or b"")).convert("RGBA")
    except OSError:
        return None  # It is gone, or a drawing.
