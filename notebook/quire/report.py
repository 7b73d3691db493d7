"""Opens a report: the folder, the backends, and the author's interface to them."""

import datetime
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from quire import inline, kernel
from quire.console import ConsoleBackend
from quire.errors import QuireError, ReportError, ServeError
from quire.events import Backend, Opened, Scalar
from quire.folder import ReportFolder
from quire.inline import InlineBackend
from quire.markdown import MarkdownBackend
from quire.notebook import NotebookOutput
from quire.page import Page
from quire.provenance import Linker
from quire.session import Session
from quire.source import source_of

if TYPE_CHECKING:
    import os

    from quire.live.attendance import Attendance
    from quire.serving import Serving


def open_report(
    path: "str | os.PathLike[str]",
    *,
    title: str = "",
    parameters: Mapping[str, Scalar] | None = None,
    command: str = "",
    reproducible: bool = False,
    backends: Sequence[Backend] = (),
    live: "bool | Serving" = False,
    force: bool = False,
    cache: bool = True,
) -> NotebookOutput:
    """Begins a report in the folder `path`: `open_report("reports/mnist")` writes `reports/mnist/mnist.md`.

    Use it in a `with`, or close it; a script that ends closes it too. From here to its end, standard
    output and error lead through Quire, to the terminal and to the block of code that runs. In a notebook
    they do so while a block runs, and each block of the report is shown below the cell that made it.

    Args:
        path: the folder of the report; it is made if need be.
        title: what to call the report as long as it has no heading of the first level; by default its
            folder's name.
        parameters: what the run was given, for its front matter and its end.
        command: the command that makes this report, for its end; by default this process's own.
        reproducible: leaves out what differs between two equal runs: times, machine and commit.
        backends: further receivers of the report's events.
        live: whether to serve the report as a page while it is written; a `Serving` says where and how.
            Closing it then waits until a viewer, or Ctrl-C, ends the page.
        force: whether to replace a report that was edited by hand since it was written.
        cache: whether `log.cached` may take values that earlier runs have kept; it keeps them anyway.

    Raises:
        ServeError: the page cannot be served as asked.
        ReportInUse: another run is writing this report.
        ReportError: the folder cannot be made or written, or holds a document that Quire did not write,
            or one that was edited since.
    """
    where = Path(path)
    _keep_source_of_caller()
    shell = kernel.shell()
    if shell:
        inline.leave(where)
    folder = ReportFolder.claim(where, force=force)
    linker = Linker(Path.cwd(), permanent=not reproducible)
    markdown = MarkdownBackend(folder, times=not reproducible)
    attendance = _attendance(folder, live)
    below = InlineBackend(shell, folder, times=not reproducible) if shell else None
    session = Session(
        [markdown, *([below] if below else []), *backends],
        linker,
        where,
        only_blocks=below is not None,
        live=attendance,
        takes_cached=cache,
    )
    opened = Opened(
        title=title or folder.name.replace("-", " ").replace("_", " ").capitalize(),
        started=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        command=command or _own_command(),
        parameters=dict(parameters or {}),
        times=not reproducible,
    )
    try:
        session.open(opened, ConsoleBackend)
    except BaseException as error:
        folder.release(tidy=False)
        if isinstance(error, OSError) and not isinstance(error, QuireError):
            raise ReportError(f"cannot write in {where}: {error.strerror or error}") from error
        raise
    log = NotebookOutput(Page(session, folder), lambda written: folder.release(tidy=written))
    if below:
        below.attend(log._close)
    return log


def _attendance(folder: ReportFolder, live: "bool | Serving") -> "Attendance | None":
    if live is False:
        return None
    try:
        from quire.live.attendance import Attendance
        from quire.serving import Serving
    except ImportError as error:
        raise ServeError(
            f"a live page needs aiohttp and its kin: pip install 'quire[live]' ({error})"
        ) from error
    return Attendance(folder, Serving() if live is True else live)


def _own_command() -> str:
    """How this script was started, without the paths of this machine."""
    if kernel.shell():
        return kernel.command()
    if not sys.argv or not sys.argv[0]:
        return ""
    return shlex.join(["python", Path(sys.argv[0]).name, *sys.argv[1:]])


def _keep_source_of_caller() -> None:
    # Before the first step: the script may be edited while it runs.
    frame = sys._getframe(2)
    source_of(frame.f_code, frame.f_globals)
