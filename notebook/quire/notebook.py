"""`NotebookOutput`: the one interface against which a report is written."""

import atexit
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import AbstractContextManager, contextmanager
from functools import partial, wraps
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, overload

from quire import cache, capture, origins
from quire.codeblock import CodeBlock
from quire.events import (
    Admonition,
    Chart,
    Details,
    Link,
    Math,
    Metadata,
    Metric,
    Severity,
    State,
    Subreport,
    Text,
)
from quire.events import Progress as ProgressEvent
from quire.images import encode
from quire.interaction import Interaction
from quire.offers import PageOffer
from quire.page import CELL, Page, state_after
from quire.progress import Progress
from quire.quoting import Place, quote_call
from quire.tables import grid, scalar

if TYPE_CHECKING:
    import os

    import PIL.ImageDraw

T = TypeVar("T")
P = ParamSpec("P")


class NotebookOutput(Interaction):
    """A report in the making: each verb puts one thing on its page.

    Make one with `quire.open_report`, or let `quire run` make it. It is a context manager that closes
    the report, as failed if an exception leaves it. Every verb may be called from any thread, and
    within `with log.code():` puts its block inside that code's.

    Text is Markdown. A `key`, where a verb takes one, names the block: the same verb with the same
    key, called again, replaces what it showed.
    """

    def __init__(self, page: Page, release: Callable[[bool], None] | None = None) -> None:
        self._page = page
        self._release: Callable[[bool], None] = release or (lambda written: None)
        self._session = page.session
        self._closers: list[Callable[[], object]] = []
        self._fields: dict[str, object] = {}
        self._charts: dict[str, str] = {}
        self._is_closed = False
        if release:
            atexit.register(self._close_at_exit)

    # Text

    def h1(self, text: str) -> None:
        """Writes a heading of the first level: the title of the page."""
        self._page.heading(1, text)

    def h2(self, text: str) -> None:
        """Writes a heading of the second level."""
        self._page.heading(2, text)

    def h3(self, text: str) -> None:
        """Writes a heading of the third level."""
        self._page.heading(3, text)

    def p(self, text: str, *, key: str | None = None) -> None:
        """Writes a paragraph of Markdown; indentation that its lines share is taken off."""
        self._page.put(partial(Text, markdown=inspect.cleandoc(text)), "text", key)

    def out(self, value: object, *, key: str | None = None) -> None:
        """Writes a text as Markdown just as it is, or shows any other value as a block of code would."""
        if isinstance(value, str):
            self._page.put(partial(Text, markdown=value.strip("\n")), "text", key)
        else:
            self._page.show(value)

    def math(self, tex: str, *, key: str | None = None) -> None:
        """Writes a displayed formula, in TeX without delimiters. Within text, write `$…$`."""
        self._page.put(partial(Math, tex=inspect.cleandoc(tex)), "formula", key)

    def link(self, href: str, text: str = "", caption: str = "") -> None:
        """Writes a link to an address, or to a file relative to the report's folder."""
        self._page.put(partial(Link, href=href, text=text or href, caption=caption), "link")

    # Code

    @overload
    def code(self, /) -> CodeBlock: ...
    @overload
    def code(self, function: Callable[[], T], /) -> T: ...
    def code(self, function: Callable[[], Any] | None = None, /) -> Any:
        """Quotes code, runs it, and shows what it printed, logged and gave.

        Three uses:

            with log.code():                      # the body is quoted; its names stay in scope
                model = train(data)

            score = log.code(lambda: model.score(test))   # an expression; its value is shown and returned

            @log.code                             # a named step; the name becomes its value
            def confusion():
                ...

        A coroutine function is awaited: `await log.code(fetch)`, or `await step` after `@log.code`.

        An exception is written to the report with its traceback, and goes on.
        """
        called = Place.of(sys._getframe(1))
        block = CodeBlock(self._page, called)
        if function is None:
            return block
        if not callable(function):
            raise TypeError(
                f"log.code takes a function of no arguments, not a {type(function).__name__}: "
                "write log.code(lambda: …), or `with log.code():`"
            )
        quote = quote_call(called, function)
        if inspect.iscoroutinefunction(function):
            return block.run_async(quote, function)
        return block.run(quote, function)

    @overload
    def cached(self, function: Callable[P, T], /) -> Callable[P, T]: ...
    @overload
    def cached(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    def cached(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Calls a slow function, or takes its value from the cache if it was called like this before.

        Two uses:

            model = log.cached(train, digits, epochs=60)     # one call

            @log.cached                                      # every call of the function
            def train(digits, epochs): ...

        A value is kept on disk, in `$QUIRE_CACHE` or the user's folder for caches, with what was printed.
        It is taken for a later call, of this run or another one, if the function with all code of the
        author's that it refers to, what it closes over, the globals that it names, its arguments and the
        versions of the libraries are the same. The report says so, and when and in how many seconds the
        value was computed. A second run that wants a value while the first computes it waits for that.

        What the function does besides giving its value and printing is not done again: it must not write
        to the report. A value is not kept, and the report says why, if the function changed an argument
        or if the value cannot be pickled.

        Raises:
            TypeError: the function or an argument holds a report, a control, or something that cannot be
                pickled, such as a lock or a generator.
        """
        if args or kwargs:
            return cache.call(self._page, function, args, kwargs)

        @wraps(function)
        def from_cache(*args: Any, **kwargs: Any) -> Any:
            return cache.call(self._page, function, args, kwargs)

        return from_cache

    # Pictures and tables

    def image(
        self,
        image: Any,
        caption: str = "",
        *,
        alt: str = "",
        scale: int | None = None,
        limits: tuple[float, float] | None = None,
        key: str | None = None,
    ) -> None:
        """Shows a picture.

        Args:
            image: a Pillow image, a matplotlib figure, the path or the bytes of a PNG, JPEG, GIF, WebP
                or SVG file, or an array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4): 8-bit
                integers as they are, numbers from 0 to 1 as shares of white, others stretched between
                their extremes, what is not finite in magenta; or what shows itself in notebooks as SVG
                or PNG.
            caption: Markdown to stand below it.
            alt: what it shows, for who cannot see it; by default the caption.
            scale: how many times to enlarge each pixel of an array; by default to about 160 pixels.
            limits: the values of an array that become black and white.
            key: names the picture, so that the next one with this key takes its place.
        """
        self._page.figure(encode(image, scale=scale, limits=limits), caption, alt, key)

    @contextmanager
    def draw(
        self,
        width: int,
        height: int,
        caption: str = "",
        *,
        alt: str = "",
        background: str = "white",
        key: str | None = None,
    ) -> "Iterator[PIL.ImageDraw.ImageDraw]":
        """Gives Pillow's pen for a picture of `width` by `height` pixels, and shows what was drawn."""
        import PIL.Image
        import PIL.ImageDraw

        image = PIL.Image.new("RGB", (width, height), background)
        yield PIL.ImageDraw.Draw(image)
        self._page.figure(encode(image), caption, alt, key)

    def table(
        self,
        data: Any,
        caption: str = "",
        *,
        formats: Mapping[str, str] | None = None,
        picture_size: int = CELL,
        key: str | None = None,
    ) -> None:
        """Shows a table.

        Args:
            data: a sequence of rows as dicts, a dict of columns, or a data frame of any library. Cells
                that are pictures or arrays of pixels are shown as pictures, a `Reference` as a link.
            caption: Markdown to stand below it.
            formats: how numbers are written, by column, as for `format`: `{"accuracy": ".1%"}`.
            picture_size: how wide and high pictures are shown at most, in pixels.
            key: names the table, so that the next one with this key takes its place.

        Raises:
            TypeError: `data` is no table.
            ValueError: columns differ in length, or a format fits no column or no number.
        """
        self._page.table(grid(data), caption, formats or {}, key, picture_size)

    # Files

    def file(
        self, data: "bytes | str | Path | Callable[[Path], object]", name: str = "", caption: str = ""
    ) -> Path:
        """Puts a file beside the report and links to it.

        Args:
            data: bytes, a text, the path of a file to copy, or a function that writes the file at the
                path it is given: `log.file(model.save, "model.safetensors")`.
            name: what to call it; by default the name of the copied file.
            caption: Markdown to stand behind the link.

        Returns:
            Where the file is. Its name is made safe and unique, so it may differ from `name`.
        """
        wanted = name or (
            data.name if isinstance(data, Path) else "file.txt" if isinstance(data, str) else "file.bin"
        )
        href, size = self._page.write_file(wanted, _writer(data))
        if href:
            text = href.rpartition("/")[2]
            self._page.put(partial(Link, href=href, text=text, caption=caption, size=size), "file")
        return self._page.folder.path / href

    def data(self, path: "str | os.PathLike[str]") -> Path:
        """Tells that the report is made from a file or folder, and gives its path: `load(log.data("a.csv"))`.

        Its content is known by its SHA-256 from then on, so that `quire status` can tell if it has changed.
        What a demo gets as a parameter of the type `pathlib.Path` is told by itself.

        Raises:
            OSError: it is not there, or cannot be read.
        """
        place = Path(path)
        self._session.emit(origins.of_data(place, self._session.linker))
        return place

    def metadata(self, **fields: object) -> Mapping[str, object]:
        """Sets fields of the front matter (None removes one); all that were set so far."""
        if fields:
            self._fields |= fields
            self._session.emit(Metadata(fields=fields))
        return dict(self._fields)

    # Parts

    def details(
        self,
        title: str,
        text: str = "",
        *,
        open: bool = False,  # noqa: A002 - HTML's own word for it
    ) -> AbstractContextManager[None]:
        """Begins a part that a reader can open: it holds `text`, and what follows in a `with`."""
        return self._part(partial(Details, title=title, open=open), "details", text)

    def admonition(self, severity: Severity, title: str = "", text: str = "") -> AbstractContextManager[None]:
        """Sets a part apart: `text`, and what follows in a `with`.

        Args:
            severity: note, tip, important, warning or caution.
            title: what to call it besides.
            text: Markdown to begin with.
        """
        if severity not in Severity.__args__:  # type: ignore[attr-defined]
            raise ValueError(
                f"{severity!r} is no kind of admonition: choose note, tip, important, warning or caution"
            )
        return self._part(partial(Admonition, severity=severity, title=title), "admonition", text)

    def _part(
        self, make: Callable[..., Details | Admonition], name: str, text: str
    ) -> AbstractContextManager[None]:
        key = self._page.put(make, name)
        part = self._page.inside(key)
        if text:
            with self._page.inside(key):
                self.p(text)
        return part

    def subreport(self, title: str) -> "NotebookOutput":
        """Begins a page of its own, linked from here and back; close it, or use it in a `with`."""
        return self._page_within(title, title)

    def _page_within(self, title: str, name: str, *, is_whole: bool = False) -> "NotebookOutput":
        page = self._page
        with capture.lock:
            folder = page.folder.new_inner(name)
            key = page.put(partial(Subreport, title=title, folder=folder), folder, is_whole=is_whole)
        return NotebookOutput(Page(page.session, page.folder.inner(folder), key))

    # How it goes

    @overload
    def progress(
        self, items: Iterable[T], label: str = "progress", total: int | None = None
    ) -> Progress[T]: ...
    @overload
    def progress(self, *, label: str = "progress", total: int | None = None) -> Progress[Any]: ...
    def progress(
        self, items: Iterable[T] | None = None, label: str = "progress", total: int | None = None
    ) -> Progress[Any]:
        """Shows how far a loop has come: `for batch in log.progress(batches, "training"):`.

        Args:
            items: what to iterate over; left out, call `update` and `finish` of what is returned.
            label: what goes on.
            total: how many steps there are; by default `len(items)` if it has one.
        """
        page, parent, keys = self._page, self._session.within(self._page.key), list[str]()

        def report(done: int, total: int | None, elapsed: float, finished: bool) -> None:
            make = partial(
                ProgressEvent, label=label, done=done, total=total, elapsed=elapsed, finished=finished
            )
            if keys:
                self._session.emit(make(key=keys[0], parent=parent))
            else:
                keys.append(page.put(make, "progress"))

        known = len(items) if total is None and isinstance(items, Sized) else total
        steering = self._session.steering
        return Progress(() if items is None else items, known, report, steering.pause_point, steering.now)

    def metric(self, name: str, step: float, value: Any, *, chart: str = "") -> None:
        """Adds a point to a curve, which is drawn where its chart was first named.

        Args:
            name: the name of the curve.
            step: where on the axis: a step, an epoch, a time.
            value: a number of any library; what is not finite is counted, not drawn.
            chart: the title of the chart; curves of one chart are drawn together. By default `name`.
        """
        self._add_points(chart or name, step, {name: value})

    def metrics(self, step: float, /, *, chart: str = "", **values: Any) -> None:
        """Adds a point to each of several curves of one chart: `log.metrics(step, loss=…, accuracy=…)`."""
        self._add_points(chart or ", ".join(values), step, values)

    def _add_points(self, title: str, step: float, values: Mapping[str, Any]) -> None:
        numbers = {name: _number(name, value) for name, value in values.items()}
        if title not in self._charts:
            self._charts[title] = self._page.put(partial(Chart, title=title), "chart")
        for name, value in numbers.items():
            self._session.emit(Metric(chart=self._charts[title], name=name, step=float(step), value=value))
        self.pause_point()

    # The end

    def on_close(self, function: Callable[[], object]) -> None:
        """Has `function` called when the report is closed; it may still write to it."""
        self._closers.append(function)

    def close(self) -> None:
        """Ends the report, and writes all that is still to be written.

        Raises:
            ReportError: something could not be written, such as for a full disk.
        """
        self._close("done")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._session.is_mine:
            return
        state: State = "done" if error is None else state_after(error)
        if error is not None and not self._is_closed:
            self._page.fail(error)
        self._close(state, error)

    def _close(self, state: State, error: BaseException | None = None) -> None:
        if self._is_closed or not self._session.is_mine:
            return
        self._is_closed = True
        atexit.unregister(self._close_at_exit)
        errors: list[Exception] = []
        pages = [] if state == "failed" or self._page.key else self._session.offers.pages.values()
        closers = self._closers + [partial(self._write_offered, page) for page in pages]
        for closer in closers:
            try:
                closer()
            except Exception as broken:
                state = self._page.fail(broken)
                errors.append(broken)
        self._end(state, error or next(iter(errors), None))
        if errors:
            raise errors[0]

    def _write_offered(self, offer: PageOffer) -> None:
        """Writes a page that viewers of the live report could ask for, as it is at the end."""
        # It belongs to no section: that it is written after the last one means nothing.
        with self._page_within(offer.title, offer.name, is_whole=True) as page:
            offer.function(page)

    def _end(self, state: State, error: BaseException | None) -> None:
        if self._page.key:
            return
        written = False
        try:
            self._session.close(state)
            written = True
        finally:
            self._release(written)
        try:
            self._session.linger(state, error)
        finally:
            self._session.end()

    def _close_at_exit(self) -> None:
        # A script that never closed its report, or that an exception ended before it could.
        self._close("failed" if hasattr(sys, "last_value") else "done")


def _writer(data: "bytes | str | Path | Callable[[Path], object]") -> Callable[[Path], object]:
    if isinstance(data, Path):
        content = data.read_bytes()
        return lambda path: path.write_bytes(content)
    if isinstance(data, bytes):
        return lambda path: path.write_bytes(data)
    if isinstance(data, str):
        return lambda path: path.write_text(data, encoding="utf-8", errors="backslashreplace")
    if callable(data):
        return data
    raise TypeError(
        f"a file is made from bytes, a text, a path or a function, not from a {type(data).__name__}"
    )


def _number(name: str, value: Any) -> float:
    if value is None:
        return float("nan")
    plain = scalar(value)
    if isinstance(plain, int | float):
        return float(plain)
    raise TypeError(f"the metric {name!r} must be a number, not a {type(value).__name__}")
