"""Models in files: safetensors, with the whole configuration."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from quire_models.autoencoder import Pair, StackedAutoencoder
from quire_models.classifier import AutoencoderClassifier
from quire_models.errors import CheckpointError
from quire_models.kernels import Floats
from quire_models.layers import Dense

_FORMAT = "quire-models 1"


def save(model: StackedAutoencoder | AutoencoderClassifier, path: Path) -> None:
    """Writes `model` to `path`: weights as safetensors, all else as JSON in the file's metadata.

    Raises:
        OSError: the file cannot be written.
    """
    if isinstance(model, StackedAutoencoder):
        kind, layers, more = "autoencoder", _stack_layers(model), _stack_settings(model)
    else:
        layers = {f"encoder.{i}": d for i, d in enumerate(model.encoders)} | {"head": model.head}
        kind, more = "classifier", {"classes": model.classes}
    settings = {
        "format": _FORMAT,
        "kind": kind,
        "shape": model.shape,
        "seed": model.seed,
        **more,
        "layers": {name: _settings(layer) for name, layer in layers.items()},
    }
    arrays = {f"{name}.bias": layer.bias for name, layer in layers.items()}
    arrays |= {f"{n}.weights": np.ascontiguousarray(d.weights) for n, d in layers.items() if not d.tied_to}
    save_file(arrays, path, metadata={"quire": json.dumps(settings)})


def load(path: Path) -> StackedAutoencoder | AutoencoderClassifier:
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
        return (
            _stack(settings, arrays) if settings["kind"] == "autoencoder" else _classifier(settings, arrays)
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"the parts of {path} do not fit together: {error}") from error


def _stack_layers(model: StackedAutoencoder) -> dict[str, Dense]:
    pairs = enumerate(model.pairs)
    return {
        f"{name}.{i}": d for i, p in pairs for name, d in (("encoder", p.encoder), ("decoder", p.decoder))
    }


def _stack_settings(model: StackedAutoencoder) -> dict[str, Any]:
    return {"codes": [pair.outputs for pair in model.pairs]}


def _settings(layer: Dense) -> dict[str, Any]:
    return {
        "activation": layer.activation,
        "noise": layer.noise,
        "dropout": layer.dropout,
        "tied": layer.tied_to is not None,
    }


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


def _stack(settings: Mapping[str, Any], arrays: Mapping[str, Floats]) -> StackedAutoencoder:
    model = StackedAutoencoder(tuple(settings["shape"]), seed=settings["seed"])
    for number, code in enumerate(settings["codes"]):
        encoder = _layer(settings, arrays, f"encoder.{number}")
        decoder = _layer(settings, arrays, f"decoder.{number}", tied_to=encoder)
        model.pairs.append(Pair(model.code_shape, tuple(code), encoder, decoder))
    return model


def _classifier(settings: Mapping[str, Any], arrays: Mapping[str, Floats]) -> AutoencoderClassifier:
    names = sorted(
        (n for n in settings["layers"] if n != "head"), key=lambda name: int(name.partition(".")[2])
    )
    stack = StackedAutoencoder(tuple(settings["shape"]), seed=settings["seed"])
    for name in names:
        encoder = _layer(settings, arrays, name)
        stack.pairs.append(Pair(stack.code_shape, (1, encoder.outputs), encoder, encoder.transposed()))
    model = AutoencoderClassifier(stack, settings["classes"], seed=settings["seed"])
    model.head = _layer(settings, arrays, "head")
    return model
