"""The output of a block: head and tail in memory, the whole of it in a file once it is long."""

from collections.abc import Callable
from typing import BinaryIO

from quire.terminal_text import COLOUR, TerminalText

# Up to this much, output is shown whole: a screenful, and no line of it longer than a page.
_MOST_LINES, _MOST = 60, 8_000
_HEAD_LINES, _TAIL_LINES, _END = 30, 20, 4_000


class Printed:
    """Text that a block wrote, as it comes in.

    Args:
        open_file: opens the file for the whole text, and says its address; called if the text gets long.
        colours: whether `head` and `tail` keep the sequences that set colours; the file never does.

    Attributes:
        href: the address of the whole text, or "" as long as it is short.
        lines: how many lines have ended.
        lost: why the file does not hold everything, or "".
    """

    def __init__(self, open_file: Callable[[], tuple[str, BinaryIO]], *, colours: bool = False) -> None:
        self._open_file = open_file
        self._screen = TerminalText(colours=colours)
        self._length = 0
        # Once the text is long: its beginning and its end, each a little more than is shown.
        self._begin = self._rest = ""
        self._file: BinaryIO | None = None
        self._ended = False
        self.href = ""
        self.lines = 0
        self.lost = ""

    def add(self, text: str) -> None:
        """Appends `text`."""
        self._append(self._screen.feed(text))

    def end(self) -> None:
        """Says that nothing more will come."""
        if not self._ended:
            self._append(self._screen.pending)
            self._ended = True
            if self._file:
                self._file.close()

    @property
    def is_long(self) -> bool:
        """Whether the text is too long to be shown whole."""
        return self._length > _MOST or self.lines > _MOST_LINES

    @property
    def head(self) -> str:
        """The whole text, or where it is long the lines at its beginning."""
        if not self.is_long:
            return self._begin + self._pending
        lines = self._begin[:_END].splitlines(keepends=True)[:_HEAD_LINES]
        # A line that was cut is not shown, unless it is all there is.
        return "".join(lines if len(lines) == 1 or lines[-1].endswith("\n") else lines[:-1])

    @property
    def tail(self) -> str:
        """The lines at the end of a long text."""
        whole = self._rest + self._pending
        lines = whole[-_END:].splitlines(keepends=True)
        return "".join((lines if len(lines) == 1 or len(whole) <= _END else lines[1:])[-_TAIL_LINES:])

    @property
    def lines_left_out(self) -> int:
        """How many lines stand between `head` and `tail`."""
        return max(0, self.lines - self.head.count("\n") - self.tail.count("\n"))

    @property
    def _pending(self) -> str:
        return "" if self._ended else self._screen.pending

    def _append(self, text: str) -> None:
        self._length += len(text)
        self.lines += text.count("\n")
        if self.is_long and text:
            if not self.href:
                self._begin_file()
            self._write(text)
            self._rest = (self._rest + text[-_MOST:])[-_MOST:]
        self._begin += text[: max(0, _MOST - len(self._begin))]

    def _begin_file(self) -> None:
        self._rest = self._begin
        try:
            self.href, self._file = self._open_file()
        except OSError as error:
            self.href, self.lost = "-", error.strerror or str(error)
        self._write(self._begin)

    def _write(self, text: str) -> None:
        if self._file and not self.lost:
            try:
                self._file.write(COLOUR.sub("", text).encode("utf-8", "backslashreplace"))
                # What a page says was kept must survive a kill.
                self._file.flush()
            except OSError as error:
                self.lost = error.strerror or str(error)
