"""The page's style and scripts: where they are, and under which URLs a page asks for them."""

import base64
import hashlib
import mimetypes
import re
from functools import cache
from pathlib import Path

from quire import embedded

STATIC = Path(__file__).parent / "static"
TEMPLATES = Path(__file__).parent / "templates"
# Made by vl-convert when it is first asked for; see `quire.web.vega`.
BUNDLE = "vega.js"

# The page's policy: nothing but its own files, no styles or scripts within HTML.
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
"""The Content-Security-Policy under which every live page works."""

_IMPORT = re.compile(rb'((?:from|import) "\./[\w-]+\.js)(")')


def names() -> list[str]:
    """The names of all assets but the charts' bundle."""
    return sorted(path.name for path in STATIC.iterdir())


def read(name: str) -> tuple[bytes, str]:
    """An asset's bytes and its media type.

    Raises:
        KeyError: there is none of this name.
    """
    if name == BUNDLE:
        from quire.web import vega

        return vega.bundle(), "text/javascript"
    if name not in names():
        raise KeyError(name)
    data = (STATIC / name).read_bytes()
    if name.endswith(".js"):
        # A module that another one asks for by name is as immutable as the one that asks.
        return _IMPORT.sub(rb"\1?v=%s\2" % version().encode(), data), "text/javascript"
    return data, mimetypes.guess_type(name)[0] or "application/octet-stream"


@cache
def version() -> str:
    """A short hash of all assets. Scripts import one another by name, so they change together."""
    digest = hashlib.sha256()
    for name in names():
        digest.update((STATIC / name).read_bytes())
    return digest.hexdigest()[:12]


def url(name: str) -> str:
    """An asset's URL, relative to the report's page, which changes when any asset does."""
    return f"assets/{name}?v={version()}"


def style() -> str:
    """All of the style as one text, for a file that stands alone."""
    return "".join((STATIC / name).read_text("utf-8") for name in ("page.css", "code.css"))


def policy_alone() -> str:
    """The Content-Security-Policy of a file that stands alone: its own style, pictures within it, no more."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def icon_url(state: str) -> str:
    """The icon that tells a run's state, for a file that stands alone."""
    data, kind = read(f"icon-{icon(state)}.svg")
    return embedded.url(data, kind)


def icon(state: str) -> str:
    """Which of the icons tells a run's state."""
    return {"running": "running", "paused": "paused", "done": "done", "stopped": "done"}.get(state, "failed")
