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
