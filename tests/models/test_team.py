"""Threads that share a step: nobody could tell from the numbers."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quire_models import (
    CROSS_ENTROPY,
    SGD,
    SQUARED_ERROR,
    Adam,
    Dense,
    Network,
    StackedAutoencoder,
    Training,
)
from quire_models.kernels import Floats
from quire_models.layers import run
from tests.models.test_layers import NETWORKS, dense

NO_JIT = os.environ.get("NUMBA_DISABLE_JIT") == "1"
ONE_THREAD = "without JIT, a step is one thread's"


def others() -> int:
    """How many threads of the library's own there are."""
    return sum(thread.name == "quire_models" for thread in threading.enumerate())


def wait_for(count: int) -> None:
    end = time.monotonic() + 20
    while others() != count:
        assert time.monotonic() < end, f"{others()} threads, not {count}"
        time.sleep(0.01)


def copied(layers: list[Dense]) -> list[Dense]:
    """The same layers, tied as they are, with weights of their own."""
    found: list[Dense] = []
    for layer in layers:
        if layer.tied_to is None:
            found.append(layer.copy())
        else:
            found.append(found[layers.index(layer.tied_to)].transposed(activation=layer.activation))
            found[-1].bias[:] = layer.bias
    return found


def train(layers: list[Dense], n_jobs: int, **options: Any) -> list[Floats]:
    layers = copied(layers)
    given: Any = {"optimiser": Adam(0.01), "epochs": 2, "n_jobs": n_jobs} | options
    images = np.random.default_rng(1).random((45, layers[0].inputs)).astype(np.float32)
    network = Network(layers, SQUARED_ERROR, batch=20)
    training = Training(network, images, images, given, seed=3)
    losses = np.array([step.loss for step in training], np.float32)
    return [losses, run(layers, images, n_jobs), *(p.value for p in network.parameters)]


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_number_of_threads_changes_no_bit(kind: str) -> None:
    """Of any layer; also where the last batch has fewer images than there are threads."""
    layers = NETWORKS[kind]()
    alone = train(layers, 1)
    for n_jobs in (2, 3, 7):
        for one, many in zip(alone, train(layers, n_jobs), strict=True):
            assert np.array_equal(one, many)


def test_nor_does_it_of_wide_layers_and_other_optimisers() -> None:
    layers = [dense(300, 200, noise=0.2, dropout=0.3), dense(200, 300)]
    limited = Adam(0.01, l1=0.01, max_norm=0.5)
    for options in ({"optimiser": SGD(0.1, nesterov=True)}, {"optimiser": limited}, {"average": 0.9}):
        for one, two in zip(train(layers, 1, **options), train(layers, 2, **options), strict=True):
            assert np.array_equal(one, two)


def test_nor_of_a_classifier() -> None:
    found = []
    for n_jobs in (1, 2):
        start = np.random.default_rng(2)
        weights = (0.3 * start.standard_normal((30, 10))).astype(np.float32)
        layers = [Dense(weights, np.zeros(10, np.float32), activation="identity")]
        images, labels = start.random((64, 30)).astype(np.float32), start.integers(0, 10, 64)
        network = Network(layers, CROSS_ENTROPY, batch=32)
        Training(network, images, labels, {"epochs": 3, "n_jobs": n_jobs}).finish()
        found.append(weights)
    assert np.array_equal(found[0], found[1])


def test_all_processors_are_as_many_as_numba_is_given() -> None:
    """As a sweep does, which shares them among its runs."""
    program = (
        "from quire_models.team import threads_of; print(threads_of(-1), threads_of(None), threads_of(3))"
    )
    environment = os.environ | {"NUMBA_NUM_THREADS": "1"}
    found = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout == "1 1 3\n"


def stack() -> Any:
    model = StackedAutoencoder(shape=(6, 6), random_state=0)
    model.grow((3, 3), noise=0.1)
    return model


IMAGES = np.random.default_rng(0).random((40, 36)).astype(np.float32)


@pytest.mark.skipif(NO_JIT, reason=ONE_THREAD)
def test_threads_end_with_the_training() -> None:
    """When it is done, and when it is left; they sleep while it waits, and wake up."""
    gc.collect()  # what other tests have left
    wait_for(0)
    model = stack()
    steps = model.pretrain(IMAGES, batch=20, n_jobs=3)
    next(steps)
    assert others() == 2
    before = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before < 0.25
    assert len(list(steps)) == 1
    wait_for(0)
    steps = model.pretrain(IMAGES, batch=20, n_jobs=2)
    next(steps)
    assert others() == 1
    memory = weakref.ref(steps.network.output_of(0))
    gc.disable()  # memory of many megabytes does not wait for the collector
    try:
        del steps, model
        wait_for(0)
        assert memory() is None
    finally:
        gc.enable()


@pytest.mark.skipif(NO_JIT, reason=ONE_THREAD)
def test_interruptions_leave_no_thread_behind() -> None:
    """Wherever they come: what was called out is ended before the next, and threads end with the team."""
    raised = 0

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    model = stack()
    steps = model.pretrain(IMAGES, epochs=100_000, batch=8, n_jobs=2)
    next(steps)  # compiles, or loads what was
    before = signal.signal(signal.SIGALRM, interrupt)
    end = time.monotonic() + 3
    try:
        while time.monotonic() < end:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0005 + 0.0001 * (raised % 10))
                while True:
                    next(steps)
            except KeyboardInterrupt:
                raised += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert raised > 200
    assert np.isfinite(next(steps).loss)
    del steps, model
    gc.collect()
    wait_for(0)


def test_trainings_side_by_side_do_not_touch_one_another() -> None:
    def weights(out: list[Floats]) -> None:
        model = stack()
        with np.errstate(over="ignore"):  # without JIT, hashing warns of what it does on purpose
            for _ in model.pretrain(IMAGES, epochs=30, batch=20, n_jobs=2):
                pass
        out.append(model.pairs[0].encoder.weights)

    alone: list[Floats] = []
    weights(alone)
    found: list[Floats] = []
    threads = [threading.Thread(target=weights, args=(found,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(each, alone[0]) for each in found)
    assert len(found) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_training_goes_on_in_a_process_that_was_forked() -> None:
    """Where none of the threads is there any more."""
    model = stack()
    steps = model.pretrain(IMAGES, epochs=2, batch=20, n_jobs=2)
    next(steps)
    context = multiprocessing.get_context("fork")
    answers: Any = context.SimpleQueue()

    def go_on() -> None:
        answers.put([step.loss for step in steps])

    child = context.Process(target=go_on)
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert answers.get() == [step.loss for step in steps]


PROGRAM = """
import hashlib
import numpy as np
from quire_models import StackedAutoencoder
images = np.random.default_rng(0).random((64, 784)).astype(np.float32)
model = StackedAutoencoder(shape=(28, 28), random_state=0)
model.grow(50, noise=0.3, dropout=0.5)
list(model.pretrain(images, batch=32))
print(hashlib.sha256(model.pairs[0].encoder.weights.tobytes()).hexdigest())
"""


@pytest.mark.skipif(NO_JIT, reason="nothing is compiled")
def test_kernels_from_the_cache_give_the_bits_of_those_just_compiled(tmp_path: Path) -> None:
    """They would not, if what a kernel calls were linked to code that was optimised otherwise."""

    def digest() -> tuple[str, str]:
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
        command = [sys.executable, "-c", PROGRAM]
        found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return found.stdout, found.stderr

    compiled, notice = digest()
    assert "compiling kernels" in notice
    assert digest() == (compiled, "")
