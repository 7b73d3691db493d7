"""The parameters of models as JSON, and back."""

import dataclasses
from typing import Any

from quire_models import initialisers, optimisers, schedules, shapes, sparsity

# What may stand in a file as the name of a class, with its fields.
_CLASSES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        initialisers.Distance,
        initialisers.RandomDistance,
        optimisers.Adam,
        optimisers.LBFGS,
        optimisers.SGD,
        schedules.Cosine,
        schedules.Exponential,
        schedules.Linear,
        shapes.Filters,
        sparsity.KL,
        sparsity.L1,
        sparsity.TopK,
    )
}


def as_json(value: Any) -> Any:
    """A parameter as what JSON can hold.

    Raises:
        TypeError: it is neither a plain value nor one of these models' own settings.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, tuple | list):
        return [as_json(each) for each in value]
    if type(value) in _CLASSES.values():
        fields = {field.name: as_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"class": type(value).__name__, "fields": fields}
    for name, initialiser in initialisers.INITIALISERS.items():
        if value is initialiser:
            return name
    if hasattr(value, "item"):
        return as_json(value.item())
    raise TypeError(
        f"{value!r} cannot be written into a checkpoint: use one of the settings that come with the models"
    )


def from_json(value: Any) -> Any:
    """What `as_json` was given; a list comes back as a tuple.

    Raises:
        KeyError, TypeError: no such thing was written by it.
    """
    if isinstance(value, list):
        return tuple(from_json(each) for each in value)
    if isinstance(value, dict):
        return _CLASSES[value["class"]](**{name: from_json(each) for name, each in value["fields"].items()})
    return value
