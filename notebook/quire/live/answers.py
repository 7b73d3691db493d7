"""What a run answers to the requests of viewers, which the server passes on."""

import base64
import json
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from quire import codec, failures
from quire.controls import UploadHandle
from quire.errors import ControlError
from quire.events import Event, Subreport
from quire.live.channel import Message
from quire.names import Names, file_name, slug
from quire.notebook import NotebookOutput
from quire.offers import EndpointOffer, PageOffer
from quire.page import Page
from quire.session import Session
from quire.steering import Busy

Reply = Callable[[Message], object]


class Refusal(Exception):  # noqa: N818 - what a request gets, not a fault of the program
    """A request that cannot be granted, with the HTTP status that says so."""

    def __init__(self, status: int, message: str, field: str = "") -> None:
        super().__init__(message)
        self.told: Message = {"status": status, "error": message} | ({"field": field} if field else {})


class Answers:
    """Answers requests to `session`: at once what is quick, else at the run's next pause point."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kinds: dict[str, Callable[[Message], Future[Any] | Message]] = {
            "steer": self._steer,
            "control": self._control,
            "upload": self._upload,
            "page": self._page,
            "endpoint": self._endpoint,
        }
        self._waiting: dict[object, Future[Any]] = {}

    def take(self, request: Message, reply: Reply) -> None:
        """Answers `request` by calling `reply` with a message, now or later."""
        if request["do"] == "cancel":
            if asked := self._waiting.pop(request["id"], None):
                asked.cancel()
            return
        try:
            answer = self._kinds[request["do"]](request)
        except Exception as error:
            reply({"id": request["id"]} | _told(error))
            return
        if isinstance(answer, Future):
            self._waiting[request["id"]] = answer
            answer.add_done_callback(partial(self._send, request["id"], reply))
        else:
            reply({"id": request["id"], **answer})

    def _send(self, number: object, reply: Reply, answer: "Future[Message]") -> None:
        self._waiting.pop(number, None)
        if answer.cancelled():
            reply({"id": number, "status": 503, "error": "the run has ended, or was asked again"})
        elif error := answer.exception():
            reply({"id": number} | _told(error))
        else:
            reply({"id": number, **answer.result()})

    def _steer(self, request: Message) -> Message:
        self._session.steering.request(request["action"])
        return {}

    def _control(self, request: Message) -> Message:
        handle = self._session.offers.handles.get(request["key"])
        if handle is None:
            raise Refusal(404, "there is no such control")
        handle.set(request["value"])
        self._session.steering.poke()
        return {}

    def _upload(self, request: Message) -> Message:
        handle = self._session.offers.handles.get(request["key"])
        if not isinstance(handle, UploadHandle):
            raise Refusal(404, "there is no such control")
        handle.receive(request["name"], base64.b64decode(request["data"]))
        self._session.steering.poke()
        return {}

    def _page(self, request: Message) -> "Future[Any]":
        offer = self._session.offers.pages.get(request["name"])
        if offer is None:
            raise Refusal(404, "there is no such page")
        values = offer.fields.read(request["query"])
        # Viewers who ask for the same at the same time are given different answers: each its own.
        return self._session.steering.ask(partial(self._render, offer, values), on_thread=offer.on_thread)

    def _render(self, offer: PageOffer, values: Mapping[str, Any]) -> Message:
        events = _Collected()
        folder = MemoryFolder(offer.name)
        session = Session([events], self._session.linker, self._session.folder)
        session.is_kept = False
        key = f"page-{offer.name}"
        session.emit(Subreport(key=key, title=offer.title, folder=offer.name))
        with NotebookOutput(Page(session, folder, key, session.keys)) as log:
            offer.function(log, **values)
        return {
            "key": key,
            "events": [codec.to_json(event) for event in events.events],
            "files": {href: base64.b64encode(data).decode() for href, data in folder.files.items()},
        }

    def _endpoint(self, request: Message) -> "Future[Any]":
        offer = self._session.offers.endpoints.get((request["method"], request["path"]))
        if offer is None:
            taken = any(path == request["path"] for _, path in self._session.offers.endpoints)
            raise Refusal(405 if taken else 404, "there is no such endpoint")
        values = offer.fields.read(request["fields"])
        return self._session.steering.ask(partial(_call, offer, values), on_thread=offer.on_thread)


def _call(offer: EndpointOffer, values: Mapping[str, Any]) -> Message:
    value = offer.function(**values)
    if isinstance(value, bytes | bytearray):
        return {"type": "application/octet-stream", "data": base64.b64encode(value).decode()}
    if isinstance(value, str):
        return {"type": "text/plain", "text": value}
    text = json.dumps(value, default=_jsonable, allow_nan=False)
    return {"type": "application/json", "text": text}


def _jsonable(value: Any) -> Any:
    """A value of a library that JSON does not know, as one that it knows."""
    for method in ("tolist", "item", "_asdict"):
        if callable(convert := getattr(value, method, None)):
            return convert()
    raise TypeError(f"a {type(value).__name__} cannot be sent as JSON")


def _told(error: BaseException) -> Message:
    if isinstance(error, Refusal):
        return error.told
    if isinstance(error, ControlError):
        return {"status": 422, "error": str(error), "field": error.field}
    if isinstance(error, Busy):
        return {"status": 503, "error": str(error)}
    return {"status": 500, "error": failures.withheld(error)}


class _Collected:
    """A backend that keeps the events of one answer."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        pass


class MemoryFolder:
    """The files of a page that is made for one viewer: they are sent with it, and never on disk.

    Attributes:
        files: what was written, by address.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.files: dict[str, bytes] = {}
        self._names = Names()

    @property
    def path(self) -> Path:
        """Where the page would be."""
        return Path(self.name)

    @property
    def document(self) -> Path:
        """What the page would be."""
        return self.path / f"{self.name}.md"

    def reserve(self, name: str) -> str:
        """A new file's address, made from `name`."""
        return f"etc/{self._names.unique(file_name(name))}"

    def write(self, href: str, data: bytes) -> None:
        """Keeps `data` as the file `href`."""
        self.files[href] = data

    def fill(self, href: str, write: Callable[[Path], object]) -> int:
        """Keeps what `write` puts into a file; its size in bytes."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / href.rpartition("/")[2]
            write(path)
            self.files[href] = path.read_bytes()
        return len(self.files[href])

    def new_inner(self, title: str) -> str:
        """The name of a folder for a page of its own."""
        return self._names.unique(slug(title))

    def inner(self, name: str) -> "MemoryFolder":
        """A folder for a page of its own."""
        return MemoryFolder(name)
