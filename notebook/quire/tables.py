"""Tables of any kind, made into rows of cells."""

import csv
import io
import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quire.events import Column, Scalar

# A table that is longer is shown by its head and tail.
_MOST_ROWS = 60
_HEAD, _TAIL = 40, 10
# Up to this length the whole of it is put in a file besides.
MOST_IN_FILE = 10_000
# A cell that begins with one of these is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Grid:
    """A table as rows of plain values.

    Attributes:
        names: the names of its columns.
        rows: the rows to show.
        length: how many rows there are in all.
        gap: after how many of `rows` some are left out.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    length: int
    gap: int = 0

    @property
    def left_out(self) -> int:
        """How many rows are not among those to show."""
        return self.length - len(self.rows)

    def shortened(self) -> "Grid":
        """The head and tail of a long table."""
        if len(self.rows) <= _MOST_ROWS:
            return self
        return Grid(self.names, self.rows[:_HEAD] + self.rows[-_TAIL:], self.length, _HEAD)

    def columns(self, formats: Mapping[str, str]) -> tuple[Column, ...]:
        """What each column is called, and how its numbers are written.

        Raises:
            ValueError: a format is for no column, or cannot format a number.
        """
        for name, format_ in formats.items():
            if name not in self.names:
                raise ValueError(
                    f"a format for the column {name!r}, but the columns are {', '.join(self.names)}"
                )
            try:
                format(1.0, format_)
            except ValueError as error:
                raise ValueError(
                    f"the format {format_!r} of the column {name!r} is none for numbers"
                ) from error
        return tuple(
            Column(
                name=name, numeric=_is_numeric(row[number] for row in self.rows), format=formats.get(name, "")
            )
            for number, name in enumerate(self.names)
        )

    def csv(self) -> bytes:
        """The rows as CSV, in which a spreadsheet finds no formulas."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(map(_inert, self.names))
        writer.writerows([_inert(value) for value in row] for row in self.rows)
        return text.getvalue().encode("utf-8", "backslashreplace")


def is_frame(value: object) -> bool:
    """Whether `value` is a data frame or a series, by the protocols that these share."""
    # Of its type: an object that answers every attribute is none.
    return hasattr(type(value), "__arrow_c_stream__") or hasattr(type(value), "__dataframe__")


def is_rows(value: object) -> bool:
    """Whether `value` is a list of mappings with names for keys."""
    return (
        isinstance(value, list | tuple)
        and len(value) > 0
        and all(isinstance(row, Mapping) and all(isinstance(key, str) for key in row) for row in value)
    )


def grid(data: Any) -> Grid:
    """The table in `data`.

    Args:
        data: rows as mappings, a mapping of columns, or a data frame of any library that narwhals knows.

    Raises:
        TypeError: `data` is none of these.
        ValueError: columns differ in length.
    """
    if is_frame(data):
        return _of_frame(data)
    if isinstance(data, Mapping):
        return _of_columns(data)
    if isinstance(data, Iterable) and not isinstance(data, str | bytes):
        return _of_rows(list(data))
    if hasattr(type(data), "collect") or hasattr(type(data), "compute"):
        raise TypeError(f"this {type(data).__name__} is lazy: collect it, or its head, before showing it")
    raise TypeError(
        f"a {type(data).__name__} is no table: give rows as dicts, a dict of columns, or a data frame"
    )


def _of_rows(rows: list[Any]) -> Grid:
    for row in rows:
        if not isinstance(row, Mapping):
            raise TypeError(
                f"a row of a table must be a mapping of names to values, not a {type(row).__name__}"
            )
    names = dict.fromkeys(str(name) for row in rows for name in row)
    values = [{str(name): value for name, value in row.items()} for row in rows]
    return Grid(tuple(names), tuple(tuple(row.get(name) for name in names) for row in values), len(rows))


def _of_columns(columns: Mapping[Any, Any]) -> Grid:
    for name, values in columns.items():
        if isinstance(values, str | bytes) or not isinstance(values, Iterable):
            raise TypeError(
                f"the column {name!r} of a table must be a sequence, not a {type(values).__name__}"
            )
    lists = {str(name): list(values) for name, values in columns.items()}
    lengths = {name: len(values) for name, values in lists.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"the columns of a table must be equally long: {told}")
    return Grid(tuple(lists), tuple(zip(*lists.values(), strict=True)), max(lengths.values(), default=0))


def _of_frame(data: Any) -> Grid:
    import narwhals as nw

    try:
        frame = nw.from_native(data, eager_only=True, allow_series=True)
    except nw.exceptions.DuplicateError as error:
        raise ValueError(
            "the columns of a table need names of their own: rename those that are equal"
        ) from error
    index = nw.maybe_get_index(frame)
    if isinstance(frame, nw.Series):
        frame = frame.to_frame()
    head, tail = (frame, frame[:0]) if len(frame) <= MOST_IN_FILE else (frame[:_HEAD], frame[-_TAIL:])
    rows = [tuple(row) for part in (head, tail) for row in part.rows()]
    names = tuple(map(str, frame.columns))
    # The index of pandas is data, unless it merely counts.
    if index is not None and list(index[: len(rows)]) != list(range(len(rows))):
        labels = [*index[: len(head)], *(index[-len(tail) :] if len(tail) else ())]
        rows = [(label, *row) for label, row in zip(labels, rows, strict=True)]
        names = (", ".join(str(name or "") for name in index.names), *names)
    return Grid(names, tuple(rows), len(frame), _HEAD if len(tail) else 0)


def _is_numeric(values: Iterable[object]) -> bool:
    present = [value for value in values if value is not None]
    return bool(present) and all(
        isinstance(v, numbers.Real) and not isinstance(v, bool) for v in map(scalar, present)
    )


def scalar(value: object) -> Scalar:
    """`value` as one of JSON's: numbers of any library become Python's, other things text."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    # NumPy's and PyTorch's scalars, and arrays of one number.
    if callable(item := getattr(value, "item", None)) and getattr(value, "size", 1) == 1:
        try:
            plain = item()
        except (TypeError, ValueError):
            return str(value)
        return plain if isinstance(plain, str | bool | int | float) else str(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return ", ".join(str(scalar(part)) for part in value)
    return str(value)


def _inert(value: object) -> Scalar:
    plain = scalar(value)
    return f"'{plain}" if isinstance(plain, str) and plain.startswith(_FORMULA) else plain
