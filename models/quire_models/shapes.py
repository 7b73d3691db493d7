"""Shapes with geometry: where in the picture each unit of a layer stands."""

import math
from dataclasses import dataclass

import numpy as np

from quire_models.kernels import Floats

Shape = tuple[int, ...]
"""Height and width, and perhaps the number of channels; or a number of units in a row."""


@dataclass(frozen=True)
class Filters:
    """A code of filters that look at square patches of an image, in place of a code of so many units.

    Attributes:
        count: how many filters there are.
        size: the side of a patch.
        stride: how far one patch is from the next.
    """

    count: int
    size: int = 5
    stride: int = 2


def check_shape(shape: int | Shape) -> Shape:
    """`shape`, if it is one: a whole number from 1 up, or one, two or three of them.

    Raises:
        ValueError: it is not.
    """
    given = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    whole = all(isinstance(n, int | np.integer) and not isinstance(n, bool) and n >= 1 for n in given)
    if len(given) not in (1, 2, 3) or not whole:
        raise ValueError(
            f"a shape is (height, width) or (height, width, channels) or a number of units, not {shape!r}"
        )
    return tuple(int(n) for n in given)


def positions(shape: Shape) -> Floats:
    """Where each unit stands: shape (units, 2), its row and column from 0 to 1.

    Channels of one place share its position; the middle of a single row or column is 0.5; units
    without height stand in one row.
    """
    height, width = shape[:2] if len(shape) > 1 else (1, shape[0])
    rows, columns = (np.linspace(0, 1, n) if n > 1 else np.array([0.5]) for n in (height, width))
    grid = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.repeat(grid, math.prod(shape[2:]), axis=0).astype(np.float32)


def distances(inputs: Shape, outputs: Shape) -> Floats:
    """The distance of each input unit to each output unit, both on the unit square: (inputs, outputs)."""
    apart = positions(inputs)[:, None] - positions(outputs)[None]
    lengths: Floats = np.sqrt((apart**2).sum(axis=2))
    return lengths
