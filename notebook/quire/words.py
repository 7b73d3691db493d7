"""Figures and places as people read them."""

import math
from pathlib import Path

from quire.events import Cached


def duration(seconds: float) -> str:
    """A time with two or three figures: `40 µs`, `0.65 s`, `12.3 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def figure(value: float) -> str:
    """A number with three figures, and never an exponent: `0.123`, `19.7`, `1,600`."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def size(count: int) -> str:
    """A number of bytes: `512 bytes`, `1.4 kB`, `7.7 MB`."""
    if count < 1000:
        return f"{count} bytes"
    value = float(count)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.5:
            return f"{value:.{1 if value < 99.5 else 0}f} {unit}"
    return f"{value / 1000:.1f} TB"


def count(number: int, noun: str) -> str:
    """A number with its noun: `1 row`, `2,000 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def place(path: Path) -> str:
    """A path as one would type it here: relative to the working folder if it lies below it."""
    whole = path.absolute()
    try:
        here = Path.cwd()
    except FileNotFoundError:
        return str(whole)
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)


def share(done: int, total: int | None) -> str:
    """How far something has come: `120 of 500 (24 %)`, or `120` where the whole is not known."""
    return f"{done:,}" if not total else f"{done:,} of {total:,} ({100 * done // total} %)"


def cached(event: Cached, *, times: bool = True) -> str:
    """Where a value came from: `from cache, computed in 3 min 32 s on 2026-11-24`; why it is not kept.

    Without times it is not said: a report is the same whether a value was in the cache or not.
    """
    if event.note:
        return f"not kept in the cache: {event.note}"
    if not times:
        return ""
    if event.is_kept:
        return f"from cache, computed in {duration(event.elapsed)} on {event.computed.partition('T')[0]}"
    return f"computed in {duration(event.elapsed)}, now in the cache"


def cell(value: object, format_: str = "") -> str:
    """What stands in a cell of a table: numbers with four figures, or as the column's format says."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return format(value, format_ or (".4g" if isinstance(value, float) else ""))


def in_a_line(text: str, most: int = 300) -> str:
    """The beginning of a text, in one line."""
    return " ".join(text[:most].split())
