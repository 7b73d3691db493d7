"""Which pictures are alike? The codes of an autoencoder as a measure of it, beside pixels and PCA."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import PIL.Image
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from quire import NotebookOutput, Range
from quire_models import Dataset, Shape, StackedAutoencoder, Step, datasets, initialisers, tile

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Describe = Callable[[Floats], Floats]

LAYERS: dict[Shape, list[Shape]] = {(8, 8): [(6, 6), (5, 5)], (28, 28): [(10, 10), (5, 5)]}
EPOCHS = {"digits": 60, "mnist": 5}
BATCH = {"digits": 32, "mnist": 100}
# So many neighbours vote, and so many queries and pictures of the map are taken at most.
NEIGHBOURS = 5
QUERIES = 2000
MAPPED = 1200
PIXELS, PRINCIPAL, FIRST, CODE = "pixels", "principal components", "first layer's code", "code"
TURNING = PIL.Image.Resampling.BILINEAR
# A colour for each digit, told apart by colour-blind readers too.
COLOURS = (
    *((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0)),
    *((86, 180, 233), (120, 60, 30), (90, 90, 90), (110, 30, 150), (200, 20, 60)),
)


def similarity(
    log: NotebookOutput,
    dataset: Literal["digits", "mnist"] = "digits",
    data: Path | None = None,
    noise: Annotated[float, Range(0, 10)] = 0.3,
    dropout: Annotated[float, Range(0, 0.99)] = 0.0,
    quick: bool = False,
    seed: int = 0,
) -> None:
    """Finds the neighbours of handwritten digits by code, by principal components and by pixels.

    Args:
        dataset: what to compare: scikit-learn's digits of 8x8, or MNIST, which is fetched once.
        data: a folder that holds the IDX files, gzipped or not, instead of fetching them.
        noise: the standard deviation of the noise on the input of each layer, in training.
        dropout: the share of each code that is silenced, in training.
        quick: a tenth of the training and of the map, to see that all works.
        seed: of first weights, noise, dropout, the order of the images, and the map.
    """
    log.h1("Which digits are alike?")
    log.p("""
        Two pictures of a 3 may not share a single stroke, pixel by pixel. An autoencoder that has
        learnt, without labels, to give digits back from a few numbers may know better what makes them
        alike. This report looks for the neighbours of pictures by their codes, by their pixels, and by
        as many principal components, and counts how often neighbours are the same digit.
    """)
    log.p("*The findings will stand here when the run has ended.*", key="findings")
    fetching = log.progress(label=f"fetching {dataset}")
    with log.code():
        digits = datasets.load(dataset, data, progress=fetching.update)
        print(len(digits.train_images), "pictures to search in,", len(digits.test_images), "to search with")
    fetching.finish()
    epochs = max(1, EPOCHS[dataset] // (10 if quick else 1))
    stack = learn(log, digits, epochs, BATCH[dataset], noise, dropout, seed)
    step = -(-len(digits.test_images) // QUERIES)
    queries = Queries(digits, digits.test_images[::step], digits.test_labels[::step])
    measures = describe(log, digits, stack, seed)
    show_neighbours(log, queries, measures)
    named = count(log, queries, measures)
    disturb(log, queries, measures, seed)
    draw_map(log, queries, stack, MAPPED // (10 if quick else 1), seed)
    conclude(log, queries, measures, named)


@dataclass
class Queries:
    """Pictures whose neighbours are looked for among those of the dataset to learn from."""

    digits: Dataset
    images: Floats
    labels: Labels


@dataclass
class Measure:
    """A way to describe pictures by numbers; pictures are alike if the numbers are.

    Attributes:
        describe: makes rows of numbers of rows of pixels.
        straight: finds neighbours by the straight distance between the numbers.
        angled: finds them by the angle between the numbers, seen as vectors.
    """

    describe: Describe
    numbers: int
    straight: NearestNeighbors
    angled: NearestNeighbors

    @classmethod
    def of(cls, describe: Describe, images: Floats) -> "Measure":
        """The measure, ready to search among these pictures."""
        numbers = describe(images)
        straight, angled = (NearestNeighbors(n_neighbors=NEIGHBOURS, algorithm="brute") for _ in range(2))
        return cls(describe, numbers.shape[1], straight.fit(numbers), angled.fit(of_length_1(numbers)))

    def neighbours(self, images: Floats, *, by_angle: bool = True, count: int = NEIGHBOURS) -> Labels:
        """The numbers of the nearest pictures, the nearest first: shape (images, count)."""
        numbers = self.describe(images)
        search, numbers = (self.angled, of_length_1(numbers)) if by_angle else (self.straight, numbers)
        found: Labels = search.kneighbors(numbers, count, return_distance=False)
        return found


def learn(
    log: NotebookOutput,
    digits: Dataset,
    epochs: int,
    batch: int,
    noise: float,
    dropout: float,
    seed: int,
) -> StackedAutoencoder:
    """Trains the autoencoder, without any label."""
    log.h2("An autoencoder")
    log.p("""
        Two layers, grown one on the other and then tuned together. Noise on the input of each makes it
        learn what a picture would be without the noise.
    """)
    images = digits.train_images
    with log.code():
        local = initialisers.RandomDistance()
        stack = StackedAutoencoder(shape=digits.shape, random_state=seed)
        for shape in LAYERS[digits.shape]:
            stack.grow(shape, noise=noise, dropout=dropout, initialiser=local)
            follow(
                log, stack.pretrain(images, epochs=epochs, batch=batch), f"pretraining {shape[0]}x{shape[1]}"
            )
        stack.untie()
        follow(log, stack.tune(images, epochs=epochs, batch=batch), "tuning")
    return stack


def describe(
    log: NotebookOutput, digits: Dataset, stack: StackedAutoencoder, seed: int
) -> dict[str, Measure]:
    """The ways to describe a picture that are compared."""
    log.h2("Four ways to describe a picture")
    first, top = (pair.encoder for pair in stack.pairs)
    log.p(f"""
        As its {first.inputs} pixels; by its first {top.outputs} principal components, the best that
        {top.outputs} numbers can do for squared error without a bend; and by the codes of both layers,
        of {first.outputs} and {top.outputs} numbers.
    """)
    with log.code():
        components = PCA(top.outputs, random_state=seed).fit(digits.train_images)
        ways: dict[str, Describe] = {
            PIXELS: lambda images: images,
            PRINCIPAL: components.transform,
            FIRST: lambda images: np.maximum(0, images @ first.weights + first.bias),
            CODE: stack.transform,
        }
        return {name: Measure.of(way, digits.train_images) for name, way in ways.items()}


def show_neighbours(log: NotebookOutput, queries: Queries, measures: dict[str, Measure]) -> None:
    """The neighbours of a picture of each digit, by code and by pixels."""
    log.h2("Neighbours")
    chosen = [int(np.flatnonzero(queries.labels == digit)[0]) for digit in range(queries.digits.classes)]
    images, labels = queries.images[chosen], queries.labels[chosen]
    count = 7
    with log.code():
        found = {name: measures[name].neighbours(images, count=count) for name in (CODE, PIXELS)}
    sheet = np.ones((len(chosen), 3 + 2 * count, *queries.digits.shape, 3), np.float32)
    wrong = {}
    sheet[:, 0] = coloured(images, queries.digits.shape, np.zeros(len(images), bool))
    for column, name in ((2, CODE), (3 + count, PIXELS)):
        near = found[name]
        foreign = queries.digits.train_labels[near] != labels[:, None]
        pictures = coloured(queries.digits.train_images[near.ravel()], queries.digits.shape, foreign.ravel())
        sheet[:, column : column + count] = pictures.reshape(len(chosen), count, *pictures.shape[1:])
        wrong[name] = int(foreign.sum())
    log.image(
        tile(sheet.reshape(-1, *sheet.shape[2:]), columns=sheet.shape[1]),
        f"The first picture of each digit, its {count} nearest by the angle between codes, and its {count} "
        "nearest by the angle between pixels. Other digits are red.",
        scale=max(1, 1000 // (sheet.shape[1] * queries.digits.shape[1])),
    )
    log.p(f"""
        Of these {len(chosen) * count} neighbours, {wrong[CODE]} by code and {wrong[PIXELS]} by pixels are
        another digit.
    """)


def count(
    log: NotebookOutput, queries: Queries, measures: dict[str, Measure]
) -> dict[str, npt.NDArray[np.bool_]]:
    """How often the neighbours name the digit, for each measure.

    Returns:
        Which queries are named rightly, by the angle of each measure.
    """
    log.h2("Are neighbours the same digit?")
    log.p(f"""
        The {NEIGHBOURS} nearest of each of {len(queries.images):,} test pictures vote on what it is. They
        are looked for by the straight distance between the numbers, and by the angle between them, for
        which a paler picture is the same.
    """)
    named: dict[str, npt.NDArray[np.bool_]] = {}
    rows = []
    for name, measure in log.progress(measures.items(), "neighbours"):
        straight = is_named(queries, measure.neighbours(queries.images, by_angle=False))
        near = measure.neighbours(queries.images)
        named[name] = is_named(queries, near)
        rows.append(
            {
                "described by": name,
                "numbers": measure.numbers,
                "by distance": straight.mean(),
                "by angle": named[name].mean(),
                "same digit among the nearest": (
                    queries.digits.train_labels[near] == queries.labels[:, None]
                ).mean(),
            }
        )
    log.table(
        rows,
        f"The share of {len(queries.images):,} test pictures named rightly by {NEIGHBOURS} neighbours, "
        "and the share of all these neighbours, by angle, that are the same digit.",
        formats=dict.fromkeys(list(rows[0])[2:], ".1%"),
    )
    log.metadata(
        **{f"named_by_{name.split()[0]}": round(float(hits.mean()), 4) for name, hits in named.items()}
    )
    return named


def disturb(log: NotebookOutput, queries: Queries, measures: dict[str, Measure], seed: int) -> None:
    """How often neighbours name a digit that is noisy, moved or turned."""
    log.h2("When the picture is disturbed")
    log.p("""
        The same pictures, with noise of a standard deviation of 0.5, moved to the right by a pixel, or
        turned by 15 degrees, are looked up among the undisturbed ones, by angle.
    """)
    shape, images = queries.digits.shape, queries.images
    pictures = images.reshape(-1, *shape)
    noise = np.random.default_rng(seed).normal(0, 0.5, images.shape).astype(np.float32)
    turned = [np.asarray(PIL.Image.fromarray(picture).rotate(15, TURNING)) for picture in pictures]
    disturbed = {
        "as they are": images,
        "noisy": images + noise,
        "moved": np.roll(pictures, 1, axis=2).reshape(images.shape),
        "turned": np.array(turned).reshape(images.shape),
    }
    log.image(
        tile(
            np.clip([each[:12].reshape(-1, *shape) for each in disturbed.values()], 0, 1).reshape(-1, *shape),
            columns=12,
        ),
        f"Twelve pictures: {', '.join(disturbed)}.",
        scale=max(1, 760 // (12 * shape[1])),
    )
    shares = {
        name: {
            how: float(is_named(queries, measure.neighbours(each)).mean()) for how, each in disturbed.items()
        }
        for name, measure in log.progress(measures.items(), "disturbed neighbours")
    }
    log.table(
        [{"described by": name} | row for name, row in shares.items()],
        "The share of pictures that their neighbours name rightly.",
        formats=dict.fromkeys(disturbed, ".1%"),
    )
    best = {how: max(row[how] for row in shares.values()) for how in disturbed}
    names = {how: [name for name in shares if shares[name][how] == best[how]] for how in disturbed}
    ranked = (f"{how}: {' and '.join(names[how])}, {best[how]:.1%}" for how in disturbed)
    log.p(f"What names most pictures {'; '.join(ranked)}.")


def draw_map(log: NotebookOutput, queries: Queries, stack: StackedAutoencoder, most: int, seed: int) -> None:
    """The codes laid out on a plane, with each picture at its place."""
    log.h2("A map of the codes")
    images, labels = queries.images[:most], queries.labels[:most]
    log.p(f"""
        t-SNE lays out the codes of {len(images):,} test pictures on a plane so that neighbours stay
        neighbours. It does not know the labels either; the colours do.
    """)
    with log.code():
        codes = of_length_1(stack.transform(images))
        places = TSNE(init="pca", random_state=seed).fit_transform(codes)
    log.image(
        plotted(places, images.reshape(-1, *queries.digits.shape), labels),
        f"{len(images):,} test pictures, each where t-SNE places its code; a colour for each label.",
        alt="Digits on a plane, alike ones together",
    )
    near = NearestNeighbors(n_neighbors=1).fit(places).kneighbors(return_distance=False)[:, 0]
    log.p(f"On the map, the nearest neighbour of {(labels[near] == labels).mean():.1%} is the same digit.")


def plotted(places: npt.NDArray[Any], pictures: Floats, labels: Labels) -> PIL.Image.Image:
    """Pictures drawn in their colours on white, at their places on a plane."""
    size, cell = 1000, 24
    low, high = places.min(axis=0), places.max(axis=0)
    corners = ((places - low) / (high - low) * (size - cell)).astype(int)
    canvas = np.full((size, size, 3), 255, np.float32)
    for (left, top), picture, label in zip(corners, pictures, labels, strict=True):
        large = np.asarray(PIL.Image.fromarray(picture).resize((cell, cell)))[..., None]
        inked = 255 + np.clip(large, 0, 1) * (np.array(COLOURS[label], np.float32) - 255)
        place = canvas[top : top + cell, left : left + cell]
        np.minimum(place, inked, out=place)
    return PIL.Image.fromarray(canvas.astype(np.uint8))


def conclude(
    log: NotebookOutput,
    queries: Queries,
    measures: dict[str, Measure],
    named: dict[str, npt.NDArray[np.bool_]],
) -> None:
    """Says what came out, at the top."""
    told = {name: f"{hits.mean():.1%}" for name, hits in named.items()}
    log.p(
        f"""
        **What came out:** the {NEIGHBOURS} nearest neighbours by code, {measures[CODE].numbers} numbers that
        were learnt without labels, name {told[CODE]} of {len(queries.images):,} test pictures rightly; by
        all {measures[PIXELS].numbers} pixels they name {told[PIXELS]}, by {measures[PRINCIPAL].numbers}
        principal components {told[PRINCIPAL]}. {versus(named, PIXELS)} {versus(named, PRINCIPAL)}
        """,
        key="findings",
    )


def versus(named: dict[str, npt.NDArray[np.bool_]], other: str) -> str:
    """In words, whether codes name more pictures than another measure does, or whether that may be chance."""
    won, lost = (int(hits.sum()) for hits in (named[CODE] & ~named[other], named[other] & ~named[CODE]))
    told = f"{won} are named by code and not by {other}, {lost} the other way round"
    # McNemar's test (1947) at about 5 %: two standard deviations of the difference, if both are as good.
    if abs(won - lost) <= 2 * np.sqrt(won + lost):
        return f"Between code and {other}, that is no clear difference: {told}."
    return f"The code is {'better' if won > lost else 'worse'} than {other}: {told}."


def is_named(queries: Queries, near: Labels) -> npt.NDArray[np.bool_]:
    """Whether the neighbours of each query vote for its label; of several with most votes, the least wins."""
    votes = np.eye(queries.digits.classes, dtype=int)[queries.digits.train_labels[near]].sum(axis=1)
    named: npt.NDArray[np.bool_] = votes.argmax(axis=1) == queries.labels
    return named


def of_length_1(rows: Floats) -> Floats:
    """Rows scaled to length 1, between which the distance grows with the angle; a row of 0 stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Floats = rows / np.maximum(lengths, np.float32(1e-6))
    return scaled


def coloured(images: Floats, shape: Shape, is_red: npt.NDArray[np.bool_]) -> Floats:
    """Pictures in white, or red where it says so: shape (images, *shape, 3)."""
    inks = np.where(is_red[:, None], np.array([1, 0.25, 0.2]), 1).astype(np.float32)
    return images.reshape(-1, *shape, 1) * inks[:, None, None]


def follow(log: NotebookOutput, steps: Iterator[Step], title: str) -> None:
    """Shows the progress of a training, and draws its loss as means over a hundredth of it."""
    losses: list[float] = []
    bar = log.progress(label=title)
    for step in steps:
        losses.append(step.loss)
        bar.update(step.number, step.total)
        if step.number % max(1, step.total // 100) == 0:
            log.metric(title, step.number / step.total, np.mean(losses), chart="Squared error")
            losses.clear()
    bar.finish()
