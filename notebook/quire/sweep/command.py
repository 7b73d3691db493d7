"""What the command `quire sweep` does."""

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import click

from quire import words
from quire.errors import ReportError
from quire.events import Emptied
from quire.folder import check_is_ours
from quire.notebook import NotebookOutput
from quire.parameters import plain
from quire.report import open_report
from quire.running import Terminated
from quire.serving import Serving
from quire.steering import RunStopped
from quire.sweep import outcomes, rows
from quire.sweep.axes import Parameters
from quire.sweep.board import Board
from quire.sweep.course import Course
from quire.sweep.executor import Executor
from quire.sweep.nursery import Job, Nursery
from quire.sweep.outcomes import Outcome
from quire.sweep.rows import Request, Row
from quire.sweep.summary import Summary, begin
from quire.sweep.terminal import Terminal


@dataclass(frozen=True)
class Sweep:
    """A sweep of a demo.

    Attributes:
        demo: the function.
        name: of its own report.
        script: as the command line names it.
        options: its parameters.
        common: its arguments where rows do not set them.
        fixed: the parameters of which the user gave those.
        output: the folder in which the sweep gets a folder of its own.
        command: the whole command, for the summary.
        workers: how many runs there are at a time on this machine.
        dask: the address of a Dask scheduler whose workers run them instead, or "".
        reproducible, force, no_cache: as for `quire run`.
        best: as for `Summary`.
        serving: where and how to serve it while it runs, and its runs with it, if that is wanted.
    """

    demo: Callable[..., Any]
    name: str
    script: str
    options: Sequence[click.Option]
    common: Mapping[str, Any]
    fixed: Sequence[str]
    output: Path
    command: str
    workers: int
    dask: str = ""
    reproducible: bool = False
    force: bool = False
    no_cache: bool = False
    best: Sequence[str] = ()
    serving: Serving | None = None

    def run(self, request: Request) -> None:
        """Runs the rows that are missing, and writes the report on all.

        Raises:
            ParameterError: the rows cannot be made as asked; nothing has run.
            ReportError: a report cannot be written: its folder is in use, or somebody edited it.
            ServeError: it cannot be served as asked.
            KeyboardInterrupt: Ctrl-C was pressed; `Terminated` if the process was asked to end.
            RunStopped: a viewer asked the sweep to finish early.
            SystemExit: a run failed, or the report on all could not be written; the status is 1.
        """
        began = time.perf_counter()
        is_tty = sys.stdout.isatty()
        every = self._rows(request)
        there = outcomes.current(every, self._runs, reproducible=self.reproducible)
        missing = [row for row in every if row.number not in there]
        for row in missing:
            check_is_ours(self._runs / row.name, row.name, force=self.force)
        with self._opened(request, missing) as (log, executor):
            if there:
                log._session.say(f"{len(there)} of {len(every)} are there already\n")
            part = begin(log, self.name, self.script, every, self._given())
            meanwhile = NotebookOutput(log._page.scoped(part, {}))
            progress = meanwhile.progress(label="runs", total=len(missing))
            terminal = Terminal(every, len(there), log._session.say, progress, is_tty=is_tty)
            shown: list[Terminal | Board] = [terminal]
            if log._session.live:
                executor.answer_at(log._session.live.links)
                shown.append(Board(meanwhile, every, there, self._runs))
            course = Course(missing, executor, shown, log._session.steering)
            with _interruptible(course) as signals, log._session.steering.by_glances():
                _go(course)
                # Before the page lingers, and signals come that nobody would pass on.
                executor.close()
                for listener in shown:
                    listener.end()
                # The summary tells what stood there, and more.
                log._session.emit(Emptied(key=part))
                found = self._write(log, every, course, there)
                if signals:
                    raise Terminated if signal.SIGTERM in signals else KeyboardInterrupt
                if course.interruptions:
                    raise RunStopped
        self._tell_end(found, time.perf_counter() - began)

    @contextlib.contextmanager
    def _opened(self, request: Request, missing: Sequence[Row]) -> Iterator[tuple[NotebookOutput, Executor]]:
        """The report, and what runs the rows that are missing.

        Runs inherit nothing of the report: what they come from is there before.
        """
        executor = self._executor(missing)
        try:
            log = self._report(request)
            try:
                with log:
                    yield log, executor
            except ReportError as error:
                # What could not be written: nothing was refused, and runs have run.
                click.echo(f"Error: {error}", err=True)
                raise SystemExit(1) from error
        finally:
            executor.close()

    def _executor(self, missing: Sequence[Row]) -> Executor:
        job = Job(self.demo, self._runs, self.reproducible, self.force, cache=not self.no_cache)
        if not self.dask:
            return Nursery(job, missing, self.workers)
        from quire.sweep.cluster import Cluster

        return Cluster(self.dask, job, missing, self.script)

    @property
    def folder(self) -> Path:
        """The folder of the report on all runs."""
        return self.output / f"{self.name}-sweep"

    @property
    def _runs(self) -> Path:
        return self.folder / "runs"

    def _rows(self, request: Request) -> list[Row]:
        parameters = Parameters(self.options)
        chosen = rows.chosen(parameters, self.fixed, request)
        base = [self.script, *(["--reproducible"] if self.reproducible else [])]
        return rows.rows(chosen, parameters, self.common, self.fixed, base)

    def _report(self, request: Request) -> NotebookOutput:
        asked = dict(text.split("=", 1) for text in request.sets)
        return open_report(
            self.folder,
            title=f"A sweep of {self.name}",
            command=self.command,
            parameters={**asked, **self._given()},
            reproducible=self.reproducible,
            force=self.force,
            live=self.serving or False,
        )

    def _given(self) -> dict[str, Any]:
        return plain({name: self.common[name] for name in self.fixed})

    def _write(
        self, log: NotebookOutput, every: Sequence[Row], course: Course, there: set[int]
    ) -> list[Outcome]:
        """Writes what became of the rows."""
        found = [
            outcomes.outcome(row, self._runs, course.ends.get(row.number), is_there=row.number in there)
            for row in every
        ]
        for outcome in found:
            # Not its record, which tells times, so that equal sweeps differ.
            page = self.folder / outcome.href
            if outcome.state != "waiting" and page.exists():
                log.data(page)
        summary = Summary(found, self.best)
        summary.write(log)
        for name in summary.unknown:
            known = ", ".join(summary.figures) or "none"
            log._session.say(f"No run has told {name}, which --best names; they have told: {known}.\n")
        return found

    def _tell_end(self, found: Sequence[Outcome], seconds: float) -> None:
        """The last lines on the terminal.

        Raises:
            SystemExit: a run failed.
        """
        click.echo(f"Wrote {self.folder / self.folder.name}.md in {words.duration(seconds)}.")
        if failed := sum(not outcome.is_done for outcome in found):
            click.echo(f"{failed} of {words.count(len(found), 'run')} failed.", err=True)
            raise SystemExit(1)


def _go(course: Course) -> None:
    try:
        course.run()
    except ChildProcessError as error:
        # What is there is worth its report; what is missing is told there.
        click.echo(f"Error: {error}", err=True)


@contextlib.contextmanager
def _interruptible(course: Course) -> Iterator[list[int]]:
    """Has signals end the course; which have come."""
    received: list[int] = []

    def take(number: int, frame: FrameType | None) -> None:
        received.append(number)
        course.interrupt()
        if len(received) > 2:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, take) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
