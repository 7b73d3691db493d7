"""Are there ten kinds of digits? k-means on the codes of an autoencoder, beside pixels and PCA."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from quire import NotebookOutput, Range
from quire_models import Shape, StackedAutoencoder, Step, datasets, diagram, initialisers, tile

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

LAYERS: dict[Shape, list[Shape]] = {(8, 8): [(6, 6), (5, 5)], (28, 28): [(10, 10), (5, 5)]}
EPOCHS = {"digits": 60, "mnist": 5}
BATCH = {"digits": 32, "mnist": 100}
# So many pictures are clustered at most.
MOST = 10_000
PIXELS, PRINCIPAL, FIRST, CODE = "pixels", "principal components", "first layer's code", "code"
DISTANCE, ANGLE = "distance", "angle"
MANY = (10, 20, 40, 80)


def clusters(
    log: NotebookOutput,
    dataset: Literal["digits", "mnist"] = "digits",
    data: Path | None = None,
    noise: Annotated[float, Range(0, 10)] = 0.1,
    dropout: Annotated[float, Range(0, 0.99)] = 0.1,
    runs: Annotated[int, Range(2, 100)] = 10,
    quick: bool = False,
    seed: int = 0,
) -> None:
    """Clusters handwritten digits by code, by principal components and by pixels, without their labels.

    Args:
        dataset: what to cluster: scikit-learn's digits of 8x8, or MNIST, which is fetched once.
        data: a folder that holds the IDX files, gzipped or not, instead of fetching them.
        noise: the standard deviation of the noise on the input of each layer, in training.
        dropout: the share of each code that is silenced, in training.
        runs: how often k-means begins anew from other centres.
        quick: a tenth of the training and three runs, to see that all works.
        seed: of first weights, noise, dropout, the order of the images, and the first centres.
    """
    log.h1("Are there ten kinds of digits?")
    log.p("""
        k-means sorts pictures into ten heaps without knowing what they are. Are these heaps the ten
        digits? That depends on what it measures pictures by. Here it gets their pixels, as many
        principal components as a code has numbers, and the codes of an autoencoder; the labels only
        say, afterwards, how good the heaps are.
    """)
    log.p("*The findings will stand here when the run has ended.*", key="findings")
    fetching = log.progress(label=f"fetching {dataset}")
    with log.code():
        digits = datasets.load(dataset, data, progress=fetching.update)
        images, labels = digits.train_images[:MOST], digits.train_labels[:MOST]
        print(len(digits.train_images), "pictures to learn from,", len(images), "of them to cluster")
    fetching.finish()
    training = Training(max(1, EPOCHS[dataset] // (10 if quick else 1)), BATCH[dataset], noise, dropout, seed)
    stack = learn(log, digits.train_images, digits.shape, training)
    heap = Heap(images, labels, digits.shape, digits.classes, seed)
    ways = describe(log, heap, stack)
    scores = compare(log, heap, ways, 3 if quick else runs)
    show_clusters(log, heap, ways, scores, stack)
    split_further(log, heap, ways, scores)
    conclude(log, heap, scores)


@dataclass
class Training:
    """How the autoencoder learns."""

    epochs: int
    batch: int
    noise: float
    dropout: float
    seed: int


@dataclass
class Heap:
    """The pictures that are clustered, and their labels, which only judge."""

    images: Floats
    labels: Labels
    shape: Shape
    classes: int
    seed: int

    def named(self, assigned: Labels) -> float:
        """The share of pictures that are the most frequent digit of their cluster."""
        return float(counts_of(assigned, self.labels, self.classes).max(axis=1).sum() / len(self.labels))


@dataclass
class Score:
    """How well the clusters of one way to compare pictures fit the labels, over several runs.

    Attributes:
        rand: the adjusted Rand index of each run: 1 if the clusters are the digits, about 0 by chance.
        information: the normalised mutual information of each run, from 0 to 1.
        named: the share of pictures that are the most frequent digit of their cluster, for each run.
        assigned: the clusters of the run with the least squared distances, which needs no labels.
    """

    rand: list[float]
    information: list[float]
    named: list[float]
    assigned: Labels


Ways = dict[tuple[str, str], Floats]
"""The numbers of each picture, by what describes it and by what compares it."""
Scores = dict[tuple[str, str], Score]


def learn(log: NotebookOutput, images: Floats, shape: Shape, training: Training) -> StackedAutoencoder:
    """Trains the autoencoder, without any label."""
    log.h2("An autoencoder")
    log.p("Two layers are grown one on the other, and then tuned together:")
    epochs, batch = training.epochs, training.batch
    with log.code():
        local = initialisers.RandomDistance()
        stack = StackedAutoencoder(shape=shape, random_state=training.seed)
        for code in LAYERS[shape]:
            stack.grow(code, noise=training.noise, dropout=training.dropout, initialiser=local)
            steps = stack.pretrain(images, epochs=epochs, batch=batch)
            follow(log, steps, f"pretraining {code[0]}x{code[1]}")
        stack.untie()
        follow(log, stack.tune(images, epochs=epochs, batch=batch), "tuning")
    log.image(diagram(stack), "The network, as it is tuned.")
    return stack


def describe(log: NotebookOutput, heap: Heap, stack: StackedAutoencoder) -> Ways:
    """The numbers by which pictures are compared."""
    log.h2("Four ways to describe a picture")
    first, top = (pair.encoder for pair in stack.pairs)
    log.p(f"""
        As {first.inputs} pixels, {top.outputs} principal components, and the codes of both layers, of
        {first.outputs} and {top.outputs} numbers; each compared by the distance between the numbers,
        and by the angle between them, for which a paler picture is the same.
    """)
    with log.code():
        numbers = {
            PIXELS: heap.images,
            PRINCIPAL: PCA(top.outputs, random_state=heap.seed).fit_transform(heap.images),
            FIRST: np.maximum(0, heap.images @ first.weights + first.bias),
            CODE: stack.transform(heap.images),
        }
        ways: Ways = {}
        for name, rows in numbers.items():
            ways[name, DISTANCE] = rows
            ways[name, ANGLE] = of_length_1(rows)
    return ways


def compare(log: NotebookOutput, heap: Heap, ways: Ways, runs: int) -> Scores:
    """Clusters by each way, several times, and sets the labels beside the clusters."""
    log.h2(f"{heap.classes} clusters")
    log.p(f"""
        k-means begins {runs} times from other centres; where it ends depends on that, so a single run
        says little. The adjusted Rand index compares pairs of pictures: 1 if those in one cluster are
        just those of one digit, about 0 for clusters by chance. The normalised mutual information says
        how much of the label the cluster tells.
    """)
    with log.code():
        scores = {
            way: score(heap, numbers, heap.classes, runs)
            for way, numbers in log.progress(ways.items(), "clustering")
        }
    log.table(
        [
            {
                "described by": described,
                "numbers": ways[described, compared].shape[1],
                "compared by": compared,
                "adjusted Rand": np.mean(each.rand),
                "±": np.std(each.rand, ddof=1),
                "mutual information": np.mean(each.information),
                "named rightly": np.mean(each.named),
            }
            for (described, compared), each in scores.items()
        ],
        f"Means over {runs} runs on {len(heap.labels):,} pictures, ± the standard deviation of one run; "
        "*named rightly* is the share of pictures that are the most frequent digit of their cluster.",
        formats={
            "adjusted Rand": ".3f",
            "±": ".3f",
            "mutual information": ".3f",
            "named rightly": ".1%",
        },
    )
    log.p(versus(scores, PIXELS))
    log.p(versus(scores, PRINCIPAL))
    return scores


def score(heap: Heap, numbers: Floats, clusters: int, runs: int) -> Score:
    """Clusters several times by the same numbers."""
    found = [KMeans(clusters, n_init=1, random_state=heap.seed + run).fit(numbers) for run in range(runs)]
    assigned = [run.labels_ for run in found]
    return Score(
        rand=[adjusted_rand_score(heap.labels, each) for each in assigned],
        information=[normalized_mutual_info_score(heap.labels, each) for each in assigned],
        named=[heap.named(each) for each in assigned],
        assigned=assigned[int(np.argmin([run.inertia_ for run in found]))],
    )


def show_clusters(
    log: NotebookOutput, heap: Heap, ways: Ways, scores: Scores, stack: StackedAutoencoder
) -> None:
    """The clusters by code: means, members, and what they are mistaken for."""
    log.h2("The clusters by code")
    way = best_of(scores, CODE)
    assigned, codes = scores[way].assigned, ways[CODE, DISTANCE]
    counts = counts_of(assigned, heap.labels, heap.classes)
    order = np.argsort(counts.argmax(axis=1), kind="stable")
    sheet = []
    for cluster in order:
        members = np.flatnonzero(assigned == cluster)
        centre = ways[way][members].mean(axis=0)
        near = members[np.argsort(((ways[way][members] - centre) ** 2).sum(axis=1))]
        is_other = heap.labels != counts[cluster].argmax()
        means = np.stack(
            [
                heap.images[members].mean(axis=0),
                stack.inverse_transform(codes[members].mean(axis=0, keepdims=True))[0],
            ]
        )
        gap = np.ones((1, *heap.shape, 3), np.float32)
        sheet += [
            coloured(np.clip(means, 0, 1), heap.shape, np.zeros(2, bool)),
            *(gap, coloured(heap.images[near[:12]], heap.shape, is_other[near[:12]])),
            *(gap, coloured(heap.images[near[-4:]], heap.shape, is_other[near[-4:]])),
        ]
    log.image(
        tile(np.concatenate(sheet), columns=2 + 1 + 12 + 1 + 4),
        "A row for each cluster: the mean of its pictures, the picture of its mean code; the 12 members next "
        "to the centre, and the 4 that are farthest from it. Other digits than most are red.",
        scale=max(1, 1000 // (20 * heap.shape[1])),
        key="thumbnail",
    )
    shares = counts / counts.sum(axis=1, keepdims=True)
    log.table(
        [
            {
                "cluster": row,
                "pictures": counts[cluster].sum(),
                "most are": counts[cluster].argmax(),
                "share": shares[cluster].max(),
            }
            | {str(digit): int(n) for digit, n in enumerate(counts[cluster])}
            for row, cluster in enumerate(order, 1)
        ],
        f"How many of each digit are in each cluster, by the {way[1]} between codes, in the run with the "
        "least squared distances.",
        formats={"share": ".0%"},
    )
    log.p(told_of(counts))


def told_of(counts: npt.NDArray[np.int64]) -> str:
    """In words, which digits have clusters of their own, given how many of each are in each cluster."""
    owned = np.bincount(counts.argmax(axis=1), minlength=counts.shape[1])
    without = [str(digit) for digit in np.flatnonzero(owned == 0)]
    several = [f"{digit} ({owned[digit]})" for digit in np.flatnonzero(owned > 1)]
    if not without and not several:
        return "Each digit has a cluster of its own."
    parts = []
    if without:
        parts.append(f"No cluster is mostly {' or '.join(without)}")
    if several:
        parts.append(f"more than one is mostly {', '.join(several)}")
    return f"{'; '.join(parts)}."[0].upper() + f"{'; '.join(parts)}."[1:]


def split_further(log: NotebookOutput, heap: Heap, ways: Ways, scores: Scores) -> None:
    """More clusters than digits: a digit is written in more than one way."""
    log.h2("More clusters than digits")
    log.p("""
        A 1 may lean, a 7 may have a bar, a 4 may be closed. With more clusters, each may be one way to
        write one digit; labels for the clusters then name most pictures.
    """)
    rows = []
    for clusters in log.progress(MANY, "more clusters"):
        row: dict[str, float] = {"clusters": clusters}
        for described in (PIXELS, PRINCIPAL, FIRST, CODE):
            way = best_of(scores, described)
            row[described] = float(np.mean(score(heap, ways[way], clusters, 3).named))
            log.metric(described, clusters, row[described], chart="Named rightly, by the number of clusters")
        rows.append(row)
    last = {name: share for name, share in rows[-1].items() if name != "clusters"}
    best = max(last, key=lambda name: last[name])
    log.table(
        rows,
        "The share of pictures that are the most frequent digit of their cluster; means over 3 runs.",
        formats=dict.fromkeys(last, ".1%"),
    )
    log.p(f"""
        With a label for each of {MANY[-1]} clusters, {last[CODE]:.1%} of {len(heap.labels):,} pictures are
        named rightly by code; most, {last[best]:.1%}, by {best}.
    """)


def conclude(log: NotebookOutput, heap: Heap, scores: Scores) -> None:
    """Says what came out, at the top."""
    best = {name: best_of(scores, name) for name in (CODE, PIXELS, PRINCIPAL)}
    named = np.mean(scores[best[CODE]].named)
    log.p(
        f"""
        **What came out:** {heap.classes} clusters by code name {named:.1%} of {len(heap.labels):,} pictures
        rightly: they are not the ten digits, but far from chance. {versus(scores, PIXELS)}
        {versus(scores, PRINCIPAL)}
        """,
        key="findings",
    )
    for name, way in best.items():
        log.metadata(**{f"rand_by_{name.split()[0]}": round(float(np.mean(scores[way].rand)), 3)})


def best_of(scores: Scores, described: str) -> tuple[str, str]:
    """Distance or angle, whichever gives the higher adjusted Rand index."""
    return max(((described, by) for by in (DISTANCE, ANGLE)), key=lambda way: np.mean(scores[way].rand))


def versus(scores: Scores, other: str) -> str:
    """In words, whether clusters by code fit the labels better than by another description."""
    ours, theirs = best_of(scores, CODE), best_of(scores, other)
    a, b = scores[ours].rand, scores[theirs].rand
    told = f"{np.mean(a):.3f} by code ({ours[1]}), {np.mean(b):.3f} by {other} ({theirs[1]})"
    # Welch (1947): two standard errors of the difference between two means.
    error = np.sqrt(np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b))
    if abs(np.mean(a) - np.mean(b)) <= 2 * error:
        return (
            f"By code and by {other} they fit the labels about as well, as far as {len(a)} runs tell: {told}."
        )
    word = "better" if np.mean(a) > np.mean(b) else "worse"
    return f"By code they fit the labels {word} than by {other}: adjusted Rand index {told}."


def counts_of(assigned: Labels, labels: Labels, classes: int) -> npt.NDArray[np.int64]:
    """How many of each label (columns) are in each cluster (rows)."""
    clusters = int(assigned.max()) + 1
    counts = np.bincount(assigned * classes + labels, minlength=clusters * classes)
    return counts.reshape(clusters, classes)


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
