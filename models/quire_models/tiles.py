"""Many small pictures as one."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from quire_models.kernels import Floats


def tile(
    pictures: npt.ArrayLike, *, columns: int | None = None, gap: int = 1, stretch: bool = False
) -> Floats:
    """Pictures side by side in rows, on white.

    Args:
        pictures: shape (pictures, height, width) or (pictures, height, width, channels), from 0 to 1.
        columns: how many in a row; by default as many as make a square.
        gap: how many pixels to leave between them.
        stretch: whether to stretch the values of each picture to its own least and greatest.

    Returns:
        float32 of shape (height, width) or (height, width, channels), from 0 to 1.

    Raises:
        ValueError: there are no pictures, or they have another shape.
    """
    given: np.ndarray[Any, Any] = np.asarray(pictures, np.float32)
    if given.ndim not in (3, 4) or not len(given):
        raise ValueError(f"pictures of shape {given.shape} are not (pictures, height, width[, channels])")
    if stretch:
        inner = tuple(range(1, given.ndim))
        low, high = given.min(inner, keepdims=True), given.max(inner, keepdims=True)
        given = (given - low) / np.where(high > low, high - low, 1)
    across = columns or math.ceil(math.sqrt(len(given)))
    down = math.ceil(len(given) / across)
    height, width = given.shape[1] + gap, given.shape[2] + gap
    sheet = np.ones((down * height - gap, across * width - gap, *given.shape[3:]), np.float32)
    for number, picture in enumerate(given):
        row, column = divmod(number, across)
        sheet[row * height : row * height + height - gap, column * width : column * width + width - gap] = (
            picture
        )
    return sheet
