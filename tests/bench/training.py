"""How fast a training step is, beside the peers that are installed.

    python -m tests.bench.training [--quick] [--threads 2] [--write docs/performance.md]

The step is that of the article: a tied pair, 784 inputs, Gaussian noise of deviation 0.3, ReLU, dropout
of 0.5, the mean squared error, Adam; in float32. Contenders run in turn, round by round, each in a
process of its own that stays, so that a slow moment of the machine strikes them alike; figures are
medians. Nothing else may run meanwhile. Peers are measured where they are installed: PyTorch (eager and
compiled), JAX (a jitted step, and `lax.scan` over steps), Keras (on what it finds), scikit-learn
(`MLPRegressor` without noise, dropout and ties: half the work of a step's gradients more, the rest less).
"""

import argparse
import importlib.util
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from quire import provenance
from tests.bench.document import tell

UNITS, NOISE, DROPOUT, RATE = 784, 0.3, 0.5, 1e-3
HIDDEN, BATCHES = (100, 256, 1024), (32, 128, 512, 2048)
IMAGES = 8192
Run = Callable[[int], None]
"""Takes so many steps, and returns when they are done."""


def data() -> Any:
    """Images to learn from. NumPy is imported here, so that who has to be there before it, can."""
    import numpy as np

    return np.random.default_rng(0).random((IMAGES, UNITS), np.float32)


def ours(hidden: int, batch: int, threads: int) -> Run:
    """This library."""
    from quire_models import Adam, StackedAutoencoder

    stack = StackedAutoencoder(shape=(28, 28), random_state=0)
    stack.grow(hidden, noise=NOISE, dropout=DROPOUT)
    steps = stack.pretrain(data(), epochs=100_000, batch=batch, optimiser=Adam(RATE), n_jobs=threads)

    def run(count: int) -> None:
        for _ in range(count):
            next(steps)

    return run


def torch_step(hidden: int, batch: int, threads: int, *, compiled: bool) -> Run:
    """PyTorch."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    images = torch.from_numpy(data())
    weights = torch.nn.Parameter(torch.randn(UNITS, hidden) / math.sqrt(UNITS))
    biases = [torch.nn.Parameter(torch.zeros(units)) for units in (hidden, UNITS)]
    adam = torch.optim.Adam([weights, *biases], lr=RATE, fused=True)

    def loss_of(x: Any) -> Any:
        noisy = x + NOISE * torch.randn_like(x)
        code = functional.dropout(torch.relu(noisy @ weights + biases[0]), DROPOUT)
        return ((torch.relu(code @ weights.T + biases[1]) - x) ** 2).mean()

    loss_of = torch.compile(loss_of) if compiled else loss_of

    def run(count: int) -> None:
        for _ in range(count):
            adam.zero_grad()
            loss_of(images[torch.randint(IMAGES, (batch,))]).backward()
            adam.step()

    return run


def jax_step(hidden: int, batch: int, threads: int, *, scan: bool) -> Run:
    """JAX, with Adam written out."""
    import jax
    from jax import numpy as jnp

    images = jnp.asarray(data())
    weights = jax.random.normal(jax.random.key(0), (UNITS, hidden)) / math.sqrt(UNITS)
    values = (weights, jnp.zeros(hidden), jnp.zeros(UNITS))
    zeros = jax.tree.map(jnp.zeros_like, values)

    def loss_of(values: Any, x: Any, key: Any) -> Any:
        w, b, c = values
        first, second = jax.random.split(key)
        code = jax.nn.relu((x + NOISE * jax.random.normal(first, x.shape)) @ w + b)
        kept = jax.random.bernoulli(second, 1 - DROPOUT, code.shape)
        back = jax.nn.relu(jnp.where(kept, code / (1 - DROPOUT), 0) @ w.T + c)
        return ((back - x) ** 2).mean()

    def step(state: Any, _: Any = None) -> Any:
        values, mean, square, number, key = state
        key, own, chosen = jax.random.split(key, 3)
        x = images[jax.random.randint(chosen, (batch,), 0, IMAGES)]
        slopes = jax.grad(loss_of)(values, x, own)
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, slopes)
        square = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, square, slopes)
        first, second = 1 - 0.9**number, 1 - 0.999**number
        values = jax.tree.map(
            lambda w, m, v: w - RATE * (m / first) / (jnp.sqrt(v / second) + 1e-8), values, mean, square
        )
        return (values, mean, square, number + 1, key), None

    one = jax.jit(lambda state: step(state)[0], donate_argnums=0)
    many = jax.jit(lambda state: jax.lax.scan(step, state, length=SCANNED)[0], donate_argnums=0)
    held = [(values, zeros, jax.tree.map(jnp.zeros_like, values), jnp.float32(1), jax.random.key(1))]

    def run(count: int) -> None:
        if scan:
            for _ in range(max(1, count // SCANNED)):
                held[0] = many(held[0])
        else:
            for _ in range(count):
                held[0] = one(held[0])
        jax.block_until_ready(held[0][0])

    return run


SCANNED = 8


def keras_step(hidden: int, batch: int, threads: int) -> Run:
    """Keras, untied, since it has no transposed dense layer."""
    found = [name for name in ("jax", "torch", "tensorflow") if importlib.util.find_spec(name)]
    os.environ.setdefault("KERAS_BACKEND", found[0] if found else "tensorflow")
    import keras
    import numpy as np

    model = keras.Sequential(
        [
            keras.Input((UNITS,)),
            keras.layers.GaussianNoise(NOISE),
            keras.layers.Dense(hidden, "relu"),
            keras.layers.Dropout(DROPOUT),
            keras.layers.Dense(UNITS, "relu"),
        ]
    )
    model.compile(keras.optimizers.Adam(RATE), "mse", jit_compile=True)
    images = data()
    return lambda count: model.fit(
        np.resize(images, (count * batch, UNITS)), np.resize(images, (count * batch, UNITS)), batch, verbose=0
    )


def sklearn_step(hidden: int, batch: int, threads: int) -> Run:
    """scikit-learn."""
    from sklearn.neural_network import MLPRegressor
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    model = MLPRegressor(
        hidden_layer_sizes=(hidden,), batch_size=batch, learning_rate_init=RATE, random_state=0
    )
    images = data()
    model.partial_fit(images[:batch], images[:batch])

    def run(count: int) -> None:
        for _ in range(count):
            model.partial_fit(images[:batch], images[:batch])

    return run


CONTENDERS: dict[str, tuple[str, Callable[[int, int, int], Run]]] = {
    "quire_models": ("quire_models", ours),
    "PyTorch": ("torch", lambda *cell: torch_step(*cell, compiled=False)),
    "PyTorch, compiled": ("torch", lambda *cell: torch_step(*cell, compiled=True)),
    "JAX": ("jax", lambda *cell: jax_step(*cell, scan=False)),
    "JAX, scan": ("jax", lambda *cell: jax_step(*cell, scan=True)),
    "Keras": ("keras", keras_step),
    "scikit-learn": ("sklearn", sklearn_step),
}


def serve(name: str, threads: int) -> None:
    """A contender's process: for each line (hidden, batch, steps), runs them and tells the seconds."""
    runs: dict[tuple[int, int], Run] = {}
    for line in sys.stdin:
        hidden, batch, count = json.loads(line)
        if (hidden, batch) not in runs:
            runs.clear()  # one at a time, so that memory is that of the greatest
            runs[hidden, batch] = CONTENDERS[name][1](hidden, batch, threads)
            runs[hidden, batch](SCANNED)  # compiles
        began = time.perf_counter()
        runs[hidden, batch](count)
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        print(json.dumps([seconds, peak]), flush=True)


class Contender:
    """A contender in a process of its own."""

    def __init__(self, name: str, threads: int) -> None:
        command = [sys.executable, "-m", "tests.bench.training", "--serve", name, "--threads", str(threads)]
        bound = {key: str(threads) for key in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3"}
        self.name, self.peak = name, 0.0
        self.child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | bound | quiet
        )

    def seconds(self, hidden: int, batch: int, count: int) -> float:
        """How long so many steps take."""
        assert self.child.stdin
        assert self.child.stdout
        self.child.stdin.write(json.dumps([hidden, batch, count]) + "\n")
        self.child.stdin.flush()
        answer = self.child.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} ended with {self.child.wait()}")
        taken, self.peak = json.loads(answer)
        return float(taken)

    def close(self) -> None:
        """Ends the process."""
        assert self.child.stdin
        self.child.stdin.close()
        self.child.wait()


def measure_peak(threads: int) -> float:
    """The most operations a second, in 10^9: of fused chains in registers, or of a product of large matrices.

    The chains may not be reordered, so that none is left out. Where the compiler takes vectors of half the
    width, the product comes nearer to the limit.
    """
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np
    from numba import njit
    from threadpoolctl import threadpool_limits

    @njit(nogil=True, fastmath={"contract"})
    def chains(rounds: int, out: Any) -> None:
        x = np.empty(512, np.float32)
        x[:] = 0.5
        a, b = np.float32(0.999), np.float32(0.001)
        for _ in range(rounds):
            for i in range(512):
                v = x[i]
                for _ in range(32):
                    v = v * a + b
                x[i] = v
        out[0] = x.sum()

    out, rounds, side = np.zeros(1, np.float32), 20_000, 2048
    chains(1, out)
    matrix, product = np.ones((side, side), np.float32), np.empty((side, side), np.float32)
    best = 0.0
    with ThreadPoolExecutor(threads) as pool, threadpool_limits(threads):
        for _ in range(9):
            began = time.perf_counter()
            list(pool.map(lambda _: chains(rounds, np.zeros(1, np.float32)), range(threads)))
            middle = time.perf_counter()
            np.matmul(matrix, matrix, out=product)
            ended = time.perf_counter()
            best = max(
                best, threads * rounds * 512 * 32 * 2 / (middle - began), 2 * side**3 / (ended - middle)
            )
    return best / 1e9


def start_time(name: str) -> float:
    """Seconds from nothing to the first step done, with what is cached on disk by earlier runs."""
    began = time.perf_counter()
    contender = Contender(name, 1)
    contender.seconds(100, 32, 1)
    taken = time.perf_counter() - began
    contender.close()
    return taken


def compare(cells: list[tuple[int, int]], rounds: int, target: float, threads: int) -> list[str]:
    """The tables: speeds in each cell, and memory."""
    names = [name for name, (module, _) in CONTENDERS.items() if importlib.util.find_spec(module)]
    contenders = [Contender(name, threads) for name in names]
    peak = measure_peak(threads)
    columns = " | ".join(names)
    lines = [
        f"| units | batch | {columns} | to the best peer | of the FMA peak |",
        f"| ---: | ---: | {' | '.join('---:' for _ in names)} | ---: | ---: |",
    ]
    ratios: list[float] = []
    for hidden, batch in cells:
        counts, times = {}, {name: [] for name in names}  # type: dict[str, int], dict[str, list[float]]
        for contender in contenders:
            one = contender.seconds(hidden, batch, SCANNED) / SCANNED
            counts[contender.name] = SCANNED * max(1, round(target / one / SCANNED))
        for _ in range(rounds):
            for contender in contenders:
                # Threads of the one before that still look for work fall asleep.
                time.sleep(0.1)
                count = counts[contender.name]
                times[contender.name].append(contender.seconds(hidden, batch, count) / count)
        speeds = {name: batch / statistics.median(each) for name, each in times.items()}
        peers = [speed for name, speed in speeds.items() if name != "quire_models"]
        ratios.append(speeds["quire_models"] / max(peers) if peers else math.nan)
        share = speeds["quire_models"] * 10 * UNITS * hidden / (peak * 1e9)
        told = " | ".join(f"{speeds[name]:,.0f}" for name in names)
        lines.append(f"| {hidden} | {batch} | {told} | {ratios[-1]:.2f} | {share:.0%} |")
        print(lines[-1], file=sys.stderr, flush=True)
    mean = math.exp(statistics.fmean(math.log(ratio) for ratio in ratios))
    memory = ", ".join(f"{each.name} {each.peak:.0f} MB" for each in contenders)
    for contender in contenders:
        contender.close()
    starts = ", ".join(f"{name} {start_time(name):.1f} s" for name in names)
    return [
        "Images a second:\n",
        *lines,
        "",
        f"Geometric mean of the ratios to the best peer: {mean:.2f}; the least: {min(ratios):.2f}. A step is "
        f"10 · batch · {UNITS} · units operations, noise and all else left out; the peak, measured with "
        f"{threads} threads, is {peak:.0f} GFLOP/s.",
        "",
        f"Peak memory of each process over all cells: {memory}.",
        "",
        f"From nothing to the first step done: {starts}.",
    ]


def main() -> None:
    """Measures, and prints what was found or writes it into a document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--quick", action="store_true", help="fewer cells and rounds, to see that it works")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument(
        "--write", type=Path, help="a document that has a part between the marks of this benchmark"
    )
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.threads)
        return
    cells = [(hidden, batch) for hidden in HIDDEN for batch in BATCHES]
    if options.quick:
        cells = [(100, 32), (256, 512)]
    rounds, target = (3, 0.05) if options.quick else (options.rounds, 0.3)
    found = "\n".join(
        [
            f"Medians of {rounds} rounds, {options.threads} threads. "
            f"{provenance.versions().partition(',')[0]}; {provenance.machine()}.\n",
            *compare(cells, rounds, target, options.threads),
            "",
        ]
    )
    tell(found, "training", options.write)


if __name__ == "__main__":
    main()
