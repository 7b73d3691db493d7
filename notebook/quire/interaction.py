"""The verbs with which a live report answers its viewers; a static one renders them once."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from quire import failures
from quire.controls import Handle, UploadHandle, number_range
from quire.errors import ParameterError
from quire.events import Control, ControlKind, Emptied, Interact, Json, Offered, Part, Text
from quire.fields import Fields
from quire.offers import EndpointOffer, PageOffer
from quire.page import Page
from quire.session import Session

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


F = TypeVar("F", bound=Callable[..., object])
Controls = Handle[Any] | Sequence[Handle[Any]]

_PAGE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,60}", re.IGNORECASE)
_ENDPOINT_PATH = re.compile(r"/api(/[\w.-]+)+")
_METHODS = ("GET", "POST", "PUT", "DELETE")


class Interaction:
    """The part of `NotebookOutput` that viewers can act upon."""

    _page: Page
    _session: Session

    # The course of the run

    def pause_point(self) -> None:
        """Lets a viewer pause the run here, end it early, or ask a page of it: call it in long loops.

        `log.progress`, `log.metric` and each block of code call it by themselves.

        Raises:
            RunStopped: a viewer asked for the run to finish early; the report will be whole.
            KeyboardInterrupt: Ctrl-C was pressed.
        """
        self._session.steering.pause_point()

    def on(self, happening: Literal["pause", "resume", "stop"], function: Callable[[], object]) -> None:
        """Has `function` called, in the run's own thread, when the run is paused, goes on, or is stopped."""
        if happening not in ("pause", "resume", "stop"):
            raise ValueError(f"{happening!r} never happens: choose pause, resume or stop")
        self._session.steering.listeners.setdefault(happening, []).append(function)

    # Controls

    def slider(
        self,
        label: str,
        least: float,
        greatest: float,
        *,
        value: float | None = None,
        step: float | None = None,
    ) -> Handle[float]:
        """Puts a slider on the page; its handle's `value` is a number from `least` to `greatest`.

        Args:
            label: what it sets.
            least: the least value.
            greatest: the greatest value.
            value: what it has at first; by default the least.
            step: how far apart the values are; by default 1 if all numbers given are whole ones (which
                its values then are too), else a hundredth of the whole.
        """
        first = least if value is None else value
        number_range(label, least, greatest, first)
        whole = all(isinstance(n, int) for n in (least, greatest, first, 1 if step is None else step))
        steps = step if step is not None else 1 if whole else (greatest - least) / 100
        settings = {"least": least, "greatest": greatest, "step": steps, "whole": whole}
        return self._control("slider", label, first, settings)

    def number(
        self,
        label: str,
        value: float = 0,
        *,
        least: float | None = None,
        greatest: float | None = None,
        step: float | None = None,
    ) -> Handle[float]:
        """Puts a field for a number on the page, with limits if they are given."""
        number_range(label, least, greatest, value)
        limits = {"least": least, "greatest": greatest, "step": step}
        return self._control("number", label, value, {n: v for n, v in limits.items() if v is not None})

    def choice(self, label: str, options: Sequence[str], *, value: str | None = None) -> Handle[str]:
        """Puts a choice between texts on the page; at first the first, or `value`."""
        if not options or not all(isinstance(option, str) for option in options):
            raise ValueError(f"the choice {label!r} needs texts to choose from")
        first = options[0] if value is None else value
        if first not in options:
            raise ValueError(f"{first!r} is none of the options of {label!r}: {', '.join(options)}")
        return self._control("choice", label, first, {"options": list(options)})

    def checkbox(self, label: str, value: bool = False) -> Handle[bool]:
        """Puts a box to tick on the page."""
        return self._control("checkbox", label, bool(value), {})

    def text(self, label: str, value: str = "", *, longest: int = 1000) -> Handle[str]:
        """Puts a field for a text of at most `longest` characters on the page."""
        return self._control("text", label, value, {"longest": longest})

    def button(self, label: str) -> Handle[int]:
        """Puts a button on the page; its value is how often it was pressed."""
        return self._control("button", label, 0, {})

    def upload(self, label: str, *, accept: str = "") -> "Handle[Path | None]":
        """Puts a field for a file on the page; its value is the path of the file that was sent last.

        Args:
            label: what is asked for.
            accept: which files to offer, as HTML has it: `image/*`, `.csv`. Any may come all the same.
        """
        event = self._put_control("upload", label, None, {"accept": accept})
        handle = UploadHandle(event, self._session.emit, self._wait, self._save_upload)
        self._session.offers.handles[event.key] = handle
        return handle

    def sketch(self, label: str, height: int, width: int) -> "Handle[npt.NDArray[np.float32]]":
        """Puts a pad to draw on onto the page; its value is an array (height, width) from 0 to 1."""
        if not (1 <= height <= 256 and 1 <= width <= 256):
            raise ValueError(f"a sketch has 1 to 256 rows and columns, not {height} x {width}")
        return self._control("sketch", label, [], {"height": height, "width": width})

    def interact(self, title: str = "", /, *, thread: bool = False, **controls: Controls) -> Callable[[F], F]:
        """Shows what a function makes of controls, and again whenever one of them is set.

            @log.interact("A code, decoded", code=[log.slider(f"{i}", 0, 10) for i in range(25)])
            def decoded(code: list[float]) -> PIL.Image.Image: ...

        The function is called with the controls' values by name; its result is shown. If it takes one
        parameter more, before these, that is a `NotebookOutput` to write with. Of several changes that
        come while it runs, only the latest is answered.

        Args:
            title: stands above the controls.
            thread: whether the function may be called on a thread of its own, at any moment, instead of
                at the run's next pause point.
            controls: a handle, or several in a list, for each of the function's parameters.
        """

        def decorate(function: F) -> F:
            shown = _Interactive(self._page, type(self), title or _title(function), function, controls)
            shown.begin(on_thread=thread)
            return function

        return decorate

    # Pages and endpoints

    def page(self, name: str, title: str = "", *, thread: bool = False) -> Callable[[F], F]:
        """Offers a page that the decorated function writes, whenever a viewer asks for it.

            @log.page("history")
            def history(log: NotebookOutput) -> None:
                log.table(losses)

        Live, it answers with the model as it is, while training runs. Static, it is written once, when
        the report is closed, as a page of its own.

        Args:
            name: its address: letters, digits, hyphens.
            title: what to call it; by default its name.
            thread: whether the function may be called on a thread of its own, at any moment, instead of
                at the run's next pause point.
        """
        if not _PAGE_NAME.fullmatch(name) or name in self._session.offers.pages:
            raise ValueError(f"{name!r} is no name for a page, or is taken: use letters, digits and hyphens")

        def decorate(function: F) -> F:
            told = title or name.replace("-", " ").replace("_", " ").capitalize()
            fields = Fields.of(function, given=1)
            if fields.required:
                needs = ", ".join(sorted(fields.required))
                raise ParameterError(f"{needs} of the page {name!r}: a page must be ready without being told")
            self._session.offers.pages[name] = PageOffer(name, told, function, fields, thread)
            self._session.emit(Offered(name=name, title=told))
            return function

        return decorate

    def endpoint(self, method: str, path: str, *, thread: bool = False) -> Callable[[F], F]:
        """Has the decorated function answer requests for `path`, such as `/api/code`, while the run is live.

        Its parameters are the fields of the query, or of a JSON body; they are checked by their types
        before it is called. What it returns is sent: bytes as they are, a text as plain text, all else
        (NumPy's arrays and numbers too) as JSON.

        Raises:
            ValueError: the method is none, or the path does not begin with `/api/`, or is taken.
        """
        if method not in _METHODS:
            raise ValueError(f"{method!r} is no method that is served: choose {', '.join(_METHODS)}")
        if not _ENDPOINT_PATH.fullmatch(path) or (method, path) in self._session.offers.endpoints:
            raise ValueError(f"{path!r} is no path for an endpoint, or is taken: write one like /api/code")

        def decorate(function: F) -> F:
            fields = Fields.of(function, given=0)
            offer = EndpointOffer(method, path, function, fields, thread)
            self._session.offers.endpoints[method, path] = offer
            return function

        return decorate

    # Within

    def _control(
        self, kind: ControlKind, label: str, value: Json, settings: Mapping[str, Json]
    ) -> Handle[Any]:
        event = self._put_control(kind, label, value, settings)
        handle: Handle[Any] = Handle(event, self._session.emit, self._wait)
        self._session.offers.handles[event.key] = handle
        return handle

    def _put_control(
        self, kind: ControlKind, label: str, value: Json, settings: Mapping[str, Json]
    ) -> Control:
        made: list[Control] = []

        def make(**where: str) -> Control:
            made.append(Control(kind=kind, label=label, value=value, settings=settings, **where))
            return made[0]

        self._page.put(make, kind)
        return made[0]

    def _wait(self, is_answered: Callable[[], bool]) -> None:
        if self._session.is_live:
            self._session.steering.wait_for(is_answered)

    def _save_upload(self, name: str, data: bytes) -> tuple[str, Path]:
        href, _ = self._page.write_file(name, lambda path: path.write_bytes(data))
        return href, self._page.folder.path / href


class _Interactive:
    """A function whose result is shown anew whenever one of its controls is set."""

    def __init__(
        self,
        page: Page,
        author: Callable[[Page], object],
        title: str,
        function: Callable[..., object],
        controls: Mapping[str, Controls],
    ) -> None:
        self._page = page
        self._author = author
        self._title = title
        self._function = function
        self._controls = controls
        self._on_thread = False
        parameters = list(inspect.signature(function).parameters)
        self._writes = bool(parameters) and parameters[0] not in controls
        unknown = set(parameters[self._writes :]) ^ set(controls)
        if unknown:
            raise TypeError(
                f"{function.__name__} and its controls do not fit: {', '.join(sorted(unknown))} "
                "must be both a parameter and a control"
            )
        self._files: dict[str, str] = {}

    def begin(self, *, on_thread: bool) -> None:
        """Puts all on the page, for the first time."""
        session = self._page.session
        self._on_thread = on_thread
        key = self._page.put(partial(Interact, title=self._title), "interact")
        with self._page.inside(key):
            for handle in self._handles():
                session.emit(handle.placed(key))
                handle.watchers.append(self._ask)
            self._part = self._page.put(Part, "result")
        self._fill(self._emptied())

    def _handles(self) -> list[Handle[Any]]:
        given = self._controls.values()
        return [h for part in given for h in ([part] if isinstance(part, Handle) else part)]

    def _ask(self) -> None:
        # Of many changes the last: what is shown then is right.
        self._page.session.steering.ask(self._render_again, key=self, on_thread=self._on_thread)

    def _render_again(self) -> None:
        page = self._emptied()
        try:
            self._fill(page)
        except Exception as error:
            # The run has nothing to do with what a viewer set; nor has a viewer with the run's paths.
            told = failures.withheld(error)
            page.put(partial(Text, markdown=f"**{told}**"), "failure")

    def _emptied(self) -> Page:
        page = self._page.scoped(self._part, self._files)
        page.session.emit(Emptied(key=self._part))
        return page

    def _fill(self, page: Page) -> None:
        values = {
            name: part.value if isinstance(part, Handle) else [handle.value for handle in part]
            for name, part in self._controls.items()
        }
        given = [self._author(page)] if self._writes else []
        page.show(self._function(*given, **values))


def _title(function: Callable[..., object]) -> str:
    return getattr(function, "__name__", "").strip("_").replace("_", " ").capitalize()
