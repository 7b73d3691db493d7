"""The report on a sweep, written from what became of its rows."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from quire import markdown_text as md
from quire import words
from quire.events import Part, Reference, Scalar
from quire.notebook import NotebookOutput
from quire.sweep.outcomes import Outcome, Points, label
from quire.sweep.rows import Row

SEED = "seed"
"""The parameter over whose values figures are averaged."""

# So many values of a parameter are listed, and so many lines are told apart in a chart.
_MOST_VALUES, _MOST_LINES = 10, 12
# So many pictures are shown, and so large at most, in pixels.
_MOST_PICTURES, _PICTURE = 48, 200

Combination = tuple[Scalar, ...]


def begin(
    log: NotebookOutput, name: str, script: str, rows: Sequence[Row], fixed: Mapping[str, Scalar]
) -> str:
    """Writes what is swept, before anything of it has run.

    Args:
        log: the report.
        name: of the script's own report.
        script: as the command line names it.
        rows: of the sweep.
        fixed: the parameters that were given for all rows.

    Returns:
        The key of a block that can be filled while they run, and is to be empty in the end.
    """
    log.h1(f"A sweep of {md.escape(name)}")
    swept = "; ".join(_values(parameter, rows) for parameter in rows[0].swept)
    given = ", ".join(f"{md.code_span(n)} {md.escape(words.cell(v))}" for n, v in fixed.items())
    with_ = f" All have {given}." if given else ""
    log.p(f"{words.count(len(rows), 'run')} of {md.code_span(script)}: {swept}.{with_}")
    log.p("*The findings will stand here when the runs have ended.*", key="findings")
    return log._page.put(Part, "board")


def _values(name: str, rows: Sequence[Row]) -> str:
    values = list(dict.fromkeys(row.swept[name] for row in rows))
    if len(values) <= _MOST_VALUES:
        return f"{md.code_span(name)} {', '.join(md.escape(words.cell(value)) for value in values)}"
    told = f"{md.code_span(name)} with {len(values):,} values"
    numbers = [value for value in values if isinstance(value, int | float)]
    if len(numbers) < len(values):
        return told
    return f"{told} from {words.cell(min(numbers))} to {words.cell(max(numbers))}"


class Summary:
    """What became of a sweep, as a report tells it.

    Args:
        outcomes: of all rows, in their order.
        best: the figures of which one knows what is better: more, or less of one whose name begins
            with a hyphen.
    """

    def __init__(self, outcomes: Sequence[Outcome], best: Sequence[str] = ()) -> None:
        self._all = outcomes
        self._done = [outcome for outcome in outcomes if outcome.is_done]
        self._swept = list(outcomes[0].row.swept)
        self._varying = [n for n in self._swept if len({o.row.swept[n] for o in outcomes}) > 1]
        self._others = [name for name in self._varying if name != SEED]
        self._has_seeds = SEED in self._varying
        self._is_more = {name.removeprefix("-"): not name.startswith("-") for name in best}
        self.figures = _in_order(_figures(self._done), self._is_more)

    @property
    def unknown(self) -> list[str]:
        """The figures of which it was said what is better, and that no run has."""
        return [name for name in self._is_more if name not in self.figures] if self._done else []

    def write(self, log: NotebookOutput) -> None:
        """Writes it into the report that `begin` has begun."""
        self._tell_state(log)
        for number, (name, values) in enumerate(self.figures.items()):
            log.p(self._extremes(name, values), key=None if number else "findings")
        if not self.figures:
            log.p("No run has told a figure with `log.metadata` or `log.metric`.", key="findings")
        self._tell_failures(log)
        self._tell_runs(log)
        if self._has_seeds:
            self._tell_seeds(log)
        self._draw_curves(log)
        self._show_pictures(log)

    def _tell_state(self, log: NotebookOutput) -> None:
        done, stopped = (sum(o.state == state for o in self._all) for state in ("done", "stopped"))
        failed = sum(outcome.has_failed for outcome in self._all)
        waiting = len(self._all) - done - stopped - failed
        if done == len(self._all):
            return
        told = [f"{done} of {words.count(len(self._all), 'run')} done"]
        told += [f"{stopped} finished early"] if stopped else []
        told += [f"{failed} failed"] if failed else []
        told += [f"{waiting} not done"] if waiting else []
        log.admonition(
            "warning", text=f"{', '.join(told)}. The same command runs again what is missing, and only that."
        )

    def _extremes(self, name: str, values: Mapping[int, float]) -> str:
        """A sentence on where a figure is highest and lowest, or best and worst if one knows."""
        told = f"**{md.escape(name)}**"
        if len(set(values.values())) == 1:
            runs = words.count(len(values), "run")
            value = words.cell(next(iter(values.values())))
            return f"{told} is {value} in {runs if len(values) == 1 else f'all {runs}'}."
        ends = self._named_ends(name, values.values())
        return f"{told} is {' and '.join(f'{word} {self._place(values, end)}' for word, end in ends)}."

    def _named_ends(self, name: str, values: Iterable[float]) -> list[tuple[str, float]]:
        """The greatest and the least of values, and what to call them."""
        numbers = list(values)
        ends = [max(numbers), min(numbers)]
        if name not in self._is_more:
            return list(zip(("highest", "lowest"), ends, strict=True))
        return list(zip(("best", "worst"), ends if self._is_more[name] else ends[::-1], strict=True))

    def _place(self, values: Mapping[int, float], value: float) -> str:
        """Where a figure has a value, and that value."""
        where = [number for number in values if values[number] == value]
        more = f" and {len(where) - 1} more" if len(where) > 1 else ""
        return f"with {self._label(where[0])}{more} ({words.cell(value)})"

    def _label(self, number: int) -> str:
        swept = self._all[number].row.swept
        return md.escape(label({name: swept[name] for name in self._varying or self._swept}))

    def _tell_failures(self, log: NotebookOutput) -> None:
        failed = [outcome for outcome in self._all if outcome.has_failed]
        if not failed:
            return
        log.h2("Failed runs")
        log.table([{**outcome.row.swept, **_failure(outcome), **_report(outcome)} for outcome in failed])

    def _tell_runs(self, log: NotebookOutput) -> None:
        log.h2("The runs")
        is_whole = all(outcome.state == "done" for outcome in self._all)
        rows = []
        for outcome in self._all:
            row: dict[str, Any] = dict(outcome.row.swept)
            row |= {name: values.get(outcome.row.number) for name, values in self.figures.items()}
            row |= {} if is_whole else {"state": outcome.state}
            rows.append(row | (_report(outcome) if outcome.state != "waiting" else {"report": None}))
        log.table(rows)

    def _tell_seeds(self, log: NotebookOutput) -> None:
        """Each figure as mean and standard deviation over the seeds."""
        groups = self._groups(self._done)
        if not self.figures or not any(len(group) > 1 for group in groups.values()):
            return
        log.h2("Over the seeds")
        numbers = {
            name: {
                combination: [values[o.row.number] for o in group if o.row.number in values]
                for combination, group in groups.items()
            }
            for name, values in self.figures.items()
        }
        rows = [
            {
                **dict(zip(self._others, combination, strict=True)),
                **{name: _spread(each[combination]) for name, each in numbers.items()},
                "runs": len(group),
            }
            for combination, group in groups.items()
        ]
        log.table(rows, "Mean ± standard deviation over the seeds.")
        told = [self._extreme_means(name, numbers[name]) for name in numbers]
        if self._others and any(told):
            log.out("\n".join(f"- {each}" for each in told if each))

    def _extreme_means(self, name: str, numbers: Mapping[Combination, Sequence[float]]) -> str:
        """Where the mean of a figure is highest and lowest; "" if it is the same everywhere."""
        means = {combination: statistics.fmean(each) for combination, each in numbers.items() if each}
        if len(set(means.values())) < 2:
            return ""
        parts = []
        for word, value in self._named_ends(name, means.values()):
            where = next(combination for combination in means if means[combination] == value)
            told = md.escape(label(dict(zip(self._others, where, strict=True))))
            parts.append(f"{word} with {told} ({_spread(numbers[where])})")
        return f"The mean of **{md.escape(name)}** is {' and '.join(parts)}."

    def _groups(self, outcomes: Iterable[Outcome]) -> dict[Combination, list[Outcome]]:
        """The rows that differ in their seed only, by the parameters in which they do not."""
        found: dict[Combination, list[Outcome]] = {}
        for outcome in outcomes:
            found.setdefault(tuple(outcome.row.swept[name] for name in self._others), []).append(outcome)
        return found

    def _draw_curves(self, log: NotebookOutput) -> None:
        """A chart for each curve that all runs have, with a line for each run."""
        if len(self._done) < 2:
            return
        shared = [
            (title, name)
            for title, curves in self._done[0].curves.items()
            for name in curves
            if all(name in outcome.curves.get(title, {}) for outcome in self._done)
        ]
        if not shared:
            return
        log.h2("Curves")
        notes = set[str]()
        for title, name in shared:
            lines, note = self._lines(title, name)
            if note and note not in notes:
                notes.add(note)
                log.p(note)
            chart = title if name == title else f"{title}: {name}"
            for line, points in lines.items():
                for step, value in points:
                    log.metric(line, step, value, chart=chart)

    def _lines(self, title: str, name: str) -> tuple[dict[str, Points], str]:
        """The lines of a chart by what they are called, and a sentence on what was left out."""
        lines = {
            label({each: outcome.row.swept[each] for each in self._varying}): outcome.curves[title][name]
            for outcome in self._done
        }
        notes = []
        groups = self._groups(self._done)
        if len(lines) > _MOST_LINES and self._others and len(groups) < len(lines):
            lines = {
                label(dict(zip(self._others, combination, strict=True))): _mean(
                    [outcome.curves[title][name] for outcome in group]
                )
                for combination, group in groups.items()
            }
            notes.append("Each line is a mean over the seeds.")
        if len(lines) > _MOST_LINES:
            names = list(lines)
            # Spread over all of them, the first and the last included.
            chosen = [names[round(i * (len(names) - 1) / (_MOST_LINES - 1))] for i in range(_MOST_LINES)]
            notes.append(f"{_MOST_LINES} of {len(names)} lines are drawn; the runs' reports have the others.")
            lines = {each: lines[each] for each in chosen}
        return lines, " ".join(notes)

    def _show_pictures(self, log: NotebookOutput) -> None:
        """The first picture of each run, in a matrix if that has two sides."""
        key = self._shared_picture()
        if not key:
            return
        shown = [outcome for outcome in self._done if key in outcome.pictures]
        log.h2("Pictures")
        down, across, note = self._sides(shown)
        caption = shown[0].pictures[key].caption
        note = f"{caption.rstrip('.')}. {note}".strip() if caption else note
        if down is None:
            few = shown[:_MOST_PICTURES]
            rows: list[dict[str, Any]] = [
                {**outcome.row.swept, "picture": outcome.pictures[key].open()} for outcome in few
            ]
            left = f" {len(few)} of {len(shown)} pictures are shown." if len(few) < len(shown) else ""
            log.table(rows, note + left, picture_size=_PICTURE)
            return
        cells: dict[Scalar, dict[str, Any]] = {}
        for outcome in shown:
            swept = outcome.row.swept
            column = label({across: swept[across]}) if across else "picture"
            row = cells.setdefault(swept[down], {down: swept[down]})
            row.setdefault(column, outcome.pictures[key].open())
        log.table(list(cells.values()), note, picture_size=_PICTURE)

    def _shared_picture(self) -> str:
        """The key of the picture to lay side by side; "" if no two runs have one in common."""
        keys = [key for outcome in self._done for key in outcome.pictures]
        shared = [key for key in dict.fromkeys(keys) if keys.count(key) > 1]
        return "thumbnail" if "thumbnail" in shared else next(iter(shared), "")

    def _sides(self, shown: Sequence[Outcome]) -> tuple[str | None, str | None, str]:
        """The parameters that are the rows and the columns of the matrix, and what it leaves out."""
        sides = self._varying if len(self._varying) <= 2 else self._others
        if not sides or len(sides) > 2:
            return None, None, ""
        across = sides[1] if len(sides) == 2 else None
        if across:
            down, columns = ({outcome.row.swept[side] for outcome in shown} for side in sides)
            filled = {tuple(outcome.row.swept[side] for side in sides) for outcome in shown}
            # Of rows that were drawn, most pairs of values are in none.
            if len(columns) > _MOST_LINES or 2 * len(filled) < len(down) * len(columns):
                return None, None, ""
        left = SEED in self._varying and SEED not in sides
        return sides[0], across, "Of each, the run with its first seed." if left else ""


def _in_order(
    figures: Mapping[str, Mapping[int, float]], first: Iterable[str]
) -> dict[str, Mapping[int, float]]:
    names = dict.fromkeys([*(name for name in first if name in figures), *figures])
    return {name: figures[name] for name in names}


def _figures(outcomes: Sequence[Outcome]) -> dict[str, dict[int, float]]:
    """The finite figures of each run by name and row: of its metadata, or the ends of its curves."""
    found: dict[str, dict[int, float]] = {}
    has_metadata = any(outcome.figures for outcome in outcomes)
    for outcome in outcomes:
        for name, value in (outcome.figures if has_metadata else _ends(outcome)).items():
            if math.isfinite(value):
                found.setdefault(name, {})[outcome.row.number] = value
    return found


def _ends(outcome: Outcome) -> dict[str, float]:
    return {
        name if name == title else f"{title}: {name}": points[-1][1]
        for title, curves in outcome.curves.items()
        for name, points in curves.items()
    }


def _failure(outcome: Outcome) -> dict[str, Scalar]:
    failure = outcome.failure
    if failure is None:
        return {"kind": outcome.state, "message": outcome.detail, "place": ""}
    place = f"{failure.path}:{failure.line}" if failure.path else ""
    return {"kind": failure.kind, "message": failure.message, "place": place}


def _report(outcome: Outcome) -> dict[str, Reference]:
    return {"report": Reference(outcome.href, "report")}


def _spread(numbers: Sequence[float]) -> str:
    """Such as `0.951 ± 0.004`: the mean has no more decimals than the deviation, which has two figures."""
    if not numbers:
        return ""
    mean = statistics.fmean(numbers)
    if len(numbers) == 1:
        return words.cell(mean)
    deviation = statistics.stdev(numbers)
    if not deviation or not math.isfinite(deviation):
        return f"{words.cell(mean)} ± {words.cell(deviation)}"
    decimals = 1 - math.floor(math.log10(deviation))
    if not 0 <= decimals <= 12:
        return f"{words.cell(mean)} ± {words.cell(deviation, '.2g')}"
    return f"{mean:.{decimals}f} ± {deviation:.{decimals}f}"


def _mean(curves: Sequence[Points]) -> Points:
    """The mean of curves, at the steps that all of them have."""
    values = [dict(points) for points in curves]
    steps = [step for step in values[0] if all(step in others for others in values[1:])]
    return [(step, statistics.fmean(each[step] for each in values)) for step in steps]
