"""What a terminal would show of the text that programs write to it."""

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Colours and cursor movements (CSI), titles and links (OSC), other strings, and the short ones.
COLOUR = re.compile(r"(\x1b\[[0-9;:]*m)")
"""The escape sequence that sets colours and weight ("select graphic rendition")."""
_ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"
    r"|\x1b[ -/]*[0-~]"
)
_PIECES = re.compile(rf"{COLOUR.pattern[1:-1]}|.", re.DOTALL)
_RESETS = {"\x1b[0m", "\x1b[m"}
# A line that is longer is not waited for.
_LONGEST = 1 << 16


class TerminalText:
    """Makes lines of text without control characters from text that comes in pieces.

    A carriage return begins the line anew, as progress bars want it, and a backspace steps back;
    escape sequences are left out; any other control character becomes the sign that stands for it.

    Args:
        colours: whether to keep the sequences that set colours, for who can show them.
    """

    def __init__(self, *, colours: bool = False) -> None:
        self._clean = coloured if colours else clean
        self._overwritten = _overwritten_in_colour if colours else _overwritten_line
        self._pending = ""

    def feed(self, text: str) -> str:
        """The lines that `text` completes."""
        text = self._pending + text
        if not _CONTROL.search(text) and len(text) < _LONGEST * 64:
            ready, newline, self._pending = text.rpartition("\n")
            return ready + newline
        *lines, self._pending = text.split("\n")
        if "\r" in self._pending:
            # A bar that is drawn a million times is one line still.
            before, _, last = self._pending.rpartition("\r")
            self._pending = f"{self._overwritten(before)}\r{last}"
        if len(self._pending) > _LONGEST:
            lines.append(self._pending)
            self._pending = ""
            return "\n".join(map(self._clean, lines))
        return "".join(f"{self._clean(line)}\n" for line in lines)

    @property
    def pending(self) -> str:
        """The line that has begun."""
        return self._clean(self._pending)


def clean(line: str) -> str:
    """What a terminal shows of one line, without its newline."""
    if not _CONTROL.search(line):
        return line
    plain = _ESCAPE.sub("", line)
    if "\b" in plain or "\r" in plain:
        plain = _overwritten(map(_stepped_back, plain.split("\r")))
    return visible(plain)


def coloured(line: str) -> str:
    """What a terminal shows of one line, with the sequences that set its colours."""
    if not _CONTROL.search(line):
        return line
    kept = _ESCAPE.sub(lambda found: found[0] if COLOUR.fullmatch(found[0]) else "", line)
    if "\b" in kept or "\r" in kept:
        kept = _overwritten_in_colour(kept)
    parts = COLOUR.split(kept)
    return "".join(part if number % 2 else visible(part) for number, part in enumerate(parts))


def visible(text: str) -> str:
    """`text` with a sign for every control character but newlines and tabs."""
    return _CONTROL.sub(lambda found: _sign(ord(found[0])), text)


def encodable(text: str) -> str:
    """`text` with halves of characters, which no file or page can hold, as Python would escape them."""
    return text.encode("utf-8", "backslashreplace").decode()


def _overwritten_line(line: str) -> str:
    return _overwritten(line.split("\r"))


def _overwritten(parts: "list[str] | map[str]") -> str:
    shown = ""
    for part in parts:
        shown = part + shown[len(part) :]
    return shown


def _overwritten_in_colour(line: str) -> str:
    """The cells that a line leaves on the screen, each in the colours that it was written in."""
    cells: list[tuple[str, str]] = []
    style, at = "", 0
    for piece in _PIECES.findall(line):
        if COLOUR.fullmatch(piece):
            style = "" if piece in _RESETS else style + piece
        elif piece == "\r":
            at = 0
        elif piece == "\b":
            at = max(0, at - 1)
        else:
            cells[at : at + 1] = [(style, piece)]
            at += 1
    shown, last = "", ""
    for style, sign in cells:
        shown += sign if style == last else f"\x1b[0m{style}{sign}"
        last = style
    return f"{shown}\x1b[0m" if last else shown


def _stepped_back(part: str) -> str:
    while "\b" in part:
        before, _, after = part.partition("\b")
        part = before[:-1] + after
    return part


def _sign(code: int) -> str:
    """Unicode's picture of a control character."""
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"\\x{code:02x}"
