"""The events of which every report is made, and what receives them.

An author's verbs become these records, in the order in which things happened; every backend gets
every one of them. The rules:

- A `Block` has a `key`, unique in the run, and stands inside the block whose key is its `parent`
  (`""` is the page itself). A second block with the same key replaces the first where it stands:
  that is how progress, pictures and a running block of code update. If its parent is another, it
  moves there.
- Any block may hold others. What stands inside a `Subreport` is a page of its own.
- `Output` and `Metric` are appended to the block they name; nothing replaces them. `Emptied` takes
  away what stands inside a block.
- Links and files are relative to the folder of the page on which the block stands.

Nothing here knows Markdown's or HTML's ways to write a table or a picture: that is a backend's work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Scalar = str | int | float | bool | None
State = Literal["running", "done", "failed", "interrupted", "stopped", "died"]
"""How a run stands. `stopped` is finished early, as asked; `died` is ended by a signal or a crash."""

Severity = Literal["note", "tip", "important", "warning", "caution"]
ControlKind = Literal["slider", "number", "choice", "checkbox", "text", "button", "upload", "sketch"]
Json = str | int | float | bool | None | Sequence["Json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened in a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened(Event):
    """The run began. `started` is local time, ISO 8601 with its offset.

    `times` says whether the report tells when it was, and how long all took.
    """

    title: str
    started: str
    command: str = ""
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    times: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed(Event):
    """The run ended after `elapsed` seconds; `provenance` says what it ran on, in order of interest.

    `detail` says more of the state: what a run died of.
    """

    state: State
    elapsed: float
    detail: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata(Event):
    """Fields for the front matter, joined to those already there. `None` removes a field."""

    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Used(Event):
    """The run was made from the file, or the folder (ending in "/"), `path`, which had this SHA-256.

    `path` is relative to the work tree, or to where the run was started. A `source` is the author's code
    that may be quoted, a `library` other code of the author's, of a folder all `.py` files.
    """

    path: str
    sha256: str
    kind: Literal["source", "library", "data"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Output(Event):
    """Text that was printed, logged or written by anything, within the block `parent` or none (`""`)."""

    parent: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric(Event):
    """One value of the series `name` at `step`, in the chart whose key is `chart`."""

    chart: str
    name: str
    step: float
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Block(Event):
    """A part of a page. `key` names it, `parent` is the block in which it stands."""

    key: str
    parent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading(Block):
    """A heading of level 1 to 3. `text` is Markdown; `anchor` is the one that GitHub gives it."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Block):
    """Markdown of the author's."""

    markdown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Html(Block):
    """HTML from a value, already cleaned of scripts, styles and whatever else could act."""

    html: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Math(Block):
    """A displayed formula in TeX, without delimiters."""

    tex: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Code(Block):
    """A block of code that runs or ran.

    `source` is exactly what ran, dedented; `path` with `line` to `last_line` says where it stands
    and `link` leads there (either may be empty). `repeats` is the key of an earlier run of the same
    lines. `elapsed` is in seconds, and None while the code runs.
    """

    source: str
    path: str = ""
    line: int = 0
    last_line: int = 0
    link: str = ""
    repeats: str = ""
    note: str = ""
    state: State = "running"
    elapsed: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Value(Block):
    """What a block of code gave, as text."""

    text: str
    language: str = "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cached(Block):
    """Where the value of the function `name` came from: whether it was kept by an earlier call.

    It was `computed` (ISO 8601 with its offset) in `elapsed` seconds. `note` says why it could not be kept.
    """

    name: str
    computed: str
    elapsed: float
    is_kept: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure(Block):
    """An exception that left a block: what, where, the line of code, and the traceback."""

    kind: str
    message: str
    path: str
    line: int
    link: str
    quoted: str
    traceback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture in the file `file`, to be shown `width` by `height` pixels large."""

    file: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure(Block):
    """A picture with its caption (Markdown)."""

    picture: Picture
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """A link in a cell of a table: `text` (plain) leads to `href`, an address or a file beside the report."""

    href: str
    text: str

    def __str__(self) -> str:
        return self.text


Cell = Scalar | Picture | Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table. `format` is a format specification for its numbers (`".1%"`)."""

    name: str
    numeric: bool = False
    format: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Block):
    """A table. `rows` are those to show; `left_out` is how many are missing after row `gap`."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    left_out: int = 0
    gap: int = 0
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link(Block):
    """A link to an address, or to a file of `size` bytes beside the report. `text` is plain."""

    href: str
    text: str
    caption: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Details(Block):
    """A part that a reader can open and close; its content is the blocks within it."""

    title: str
    open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Admonition(Block):
    """A part set apart from the text; its content is the blocks within it."""

    severity: Severity
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subreport(Block):
    """A page of its own in the folder `folder`; its content is the blocks within it."""

    title: str
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Block):
    """How far a loop has come: `done` of `total` (None if unknown) after `elapsed` seconds."""

    label: str
    done: int
    total: int | None
    elapsed: float
    finished: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart(Block):
    """Where the metrics sent to this key are drawn."""

    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Control(Block):
    """A control that a viewer can set, with the value that it has.

    `settings` are the limits of the value, by kind: `least`, `greatest` and `step` of a slider or a
    number, `options` of a choice, `longest` of a text, `height` and `width` of a sketch (whose value
    is a row-major list of numbers from 0 to 1), `accept` of an upload (whose value is a file's name).
    The value of a button is how often it was pressed.
    """

    kind: ControlKind
    label: str
    value: Json = None
    settings: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interact(Block):
    """Controls with what a function makes of their values; both are blocks within it."""

    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Block):
    """A block that only holds others, so that they can be emptied out together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emptied(Event):
    """All that stood inside the block `key` is gone; its keys are free again."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(Event):
    """The run waits for a viewer to let it go on, or goes on again."""

    is_paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered(Event):
    """The author offers the page `name`, which is rendered when a viewer asks for it."""

    name: str
    title: str


class Backend(Protocol):
    """What turns events into something that a reader can use.

    Calls come one at a time, though not always from one thread.
    """

    def write(self, event: Event) -> None:
        """Takes the next event. It must not block for long: the run waits for it."""

    def close(self) -> None:
        """Finishes what the backend writes. `Closed` has come before; no event comes after."""
