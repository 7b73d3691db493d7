"""What a report costs, beside the same work without one and beside the peers that are installed.

    python -m tests.bench.reporting [--rounds 7] [--write docs/performance.md]

Every figure is a median over rounds in which all contenders run in turn, each in a process of its own,
so that a slow moment of the machine strikes them alike. Nothing else may run meanwhile. Peers are
measured where they are installed in this environment: handout, jupyter (nbconvert, ipykernel), marimo.
"""

import argparse
import importlib.util
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from quire import provenance
from tests.bench.document import tell

BLOCK = """\
x = np.random.default_rng({seed}).standard_normal((700, 700))
for _ in range(4):
    x = np.linalg.qr(x @ x.T / 700)[0]
print("block {seed}", round(float(np.abs(x).sum()), 3))
"""
BLOCKS = [BLOCK.format(seed=seed) for seed in range(10)]
PRINTS = ["for number in range(100_000):\n    print(f'line {number:07d}', 'x' * 63)\n"]
HEAD = "import numpy as np\n"
Maker = Callable[[Path, list[str]], list[str]]
"""Writes the work into a folder in some tool's manner, and gives the command that does it there."""


def bare(folder: Path, blocks: list[str]) -> list[str]:
    """The work alone."""
    (folder / "bare.py").write_text(HEAD + "\n".join(blocks))
    return [sys.executable, "bare.py"]


def quire(folder: Path, blocks: list[str]) -> list[str]:
    """The work as a demo."""
    body = "".join(f"    with log.code():\n{textwrap.indent(block, ' ' * 8)}" for block in blocks)
    text = f"{HEAD}from quire import NotebookOutput\n\n\ndef main(log: NotebookOutput) -> None:\n{body}"
    (folder / "ours.py").write_text(text)
    return [sys.executable, "-m", "quire", "run", "ours.py"]


def handout(folder: Path, blocks: list[str]) -> list[str]:
    """handout: comments and prints of a script become HTML."""
    body = "\n".join(f"{block}doc.add_text('done')\ndoc.show()\n" for block in blocks)
    (folder / "with_handout.py").write_text(f"import handout\n{HEAD}doc = handout.Handout('handout')\n{body}")
    return [sys.executable, "with_handout.py"]


def nbconvert(folder: Path, blocks: list[str]) -> list[str]:
    """Jupyter: a notebook, executed and written as Markdown."""
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"c{n}",
            "metadata": {},
            "outputs": [],
            "source": text,
        }
        for n, text in enumerate([HEAD, *blocks])
    ]
    book = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "book.ipynb").write_text(json.dumps(book))
    return [sys.executable, "-m", "jupyter", "nbconvert", "--execute", "--to", "markdown", "book.ipynb"]


def marimo(folder: Path, blocks: list[str]) -> list[str]:
    """marimo: the cells of an app, executed and written as HTML."""
    # Names that begin with an underscore are a cell's own, so that equal names do not collide.
    own = [re.sub(r"\b(x|_|number)\b", r"_\1", block) for block in blocks]
    cells = "".join(
        f"@app.cell\ndef cell_{n}(np):\n{textwrap.indent(block, ' ' * 4)}    return\n\n\n"
        for n, block in enumerate(own)
    )
    imports = "@app.cell\ndef imports():\n    import numpy as np\n    return (np,)\n\n\n"
    head = f"import marimo\n\napp = marimo.App()\n\n\n{imports}"
    (folder / "app.py").write_text(head + cells)
    return [sys.executable, "-m", "marimo", "export", "html", "app.py", "-o", "app.html", "--force"]


PEERS: dict[str, tuple[str, Maker]] = {
    "handout": ("handout", handout),
    "nbconvert": ("nbconvert", nbconvert),
    "marimo": ("marimo", marimo),
}


def measure(commands: dict[str, list[str]], folder: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds of each command, in rounds; a round before the first is not counted."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            with (folder / f"{name}.out").open("wb") as out:
                began = time.perf_counter()
                done = subprocess.run(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT, check=False)
                elapsed = time.perf_counter() - began
            if done.returncode:
                raise SystemExit(f"{name} failed:\n{(folder / f'{name}.out').read_text()[-2000:]}")
            if number:
                times[name].append(elapsed)
    return times


def compare(title: str, blocks: list[str], rounds: int) -> list[str]:
    """A table of the work bare, with us, and with each peer."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        makers: dict[str, Maker] = {"bare": bare, "quire": quire}
        makers |= {peer: make for peer, (module, make) in PEERS.items() if importlib.util.find_spec(module)}
        times = measure({peer: make(folder, blocks) for peer, make in makers.items()}, folder, rounds)
    middle = {peer: statistics.median(seconds) for peer, seconds in times.items()}
    lines = [f"### {title}", "", "| | seconds | over bare | ratio |", "| --- | ---: | ---: | ---: |"]
    for peer, seconds in middle.items():
        over = seconds - middle["bare"]
        lines.append(f"| {peer} | {seconds:.2f} | {over * 1000:+.0f} ms | {seconds / middle['bare']:.2f} |")
    return [*lines, ""]


def import_cost(rounds: int) -> str:
    """How much longer Python takes to start and `import quire` than to start."""
    with tempfile.TemporaryDirectory() as name:
        commands = {
            "nothing": [sys.executable, "-c", "pass"],
            "quire": [sys.executable, "-c", "import quire"],
            "all": [sys.executable, "-c", "from quire import NotebookOutput, open_report"],
        }
        middle = {n: statistics.median(s) for n, s in measure(commands, Path(name), 3 * rounds).items()}
    first, all_ = (1000 * (middle[name] - middle["nothing"]) for name in ("quire", "all"))
    return f"`import quire`: {max(first, 0.0):.1f} ms. With all that a report needs: {all_:.0f} ms.\n"


def ten_small_blocks(rounds: int) -> str:
    """What ten blocks that do next to nothing cost."""
    blocks = [f"x = {number}\nprint(x)\n" for number in range(10)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        times = measure({"bare": bare(folder, blocks), "quire": quire(folder, blocks)}, folder, 3 * rounds)
    over = statistics.median(times["quire"]) - statistics.median(times["bare"])
    return f"`quire run` of ten small blocks: {over * 1000:.0f} ms over the same script bare.\n"


def many_blocks(rounds: int) -> list[str]:
    """How the cost grows with the number of blocks: of one block in a loop, and of as many blocks of code."""
    lines = ["### Many blocks", "", "| blocks | in a loop | each its own code |", "| ---: | ---: | ---: |"]
    counts = (1_000, 10_000)
    seconds: dict[tuple[int, str], float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = {}
        for count in counts:
            block = "with log.code():\n            x = number\n            print(x)\n"
            loop = f"for number in range({count}):\n        {block}"
            head = "from quire import NotebookOutput\n\n\ndef main(log: NotebookOutput) -> None:\n    "
            (folder / f"loop_{count}.py").write_text(head + loop)
            own = "".join(f"with log.code():\n        x = {n}\n        print(x)\n    " for n in range(count))
            (folder / f"own_{count}.py").write_text(f"{head}{own}pass\n")
            for kind in ("loop", "own"):
                commands[f"{kind}_{count}"] = [sys.executable, "-m", "quire", "run", f"{kind}_{count}.py"]
        times = measure(commands, folder, rounds)
        for count in counts:
            for kind in ("loop", "own"):
                seconds[count, kind] = statistics.median(times[f"{kind}_{count}"])
            lines.append(f"| {count:,} | {seconds[count, 'loop']:.2f} s | {seconds[count, 'own']:.2f} s |")
    ratios = [seconds[counts[1], kind] / seconds[counts[0], kind] for kind in ("loop", "own")]
    return [*lines, f"| ratio | {ratios[0]:.1f} | {ratios[1]:.1f} |", ""]


def memory() -> str:
    """The peak memory of a run that prints little, and of one that prints much."""
    peaks = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for lines in (10_000, 1_000_000):
            command = quire(folder, [f"for number in range({lines}):\n    print(f'{{number:99d}}')\n"])
            child = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
            if status:
                raise SystemExit("the run failed")
            peaks.append(usage.ru_maxrss / 1000)
    return f"Peak memory with 1 MB of output: {peaks[0]:.0f} MB; with 100 MB: {peaks[1]:.0f} MB.\n"


def main() -> None:
    """Measures, and prints what was found or writes it into a document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--write", type=Path, help="a document that has a part between the marks of this benchmark"
    )
    options = parser.parse_args()
    # Without its cached bytecode, every library would be compiled at each start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    megabytes = sum(len(f"line {n:07d} {'x' * 63}\n") for n in range(100_000)) / 1e6
    found = "\n".join(
        [
            f"Medians of {options.rounds} rounds. {provenance.versions().partition(',')[0]}; "
            f"{provenance.machine()}.\n",
            *compare("One small report: ten blocks of linear algebra", BLOCKS, options.rounds),
            *compare(
                f"The same, and {megabytes:.1f} MB of prints",
                BLOCKS + PRINTS,
                options.rounds,
            ),
            *many_blocks(max(3, options.rounds // 2)),
            "### Starting\n",
            import_cost(options.rounds),
            ten_small_blocks(options.rounds),
            "### Memory\n",
            memory(),
        ]
    )
    tell(found, "reporting", options.write)


if __name__ == "__main__":
    main()
