"""The record of a run, kept beside its report: the last state of all its blocks, as JSON.

`NAME.json` is what the Markdown was written from. With it a finished report can be shown again, as a
live page or as another document, and compared with another run. Its members are `quire` (the version
that wrote it), `schema` (of this layout, 1), `events`: those of the run, in order, as `quire.codec`
writes them, without the states of blocks that were replaced, and `outputs`: the SHA-256 of every file that
the run wrote, by its name in the report's folder. Output that was too long to be shown whole is named by
the file that holds it. What the run was made from is told by its events `Opened`, `Used` and `Closed`.
"""

import json
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quire import __version__, codec
from quire.errors import ReportError
from quire.events import Event, Metric, Output, Progress, Subreport
from quire.printed import Printed

if TYPE_CHECKING:
    from quire.tree import Node, Tree

SCHEMA = 1


def dumps(
    before: Iterable[Event], tree: "Tree", after: Iterable[Event], outputs: Mapping[str, str] | None = None
) -> str:
    """The record of a run as text.

    Args:
        before: events before the first block.
        tree: the blocks.
        after: events behind the last block.
        outputs: the digest of each file that the run wrote, by its name in the report's folder.
    """
    events = [
        *(codec.to_json(event) for event in before),
        *_inside(tree.root),
        *(codec.to_json(event) for event in after),
    ]
    # A line for each event and file: a difference of two records is read in git.
    lines = ",\n".join(json.dumps(event, ensure_ascii=False, allow_nan=False) for event in events)
    files = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(hash_)}" for name, hash_ in sorted((outputs or {}).items())
    )
    head = f'"quire": {json.dumps(__version__)}, "schema": {SCHEMA}'
    return f'{{{head}, "events": [\n{lines}\n], "outputs": {{\n{files}\n}}}}\n'


def load(path: Path, *, output: bool = True) -> list[Event]:
    """The events in the record at `path`.

    Args:
        path: the record.
        output: whether to give what was printed too, of which there may be much.

    Raises:
        ReportError: there is none, or none that this version can read.
    """
    with _reading(path) as told:
        events = [event for event in told["events"] if output or event["event"] != "Output"]
        return list(_events(events, path.parent))


def outputs(path: Path) -> dict[str, str]:
    """The digest of each file that the run wrote, by its name in the report's folder.

    Raises:
        ReportError: there is no record at `path`, or none that this version can read.
    """
    with _reading(path) as told:
        return {str(name): str(sha256) for name, sha256 in told.get("outputs", {}).items()}


@contextmanager
def _reading(path: Path) -> Iterator[dict[str, Any]]:
    try:
        told = json.loads(path.read_bytes())
        if told["schema"] != SCHEMA:
            raise ReportError(f"{path} was written by another version of Quire ({told['quire']})")
        yield told
    except FileNotFoundError:
        raise ReportError(f"{path} is missing: run the report again, which writes it") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, ReportError):
            raise
        raise ReportError(f"{path} cannot be read: {error}") from error


def _inside(node: "Node") -> Iterator[dict[str, Any]]:
    for child in node.inside:
        if isinstance(child, Printed):
            yield _output(node, child)
        elif not (isinstance(child.event, Progress) and child.event.finished):
            yield codec.to_json(child.event)
            for name, series in child.series.items():
                for step, value in series:
                    point = Metric(chart=child.event.key, name=name, step=step, value=value)
                    yield codec.to_json(point)
            yield from _inside(child)


def _output(node: "Node", printed: Printed) -> dict[str, Any]:
    told = codec.to_json(Output(parent=node.event.key, text="" if printed.is_long else printed.head))
    return told | ({"file": printed.href} if printed.is_long else {})


def _events(told: list[dict[str, Any]], folder: Path) -> Iterator[Event]:
    pages = {"": folder}
    for event in told:
        if event["event"] == "Output" and "file" in event:
            file = pages[page_of(event["parent"], pages)] / event["file"]
            if not file.resolve().is_relative_to(folder.resolve()):
                # Reports come from others too, and what they quote is shown, exported and sent.
                raise ValueError(f"it names {event['file']}, which leads out of the report")
            text = _text(file)
            yield Output(parent=event["parent"], text=text)
            continue
        made = codec.from_json(event)
        if isinstance(made, Subreport):
            pages[made.key] = pages[page_of(made.parent, pages)] / made.folder
        yield made


def page_of(key: str, pages: Container[str]) -> str:
    """Of the keys of pages, that of the one on which the block `key` stands: keys begin with their page's."""
    while key not in pages:
        key = key.rpartition("-")[0]
    return key


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError as error:
        return f"({path.name} cannot be read: {error.strerror})\n"
