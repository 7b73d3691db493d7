"""One page of a report as Markdown: front matter, contents, blocks, and how it was made."""

from collections.abc import Callable, Mapping
from typing import Any

from quire import provenance, words
from quire.events import Closed, Failure, Heading, Opened, Subreport, Text, Used
from quire.folder import ReportFolder
from quire.markdown_text import cell, code_span, escape, front_matter
from quire.names import plain, without_links
from quire.printed import Printed
from quire.terminal_text import visible
from quire.tree import Node

# A page with fewer headings than this needs no contents.
_FEW = 3


class Page:
    """A page: the blocks in `node`, written to `folder`.

    Attributes:
        headings: its headings below the first level, in order.
        failure: the exception that ended it, if one did.
    """

    def __init__(self, node: Node, folder: ReportFolder, above: "Page | None") -> None:
        self.node = node
        self.folder = folder
        self.above = above
        self.headings: dict[str, Heading] = {}
        self.failure: Failure | None = None
        self._texts: dict[Node, str] = {}

    def compose(self, run: "Run", write: Callable[[Node], str]) -> str:
        """The whole page; `write` gives the Markdown of a block that has changed."""
        title, first = self.title(run), self._first_heading()
        parts = [front_matter(self._fields(run, title))]
        if first is None:
            parts += [f"# {escape(title)}", *self._notes(run)]
        has_contents = False
        for child in self.node.inside:
            if isinstance(child, Printed):
                continue
            # The contents stand behind the first words.
            if not has_contents and (_level(child) > 1 or not isinstance(child.event, Heading | Text)):
                parts.append(self._contents())
                has_contents = True
            parts.append(self._text(child, write))
            if child.event is first:
                parts += self._notes(run)
        if self.above is None and run.closed:
            parts.append(_made(run))
        return visible("\n\n".join(part for part in parts if part) + "\n")

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
        fields: dict[str, Any] = {"title": title}
        if run.times and run.opened:
            fields["date"] = run.opened.started
        fields |= {"generator": run.generator, "state": run.state}
        if self.above is None and run.opened and run.opened.parameters:
            fields["parameters"] = dict(run.opened.parameters)
        return {name: value for name, value in (fields | run.metadata).items() if value is not None}

    def _notes(self, run: "Run") -> list[str]:
        """What a reader must know first: the way back, and whether the run came to its end."""
        notes = []
        if self.above is not None:
            notes.append(f"← [{escape(self.above.title(run))}](../{self.above.folder.name}.md)")
        after = f" after {words.duration(run.closed.elapsed)}" if run.closed and run.times else ""
        if run.state == "running":
            notes.append(
                "> [!WARNING]\n> The run had not ended when this was written: it goes on, or it was killed."
            )
        elif run.state == "interrupted":
            notes.append(f"> [!WARNING]\n> The run was interrupted{after}; this is what it had done by then.")
        elif run.state == "stopped":
            notes.append(
                f"> [!NOTE]\n> The run was asked to finish early{after}; this is what it had done by then."
            )
        elif run.state == "died":
            cause = escape(run.closed.detail) if run.closed else ""
            notes.append(f"> [!CAUTION]\n> The run died{after} ({cause}). This is what it had done by then.")
        elif run.state == "failed":
            where = f": [{self.failure.kind}](#{self.failure.key})" if self.failure else ""
            notes.append(f"> [!CAUTION]\n> The run failed{after}{where}. This is what it had done by then.")
        return notes

    def _contents(self) -> str:
        if len(self.headings) < _FEW:
            return ""
        return "\n".join(
            f"{'  ' * (h.level - 2)}- [{without_links(h.text)}](#{h.anchor})" for h in self.headings.values()
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


def _made(run: Run) -> str:
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
    return f"---\n\n<details>\n<summary>{summary}</summary>\n\n| | |\n| --- | --- |\n{body}\n\n</details>"


def _settings(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{escape(name)} = {cell(value)}" for name, value in parameters.items())
