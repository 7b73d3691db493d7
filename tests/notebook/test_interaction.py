"""Controls, pages and endpoints: what they mean in a report that nobody can act upon, and what they take."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest

from quire import ControlError, NotebookOutput, ParameterError, Range, open_report
from quire.controls import check
from quire.events import Control, ControlKind, Emptied, Part
from quire.fields import Fields
from quire.testing import Recorder, record
from tests.notebook.reports import check as check_report


def test_controls_have_their_first_value_at_once() -> None:
    seen: list[Any] = []

    def demo(log: NotebookOutput) -> None:
        seen.extend(
            handle.value
            for handle in (
                log.slider("a", 0, 1, value=0.5),
                log.slider("b", 1, 9),
                log.number("c", 3.0, least=0),
                log.choice("d", ["x", "y"]),
                log.checkbox("e", True),
                log.text("f", "words"),
                log.button("g"),
                log.upload("h"),
            )
        )
        seen.append(log.sketch("i", 3, 2).value)
        seen.append(log.slider("j", 0, 1).wait())

    recorder = record(demo)
    assert seen[:8] == [0.5, 1, 3.0, "x", True, "words", 0, None]
    np.testing.assert_array_equal(seen[8], np.zeros((3, 2), np.float32))
    assert seen[9] == 0, "a static report waits for nobody"
    assert len(recorder.blocks(Control)) == 10


def test_controls_in_markdown(tmp_path: Path) -> None:
    with open_report(tmp_path / "report") as log:
        log.slider("learning *rate*", 0, 1, value=0.5)
        log.checkbox("dark")
        log.button("press me")
        log.text("name")
    text = check_report(tmp_path / "report/report.md")
    assert "*learning \\*rate\\*:* 0.5" in text
    assert "*dark:* no" in text
    assert "press me" not in text, "a button has nothing to say on paper"
    assert "*name:* (empty)" in text


@pytest.mark.parametrize(
    "act",
    [
        lambda log: log.slider("a", 1, 0),
        lambda log: log.slider("a", 0, 1, value=2),
        lambda log: log.slider("a", 0, math.nan),
        lambda log: log.choice("a", []),
        lambda log: log.choice("a", ["x"], value="y"),
        lambda log: log.sketch("a", 0, 10),
        lambda log: log.page("not a name"),
        lambda log: log.endpoint("PATCH", "/api/x"),
        lambda log: log.endpoint("GET", "/elsewhere"),
        lambda log: log.on("sleep", print),
    ],
)
def test_what_an_author_cannot_ask_for(act: Callable[[NotebookOutput], Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        record(act)


def control(kind: ControlKind, **settings: Any) -> Control:
    return Control(key="c", kind=kind, label="c", settings=settings)


@pytest.mark.parametrize(
    ("event", "value"),
    [
        (control("slider", least=0, greatest=1), -1),
        (control("slider", least=0, greatest=1), 1e308),
        (control("slider", least=0, greatest=1), math.nan),
        (control("slider", least=0, greatest=1), "x"),
        (control("slider", least=0, greatest=1), True),
        (control("slider", least=0, greatest=1), [0.5] * 10**6),
        (control("slider", least=0, greatest=9, whole=True), 0.5),
        (control("number"), None),
        (control("choice", options=["x"]), "y"),
        (control("choice", options=["x"]), ["x"]),
        (control("checkbox"), 1),
        (control("text", longest=3), "four"),
        (control("button"), -1),
        (control("sketch", height=2, width=2), [0, 0, 0]),
        (control("sketch", height=2, width=2), [0, 0, 0, 2]),
        (control("sketch", height=2, width=2), [0, 0, 0, math.nan]),
    ],
)
def test_s41_values_that_are_none(event: Control, value: Any) -> None:
    with pytest.raises(ControlError) as raised:
        check(event, value)
    assert raised.value.field == "value"


def test_values_that_are_some() -> None:
    assert check(control("slider", least=0, greatest=1), 1) == 1.0
    assert check(control("slider", least=0, greatest=9, whole=True), 5.0) == 5
    assert check(control("sketch", height=1, width=2), [0, 0.5]) == [0.0, 0.5]


def test_interact_shows_its_result_again() -> None:
    handles: list[Any] = []

    def demo(log: NotebookOutput) -> None:
        n = log.slider("n", 1, 9)
        handles.append(n)

        @log.interact("Twice", n=n)
        def twice(out: NotebookOutput, n: int) -> int:
            out.p(f"of {n}")
            return 2 * n

        n.set(4)
        log.pause_point()

    recorder = record(demo)
    assert recorder.texts[-1] == "of 4"
    assert recorder.values == ["8"], "the second result took the place of the first"
    [part] = recorder.blocks(Part)
    assert [event.key for event in recorder.events if isinstance(event, Emptied)] == [part.key] * 2


def test_interact_takes_the_latest_of_many_changes() -> None:
    calls: list[int] = []

    def demo(log: NotebookOutput) -> None:
        n = log.slider("n", 1, 99)
        log.interact(n=n)(lambda n: calls.append(n))
        for value in range(2, 50):
            n.set(value)
        log.pause_point()

    record(demo)
    assert calls == [1, 49]


def test_interact_and_its_controls_must_fit() -> None:
    def demo(log: NotebookOutput) -> None:
        @log.interact(rate=log.slider("n", 1, 9))
        def wrong(log: NotebookOutput, speed: float) -> None:
            pass

    with pytest.raises(TypeError, match=r"rate, speed must be both a parameter and a control"):
        record(demo)


def test_an_interaction_that_fails_later_stops_nothing() -> None:
    def demo(log: NotebookOutput) -> None:
        n = log.slider("n", 0, 9, value=1)
        log.interact(n=n)(lambda n: 1 // n)
        n.set(0)
        log.pause_point()
        log.p("it goes on")

    recorder = record(demo)
    assert recorder.state == "done"
    assert recorder.texts[-1] == "it goes on"
    assert "ZeroDivisionError" in recorder.texts[-2]
    assert "ZeroDivisionError: integer division" in recorder.output, "the log tells all"


def test_pages_are_written_once_at_the_end(tmp_path: Path) -> None:
    losses = [1.0]
    with open_report(tmp_path / "report") as log:

        @log.page("history", "The history")
        def history(page: NotebookOutput, last: int = 10) -> None:
            page.table({"loss": losses[-last:]})

        losses.append(0.25)
        log.h2("The end")
    text = check_report(tmp_path / "report/report.md")
    assert "[The history](history/history.md)" in text
    page = check_report(tmp_path / "report/history/history.md")
    assert "0.25" in page
    assert '<a id="history-table"></a>' in page, "no key is made from the title, or the last section"


def test_a_page_must_be_ready_without_being_told() -> None:
    def demo(log: NotebookOutput) -> None:
        @log.page("history")
        def history(page: NotebookOutput, last: int) -> None:
            pass

    with pytest.raises(ParameterError, match="last of the page 'history'"):
        record(demo)


def test_no_page_of_a_run_that_failed(tmp_path: Path) -> None:
    recorder = Recorder()

    def demo(log: NotebookOutput) -> None:
        @log.page("history")
        def history(page: NotebookOutput) -> None:
            page.p("not any more")

        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"), open_report(tmp_path / "r", backends=[recorder]) as log:
        demo(log)
    assert recorder.state == "failed"
    assert recorder.texts == []


def endpoint(
    unit: Annotated[int, Range(0, 24)],
    scale: float = 1.0,
    kind: Literal["a", "b"] = "a",
    code: list[float] | None = None,
    quick: bool = False,
) -> None:
    pass


FIELDS = Fields.of(endpoint, given=0)


def test_fields_are_read_by_their_types() -> None:
    assert FIELDS.read({"unit": "3", "scale": "0.5", "kind": "b", "code": "1,2", "quick": "true"}) == {
        "unit": 3,
        "scale": 0.5,
        "kind": "b",
        "code": [1.0, 2.0],
        "quick": True,
    }
    assert FIELDS.read({"unit": 3, "code": [1, 2.5]}) == {"unit": 3, "code": [1.0, 2.5]}
    assert FIELDS.read({"unit": 0, "code": None}) == {"unit": 0, "code": None}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "unit"),
        ({"unit": 1.5}, "unit"),
        ({"unit": 25}, "unit"),
        ({"unit": -1}, "unit"),
        ({"unit": "x"}, "unit"),
        ({"unit": True}, "unit"),
        ({"unit": [1]}, "unit"),
        ({"unit": 1, "scale": "nan"}, "scale"),
        ({"unit": 1, "scale": "1e999"}, "scale"),
        ({"unit": 1, "kind": "c"}, "kind"),
        ({"unit": 1, "quick": "perhaps"}, "quick"),
        ({"unit": 1, "code": {}}, "code"),
        ({"unit": 1, "code": [0] * 10**6}, "code"),
        ({"unit": 1, "code": ["x"]}, "code"),
        ({"unit": 1, "other": 1}, "other"),
    ],
)
def test_s41_fields_that_are_none(given: dict[str, Any], field: str) -> None:
    with pytest.raises(ControlError) as raised:
        FIELDS.read(given)
    assert raised.value.field == field


def test_fields_need_types_that_a_request_can_fill() -> None:
    def untyped(x) -> None:  # type: ignore[no-untyped-def]
        pass

    def odd(x: object) -> None:
        pass

    for function in (untyped, odd):
        with pytest.raises(ParameterError, match="the parameter 'x'"):
            Fields.of(function, given=0)
