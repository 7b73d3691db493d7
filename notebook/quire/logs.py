"""`logging` as a report wants it, as long as the author has not said otherwise."""

import logging
import sys
from typing import TextIO


class LoggingDefaults:
    """Shows records from INFO up, until `restore`.

    Only the handler of last resort and the root's default level are touched, so that a
    `logging.basicConfig` of the author's still does what it says.
    """

    def __init__(self) -> None:
        self._handler, self._level = logging.lastResort, logging.root.level
        ours = _ToCurrentStderr()
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

    def __init__(self) -> None:
        # Not StreamHandler's own, which would bind today's `sys.stderr`.
        logging.Handler.__init__(self, logging.INFO)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr
