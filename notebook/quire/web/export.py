"""A whole report as one HTML file that needs nothing else: no network, no folder, no script."""

import mimetypes
from collections.abc import Callable
from dataclasses import replace

from quire import embedded
from quire.events import Subreport
from quire.printed import Printed
from quire.tree import Node
from quire.web import assets
from quire.web.renderer import Renderer
from quire.web.view import PageView

Read = Callable[[str, str], bytes | None]
"""Gives the bytes of a file, for the key of a page and the file's address there; None if there is none."""

# Larger files stay beside the report: a page of gigabytes is none.
_MOST = 25_000_000


def export(view: PageView, read: Read, *, times: bool = True) -> str:
    """The report as one HTML document: its subreports at its end, its pictures and files within it.

    Only files that blocks of the report name are taken in, whatever its text says.

    Args:
        view: the report's own page.
        read: gives the bytes of a file of the report.
        times: whether to say when the run was and how long it took.
    """
    files = _Files(view.node, read)
    renderer = Renderer(address=files.url, live=False, times=times, pixels=files.pixels)
    return renderer.document(
        view,
        pages=_pages(view),
        policy=assets.policy_alone(),
        style=assets.style(),
        icon=assets.icon_url(view.stands),
    )


class _Files:
    """The files that blocks of the report name, as data URIs."""

    def __init__(self, root: Node, read: Read) -> None:
        self._read = read
        self._known = {
            (node.page.event.key, file)
            for node in root.walk()
            for file in [*node.files, *(part.href for part in node.inside if isinstance(part, Printed))]
        }

    def url(self, page: str, file: str) -> str:
        data = self._data(page, file)
        if data is None or len(data) > _MOST:
            return ""
        kind = mimetypes.guess_type(file)[0] or "application/octet-stream"
        # A document of HTML that is opened from here would be a page of nobody's policy.
        kind = kind if kind.startswith(("image/", "text/plain", "text/csv")) else "application/octet-stream"
        return embedded.url(data, kind)

    def pixels(self, page: str, file: str) -> tuple[int, int] | None:
        """The size of a PNG, from its header."""
        data = self._data(page, file)
        return embedded.pixels(data) if data is not None else None

    def _data(self, page: str, file: str) -> bytes | None:
        return self._read(page, file) if (page, file) in self._known else None


def _pages(view: PageView) -> list[PageView]:
    """The subreports of the report, in order, each with the title of the page above it."""
    pages = []
    for node in view.node.walk():
        if isinstance(node.event, Subreport):
            page = replace(view, node=node, title="")
            above = replace(view, node=node.page, title="" if node.page.event.key else view.title)
            pages.append(replace(page, above=(above.name, "")))
    return pages
