"""`logging` as a report wants it, as long as the author has not said otherwise."""

import logging
import sys
from collections.abc import Callable
from typing import TextIO


class LoggingDefaults:
    """Shows records from INFO up, until `restore`.

    Only the handler of last resort and the root's default level are touched, so that a
    `logging.basicConfig` of the author's still does what it says.

    Args:
        aside: takes records whose attribute `transient` is true (`extra={"transient": True}`), as lines:
            they tell of this moment and this machine, and are for the terminal but for no block of code.
    """

    def __init__(self, aside: Callable[[str], object]) -> None:
        self._handler, self._level = logging.lastResort, logging.root.level
        ours = _ToCurrentStderr(aside)
        ours.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        logging.lastResort = ours
        self._lowered = not logging.root.handlers and self._level == logging.WARNING
        if self._lowered:
            logging.root.setLevel(logging.INFO)

    def restore(self) -> None:
        """Puts back what was there, but for what the author changed since."""
        if isinstance(logging.lastResort, _ToCurrentStderr):
            logging.lastResort = self._handler
        if self._lowered and logging.root.level == logging.INFO:
            logging.root.setLevel(self._level)


class _ToCurrentStderr(logging.StreamHandler[TextIO]):
    """Writes to whatever `sys.stderr` is when a record comes."""

    def __init__(self, aside: Callable[[str], object]) -> None:
        # Not StreamHandler's own, which would bind today's `sys.stderr`.
        logging.Handler.__init__(self, logging.INFO)
        self._aside = aside

    def handle(self, record: logging.LogRecord) -> bool:
        # Not under the handler's own lock, which who writes to the report may be waiting for.
        if getattr(record, "transient", False):
            self._aside(f"{self.format(record)}\n")
            return True
        return bool(super().handle(record))

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr
