"""A block as HTML in a page that is not Quire's: below the cell of a notebook."""

import re
from collections.abc import Callable
from functools import cache

from quire.tree import Node
from quire.web import assets
from quire.web.renderer import Renderer

# Three times, so that it outweighs what a notebook says of the elements within it.
_SCOPE = ".quire-cell" * 3
_REST = """
& { all: initial; display: block; }
*:where(:not(img, progress, svg, svg *, math, math *)) { all: revert; }
"""
_OWN = """
& { color-scheme: light dark; font-size: 16px; padding: 0.3rem 0.2rem; max-width: 800px; }
& > div > * { margin-top: 0 !important; margin-bottom: 0 !important; }
.result > :last-child { margin-bottom: 0; }
.tools, .permalink { display: none; }
:is([data-jp-theme-light], .vscode-light, .vscode-dark, [theme]) & { background: none; }
:is([data-jp-theme-light="true"], .vscode-light, [theme="light"]) & { color-scheme: light; }
:is([data-jp-theme-light="false"], .vscode-dark, [theme="dark"]) & { color-scheme: dark; }
"""
# MathJax, which notebooks load, must leave alone dollars that are none of its business.
_FRAME = '<div class="quire-cell tex2jax_ignore mathjax_ignore"><div>{}</div></div>'


class CellWriter:
    """Writes blocks as HTML that neither changes the page around it nor is changed by it.

    Args:
        address: gives the URL of a file; see `Renderer`.
        pixels: gives the size of a picture; see `Renderer`.
        times: whether to say how long each block took.
    """

    kind = "text/html"

    def __init__(
        self,
        address: Callable[[str, str], str],
        pixels: Callable[[str, str], tuple[int, int] | None],
        *,
        times: bool,
    ) -> None:
        self._renderer = Renderer(address=address, live=False, times=times, pixels=pixels)

    def style(self) -> str:
        """The style of all blocks, once for each cell: notebooks take cells away that are out of sight."""
        return _style()

    def block(self, node: Node) -> str:
        """A block with all within it."""
        return _FRAME.format(self._renderer.block(node))


@cache
def _style() -> str:
    css = re.sub(r"/\*.*?\*/", "", assets.style(), flags=re.DOTALL)
    # What the page says of itself holds here for the frame.
    css = re.sub(r":root|(?<![\w.-])body(?![\w-])", "&", css)
    rules = " ".join((_REST + css + _OWN).split())
    return f"<style>{_SCOPE} {{ {rules} }}</style>"
