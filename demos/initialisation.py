"""Where an autoencoder begins: five ways to choose its first weights, and what comes of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from quire import NotebookOutput, Range
from quire_models import (
    Adam,
    Dataset,
    Shape,
    StackedAutoencoder,
    TrainingError,
    datasets,
    initialisers,
    tile,
)

CODES: dict[Shape, Shape] = {(8, 8): (6, 6), (28, 28): (10, 10)}
EPOCHS = {"digits": 30, "mnist": 3, "fashion-mnist": 3}
BATCH = {"digits": 32, "mnist": 100, "fashion-mnist": 100}
NAMES = ("distance", "distance-signed", "glorot", "he", "orthogonal")
RATES = (1e-3, 1e-2, 1e-1)


@dataclass
class Outcome:
    """What came of one way to begin.

    Attributes:
        name: of the initialiser.
        rank_before: the effective rank of the weights before training.
        rank_after: after it.
        errors: the mean squared error over the test pictures, by the number of pictures seen.
        units: the pictures that the units stand for in the end.
    """

    name: str
    rank_before: float
    rank_after: float
    errors: dict[int, float]
    units: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"


def initialisation(
    log: NotebookOutput,
    dataset: Literal["digits", "mnist", "fashion-mnist"] = "digits",
    data: Path | None = None,
    epochs: Annotated[int | None, Range(1, 1000)] = None,
    quick: bool = False,
    seed: int = 0,
) -> None:
    """Trains one layer from five kinds of first weights, and compares them.

    Args:
        dataset: what to learn: scikit-learn's digits of 8x8, or MNIST, which is fetched once.
        data: a folder that holds the IDX files, gzipped or not, instead of fetching them.
        epochs: how often to go through the pictures; by default 30 for digits, 3 for MNIST.
        quick: whether to train for a fifth of that only.
        seed: of first weights, noise and the order of the pictures.
    """
    log.h1("First weights")
    log.p("""
        Before a network has learnt anything, its weights must be something. In an autoencoder whose
        layers are pictures themselves, there is a choice that most networks do not have: weights by
        *where units stand*. This report lays five choices side by side, on the same data, with the same
        noise and in the same order.
    """)
    log.p("*The findings will stand here when the run has ended.*", key="findings")
    fetching = log.progress(label=f"fetching {dataset}")
    with log.code():
        digits = datasets.load(dataset, data, progress=fetching.update)
    fetching.finish()
    length = max(1, (epochs or EPOCHS[dataset]) // (5 if quick else 1))
    describe(log, digits)
    show_first_weights(log, digits, seed)
    outcomes = compare(log, digits, length, BATCH[dataset], seed)
    show_outcomes(log, digits, outcomes)
    show_rates(log, digits, max(1, length // 5), BATCH[dataset], seed)
    best = min(outcomes, key=lambda outcome: last(outcome))
    article = next(outcome for outcome in outcomes if outcome.name == "distance")
    seen = list(article.errors)[len(article.errors) // 2]
    early = article.errors[seen] / min(outcome.errors[seen] for outcome in outcomes)
    log.p(
        f"""
        **What came out:** weights by distance alone begin with an effective rank of
        {article.rank_before:.1f}, where {CODES[digits.shape][0] * CODES[digits.shape][1]} would be
        possible. After {seen:,} pictures their error is {early:.1f} times the least of all, after
        {list(article.errors)[-1]:,} it is {last(article) / last(best):.2f} times. The least error in the end
        has **{best.name}**: {last(best):.4f}.
        """,
        key="findings",
    )


def describe(log: NotebookOutput, digits: Dataset) -> None:
    """The formulas."""
    height, width = digits.shape
    code = CODES[digits.shape]
    log.h2("Five ways to begin")
    log.p(rf"""
        The layer goes from {height}x{width} pixels to {code[0]}x{code[1]} units. Both are spread over
        the same unit square, so that each weight $w_{{ij}}$ has a length: the distance $d_{{ij}}$ between
        pixel $i$ and unit $j$.
    """)
    log.p(r"**distance**: weights fall with that distance; they are all positive, and nothing is random:")
    log.math(r"w_{ij} = p \cdot \frac{1 + \tanh(s\,(r - d_{ij}))}{2}, \qquad p = 0.001,\ s = 3,\ r = 0.5")
    log.p(r"""
        **distance-signed**: such an envelope, narrower, over random normal numbers: still local, but each
        unit has strokes of its own. **glorot**: uniform between $\pm\sqrt{6 / (n + m)}$ for $n$ inputs and
        $m$ outputs. **he**: normal with variance $2 / n$. **orthogonal**: all units at right angles to one
        another.
    """)


def show_first_weights(log: NotebookOutput, digits: Dataset, seed: int) -> None:
    """The first weights as pictures."""
    log.h2("What they look like")
    log.p("The weights into each unit, in the order of the code's own square, stretched from black to white:")
    shape = CODES[digits.shape]
    for name in NAMES:
        weights = initialisers.named(name)(digits.shape, shape, np.random.default_rng(seed))
        sheet = tile(weights.T.reshape(-1, *digits.shape), columns=shape[1], stretch=True)
        log.image(sheet, f"{name}, before training.", scale=max(1, 240 // sheet.shape[0]))


def effective_rank(weights: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> float:
    """The exponential of the entropy of the singular values: Roy and Vetterli (2007)."""
    values = np.linalg.svd(weights.astype(float), compute_uv=False)
    shares = values / values.sum()
    return float(np.exp(-(shares * np.log(shares + 1e-30)).sum()))


def compare(log: NotebookOutput, digits: Dataset, epochs: int, batch: int, seed: int) -> list[Outcome]:
    """Trains from each kind of first weights, and follows the error over the test pictures."""
    log.h2("How they learn")
    log.p(f"""
        The same layer is trained {epochs} times through {len(digits.train_images):,} pictures, in batches
        of {batch}, with Gaussian noise of deviation 0.1 and Adam at its usual rate. The curves are errors
        over *test* pictures, without noise.
    """)
    bar = log.progress(label="training", total=len(NAMES))
    outcomes = []
    with log.code():
        for number, name in enumerate(NAMES, 1):
            stack = StackedAutoencoder(shape=digits.shape, random_state=seed)
            pair = stack.grow(CODES[digits.shape], noise=0.1, initialiser=name)
            before, errors = effective_rank(pair.encoder.weights), {}
            for seen in looks(stack, digits, epochs, batch):
                errors[seen] = -stack.score(digits.test_images)
                log.metric(name, seen, errors[seen], chart="Squared error by pictures seen")
            after = effective_rank(pair.encoder.weights)
            outcomes.append(Outcome(name, before, after, errors, stack.probe(0, intensity=10)))
            bar.update(number, len(NAMES))
    bar.finish()
    return outcomes


def looks(stack: StackedAutoencoder, digits: Dataset, epochs: int, batch: int) -> Iterator[int]:
    """Pretrains, and stops to look at a growing number of pictures, from dense to sparse."""
    steps = stack.pretrain(digits.train_images, epochs=epochs, batch=batch)
    wanted = set(np.unique(np.geomspace(5, steps.total, 40).astype(int)).tolist())
    for step in steps:
        if step.number in wanted:
            yield step.number * batch


def show_outcomes(log: NotebookOutput, digits: Dataset, outcomes: list[Outcome]) -> None:
    """A table of errors and ranks, and what the units became."""
    log.table(
        [
            {
                "first weights": outcome.name,
                "effective rank before": outcome.rank_before,
                "after": outcome.rank_after,
                "error at first": first(outcome),
                "half-way": list(outcome.errors.values())[len(outcome.errors) // 2],
                "in the end": last(outcome),
            }
            for outcome in outcomes
        ],
        "The effective rank is the number of equal singular values that would have the same entropy.",
        formats={
            "effective rank before": ".1f",
            "after": ".1f",
            "error at first": ".4f",
            "half-way": ".4f",
            "in the end": ".4f",
        },
    )
    log.p("""
        Where all weights are positive and smooth, all units see nearly the same, and each learns nearly the
        same from each picture: they must first grow apart. The ranks say how far they have come.
    """)
    log.h2("What the units became")
    log.p("The picture of the code in which one unit alone is on, for each unit:")
    for outcome in outcomes:
        sheet = tile(outcome.units, columns=CODES[digits.shape][1], stretch=True)
        log.image(sheet, f"{outcome.name}, after training.", scale=max(1, 240 // sheet.shape[0]))


def show_rates(log: NotebookOutput, digits: Dataset, epochs: int, batch: int, seed: int) -> None:
    """The error after a short training at several learning rates."""
    log.h2("How fast they may learn")
    log.p("First weights also decide which learning rates a layer stands. The error after a short training:")
    rows = []
    with log.code():
        for name in NAMES:
            row: dict[str, str | float] = {"first weights": name}
            for rate in RATES:
                stack = StackedAutoencoder(shape=digits.shape, random_state=seed)
                stack.grow(CODES[digits.shape], noise=0.1, initialiser=name)
                steps = stack.pretrain(digits.train_images, epochs=epochs, batch=batch, optimiser=Adam(rate))
                try:
                    steps.finish()
                    row[f"rate {rate:g}"] = -stack.score(digits.test_images)
                except TrainingError:
                    row[f"rate {rate:g}"] = "broke down"
            rows.append(row)
    mean = float(((digits.test_images - digits.train_images.mean(axis=0)) ** 2).mean())
    log.table(
        rows,
        f"Squared error; {mean:.4f} is that of the mean picture, whatever it is asked for.",
        formats={f"rate {rate:g}": ".4f" for rate in RATES},
    )


def first(outcome: Outcome) -> float:
    """The error at the first look."""
    return next(iter(outcome.errors.values()))


def last(outcome: Outcome) -> float:
    """The error at the last look."""
    return list(outcome.errors.values())[-1]
