"""Blocks below the cells of a notebook, whose page has a style of its own."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from quire.events import Event
from quire.tree import Node, Tree
from quire.web.inline import CellWriter
from tests.web.conftest import SCHEMES, Open
from tests.web.events import everything
from tests.web.test_content import hostile

# Such rules as notebooks have for what stands below their cells.
_HOST = """
.host h1, .host h2 { color: red; font: 40px cursive; margin: 50px; }
.host p, .host li { line-height: 3; color: red; }
.host tbody tr:nth-child(odd) { background: lime; }
.host table { margin: 30px auto; border: 5px solid red; }
.host table td, .host table th { text-align: center; padding: 40px; font-size: 8px; }
.host pre, .host code, .host pre code { background: yellow; color: blue; border: 3px dashed; }
.host :not(pre) > code { padding: 20px; }
.host details > summary, .host figure { display: inline; float: right; }
.host section.admonition, .host div { box-shadow: 0 0 9px red; letter-spacing: 2px; }
"""
_LOOKS = """
    () => [...document.querySelectorAll(".quire-cell, .quire-cell *")].map((element) => {
        const style = getComputedStyle(element);
        return element.tagName + "." + element.className + ": " + ["color", "backgroundColor", "display",
            "fontFamily", "fontSize", "lineHeight", "margin", "padding", "border", "textAlign", "float",
            "width"].map((name) => name + " " + style[name]).join("; ");
    })
"""
_HOST_LOOKS = "() => JSON.stringify([...getComputedStyle(document.querySelector('#theirs'))].map(" + (
    "(name) => getComputedStyle(document.querySelector('#theirs'))[name]))"
)


def cells(events: list[Event], folder: Path) -> str:
    """All blocks of a report as the outputs of cells."""

    def no_file(block: object) -> tuple[str, object]:
        raise OSError("not in this test")

    tree = Tree(no_file, colours=True)  # type: ignore[arg-type]
    for event in events:
        tree.add(event)

    def address(page: str, href: str) -> str:
        path = folder / href
        if not path.is_file():
            return ""
        return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"

    writer = CellWriter(address, lambda page, href: None, times=True)
    nodes = [node for node in tree.root.inside if isinstance(node, Node)]
    return writer.style() + "".join(f"<div>{writer.block(node)}</div>" for node in nodes)


def write(folder: Path, name: str, inside: str, *, style: str = "", theme: str = "") -> str:
    """A page as of a notebook; its URL."""
    (folder / name).write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Notebook</title><style>{style}</style>'
        f'<body {theme} class="host"><main><h1 id="theirs">A <code>page</code></h1>{inside}</main>',
        "utf-8",
    )
    return f"file://{folder}/{name}"


def test_the_style_of_the_notebook_and_that_of_blocks_leave_each_other_alone(
    tmp_path: Path, open_page: Open
) -> None:
    inside = cells(everything(tmp_path), tmp_path)
    alone = open_page(write(tmp_path, "alone.html", inside))
    within = open_page(write(tmp_path, "within.html", inside, style=_HOST))
    looks = [alone.evaluate(_LOOKS), within.evaluate(_LOOKS)]
    assert len(looks[0]) > 100
    assert looks[0] == looks[1]
    bare = open_page(write(tmp_path, "bare.html", "", style=_HOST))
    assert bare.evaluate(_HOST_LOOKS) == within.evaluate(_HOST_LOOKS)


@pytest.mark.parametrize("is_light", [True, False])
def test_blocks_are_light_or_dark_as_the_notebook_is(
    is_light: bool, tmp_path: Path, open_page: Open, axe: Callable[[Page], list[str]]
) -> None:
    theme = f'data-jp-theme-light="{str(is_light).lower()}"'
    ground = f"body {{ background: {'white' if is_light else '#111'}; }} #theirs {{ display: none }}"
    url = write(tmp_path, "n.html", cells(everything(tmp_path), tmp_path), style=ground, theme=theme)
    page = open_page(url)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        colour = page.evaluate("getComputedStyle(document.querySelector('.quire-cell')).color")
        assert colour == ("rgb(29, 31, 35)" if is_light else "rgb(220, 223, 228)")
        # What is wrong with a heading or a landmark is the notebook's page, which is none here.
        assert [told for told in axe(page) if told.startswith("color-contrast")] == []


def test_nothing_hostile_acts_in_a_notebook(tmp_path: Path, open_page: Open) -> None:
    page = open_page(write(tmp_path, "n.html", cells(hostile(tmp_path), tmp_path)))
    page.evaluate(
        "document.querySelectorAll('.quire-cell *').forEach((e) => e.dispatchEvent(new Event('mouseover')))"
    )
    assert page.evaluate("window.hit") is None
    assert page.locator(".quire-cell :is(script, iframe, form, base, meta, link, style)").count() == 0
    assert page.locator(".quire-cell a[href^='javascript' i]").count() == 0
