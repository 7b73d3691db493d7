"""What can go wrong with a model or its data.

ModelError
├── TrainingError    (ArithmeticError)  training has broken down, and going on would be useless
├── DatasetError     (OSError)          data cannot be had, or is not what it should be
└── CheckpointError  (ValueError)       a file is no checkpoint, or one of another model
"""


class ModelError(Exception):
    """The base of every error that these models raise of their own."""


class TrainingError(ModelError, ArithmeticError):
    """Training has broken down; the message says at which step, in which layer, and what to try."""


class DatasetError(ModelError, OSError):
    """Data cannot be had, or is not what it should be."""


class CheckpointError(ModelError, ValueError):
    """A file is no checkpoint, or one of another kind of model."""
