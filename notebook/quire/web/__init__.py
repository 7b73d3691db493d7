"""A report as HTML: the page that a browser gets while the run goes on, and the one file to keep.

Nothing here knows servers or sockets. `Renderer` makes HTML of blocks and pages, `export` makes the one
file, and `assets` are the style and the scripts that a live page links to.
"""

from quire.web.export import export
from quire.web.renderer import Renderer
from quire.web.view import PageView

__all__ = ["PageView", "Renderer", "export"]
