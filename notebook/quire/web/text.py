"""The author's Markdown as HTML that can do nothing, read as GitHub reads it."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.tasklists import tasklists_plugin

from quire.terminal_text import encodable
from quire.web.formulas import mathml
from quire.web.highlighting import highlighted

Address = Callable[[str], str]
"""Gives the URL of a file of the report, or "" if there is none of this name."""

# Read in less than two seconds even if it is made to be slow; longer text is shown as it is.
_LONGEST = 60_000
_SCHEMES = {"http", "https", "mailto", "ftp"}
_TAGS = (nh3.ALLOWED_TAGS | {"input", "section"}) - {"area", "map", "center"}
_ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "width", "height"},
    "th": {"align", "colspan", "rowspan", "scope"},
    "td": {"align", "colspan", "rowspan"},
    "ol": {"start"},
    "details": {"open"},
    "input": {"type", "checked", "disabled"},
}
# Formulas and code are made here and need no cleaning: they are put in their places afterwards.
_OPEN, _CLOSE = "\ue000", "\ue001"
_PLACE = re.compile(f"{_OPEN}(\\d+){_CLOSE}")
_TABLE = re.compile(r"<table[^>]*>.*?</table>", re.DOTALL)
_EMPTY_HEAD = re.compile(r"<th([^>]*)></th>")


def to_html(markdown: str, address: Address) -> Markup:
    """Blocks of Markdown as HTML.

    Links and pictures that are files of the report lead to what `address` says; other pictures become
    links, so that opening a page asks nothing of anybody else.
    """
    if len(markdown) > _LONGEST:
        return Markup(f'<pre class="plain">{escape(markdown)}</pre>')
    return _place(*_render(markdown, inline=False), address)


def inline(markdown: str, address: Address) -> Markup:
    """A line of Markdown as HTML."""
    return _place(*_render(markdown[:_LONGEST], inline=True), address)


@lru_cache(maxsize=256)
def _render(markdown: str, *, inline: bool) -> tuple[str, tuple[str, ...]]:
    """The HTML, not cleaned yet, and what belongs in its marked places."""
    made: list[str] = []
    environment = {"made": made}
    text = encodable(markdown).replace(_OPEN, "").replace(_CLOSE, "")
    try:
        html = _PARSER.renderInline(text, environment) if inline else str(_PARSER.render(text, environment))
    except RecursionError:
        return f"<pre>{escape(markdown)}</pre>", ()
    return html, tuple(made)


def _place(html: str, made: Sequence[str], address: Address) -> Markup:
    clean = nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES | {"data"},
        attribute_filter=lambda tag, name, value: _allowed(tag, name, value, address),
        link_rel="noopener noreferrer",
    )
    framed = _TABLE.sub(lambda found: f'<div class="scroll" tabindex="0">{found[0]}</div>', clean)
    framed = _EMPTY_HEAD.sub(r"<td\1></td>", framed)
    return Markup(_PLACE.sub(lambda found: made[int(found[1])] if int(found[1]) < len(made) else "", framed))


def _allowed(tag: str, name: str, value: str, address: Address) -> str | None:
    if (tag, name) == ("a", "href"):
        return href(value, address) or None
    if (tag, name) == ("img", "src"):
        return None if _scheme(value) else address(value) or None
    if (tag, name) == ("input", "type"):
        return "checkbox"
    return value


def href(value: str, address: Address) -> str:
    """Where a link leads: elsewhere, to a place on the page, to a file of the report, or nowhere ("")."""
    scheme = _scheme(value)
    if value.startswith("#"):
        return value
    if scheme or value.startswith(("/", "\\")):
        return value if scheme in _SCHEMES else ""
    return address(value)


def _scheme(value: str) -> str:
    """The scheme of an address as browsers see it: they skip control characters and blanks."""
    try:
        return urlsplit(re.sub(r"[\x00-\x20]", "", value)).scheme.lower()
    except ValueError:
        return "invalid"


def _parser() -> MarkdownIt:
    parser = MarkdownIt("gfm-like", {"linkify": True, "html": True})
    parser.use(dollarmath_plugin, allow_digits=False, double_inline=True)
    parser.use(tasklists_plugin)
    for name, rule in _RULES.items():
        parser.add_render_rule(name, rule)
    return parser


def _keep(environment: Any, html: str) -> str:
    environment["made"].append(html)
    return f"{_OPEN}{len(environment['made']) - 1}{_CLOSE}"


def _math(display: bool) -> Callable[..., str]:
    def rule(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, environment: Any) -> str:
        html = mathml(tokens[index].content, display=display)
        return _keep(environment, f'<div class="math" tabindex="0">{html}</div>' if display else str(html))

    return rule


def _fence(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, environment: Any) -> str:
    language = tokens[index].info.strip().partition(" ")[0]
    code = highlighted(tokens[index].content, language)
    return _keep(environment, f'<pre class="source" tabindex="0"><code>{code}</code></pre>')


def _image(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, environment: Any) -> str:
    token = tokens[index]
    source = str(token.attrs.get("src", ""))
    alt = self.renderInlineAsText(token.children, options, environment)
    if _scheme(source):
        return f'<a href="{escape(source)}">{escape(alt or source)}</a>'
    return f'<img src="{escape(source)}" alt="{escape(alt)}">'


def _aligned(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, environment: Any) -> str:
    token = tokens[index]
    style = str(token.attrs.get("style", ""))
    return f'<{token.tag} align="{style.rpartition(":")[2]}">' if style else f"<{token.tag}>"


_RULES: Mapping[str, Callable[..., str]] = {
    "math_inline": _math(False),
    "math_inline_double": _math(True),
    "math_block": _math(True),
    "fence": _fence,
    "code_block": _fence,
    "image": _image,
    "th_open": _aligned,
    "td_open": _aligned,
}
_PARSER = _parser()
