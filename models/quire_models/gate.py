"""Threads that wait for one another without sleeping, for work of microseconds.

To wake a thread that sleeps takes longer than many a kernel runs. A gate is an array of numbers, each in a
line of the cache of its own, which threads read until they are what they wait for.
"""

import os
from typing import Any

import numpy as np
from numba import types

from quire_models.jit import intrinsic, kernel
from quire_models.kernels import Labels

_LINE = 16
"""Numbers of 8 bytes that lie apart: two lines, since processors fetch them in pairs."""
_PATIENCE = 2_000
"""How often a number is read before other threads of the machine are let through: some microseconds."""
_CLOSED, _JOB, _CALLED, _LED, _SHARES = range(5)
"""Whether it is closed; the last job, how many were called out, and how many the first thread has led to
their end; then how often each thread has arrived, and whether it sleeps."""


def make(shares: int) -> Labels:
    """A gate for so many threads."""
    return np.zeros((_SHARES + 2 * shares) * _LINE, np.int64)


@intrinsic
def _load(_: Any, gate: Any, number: Any) -> Any:
    """A number of an array as it is now: the order of loads and stores is that of the program."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, given[0]).data
        return builder.load_atomic(builder.gep(data, [given[1]]), "seq_cst", 8)

    return types.int64(gate, types.intp), generate


@intrinsic
def _store(_: Any, gate: Any, number: Any, value: Any) -> Any:
    """Sets a number of an array, for all threads to see."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, given[0]).data
        builder.store_atomic(given[2], builder.gep(data, [given[1]]), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(gate, types.intp, types.int64), generate


@kernel
def _nothing() -> int:
    return 0


# Lets other threads run, where the C library has it.
_yield: Any = types.ExternalFunction("sched_yield", types.intc()) if os.name == "posix" else _nothing


@kernel
def arrive(gate: Labels, share: int, shares: int) -> bool:
    """Waits until all threads are here, as often as this one has been; False if the gate is closed."""
    if shares == 1:
        return True
    own = (_SHARES + share) * _LINE
    times = _load(gate, own) + 1
    _store(gate, own, times)
    for other in range(shares):
        tries = 0
        while _load(gate, (_SHARES + other) * _LINE) < times:
            tries += 1
            if tries > _PATIENCE:
                if _load(gate, _CLOSED * _LINE):
                    return False
                _yield()
    return True


@kernel
def call(gate: Labels, shares: int, job: int) -> bool:
    """Calls out a job; says whether a thread sleeps, and has to be woken."""
    _store(gate, _JOB * _LINE, job)
    _store(gate, _CALLED * _LINE, _load(gate, _CALLED * _LINE) + 1)
    is_asleep = False
    for share in range(1, shares):
        is_asleep |= _load(gate, (_SHARES + shares + share) * _LINE) != 0
    return is_asleep


@kernel
def is_behind(gate: Labels) -> bool:
    """Whether a job was called out, and not led to its end, since a signal came between the two."""
    return bool(_load(gate, _CALLED * _LINE) > _load(gate, _LED * _LINE))


@kernel
def job_to_lead(gate: Labels) -> int:
    """The job that was called out last."""
    return int(_load(gate, _JOB * _LINE))


@kernel
def led(gate: Labels) -> None:
    """Says that all jobs are led to their end."""
    _store(gate, _LED * _LINE, _load(gate, _CALLED * _LINE))


@kernel
def listen(gate: Labels, share: int, shares: int, done: int, tries: int) -> int:
    """The next job of a thread that has done so many; 0 if there was none for long, -1 if there is none more.

    "Long" is so many tries, in each of which other threads are let through. After 0, the thread is taken to
    sleep.
    """
    asleep = (_SHARES + shares + share) * _LINE
    _store(gate, asleep, 0)
    for number in range(_PATIENCE + tries):
        if _load(gate, _CLOSED * _LINE):
            return -1
        if _load(gate, _CALLED * _LINE) > done:
            return int(_load(gate, _JOB * _LINE))
        if number > _PATIENCE:
            _yield()
    _store(gate, asleep, 1)
    # Once more: who called before it saw that, wakes nobody.
    if _load(gate, _CALLED * _LINE) > done:
        _store(gate, asleep, 0)
        return int(_load(gate, _JOB * _LINE))
    return -1 if _load(gate, _CLOSED * _LINE) else 0


@kernel
def close(gate: Labels) -> None:
    """Lets all threads go."""
    _store(gate, _CLOSED * _LINE, 1)
