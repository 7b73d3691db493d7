"""Stacked sparse denoising autoencoders in Numba.

    from quire_models import StackedAutoencoder, datasets

    digits = datasets.load("digits")
    stack = StackedAutoencoder(shape=digits.shape)
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

from quire_models import checkpoint, datasets, initialisers, schedules
from quire_models.autoencoder import Autoencoder, DenoisingAutoencoder, Pair
from quire_models.classifier import AutoencoderClassifier, confusion_matrix
from quire_models.datasets import Dataset
from quire_models.diagram import Diagram, diagram
from quire_models.errors import CheckpointError, DatasetError, ModelError, TrainingError
from quire_models.layers import Convolution, Deconvolution, Dense
from quire_models.network import BINARY_CROSS_ENTROPY, CROSS_ENTROPY, SQUARED_ERROR, Loss, Network
from quire_models.optimisers import LBFGS, SGD, Adam, Optimiser, State
from quire_models.shapes import Filters, Shape
from quire_models.sparsity import KL, L1, TopK
from quire_models.stacked import StackedAutoencoder
from quire_models.tiles import tile
from quire_models.training import Options, Step, Training, steps_in

__all__ = [  # noqa: RUF022 - in the order of sorted(), not of isort
    "Adam",
    "Autoencoder",
    "AutoencoderClassifier",
    "BINARY_CROSS_ENTROPY",
    "CROSS_ENTROPY",
    "CheckpointError",
    "Convolution",
    "Dataset",
    "DatasetError",
    "Deconvolution",
    "DenoisingAutoencoder",
    "Dense",
    "Diagram",
    "Filters",
    "KL",
    "L1",
    "LBFGS",
    "Loss",
    "ModelError",
    "Network",
    "Optimiser",
    "Options",
    "Pair",
    "SGD",
    "SQUARED_ERROR",
    "Shape",
    "StackedAutoencoder",
    "State",
    "Step",
    "TopK",
    "Training",
    "TrainingError",
    "checkpoint",
    "confusion_matrix",
    "datasets",
    "diagram",
    "initialisers",
    "schedules",
    "steps_in",
    "tile",
]
