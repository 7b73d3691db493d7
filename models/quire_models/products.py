"""Products of matrices, by the vectors that the processor has.

BLAS packs matrices before it multiplies them, and hands parts to threads of its own: for the small
batches of a training, that takes longer than the product. Here a tile of the result stays in registers
while one row after the other of the second matrix goes by where it lies, and whoever calls says which
rows of the result it wants. Each number is summed up in the order of its terms, whatever the tile is and
whoever asks: the result has the same bits on one thread and on many.

The tile is written for LLVM, in vectors that it turns into what any processor has; only how many fit into
the registers is asked.
"""

from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import config, types

from quire_models.jit import IS_ON, intrinsic, kernel
from quire_models.kernels import Floats

# What numba is told to compile for, or else what is there.
_FEATURES: str = getattr(config, "CPU_FEATURES", None) or llvmlite.binding.get_host_cpu_features().flatten()
LANES = 16 if "+avx512f" in _FEATURES.split(",") else 8
"""How many numbers a vector has."""
HEIGHT = 8 if LANES == 16 else 4
"""How many rows a tile has: with `_VECTORS` of them in each, all fit into the registers."""
_VECTORS = 3
WIDTH = _VECTORS * LANES
"""How many columns a tile has."""
DEPTH = 1024
"""How many terms are summed up before the next tile: so many rows of it stay in the cache."""
SCRATCH = DEPTH * WIDTH
"""How many numbers a product needs as memory."""

_INT, _INT32, _FLOAT = ir.IntType(64), ir.IntType(32), ir.FloatType()
_VECTOR, _MASK = ir.VectorType(_FLOAT, LANES), ir.VectorType(ir.IntType(1), LANES)
_BYTES, _FLOATS, _VECTORS_AT = ir.IntType(8).as_pointer(), _FLOAT.as_pointer(), _VECTOR.as_pointer()
_NAME = f"v{LANES}f32"


def _number(value: int) -> ir.Constant:
    return ir.Constant(_INT, value)


def _repeated(builder: Any, value: Any, vector: ir.VectorType) -> Any:
    """A vector that has a number in each lane."""
    empty = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(empty, value, ir.Constant(_INT32, 0))
    zeros = ir.Constant(ir.VectorType(_INT32, vector.count), [0] * vector.count)
    return builder.shuffle_vector(one, empty, zeros)


class _Memory:
    """Loads and stores vectors of a tile's rows; of the last in a row, as many lanes as there are columns."""

    def __init__(self, builder: Any, vectors: int, columns: Any) -> None:
        lanes = ir.VectorType(_INT32, LANES)
        width = builder.sub(columns, _number((vectors - 1) * LANES))
        numbers = ir.Constant(lanes, list(range(LANES)))
        limit = _repeated(builder, builder.trunc(width, _INT32), lanes)
        self.builder, self.last, self.mask = builder, vectors - 1, builder.icmp_signed("<", numbers, limit)
        self.masked_load = builder.module.declare_intrinsic(
            f"llvm.masked.load.{_NAME}.p0{_NAME}",
            (),
            ir.FunctionType(_VECTOR, [_VECTORS_AT, _INT32, _MASK, _VECTOR]),
        )
        self.masked_store = builder.module.declare_intrinsic(
            f"llvm.masked.store.{_NAME}.p0{_NAME}",
            (),
            ir.FunctionType(ir.VoidType(), [_VECTOR, _VECTORS_AT, _INT32, _MASK]),
        )

    def at(self, row: Any, number: int) -> Any:
        return self.builder.bitcast(self.builder.gep(row, [_number(number * LANES)]), _VECTORS_AT)

    def load(self, row: Any, number: int) -> Any:
        if number < self.last:
            return self.builder.load(self.at(row, number), align=4)
        align, zeros = ir.Constant(_INT32, 4), ir.Constant(_VECTOR, [0.0] * LANES)
        return self.builder.call(self.masked_load, [self.at(row, number), align, self.mask, zeros])

    def store(self, value: Any, row: Any, number: int) -> None:
        if number < self.last:
            self.builder.store(value, self.at(row, number), align=4)
        else:
            align = ir.Constant(_INT32, 4)
            self.builder.call(self.masked_store, [value, self.at(row, number), align, self.mask])


def _tile(vectors: int) -> Any:
    """A function that sets, or with `is_more` adds to, a tile of so many vectors in each row.

    It takes the addresses of the tile's first number in `a`, `b` and `out`; how far one row, and one term,
    of `a` is from the next, in numbers, and one row of `b` and of `out`; how many rows, columns and terms
    there are. Of rows that are not there, the last is reckoned again.
    """

    @intrinsic
    def tile(
        _: Any,
        a: Any,
        a_row: Any,
        a_term: Any,
        b: Any,
        b_row: Any,
        out: Any,
        out_row: Any,
        rows: Any,
        columns: Any,
        terms: Any,
        is_more: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, _: Any, given: Any) -> Any:
            a, a_row, a_term, b, b_row, out, out_row, rows, columns, terms, is_more = given
            memory = _Memory(builder, vectors, columns)
            a, b, out = (builder.inttoptr(address, _FLOATS) for address in (a, b, out))
            kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
            fused = builder.module.declare_intrinsic(f"llvm.fmuladd.{_NAME}", (), kind)
            last = builder.sub(rows, _number(1))
            which = [
                builder.select(builder.icmp_signed("<", _number(row), last), _number(row), last)
                for row in range(HEIGHT)
            ]
            from_rows = [builder.gep(a, [builder.mul(row, a_row)]) for row in which]
            to_rows = [builder.gep(out, [builder.mul(row, out_row)]) for row in which]
            cells = [(row, number) for row in range(HEIGHT) for number in range(vectors)]
            entry = builder.block
            blocks = [builder.append_basic_block(name) for name in ("more", "begin", "term", "end")]
            more, begin, term, end = blocks
            builder.cbranch(builder.icmp_signed("!=", is_more, _number(0)), more, begin)
            builder.position_at_end(more)
            before = {(row, number): memory.load(to_rows[row], number) for row, number in cells}
            builder.branch(begin)
            builder.position_at_end(begin)
            first = {cell: builder.phi(_VECTOR) for cell in cells}
            for cell in cells:
                first[cell].add_incoming(ir.Constant(_VECTOR, [0.0] * LANES), entry)
                first[cell].add_incoming(before[cell], more)
            builder.branch(term)

            builder.position_at_end(term)
            count, at, row_of_b = builder.phi(_INT), builder.phi(_INT), builder.phi(_FLOATS)
            sums = {cell: builder.phi(_VECTOR) for cell in cells}
            factors = [memory.load(row_of_b, number) for number in range(vectors)]
            found = {}
            for row in range(HEIGHT):
                value = _repeated(builder, builder.load(builder.gep(from_rows[row], [at]), align=4), _VECTOR)
                for number in range(vectors):
                    cell = row, number
                    found[cell] = builder.call(fused, [value, factors[number], sums[cell]])
            following = builder.add(count, _number(1))
            for phi, start, step in (
                (count, _number(0), following),
                (at, _number(0), builder.add(at, a_term)),
                (row_of_b, b, builder.gep(row_of_b, [b_row])),
                *((sums[cell], first[cell], found[cell]) for cell in cells),
            ):
                phi.add_incoming(start, begin)
                phi.add_incoming(step, term)
            builder.cbranch(builder.icmp_signed("<", following, terms), term, end)
            builder.position_at_end(end)
            for row, number in cells:
                memory.store(found[row, number], to_rows[row], number)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 11), generate

    return tile


_ONE, _TWO, _THREE = _tile(1), _tile(2), _tile(3)


@intrinsic
def _turn_block(_: Any, source: Any, source_row: Any, out: Any, out_row: Any) -> Any:
    """Sets `out` to the transpose of a square of as many rows as a vector has lanes, at these addresses."""

    def generate(context: Any, builder: Any, _: Any, given: Any) -> Any:
        source, source_row, out, out_row = given
        source, out = builder.inttoptr(source, _FLOATS), builder.inttoptr(out, _FLOATS)

        def at(base: Any, row: int, step: Any) -> Any:
            return builder.bitcast(builder.gep(base, [builder.mul(_number(row), step)]), _VECTORS_AT)

        rows = [builder.load(at(source, row, source_row), align=4) for row in range(LANES)]
        half = LANES // 2
        while half:
            # Swaps the upper right and the lower left quarters of squares of twice this side.
            for low in (row for row in range(LANES) if not row & half):
                high = low + half
                upper = [(i if not i & half else i - half + LANES) for i in range(LANES)]
                lower = [(i + half if not i & half else i + LANES) for i in range(LANES)]
                vector = ir.VectorType(_INT32, LANES)
                rows[low], rows[high] = (
                    builder.shuffle_vector(rows[low], rows[high], ir.Constant(vector, each))
                    for each in (upper, lower)
                )
            half //= 2
        for row in range(LANES):
            builder.store(rows[row], at(out, row, out_row), align=4)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4), generate


@intrinsic
def address(_: Any, array: Any) -> Any:
    """Where the first number of an array is."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, given[0]).data
        return builder.ptrtoint(data, _INT)

    return types.intp(array), generate


@kernel
def turn(y: Floats, row: int, rows: int, column: int, columns: int, out: Floats) -> None:
    """Sets out = yᵀ for some rows and columns of y; a row of `out` has `WIDTH` numbers."""
    whole_rows, whole_columns = rows - rows % LANES, columns - columns % LANES
    base, far = address(y) + 4 * (row * y.shape[1] + column), y.shape[1]
    for i in range(0, whole_rows, LANES):
        for j in range(0, whole_columns, LANES):
            _turn_block(base + 4 * (i * far + j), far, address(out) + 4 * (j * WIDTH + i), WIDTH)
    for i in range(rows):
        for j in range(whole_columns if i < whole_rows else 0, columns):
            out[j * WIDTH + i] = y[row + i, column + j]


@kernel
def _multiply(
    x: Floats,
    is_x_turned: int,
    y: Floats,
    is_y_turned: int,
    low: int,
    high: int,
    left: int,
    right: int,
    scratch: Floats,
    out: Floats,
) -> None:
    terms, columns = (x.shape[0] if is_x_turned else x.shape[1]), out.shape[1]
    far, near = (1, x.shape[1]) if is_x_turned else (x.shape[1], 1)
    # Turned, each term is in a row of its own: fewer of them stay in the cache.
    depth = DEPTH // 4 if is_x_turned else DEPTH
    for term in range(0, terms, depth):
        count = min(depth, terms - term)
        for column in range(left, right, WIDTH):
            width = min(WIDTH, right - column)
            if is_y_turned:
                turn(y, column, width, term, count, scratch)
                b, b_row = address(scratch), WIDTH
            else:
                b, b_row = address(y) + 4 * (term * columns + column), columns
            for row in range(low, high, HEIGHT):
                a = address(x) + 4 * (row * far + term * near)
                to, rows = address(out) + 4 * (row * columns + column), min(HEIGHT, high - row)
                if width > 2 * LANES:
                    _THREE(a, far, near, b, b_row, to, columns, rows, width, count, term)
                elif width > LANES:
                    _TWO(a, far, near, b, b_row, to, columns, rows, width, count, term)
                else:
                    _ONE(a, far, near, b, b_row, to, columns, rows, width, count, term)


def multiply(
    x: Floats,
    is_x_turned: int,
    y: Floats,
    is_y_turned: int,
    low: int,
    high: int,
    left: int,
    right: int,
    scratch: Floats,
    out: Floats,
) -> None:
    """Sets a part of `out` to that of x y, either transposed if so said.

    It is that of the rows from `low` to below `high`, and of the columns from `left` to below `right`.
    All are float32, C-contiguous, of two dimensions, but for `scratch`, memory for `SCRATCH` numbers.
    """
    a, b = (x.T if is_x_turned else x), (y.T if is_y_turned else y)
    np.matmul(a[low:high], b[:, left:right], out=out[low:high, left:right])


if IS_ON:
    multiply = _multiply
