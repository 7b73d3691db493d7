"""How a value is shown, by its type and without importing the library of which it might be."""

import base64
import contextlib
import dataclasses
import pprint
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quire.images import Encoded, encode, is_array, is_number_of_numpy, is_picture
from quire.tables import Grid, grid, is_frame, is_rows

# A repr that is longer is cut; a report is not a dump.
_LONGEST = 8_000
_FEW = 16


@dataclass(frozen=True, slots=True)
class Plain:
    """Shown as text, in `language`."""

    text: str
    language: str = "python"


@dataclass(frozen=True, slots=True)
class Marked:
    """Shown as Markdown."""

    markdown: str


@dataclass(frozen=True, slots=True)
class Formula:
    """Shown as a formula in TeX."""

    tex: str


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Shown as HTML that can do nothing."""

    html: str


Shown = Plain | Marked | Formula | Cleaned | Encoded | Grid


def show(value: Any) -> Shown | None:
    """How `value` is best shown; None if there is nothing to show, as for None."""
    if value is None:
        return None
    if is_picture(value):
        return encode(value)
    if is_array(value):
        return Plain(summary(value))
    if is_frame(value):
        # A frame that is no table of named columns (pandas lets two have one name) still shows itself.
        with contextlib.suppress(ValueError):
            return grid(value)
    if rich := _rich(value):
        return rich
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _fields({f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.repr})
    if isinstance(value, Mapping):
        return _fields(value) if _is_flat(value) else Plain(_repr(value))
    if is_rows(value):
        return grid(value)
    if isinstance(value, str) and "\n" in value.strip():
        return Plain(_cut(value), "text")
    return Plain(_repr(value))


def summary(array: Any) -> str:
    """What an array holds, in a line; a small one in full."""
    import numpy as np

    head = f"{array.dtype} array of shape {array.shape}"
    if array.size <= _FEW:
        return f"{array!r}"
    if array.dtype.kind not in "biuf":
        return f"{head}\n{array!r}"
    values = array.astype(np.float64)
    finite = values[np.isfinite(values)]
    broken = array.size - finite.size
    told = f", {broken} not finite" if broken else ""
    if not finite.size:
        return head + told
    return (
        f"{head}, from {finite.min():.4g} to {finite.max():.4g}, "
        f"mean {finite.mean():.4g}, standard deviation {finite.std():.4g}{told}"
    )


def _rich(value: Any) -> Shown | None:
    """The value's own picture, Markdown or HTML of itself, as notebooks ask for it."""
    if isinstance(value, type):
        return None
    bundle = _call(value, "_repr_mimebundle_")
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    offers: dict[str, Any] = dict(data) if isinstance(data, Mapping) else {}
    for kind, method in _KINDS.items():
        content = offers.get(kind) if kind in offers else _call(value, method)
        if content and (shown := _shown_as(kind, content)):
            return shown
    return Plain(_cut(str(offers["text/plain"])), "text") if "text/plain" in offers else None


# In order of preference for a page that cannot run scripts.
_KINDS = {
    "text/markdown": "_repr_markdown_",
    "image/svg+xml": "_repr_svg_",
    "image/png": "_repr_png_",
    "image/jpeg": "_repr_jpeg_",
    "text/latex": "_repr_latex_",
    "text/html": "_repr_html_",
}


def _call(value: Any, method: str) -> Any:
    function = getattr(value, method, None)
    # A class that answers every attribute (a mock, a proxy) offers nothing.
    if not callable(function) or not hasattr(type(value), method):
        return None
    content = function()
    # Some give the data with metadata beside it.
    return content[0] if isinstance(content, tuple) and method != "_repr_mimebundle_" else content


def _shown_as(kind: str, content: Any) -> Shown | None:
    if kind == "text/markdown":
        return Marked(str(content))
    if kind == "text/latex":
        return Formula(str(content).strip().strip("$").strip())
    if kind == "text/html":
        return _cleaned(str(content))
    data = content if isinstance(content, bytes) else _decoded(kind, str(content))
    return encode(data)


def _decoded(kind: str, content: str) -> bytes:
    return content.encode() if kind == "image/svg+xml" else base64.b64decode(content)


def _cleaned(html: str) -> Cleaned | None:
    """The HTML without styles and handlers; None if it lives by its script, or nothing is left to read."""
    if "<script" in html.lower():
        return None
    clean = clean_html(html)
    if not re.sub(r"<[^>]*>|\s|&nbsp;", "", clean):
        return None
    # A blank line would end the HTML where Markdown reads it.
    return Cleaned(re.sub(r"\n\s*\n+", "\n", clean.strip()))


def clean_html(html: str) -> str:
    """The HTML without scripts, styles, pictures and whatever else could act."""
    import nh3

    tags = nh3.ALLOWED_TAGS - {"img"}
    return nh3.clean(
        html, tags=tags, attributes={"*": {"colspan", "rowspan", "align", "title"}, "a": {"href"}}
    )


def _is_flat(mapping: Mapping[Any, Any]) -> bool:
    return bool(mapping) and all(
        isinstance(v, str | int | float | bool | None) or is_array(v) or hasattr(v, "item")
        for v in mapping.values()
    )


def _fields(fields: Mapping[Any, Any]) -> Shown:
    if not fields:
        return Plain(_repr(fields))
    rows = tuple((str(name), summary(value) if is_array(value) else value) for name, value in fields.items())
    return Grid(("name", "value"), rows, len(rows))


def _repr(value: Any) -> str:
    """The repr, laid out over lines if it is long."""
    # NumPy's own form, `np.float64(0.5)`, says less to a reader.
    text = repr(value.item() if is_number_of_numpy(value) else value)
    if len(text) > 100 and isinstance(value, dict | list | tuple | set | frozenset):
        text = pprint.pformat(value, width=100, compact=True, sort_dicts=False)
    # An address in memory tells a reader nothing, and differs in each run.
    return _cut(re.sub(r" at 0x[0-9a-fA-F]+(?=>)", "", text))


def _cut(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    half = _LONGEST // 2
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"
