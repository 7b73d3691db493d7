"""What makes few units of a code answer at once, besides dropout."""

from dataclasses import dataclass

import numpy as np

from quire_models import kernels
from quire_models.kernels import Floats


@dataclass(frozen=True)
class L1:
    """Adds `strength` times the sum of an image's code to its loss, in training.

    Attributes:
        strength: how much, from 0 up.
    """

    strength: float = 1e-4

    def __post_init__(self) -> None:
        _from_zero(self.strength)

    def memory(self, units: int) -> Floats:
        """Memory that the other methods need for a code of so many units."""
        return np.empty(0, np.float32)

    def restrict(self, code: Floats, memory: Floats) -> None:
        """Changes codes, in place, in training and after: here, leaves them."""

    def penalty(self, code: Floats, delta: Floats, memory: Floats) -> float:
        """What is added to the loss of a batch; adds its gradient to delta."""
        return kernels.sum_of_magnitudes(code, np.float32(self.strength), delta)


@dataclass(frozen=True)
class KL(L1):
    """Adds `strength` times the divergence of each unit's mean from `target` to the loss, in training.

    The mean is over a batch; codes are from 0 to 1, so that the layer has sigmoid units.

    Source: A. Ng (2011), "Sparse Autoencoder", lecture notes of CS294A, section 3.

    Attributes:
        strength: how much, from 0 up.
        target: the mean that each unit shall have, between 0 and 1.
    """

    strength: float = 1e-3
    target: float = 0.05

    def __post_init__(self) -> None:
        _from_zero(self.strength)
        if not 0 < self.target < 1:
            raise ValueError(f"the target of KL is between 0 and 1, not {self.target}")

    def memory(self, units: int) -> Floats:
        """Memory for the means."""
        return np.empty(units, np.float32)

    def penalty(self, code: Floats, delta: Floats, memory: Floats) -> float:
        """What is added to the loss of a batch; adds its gradient to delta."""
        return kernels.divergence(code, np.float32(self.strength), np.float32(self.target), delta, memory)


@dataclass(frozen=True)
class TopK:
    """Keeps the `count` largest numbers of each code, and sets the others to 0, in training and after.

    Source: Makhzani and Frey (2014), "k-Sparse Autoencoders", algorithm 1.

    Attributes:
        count: how many, from 1 up.
    """

    count: int = 10

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"TopK keeps 1 number or more, not {self.count}")

    def memory(self, units: int) -> Floats:
        """Memory for the largest numbers."""
        return np.empty(min(self.count, units), np.float32)

    def restrict(self, code: Floats, memory: Floats) -> None:
        """Sets all but the largest numbers of each code to 0, in place."""
        kernels.keep_largest(code, len(memory), memory)

    def penalty(self, code: Floats, delta: Floats, memory: Floats) -> float:
        """Adds nothing to the loss."""
        return 0.0


Sparsity = L1 | KL | TopK


def _from_zero(strength: float) -> None:
    if not strength >= 0:
        raise ValueError(f"a strength is from 0 up, not {strength}")
