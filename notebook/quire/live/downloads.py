"""A report in one piece: as an HTML file that needs nothing else, and as a zip of its Markdown and files."""

import io
import zipfile
from dataclasses import replace
from typing import BinaryIO

from quire.live.run_view import RunView
from quire.web.export import export

_PIECE = 1 << 18


def html(run: RunView, above: tuple[str, str] | None = None) -> str:
    """The report as one HTML document, with its pages, pictures and files within it.

    Args:
        run: the report.
        above: the title and the address of a page to go back to.
    """

    def read(page: str, href: str) -> bytes | None:
        opened = run.file(page, href)
        if opened is None:
            return None
        with opened:
            return opened.read()

    return export(replace(run.feed.view(""), above=above), read, times=run.feed.renderer.times)


def packed(run: RunView) -> bytes:
    """A zip of the report's Markdown and files, all that Quire wrote for it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, opened in run.all_files():
            with opened:
                _pack(archive, f"{run.name}/{name}", opened)
    return stream.getvalue()


def _pack(archive: zipfile.ZipFile, name: str, opened: BinaryIO) -> None:
    with archive.open(name, "w") as target:
        while piece := opened.read(_PIECE):
            target.write(piece)
