"""What sweeps, long reports and many viewers cost, and how that grows.

    python -m tests.bench.growth [--quick] [--write docs/performance.md]

Runs are of a demo that does next to nothing, so that all is overhead, in a git work tree, as research
mostly is. Peers are what one would write instead: a process for each run. Figures are medians over
rounds in which contenders run in turn; of what takes long there is one round. Nothing else may run
meanwhile. The curves beside the document are drawn from what was found.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import vl_convert

from quire import charts, provenance
from quire.series import Series
from tests.bench.document import tell
from tests.bench.live import TRAIN, first_line, memory_of, page_of, server_of, serving, watch

EMPTY = """\
import sys
from pathlib import Path

from quire import NotebookOutput


def empty(log: NotebookOutput, number: int = 0) -> None:
    log.p(f"Run {number}.")
    log.metadata(figure=number % 7)
"""
BARE = """\
import sys
from pathlib import Path

Path(f"bare-{sys.argv[1]}.txt").write_text(f"Run {sys.argv[1]}.\\n")
"""
BLOCKS = """\
from quire import NotebookOutput


def blocks(log: NotebookOutput, text: int = 0, code: int = 0) -> None:
    for number in range(text):
        log.p(f"Paragraph {number}.")
    for number in range(code):
        with log.code():
            print(number)
"""
MEASURE = """\
import json, resource, subprocess, sys, time

began = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
seconds = time.perf_counter() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000]))
"""
WORKERS = 2
MACHINES, SLOTS, MANY = 100, 2, 10_000
"""The cluster and the sweep of which the cost is computed: machines, runs at a time on each, and runs."""
MINUTES = (0, 1, 10)

Curves = Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class Spent:
    """What a command took: seconds, seconds of its processes' work, and MB of the largest one of them."""

    seconds: float
    work: float
    memory: float


def spent(folder: Path, *command: str) -> Spent:
    """What a command takes."""
    # A process counts as its own what the one had from which it was forked: that must be small.
    measured = [sys.executable, "-S", "-c", MEASURE, *command]
    told = subprocess.run(measured, cwd=folder, check=True, capture_output=True, text=True)
    return Spent(*json.loads(told.stdout.splitlines()[-1]))


def sweep(folder: Path, count: int, *options: str) -> Spent:
    """What a sweep of so many runs takes."""
    return spent(
        folder, sys.executable, "-m", "quire", "sweep", "empty.py", "--set", f"number=0:{count}", *options
    )


def each(folder: Path, count: int, *command: str) -> float:
    """Seconds for so many runs, a process for each, one after the other."""
    began = time.perf_counter()
    for number in range(count):
        words = [word.format(number) for word in command]
        subprocess.run([sys.executable, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def median(found: Sequence[float]) -> float:
    return statistics.median(found)


class Growth:
    """Measures everything, and keeps what the computed part is computed from.

    Args:
        folder: for what is run; a git work tree.
        pictures: where the curves are put.
    """

    def __init__(self, folder: Path, pictures: Path, *, is_quick: bool) -> None:
        self._folder = folder
        self._pictures = pictures
        self._quick = is_quick
        for name, text in (("empty", EMPTY), ("bare", BARE), ("blocks", BLOCKS)):
            (folder / f"{name}.py").write_text(text)
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
        self._memory: list[tuple[int, float]] = []

    def runs(self) -> Iterator[str]:
        """Sweeps on this machine."""
        yield "### Runs in a sweep\n"
        yield (
            "Milliseconds for each run of a demo that does nothing, all included: from the command to the "
            f"whole summary. One after the other, but for the {WORKERS} workers. Resumed is the same command "
            "again, when all runs are there.\n"
        )
        yield (
            "| runs | a Python process each | `quire run` each | `quire sweep` | with "
            f"{WORKERS} workers | resumed | memory |"
        )
        yield f"| ---: {'| ---: ' * 6}|"
        curves: dict[str, list[tuple[float, float]]] = {}
        for count, rounds in ((10, 7), (100, 3), (1000, 1)):
            rows = [self._round(count) for _ in range(1 if self._quick else rounds)]
            found = {name: median([row[name] for row in rows]) for name in rows[0]}
            told = [f"{found[name] * 1000 / count:.1f}" for name in list(found)[:-1]]
            yield f"| {count:,} | {' | '.join(told)} | {found['memory']:.0f} MB |"
            self._memory.append((count, found["memory"]))
            for name in list(found)[:-1]:
                curves.setdefault(name, []).append((count, found[name] * 1000 / count))
        ends = curves["quire sweep"]
        (few, first), (many, last) = ends[0], ends[-1]
        further = (many * last - few * first) / (many - few)
        yield f"\nEach further run costs {further:.1f} ms; to begin takes the rest.\n"
        yield self._draw("growth-runs", "Milliseconds for each run", "runs", curves)

    def _round(self, count: int) -> dict[str, float]:
        folder, few = self._folder, min(count, 100)
        scale = count / few
        found = {
            "a Python process each": scale * each(folder, few, "bare.py", "{}"),
            "quire run each": scale
            * each(folder, few, "-m", "quire", "run", "empty.py", "--number", "{}", "--output", "each"),
        }
        one = self._anew("one", count, "--workers", "1")
        two = self._anew("two", count, "--workers", str(WORKERS))
        again = sweep(folder, count, "--output", "two", "--workers", str(WORKERS))
        return found | {
            "quire sweep": one.seconds,
            f"with {WORKERS} workers": two.seconds,
            "resumed": again.seconds,
            "memory": two.memory,
        }

    def _anew(self, output: str, count: int, *options: str) -> Spent:
        subprocess.run(["rm", "-rf", output], cwd=self._folder, check=True)
        return sweep(self._folder, count, "--output", output, *options)

    def cluster(self) -> Iterator[str]:
        """A Dask cluster of two workers, and what a larger one would take."""
        count = 50 if self._quick else 300
        with dask(self._folder) as (address, pids):
            # Workers import what they need with the first runs.
            self._anew("warm", 10, "--dask", address)
            before = work_of(pids[0])
            whole = self._anew("dask", count, "--dask", address)
            scheduler = (work_of(pids[0]) - before) / count
            began = self._anew("dask-10", 10, "--dask", address)
        more = (whole.seconds - began.seconds) / (count - 10)
        driver = (whole.work - began.work) / (count - 10)
        yield "### Runs on a cluster\n"
        yield (
            f"{count} runs on a Dask cluster of {WORKERS} workers on this machine: {more * 1000:.0f} ms for "
            f"each run (`quire sweep`'s own work {driver * 1000:.1f} ms, the scheduler's "
            f"{scheduler * 1000:.1f} ms), after {began.seconds - 10 * more:.1f} s to begin.\n"
        )
        # What each worker adds to a run, if the two work all the time.
        added = WORKERS * more
        yield from computed(began.seconds - 10 * more, driver, scheduler, added)
        (few, low), (many, high) = self._memory[0], self._memory[-1]
        grown = (high - low) / (many - few)
        yield (
            f"The memory of a sweep of {MANY:,} such runs, computed from that of {few:,} and of {many:,}: "
            f"{low + grown * (MANY - few):.0f} MB.\n"
        )

    def blocks(self) -> Iterator[str]:
        """Reports with many blocks."""
        yield "### Blocks in a report\n"
        yield (
            "Paragraphs, and blocks of code that print a line: seconds for the whole run, interpreter "
            "included. The page is `quire view`'s, until the first viewer has all of it, and the second.\n"
        )
        yield "| blocks | paragraphs | memory | document | first page | next page | code | memory |"
        yield f"| ---: {'| ---: ' * 7}|"
        curves: dict[str, list[tuple[float, float]]] = {"paragraphs": [], "code": [], "first page": []}
        for count in (100, 1000, 10_000) + (() if self._quick else (100_000,)):
            text = self._blocks("--text", str(count))
            size = (self._folder / "reports/blocks/blocks.md").stat().st_size
            first, second = self._pages()
            code = self._blocks("--code", str(count))
            yield (
                f"| {count:,} | {text.seconds:.2f} s | {text.memory:.0f} MB | {size / 1000:,.0f} kB "
                f"| {first:.2f} s | {second:.3f} s | {code.seconds:.2f} s | {code.memory:.0f} MB |"
            )
            for name, value in zip(curves, (text.seconds, code.seconds, first), strict=True):
                curves[name].append((count, value))
        yield ""
        yield self._draw("growth-blocks", "Seconds", "blocks", curves)

    def _blocks(self, *options: str) -> Spent:
        command = [sys.executable, "-m", "quire", "run", "blocks.py", *options]
        rounds = [spent(self._folder, *command) for _ in range(1 if self._quick else 3)]
        return sorted(rounds, key=lambda one: one.seconds)[len(rounds) // 2]

    def _pages(self) -> tuple[float, float]:
        """How long the first viewer of a finished report waits for its page, and the second."""
        out = self._folder / "view.txt"
        command = [sys.executable, "-m", "quire", "view", "reports/blocks", "--no-browser", "--json"]
        with out.open("w") as file:
            process = subprocess.Popen(command, cwd=self._folder, stdout=file)
        try:
            told = first_line(out)
            return page_of(told), page_of(told)
        finally:
            process.terminate()
            process.wait()

    def viewers(self) -> Iterator[str]:
        """One page and many who look at it."""
        yield "### Viewers of a page\n"
        yield (
            "20 events a second of a run that trains with NumPy, from where they are printed to where they "
            "are seen: all of it on the same machine.\n"
        )
        yield "| viewers | delay, median | delay, p99 | page, p99 | server |"
        yield f"| ---: {'| ---: ' * 4}|"
        curves: dict[str, list[tuple[float, float]]] = {"median": [], "p99": []}
        seconds = 3.0 if self._quick else 8.0
        script = TRAIN.format(step="x = np.tanh(x @ w)")
        for count in (1, 10, 100, 500):
            with serving(self._folder, script, "--seconds", "600") as (told, process):
                seen = asyncio.run(watch(told, count, seconds, ask=True))
                memory = memory_of(server_of(process))
            yield (
                f"| {count} | {seen['median'] * 1000:.0f} ms | {seen['p99'] * 1000:.0f} ms "
                f"| {seen['get'] * 1000:.0f} ms | {memory:.0f} MB |"
            )
            for name in curves:
                curves[name].append((count, seen[name] * 1000))
        yield ""
        yield self._draw("growth-viewers", "Milliseconds from a print to the page", "viewers", curves)

    def _draw(self, name: str, title: str, along: str, curves: Curves) -> str:
        """Draws curves over an axis that is logarithmic, as the steps along it are; the Markdown."""
        lines = {}
        for line, points in curves.items():
            lines[line] = Series()
            for x, y in points:
                lines[line].add(x, y)
        told = charts.describe(title, lines)
        told["encoding"]["x"] |= {"title": along, "scale": {"type": "log", "nice": False}}
        told["encoding"]["x"]["axis"] = {
            "values": sorted({x for points in curves.values() for x, _ in points})
        }
        told_in_words = charts.summarise(lines).replace("at step", "at")
        (self._pictures / f"{name}.svg").write_text(vl_convert.vegalite_to_svg(json.dumps(told)) + "\n")
        return f"![{title} over {along}: {told_in_words}](images/{name}.svg)\n"


def computed(begin: float, driver: float, scheduler: float, added: float) -> Iterator[str]:
    """What a large sweep would take on a large cluster, from what was measured on a small one."""
    slots = MACHINES * SLOTS
    yield (
        f"**Computed, not measured:** {MANY:,} runs of L minutes on {MACHINES} machines with {SLOTS} at a "
        "time each. `quire sweep` and the scheduler hand out one run after the other, so that it takes begin "
        f"+ runs · max(sweep, scheduler, (60 L + added) / {slots}), with {begin:.1f} s to begin, "
        f"{driver * 1000:.1f} ms of the sweep's and {scheduler * 1000:.1f} ms of the scheduler's work for a "
        f"run, and {added * 1000:.0f} ms that a worker adds to it. The network is left out.\n"
    )
    yield "| L | computed | of which the runs alone |"
    yield "| ---: | ---: | ---: |"
    for minutes in MINUTES:
        step = max(driver, scheduler, (60 * minutes + added) / slots)
        whole, alone = begin + MANY * step, MANY * 60 * minutes / slots
        yield f"| {minutes} min | {whole / 60:,.1f} min | {alone / 60:,.1f} min |"
    yield ""


@contextmanager
def dask(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """A Dask cluster on loopback: the scheduler's address, its process id and those of two workers."""
    place = folder / "scheduler.json"
    processes: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> None:
        command = [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1"]
        command += ["--dashboard-address", "127.0.0.1:0"]
        with (folder / "dask.log").open("ab") as log:
            processes.append(subprocess.Popen(command, cwd=folder, stdout=log, stderr=log))

    start("scheduler", "--port", "0", "--scheduler-file", str(place))
    while not (place.exists() and place.read_text().strip().endswith("}")):
        time.sleep(0.1)
    address = json.loads(place.read_text())["address"]
    for number in range(WORKERS):
        start("worker", address, "--nthreads", "1", "--no-nanny", "--local-directory", f"dask-{number}")
    while (folder / "dask.log").read_text().count("Starting established connection") < WORKERS:
        time.sleep(0.1)
    try:
        yield address, [process.pid for process in processes]
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


def work_of(pid: int) -> float:
    """The seconds of work that a process has done."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measures, and prints what was found or writes it into a document, with its curves beside that."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a shorter look, for working on the engine")
    parser.add_argument(
        "--write", type=Path, help="a document that has a part between this benchmark's marks"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        pictures = options.write.resolve().parent / "images" if options.write else Path(name)
        growth = Growth(Path(name), pictures, is_quick=options.quick)
        lines = [
            f"{provenance.versions().partition(',')[0]}; {provenance.machine()}.\n",
            *growth.runs(),
            *growth.cluster(),
            *growth.blocks(),
            *growth.viewers(),
        ]
    tell("\n".join(lines), "growth", options.write)


if __name__ == "__main__":
    main()
