"""Values of slow functions, kept on disk from run to run."""

import datetime
import fcntl
import hashlib
import inspect
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from quire.controls import Handle
from quire.events import Cached
from quire.fingerprint import Digest, Forbidden, Incomparable
from quire.interaction import Interaction
from quire.page import Page

T = TypeVar("T")

# Of the files: a later layout finds none of an earlier one's.
_LAYOUT = 1
# Between two looks whether another run has finished with a value, in seconds.
_BLINK = 0.05

_held: set[Path] = set()
_changing = threading.Lock()


@dataclass(frozen=True, slots=True)
class Kept:
    """A value, with what was printed while it was computed, when that was, and how many seconds it took."""

    value: Any
    printed: str
    computed: str
    elapsed: float


def call(page: Page, function: Callable[..., T], args: tuple[object, ...], kwargs: Mapping[str, object]) -> T:
    """The value of `function(*args, **kwargs)`: from the cache if it is there, else computed and put there.

    Args:
        page: says where the value came from.
        function: what to call.
        args: its arguments by place.
        kwargs: its arguments by name.

    Raises:
        TypeError: the call cannot be compared with those of other runs.
    """
    name = getattr(function, "__name__", type(function).__name__)
    before = _parts(function, args, kwargs, name)
    entry = _Entry(_folder(), hashlib.sha256(repr(sorted(before.items())).encode()).hexdigest())
    page.pause_point()
    tell = partial(_tell, page, name)
    try:
        entry.make_room()
    except OSError as error:
        value, elapsed, _ = _computed(page, function, args, kwargs)
        tell(_now(), elapsed, note=f"the cache cannot be written: {error.strerror}")
        return value
    with entry.locked(partial(_wait, page, name)):
        kept = entry.read() if page.session.takes_cached else None
        if kept is not None:
            sys.stdout.write(kept.printed)
            tell(kept.computed, kept.elapsed, is_kept=True)
            return kept.value  # type: ignore[no-any-return]
        value, elapsed, printed = _computed(page, function, args, kwargs)
        computed, after = _now(), _parts(function, args, kwargs, name)
        changed = [part for part in before if part and after[part] != before[part]]
        note = f"it changed {_where(changed[0])}" if changed else ""
        tell(computed, elapsed, note=note or entry.write(Kept(value, printed, computed, elapsed)))
        return value


def _folder() -> Path:
    """Where values are kept: below `$QUIRE_CACHE`, or `quire` in the user's folder for caches."""
    told = os.environ.get("QUIRE_CACHE")
    above = Path(told) if told else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quire"
    return above / f"values-{_LAYOUT}"


def _parts(
    function: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object], name: str
) -> dict[str, str]:
    """The digests that tell the call from others: of the function under "", of each argument by its name."""
    if inspect.iscoroutinefunction(function):
        raise TypeError(
            f"log.cached cannot keep {name}: it is a coroutine function, whose value cannot be kept"
        )
    digest = Digest((Interaction, Handle))
    parts: dict[str, str] = {}
    for part, value in {"": function, **_arguments(function, args, kwargs)}.items():
        try:
            parts[part] = digest.of(value)
        except Forbidden as error:
            advice = (
                "give it the value of the control instead"
                if isinstance(error.value, Handle)
                else "what it writes would be missing when its value comes from the cache"
            )
            kind = type(error.value).__name__
            raise TypeError(
                f"log.cached cannot keep {name}: {_where(part)} holds a {kind}: {advice}"
            ) from None
        except Incomparable as error:
            raise TypeError(
                f"log.cached cannot tell whether {name} was called like this before: {_where(part)} holds "
                f"a {type(error.value).__name__} ({error}): give it what can be pickled"
            ) from error
    python = f"{sys.implementation.cache_tag} {sys.platform}"
    return parts | {"": f"{python} {parts['']}"}


def _where(part: str) -> str:
    return f"its argument {part!r}" if part else "what it refers to"


def _arguments(
    function: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object]
) -> dict[str, object]:
    """The arguments by name, those too that are left to their defaults."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (ValueError, TypeError):
        # What is built in may have no signature; a wrong call fails when it is made, in its own words.
        return {**{str(number): value for number, value in enumerate(args, 1)}, **kwargs}
    bound.apply_defaults()
    return bound.arguments


def _computed(
    page: Page, function: Callable[..., T], args: tuple[object, ...], kwargs: Mapping[str, object]
) -> tuple[T, float, str]:
    """The value, the seconds that it took, and what was printed meanwhile."""
    printed: list[str] = []
    began = time.perf_counter()
    with page.session.overhearing(printed.append):
        value = function(*args, **kwargs)
    return value, time.perf_counter() - began, "".join(printed)


def _now() -> str:
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def _tell(
    page: Page, name: str, computed: str, elapsed: float, *, is_kept: bool = False, note: str = ""
) -> None:
    # A forked child may use the cache, too; the report is its parent's.
    if page.session.is_mine:
        make = partial(Cached, name=name, computed=computed, elapsed=elapsed, is_kept=is_kept, note=note)
        page.put(make, "cached")


def _wait(page: Page, name: str) -> Iterator[None]:
    page.session.say(f"{name}: another run computes it; this one waits for it.\n")
    while True:
        page.pause_point()
        time.sleep(_BLINK)
        yield


class _Entry:
    """The place of one value on the disk."""

    def __init__(self, folder: Path, key: str) -> None:
        self.place = folder / key[:2] / f"{key}.pickle"

    def make_room(self) -> None:
        """Makes the folder, which is nobody else's: what is in it is trusted."""
        self.place.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.place.parent.mkdir(mode=0o700, exist_ok=True)

    @contextmanager
    def locked(self, wait: Callable[[], Iterator[None]]) -> Iterator[None]:
        """Holds the value, against other threads and other processes; a process that dies gives it up."""
        waiting: Iterator[None] | None = None
        while not self._claim():
            waiting = waiting or wait()
            next(waiting)
        # A record lock: a forked child neither inherits it nor keeps it alive.
        fd = os.open(self.place.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _try_lock(fd):
                waiting = waiting or wait()
                next(waiting)
            yield
        finally:
            os.close(fd)
            with _changing:
                _held.discard(self.place)

    def _claim(self) -> bool:
        with _changing:
            is_free = self.place not in _held
            _held.add(self.place)
        return is_free

    def read(self) -> Kept | None:
        """What is kept; None if there is nothing that can be read. Files of other users are not."""
        try:
            with self.place.open("rb") as file:
                kept = pickle.load(file) if os.fstat(file.fileno()).st_uid == os.getuid() else None
        # Whatever the author's classes raise, or a file of which a part is missing: it is computed anew.
        except Exception:
            return None
        return kept if isinstance(kept, Kept) else None

    def write(self, kept: Kept) -> str:
        """Keeps a value, in one step; why it cannot be kept, if so."""
        partly = self.place.with_suffix(f".{os.getpid()}.tmp")
        try:
            with partly.open("wb") as file:
                pickle.dump(kept, file, protocol=pickle.HIGHEST_PROTOCOL)
            partly.replace(self.place)
        except OSError as error:
            return f"the cache cannot be written: {error.strerror}"
        except Exception as error:
            return f"its value, a {type(kept.value).__name__}, cannot be: {error}"
        finally:
            partly.unlink(missing_ok=True)
        return ""


def _try_lock(fd: int) -> bool:
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _forget_holders() -> None:
    global _changing
    # In a forked child nobody holds anything.
    _held.clear()
    _changing = threading.Lock()


os.register_at_fork(after_in_child=_forget_holders)
