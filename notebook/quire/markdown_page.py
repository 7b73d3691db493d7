"""One page of a report as Markdown: front matter, contents, blocks, and how it was made."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from quire import provenance, words
from quire.events import Closed, Failure, Heading, Opened, Part, Subreport, Text, Used
from quire.flavours import GITHUB, Flavour
from quire.folder import ReportFolder
from quire.markdown_text import anchor, cell, code_span, escape, front_matter
from quire.names import plain, without_links
from quire.printed import Printed
from quire.terminal_text import visible
from quire.tree import Node

# A page with fewer headings than this needs no contents.
_FEW = 3


class Page:
    """A page: the blocks in `node`, written to `folder` for readers of the kind `flavour`.

    Attributes:
        headings: its headings below the first level, in order.
        failure: the exception that ended it, if one did.
    """

    def __init__(
        self, node: Node, folder: ReportFolder, above: "Page | None", flavour: Flavour = GITHUB
    ) -> None:
        self.node = node
        self.folder = folder
        self.above = above
        self._flavour = flavour
        self.headings: dict[str, Heading] = {}
        self.failure: Failure | None = None
        self._texts: dict[Node, str] = {}

    def compose(self, run: "Run", write: Callable[[Node], str]) -> str:
        """The whole page; `write` gives the Markdown of a block that has changed."""
        title, first = self.title(run), self._first_heading()
        parts = []
        if first is None:
            parts += [f"# {escape(title)}" if self._flavour.has_title else "", *self._notes(run)]
        has_contents = False
        for child in self.node.inside:
            if isinstance(child, Printed) or (isinstance(child.event, Part) and not child.inside):
                continue
            # The contents stand behind the first words.
            if not has_contents and (_level(child) > 1 or not isinstance(child.event, Heading | Text)):
                parts.append(self._contents())
                has_contents = True
            if first is None or child.event is not first:
                parts.append(self._text(child, write))
            else:
                parts.append(self._text(child, write) if self._flavour.has_title else anchor(first.anchor))
                parts += self._notes(run)
        if self.above is None and run.closed:
            parts.append(_made(run, self._flavour))
        body = visible("\n\n".join(part for part in parts if part) + "\n")
        return f"{visible(front_matter(self._fields(run, title)))}\n\n{self._flavour.literal(body)}"

    def title(self, run: "Run") -> str:
        """The first heading of level 1 as plain text, else what the page was opened as."""
        first = self._first_heading()
        if first is not None:
            return plain(first.text)
        return self.node.event.title if isinstance(self.node.event, Subreport) else run.title

    def _first_heading(self) -> Heading | None:
        """The first heading of level 1 that stands on the page itself."""
        events = (child.event for child in self.node.inside if isinstance(child, Node))
        return next((event for event in events if isinstance(event, Heading) and event.level == 1), None)

    def _text(self, node: Node, write: Callable[[Node], str]) -> str:
        if node.is_fresh:
            self._texts[node] = write(node)
            node.is_fresh = False
        return self._texts[node]

    def _fields(self, run: "Run", title: str) -> dict[str, Any]:
        flavour = self._flavour
        fields: dict[str, Any] = {"title": title, **flavour.fields}
        if any(isinstance(node.event, Subreport) for node in self.node.walk() if node is not self.node):
            fields |= flavour.fields_above
        if run.times and run.opened:
            fields["date"] = datetime.fromisoformat(run.opened.started)
        fields |= {"generator": run.generator, "state": run.state}
        if self.above is None and run.opened and run.opened.parameters:
            fields["parameters"] = dict(run.opened.parameters)
        return {name: value for name, value in (fields | run.metadata).items() if value is not None}

    def _notes(self, run: "Run") -> list[str]:
        """What a reader must know first: the way back, and whether the run came to its end."""
        notes = []
        if self.above is not None:
            address = self._flavour.address("..", self.above.folder.name)
            notes.append(f"← [{escape(self.above.title(run))}]({address})")
        if told := self._ending(run):
            notes.append(self._flavour.admonition(told[0], "", told[1]))
        return notes

    def _ending(self, run: "Run") -> tuple[str, str] | None:
        """How severe it is that the run has not come to its end, and what is to be said of it."""
        after = f" after {words.duration(run.closed.elapsed)}" if run.closed and run.times else ""
        so_far = "this is what it had done by then."
        match run.state:
            case "running":
                return "warning", "The run had not ended when this was written: it goes on, or it was killed."
            case "interrupted":
                return "warning", f"The run was interrupted{after}; {so_far}"
            case "stopped":
                return "note", f"The run was asked to finish early{after}; {so_far}"
            case "died":
                cause = escape(run.closed.detail) if run.closed else ""
                return "caution", f"The run died{after} ({cause}). {so_far.capitalize()}"
            case "failed":
                where = f": [{self.failure.kind}](#{self.failure.key})" if self.failure else ""
                return "caution", f"The run failed{after}{where}. {so_far.capitalize()}"
        return None

    def _contents(self) -> str:
        if len(self.headings) < _FEW:
            return ""
        return "\n".join(
            f"{' ' * self._flavour.indent * (h.level - 2)}- [{without_links(h.text)}](#{h.anchor})"
            for h in self.headings.values()
        )


class Run:
    """What is known of the run itself."""

    def __init__(self, generator: str, *, times: bool) -> None:
        self.generator = generator
        self.times = times
        self.opened: Opened | None = None
        self.closed: Closed | None = None
        self.metadata: dict[str, Any] = {}
        self.used: dict[str, Used] = {}

    @property
    def title(self) -> str:
        """What the report was opened as."""
        return self.opened.title if self.opened else ""

    @property
    def state(self) -> str:
        """How the run stands."""
        return self.closed.state if self.closed else "running"


def _level(node: Node) -> int:
    """The level of a heading; 0 for all else."""
    return node.event.level if isinstance(node.event, Heading) else 0


def _made(run: Run, flavour: Flavour) -> str:
    """How the report was made, at its end."""
    rows: dict[str, str] = {}
    if run.opened and run.opened.command:
        rows["Command"] = code_span(run.opened.command)
    if run.opened and run.opened.parameters:
        rows["Parameters"] = _settings(run.opened.parameters)
    data = [used for used in run.used.values() if used.kind == "data"]
    if data:
        rows["Data"] = ", ".join(f"{code_span(used.path)} (SHA-256 {used.sha256[:12]}…)" for used in data)
    if run.closed:
        told = provenance.shown(run.closed.provenance, times=run.times)
        rows |= {name: escape(value) for name, value in told.items()}
    if run.times and run.opened and run.closed:
        rows["Time"] = f"{words.duration(run.closed.elapsed)}, from {run.opened.started}"
    body = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    took = f" in {words.duration(run.closed.elapsed)}" if run.times and run.closed else ""
    summary = f"Made with {run.generator.capitalize()}{took}"
    opening = flavour.opening("details")
    return f"---\n\n{opening}\n<summary>{summary}</summary>\n\n| | |\n| --- | --- |\n{body}\n\n</details>"


def _settings(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{escape(name)} = {cell(value)}" for name, value in parameters.items())
