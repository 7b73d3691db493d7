"""What a step does, as a list of operations, which several threads read at once.

Python would take longer to call the kernels of a small step than they run, and threads that came back to
it after each would wait for one another's hold on the interpreter. So the calls are written down once, with
the addresses of the arrays that they are about, and a step is one call.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import cfunc, types
from numba.np import arrayobj

from quire_models import gate
from quire_models.jit import IS_ON, OPTIONS, intrinsic, kernel, versioned
from quire_models.kernels import Floats, Labels
from quire_models.products import address

Array = npt.NDArray[Any]
Outside = Literal["rows", "targets"]
"""Arrays that are not the program's: bound to it before it runs."""

_WAIT, _NUMBERS = 0, 4
_NOTHING = np.empty((0, 0), np.float32)


class Operation:
    """A thread's share of a kernel: a function of a job, a step of it, the thread, how many, and memory.

    It asks `matrix` and the other functions below for what the step is about. It is compiled when a program
    first needs it.
    """

    def __init__(self, function: Callable[[Any, int, int, int, Any], None]) -> None:
        self.function = function

    @cached_property
    def address(self) -> int:
        """Where its machine code is."""
        signature = types.void(*[types.int64] * 5)
        found = cfunc(signature, **OPTIONS)(versioned(self.function))
        self._compiled = found  # which keeps the code in memory
        return int(found.address or 0)


class Program:
    """Operations to run, one after the other.

    Args:
        images: how many images a batch has; 0 where there is none.
        knobs: numbers that may change from run to run: float32 of shape (lines, knobs).
    """

    def __init__(self, images: int, knobs: Floats) -> None:
        self.images, self.knobs = images, knobs
        self.operations: list[Operation | None] = []
        self.steps: list[list[int]] = []
        self.arrays: list[Array] = []
        self._outside: dict[Outside, list[int]] = {"rows": [], "targets": []}
        self._bound: dict[Outside, Array] = {}
        self._job: Job | None = None

    def add(
        self, operation: Operation, *arrays: Array | Outside, numbers: tuple[int, ...] = (), line: int = 0
    ) -> None:
        """Writes down an operation: its arrays, its whole numbers, and the line of its knobs."""
        self._add(operation, [len(self.arrays), line, *numbers])
        for array in arrays:
            if isinstance(array, str):
                self._outside[array].append(len(self.arrays))
                array = _NOTHING
            elif not array.flags.c_contiguous:
                raise ValueError("operations take C-contiguous arrays")
            self.arrays.append(array)

    def wait(self) -> None:
        """Writes down that no thread goes on before all are here."""
        self._add(None, [0, 0])

    def bind(self, name: Outside, array: Array) -> None:
        """Says what an outside array is, until it is said anew."""
        if self._bound.get(name) is not array:
            self._bound[name] = array
            for number in self._outside[name]:
                self.arrays[number] = array
                if self._job:
                    self._job.places[number] = _place(array)

    @property
    def job(self) -> "Job":
        """The program as threads read it."""
        if not self._job:
            self._job = Job(self)
        return self._job

    def _add(self, operation: Operation | None, step: list[int]) -> None:
        self.operations.append(operation)
        self.steps.append([*step, *[0] * (2 + _NUMBERS - len(step))])
        self._job = None


class Job:
    """A program as threads read it.

    Attributes:
        steps: int64 of shape (steps, 7): the address of the operation, or 0 to wait; the number of its first
            array; the line of its knobs; its whole numbers.
        places: int64 of shape (arrays, 3): where each array is, its length, and how many numbers each of its
            rows has.
        address: that of the header.
        header: int64 of shape (7,): how many steps there are; where they, the places and the knobs are; how
            many knobs a line has; how many images there are; the number of the run.
    """

    def __init__(self, program: Program) -> None:
        # Not the program itself: a ring of references would keep its arrays until the collector comes.
        self.operations, self.arrays, self.knobs = program.operations, program.arrays, program.knobs
        addresses = [_WAIT] * len(program.steps)
        if IS_ON:
            addresses = [each.address if each else _WAIT for each in program.operations]
        self.steps = np.array([[a, *s] for a, s in zip(addresses, program.steps, strict=True)], np.int64)
        self.places = np.array([_place(array) for array in program.arrays], np.int64)
        where = [each.ctypes.data for each in (self.steps, self.places, program.knobs)]
        self.header = np.array([len(self.steps), *where, program.knobs.shape[1], program.images, 0], np.int64)
        self.address = self.header.ctypes.data

    def begin(self, number: int) -> int:
        """Sets the number of a run: that of its random streams, or of an update; gives the job's address."""
        self.header[6] = number
        return self.address

    def interpret(self, scratch: Floats) -> None:
        """Does all of it without JIT."""
        for step, operation in enumerate(self.operations):
            if operation:
                operation.function(self, step, 0, 1, scratch)


def _place(array: Array) -> tuple[int, int, int]:
    return array.ctypes.data, len(array), array.size // max(1, len(array))


_INT = ir.IntType(64)


def _loaded(builder: Any, place: Any, number: Any) -> Any:
    """Whole number `number` of those at an address."""
    return builder.load(builder.gep(builder.inttoptr(place, _INT.as_pointer()), [number]))


def _in_step(builder: Any, job: Any, step: Any, number: Any) -> Any:
    """Whole number `number` of what is written of a step."""
    steps = _loaded(builder, job, _INT(1))
    return _loaded(builder, steps, builder.add(builder.mul(step, _INT(3 + _NUMBERS)), number))


def _array(context: Any, builder: Any, kind: types.Array, data: Any, shape: Any, strides: Any) -> Any:
    """An array of memory that is somebody else's."""
    array = context.make_array(kind)(context, builder)
    arrayobj.populate_array(  # type: ignore[no-untyped-call]  # numba has no types here
        array, data, shape, strides, strides[-1], meminfo=None
    )
    return array._getvalue()


def _reader(kind: types.Array, size: int) -> Any:
    """A function that finds an array of a step, whose numbers have so many bytes."""

    @intrinsic
    def find(_: Any, job: Any, step: Any, number: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            job, step, number = given
            which = builder.add(_in_step(builder, job, step, _INT(1)), number)
            place, first = _loaded(builder, job, _INT(2)), builder.mul(which, _INT(3))
            where, *shape = (_loaded(builder, place, builder.add(first, _INT(i))) for i in range(3))
            if kind.ndim == 1:
                shape = [builder.mul(*shape)]
            strides = [*(builder.mul(each, _INT(size)) for each in shape[1:]), _INT(size)]
            data = builder.inttoptr(where, context.get_value_type(kind.dtype).as_pointer())
            return _array(context, builder, kind, data, shape, strides)

        return kind(types.int64, types.int64, types.int64), generate

    return find


@intrinsic
def _whole(_: Any, job: Any, step: Any, number: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        job, step, number = given
        return _in_step(builder, job, step, builder.add(number, _INT(3)))

    return types.int64(*[types.int64] * 3), generate


@intrinsic
def _knob(_: Any, job: Any, step: Any, number: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        job, step, number = given
        line, width = _in_step(builder, job, step, _INT(2)), _loaded(builder, job, _INT(4))
        knobs = builder.inttoptr(_loaded(builder, job, _INT(3)), ir.FloatType().as_pointer())
        return builder.load(builder.gep(knobs, [builder.add(builder.mul(line, width), number)]))

    return types.float32(*[types.int64] * 3), generate


def _in_header(place: int) -> Any:
    """A function that finds a whole number of a job."""

    @intrinsic
    def find(_: Any, job: Any) -> Any:
        return types.int64(types.int64), lambda context, builder, signature, given: _loaded(
            builder, given[0], _INT(place)
        )

    return find


@intrinsic
def _memory(_: Any, scratch: Any, count: Any) -> Any:
    kind = types.Array(types.float32, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        data = builder.inttoptr(given[0], ir.FloatType().as_pointer())
        return _array(context, builder, kind, data, [given[1]], [_INT(4)])

    return kind(types.int64, types.int64), generate


def matrix(job: Any, step: int, number: int) -> Floats:
    """Array `number` of a step, of float32 and two dimensions."""
    return series(job, step, number).reshape(job.places[job.steps[step][1] + number][1], -1)


def series(job: Any, step: int, number: int) -> Floats:
    """Array `number` of a step, of float32 and one dimension."""
    found: Floats = job.arrays[job.steps[step][1] + number]
    return found.reshape(-1)


def labels(job: Any, step: int, number: int) -> Labels:
    """Array `number` of a step, of int64 and one dimension."""
    found: Labels = job.arrays[job.steps[step][1] + number]
    return found


def whole(job: Any, step: int, number: int) -> int:
    """Whole number `number` of a step."""
    return int(job.steps[step][3 + number])


def knob(job: Any, step: int, number: int) -> Any:
    """Knob `number` of a step, float32."""
    return job.knobs[job.steps[step][2], number]


def images(job: Any) -> int:
    """How many images there are."""
    return int(job.header[5])


def run_number(job: Any) -> int:
    """The number of the run."""
    return int(job.header[6])


def memory(scratch: Any, count: int) -> Floats:
    """Memory of the thread's for so many numbers."""
    found: Floats = scratch[:count]
    return found


if IS_ON:
    matrix = _reader(types.Array(types.float32, 2, "C"), 4)
    series = _reader(types.Array(types.float32, 1, "C"), 4)
    labels = _reader(types.Array(types.int64, 1, "C"), 8)
    whole, knob, memory = _whole, _knob, _memory
    images, run_number = _in_header(5), _in_header(6)


@intrinsic
def _call(_: Any, function: Any, job: Any, step: Any, share: Any, shares: Any, scratch: Any) -> Any:
    """Calls an operation by its address."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(64)] * 5)
        builder.call(builder.inttoptr(given[0], kind.as_pointer()), given[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 6), generate


_length, _OPERATION = _in_header(0), -3


@kernel
def execute(job: int, share: int, shares: int, at_gate: Labels, scratch: Floats) -> None:
    """Does a thread's share of a job, and waits for the others."""
    for step in range(_length(job)):
        operation = whole(job, step, _OPERATION)
        if operation != _WAIT:
            _call(operation, job, step, share, shares, address(scratch))
        elif not gate.arrive(at_gate, share, shares):
            return
    gate.arrive(at_gate, share, shares)


@kernel
def part(total: int, share: int, shares: int, unit: int = 8) -> tuple[int, int]:
    """A thread's share of so many, in whole units: from where, and to below where."""
    low = (total * share // shares + unit - 1) // unit * unit
    high = (total * (share + 1) // shares + unit - 1) // unit * unit
    return min(total, low), min(total, high)
