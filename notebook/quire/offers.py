"""What a run offers to the viewers of its live report: controls to set, pages and endpoints to ask."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from quire.controls import Handle
from quire.fields import Fields


@dataclass(frozen=True, slots=True)
class PageOffer:
    """A page of the author's, rendered on request.

    Attributes:
        function: takes a `NotebookOutput`, and perhaps fields of the address's query.
        on_thread: whether it may be called on a thread of its own, at any moment.
    """

    name: str
    title: str
    function: Callable[..., object]
    fields: Fields
    on_thread: bool


@dataclass(frozen=True, slots=True)
class EndpointOffer:
    """An address that answers with data; `function` takes fields of the query or of a JSON body."""

    method: str
    path: str
    function: Callable[..., object]
    fields: Fields
    on_thread: bool


@dataclass
class Offers:
    """All that a run has offered so far."""

    handles: dict[str, Handle[Any]] = field(default_factory=dict)
    pages: dict[str, PageOffer] = field(default_factory=dict)
    endpoints: dict[tuple[str, str], EndpointOffer] = field(default_factory=dict)
