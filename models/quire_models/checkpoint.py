"""Models in files: safetensors, with the whole configuration."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from quire_models.autoencoder import Autoencoder, DenoisingAutoencoder, Pair
from quire_models.classifier import AutoencoderClassifier
from quire_models.configuration import as_json, from_json
from quire_models.errors import CheckpointError
from quire_models.estimator import Estimator
from quire_models.kernels import Floats
from quire_models.layers import Convolution, Deconvolution, Dense
from quire_models.stacked import StackedAutoencoder
from quire_models.training import Training

Model = DenoisingAutoencoder | StackedAutoencoder | AutoencoderClassifier

_FORMAT = "quire-models 2"
_LAYERS: dict[str, type[Dense]] = {kind.__name__: kind for kind in (Dense, Convolution, Deconvolution)}
_KINDS: dict[str, type[Model]] = {
    kind.__name__: kind for kind in (DenoisingAutoencoder, StackedAutoencoder, AutoencoderClassifier)
}


def save(model: Model, path: Path, training: Training | None = None) -> None:
    """Writes `model` to `path`: weights as safetensors, all else as JSON in the file's metadata.

    A generator given as `random_state` is kept as the seed that was drawn from it; of an autoencoder
    within a classifier, the parameters are kept.

    Args:
        model: the model.
        path: where to write it.
        training: a training of the model that is to be resumed later, see `resume`.

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
    if training is not None:
        plain, kept = training.snapshot()
        options = {name: as_json(each) for name, each in training.options.items() if name != "validation"}
        about = {"phase": training.phase, "seed": training.seed, "images": len(training.images)}
        settings["training"] = {**about, "options": options, "progress": plain}
        for name, each in kept.items():
            arrays |= {f"training/{name}/{number}": array for number, array in enumerate(each)}
    save_file(arrays, path, metadata={"quire": json.dumps(settings)})


def load(path: Path) -> Model:
    """The model in the file `path`.

    Raises:
        CheckpointError: the file is no checkpoint of these models, or its parts do not fit.
        OSError: the file cannot be read.
    """
    settings, arrays = _read(path)
    try:
        return _restored(settings, arrays)
    except _MISFITS as error:
        raise CheckpointError(f"the parts of {path} do not fit together: {error}") from error


def resume(
    path: Path,
    images: npt.ArrayLike,
    labels: npt.ArrayLike | None = None,
    *,
    validation: Any = None,
) -> tuple[Model, Training]:
    """The model in the file `path`, and its training where it was: it goes on as if it had not stopped.

    Args:
        path: a file that was written by `save` with a training.
        images: what the training learns from, the same as before.
        labels: likewise, for a classifier.
        validation: likewise, if there was any.

    Raises:
        CheckpointError: the file is no such checkpoint, or there were more or fewer images.
        OSError: the file cannot be read.
    """
    settings, arrays = _read(path)
    if "training" not in settings:
        raise CheckpointError(f"{path} holds no training: save it with training=")
    kept = settings["training"]
    if kept["images"] != len(np.asarray(images)):
        raise CheckpointError(
            f"{path} is of a training on {kept['images']} images, not {len(np.asarray(images))}"
        )
    try:
        model = _restored(settings, arrays)
        options = {name: from_json(value) for name, value in kept["options"].items()}
        if validation is not None:
            options["validation"] = validation
        data = (images,) if labels is None else (images, labels)
        training: Training = getattr(model, kept["phase"])(*data, **options)
        training.seed, model._trainings = kept["seed"], settings["learnt"]["trainings"]
        training.restore(kept["progress"], _numbered(arrays))
    except _MISFITS as error:
        raise CheckpointError(f"the parts of {path} do not fit together: {error}") from error
    return model, training


_MISFITS = (KeyError, TypeError, ValueError, AttributeError)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Floats]]:
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        raise CheckpointError(f"{path} is no safetensors file: {error}") from error
    try:
        settings = json.loads(metadata.get("quire", "{}"))
    except ValueError as error:
        raise CheckpointError(f"{path} is no checkpoint of these models: {error}") from error
    if not isinstance(settings, dict) or settings.get("format") != _FORMAT:
        raise CheckpointError(f"{path} is no checkpoint of these models, or one of another version")
    return settings, arrays


def _numbered(arrays: Mapping[str, Floats]) -> dict[str, list[Floats]]:
    """The arrays of a training: lists by name, in their order."""
    found: dict[str, dict[int, Floats]] = {}
    for key, array in arrays.items():
        if key.startswith("training/"):
            _, name, number = key.split("/")
            found.setdefault(name, {})[int(number)] = array
    return {name: [each[number] for number in sorted(each)] for name, each in found.items()}


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
    own: dict[str, Any] = {
        "kind": type(layer).__name__,
        "activation": layer.activation,
        "noise": layer.noise,
        "dropout": layer.dropout,
        "corruption": layer.corruption,
        "sparsity": as_json(layer.sparsity),
        "tied": layer.tied_to is not None,
    }
    if isinstance(layer, Convolution):
        own |= {"image": layer.image, "size": layer.size, "stride": layer.stride}
    return own


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
    own = dict(settings["layers"][name])
    kind, tied = _LAYERS[own.pop("kind")], own.pop("tied")
    weights = tied_to.weights.T if tied and tied_to else arrays[f"{name}.weights"]
    parameters = {field: from_json(value) for field, value in own.items()}
    return kind(weights, arrays[f"{name}.bias"], tied_to=tied_to if tied else None, **parameters)
