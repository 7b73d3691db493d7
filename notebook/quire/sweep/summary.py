"""The report on a sweep, written from what became of its rows."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from quire import markdown_text as md
from quire import words
from quire.events import Reference, Scalar
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
) -> None:
    """Writes what is swept, before anything of it has run.

    Args:
        log: the report.
        name: of the script's own report.
        script: as the command line names it.
        rows: of the sweep.
        fixed: the parameters that were given for all rows.
    """
    log.h1(f"A sweep of {md.escape(name)}")
    swept = "; ".join(_values(parameter, rows) for parameter in rows[0].swept)
    given = ", ".join(f"{md.code_span(n)} {md.escape(words.cell(v))}" for n, v in fixed.items())
    with_ = f" All have {given}." if given else ""
    log.p(f"{words.count(len(rows), 'run')} of {md.code_span(script)}: {swept}.{with_}")
    log.p("*The findings will stand here when the runs have ended.*", key="findings")


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
        failed = sum(outcome.has_failed for outcome in self._all)
        waiting = len(self._all) - len(self._done) - failed
        if not failed and not waiting:
            return
        told = [f"{len(self._done)} of {words.count(len(self._all), 'run')} done"]
        told += [f"{failed} failed"] if failed else []
        told += [f"{waiting} not done"] if waiting else []
        log.admonition(
            "warning", text=f"{', '.join(told)}. The same command runs again what is missing, and only that."
        )

    def _extremes(self, name: str, values: Mapping[int, float]) -> str:
        """A sentence on where a figure is highest and lowest, or best and worst if one knows."""
        least, greatest = min(values.values()), max(values.values())
        told = f"**{md.escape(name)}**"
        if least == greatest:
            runs = words.count(len(values), "run")
            return f"{told} is {words.cell(least)} in {runs if len(values) == 1 else f'all {runs}'}."
        ends = [("highest", greatest), ("lowest", least)]
        if name in self._is_more:
            ends = ends if self._is_more[name] else ends[::-1]
            ends = [("best", ends[0][1]), ("worst", ends[1][1])]
        parts = [f"{word} {self._place(values, value)}" for word, value in ends]
        return f"{told} is {' and '.join(parts)}."

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
        is_whole = len(self._done) == len(self._all)
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
        rows, means = [], dict[str, dict[Combination, float]]()
        for combination, group in groups.items():
            row: dict[str, Any] = dict(zip(self._others, combination, strict=True))
            for name, values in self.figures.items():
                numbers = [values[o.row.number] for o in group if o.row.number in values]
                row[name] = _spread(numbers) if numbers else None
                if numbers:
                    means.setdefault(name, {})[combination] = statistics.fmean(numbers)
            rows.append(row | {"runs": len(group)})
        log.table(rows, "Mean ± standard deviation over the seeds.")
        apart = [name for name in means if len(set(means[name].values())) > 1]
        if apart:
            log.out("\n".join(f"- {self._ends_of_means(name, means[name])}" for name in apart))

    def _ends_of_means(self, name: str, means: Mapping[Combination, float]) -> str:
        ends = max(means, key=lambda each: means[each]), min(means, key=lambda each: means[each])
        highest, lowest = (md.escape(label(dict(zip(self._others, end, strict=True)))) for end in ends)
        return f"**{md.escape(name)}**: highest mean with {highest}, lowest with {lowest}"

    def _groups(self, outcomes: Iterable[Outcome]) -> dict[Combination, list[Outcome]]:
        """The rows that differ in their seed only, by the parameters in which they do not."""
        found: dict[Combination, list[Outcome]] = {}
        for outcome in outcomes:
            found.setdefault(tuple(outcome.row.swept[name] for name in self._others), []).append(outcome)
        return found

    def _draw_curves(self, log: NotebookOutput) -> None:
        """A chart for each that all runs have, with a line for each run."""
        if len(self._done) < 2:
            return
        shared = [
            title for title in self._done[0].curves if all(title in outcome.curves for outcome in self._done)
        ]
        if shared:
            log.h2("Curves")
        for title in shared:
            lines, note = self._lines(title)
            for name, points in lines.items():
                for step, value in points:
                    log.metric(name, step, value, chart=title)
            if note:
                log.p(f"*{note}*")

    def _lines(self, title: str) -> tuple[dict[str, Points], str]:
        """The lines of a chart by name, and a sentence on what was left out."""
        lines = {
            self._line(title, name, outcome.row.swept, self._varying): points
            for outcome in self._done
            for name, points in outcome.curves[title].items()
        }
        notes = []
        if len(lines) > _MOST_LINES and self._has_seeds:
            lines = {}
            for group in self._groups(self._done).values():
                for name in group[0].curves[title]:
                    curves = [o.curves[title][name] for o in group if name in o.curves[title]]
                    lines[self._line(title, name, group[0].row.swept, self._others)] = _mean(curves)
            notes.append("Each line is the mean over the seeds.")
        if len(lines) > _MOST_LINES:
            names = list(lines)
            # Spread over all of them, the first and the last included.
            chosen = [names[round(i * (len(names) - 1) / (_MOST_LINES - 1))] for i in range(_MOST_LINES)]
            notes.append(
                f"{_MOST_LINES} of {len(names)} lines are drawn; the others are in the runs' reports."
            )
            lines = {name: lines[name] for name in chosen}
        return lines, " ".join(notes)

    def _line(self, title: str, name: str, swept: Mapping[str, Scalar], parameters: Sequence[str]) -> str:
        told = label({parameter: swept[parameter] for parameter in parameters})
        is_alone = name == title or all(len(outcome.curves[title]) == 1 for outcome in self._done)
        return (told if is_alone else f"{name}, {told}" if told else name) or name

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
        if across and len({o.row.swept[across] for o in shown}) > _MOST_LINES:
            return None, None, ""
        left = SEED in self._varying and SEED not in sides
        return sides[0], across, "Of each, the first seed." if left else ""


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
