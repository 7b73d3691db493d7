"""A block of code that is quoted while it runs."""

import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import TracebackType
from typing import Any, Protocol, TypeVar

from quire import capture
from quire.events import Block, Code, State
from quire.quoting import Place, Quote, caller, quote_with

T = TypeVar("T")


class Page(Protocol):
    """What a block of code needs of the page on which it stands."""

    def begin_code(self, quote: Quote) -> Code:
        """Puts the code on the page and makes what follows stand within it."""
        ...

    def end_code(self, code: Code) -> None:
        """Puts the code's end on the page; what follows stands beside it again."""
        ...

    def show(self, value: object) -> None:
        """Shows a value."""
        ...

    def fail(self, error: BaseException, where: str) -> State:
        """Shows an exception that left the code, once; how the block ended."""
        ...

    def pause_point(self) -> None:
        """Lets the run be held or ended here."""
        ...

    def sink(self, block: Block) -> capture.Sink:
        """What takes the output of a block."""
        ...


class CodeBlock:
    """What `log.code()` gives: quotes and captures the body of the `with` statement that it heads.

    It can be entered once.
    """

    def __init__(self, page: Page, called: Place) -> None:
        self._page = page
        self._called = called
        self._code: Code | None = None

    def __enter__(self) -> None:
        if self._code is not None:
            raise RuntimeError("this block of code has run: call log.code() anew for each `with`")
        self._begin(quote_with(self._called, Place.of(caller())))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Returning nothing tells type checkers that an exception goes on, so that names bound in the
        # block count as bound after it.
        self._end(None, error)

    def run(self, quote: Quote, function: Callable[[], T]) -> T:
        """Runs `function` as the block, and shows its value."""
        self._begin(quote)
        try:
            value = function()
        except BaseException as error:
            self._end(None, error)
            raise
        self._end(value, None)
        return value

    async def run_async(self, quote: Quote, function: Callable[[], Awaitable[T]]) -> T:
        """Awaits `function()` as the block, and shows its value."""
        self._begin(quote)
        try:
            value = await function()
        except BaseException as error:
            self._end(None, error)
            raise
        self._end(value, None)
        return value

    def _begin(self, quote: Quote) -> None:
        self._page.pause_point()
        self._pid = os.getpid()
        self._code = self._page.begin_code(quote)
        self._sink = self._page.sink(self._code)
        self._sink.enter()
        self._began = time.perf_counter()

    def _end(self, value: Any, error: BaseException | None) -> None:
        elapsed = time.perf_counter() - self._began
        self._sink.leave()
        if os.getpid() != self._pid:
            # A child that was forked in the block and leaves it: the report is its parent's.
            return
        code = self._code
        assert code is not None
        state: State = "done"
        if error is None:
            self._page.show(value)
        else:
            state = self._page.fail(error, f"{code.path}:{code.line}")
        self._page.end_code(replace(code, state=state, elapsed=elapsed))
