"""Formulas in TeX as MathML, which a browser shows without a script or a font."""

import re
from functools import lru_cache

import math_core
from markupsafe import Markup, escape

from quire.terminal_text import encodable

# A formula that needs more is none that anybody reads. The converter recurses for each brace and each
# command, in native code that a deep enough nesting would end: this many take a quarter of a stack.
_LONGEST, _MOST_PARTS = 10_000, 700
_PARTS = re.compile(r"[\\{^_]")
_STYLE = re.compile(r' style="([^"]*)"')
_CLASSES = {
    "text-align: right": "m-right",
    "text-align: left": "m-left",
    "border-right": "m-rule-right",
    "border-left": "m-rule-left",
    "border-top": "m-rule-top",
    "border-bottom": "m-rule-bottom",
}
_converter = math_core.LatexToMathML(annotation=True, max_expansions=1000)


@lru_cache(maxsize=1024)
def mathml(tex: str, *, display: bool) -> Markup:
    """`tex` as a `<math>` element; where it cannot be read as one, its source as it is."""
    tex = encodable(tex.strip())
    if tex and len(tex) <= _LONGEST and len(_PARTS.findall(tex)) <= _MOST_PARTS:
        try:
            math = _converter.convert_with_local_state(tex, displaystyle=display)
        except math_core.LatexError:
            pass
        else:
            return Markup(_STYLE.sub(_as_classes, math))
    tag = "pre" if display else "code"
    return Markup(f'<{tag} class="tex">{escape(tex)}</{tag}>')


def _as_classes(found: re.Match[str]) -> str:
    """The styles that the converter sets, as classes: the page's policy allows no style attributes."""
    names = [name for style, name in _CLASSES.items() if style in found[1]]
    return f' class="{" ".join(names)}"' if names else ""
