"""Recording a demo: what its author's tests get, and what they are told."""

import pytest

from quire import NotebookOutput
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
