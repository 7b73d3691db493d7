"""Each kind of block as HTML, and pages of them."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from quire import __version__, charts, provenance, words
from quire.display import clean_html
from quire.events import (
    Admonition,
    Block,
    Cached,
    Cell,
    Chart,
    Code,
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
    Reference,
    Subreport,
    Table,
    Text,
    Value,
)
from quire.names import without_links
from quire.printed import Printed
from quire.terminal_text import encodable, visible
from quire.tree import Node
from quire.web import ansi, assets, text
from quire.web.formulas import mathml
from quire.web.highlighting import highlighted, is_python
from quire.web.view import PageView

_log = logging.getLogger(__name__)
_KINDS: Mapping[type[Block], str] = {
    kind: kind.__name__.lower()
    for kind in (
        *(Admonition, Cached, Chart, Code, Control, Details, Failure, Figure, Heading, Html, Interact),
        *(Link, Math, Part, Progress, Subreport, Table, Text, Value),
    )
}
# A page with fewer headings than this needs no contents.
_FEW = 3


class Renderer:
    """Writes nodes and pages as HTML.

    The root element of each block has its key as `id`; a block that may hold others shows itself in one
    element `data-own` and them in one element `data-inside`.

    Args:
        address: gives the URL of a file of the report, relative to the page, for the page's key and the
            file's address in the event; "" where the report has no such file.
        live: whether a server and the page's scripts are there; else all must be read without them.
        times: whether to say how long each block took.
        pixels: for an export: the size of a picture's file in pixels, given the page's key and the file,
            so that enlarged pixels stay sharp. A live page looks at the pictures themselves.
    """

    def __init__(
        self,
        *,
        address: Callable[[str, str], str],
        live: bool,
        times: bool = True,
        pixels: Callable[[str, str], tuple[int, int] | None] = lambda page, file: None,
    ) -> None:
        self.live = live
        self.times = times
        self._address = address
        self._pixels = pixels
        self._environment = environment()
        self._blocks: Any = self._environment.get_template("blocks.html").make_module({"r": self})

    def block(self, node: Node) -> str:
        """A block with all that stands inside it."""
        return sound(self._block(node))

    def own(self, node: Node) -> str:
        """What a block that holds others shows itself: the inside of its `data-own`."""
        kind = _KINDS[type(node.event)]
        try:
            return sound(getattr(self._blocks, f"{kind}_own")(node.event, node))
        except Exception as error:
            return self._unshown(node.event.key, error)

    def printed(self, printed: Printed, id: str, page: str = "") -> str:  # noqa: A002 - HTML's own word
        """What a block printed.

        Args:
            printed: the text.
            id: the block's key, `-out-`, and where among the block's content this stands.
            page: the key of the page on which it stands.
        """
        return sound(self._blocks.printed(printed, id, page))

    def page(self, view: PageView) -> str:
        """The whole document."""
        template = self._environment.get_template("page.html")
        icon = assets.icon(view.stands)
        parts = self._page_parts(view)
        return sound(template.render(r=self, view=view, page=parts, assets=assets, icon=icon))

    def document(
        self, view: PageView, *, pages: Sequence[PageView], policy: str, style: str, icon: str
    ) -> str:
        """The document that stands alone; see `quire.web.export`."""
        template = self._environment.get_template("export.html")
        parts = self._page_parts(view)
        return sound(
            template.render(
                r=self,
                view=view,
                page=parts,
                pages=pages,
                title=view.name,
                generator=parts["generator"],
                policy=policy,
                style=Markup(style),
                icon=icon,
            )
        )

    def content(self, view: PageView) -> Markup:
        """The inside of the page's own element: all its blocks."""
        return self.inside(view.node)

    def _page_parts(self, view: PageView) -> dict[str, Any]:
        headings = view.headings
        return {
            "contents": headings if len(headings) >= _FEW else [],
            "generator": f"Quire {__version__}",
            "made": _made(view, times=self.times),
            "failure": view.failure,
        }

    # What the templates ask for

    def _block(self, node: Node) -> Markup:
        kind = _KINDS[type(node.event)]
        try:
            return Markup(getattr(self._blocks, kind)(node.event, node))
        except Exception as error:
            told = self._unshown(node.event.key, error)
            return Markup('<div id="{}" data-block="{}">{}</div>\n').format(node.event.key, kind, told)

    def _unshown(self, key: str, error: Exception) -> Markup:
        """What stands for a block that no test foresaw: it must not take the page from all viewers."""
        _log.error("the block %r could not be shown", key, exc_info=error)
        return Markup('<p class="missing">This part could not be shown ({}).</p>').format(
            type(error).__name__
        )

    def inside(self, node: Node) -> Markup:
        """All that stands inside a block."""
        parts = []
        for number, child in enumerate(node.inside):
            if isinstance(child, Printed):
                parts.append(self._blocks.printed(child, f"{node.event.key}-out-{number}", self.key(node)))
            else:
                parts.append(self._block(child))
        return Markup("".join(parts))

    def markdown(self, markdown: str, node: Node) -> Markup:
        """An author's text."""
        return text.to_html(markdown, self._addresses(node))

    def line(self, markdown: str, node: Node) -> Markup:
        """An author's line of text."""
        return text.inline(markdown, self._addresses(node))

    def heading(self, markdown: str, node: Node) -> Markup:
        """A heading's text where it is a link itself."""
        return text.inline(without_links(markdown), self._addresses(node))

    def href(self, address: str, node: Node) -> str:
        """Where a link on the page leads, or "" if it must not be one."""
        return text.href(address, self._addresses(node))

    def file(self, file: str, page: str) -> str:
        """The URL of a picture or another file of the report, on the page with the key `page`."""
        return self._address(page, file) if file else ""

    @staticmethod
    def key(node: Node) -> str:
        """The key of the page on which a block stands."""
        return node.page.event.key

    def web(self, address: str) -> str:
        """A link to code, where it leads to the web: paths of the author's disk lead nowhere here."""
        return address if address.startswith(("https://", "http://")) else ""

    def is_sharp(self, picture: Picture, node: Node) -> bool:
        """Whether a picture has no more pixels than it is shown with, and so must not be blurred."""
        size = self._pixels(self.key(node), picture.file)
        return size is not None and size[0] <= picture.width

    def base(self, node: Node) -> str:
        """What leads from the page of a block to the report's."""
        return "../../" if self.key(node) else ""

    def _addresses(self, node: Node) -> text.Address:
        key = self.key(node)
        return lambda href: self._address(key, href.partition("#")[0])

    math = staticmethod(mathml)
    code = staticmethod(highlighted)
    ansi = staticmethod(ansi.to_html)
    duration = staticmethod(words.duration)
    count = staticmethod(words.count)
    size = staticmethod(words.size)
    summary = staticmethod(charts.summarise)

    cell = staticmethod(words.cell)

    def cached(self, event: Cached) -> str:
        """Where a value came from, or why it is not kept."""
        return words.cached(event, times=self.times)

    @staticmethod
    def cleaned(html: str) -> Markup:
        """A value's HTML once more without what could act, whoever wrote the event."""
        return Markup(clean_html(encodable(html)))

    @staticmethod
    def value(value: Value) -> Markup:
        """A value of one line; in colours if it is Python's own way to write it."""
        text = value.text.strip()
        return highlighted(text, value.language if is_python(text) else "text")

    @staticmethod
    def course(progress: Progress) -> str:
        """How far a loop has come, how fast it is, and when it will be done."""
        said = [words.share(progress.done, progress.total)]
        if progress.done and progress.elapsed > 0:
            rate = progress.done / progress.elapsed
            said.append(f"{words.figure(rate)}/s")
            said.append(words.duration(progress.elapsed))
            if progress.total and not progress.finished:
                rest = max(0, progress.total - progress.done) / rate
                said.append(f"{words.duration(rest)} left")
        return " · ".join(said)

    @staticmethod
    def settings(control: Control) -> Mapping[str, object]:
        """A control's settings, None for those that it has not."""
        none = dict.fromkeys(("least", "greatest", "step", "longest", "accept", "height", "width"))
        return {**none, "options": (), **control.settings}

    @staticmethod
    def control_value(control: Control) -> str:
        """What a control is set to, in the words of the Markdown report."""
        if control.kind == "sketch":
            return "a drawing" if control.value else "nothing drawn"
        if control.kind == "button":
            return f"pressed {words.count(int(str(control.value or 0)), 'time')}"
        if control.kind == "upload":
            return str(control.value).rpartition("/")[2] if control.value else "no file"
        if control.kind == "checkbox":
            return "yes" if control.value else "no"
        return words.cell(control.value, ".6g") or "(empty)"

    @staticmethod
    def is_picture(value: Cell) -> bool:
        """Whether a cell is a picture."""
        return isinstance(value, Picture)

    @staticmethod
    def is_reference(value: Cell) -> bool:
        """Whether a cell is a link."""
        return isinstance(value, Reference)

    @staticmethod
    def drawing(node: Node) -> Markup:
        """A chart as SVG, for a page without scripts; "" where nothing can draw it."""
        assert isinstance(node.event, Chart)
        svg = charts.draw(node.event.title, node.series, on_paper=False)
        return Markup(svg.decode()) if svg else Markup("")


@cache
def environment() -> jinja2.Environment:
    """Where all templates are; one for all renderers, so that they are compiled once."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(assets.TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def _made(view: PageView, *, times: bool) -> dict[str, str]:
    """How the report was made, in order."""
    opened, closed = view.opened, view.closed
    rows: dict[str, str] = {}
    if opened and opened.command:
        rows["Command"] = opened.command
    if opened and opened.parameters:
        rows["Parameters"] = ", ".join(f"{name} = {value}" for name, value in opened.parameters.items())
    data = [f"{used.path} (SHA-256 {used.sha256[:12]}…)" for used in view.used if used.kind == "data"]
    if data:
        rows["Data"] = ", ".join(data)
    if closed:
        rows |= provenance.shown(closed.provenance, times=times)
    if times and opened and closed:
        rows["Time"] = f"{words.duration(closed.elapsed)}, from {opened.started}"
    rows |= {name: str(value) for name, value in view.metadata.items() if value is not None}
    return rows


def sound(html: str) -> str:
    """`html` without what no page may hold: control characters and halves of characters."""
    return encodable(visible(html))
