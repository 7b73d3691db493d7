"""The page that lists the reports of a site."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from quire import __version__
from quire.names import plain, without_links
from quire.web import assets, text
from quire.web.renderer import environment, sound


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A report in the list, or a further page of one.

    Attributes:
        href: where it stands, relative to the list.
        title: Markdown.
        sentence: what it says, in a few words; Markdown.
        picture: the URL of a picture of it, what that shows, and its width and height; or None.
        state: how its run stands.
        facts: lines of plain text.
        pages: its further pages.
    """

    href: str
    title: str
    sentence: str = ""
    picture: tuple[str, str, int, int] | None = None
    state: str = "done"
    facts: Sequence[str] = ()
    pages: "list[Item]" = field(default_factory=list)


def listing(title: str, items: Sequence[Item]) -> str:
    """The list as one HTML document that needs nothing but the pages to which it leads."""
    template = environment().get_template("listing.html")
    return sound(
        template.render(
            title=title,
            items=items,
            line=_line,
            plain=plain,
            generator=generator(),
            policy=assets.policy_alone(),
            style=Markup(assets.style()),
            icon=assets.icon_url("done"),
        )
    )


def generator() -> str:
    """What the head of the page says that it was made by."""
    return f"Quire {__version__}, the list of a site"


def _line(markdown: str) -> Markup:
    # A file that the report's text names stands within the report's own page, not here.
    return text.inline(without_links(markdown), lambda href: "")
