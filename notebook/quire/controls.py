"""Controls: values that a viewer of a live report may set, and that the running code reads."""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from quire.errors import ControlError
from quire.events import Control, ControlKind, Json

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

T_co = TypeVar("T_co", covariant=True)

# Longer texts and names than these are nonsense, not input.
_LONGEST_LABEL = 200


class Handle(Generic[T_co]):
    """What `log.slider` and its like return: read `value` whenever the code wants to know.

    Static, and until a viewer sets it, that is the value that it was made with.

    Args:
        event: the control as it stands on the page.
        show: puts a changed control on the page.
        wait: holds the run until a condition holds; returns at once where there is no viewer.
    """

    def __init__(
        self, event: Control, show: Callable[[Control], None], wait: Callable[[Callable[[], bool]], None]
    ) -> None:
        self._event = event
        self._show = show
        self._wait = wait
        self._answers = 0
        self.watchers: list[Callable[[], None]] = []

    @property
    def value(self) -> T_co:
        """The value as it is now."""
        return _given(self._event)  # type: ignore[no-any-return]

    @property
    def key(self) -> str:
        """The key of its block."""
        return self._event.key

    def placed(self, parent: str) -> Control:
        """The control, to stand within the block `parent` from now on."""
        self._event = replace(self._event, parent=parent)
        return self._event

    def wait(self) -> T_co:
        """Holds the run until a viewer has set the control; static, it does not wait at all."""
        before = self._answers
        self._wait(lambda: self._answers > before)
        return self.value

    def set(self, value: Any) -> None:
        """Takes what a viewer chose.

        Raises:
            ControlError: the value is none for this control; nothing is changed.
        """
        self._event = replace(self._event, value=check(self._event, value))
        self._answers += 1
        self._show(self._event)
        for watcher in self.watchers:
            watcher()


class UploadHandle(Handle["Path | None"]):
    """The handle of an upload: its value is the path of the file in the report's folder.

    Args:
        save: puts the bytes of a file of this name into the report, and gives its address and path.
    """

    def __init__(
        self,
        event: Control,
        show: Callable[[Control], None],
        wait: Callable[[Callable[[], bool]], None],
        save: Callable[[str, bytes], tuple[str, Path]],
    ) -> None:
        super().__init__(event, show, wait)
        self._save = save
        self._path: Path | None = None

    @property
    def value(self) -> "Path | None":
        """The file that was sent last, or None."""
        return self._path

    def set(self, value: Any) -> None:
        """Refuses: a file is sent, not set."""
        raise ControlError("value", "a file is sent to this control, not a value")

    def receive(self, name: str, data: bytes) -> None:
        """Takes a file that a viewer sent."""
        href, self._path = self._save(name, data)
        super().set(href)


def check(control: Control, value: Any) -> Json:
    """What `value` becomes as the value of `control`.

    Raises:
        ControlError: it is none; the message says why.
    """
    return _CHECKS[control.kind](value, control.settings)


def number_range(label: str, least: float | None, greatest: float | None, value: float) -> None:
    """Checks what an author says of a slider or a number.

    Raises:
        ValueError: the limits are none, or the value is outside of them.
    """
    limits = [limit for limit in (least, greatest) if limit is not None]
    if not all(map(math.isfinite, [*limits, value])):
        raise ValueError(f"the limits and the value of {label!r} must be finite numbers")
    if least is not None and greatest is not None and not least < greatest:
        raise ValueError(f"{label!r} goes from {least:g} to {greatest:g}: the first must be the smaller")
    if not (-math.inf if least is None else least) <= value <= (math.inf if greatest is None else greatest):
        raise ValueError(f"the value {value:g} of {label!r} is outside of its limits")


def _number(value: Any, settings: Mapping[str, Json]) -> Json:
    # A whole number may be larger than any float.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not -sys.float_info.max <= value <= sys.float_info.max:
        raise ControlError("value", f"a number is wanted, not {_told(value)}")
    least, greatest = settings.get("least"), settings.get("greatest")
    if isinstance(least, int | float) and value < least:
        raise ControlError("value", f"the least is {least:g}, not {value:g}")
    if isinstance(greatest, int | float) and value > greatest:
        raise ControlError("value", f"the greatest is {greatest:g}, not {value:g}")
    if settings.get("whole"):
        if value != int(value):
            raise ControlError("value", f"a whole number is wanted, not {value:g}")
        return int(value)
    return float(value)


def _choice(value: Any, settings: Mapping[str, Json]) -> Json:
    options = settings["options"]
    if not isinstance(value, str) or not isinstance(options, Sequence) or value not in options:
        raise ControlError("value", f"one of the options is wanted, not {_told(value)}")
    return value


def _checkbox(value: Any, settings: Mapping[str, Json]) -> Json:
    if not isinstance(value, bool):
        raise ControlError("value", f"true or false is wanted, not {_told(value)}")
    return value


def _text(value: Any, settings: Mapping[str, Json]) -> Json:
    longest = settings["longest"]
    if not isinstance(value, str):
        raise ControlError("value", f"a text is wanted, not {_told(value)}")
    if isinstance(longest, int) and len(value) > longest:
        raise ControlError("value", f"at most {longest:,} characters are taken, not {len(value):,}")
    return value


def _button(value: Any, settings: Mapping[str, Json]) -> Json:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise ControlError("value", f"how often it was pressed is wanted, not {_told(value)}")
    return value


def _upload(value: Any, settings: Mapping[str, Json]) -> Json:
    return str(value)


def _sketch(value: Any, settings: Mapping[str, Json]) -> Json:
    height, width = settings["height"], settings["width"]
    assert isinstance(height, int)
    assert isinstance(width, int)
    if not isinstance(value, list) or len(value) != height * width:
        raise ControlError("value", f"a list of {height} x {width} numbers is wanted, not {_told(value)}")
    if not all(isinstance(v, int | float) and not isinstance(v, bool) and 0 <= v <= 1 for v in value):
        raise ControlError("value", "the numbers of a sketch go from 0 to 1")
    return [round(float(v), 4) for v in value]


_CHECKS: dict[ControlKind, Callable[[Any, Mapping[str, Json]], Json]] = {
    "slider": _number,
    "number": _number,
    "choice": _choice,
    "checkbox": _checkbox,
    "text": _text,
    "button": _button,
    "upload": _upload,
    "sketch": _sketch,
}


def _given(event: Control) -> Any:
    """A control's value as the author reads it."""
    return _pixels(event) if event.kind == "sketch" else event.value


def _pixels(event: Control) -> "npt.NDArray[np.float32]":
    import numpy as np

    height, width = event.settings["height"], event.settings["width"]
    assert isinstance(height, int)
    assert isinstance(width, int)
    return np.array(event.value or [0.0] * (height * width), np.float32).reshape(height, width)


def _told(value: Any) -> str:
    if isinstance(value, list | dict | str):
        return f"a {type(value).__name__} of length {len(value):,}"
    return repr(value)[:_LONGEST_LABEL]
