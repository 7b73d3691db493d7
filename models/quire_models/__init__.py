"""Stacked sparse denoising autoencoders in Numba.

    from quire_models import StackedAutoencoder, datasets

    digits = datasets.load("digits")
    stack = StackedAutoencoder(digits.shape)
    stack.grow((6, 6))
    for step in stack.pretrain(digits.train_images, epochs=20):
        ...
    codes = stack.transform(digits.test_images)

Training is a generator of steps: whoever iterates may log, wait or stop.
"""

try:
    import numba as _numba  # noqa: F401 - only to see whether it is there
except ImportError as error:
    raise ImportError("quire_models needs numba and its kin: pip install 'quire[models]'") from error

from quire_models import checkpoint, datasets, initialisers
from quire_models.autoencoder import Pair, StackedAutoencoder
from quire_models.classifier import AutoencoderClassifier, confusion_matrix
from quire_models.datasets import Dataset
from quire_models.errors import CheckpointError, DatasetError, ModelError, TrainingError
from quire_models.layers import Dense, Network
from quire_models.optimisers import Adam, Momentum, Optimiser
from quire_models.shapes import Shape
from quire_models.tiles import tile
from quire_models.training import Step, minimise, steps_in

__all__ = [
    "Adam",
    "AutoencoderClassifier",
    "CheckpointError",
    "Dataset",
    "DatasetError",
    "Dense",
    "ModelError",
    "Momentum",
    "Network",
    "Optimiser",
    "Pair",
    "Shape",
    "StackedAutoencoder",
    "Step",
    "TrainingError",
    "checkpoint",
    "confusion_matrix",
    "datasets",
    "initialisers",
    "minimise",
    "steps_in",
    "tile",
]
