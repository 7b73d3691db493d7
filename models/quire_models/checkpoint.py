"""Models in files: safetensors, with the whole configuration."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from quire_models.autoencoder import Autoencoder, DenoisingAutoencoder, Pair
from quire_models.classifier import AutoencoderClassifier
from quire_models.configuration import as_json, from_json
from quire_models.errors import CheckpointError
from quire_models.estimator import Estimator
from quire_models.kernels import Floats
from quire_models.layers import Dense
from quire_models.stacked import StackedAutoencoder

Model = DenoisingAutoencoder | StackedAutoencoder | AutoencoderClassifier

_FORMAT = "quire-models 2"
_KINDS: dict[str, type[Model]] = {
    kind.__name__: kind for kind in (DenoisingAutoencoder, StackedAutoencoder, AutoencoderClassifier)
}


def save(model: Model, path: Path) -> None:
    """Writes `model` to `path`: weights as safetensors, all else as JSON in the file's metadata.

    A generator given as `random_state` is kept as the seed that was drawn from it.

    Raises:
        OSError: the file cannot be written.
        TypeError: a parameter is of a kind that cannot be written, such as a function of one's own.
    """
    layers = _layers(model)
    settings = {
        "format": _FORMAT,
        **_describe(model),
        "layers": {name: _settings(layer) for name, layer in layers.items()},
    }
    arrays = {f"{name}.bias": layer.bias for name, layer in layers.items()}
    arrays |= {f"{n}.weights": np.ascontiguousarray(d.weights) for n, d in layers.items() if not d.tied_to}
    save_file(arrays, path, metadata={"quire": json.dumps(settings)})


def load(path: Path) -> Model:
    """The model in the file `path`.

    Raises:
        CheckpointError: the file is no checkpoint of these models, or its parts do not fit.
        OSError: the file cannot be read.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        raise CheckpointError(f"{path} is no safetensors file: {error}") from error
    try:
        settings = json.loads(metadata.get("quire", "{}"))
        if settings.get("format") != _FORMAT:
            raise CheckpointError(f"{path} is no checkpoint of these models, or one of another version")
        return _restored(settings, arrays)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"the parts of {path} do not fit together: {error}") from error


def _layers(model: Model) -> dict[str, Dense]:
    if isinstance(model, AutoencoderClassifier):
        encoders = {f"encoder.{number}": layer for number, layer in enumerate(model.encoders_)}
        return encoders | ({"head": model.head_} if model.encoders_ else {})
    pairs = enumerate(model.pairs)
    return {
        f"{name}.{i}": d for i, p in pairs for name, d in (("encoder", p.encoder), ("decoder", p.decoder))
    }


def _describe(model: Estimator) -> dict[str, Any]:
    """The kind of a model, its parameters, and what it has learnt besides weights."""
    learnt: dict[str, Any] = {
        "seed": getattr(model, "_seed", None),
        "trainings": getattr(model, "_trainings", 0),
    }
    if isinstance(model, Autoencoder):
        learnt |= {"shape": model._shape, "codes": [pair.outputs for pair in model.pairs]}
    elif isinstance(model, AutoencoderClassifier) and model.encoders_:
        learnt |= {
            "shape": model.shape,
            "classes": model.classes_.tolist(),
            "dtype": model.classes_.dtype.str,
        }
    parameters = {
        name: _describe(value) if isinstance(value, Estimator) else as_json(value)
        for name, value in model.get_params(deep=False).items()
        if name != "random_state"
    }
    state = model.get_params(deep=False)["random_state"]
    parameters["random_state"] = state if isinstance(state, int | None) else learnt["seed"]
    return {"kind": type(model).__name__, "parameters": parameters, "learnt": learnt}


def _settings(layer: Dense) -> dict[str, Any]:
    return {
        "activation": layer.activation,
        "noise": layer.noise,
        "dropout": layer.dropout,
        "tied": layer.tied_to is not None,
    }


def _made(described: Mapping[str, Any]) -> Any:
    """The model that was described, without its layers."""
    parameters = {
        name: _made(value) if isinstance(value, dict) and value.get("kind") in _KINDS else from_json(value)
        for name, value in described["parameters"].items()
    }
    model = _KINDS[described["kind"]](**parameters)
    model._seed, model._trainings = described["learnt"]["seed"], described["learnt"]["trainings"]
    shape = described["learnt"].get("shape")
    model._shape = tuple(shape) if shape else None
    return model


def _restored(settings: Mapping[str, Any], arrays: Mapping[str, Floats]) -> Model:
    model: Model = _made(settings)
    learnt = settings["learnt"]
    if isinstance(model, AutoencoderClassifier):
        names = [name for name in settings["layers"] if name != "head"]
        if names:
            numbers = sorted(int(name.partition(".")[2]) for name in names)
            model.encoders_ = tuple(_layer(settings, arrays, f"encoder.{number}") for number in numbers)
            model.head_ = _layer(settings, arrays, "head")
            model.classes_ = np.array(learnt["classes"], learnt["dtype"])
        return model
    for number, code in enumerate(learnt["codes"]):
        encoder = _layer(settings, arrays, f"encoder.{number}")
        decoder = _layer(settings, arrays, f"decoder.{number}", tied_to=encoder)
        model._pairs = (*model._pairs, Pair(model.code_shape, tuple(code), encoder, decoder))
    return model


def _layer(
    settings: Mapping[str, Any], arrays: Mapping[str, Floats], name: str, tied_to: Dense | None = None
) -> Dense:
    own = settings["layers"][name]
    weights = tied_to.weights.T if own["tied"] and tied_to else arrays[f"{name}.weights"]
    return Dense(
        weights,
        arrays[f"{name}.bias"],
        own["activation"],
        noise=own["noise"],
        dropout=own["dropout"],
        tied_to=tied_to if own["tied"] else None,
    )
