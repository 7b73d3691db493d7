"""The rows of a sweep: which runs there are to be."""

import csv
import itertools
import math
import random
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from quire.errors import ParameterError
from quire.events import Scalar
from quire.names import file_name
from quire.parameters import plain
from quire.sweep.axes import MOST, Listed, Parameters, Span, read

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One run of a sweep.

    Attributes:
        number: its place in the sweep, from 0.
        name: of its report, unique in the sweep.
        values: the arguments of the demo.
        swept: those in which the rows differ, as they are told.
        command: what makes its report again.
    """

    number: int
    name: str
    values: Values
    swept: Mapping[str, Scalar]
    command: str


@dataclass(frozen=True)
class Request:
    """What rows were asked for on the command line.

    Attributes:
        sets: each `--set`.
        table: the CSV file of `--rows`.
        draws: how many rows to draw from the sets, or None for all that they make.
        seed: of the draws.
    """

    sets: Sequence[str]
    table: Path | None = None
    draws: int | None = None
    seed: int = 0


def chosen(parameters: Parameters, fixed: Iterable[str], request: Request) -> list[Values]:
    """The values of each row, those that all share left out; equal rows once.

    Args:
        parameters: the demo's.
        fixed: the parameters that all rows share.
        request: what was asked for.

    Raises:
        ParameterError: a parameter is unknown, given twice, or cannot take a value; what and where.
    """
    if request.draws is not None and not request.sets:
        raise ParameterError("--random needs values to draw from: give them with --set")
    axes = [parameters.axis(text) for text in request.sets]
    table = list(_table(parameters, request.table)) if request.table else [{}]
    if not axes and not request.table:
        raise ParameterError("nothing to sweep: say what to vary, as in --set seed=0:5 or --rows FILE.csv")
    names = [*(axis.name for axis in axes), *(table[0] if table else {})]
    for name in names:
        if names.count(name) > 1:
            raise ParameterError(f"{name} is set twice: give all its values in one place")
        if name in fixed:
            raise ParameterError(f"{name} is set for each row and fixed for all: leave out one of them")
    if not table:
        raise ParameterError(f"{request.table} has no rows below its header")
    parts = list(_drawn(axes, request) if request.draws is not None else _grid(axes, len(table)))
    rows = [{**row, **part} for row in table for part in parts]
    return list({_key(row): row for row in rows}.values())


def rows(
    chosen_: Sequence[Values],
    parameters: Parameters,
    common: Values,
    fixed: Sequence[str],
    base: Sequence[str],
) -> list[Row]:
    """The rows of a sweep.

    Args:
        chosen_: what `chosen` gave.
        parameters: the demo's.
        common: the other arguments of the demo, by name.
        fixed: those of them that the command has to tell.
        base: the words with which a row's command begins and ends: before and after its parameters.

    Raises:
        ParameterError: a parameter has neither a value nor a default.
    """
    order = list(parameters.options)
    for name, option in parameters.options.items():
        if option.required and name not in fixed and name not in chosen_[0]:
            raise ParameterError(
                f"the parameter {name!r} has no default: give {option.opts[0]}, or set it for each row"
            )
    names: set[str] = set()
    found = []
    for number, values in enumerate(chosen_):
        whole = {name: values[name] if name in values else common[name] for name in order}
        words = [
            word
            for name in order
            if name in values or name in fixed
            for word in _words(parameters.options[name], whole[name])
        ]
        command = shlex.join(["quire", "run", base[0], *words, *base[1:]])
        found.append(Row(number, _name(plain(values), names), whole, plain(values), command))
    return found


def _grid(axes: Sequence[Listed | Span], times: int) -> Iterator[dict[str, Any]]:
    for axis in axes:
        if isinstance(axis, Span):
            raise ParameterError(
                f"{axis.name} is given as a range A..B, from which numbers are drawn: "
                "say how many rows to draw with --random N"
            )
    lists = [axis.values for axis in axes if isinstance(axis, Listed)]
    if (number := math.prod(map(len, lists)) * times) > MOST:
        raise ParameterError(f"these values make {number:,} rows, and a sweep has at most {MOST:,}")
    for combination in itertools.product(*lists):
        yield dict(zip((axis.name for axis in axes), combination, strict=True))


def _drawn(axes: Sequence[Listed | Span], request: Request) -> Iterator[dict[str, Any]]:
    # Row by row, so that more rows of the same seed begin with the same ones.
    source = random.Random(request.seed)
    for _ in range(request.draws or 0):
        yield {axis.name: axis.draw(source) for axis in axes}


def _table(parameters: Parameters, path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a CSV file; an empty cell is the parameter's default."""
    try:
        # What spreadsheets write begins with a byte-order mark.
        lines = list(csv.reader(path.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ParameterError(f"--rows {path} cannot be read: {error}") from error
    if not lines or not any(lines[0]):
        raise ParameterError(f"--rows {path} has no header with the names of parameters")
    options = [parameters.named(name, f"--rows {path}, line 1") for name in lines[0]]
    for number, line in enumerate(lines[1:], 2):
        where = f"--rows {path}, line {number}"
        if not line:
            continue
        if len(line) != len(options):
            raise ParameterError(f"{where}: {len(line)} values, but the header names {len(options)}")
        yield {
            str(option.name): _cell(option, text.strip(), where)
            for option, text in zip(options, line, strict=True)
        }


def _cell(option: click.Option, text: str, where: str) -> Any:
    if text:
        return read(option, text, f"{where}, {option.name}")
    if option.required:
        raise ParameterError(f"{where}: {option.name} has no default, so its cell cannot be empty")
    return option.default


def _key(values: Values) -> str:
    return repr(sorted(plain(values).items()))


def _words(option: click.Option, value: Any) -> list[str]:
    """A parameter as words of the command line."""
    if value is None:
        return []
    if isinstance(value, bool):
        return [option.opts[0] if value else option.secondary_opts[0]]
    return [option.opts[0], str(plain({"": value})[""])]


def _name(swept: Mapping[str, Scalar], taken: set[str]) -> str:
    """A name for the report of a row, one of its own also where letter case is not told apart."""
    parts = [f"{name.replace('_', '-')}-{_told(value)}" for name, value in swept.items()]
    name = file_name("-".join(parts))
    found, number = name, 2
    while found.casefold() in taken:
        found, number = f"{name}-{number}", number + 1
    taken.add(found.casefold())
    return found


def _told(value: Scalar) -> str:
    text = f"{value:.15g}" if isinstance(value, float) else str(value)
    # A hyphen in front of a number would be one between words.
    is_negative = isinstance(value, int | float) and value < 0
    return f"minus{text[1:]}" if is_negative else text
