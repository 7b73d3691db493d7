"""The colours of terminals as classes of HTML elements."""

import colorsys
import re

from markupsafe import Markup, escape

from quire.terminal_text import COLOUR

_NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"]
_FLAGS = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "struck"}
_OFF = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("inverse",), 29: ("struck",)}
_LEVELS = [0, 95, 135, 175, 215, 255]


def to_html(text: str) -> Markup:
    """`text`, in which only sequences that set colours are left, as HTML."""
    if "\x1b" not in text:
        return Markup(escape(text))
    style = _Style()
    parts: list[str] = []
    for number, part in enumerate(COLOUR.split(text)):
        if number % 2:
            style.set([int(code or 0) for code in re.split("[;:]", part[2:-1])])
        elif part:
            classes = style.classes
            parts.append(f'<span class="{classes}">{escape(part)}</span>' if classes else escape(part))
    return Markup("".join(parts))


class _Style:
    """What a terminal's next character looks like.

    The page has eight colours, bright enough to be read on its own ground, light or dark; those of the
    256 and of the 16 million are shown in the nearest of them.
    """

    def __init__(self) -> None:
        self._colours = {"fg": "", "bg": ""}
        self._flags: set[str] = set()

    @property
    def classes(self) -> str:
        colours = [f"{ground}-{name}" for ground, name in self._colours.items() if name]
        return " ".join(colours + sorted(self._flags))

    def set(self, codes: list[int]) -> None:
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.__init__()  # type: ignore[misc]
            elif code in _FLAGS:
                self._flags.add(_FLAGS[code])
            elif code in _OFF:
                self._flags -= set(_OFF[code])
            elif code in (38, 48):
                self._colours["fg" if code == 38 else "bg"] = _extended(codes)
            elif code % 60 // 10 in (3, 4) and code < 108:
                ground = "fg" if code % 60 // 10 == 3 else "bg"
                self._colours[ground] = _NAMES[code % 10] if code % 10 < 8 else ""


def _extended(codes: list[int]) -> str:
    """The colour that `5;N` or `2;R;G;B` names; takes these codes off the list."""
    kind = codes.pop(0) if codes else 0
    if kind == 5 and codes:
        return _indexed(codes.pop(0))
    if kind == 2 and len(codes) >= 3:
        red, green, blue = codes[:3]
        del codes[:3]
        return _nearest(red, green, blue)
    return ""


def _indexed(index: int) -> str:
    if index < 16:
        return _NAMES[index % 8]
    if index >= 232:
        return _nearest(*[8 + 10 * (index - 232)] * 3)
    index -= 16
    return _nearest(_LEVELS[index // 36 % 6], _LEVELS[index // 6 % 6], _LEVELS[index % 6])


def _nearest(red: int, green: int, blue: int) -> str:
    hue, saturation, value = colorsys.rgb_to_hsv(*(min(part, 255) / 255 for part in (red, green, blue)))
    if saturation < 0.25 or value < 0.2:
        return "black" if value < 0.5 else "white"
    return ["red", "yellow", "green", "cyan", "blue", "magenta"][round(hue * 6) % 6]
