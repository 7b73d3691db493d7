"""Names that last: anchors of headings, keys of blocks, names of files."""

import re
import unicodedata
from pathlib import PurePosixPath

_MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|<[^>]*>")
_EMPHASIS = re.compile(r"(?<!\w)_+|_+(?!\w)")
_NOT_IN_ANCHOR = re.compile(r"[^\w\- ]")
_NOT_IN_FILE = re.compile(r"[^\w.\-]+")
# Windows opens devices by these names, whatever the extension.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
# Most file systems allow 255 bytes; a suffix for uniqueness and one for a temporary file must fit too.
_LONGEST = 120


def anchor(heading: str) -> str:
    """The anchor that GitHub derives from the Markdown text of a heading."""
    text = _EMPHASIS.sub("", without_links(heading)).strip().lower()
    return _NOT_IN_ANCHOR.sub("", text).replace(" ", "-")


def without_links(markdown: str) -> str:
    """A line of Markdown with its links and tags taken off, but not what they hold."""
    return _MARKUP.sub(r"\1", markdown)


def plain(markdown: str) -> str:
    """A line of Markdown as plain text."""
    return re.sub(r"[*`]|\\(?=\W)", "", _EMPHASIS.sub("", without_links(markdown))).strip()


def slug(text: str) -> str:
    """`text` as a short ASCII or Unicode word list joined by single hyphens, never empty."""
    words = re.findall(r"[^\W_]+", anchor(text))
    return _cut("-".join(words), 60).strip("-") or "block"


def file_name(name: str) -> str:
    """`name` as the name of one file that every operating system accepts, in no folder.

    Folders become hyphens, devices of Windows get an underscore, and what is too long is cut
    before its extension.
    """
    flat = _NOT_IN_FILE.sub("-", unicodedata.normalize("NFC", name).replace("\0", ""))
    flat = re.sub(r"\.*-[.\-]*", "-", flat).strip("-. ")
    stem, dot, suffix = flat.rpartition(".")
    if not dot or len(suffix) > 12:
        stem, dot, suffix = flat, "", ""
    stem = _cut(stem, _LONGEST).strip("-. ") or "file"
    if stem.partition(".")[0].lower() in _DEVICES:
        stem = f"_{stem}"
    return f"{stem}{dot}{suffix}"


def is_beneath(name: str) -> bool:
    """Whether `name` stays in its folder: a list that was edited must not lead us out of it."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\0" not in name


def _cut(text: str, most: int) -> str:
    """The longest beginning of `text` whose UTF-8 takes at most `most` bytes."""
    return text.encode("utf-8", "ignore")[:most].decode("utf-8", "ignore")


class Names:
    """Names given out so far, unique even where letter case is not told apart."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def unique(self, name: str, *, first: int = 2) -> str:
        """`name`, or `name` numbered from `first` (before its extension) if it is taken."""
        stem, dot, suffix = name.partition(".")
        candidate, number = name, self._next.get(name.casefold(), first)
        while candidate.casefold() in self._taken:
            candidate, number = f"{stem}-{number}{dot}{suffix}", number + 1
        self._next[name.casefold()] = number
        self._taken.add(candidate.casefold())
        return candidate
