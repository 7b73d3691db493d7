"""Markdown's own syntax: fences, escapes, links, tables and pictures, as GitHub and GitLab read them."""

import html
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from quire import words
from quire.events import Cell, Column, Picture, Reference
from quire.terminal_text import clean

_SPECIAL = re.compile(r"[\\`*{}\[\]<>|~$]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
# Before these not every reader of Markdown takes a backslash for an escape.
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "~": "&#126;", "$": "&#36;"}
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})([^`]*)$")
_PLAIN_YAML = re.compile(r"[A-Za-z][A-Za-z0-9 _./-]*")
_SCHEMES = {"", "http", "https", "mailto", "ftp"}


def fence(text: str, language: str = "text") -> str:
    """`text` as a code block, inside a fence that is longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    ticks = "`" * (longest + 1)
    body = text.removesuffix("\n")
    return f"{ticks}{language}\n{body}\n{ticks}"


def code_span(text: str) -> str:
    """`text` as code within a line."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def escape(text: str) -> str:
    """`text` so that Markdown shows it as it is, in one line; line breaks become `<br>`."""
    lines = (clean(line) for line in text.replace("\r\n", "\n").strip("\n").split("\n"))
    return "<br>".join(
        _SPECIAL.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), line) for line in lines
    )


def closed(markdown: str) -> str:
    """The author's Markdown, with any fence or comment closed that would swallow what follows it."""
    opened = ""
    for line in markdown.split("\n"):
        found = _FENCE.match(line)
        if found and not opened:
            opened = found[1]
        elif found and found[1].startswith(opened) and not found[2].strip():
            opened = ""
    if opened:
        return f"{markdown}\n{opened}"
    outside = re.sub(r"`[^`]*`", "", markdown)
    return f"{markdown} -->" if outside.count("<!--") > outside.count("-->") else markdown


def anchor(key: str) -> str:
    """A place that a link can lead to."""
    return f'<a id="{html.escape(key)}"></a>'


def link(text: str, href: str) -> str:
    """A link; text alone where the address is none that a report should hold."""
    if urlsplit(re.sub(r"[\x00-\x20]", "", href)).scheme.lower() not in _SCHEMES:
        return text
    return f"[{text}]({quote(href, safe=':/?#@!$&*+,;=%~[]')})"


def picture(image: Picture) -> str:
    """An `img`, since Markdown's own pictures have no size; a picture of more pixels is a link to itself."""
    source = html.escape(quote(image.file))
    alt = html.escape(clean(image.alt.replace("\n", " ")))
    return f'<img src="{source}" alt="{alt}" width="{image.width}" height="{image.height}">'


def table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], gap: tuple[int, int] = (0, 0)) -> str:
    """A table; `gap` is how many rows are missing, and after which."""
    lines = [_row(escape(column.name) for column in columns)]
    lines.append(_row("---:" if column.numeric else "---" for column in columns))
    for number, row in enumerate(rows):
        if gap[0] and number == gap[1]:
            lines.append(_row("…" for _ in columns))
        lines.append(_row(cell(value, column.format) for value, column in zip(row, columns, strict=True)))
    return "\n".join(lines)


def cell(value: Cell, format_: str = "") -> str:
    """One cell of a table."""
    if isinstance(value, Reference):
        return link(escape(value.text), value.href)
    return picture(value) if isinstance(value, Picture) else escape(words.cell(value, format_))


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def front_matter(fields: Mapping[str, Any]) -> str:
    """YAML front matter."""
    lines = [f"{name}: {_yaml(value)}" for name, value in fields.items()]
    return "\n".join(["---", *lines, "---"])


def _yaml(value: Any) -> str:
    """A value as YAML: its JSON is YAML too, and plain words need no quotes."""
    if isinstance(value, Mapping):
        return (
            "{" + ", ".join(f"{json.dumps(str(name))}: {_yaml(part)}" for name, part in value.items()) + "}"
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return {"nan": ".nan", "inf": ".inf", "-inf": "-.inf"}[str(value)]
    if isinstance(value, datetime):
        return value.isoformat()
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    text = str(value)
    plain = _PLAIN_YAML.fullmatch(text) and text == text.strip() and text.lower() not in _YAML_WORDS
    return text if plain else json.dumps(text, ensure_ascii=not text.isprintable())


_YAML_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
