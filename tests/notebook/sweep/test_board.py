"""What a sweep's page shows of many runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quire import open_report
from quire.events import Chart, Emptied, Event, Metric, Reference, Table
from quire.sweep import board, curves
from quire.sweep.board import Board
from quire.sweep.news import Ended, Measured, Progressed, Started
from quire.sweep.rows import Row


class Seen:
    """A backend that keeps what it was told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        pass

    def told(self) -> list[dict[str, Any]]:
        """The rows of the newest table, by the names of its columns."""
        table = next(event for event in reversed(self.events) if isinstance(event, Table))
        names = [column.name for column in table.columns]
        return [dict(zip(names, row, strict=True)) for row in table.rows]

    def lines(self) -> dict[str, set[str]]:
        """The lines of each chart that is there, by its title."""
        found: dict[str, set[str]] = {}
        titles: dict[str, str] = {}
        for event in self.events:
            if isinstance(event, Chart):
                titles[event.key] = event.title
                found[event.title] = set()
            elif isinstance(event, Metric):
                found[titles[event.chart]].add(event.name)
            elif isinstance(event, Emptied):
                found.clear()
        return found


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def shown(seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    """The board of a sweep of 200 rows, of which two are there; it is drawn whenever it is asked to."""
    monkeypatch.setattr(board, "_OFTEN", 0)
    monkeypatch.setattr(board, "_PER_ROW", 0)
    monkeypatch.setattr(board, "_PER_SECOND", 0)
    monkeypatch.setattr(curves, "_SELDOM", 0)
    rows = [Row(number, f"seed-{number}", {"seed": number}, {"seed": number}, "") for number in range(200)]
    with open_report(tmp_path / "sweep", backends=[seen]) as log:
        yield Board(log, rows, [0, 1], tmp_path / "runs")


def test_of_many_rows_those_are_shown_that_one_wants_to_see(shown: Board, seen: Seen) -> None:
    for number in range(2, 120):
        shown.hear(Started(number))
        shown.hear(Progressed(number, "epochs", 30, 200))
        if number == 50:
            shown.hear(Ended(number, "failed", f"ValueError: {'long ' * 100}"))
        elif number not in (3, 118, 119):
            shown.hear(Ended(number, "done"))
    shown.draw()
    told = {row["seed"]: row["state"] for row in seen.told()}
    assert len(told) == 50
    assert list(told) == sorted(told)
    for running in (3, 118, 119):
        assert told[running] == Reference(f"runs/seed-{running}/seed-{running}.md", "running, 15 %")
    assert str(told[50]).startswith("failed: ValueError: long long")
    assert len(str(told[50])) == 80
    assert [told[number] for number in range(120, 125)] == ["queued"] * 5
    assert 125 not in told
    assert str(told[117]) == "done", "the last that ended"
    assert 2 not in told


def test_curves_that_are_called_alike_are_told_apart(shown: Board, seen: Seen) -> None:
    shown.hear(Started(2))
    shown.hear(Measured(2, "layer 1", "loss", 7, 0.5))
    shown.hear(Measured(2, "layer 2", "loss", 7, 0.25))
    shown.hear(Measured(2, "accuracy", "accuracy", 7, 0.75))
    shown.draw()
    row = next(row for row in seen.told() if row["seed"] == 2)
    assert list(row) == ["seed", "state", "layer 1: loss", "layer 2: loss", "accuracy"]
    assert list(row.values())[2:] == [0.5, 0.25, 0.75]
    assert set(seen.lines()) == {"layer 1: loss", "layer 2: loss", "accuracy"}


def test_a_run_that_has_ended_makes_room_for_a_new_line(shown: Board, seen: Seen) -> None:
    for number in range(2, 16):
        shown.hear(Started(number))
        for step in range(3):
            shown.hear(Measured(number, "loss", "loss", step, 1 / (step + 1)))
        if number == 9:
            assert len(seen.lines()["loss"]) == 8
    shown.draw()
    assert seen.lines()["loss"] == {f"seed {number}" for number in range(2, 14)}, "all of them run"
    shown.hear(Ended(4, "done"))
    shown.hear(Measured(14, "loss", "loss", 3, 0.25))
    shown.draw()
    assert seen.lines()["loss"] == {f"seed {number}" for number in (2, 3, *range(5, 15))}
