"""Checks of what users give, before a kernel sees it.

What they say follows scikit-learn, whose `check_estimator` looks for its words.
"""

import math
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from quire_models.kernels import Floats, Labels
from quire_models.shapes import Shape


def check_images(images: npt.ArrayLike, shape: Shape | None = None, owner: str = "this model") -> Floats:
    """Images as rows: float32 of shape (images, units), C-contiguous.

    Args:
        images: shape (images, *shape) or (images, units).
        shape: the shape of an image; None takes any, of two dimensions in all.
        owner: the name of what they are for, to be told in errors.

    Raises:
        ValueError: they have another shape, or hold what is no finite real number.
        TypeError: they are sparse, or hold objects that are no numbers.
    """
    if hasattr(images, "toarray"):
        raise TypeError(f"{owner} takes dense arrays: sparse data must be converted with toarray() first")
    given = np.asarray(images)
    if np.iscomplexobj(given):
        raise ValueError(f"Complex data not supported: {owner} takes real numbers")
    if given.ndim < 2:
        raise ValueError(
            f"images of shape {given.shape} have no rows. Expected 2D array. Reshape your data with "
            "reshape(1, -1) if it is one image"
        )
    _check_shape(given, shape, owner)
    for what, least in (("sample(s)", given.shape[0]), ("feature(s)", math.prod(given.shape[1:]))):
        if what == "feature(s)" and not least:
            raise ValueError(f"0 {what} (shape={given.shape}) while a minimum of 1 is required.")
    try:
        # Numbers beyond float32 become infinite here, and are told of below.
        with np.errstate(over="ignore"):
            rows = np.ascontiguousarray(
                given.reshape(len(given), -1 if given.size else given.shape[1]), np.float32
            )
    except TypeError as error:
        raise TypeError(f"argument must be a string or a real number in each place: {error}") from error
    if not np.isfinite(rows).all():
        raise ValueError("images hold numbers that are not finite: NaN, inf, or too large for float32")
    return rows


def check_any(rows: Floats) -> Floats:
    """`rows`, if there are any.

    Raises:
        ValueError: there are none.
    """
    if not len(rows):
        raise ValueError(f"there are 0 sample(s) (shape={rows.shape}) while a minimum of 1 is required.")
    return rows


def _check_shape(given: npt.NDArray[Any], shape: Shape | None, owner: str) -> None:
    if shape is None:
        if given.ndim != 2:
            raise ValueError(
                f"images of shape {given.shape} are not (images, units): say shape={given.shape[1:]} "
                "when you make the model"
            )
        return
    units = math.prod(shape)
    if given.shape[1:] == shape or given.shape[1:] == (units,):
        return
    if len(shape) == 1 and given.ndim == 2:
        raise ValueError(
            f"X has {given.shape[1]} features, but {owner} is expecting {units} features as input"
        )
    wanted = ", ".join(map(str, shape))
    raise ValueError(f"images of shape {given.shape} are neither (images, {wanted}) nor (images, {units})")


def check_targets(labels: npt.ArrayLike | None, count: int, owner: str) -> npt.NDArray[Any]:
    """Labels of any kind that can be told apart: shape (images,).

    Raises:
        ValueError: there are none, or not as many as images, or they are no labels.
    """
    if labels is None:
        raise ValueError(f"{owner} requires y to be passed, but the target y is None")
    given = np.asarray(labels)
    if given.ndim == 2 and given.shape[1] == 1:
        _warn_of_column()
        given = given[:, 0]
    if given.ndim != 1:
        raise ValueError(f"labels of shape {given.shape} are not (images,)")
    if given.dtype.kind == "f":
        if not np.isfinite(given).all():
            raise ValueError("Input y contains NaN or infinity: every image needs a label")
        if (given != np.floor(given)).any():
            raise ValueError("Unknown label type: continuous. Labels are whole numbers or names")
    if len(given) != count:
        raise ValueError(f"{count} images and {len(given)} targets: give a target for each")
    return given


def _warn_of_column() -> None:
    import warnings

    from sklearn.exceptions import DataConversionWarning

    warnings.warn(
        "A column-vector y was passed when a 1d array was expected: give y.ravel()",
        DataConversionWarning,
        stacklevel=4,
    )


def indices_of(labels: npt.NDArray[Any], classes: npt.NDArray[Any]) -> Labels:
    """The number of each label among the sorted `classes`: int64 of shape (images,).

    Raises:
        ValueError: a label is none of them.
    """
    found = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
    strange = classes[found] != labels
    if np.any(strange):
        unknown = np.unique(labels[strange])[:5].tolist()
        raise ValueError(f"labels {unknown} are none of the classes {classes.tolist()}")
    return found.astype(np.int64)


def raise_unfitted(owner: str, advice: str) -> NoReturn:
    """Raises scikit-learn's error for a model that has learnt nothing yet, a ValueError.

    Raises:
        NotFittedError: always.
    """
    from sklearn.exceptions import NotFittedError

    raise NotFittedError(f"this {owner} is not fitted yet: {advice}")
