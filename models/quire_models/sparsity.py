"""What makes few units of a code answer at once, besides dropout."""

from dataclasses import dataclass

import numpy as np

from quire_models import operations
from quire_models.kernels import Floats
from quire_models.products import SCRATCH
from quire_models.program import Program


@dataclass(frozen=True)
class L1:
    """Adds `strength` times the sum of an image's code to its loss, in training.

    Attributes:
        strength: how much, from 0 up.
    """

    strength: float = 1e-4

    def __post_init__(self) -> None:
        _from_zero(self.strength)

    @property
    def knobs(self) -> tuple[float, float]:
        """What kernels are given: the strength, and a target."""
        return self.strength, 0.0

    def memory(self, units: int) -> Floats:
        """What is added to the loss for each unit of a code of so many: here, images add it to theirs."""
        return np.zeros(0, np.float32)

    def restrict(self, program: Program, code: Floats) -> None:
        """Writes down how codes change, in place, in training and after: here, not at all."""

    def penalty(
        self, program: Program, line: int, code: Floats, delta: Floats, losses: Floats, memory: Floats
    ) -> None:
        """Writes down what is added to the loss, and its gradient to delta; `line` is that of `knobs`."""
        program.add(operations.sum_of_magnitudes, code, delta, losses, line=line)


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

    @property
    def knobs(self) -> tuple[float, float]:
        """The strength, and the target."""
        return self.strength, self.target

    def memory(self, units: int) -> Floats:
        """What is added to the loss for each unit."""
        return np.zeros(units, np.float32)

    def penalty(
        self, program: Program, line: int, code: Floats, delta: Floats, losses: Floats, memory: Floats
    ) -> None:
        """Writes down what is added to the loss, and its gradient to delta: of all images together."""
        program.wait()
        program.add(operations.divergence, code, delta, memory, line=line)
        program.wait()


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
        if self.count > SCRATCH:
            raise ValueError(f"TopK keeps at most {SCRATCH} numbers, not {self.count}")

    @property
    def knobs(self) -> tuple[float, float]:
        """Kernels are given nothing."""
        return 0.0, 0.0

    def memory(self, units: int) -> Floats:
        """Nothing is added to the loss."""
        return np.zeros(0, np.float32)

    def restrict(self, program: Program, code: Floats) -> None:
        """Writes down: all but the largest numbers of each code are 0."""
        program.add(operations.keep_largest, code, numbers=(min(self.count, code.shape[1]),))

    def penalty(
        self, program: Program, line: int, code: Floats, delta: Floats, losses: Floats, memory: Floats
    ) -> None:
        """Adds nothing to the loss."""


Sparsity = L1 | KL | TopK


def _from_zero(strength: float) -> None:
    if not strength >= 0:
        raise ValueError(f"a strength is from 0 up, not {strength}")
