"""The commented demo that `quire new` writes."""

import keyword
import re
from pathlib import Path

from quire.errors import ReportError

_TEXT = '''\
"""What this report shows, in a sentence."""

from typing import Annotated

from quire import NotebookOutput, Range


def FUNCTION(
    log: NotebookOutput,
    steps: Annotated[int, Range(1, 10_000)] = 200,
    start: float = 4.0,
) -> None:
    """Finds the bottom of a parabola by gradient descent.

    Args:
        steps: how many steps to take.
        start: where to begin.
    """
    # The parameters above are options: `quire run FILE --help` tells them in the docstring's words.
    log.h1("TITLE")
    log.p("""
        Say what the report is about. Text is **Markdown**, with formulas: we look for the least value of
        $(x - 1)^2$.
    """)

    # `quire serve FILE` shows this as a slider that acts while the loop runs; `quire run` takes its value.
    rate = log.slider("learning rate", 0.0, 1.0, value=0.05)

    # A page of its own: served, it is drawn when a viewer looks, as things are then; run, once at the end.
    x = start

    @log.page("where", "Where it is")
    def where(page: NotebookOutput) -> None:
        page.p(f"At {x:.6f}, with a learning rate of {rate.value:g}.")

    # What stands in the block is quoted as it ran, with what it prints; its names stay in scope.
    with log.code():
        # The page shows how far the loop is; each step is where a viewer may pause or stop it.
        for step in log.progress(range(steps), "descent"):
            x -= rate.value * 2 * (x - 1)
            log.metric("distance", step, abs(x - 1))
        print("after", steps, "steps")

    # The value of one expression is shown, and returned.
    found = log.code(lambda: round(x, 6))
    log.p(f"The bottom is at **{found}**.")
    log.table([{"what": "found", "x": x}, {"what": "true", "x": 1.0}], formats={"x": ".6f"})
    # What is worth comparing between runs goes into the front matter.
    log.metadata(error=abs(x - 1))
'''


def write(path: Path) -> None:
    """Writes the demo to `path`.

    Raises:
        ReportError: there is a file already, or the folder cannot be written.
    """
    text = _TEXT.replace("FUNCTION", _identifier(path.stem)).replace("FILE", path.name)
    title = path.stem.replace("-", " ").replace("_", " ").capitalize()
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text.replace("TITLE", title.replace("\\", r"\\").replace('"', r"\"")))
    except FileExistsError:
        raise ReportError(f"{path} is there already: choose another name") from None
    except OSError as error:
        raise ReportError(f"cannot write {path}: {error.strerror or error}") from error


def _identifier(stem: str) -> str:
    name = re.sub(r"\W", "_", stem)
    return name if name.isidentifier() and not keyword.iskeyword(name) else "main"
