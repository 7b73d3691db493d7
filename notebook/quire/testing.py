"""For tests of demos: what a run wrote, as values to assert on."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from quire.events import (
    Block,
    Closed,
    Code,
    Event,
    Failure,
    Figure,
    Heading,
    Metric,
    Output,
    Table,
    Text,
    Value,
)
from quire.parameters import check
from quire.report import open_report

if TYPE_CHECKING:
    from quire.notebook import NotebookOutput

B = TypeVar("B", bound=Block)


class Recorder:
    """A backend that keeps every event, for as long as the test wants them.

    Attributes:
        events: all events in order.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.is_closed = False

    def write(self, event: Event) -> None:
        """Keeps the event."""
        self.events.append(event)

    def close(self) -> None:
        """Notes that the run has ended."""
        self.is_closed = True

    def blocks(self, kind: type[B]) -> list[B]:
        """The last state of every block of one kind, in order of first appearance."""
        found: dict[str, B] = {}
        for event in self.events:
            if isinstance(event, kind):
                found[event.key] = event
        return list(found.values())

    @property
    def state(self) -> str:
        """How the run ended: `done`, `failed` or `interrupted`; `running` if it has not."""
        return next((event.state for event in self.events if isinstance(event, Closed)), "running")

    @property
    def headings(self) -> list[str]:
        """The texts of the headings."""
        return [heading.text for heading in self.blocks(Heading)]

    @property
    def texts(self) -> list[str]:
        """The Markdown of the paragraphs."""
        return [text.markdown for text in self.blocks(Text)]

    @property
    def sources(self) -> list[str]:
        """The code that was quoted."""
        return [code.source for code in self.blocks(Code)]

    @property
    def values(self) -> list[str]:
        """The values shown as text."""
        return [value.text for value in self.blocks(Value)]

    @property
    def tables(self) -> list[Table]:
        """The tables."""
        return self.blocks(Table)

    @property
    def figures(self) -> list[Figure]:
        """The pictures."""
        return self.blocks(Figure)

    @property
    def failures(self) -> list[Failure]:
        """The exceptions."""
        return self.blocks(Failure)

    @property
    def output(self) -> str:
        """All that was printed, logged or written, in blocks of code and outside of them."""
        return "".join(event.text for event in self.events if isinstance(event, Output))

    def output_of(self, code: Code) -> str:
        """What one block of code printed."""
        return "".join(
            event.text for event in self.events if isinstance(event, Output) and event.parent == code.key
        )

    def metric(self, name: str) -> list[tuple[float, float]]:
        """The points (step, value) of a curve.

        Raises:
            KeyError: there is none of this name; the message lists those that there are.
        """
        points = [event for event in self.events if isinstance(event, Metric)]
        names = dict.fromkeys(point.name for point in points)
        if name not in names:
            raise KeyError(f"there is no metric {name!r}; there is {', '.join(names) or 'none at all'}")
        return [(point.step, point.value) for point in points if point.name == name]


def record(demo: Callable[..., Any], **parameters: Any) -> Recorder:
    """Runs `demo(log, **parameters)` in a temporary folder.

    Raises:
        ParameterError: a parameter is outside of its `Range`; nothing has run.
        Exception: whatever the demo raises.
    """
    check(demo, parameters)
    recorder = Recorder()
    with tempfile.TemporaryDirectory() as folder:
        log: NotebookOutput
        with open_report(Path(folder) / "report", backends=[recorder]) as log:
            log._session.is_kept = False
            demo(log, **parameters)
    return recorder
