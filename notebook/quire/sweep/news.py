"""What is told of the runs of a sweep while they run."""

from dataclasses import asdict, dataclass
from typing import Any, Protocol

from quire.events import State


@dataclass(frozen=True)
class News:
    """Something that happened in the run of a row, which is told by its number."""

    row: int


@dataclass(frozen=True)
class Started(News):
    """The run began."""


@dataclass(frozen=True)
class Progressed(News):
    """A loop has come so far: `done` of `total` (None if unknown)."""

    label: str
    done: int
    total: int | None


@dataclass(frozen=True)
class Measured(News):
    """A curve has a new point. Not all are told, but the last one is."""

    chart: str
    name: str
    step: float
    value: float


@dataclass(frozen=True)
class Ended(News):
    """The run is over. `detail` says why, where that was not by itself."""

    state: State
    detail: str = ""


_KINDS = {kind.__name__: kind for kind in (Started, Progressed, Measured, Ended)}


def to_json(news: News) -> dict[str, Any]:
    """The news as a value that `json` can write."""
    return {"news": type(news).__name__, **asdict(news)}


def from_json(told: dict[str, Any]) -> News:
    """The news in what `to_json` gave."""
    members = dict(told)
    return _KINDS[members.pop("news")](**members)


class Listener(Protocol):
    """What is told the news of a sweep. It must not take long: the sweep waits for it."""

    def hear(self, news: News) -> None:
        """Takes the next news."""

    def draw(self) -> None:
        """Shows what has changed, if it is time for that; called several times a second."""

    def end(self) -> None:
        """Shows how things stand at the end, or takes away what no longer holds."""
