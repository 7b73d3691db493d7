"""What became of the rows of a sweep, from the records of their reports."""

import functools
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from quire import beside, index, origins, record, status, words
from quire.comparison import Told
from quire.errors import ReportError
from quire.events import Failure, Figure, Heading, Opened
from quire.parameters import plain
from quire.sweep.news import Ended
from quire.sweep.rows import Row

if TYPE_CHECKING:
    import PIL.Image

Points = Sequence[tuple[float, float]]


@dataclass
class Outcome:
    """What became of a row.

    Attributes:
        row: the row.
        state: how its run ended, or "waiting" if it has not been run.
        detail: why, where it did not end by itself.
        title: of its report.
        figures: the numbers of its metadata.
        curves: by the title of their chart, and by name.
        pictures: the pictures of its first page, by key.
        failure: the exception that ended it.
    """

    row: Row
    state: str = "waiting"
    detail: str = ""
    title: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Mapping[str, Points]] = field(default_factory=dict)
    pictures: Mapping[str, "Shown"] = field(default_factory=dict)
    failure: Failure | None = None

    @property
    def is_done(self) -> bool:
        """Whether there is a whole report of it."""
        return self.state in ("done", "stopped")

    @property
    def has_failed(self) -> bool:
        """Whether it failed or died."""
        return self.state in ("failed", "died")

    @property
    def href(self) -> str:
        """Its report, seen from the summary's folder."""
        return beside.href(self.row.name)


@dataclass(frozen=True)
class Shown:
    """A picture of a report: its file, and what stands below it."""

    path: Path
    caption: str

    def open(self) -> "PIL.Image.Image | None":
        """The picture; None if it is gone, or a drawing."""
        # What the sweep imports, its runs do too, and would name among their versions.
        import PIL.Image

        try:
            return PIL.Image.open(io.BytesIO(self.path.read_bytes())).convert("RGBA")
        except OSError:
            return None


def current(rows: Sequence[Row], folder: Path, *, reproducible: bool) -> set[int]:
    """The numbers of the rows whose run is done with the code, the libraries and the data that are there.

    Args:
        rows: of the sweep.
        folder: where each has its report.
        reproducible: whether the reports are to leave out times.
    """
    # Many rows are made from the same files.
    digest = functools.cache(origins.digest)

    def is_current(row: Row) -> bool:
        place = folder / row.name / f"{row.name}.json"
        try:
            opened = next(e for e in record.load(place, output=False) if isinstance(e, Opened))
            if dict(opened.parameters) != plain(row.values) or opened.times == reproducible:
                return False
            found = status.standing(place, folder, strict=True, digest=digest)
        except (ReportError, StopIteration):
            return False
        return found.state == "done" and not found.faults

    return {row.number for row in rows if is_current(row)}


def outcome(row: Row, folder: Path, end: Ended | None, *, is_there: bool) -> Outcome:
    """What became of a row.

    Args:
        row: the row.
        folder: where each row has its report.
        end: how its run ended in this sweep, if there was one.
        is_there: whether an earlier run of it still holds.
    """
    if end is None and not is_there:
        return Outcome(row)
    found = Outcome(row, state=end.state if end else "done", detail=end.detail if end else "")
    try:
        told = Told(folder / row.name, row.name)
    except ReportError as error:
        found.state, found.detail = "failed" if found.is_done else found.state, found.detail or str(error)
        return found
    headings = [block for block in told.blocks.values() if isinstance(block, Heading) and block.level == 1]
    found.title = headings[0].text if headings else told.title
    found.failure = next((block for block in told.blocks.values() if isinstance(block, Failure)), None)
    found.figures = index.figures_in(told.fields)
    found.curves = {told.chart(key): curves for key, curves in told.series.items()}
    found.pictures = {
        key: Shown(told.folder(block.parent) / block.picture.file, block.caption)
        for key, block in told.blocks.items()
        if isinstance(block, Figure) and told.folder(block.parent) == folder / row.name
    }
    return found


def label(swept: Mapping[str, object]) -> str:
    """A row by its parameters, as plain text: `dropout 0.1, seed 2`."""
    return ", ".join(f"{name} {words.cell(value)}" for name, value in swept.items())
