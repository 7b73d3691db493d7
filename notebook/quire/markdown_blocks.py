"""Each kind of block as Markdown."""

import html
from collections.abc import Callable
from typing import Any

from quire import words
from quire.events import (
    Admonition,
    Block,
    Cached,
    Chart,
    Code,
    Column,
    Control,
    Details,
    Failure,
    Figure,
    Heading,
    Html,
    Interact,
    Link,
    Math,
    Part,
    Picture,
    Progress,
    Subreport,
    Table,
    Text,
    Value,
)
from quire.flavours import GITHUB, Flavour
from quire.markdown_text import anchor, cell, closed, code_span, escape, fence, link, picture, table
from quire.names import anchor as heading_anchor
from quire.printed import Printed
from quire.terminal_text import clean
from quire.tree import Node

_PICTURE_LIMIT = 760


class BlockWriter:
    """Writes nodes as Markdown.

    Args:
        times: whether to say how long each block took.
        chart: gives the picture of a chart's node, or None as long as none has been drawn.
        page: gives the address of a subreport's page, relative to the page around it.
        flavour: for which kind of reader.
    """

    def __init__(
        self,
        *,
        times: bool,
        chart: Callable[[Node], Picture | None],
        page: Callable[[Subreport], str],
        flavour: Flavour = GITHUB,
    ) -> None:
        self._times = times
        self._chart = chart
        self._page = page
        self._flavour = flavour
        self._writers: dict[type[Block], Callable[[Any, Node], str]] = {
            Admonition: self._admonition,
            Cached: self._cached,
            Chart: self._chart_block,
            Code: self._code,
            Control: self._control,
            Details: self._details,
            Failure: self._failure,
            Figure: self._figure,
            Heading: self._heading,
            Html: lambda event, _: event.html,
            Interact: self._interact,
            Link: self._link,
            Math: self._math,
            Part: lambda _, node: _joined(*self._inside(node)),
            Progress: self._progress,
            Subreport: self._subreport,
            Table: self._table,
            Text: lambda event, _: closed(event.markdown),
            Value: self._value,
        }

    def write(self, node: Node) -> str:
        """The node and all within it, without a newline at the end; "" if it shows nothing."""
        return self._writers[type(node.event)](node.event, node)

    def _inside(self, node: Node) -> list[str]:
        parts = [printed(child) if isinstance(child, Printed) else self.write(child) for child in node.inside]
        return [part for part in parts if part]

    def _heading(self, event: Heading, node: Node) -> str:
        line = f"{'#' * event.level} {event.text}"
        # Where renderers disagree on the anchor, both their own and this one lead here.
        is_found = event.anchor == heading_anchor(event.text) and self._flavour.is_found(event.anchor)
        return line if is_found else f"{anchor(event.anchor)}\n\n{line}"

    def _code(self, event: Code, node: Node) -> str:
        if event.repeats:
            source = f"*The [code above](#{event.repeats}) once more.*"
        elif event.source:
            source = fence(event.source, "python")
        else:
            source = f"*Code not shown: {event.note}.*"
        return _joined(f"{anchor(event.key)}\n\n{source}", self._place(event), *self._inside(node))

    def _place(self, event: Code) -> str:
        where = f"{event.path}:{event.line}" if event.path else ""
        if where and (to := self._flavour.code_link(event.link)):
            where = f"[{where}]({to})"
        said = [where] if where else []
        if event.elapsed is None:
            said.append("running")
        elif self._times:
            said.append(words.duration(event.elapsed))
        return f"<sub>{' · '.join(said)}</sub>" if said else ""

    def _cached(self, event: Cached, node: Node) -> str:
        told = words.cached(event, times=self._times)
        return f"<sub>{code_span(event.name)}: {escape(told)}</sub>" if told else ""

    def _value(self, event: Value, node: Node) -> str:
        if "\n" in event.text.strip("\n"):
            return fence(event.text, event.language)
        return f"→ {code_span(event.text.strip())}"

    def _failure(self, event: Failure, node: Node) -> str:
        where = f"{event.path}:{event.line}"
        if to := self._flavour.code_link(event.link):
            where = f"[{where}]({to})"
        told = f"**{event.kind}**" + (f": {escape(event.message)}" if event.message else "")
        quote = fence(event.quoted, "python") if event.quoted else ""
        head = self._flavour.admonition("caution", "", _joined(told, where if event.path else "", quote))
        return _joined(anchor(event.key), head, fence(event.traceback) if event.traceback else "")

    def _figure(self, event: Figure, node: Node) -> str:
        shown = picture(event.picture)
        if event.picture.width >= _PICTURE_LIMIT:
            shown = f'<a href="{event.picture.file}">{shown}</a>'
        return _joined(anchor(event.key), shown, _emphasised(event.caption))

    def _table(self, event: Table, node: Node) -> str:
        below = event.caption
        if event.left_out:
            shown, length = len(event.rows), len(event.rows) + event.left_out
            below = f"{below} " if below else ""
            below += f"({shown:,} of {words.count(length, 'row')}"
            below += f"; [all of them]({event.file}))" if event.file else ")"
        # A table without columns is none to Markdown.
        body = table(event.columns, event.rows, (event.left_out, event.gap)) if event.columns else "*Empty.*"
        return _joined(anchor(event.key), body, _emphasised(below))

    def _math(self, event: Math, node: Node) -> str:
        # A line that begins with a minus sign would be read as a list.
        separator = "\n" if "%" in event.tex else " "
        return (
            "$$\n" + separator.join(line.strip() for line in event.tex.split("\n") if line.strip()) + "\n$$"
        )

    def _link(self, event: Link, node: Node) -> str:
        size = f" ({words.size(event.size)})" if event.size is not None else ""
        caption = f": {event.caption}" if event.caption else ""
        return f"{link(escape(event.text), event.href)}{size}{caption}"

    def _details(self, event: Details, node: Node) -> str:
        opening = self._flavour.opening("details open" if event.open else "details")
        title = html.escape(clean(event.title)) or "Details"
        return _joined(f"{opening}\n<summary>{title}</summary>", *self._inside(node), "</details>")

    def _admonition(self, event: Admonition, node: Node) -> str:
        return self._flavour.admonition(event.severity, event.title, _joined(*self._inside(node)))

    def _subreport(self, event: Subreport, node: Node) -> str:
        return f"→ [{escape(event.title)}]({self._page(event)})"

    def _progress(self, event: Progress, node: Node) -> str:
        # A loop that came to its end has nothing to say any more.
        return "" if event.finished else f"*{escape(event.label)}: {words.share(event.done, event.total)}*"

    def _control(self, event: Control, node: Node) -> str:
        """What the control was set to; a page of paper cannot set it."""
        return f"*{escape(event.label)}:* {_setting(event)}" if event.kind != "button" else ""

    def _interact(self, event: Interact, node: Node) -> str:
        # Many sliders would fill a page: their settings are one paragraph.
        nodes = [child for child in node.inside if isinstance(child, Node)]
        controls = [child for child in nodes if isinstance(child.event, Control)]
        settings = ", ".join(filter(None, (self.write(child) for child in controls)))
        rest = [self.write(child) for child in nodes if child not in controls]
        return _joined(anchor(event.key), f"**{escape(event.title)}**", settings, *rest)

    def _chart_block(self, event: Chart, node: Node) -> str:
        if not node.series:
            return ""
        drawn = self._chart(node)
        body = picture(drawn) if drawn else _chart_table(node)
        return _joined(anchor(event.key), body)


def printed(output: Printed) -> str:
    """What a block printed."""
    if not output.is_long:
        return fence(output.head) if output.head.strip() else ""
    lines = words.count(output.lines_left_out, "line")
    if output.lost:
        whole = f"the rest could not be kept: {escape(output.lost)}"
    else:
        whole = f"[the whole output]({output.href}), {words.count(output.lines, 'line')}"
    return _joined(fence(output.head), f"*… {lines} left out: {whole} …*", fence(output.tail))


def _setting(event: Control) -> str:
    if event.kind == "sketch":
        return "a drawing" if event.value else "nothing drawn"
    if event.kind == "upload":
        return (
            link(escape(str(event.value).rpartition("/")[2]), str(event.value)) if event.value else "no file"
        )
    if event.kind == "checkbox":
        return "yes" if event.value else "no"
    value = event.value
    return cell(value if value is None or isinstance(value, str | int | float) else str(value)) or "(empty)"


def _chart_table(node: Node) -> str:
    columns = [
        Column(name="metric"),
        *(Column(name=name, numeric=True) for name in ("points", "first", "least", "greatest", "last")),
    ]
    rows = [
        (
            name,
            line.count,
            line.first[1],
            (line.least or line.last)[1],
            (line.greatest or line.last)[1],
            line.last[1],
        )
        for name, line in node.series.items()
    ]
    return table(columns, rows)


def _emphasised(markdown: str) -> str:
    # Markdown's own emphasis cannot hold emphasis.
    return f"<em>{markdown}</em>" if "*" in markdown or "_" in markdown else markdown and f"*{markdown}*"


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)
