"""Code with its words marked by classes, which the page's style gives colours."""

import ast
from functools import lru_cache

import pygments
import pygments.formatters
import pygments.lexers
import pygments.util
from markupsafe import Markup, escape

# Longer code is shown plain: nobody reads it, and a browser would hold a hundred thousand elements.
_LONGEST = 100_000
_formatter = pygments.formatters.HtmlFormatter(nowrap=True)


@lru_cache(maxsize=512)
def highlighted(code: str, language: str) -> Markup:
    """`code` as HTML whose text is exactly `code`; plain where nobody knows the language."""
    if language in ("", "text") or len(code) > _LONGEST:
        return Markup(escape(code))
    try:
        # Without these the lexer would strip blank lines and add a newline.
        lexer = pygments.lexers.get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except pygments.util.ClassNotFound:
        return Markup(escape(code))
    html = pygments.highlight(code, lexer, _formatter)
    return Markup(html if code.endswith("\n") else html.removesuffix("\n"))


def is_python(text: str) -> bool:
    """Whether `text` can be read as an expression of Python's; a summary in words cannot."""
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
