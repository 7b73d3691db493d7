"""The command line."""

import contextlib
import copy
import faulthandler
import inspect
import os
import shlex
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from quire import __version__, cores, running, words
from quire.errors import DemoError, ParameterError, ReportError, ServeError
from quire.failures import without_quire
from quire.flavours import FLAVOURS
from quire.steering import RunStopped

if TYPE_CHECKING:
    from quire.serving import Serving

_INTERRUPTED, _TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


class Refused(click.ClickException):
    """What was asked cannot be done; nothing has run."""

    exit_code = 2


class Demos(click.Group):
    """A group of which every script is a command, with the parameters of its demo as options.

    Args:
        run: runs a demo, given its function, its report's name, its arguments and `own_options`.
        own_options: options besides the demo's.
        before: called before a script is imported.
    """

    def __init__(
        self,
        *args: Any,
        run: Callable[..., None],
        own_options: list[click.Option],
        before: Callable[[], None] = lambda: None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._run = run
        self._own_options = own_options
        self._before = before

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Finds the script; an option before it is told where it belongs."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            hint = f"Options follow SCRIPT: {ctx.command_path} SCRIPT {error.option_name}"
            raise click.NoSuchOption(error.option_name, f"{error.message} {hint}", ctx=ctx) from None

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """Imports the script and makes the command that runs its demo."""
        demo, options = self._load(ctx, cmd_name)
        return click.Command(
            cmd_name,
            params=[*self._demo_options(options), *self._own_options],
            callback=self._callback(cmd_name, demo, options),
            help=(inspect.getdoc(demo) or "").partition("\n\n")[0],
        )

    def _load(self, ctx: click.Context, named: str) -> tuple[Callable[..., Any], list[click.Option]]:
        """The demo that is named, and its parameters."""
        from quire import parameters, script

        file, _, function = named.partition("::")
        path = Path(file)
        if not path.is_file():
            raise click.BadParameter(f"{file} is no file", ctx, param_hint="SCRIPT")
        self._before()
        try:
            module = script.load(path)
        except Exception as error:
            _die_of(error)
        try:
            demo = script.demo_in(module, path, function)
            options = parameters.options(demo)
        except (DemoError, ParameterError) as error:
            raise Refused(str(error)) from error
        _check_names(options, self._own_options, demo)
        return demo, options

    def _demo_options(self, options: list[click.Option]) -> list[click.Option]:
        return options

    def _callback(
        self, named: str, demo: Callable[..., Any], options: list[click.Option]
    ) -> Callable[..., None]:
        from quire.script import report_name

        def run(**values: Any) -> None:
            own = {option.name: values.pop(option.name or "") for option in self._own_options}
            self._run(demo, report_name(named), values, **own)

        return run

    def list_commands(self, ctx: click.Context) -> list[str]:
        """None by name: any script will do."""
        return []


class SweptDemos(Demos):
    """A group of which every script is a command that runs its demo many times.

    The demo's options are those that all runs share; none of them is required, since rows may set it.
    """

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Shares the cores among the runs before the script, and with it libraries, is imported."""
        workers = click.Command(
            "workers",
            params=[option for option in self._own_options if option.name == "workers"],
            context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
            add_help_option=False,
        )
        # What is wrong with it is told when all options are read.
        given = workers.make_context("workers", args[1:], resilient_parsing=True).params["workers"]
        for name, value in cores.share(given or cores.count()).items():
            # What the user has said holds.
            os.environ.setdefault(name, value)
        return super().resolve_command(ctx, args)

    def _demo_options(self, options: list[click.Option]) -> list[click.Option]:
        found = []
        for option in options:
            shared = copy.copy(option)
            shared.required = False
            found.append(shared)
        return found

    def _callback(
        self, named: str, demo: Callable[..., Any], options: list[click.Option]
    ) -> Callable[..., None]:
        from quire.script import report_name

        def run(**values: Any) -> None:
            context = click.get_current_context()
            own = {option.name: values.pop(option.name or "") for option in self._own_options}
            given = [
                name for name in values if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
            ]
            self._run(demo, report_name(named), values, script=named, options=options, fixed=given, **own)

        return run


def _check_names(options: list[click.Option], own: list[click.Option], demo: Callable[..., Any]) -> None:
    taken = {option.name for option in own} | {"help"}
    for option in options:
        if option.name in taken:
            raise Refused(
                f"the parameter {option.name!r} of {demo.__name__} is also an option of quire: rename it"
            )


def _die_of(error: BaseException) -> NoReturn:
    """Shows an error of the author's code, without Quire's part in it, and ends the program."""
    traceback.print_exception(error.with_traceback(without_quire(error)))
    raise SystemExit(1)


def serve_demo(
    demo: Callable[..., Any],
    name: str,
    values: dict[str, Any],
    *,
    output: Path,
    reproducible: bool,
    force: bool,
    no_cache: bool,
    **serving: Any,
) -> None:
    """Runs a demo, writes its report, and serves it meanwhile and afterwards."""
    from quire.serving import Serving

    live = Serving(**serving)
    run_demo(
        demo,
        name,
        values,
        output=output,
        reproducible=reproducible,
        force=force,
        no_cache=no_cache,
        live=live,
    )


def run_demo(
    demo: Callable[..., Any],
    name: str,
    values: dict[str, Any],
    *,
    output: Path,
    reproducible: bool,
    force: bool,
    no_cache: bool,
    live: "bool | Serving" = False,
) -> None:
    """Runs a demo and writes its report."""
    from quire.parameters import plain
    from quire.report import open_report

    began = time.perf_counter()
    # Where a crash of the interpreter is told: the descriptor 2 of a run leads into its report.
    faulthandler.enable(os.dup(2))
    command = shlex.join(["quire", *sys.argv[1:]])
    folder = output / name
    try:
        log = open_report(
            folder,
            parameters=plain(values),
            command=command,
            reproducible=reproducible,
            live=live,
            force=force,
            cache=not no_cache,
        )
    except (ReportError, ServeError) as error:
        raise Refused(str(error)) from error
    try:
        running.perform(log, demo, values)
    except KeyboardInterrupt as error:
        click.echo(f"\nInterrupted; {folder / name}.md holds what was done by then.", err=True)
        raise SystemExit(_TERMINATED if isinstance(error, running.Terminated) else _INTERRUPTED) from None
    except ReportError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(1) from error
    except RunStopped:
        click.echo(f"Finished early, as asked; {folder / name}.md holds what was done by then.")
        return
    except Exception as error:
        click.echo(f"The run failed; {folder / name}.md holds what was done by then.", err=True)
        if log._session.told is error:
            raise SystemExit(1) from None
        _die_of(error)
    click.echo(f"Wrote {folder / name}.md in {words.duration(time.perf_counter() - began)}.")


_RUN_OPTIONS = [
    click.Option(
        ["output", "--output", "-o"],
        type=click.Path(path_type=Path),
        default=Path("reports"),
        show_default=True,
        help="The folder in which the report gets a folder of its own.",
    ),
    click.Option(
        ["reproducible", "--reproducible"],
        is_flag=True,
        help="Leave out times, machine and commit, so that equal runs write equal bytes.",
    ),
    click.Option(
        ["force", "--force"],
        is_flag=True,
        help="Replace the report even if it was edited by hand since it was written.",
    ),
    click.Option(
        ["no_cache", "--no-cache"],
        is_flag=True,
        help="Compute anew, and keep, what log.cached would take from the cache.",
    ),
]


_SERVE_OPTIONS = [
    click.Option(
        ["host", "--host"],
        default="127.0.0.1",
        show_default=True,
        help="The address to listen on; others than this machine's own can be reached by others.",
    ),
    click.Option(
        ["port", "--port"],
        type=click.IntRange(0, 65535),
        default=0,
        show_default="any that is free",
        help="The port to listen on.",
    ),
    click.Option(
        ["token", "--token/--no-token"],
        default=True,
        show_default=True,
        help="Whether a viewer must know the token in the printed address.",
    ),
    click.Option(
        ["browser", "--browser/--no-browser"],
        default=True,
        show_default=True,
        help="Whether to open the page in a browser.",
    ),
    click.Option(
        ["origins", "--origin"],
        multiple=True,
        help="A further address under which browsers see the page, such as https://hub.example of a proxy.",
    ),
    click.Option(["json", "--json"], is_flag=True, help="Tell address, port and process as a line of JSON."),
]
_EXIT_OPTION = click.Option(
    ["exit_when_done", "--exit-when-done"],
    is_flag=True,
    help="End when the run ends, instead of serving on until that is ended.",
)
_SERVE_RUN_OPTIONS = [
    _EXIT_OPTION,
    click.Option(
        ["watch", "--watch"],
        is_flag=True,
        help="Run anew whenever the script, or a module of yours that it imports, is saved.",
    ),
]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="quire")
def cli() -> None:
    """Plain Python functions become reports that quote the code that ran."""


cli.add_command(
    Demos(
        "run",
        run=run_demo,
        own_options=_RUN_OPTIONS,
        subcommand_metavar="SCRIPT[::FUNCTION] [PARAMETERS]...",
        help=(
            "Run the demo in SCRIPT, and write its report as Markdown to reports/SCRIPT/.\n\n"
            "A demo is a function whose first parameter is annotated as NotebookOutput; its other "
            "parameters become options. They follow SCRIPT; `quire run SCRIPT --help` lists them all."
        ),
    )
)


def _become_run() -> None:
    from quire.live.supervision import become_run

    become_run()


cli.add_command(
    Demos(
        "serve",
        run=serve_demo,
        own_options=[*_RUN_OPTIONS, *_SERVE_OPTIONS, *_SERVE_RUN_OPTIONS],
        before=_become_run,
        subcommand_metavar="SCRIPT[::FUNCTION] [PARAMETERS]...",
        help=(
            "Run the demo in SCRIPT as `quire run` does, and serve it as a page that fills in meanwhile.\n\n"
            "The page has a random port of this machine, and an address that nobody can guess. It stays when "
            "the run has ended, until it is ended there or by Ctrl-C; the Markdown report is written by then."
            "\n\nOptions follow SCRIPT; `quire serve SCRIPT --help` lists them, with those of the demo."
        ),
    )
)


def sweep_demo(
    demo: Callable[..., Any],
    name: str,
    values: dict[str, Any],
    *,
    sets: tuple[str, ...],
    draws: int | None,
    sweep_seed: int,
    table: Path | None,
    workers: int | None,
    serve: bool,
    **settings: Any,
) -> None:
    """Runs a demo for each row of parameters, and writes a report on all of them."""
    from quire.serving import Serving
    from quire.sweep.command import Sweep
    from quire.sweep.rows import Request

    serving = {option.name: settings.pop(option.name or "") for option in _SWEEP_SERVE_OPTIONS}
    if not serve:
        _check_not_given(_SWEEP_SERVE_OPTIONS)
    sweep = Sweep(
        demo,
        name,
        common=values,
        command=shlex.join(["quire", *sys.argv[1:]]),
        workers=workers or cores.count(),
        serving=Serving(**serving) if serve else None,
        **settings,
    )
    try:
        sweep.run(Request(sets, table, draws, sweep_seed))
    except (ParameterError, ReportError, ServeError) as error:
        raise Refused(str(error)) from error
    except RunStopped:
        click.echo(
            f"Finished early, as asked; {sweep.folder / sweep.folder.name}.md holds what was done by then."
        )
        click.echo("The same command runs what is missing.")
    except KeyboardInterrupt as error:
        click.echo(
            f"\nInterrupted; {sweep.folder / sweep.folder.name}.md holds what was done by then.", err=True
        )
        click.echo("The same command runs what is missing.", err=True)
        raise SystemExit(_TERMINATED if isinstance(error, running.Terminated) else _INTERRUPTED) from None


def _check_not_given(options: list[click.Option]) -> None:
    """Refuses options that say how to serve what is not served."""
    context = click.get_current_context()
    for option in options:
        if context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option.opts[0]} says how to serve the sweep: add --serve")


_SWEEP_OPTIONS = [
    click.Option(
        ["sets", "--set"],
        multiple=True,
        metavar="NAME=VALUES",
        help=(
            "Values of a parameter: V1,V2,… or whole numbers A:B[:STEP] without B. Several make a grid, "
            "of which the last varies fastest. With --random also A..B or log:A..B."
        ),
    ),
    click.Option(
        ["draws", "--random"],
        type=click.IntRange(1, 100_000),
        metavar="N",
        help="Draw N rows from the values and ranges of --set, instead of taking all.",
    ),
    click.Option(
        ["sweep_seed", "--sweep-seed"],
        type=int,
        default=0,
        show_default=True,
        help="The seed of what --random draws: the same one draws the same rows.",
    ),
    click.Option(
        ["table", "--rows"],
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        metavar="FILE.csv",
        help="Rows from a table whose header names parameters; each is crossed with those of --set.",
    ),
    click.Option(
        ["workers", "--workers"],
        type=click.IntRange(1, 1000),
        show_default="as many as there are cores",
        help="How many runs at a time. Each gets its share of the cores.",
    ),
    click.Option(
        ["dask", "--dask"],
        default="",
        metavar="ADDRESS",
        help="Run on the workers of the Dask cluster whose scheduler is there, such as tcp://host:8786.",
    ),
    click.Option(
        ["best", "--best"],
        multiple=True,
        metavar="[-]NAME",
        help="A figure of which more is better, or less if a hyphen stands before its name.",
    ),
    click.Option(
        ["serve", "--serve"],
        is_flag=True,
        help="Serve a page on which the runs stand as they come, each with a live page of its own.",
    ),
]
_SWEEP_SERVE_OPTIONS = [*_SERVE_OPTIONS, _EXIT_OPTION]

cli.add_command(
    SweptDemos(
        "sweep",
        run=sweep_demo,
        own_options=[*_SWEEP_OPTIONS, *_RUN_OPTIONS, *_SWEEP_SERVE_OPTIONS],
        subcommand_metavar="SCRIPT[::FUNCTION] --set NAME=VALUES... [PARAMETERS]...",
        help=(
            "Run the demo in SCRIPT once for each row of parameters, and write a report on all of them.\n\n"
            "Each run has a report of its own in reports/SCRIPT-sweep/runs/, and reports/SCRIPT-sweep/ tells "
            "of all: parameters and figures, best and worst, over seeds, curves and pictures side by side. "
            "Parameters that are given as options are the same for all runs.\n\n"
            "Runs that are there already, of the same code and data, are not run again: after Ctrl-C, a "
            "failure or a change, the same command runs what is missing.\n\n"
            "With --serve, a page of this machine shows the runs as they come; each row opens the run's own "
            "live page, and the sweep can be paused or stopped there, or one run on its own.\n\n"
            "Options follow SCRIPT; `quire sweep SCRIPT --help` lists them, with those of the demo."
        ),
    )
)


@cli.command("view", params=[*_SERVE_OPTIONS])
@click.argument("report", type=click.Path(path_type=Path, exists=True))
def view_report(report: Path, **serving: Any) -> None:
    """Serve a finished REPORT (its folder, or its Markdown file) again; nothing is run."""
    from quire.live.supervision import view
    from quire.record import load
    from quire.serving import Serving

    folder, name = _report_at(report)
    try:
        view(load(folder / f"{name}.json"), folder.resolve(), Serving(**serving))
    except (ReportError, ServeError) as error:
        raise Refused(str(error)) from error


def _report_at(path: Path) -> tuple[Path, str]:
    """The folder and the name of a report, given its folder or its Markdown file."""
    folder = path if path.is_dir() else path.parent
    return folder, folder.resolve().name if path.is_dir() else path.stem


@cli.command("export")
@click.argument("report", type=click.Path(path_type=Path, exists=True))
@click.option("kind", "--html", flag_value="html", default=True, help="One HTML file (the default).")
@click.option("kind", "--zip", flag_value="zip", help="The Markdown with its files, zipped.")
@click.option(
    "kind", "--pdf", flag_value="pdf", help="The HTML printed by the Chromium or Chrome that is there."
)
@click.option(
    "flavour",
    "--flavour",
    type=click.Choice(list(FLAVOURS)),
    help="A folder with the Markdown and its files, as a page of a site of this generator.",
)
@click.option(
    "target",
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="The file or folder to write; by default the report's name in this folder.",
)
def export_report(report: Path, kind: str, flavour: str | None, target: Path | None) -> None:
    """Write a finished REPORT (its folder, or its Markdown file) elsewhere; nothing is run.

    The HTML holds its pictures, files and further pages. It looks as the live page does, and needs neither
    a network nor scripts to be read.

    With --flavour, the report becomes a page of a site that Hugo, Jekyll or MkDocs makes: a folder to put
    below content, the site's own folder, or docs.
    """
    from quire import bundle, exporting

    folder, name = _report_at(report)
    target = target or Path(f"{name}.{kind}" if flavour is None else name)
    try:
        if flavour is None:
            exporting.write(folder, name, kind, target)
        elif kind == "html":
            click.echo(f"Wrote {bundle.write(folder, name, flavour, target)}.")
            return
        else:
            raise Refused(f"--flavour writes a folder, --{kind} a file: choose one")
    except ReportError as error:
        raise Refused(str(error)) from error
    click.echo(f"Wrote {target} ({words.size(target.stat().st_size)}).")


def _tolerances(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that say how far two reports may be apart."""
    relative = click.option(
        "relative",
        "--rtol",
        type=click.FloatRange(0),
        default=0.0,
        show_default=True,
        help="The share by which numbers may differ, in tables, texts, output and curves.",
    )
    pixels = click.option(
        "pixels",
        "--ptol",
        type=click.FloatRange(0, 1),
        default=0.0,
        show_default=True,
        help="The root mean square by which pictures may differ, where white is 1.",
    )
    return relative(pixels(command))


@cli.command("check")
@click.argument("report", type=click.Path(path_type=Path, exists=True))
@_tolerances
def check_report(report: Path, relative: float, pixels: float) -> None:
    """Run REPORT (its folder, or its Markdown file) again, and list what it now tells differently.

    It is run with its parameters, from the current folder; the report itself stays as it is. The exit
    status is 1 if anything differs, in the code that ran or in what came of it. Times, comments and where
    the code stands do not count.
    """
    from quire import checking
    from quire.comparison import Tolerance, told

    folder, name = _report_at(report)
    try:
        found = checking.check(folder, name, Tolerance(relative, pixels))
    except ReportError as error:
        raise Refused(str(error)) from error
    if found:
        click.echo(told(found))
        click.echo(f"{name} differs in {words.count(len(found), 'place')}.")
        raise SystemExit(1)
    click.echo(f"{name} still tells what it told.")


@cli.command("diff")
@click.argument("first", type=click.Path(path_type=Path, exists=True))
@click.argument("second", type=click.Path(path_type=Path, exists=True))
@_tolerances
@click.option(
    "target",
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="A folder to write the same to as a report, with curves, code and pictures side by side.",
)
def tell_diff(first: Path, second: Path, relative: float, pixels: float, target: Path | None) -> None:
    """Tell what differs between the reports FIRST and SECOND (folders, or Markdown files); nothing is run.

    Parameters, metadata, the ends of curves, and each block that tells something else. The exit status is 1
    if anything differs.
    """
    from quire.comparison import Told, Tolerance
    from quire.diff import Diff
    from quire.report import open_report

    try:
        reports = [_report_at(path) for path in (first, second)]
        one, other = (Told(*report) for report in reports)
        found = Diff(one, other, Tolerance(relative, pixels))
        if target:
            if target.resolve() in {folder.resolve() for folder, _ in reports}:
                raise Refused(
                    f"{target} is one of the two reports: choose another folder for their difference"
                )
            with open_report(target, command=shlex.join(["quire", *sys.argv[1:]])) as log:
                for folder, name in reports:
                    log.data(folder / f"{name}.json")
                found.write(log, (str(first), str(second)))
    except ReportError as error:
        raise Refused(str(error)) from error
    click.echo("\n".join(found.lines()) if found else "They tell the same.")
    if found:
        raise SystemExit(1)


@cli.command("status")
@click.argument("folder", type=click.Path(path_type=Path, exists=True), default=Path("reports"))
@click.option("--strict", is_flag=True, help="Count a change in a library of yours, too.")
def tell_status(folder: Path, strict: bool) -> None:
    """Tell which reports below FOLDER (by default, reports) are stale; nothing is run.

    A report is stale if the code that it quotes, another part of its script, or its data was changed
    since, or if its own files were. The exit status is 1 if any is.
    """
    from quire import status

    try:
        found = status.standings(folder if folder.is_dir() else folder.parent, strict=strict)
    except ReportError as error:
        raise Refused(str(error)) from error
    click.echo(status.told(found))
    if any(each.faults for each in found):
        raise SystemExit(1)


@cli.command("index")
@click.argument(
    "folder", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path("reports")
)
@click.option("--title", default="Reports", show_default=True, help="The heading of the list.")
@click.option(
    "site",
    "--html",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder for the list as index.html, and each report beside it as one HTML file.",
)
def index_reports(folder: Path, title: str, site: Path | None) -> None:
    """List the reports below FOLDER (by default, reports) in its README.md, each with picture and figures."""
    from quire import index

    try:
        click.echo(f"Wrote {index.write(folder, title=title)}.")
        if site:
            from quire import site as pages

            click.echo(f"Wrote {pages.write(folder, site, title=title)}.")
    except ReportError as error:
        raise Refused(str(error)) from error


@cli.command("new")
@click.argument("name", type=click.Path(path_type=Path))
def new_demo(name: Path) -> None:
    """Write NAME.py, a short commented demo to start from."""
    from quire import starter

    path = name if name.suffix == ".py" else name.with_name(f"{name.name}.py")
    try:
        starter.write(path)
    except ReportError as error:
        raise Refused(str(error)) from error
    told = shlex.quote(str(path))
    click.echo(f"Wrote {path}. Next: quire run {told}, or quire serve {told}.")


def main() -> None:
    """Runs the command line."""
    # Not on the main thread, or not on this system: then the default stays.
    with contextlib.suppress(ValueError):
        running.take_sigterm()
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
    except click.Abort:
        raise SystemExit(_INTERRUPTED) from None


if __name__ == "__main__":
    main()
