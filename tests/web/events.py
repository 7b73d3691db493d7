"""The events of a report that has one of everything."""

import io
from pathlib import Path

import PIL.Image

from quire.events import (
    Admonition,
    Block,
    Chart,
    Closed,
    Code,
    Column,
    Control,
    Details,
    Event,
    Failure,
    Figure,
    Heading,
    Html,
    Interact,
    Link,
    Math,
    Metric,
    Opened,
    Output,
    Part,
    Picture,
    Progress,
    Subreport,
    Table,
    Text,
    Value,
)
from quire.names import anchor

OPENED = Opened(
    title="Report",
    started="2026-01-02T03:04:05+00:00",
    command="quire run demo.py --seed 1",
    parameters={"seed": 1},
)
CLOSED = Closed(state="done", elapsed=2.5, provenance={"Versions": "Python 3.11"})
SOURCE = 'def f(x: int) -> str:\n    """Doubles."""\n\n    return str(2 * x)  # twice\n\n\nprint(f(2))'


def heading(text: str, level: int = 2, key: str = "") -> Heading:
    return Heading(key=key or f"{anchor(text)}-heading", level=level, text=text, anchor=anchor(text))


def failure(key: str = "failure", parent: str = "") -> Failure:
    return Failure(
        key=key,
        parent=parent,
        kind="ValueError",
        message="a <b>bad</b> value",
        path="demo.py",
        line=7,
        link="",
        quoted="raise ValueError()",
        traceback="Traceback (most recent call last):\n"
        "  File 'demo.py', line 7\nValueError: a <b>bad</b> value\n",
    )


def write_picture(folder: Path, name: str = "etc/small.png", size: tuple[int, int] = (40, 20)) -> Picture:
    """A picture of the report's, on disk."""
    data = io.BytesIO()
    PIL.Image.new("RGB", size, "teal").save(data, "PNG")
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data.getvalue())
    return Picture(file=name, alt="a small picture", width=size[0], height=size[1])


def controls(parent: str = "") -> list[Block]:
    """One control of each kind."""
    return [
        Control(
            key="noise",
            parent=parent,
            kind="slider",
            label="Noise",
            value=0.5,
            settings={"least": 0, "greatest": 1, "step": 0.1},
        ),
        Control(
            key="epochs",
            parent=parent,
            kind="number",
            label="Epochs",
            value=3,
            settings={"least": 1, "greatest": 9, "step": 1},
        ),
        Control(
            key="kind",
            parent=parent,
            kind="choice",
            label="Kind",
            value="b",
            settings={"options": ["a", "b"]},
        ),
        Control(key="live", parent=parent, kind="checkbox", label="Live", value=True),
        Control(key="name", parent=parent, kind="text", label="Name", value="x", settings={"longest": 20}),
        Control(key="go", parent=parent, kind="button", label="Go", value=0),
        Control(key="data", parent=parent, kind="upload", label="Data", settings={"accept": "image/*"}),
        Control(key="pad", parent=parent, kind="sketch", label="Draw", settings={"height": 28, "width": 28}),
    ]


def everything(folder: Path) -> list[Event]:
    """A report with one of each block, before it ends."""
    picture = write_picture(folder)
    (folder / "etc/data.csv").write_text("1,2\n")
    return [
        OPENED,
        heading("A report of *everything*", 1),
        Text(
            key="intro",
            markdown="Text with `code`, $x^2$, ~~no~~ and a [link](#code).\n\n"
            "| a | b |\n| - | -: |\n| 1 | 2 |",
        ),
        heading("Code"),
        Code(
            key="code",
            source=SOURCE,
            path="demo.py",
            line=3,
            last_line=9,
            link="https://example.org/demo.py#L3",
        ),
        Output(parent="code", text="\x1b[31mred\x1b[0m 4\n"),
        Value(key="value", parent="code", text="{'a': 1}"),
        Code(
            key="code",
            source=SOURCE,
            path="demo.py",
            line=3,
            last_line=9,
            link="https://example.org/demo.py#L3",
            state="done",
            elapsed=0.65,
        ),
        Html(key="html", html="<table><tr><th>a</th></tr><tr><td>1</td></tr></table>"),
        heading("Parts & pictures"),
        Math(key="formula", tex=r"\sum_{i=1}^n i = \frac{n(n+1)}{2}"),
        Details(key="more", title="More of it"),
        Text(key="hidden", parent="more", markdown="Hidden at first."),
        Admonition(key="mind", severity="tip", title="Mind *this*"),
        Text(key="tip", parent="mind", markdown="A tip."),
        Figure(key="figure", picture=picture, caption="A *small* picture"),
        Table(
            key="table",
            columns=(
                Column(name="stage"),
                Column(name="error", numeric=True, format=".3f"),
                Column(name="picture"),
            ),
            rows=(("first", 0.12345, picture), ("<b>last</b>", None, None)),
            caption="Two rows",
        ),
        heading("How it went", 3),
        Chart(key="chart", title="Loss"),
        *[
            Metric(chart="chart", name=name, step=step, value=1 / (step + at + 1))
            for step in range(50)
            for at, name in enumerate(("loss", "error"))
        ],
        Progress(key="bar", label="training", done=30, total=120, elapsed=6.0),
        Link(key="file", href="etc/data.csv", text="data.csv", size=4, caption="the data"),
        Link(key="elsewhere", href="https://example.org/a", text="elsewhere"),
        heading("To play with"),
        *controls(),
        Interact(key="play", title="Try it"),
        Control(
            key="play-n",
            parent="play",
            kind="slider",
            label="n",
            value=2,
            settings={"least": 0, "greatest": 9, "step": 1},
        ),
        Part(key="play-result", parent="play"),
        Text(key="play-text", parent="play-result", markdown="n is 2"),
        Subreport(key="sub", title="A page", folder="a-page"),
        Text(key="sub-text", parent="sub", markdown="On a page of its own."),
    ]
