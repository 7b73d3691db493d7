"""The values that a parameter takes in a sweep, as the command line gives them."""

import difflib
import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from quire.errors import ParameterError

MOST = 100_000
"""How many rows a sweep may have."""

_NUMBERS = re.compile(r"(-?\d+):(-?\d+)(?::(-?\d+))?")
_SPAN = re.compile(r"(log:)?(.+?)\.\.(.+)")
# A number that is drawn has so many figures: it stands in names and commands.
_FIGURES = 4


@dataclass(frozen=True)
class Listed:
    """Values that are taken one after the other, or drawn from."""

    name: str
    values: Sequence[Any]

    def draw(self, source: random.Random) -> Any:
        """One of them."""
        return source.choice(self.values)


@dataclass(frozen=True)
class Span:
    """Numbers to draw from, both ends included; of even logarithms if `is_log`."""

    name: str
    least: float
    greatest: float
    is_log: bool

    def draw(self, source: random.Random) -> float:
        """A number; a whole one if both ends are."""
        is_whole = isinstance(self.least, int) and isinstance(self.greatest, int)
        # What is cut to a whole number must reach beyond the last one.
        low, high = self.least, self.greatest + is_whole
        if self.is_log:
            drawn = math.exp(source.uniform(math.log(low), math.log(high)))
        else:
            drawn = source.uniform(low, high)
        rounded = math.floor(drawn) if is_whole else float(f"{drawn:.{_FIGURES}g}")
        return min(max(rounded, self.least), self.greatest)


class Parameters:
    """The parameters of a demo, which read their values as the command line does.

    Args:
        options: an option for each.
    """

    def __init__(self, options: Sequence[click.Option]) -> None:
        self.options = {str(option.name): option for option in options}

    def named(self, name: str, where: str) -> click.Option:
        """The parameter of this name, with hyphens or underscores.

        Raises:
            ParameterError: there is none; the message, which begins with `where`, names the nearest.
        """
        plain = name.strip().replace("-", "_")
        if plain in self.options:
            return self.options[plain]
        near = difflib.get_close_matches(plain, self.options, n=1)
        known = ", ".join(self.options) or "none"
        told = f"did you mean {near[0]}?" if near else f"the parameters are: {known}"
        raise ParameterError(f"{where}: the demo has no parameter {name.strip()!r}; {told}")

    def axis(self, text: str) -> "Listed | Span":
        """What `--set` was given, such as `seed=0:5`.

        Raises:
            ParameterError: it cannot be read, or a value is none for the parameter.
        """
        where = f"--set {text}"
        name, equals, told = text.partition("=")
        if not equals or not name.strip():
            raise ParameterError(f"{where}: write NAME=V1,V2,… or NAME=A:B or, to draw from, NAME=A..B")
        option = self.named(name, where)
        span = _SPAN.fullmatch(told)
        if _is_number(option) and span:
            return _span(option, span, where)
        found = [value for part in told.split(",") for value in _listed(option, part, where)]
        return Listed(str(option.name), found)


def read(option: click.Option, text: str, where: str) -> Any:
    """The value of a parameter in a text.

    Raises:
        ParameterError: it is none; the message begins with `where`.
    """
    try:
        return option.type.convert(text, option, None)
    except click.BadParameter as error:
        raise ParameterError(f"{where}: {error.message.rstrip('.')}") from None


def _is_number(option: click.Option) -> bool:
    return option.type.name in (click.INT.name, click.FLOAT.name)


def _listed(option: click.Option, part: str, where: str) -> list[Any]:
    numbers = _NUMBERS.fullmatch(part.strip())
    if not (numbers and _is_number(option)):
        return [read(option, part.strip() if _is_number(option) else part, where)]
    first, end, step = (int(number or 1) for number in numbers.groups())
    if not step or not range(first, end, step):
        raise ParameterError(
            f"{where}: {part} holds no number; the end is not included, as in Python's range"
        )
    found = range(first, end, step)
    if len(found) > MOST:
        raise ParameterError(
            f"{where}: {part} holds {len(found):,} numbers, and a sweep at most {MOST:,} rows"
        )
    return [read(option, str(number), where) for number in found]


def _span(option: click.Option, span: re.Match[str], where: str) -> Span:
    least, greatest = (read(option, end.strip(), where) for end in span.groups()[1:])
    if not least < greatest or not math.isfinite(greatest - least):
        raise ParameterError(f"{where}: a range goes from a smaller number to a greater one")
    if span[1] and least <= 0:
        raise ParameterError(f"{where}: numbers of even logarithms are greater than 0, so must both ends be")
    return Span(str(option.name), least, greatest, is_log=bool(span[1]))
