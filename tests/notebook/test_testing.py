"""Recording a demo: what its author's tests get, and what they are told."""

from functools import partial
from typing import Annotated

import pytest

from quire import NotebookOutput, ParameterError, Range
from quire.testing import record


def test_what_a_demo_raises_names_the_code_but_no_report_that_is_gone() -> None:
    def demo(log: NotebookOutput) -> None:
        with log.code():
            1 / 0  # noqa: B018 - what it is for

    with pytest.raises(ZeroDivisionError) as raised:
        record(demo)
    [note] = raised.value.__notes__
    assert note.startswith("in the block of code at ")
    assert "says more" not in note


def test_a_metric_that_is_not_there_is_told_from_those_that_are() -> None:
    def demo(log: NotebookOutput) -> None:
        log.metrics(1, loss=0.5, accuracy=0.9)
        log.metric("loss", 2, 0.25)

    recorder = record(demo)
    assert recorder.metric("loss") == [(1.0, 0.5), (2.0, 0.25)]
    with pytest.raises(KeyError, match="no metric 'los'; there is loss, accuracy"):
        recorder.metric("los")
    with pytest.raises(KeyError, match="none at all"):
        record(lambda log: None).metric("loss")


def ranged(
    log: NotebookOutput,
    rounds: Annotated[int, Range(100, 100_000_000)] = 200,
    share: Annotated[float, Range(0, 1)] | None = None,
) -> None:
    log.p(f"{rounds} {share}")


def test_parameters_are_checked_as_on_the_command_line() -> None:
    assert record(ranged, rounds=100, share=None).texts == ["100 None"]
    with pytest.raises(ParameterError, match="rounds must be between 100 and 100000000, not 1"):
        record(ranged, rounds=1)
    with pytest.raises(ParameterError, match=r"share must be between 0 and 1, not 1\.5"):
        record(ranged, share=1.5)
    with pytest.raises(TypeError, match="'round'"):
        record(ranged, round=100)
    assert record(partial(ranged, rounds=1), share=0.5).texts == ["1 0.5"]
