"""Threads that run a program together."""

import os
import threading
import weakref
from queue import SimpleQueue
from typing import Any, Self

import numpy as np
from numba import config

from quire_models import gate
from quire_models.jit import IS_ON, kernel
from quire_models.kernels import Floats, Labels
from quire_models.products import SCRATCH
from quire_models.program import Program, execute

_TRIES = 2_000
"""How often a thread looks for its next job before it sleeps: for about a millisecond, since most steps
follow one another at once, and it takes tens of microseconds to wake."""


class Team:
    """The thread that calls, and others that share its work.

    Threads start when they are first needed, sleep when there is nothing to do for long, and end with the
    team. One team is for one thread's use.

    Args:
        n_jobs: how many; None is 1, -1 as many as there are processors.

    Raises:
        ValueError: the number is neither -1 nor from 1 up.
    """

    def __init__(self, n_jobs: int | None = None) -> None:
        # Without JIT, kernels are Python, which runs on one thread at a time.
        self.size = threads_of(n_jobs) if IS_ON else 1
        self._scratch = np.empty((self.size, SCRATCH), np.float32)
        self._gate = gate.make(1)
        self._calls: list[SimpleQueue[None]] = []
        # A process that was forked has none of the threads of the one before.
        self._process = 0
        # The last program: threads keep its arrays in memory for as long as they may be at it.
        self._held: list[Program] = []
        self._end: weakref.finalize[Any, Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, program: Program, number: int = 0) -> None:
        """Runs a program; `number` is that of its random streams, or of an update."""
        if self.size == 1:
            address = program.job.begin(number)
            if IS_ON:
                execute(address, 0, 1, self._gate, self._scratch[0])
            else:
                program.job.interpret(self._scratch[0])
            return
        if self._process != os.getpid():
            self._start()
        elif gate.is_behind(self._gate):
            self._lead()
        address = program.job.begin(number)
        self._held[:] = [program]
        if not _call(self.size, self._gate, address, self._scratch[0]):
            self._lead()

    def close(self) -> None:
        """Ends the threads; they start again if they are needed."""
        if self._process == os.getpid() and gate.is_behind(self._gate):
            self._lead()
        self._process = 0
        if self._end:
            self._end()

    def _lead(self) -> None:
        """Ends a job that was called out when threads slept, or before a signal came."""
        self._wake()
        _lead(self.size, self._gate, self._scratch[0])

    def _wake(self) -> None:
        for call in self._calls:
            call.put(None)

    def _start(self) -> None:
        if self._end and not self._process:
            self._end()  # of threads of which not all were started
        self._gate, self._held = gate.make(self.size), []
        self._calls = [SimpleQueue() for _ in range(1, self.size)]
        self._end = weakref.finalize(self, _dismiss, self._gate, self._calls)
        for share, call in enumerate(self._calls, 1):
            about = share, self.size, self._gate, self._scratch[share], call, self._held
            threading.Thread(target=_follow, args=about, name="quire_models", daemon=True).start()
        # Now, and not before: whoever was interrupted above, starts again.
        self._process = os.getpid()


def threads_of(n_jobs: int | None) -> int:
    """The number of threads that `n_jobs` says.

    Raises:
        ValueError: it is neither None nor -1 nor from 1 up.
    """
    if n_jobs is None:
        return 1
    if n_jobs == -1:
        return int(config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]  # set when numba is imported
    if n_jobs < 1:
        raise ValueError(f"n_jobs is a number of threads from 1 up, or -1 for all, not {n_jobs}")
    return n_jobs


def _follow(
    share: int,
    shares: int,
    at_gate: Labels,
    scratch: Floats,
    call: "SimpleQueue[None]",
    held: list[Program],
) -> None:
    """A thread's life."""
    done = 0
    while True:
        done = _work(share, shares, at_gate, scratch, done)
        if done < 0:
            return
        call.get()


@kernel
def _call(shares: int, at_gate: Labels, job: int, scratch: Floats) -> bool:
    """Calls out a job, and ends it, unless a thread sleeps: says whether it did."""
    if gate.call(at_gate, shares, job):
        return False
    _lead(shares, at_gate, scratch)
    return True


@kernel
def _lead(shares: int, at_gate: Labels, scratch: Floats) -> None:
    """Does the first thread's share of the job that was called out last, which no signal can interrupt."""
    execute(gate.job_to_lead(at_gate), 0, shares, at_gate, scratch)
    gate.led(at_gate)


@kernel
def _work(share: int, shares: int, at_gate: Labels, scratch: Floats, done: int) -> int:
    """Does jobs until none comes for long: gives how many were done, or -1 if there are none any more."""
    while True:
        job = gate.listen(at_gate, share, shares, done, _TRIES)
        if job <= 0:
            return done if job == 0 else -1
        execute(job, share, shares, at_gate, scratch)
        done += 1


def _dismiss(at_gate: Labels, calls: "list[SimpleQueue[None]]") -> None:
    gate.close(at_gate)
    for call in calls:
        call.put(None)
