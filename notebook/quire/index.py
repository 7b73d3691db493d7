"""The page that lists the reports of a folder, from the records beside them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from quire import markdown_text as md
from quire import record, words
from quire.errors import ReportError
from quire.events import (
    Closed,
    Event,
    Figure,
    Heading,
    Metadata,
    Opened,
    Picture,
    Scalar,
    State,
    Subreport,
    Text,
)
from quire.names import without_links

# What GitHub, GitLab and MkDocs show for a folder.
NAME = "README.md"
_MARK = "<!-- Written by `quire index`; what is written here by hand is lost. -->"
_WIDTH = 320
_SENTENCE = re.compile(r".+?[.!?](?=\s|$)", re.DOTALL)


@dataclass(frozen=True)
class Subpage:
    """A further page of a report: its key there, its document, and how deep it stands, from 0."""

    key: str
    title: str
    document: str
    depth: int


@dataclass
class Entry:
    """A report in the list.

    Attributes:
        document: its Markdown, relative to the folder of the list.
        title: its first heading.
        sentence: its paragraph with the key "findings", or else its first sentence; Markdown.
        picture: its picture with the key "thumbnail", or else its first one, relative to the document.
        started: when it began, or "" if it does not tell times.
        state: how its run ended.
        parameters: what its run was given; those that are None are not shown.
        figures: the numbers of its metadata.
        pages: its subreports, in order.
    """

    document: str
    title: str
    sentence: str = ""
    picture: Picture | None = None
    started: str = ""
    state: State = "running"
    parameters: dict[str, Scalar] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    pages: list[Subpage] = field(default_factory=list)


def entries(folder: Path) -> list[Entry]:
    """The reports below `folder`, by their names, but for those within the folder of another one.

    Raises:
        ReportError: there is none, or a record cannot be read.
    """
    found = records(folder)
    homes = {path.parent for path in found}
    # The runs of a sweep are many, and its own report leads to them.
    return [_entry(path, folder) for path in found if homes.isdisjoint(path.parent.parents)]


def records(folder: Path) -> list[Path]:
    """The records of the reports below `folder`, by their names.

    Raises:
        ReportError: there is none.
    """
    found = [
        path
        for path in sorted(folder.rglob("*.json"))
        if path.stem == path.resolve().parent.name and path.with_suffix(".md").exists()
    ]
    if not found:
        raise ReportError(f"{words.place(folder)} holds no report: `quire run SCRIPT` writes one")
    return found


def write(folder: Path, *, title: str = "Reports") -> Path:
    """Writes the list of the reports below `folder` there, and gives its path.

    Raises:
        ReportError: there is no report, or the list cannot be written, or a page stands in its place
            that was not written by this function.
    """
    path = folder / NAME
    text = "\n\n".join([_MARK, f"# {md.escape(title)}", *map(_shown, entries(folder))]) + "\n"
    try:
        if path.exists() and not path.read_text("utf-8", errors="replace").startswith(_MARK):
            raise ReportError(f"{words.place(path)} was not written by `quire index`: move it away first")
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        if isinstance(error, ReportError):
            raise
        raise ReportError(f"cannot write {words.place(path)}: {error.strerror or error}") from error
    return path


def _entry(path: Path, folder: Path) -> Entry:
    document = path.with_suffix(".md").relative_to(folder)
    entry = Entry(document.as_posix(), path.stem)
    where = {"": document.parent}
    for event in record.load(path, output=False):
        if isinstance(event, Metadata):
            entry.figures = figures_in(event.fields)
        _take(entry, event, where)
    return entry


def figures_in(fields: Mapping[str, object]) -> dict[str, float]:
    """The numbers of a report's metadata."""
    return {
        name: value
        for name, value in fields.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _take(entry: Entry, event: Event, where: dict[str, Path]) -> None:
    if isinstance(event, Opened):
        entry.title, entry.parameters = event.title, dict(event.parameters)
        entry.started = event.started if event.times else ""
    elif isinstance(event, Closed):
        entry.state = event.state
    elif isinstance(event, Heading) and event.level == 1 and not event.parent:
        entry.title = event.text
    elif isinstance(event, Text) and event.key == "findings":
        entry.sentence = " ".join(event.markdown.split())
    elif isinstance(event, Figure) and event.key == "thumbnail":
        entry.picture = event.picture
    elif isinstance(event, Text) and not entry.sentence and not event.parent:
        first = _SENTENCE.match(" ".join(event.markdown.split()))
        entry.sentence = first[0] if first else ""
    elif isinstance(event, Figure) and entry.picture is None and not event.parent:
        entry.picture = event.picture
    elif isinstance(event, Subreport):
        where[event.key] = where[record.page_of(event.parent, where)] / event.folder
        page = (where[event.key] / f"{event.folder}.md").as_posix()
        depth = len(where[event.key].parts) - len(where[""].parts) - 1
        entry.pages.append(Subpage(event.key, event.title, page, depth))


def _shown(entry: Entry) -> str:
    # What the report's own text links to stands beside its page, not here.
    parts = [f"## {md.link(without_links(entry.title), entry.document)}", without_links(entry.sentence)]
    if entry.picture:
        parts.append(_linked_picture(entry.picture, entry.document))
    if entry.pages:
        parts.append(
            "\n".join(f"{'  ' * p.depth}- {md.link(md.escape(p.title), p.document)}" for p in entry.pages)
        )
    state = "" if entry.state == "done" else f"**{entry.state}**"
    facts = "<br>".join(filter(None, [state, *map(md.escape, facts_of(entry))]))
    parts.append(f"<sub>{facts}</sub>" if facts else "")
    return "\n\n".join(filter(None, parts))


def _linked_picture(image: Picture, document: str) -> str:
    file = (Path(document).parent / image.file).as_posix()
    width = min(image.width, _WIDTH)
    height = round(image.height * width / image.width)
    return md.link(md.picture(Picture(file=file, alt=image.alt, width=width, height=height)), document)


def facts_of(entry: Entry) -> Iterator[str]:
    """Lines on a report, any of which may be empty: its parameters, its figures, its date."""
    given = {name: value for name, value in entry.parameters.items() if value is not None}
    yield " · ".join(f"{name} = {words.cell(value)}" for name, value in given.items())
    yield " · ".join(f"{name}: {words.cell(value)}" for name, value in entry.figures.items())
    yield entry.started[:10]
