"""What a site generator's Markdown needs otherwise than GitHub's."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from quire.errors import ReportError

# Where these are all that an anchor holds, every generator derives the same one from its heading.
_COMMON_ANCHOR = re.compile(r"[a-z0-9_]+(-[a-z0-9_]+)*")


@dataclass(frozen=True, kw_only=True)
class Flavour:
    """How the Markdown of a report is written for one kind of reader.

    Attributes:
        document: the name of every page's file; "" if it has that of its folder.
        document_above: the same of a page that has pages below it.
        target: what a link to a page names in the page's folder; "" for the folder itself.
        fields: what the front matter says besides.
        fields_above: the same of a page that has pages below it, besides `fields`.
        admonitions: how a part set apart is written: as GitHub's alert, as a quotation, or as an element
            with the classes that Python-Markdown gives it.
        inside: the attribute that has Markdown within an HTML element read as such.
        indent: by how many spaces an inner list stands further in.
        is_site: whether the page leaves the work tree, so that paths to code lead nowhere from it.
        has_title: whether the page writes its title itself, or the site's layout does.
        literal: makes a page's text one in which the generator finds no templates.
    """

    document: str = ""
    document_above: str = ""
    target: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    fields_above: Mapping[str, str] = field(default_factory=dict)
    admonitions: Literal["alert", "quotation", "element"] = "alert"
    inside: str = ""
    indent: int = 2
    is_site: bool = False
    has_title: bool = True
    literal: Callable[[str], str] = str

    def address(self, folder: str, name: str) -> str:
        """The address of the page `name` in `folder`, which is relative to the page that links there."""
        return f"{folder}/{self.target if self.is_site else f'{name}.md'}"

    def is_found(self, anchor: str) -> bool:
        """Whether links to `anchor` find the heading from which GitHub derives it."""
        return not self.is_site or bool(_COMMON_ANCHOR.fullmatch(anchor))

    def code_link(self, link: str) -> str:
        """A link to lines of code, or "" if they are not to be found from the page."""
        return "" if self.is_site and "://" not in link else link

    def opening(self, element: str) -> str:
        """The tag that opens an HTML element, given with its attributes, in which Markdown stands."""
        return f"<{element} {self.inside}>" if self.inside else f"<{element}>"

    def admonition(self, severity: str, title: str, body: str) -> str:
        """A part set apart from the text; `title` and `body` are Markdown."""
        if self.admonitions == "element":
            box = self.opening(f'div class="admonition {severity}"')
            head = self.opening('p class="admonition-title"') + (title or severity.capitalize())
            return f"{box}\n{head}</p>\n\n{body}\n\n</div>"
        if self.admonitions == "alert":
            head = f"[!{severity.upper()}]\n" + (f"**{title}**\n\n" if title else "")
        else:
            head = f"**{severity.capitalize()}{f': {title}' if title else ''}**\n\n"
        return quoted(f"{head}{body}".rstrip())


def quoted(markdown: str) -> str:
    """Markdown as a block quote."""
    return "\n".join(f"> {line}".rstrip() for line in markdown.split("\n"))


def _without_shortcodes(text: str) -> str:
    """A page in which Hugo finds no shortcodes: one comment of Hugo's, whose ends are comments of HTML.

    Raises:
        ReportError: the text ends such comments itself.
    """
    if "{{<" not in text and "{{%" not in text:
        return text
    for left, right in (("{{<", ">}}"), ("{{%", "%}}")):
        if f"*/{right}" not in text:
            return f"<!-- {left}/* -->\n\n{text}\n<!-- */{right} -->\n"
    raise ReportError("the report holds both `*/>}}` and `*/%}}`, which Hugo cannot be kept from reading")


def _without_liquid(text: str) -> str:
    """A page in which Jekyll finds nothing of Liquid's."""
    if "{{" not in text and "{%" not in text:
        return text
    # What would end the part that is taken as it is: its first two characters are written by Liquid.
    inner = re.sub(r"\{%(?=-?\s*endraw)", '{% endraw %}{{ "{%" }}{% raw %}', text)
    return f"{{% raw %}}\n{inner}{{% endraw %}}\n"


GITHUB = Flavour()
"""GitHub's, GitLab's and VS Code's: what a report is written in."""

FLAVOURS = {
    "hugo": Flavour(
        document="index.md",
        # A page with pages below it is a section to Hugo, but is to look like the others.
        document_above="_index.md",
        fields_above={"layout": "single"},
        admonitions="quotation",
        is_site=True,
        has_title=False,
        literal=_without_shortcodes,
    ),
    "jekyll": Flavour(
        document="index.md",
        document_above="index.md",
        fields={"layout": "page"},
        admonitions="quotation",
        inside='markdown="1"',
        is_site=True,
        has_title=False,
        literal=_without_liquid,
    ),
    "mkdocs": Flavour(
        document="index.md",
        document_above="index.md",
        target="index.md",
        admonitions="element",
        inside='markdown="1"',
        indent=4,
        is_site=True,
    ),
}
"""Of the site generators that `quire export` writes for, by name."""
