"""What a terminal would show of the text that programs write to it."""

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Colours and cursor movements (CSI), titles and links (OSC), other strings, and the short ones.
_ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"
    r"|\x1b[ -/]*[0-~]"
)
# A line that is longer is not waited for.
_LONGEST = 1 << 16


class TerminalText:
    """Makes lines of text without control characters from text that comes in pieces.

    A carriage return begins the line anew, as progress bars want it, and a backspace steps back;
    colours and other escape sequences are left out; any other control character becomes the sign
    that stands for it.
    """

    def __init__(self) -> None:
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
            *before, last = self._pending.split("\r")
            self._pending = f"{_overwritten(before)}\r{last}"
        if len(self._pending) > _LONGEST:
            lines.append(self._pending)
            self._pending = ""
            return "\n".join(map(clean, lines))
        return "".join(f"{clean(line)}\n" for line in lines)

    @property
    def pending(self) -> str:
        """The line that has begun."""
        return clean(self._pending)


def clean(line: str) -> str:
    """What a terminal shows of one line, without its newline."""
    if not _CONTROL.search(line):
        return line
    plain = _ESCAPE.sub("", line)
    if "\b" in plain or "\r" in plain:
        plain = _overwritten(map(_stepped_back, plain.split("\r")))
    return visible(plain)


def visible(text: str) -> str:
    """`text` with a sign for every control character but newlines and tabs."""
    return _CONTROL.sub(lambda found: _sign(ord(found[0])), text)


def _overwritten(parts: "list[str] | map[str]") -> str:
    shown = ""
    for part in parts:
        shown = part + shown[len(part) :]
    return shown


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
