"""What may hold, end or question a run from outside, and the points at which it does."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Literal

Action = Literal["pause", "resume", "stop", "exit"]

# Calls that wait for the run: more than this are refused, since nobody would wait so long for them.
_MOST_WAITING = 32
# A run that passed a pause point no longer ago than this, in seconds, will perhaps pass the next one soon;
# it is not waited for longer.
_RECENT = 1.5


class RunStopped(SystemExit):
    """A viewer asked the run to finish early; the report is closed as stopped, and the script ends."""

    def __init__(self) -> None:
        super().__init__(0)


class Busy(Exception):  # noqa: N818 - what is the case; it never leaves the engine
    """Too many calls wait for the run."""


class Steering:
    """Takes requests from any thread, and grants them where the run allows: at its pause points."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._thread = threading.get_ident()
        self._interruptions = 0
        self._wanted: Literal["stop", "interrupt"] | None = None
        self._calls: dict[object, tuple[Callable[[], Any], Future[Any]]] = {}
        self._aside: dict[object, tuple[Callable[[], Any], Future[Any]]] = {}
        self._locks: dict[object, threading.Lock] = {}
        self._has_news = False
        self._passed = 0.0
        self._is_waiting = False
        self._was_paused = False
        self.is_paused = False
        self.is_over = False
        self.paused_for = 0.0
        self.listeners: dict[str, list[Callable[[], object]]] = {}

    def pause_point(self) -> None:
        """Grants what was asked for: answers calls, waits while paused, ends the run if it shall end.

        Raises:
            RunStopped: a viewer wants the run to finish early.
            KeyboardInterrupt: Ctrl-C was pressed.
        """
        self._passed = time.perf_counter()
        # Without a lock: what comes a moment later is granted at the next point.
        if self._has_news and not self._is_waiting:
            self._grant()

    @contextmanager
    def by_glances(self) -> Iterator[None]:
        """Within a `with` block, grants what is asked for where the run calls `glance`, at no pause point."""
        around, self._is_waiting = self._is_waiting, True
        try:
            yield
        finally:
            self._is_waiting = around

    def glance(self) -> bool:
        """Grants what can be granted without waiting: for a run that has others under it to look after.

        It answers calls and announces a pause, which the run must keep itself.

        Returns:
            Whether the run was asked to finish early since the last glance.
        """
        self._answer_calls()
        if self.is_paused != self._was_paused:
            self._was_paused = self.is_paused
            self._announce("pause" if self.is_paused else "resume")
        wanted, self._wanted = self._wanted, None
        if wanted:
            self._announce("stop")
        return wanted is not None

    def now(self) -> float:
        """Seconds on the run's own clock, which stands still while it is paused."""
        return time.perf_counter() - self.paused_for

    def request(self, action: Action) -> None:
        """Asks for the run to be paused, to go on, to finish early, or to end for good."""
        with self._changed:
            if action in ("pause", "resume"):
                self.is_paused = action == "pause"
            elif self._wanted is None:
                self._wanted = "stop"
                self.is_paused = False
            self.is_over = self.is_over or action == "exit"
            self._tell()

    def interrupt(self) -> bool:
        """Asks for the run to be interrupted, from a signal handler.

        Returns:
            Whether it will be, at its next pause point; if not, there is none soon.
        """
        is_near = time.perf_counter() - self._passed < _RECENT and not self._is_waiting
        if not is_near or self._wanted == "interrupt":
            return False
        # No lock: the handler may have come upon a thread that holds it.
        self._wanted, self._has_news = "interrupt", True
        self._interruptions += 1
        threading.Thread(target=self._insist, args=[self._interruptions], daemon=True).start()
        return True

    def _insist(self, number: int) -> None:
        """Interrupts the run at once if its step goes on for too long after the interruption `number`."""
        time.sleep(_RECENT)
        if self._wanted == "interrupt" and number == self._interruptions:
            # A real signal: it ends a wait for the system, too.
            signal.pthread_kill(self._thread, signal.SIGINT)

    def ask(
        self, function: Callable[[], Any], key: object = None, *, on_thread: bool = False
    ) -> "Future[Any]":
        """Has `function` called at the run's next pause point.

        Args:
            function: what to call.
            key: only the latest call with the same key is made; earlier ones are cancelled.
            on_thread: whether to call it at once, on a thread of its own.

        Raises:
            Busy: too many calls wait already.
        """
        answer: Future[Any] = Future()
        with self._changed:
            name = object() if key is None else key
            waiting = self._calls.keys() | self._aside.keys()
            if name not in waiting and len(waiting) >= _MOST_WAITING:
                raise Busy(f"{len(waiting)} calls wait for the run already")
            calls = self._aside if on_thread else self._calls
            before = calls.pop(name, None)
            calls[name] = function, answer
            self._tell()
        if before:
            before[1].cancel()
        elif on_thread:
            lock = threading.Lock() if key is None else self._locks.setdefault(key, threading.Lock())
            threading.Thread(target=self._answer_aside, args=(name, lock), daemon=True).start()
        return answer

    def _answer_aside(self, name: object, lock: threading.Lock) -> None:
        # One at a time for each key, so that what two of them show cannot mingle.
        with lock:
            with self._changed:
                call = self._aside.pop(name, None)
            if call:
                answer_call(*call)

    def wait_for(self, is_true: Callable[[], bool]) -> None:
        """Answers calls until `is_true`; for the thread that runs the demo.

        Raises:
            RunStopped, KeyboardInterrupt: as `pause_point`.
        """
        around, self._is_waiting = self._is_waiting, True
        try:
            while not is_true():
                self._answer_calls()
                self._end_if_wanted()
                with self._changed:
                    # Woken at times even so: a signal handler sets flags without a lock.
                    if not self._calls and not is_true():
                        self._changed.wait(0.5)
        finally:
            self._is_waiting = around

    def serve(self) -> None:
        """Answers calls until a viewer ends the run for good; for a run that has come to its end."""
        self._wanted = None
        while not self.is_over:
            self._answer_calls()
            with self._changed:
                if not self._calls and not self.is_over:
                    self._changed.wait(0.5)

    def end(self) -> None:
        """Refuses all that still waits."""
        with self._changed:
            calls, self._calls = self._calls, {}
        for _, answer in calls.values():
            answer.cancel()

    def poke(self) -> None:
        """Wakes whoever waits in `wait_for`, to look again."""
        with self._changed:
            self._changed.notify_all()

    def _tell(self) -> None:
        self._has_news = True
        self._changed.notify_all()

    def _grant(self) -> None:
        if threading.get_ident() != self._thread:
            # Another thread of the author's only waits: calls and endings are the main one's.
            while self.is_paused:
                time.sleep(0.05)
            return
        self._has_news = False
        self._is_waiting = True
        try:
            self._answer_calls()
            if self.is_paused:
                self._pause()
            self._end_if_wanted()
        finally:
            self._is_waiting = False

    def _pause(self) -> None:
        began = time.perf_counter()
        self._announce("pause")
        try:
            self.wait_for(lambda: not self.is_paused)
        finally:
            self.paused_for += time.perf_counter() - began
            self._announce("resume")

    def _end_if_wanted(self) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted == "interrupt":
            raise KeyboardInterrupt
        if wanted == "stop":
            self._announce("stop")
            raise RunStopped

    def _announce(self, happened: str) -> None:
        for listener in self.listeners.get(happened, ()):
            listener()

    def _answer_calls(self) -> None:
        while self._calls:
            with self._changed:
                name = next(iter(self._calls), None)
                if name is None:
                    return
                function, answer = self._calls.pop(name)
            answer_call(function, answer)


def answer_call(function: Callable[[], Any], answer: "Future[Any]") -> None:
    """Calls `function` and gives its value, or what it raises, to who waits for the answer."""
    if not answer.set_running_or_notify_cancel():
        return
    try:
        answer.set_result(function())
    except Exception as error:
        answer.set_exception(error)
    except BaseException:
        answer.cancel()
        raise
