"""What makes a class one of scikit-learn's estimators, without importing it.

Importing scikit-learn takes longer than all else here, so that nothing needs it before it is asked: its
`clone`, pipelines, searches and `check_estimator` know an estimator by what it has, not by its bases.
"""

import copy
import inspect
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar

import numpy as np

if TYPE_CHECKING:
    from sklearn.utils import Tags

RandomState = int | np.random.RandomState | np.random.Generator | None
"""What random numbers begin with: a number, a generator to draw it from, or None for another each time."""

E = TypeVar("E", bound="Estimator")


class Estimator:
    """The parameters of the constructor, to be read and set by name.

    The conventions are scikit-learn's: every parameter has a default and is kept unchanged in an
    attribute of its name; what is learnt goes elsewhere.
    """

    _kind: ClassVar[Literal["transformer", "classifier"]] = "transformer"

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's parameters by name.

        Args:
            deep: whether to give those of estimators among them too, as `name__parameter`.
        """
        found: dict[str, Any] = {}
        for name in self._names():
            found[name] = value = getattr(self, name)
            if deep and isinstance(value, Estimator):
                found |= {f"{name}__{inner}": each for inner, each in value.get_params().items()}
        return found

    def set_params(self, **parameters: Any) -> Self:
        """Sets parameters by name; `name__parameter` sets one of the estimator `name`.

        Raises:
            ValueError: there is no such parameter.
        """
        for name, value in parameters.items():
            own, _, inner = name.partition("__")
            if own not in self._names():
                raise ValueError(f"{type(self).__name__} has no parameter {own!r}, only {self._names()}")
            if inner:
                getattr(self, own).set_params(**{inner: value})
            else:
                setattr(self, own, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        told = [
            f"{name}={value!r}"
            for name, value in self.get_params(deep=False).items()
            if repr(value) != repr(defaults[name].default)
        ]
        return f"{type(self).__name__}({', '.join(told)})"

    def __sklearn_tags__(self) -> "Tags":
        """What scikit-learn wants to know of an estimator."""
        from sklearn.utils import ClassifierTags, Tags, TargetTags, TransformerTags

        if self._kind == "classifier":
            target = TargetTags(required=True)
            return Tags(estimator_type="classifier", target_tags=target, classifier_tags=ClassifierTags())
        # Whatever comes in, codes are float32.
        transformer = TransformerTags(preserves_dtype=["float32"])
        return Tags(estimator_type=None, target_tags=TargetTags(required=False), transformer_tags=transformer)


def unfitted(estimator: E) -> E:
    """An estimator with the same parameters that has learnt nothing, as scikit-learn's `clone` makes it."""
    copies = {
        name: unfitted(value) if isinstance(value, Estimator) else copy.deepcopy(value)
        for name, value in estimator.get_params(deep=False).items()
    }
    return type(estimator)(**copies)


def seed_of(random_state: RandomState) -> int:
    """A seed from 0 to 2^31 - 1: the number given, or one that is drawn.

    Raises:
        ValueError: it is no such number or generator.
    """
    match random_state:
        case None:
            return int(np.random.SeedSequence().generate_state(1)[0] >> 1)
        case np.random.RandomState():
            return int(random_state.randint(2**31 - 1))
        case np.random.Generator():
            return int(random_state.integers(2**31 - 1))
        case int() | np.integer() if 0 <= random_state < 2**31:
            return int(random_state)
    raise ValueError(
        f"random_state is a number from 0 to 2^31 - 1, a NumPy generator or None, not {random_state!r}"
    )
