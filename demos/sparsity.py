"""What dropout does to the features of an autoencoder: an observation of the article, tested."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt

from quire import NotebookOutput, Range
from quire_models import AutoencoderClassifier, Dataset, Shape, StackedAutoencoder, Step, datasets, tile

Pictures = npt.NDArray[np.float32]

# For each size of picture: the shapes of the two codes.
LAYERS: dict[Shape, list[Shape]] = {(8, 8): [(6, 6), (4, 4)], (28, 28): [(10, 10), (5, 5)]}
DROPOUTS = (0.0, 0.05, 0.1, 0.2, 0.4)
# The two that the article compares.
WITHOUT, WITH = 0.0, 0.1
# How strongly a unit is on whose picture is measured; what is shown, it is at the middle one.
INTENSITIES = (1.0, 10.0, 100.0)
SHOWN = INTENSITIES[1]
FIRST_WEIGHTS = {
    "glorot": "Glorot's, which know nothing of where a pixel is",
    "distance": "the article's, which fall with the distance between two units",
    "distance-signed": "random, under an envelope that falls with the distance between two units",
}


def sparsity(
    log: NotebookOutput,
    dataset: Literal["digits", "mnist", "fashion-mnist"] = "digits",
    data: Path | None = None,
    epochs: Annotated[int | None, Range(1, 1000)] = None,
    repeats: Annotated[int | None, Range(1, 20)] = None,
    noise: Annotated[float, Range(0, 10)] = 0.1,
    initialiser: Literal["glorot", "distance", "distance-signed"] = "glorot",
    seed: int = 0,
    quick: bool = False,
) -> None:
    """Trains the same network with more and less dropout, and measures what its units become.

    Args:
        dataset: what to learn: scikit-learn's digits of 8x8, or MNIST, which is fetched once.
        data: a folder that holds the IDX files, gzipped or not, instead of fetching them.
        epochs: how often each phase goes through the images; by default 60 for digits, 3 for MNIST.
        repeats: how many networks to train for each dropout; by default 3 for digits, 2 for MNIST.
        noise: the standard deviation of the noise on the input of each layer, in training.
        initialiser: makes the first weights; Glorot's know nothing of where a pixel is.
        seed: of the first network; each repeat takes the next one.
        quick: whether to train less, to see that it works.
    """
    log.h1("What dropout does to features")
    log.p("""
        An article of 2017 on this kind of network reports an observation: without dropout, the picture
        that a unit of the code stands for is a glyph with strokes all over, like the writing of no
        known people; with a dropout of 10 % it is a stroke in one place, and the codes classify better.
        This report trains the same network with both, and with more, and measures whether that is so.
    """)
    log.p("*The findings will stand here when the run has ended.*", key="findings")
    fetching = log.progress(label=f"fetching {dataset}")
    with log.code():
        digits = datasets.load(dataset, data, progress=fetching.update)
        print(len(digits.train_images), "pictures to learn from,", len(digits.test_images), "to test with")
    fetching.finish()
    usual, often = (60, 3) if dataset == "digits" else (3, 2)
    settings = Settings(
        digits,
        epochs or (20 if quick and dataset == "digits" else usual),
        32 if dataset == "digits" else 100,
        noise,
        initialiser,
        range(seed, seed + (repeats or (2 if quick else often))),
        (WITHOUT, WITH) if quick else DROPOUTS,
    )
    stacks = learn(log, settings)
    show_units(log, settings, stacks)
    features = measure(log, settings, stacks)
    accuracy = classify(log, settings, stacks)
    log.p(f"**What came out:** {features} {accuracy}", key="findings")


@dataclass
class Settings:
    """What all networks have in common, and in what they differ."""

    digits: Dataset
    epochs: int
    batch: int
    noise: float
    initialiser: str
    seeds: range
    dropouts: Sequence[float]


Stacks = dict[float, list[StackedAutoencoder]]
"""For each dropout, a network for each seed."""
Figures = dict[float, list[float]]
"""For each dropout, a figure of each network."""


def learn(log: NotebookOutput, s: Settings) -> Stacks:
    """Trains a network for each dropout and each seed."""
    log.h2("The networks")
    layers = " → ".join("x".join(map(str, shape)) for shape in [s.digits.shape, *LAYERS[s.digits.shape]])
    log.p(f"""
        Every network has the layers {layers}, with noise of {s.noise:g} on the input of each. First
        weights are {FIRST_WEIGHTS[s.initialiser]}. Each layer is pretrained, then all are tuned together.
        For each dropout there are {len(s.seeds)} networks, with different seeds; those with the same
        seed begin with the same weights and see the pictures in the same order: only the dropout differs.
    """)
    images, stacks = s.digits.train_images, Stacks()
    with log.code():
        for dropout, seed in log.progress(list(product(s.dropouts, s.seeds)), "networks"):
            stack = StackedAutoencoder(shape=s.digits.shape, random_state=seed)
            for shape in LAYERS[s.digits.shape]:
                stack.grow(shape, noise=s.noise, dropout=dropout, initialiser=s.initialiser)
                follow(log, stack.pretrain(images, epochs=s.epochs, batch=s.batch))
            stack.untie()
            curve = f"dropout {dropout:.0%}" if seed == s.seeds[0] else ""
            follow(log, stack.tune(images, epochs=s.epochs, batch=s.batch), curve)
            stacks.setdefault(dropout, []).append(stack)
            print(
                f"dropout {dropout:.0%}, seed {seed}: squared error {-stack.score(s.digits.test_images):.4f}"
            )
    log.p("""
        The curves are those of the first seed, with noise and dropout at work; the squared errors are
        those of test pictures, without either.
    """)
    return stacks


def show_units(log: NotebookOutput, s: Settings, stacks: Stacks) -> None:
    """The pictures of the units: all of two networks, and some as they change with the dropout."""
    log.h2("What the units stand for")
    log.p(f"""
        The picture of a unit is what the decoder makes of the code in which it alone is on, stretched
        from black to white. These are all units of both layers, of the networks with seed {s.seeds[0]}:
    """)
    for dropout in (WITHOUT, WITH):
        layers = [stacks[dropout][0].probe(number, SHOWN) for number in (0, 1)]
        sheet = side_by_side(layers)
        caption = f"Dropout {dropout:.0%}: all {len(layers[0])} and {len(layers[1])} units."
        log.image(sheet, caption, scale=max(1, 720 // sheet.shape[1]))
    top = {dropout: of[0].probe(1, SHOWN) for dropout, of in stacks.items()}
    rows = [
        {"dropout": dropout} | {f"unit {unit + 1}": stretched(pictures[unit]) for unit in range(8)}
        for dropout, pictures in top.items()
    ]
    log.p("The same units of layer 2, which began with the same weights, under each dropout:")
    log.table(rows, f"The first 8 units of layer 2, seed {s.seeds[0]}.", formats={"dropout": ".0%"})


def measure(log: NotebookOutput, s: Settings, stacks: Stacks) -> str:
    """How local the pictures of units are, and how sparse the codes.

    Returns:
        A sentence on what came out.
    """
    log.h2("How local, how sparse")
    log.p("""
        Two figures say how local the picture of a unit is. Its bright part is where it exceeds half of
        its maximum: into how many *pieces* does that fall? Pixels that touch, also at a corner, are of
        one piece. How far does it reach? Its *radius* is the distance of its energy from the centre
        of its energy, as root mean square over the pixels $p$ with values $w_p$:
    """)
    log.math(r"""
        r = \sqrt{\frac{\sum_p w_p^2 \, \lVert p - m \rVert^2}{\sum_p w_p^2}}, \qquad
        m = \frac{\sum_p w_p^2 \, p}{\sum_p w_p^2}
    """)
    log.p(f"""
        The decoder is not linear, so that both depend on how strongly the unit is on; they are measured
        at {", ".join(f"{i:g}" for i in INTENSITIES)}, where white is 1. The pictures above are those
        at {SHOWN:g}.
    """)
    log.p("""
        Two more say how sparse the codes of test pictures are: the share of units that are *active*,
        which is above 0; and the *sparseness* of Hoyer (2004), which is 0 if all $n$ numbers of a code
        are equal, and 1 if all but one are 0:
    """)
    log.math(r"s(c) = \frac{\sqrt{n} - \lVert c \rVert_1 / \lVert c \rVert_2}{\sqrt{n} - 1}")
    tested = s.digits.test_images
    with log.code():
        pieces = at_each_intensity(stacks, pieces_of)
        radius = at_each_intensity(stacks, radius_of)
        active = of_each(stacks, lambda stack: (stack.transform(tested) > 0).mean())
        sparse = of_each(stacks, lambda stack: sparseness_of(stack.transform(tested)).mean())
        errors = of_each(stacks, lambda stack: -stack.score(tested))
    everywhere = radius_of(np.ones((1, *s.digits.shape), np.float32))[0]
    local = {f"pieces at {i:g}": means(pieces[i]) for i in INTENSITIES}
    local |= {f"radius at {i:g}": means(radius[i]) for i in INTENSITIES}
    log.table(
        {"dropout": list(stacks), **local},
        f"How local the units of layer 2 are, by how strongly they are on: means over the units of "
        f"{len(s.seeds)} networks, the radius in pixels. A picture that is equally bright everywhere has 1 "
        f"piece and a radius of {everywhere:.1f} pixels.",
        formats={"dropout": ".0%"} | dict.fromkeys(local, ".2f"),
    )
    log.table(
        {
            "dropout": list(stacks),
            "active": means(active),
            "sparseness": means(sparse),
            "squared error": means(errors),
        },
        "How sparse the codes of test pictures are, and how well the pictures come back.",
        formats={"dropout": ".0%", "active": ".0%", "sparseness": ".2f", "squared error": ".4f"},
    )
    told = f"""
        With a dropout of {WITH:.0%} instead of none, the picture of a unit falls into
        {change(pieces[SHOWN], ".1f", "fewer pieces", "more pieces")} and has a
        {change(radius[SHOWN], ".2f", "smaller radius", "greater radius")}, where the unit is on at
        {SHOWN:g}. {verdict(pieces, radius)}
    """
    log.p(told)
    log.p(f"""
        The codes have {change(active, ".0%", "fewer active units", "more active units")}. Dropout has its
        price: pictures come back with a {change(errors, ".4f", "smaller error", "greater error")}.
    """)
    return inspect.cleandoc(told)


def classify(log: NotebookOutput, s: Settings, stacks: Stacks) -> str:
    """How well the digits are told apart by the code, as it is and tuned to the task.

    Returns:
        A sentence on what came out.
    """
    log.h2("How well the codes classify")
    log.p("""
        A softmax layer learns the labels from each code: first with the encoder left as it is, then
        with the encoder learning too. The dropout stays what it was.
    """)
    digits, frozen, tuned = s.digits, Figures(), Figures()
    images, labels = digits.train_images, digits.train_labels
    with log.code():
        for dropout, of_dropout in log.progress(stacks.items(), "classifiers", len(stacks)):
            for seed, stack in zip(s.seeds, of_dropout, strict=True):
                model = AutoencoderClassifier(stack, random_state=seed)
                follow(log, model.train_head(images, labels, epochs=s.epochs, batch=s.batch))
                frozen.setdefault(dropout, []).append(model.score(digits.test_images, digits.test_labels))
                follow(log, model.fine_tune(images, labels, epochs=s.epochs, batch=s.batch))
                tuned.setdefault(dropout, []).append(model.score(digits.test_images, digits.test_labels))
    share = float(np.mean(frozen[WITHOUT]))
    uncertain = np.sqrt(share * (1 - share) / len(digits.test_images))
    log.table(
        {
            "dropout": list(stacks),
            "frozen code": means(frozen),
            "± (frozen)": [np.std(each) for each in frozen.values()],
            "encoder tuned": means(tuned),
            "± (tuned)": [np.std(each) for each in tuned.values()],
        },
        f"The share of {len(digits.test_images):,} test pictures recognised: mean and standard deviation of "
        f"{len(s.seeds)} networks. The choice of so many test pictures alone makes a share uncertain by "
        f"{uncertain:.1%} (standard error).",
        formats=dict.fromkeys(("frozen code", "± (frozen)", "encoder tuned", "± (tuned)"), ".1%")
        | {"dropout": ".0%"},
    )
    best = max(frozen, key=lambda dropout: np.mean(frozen[dropout]))
    told = f"""
        On the frozen code, a softmax layer with a dropout of {WITH:.0%} recognises
        {change(frozen, ".1%", "fewer test pictures", "more test pictures")}. {helps(frozen, uncertain)}
    """
    log.p(told)
    log.p(f"""
        Of all that were tried, {best:.0%} is best for the frozen code, with {np.mean(frozen[best]):.1%}. With
        the encoder tuned to the task, a dropout of {WITH:.0%} recognises
        {change(tuned, ".1%", "fewer", "more")}.
    """)
    log.metadata(
        accuracy_without_dropout=round(float(np.mean(frozen[WITHOUT])), 4),
        accuracy_with_dropout=round(float(np.mean(frozen[WITH])), 4),
        best_dropout=best,
    )
    return inspect.cleandoc(told)


def follow(log: NotebookOutput, steps: Iterator[Step], curve: str = "") -> None:
    """Takes the steps of a training, each of which may be paused before; draws the loss as a curve."""
    losses: list[float] = []
    for step in steps:
        losses.append(step.loss)
        if curve and step.number % max(1, step.total // 50) == 0:
            log.metric(curve, step.number, np.mean(losses), chart="Both layers are tuned: squared error")
            losses.clear()
        log.pause_point()


def pieces_of(pictures: Pictures) -> npt.NDArray[np.int64]:
    """Into how many pieces the bright part of each picture, of shape (pictures, height, width), falls."""
    bright = pictures > pictures.max(axis=(1, 2), keepdims=True) / 2
    # Every bright pixel takes the greatest number around it, until all of a piece have the same.
    numbers = np.where(bright, np.arange(1, bright.size + 1).reshape(bright.shape), 0)
    while True:
        around = np.lib.stride_tricks.sliding_window_view(
            np.pad(numbers, ((0, 0), (1, 1), (1, 1))), (3, 3), (1, 2)
        )
        spread = np.where(bright, around.max(axis=(3, 4)), 0)
        if (spread == numbers).all():
            return np.array([len(np.unique(each[each > 0])) for each in numbers])
        numbers = spread


def radius_of(pictures: Pictures) -> npt.NDArray[np.float64]:
    """The radius of the energy of each picture, of shape (pictures, height, width), in pixels."""
    height, width = pictures.shape[1:]
    energy = (pictures.reshape(len(pictures), -1) ** 2).astype(float)
    energy = energy[energy.sum(axis=1) > 0]  # a unit that is dead has no picture
    energy /= energy.sum(axis=1, keepdims=True)
    places = np.argwhere(np.ones((height, width)))
    variance = energy @ (places**2).sum(axis=1) - ((energy @ places) ** 2).sum(axis=1)
    radius: npt.NDArray[np.float64] = np.sqrt(variance.clip(min=0))
    return radius


def sparseness_of(codes: Pictures) -> npt.NDArray[np.float32]:
    """The sparseness of Hoyer (2004) of codes of shape (codes, units), without those that are all 0."""
    codes = codes[codes.any(axis=1)]
    root = np.sqrt(codes.shape[1])
    ratio = np.abs(codes).sum(axis=1) / np.sqrt((codes**2).sum(axis=1))
    sparseness: npt.NDArray[np.float32] = (root - ratio) / (root - 1)
    return sparseness


def of_each(stacks: Stacks, figure: Callable[[StackedAutoencoder], Any]) -> Figures:
    """A figure of each network."""
    return {dropout: [float(figure(stack)) for stack in of] for dropout, of in stacks.items()}


def at_each_intensity(stacks: Stacks, figure: Callable[[Pictures], Any]) -> dict[float, Figures]:
    """The mean over the units of layer 2 of a figure of their pictures, for each intensity and network."""
    return {
        intensity: {d: [float(figure(x.probe(1, intensity)).mean()) for x in of] for d, of in stacks.items()}
        for intensity in INTENSITIES
    }


def means(figures: Figures) -> list[float]:
    """The mean for each dropout."""
    return [float(np.mean(each)) for each in figures.values()]


def change(figures: Figures, form: str, less: str, more: str) -> str:
    """What dropout makes of a figure, in words."""
    before, after = np.array(figures[WITHOUT]), np.array(figures[WITH])
    is_less = after.mean() < before.mean()
    agree = int((after < before if is_less else after > before).sum())
    return (
        f"{less if is_less else more} ({after.mean():{form}} instead of {before.mean():{form}}, "
        f"so in {agree} of {len(before)} pairs)"
    )


def always(figures: Figures, is_so: Callable[[float, float], Any]) -> bool:
    """Whether the figure with dropout is so beside that without, for every seed."""
    return all(is_so(after, before) for before, after in zip(figures[WITHOUT], figures[WITH], strict=True))


def verdict(pieces: dict[float, Figures], radius: dict[float, Figures]) -> str:
    """Whether the figures bear out that dropout makes strokes out of glyphs, at each intensity."""
    fewer = [i for i in INTENSITIES if always(pieces[i], np.less)]
    smaller = [i for i in INTENSITIES if always(radius[i], np.less)]
    if len(fewer) == len(smaller) == len(INTENSITIES):
        return """That bears out what the article saw, strokes instead of glyphs, and so it is at every
        intensity that was tried."""
    if not fewer and not smaller:
        return "At no intensity do the figures bear out what the article saw, strokes instead of glyphs."
    told = " and ".join(
        f"{what} in every pair at {len(found)} of the {len(INTENSITIES)} intensities"
        for what, found in (("the pieces are fewer", fewer), ("the radius is smaller", smaller))
    )
    return f"""What the article saw, strokes instead of glyphs, is borne out in part, and depends on how
        strongly the unit is on: {told}."""


def helps(accuracy: Figures, uncertain: float) -> str:
    """Whether the figures bear out that dropout makes better codes, and how surely."""
    if not always(accuracy, np.greater):
        return "That the codes classify better with dropout is not borne out in every pair."
    if np.mean(accuracy[WITH]) - np.mean(accuracy[WITHOUT]) < 2 * uncertain:
        return """The article says so too; but the difference is less than twice the standard error that
        comes with so few test pictures."""
    return "This bears out what the article says: the codes classify better."


def stretched(picture: Pictures) -> Pictures:
    """A picture from its own black to its own white."""
    return tile(picture[None], stretch=True)


def side_by_side(layers: Sequence[Pictures]) -> Pictures:
    """The pictures of the units of two layers, each layer as a square of about the same size."""
    sheets = [tile(pictures, stretch=True) for pictures in layers]
    tallest = max(len(sheet) for sheet in sheets)
    large = [np.kron(sheet, np.ones((tallest // len(sheet),) * 2, np.float32)) for sheet in sheets]
    gap = np.ones((tallest, tallest // 20), np.float32)
    padded = [np.pad(sheet, ((0, tallest - len(sheet)), (0, 0)), constant_values=1) for sheet in large]
    return np.concatenate([padded[0], gap, padded[1]], axis=1)
