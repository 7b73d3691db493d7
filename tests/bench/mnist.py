"""What the models reach on MNIST: as a command that anyone can run.

    python -m tests.bench.mnist [--data FOLDER] [--parts wide article codes best] [--write docs/models.md]

No augmentation and no convolution. In each part the epoch whose weights are kept is chosen on 5,000
training images that are held out; the test images are looked at once, at the end. Figures are means and
standard deviations over seeds; each part has a table of its own. `--epochs` and `--images` make it small, to
see that it works.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from quire import provenance
from quire_models import Adam, AutoencoderClassifier, Dataset, StackedAutoencoder, datasets, schedules
from tests.bench.document import tell

HELD_OUT = 5_000
Row = dict[str, list[float]]


class Data:
    """MNIST, with some training images held out to validate by."""

    def __init__(self, whole: Dataset, images: int | None, seed: int) -> None:
        order = np.random.default_rng(seed).permutation(len(whole.train_images))[:images]
        held = min(HELD_OUT, len(order) // 6)
        learnt, held_out = order[held:], order[:held]
        self.shape = whole.shape
        self.train, self.labels = whole.train_images[learnt], whole.train_labels[learnt]
        self.held, self.held_labels = whole.train_images[held_out], whole.train_labels[held_out]
        self.test, self.test_labels = whole.test_images, whole.test_labels


def error(model: AutoencoderClassifier, data: Data) -> float:
    """The test error in percent: the one look at the test images."""
    return 100 * (1 - model.score(data.test, data.test_labels))


def fine_tuned(stack: StackedAutoencoder, data: Data, options: Any, seed: int) -> AutoencoderClassifier:
    """A classifier on a stack, with the weights of the epoch that was best on the images held out."""
    model = AutoencoderClassifier(stack, random_state=seed)
    held = (data.held, data.held_labels)
    steps = model.fine_tune(data.train, data.labels, validation=held, patience=10**6, **options)
    steps.finish()
    return model


def deep(
    data: Data, seed: int, threads: int, *, pretraining: int, epochs: int, dropout: float, average: float
) -> tuple[float, float]:
    """784-1000-1000-1000: the test error in percent, and the seconds that all of it took."""
    began = time.perf_counter()
    stack = StackedAutoencoder(shape=data.shape, random_state=seed)
    for _ in range(3):
        stack.grow(1000, noise=0.35, dropout=dropout, initialiser="he")
        if pretraining:
            options: Any = {"batch": 256, "optimiser": Adam(1e-3), "n_jobs": threads}
            stack.pretrain(data.train, epochs=pretraining, **options).finish()
    for number, pair in enumerate(stack.pairs):
        # The noise is on the image; what is above has dropout.
        pair.encoder.noise = 0.0 if number else 0.35
    options = {
        "epochs": epochs,
        # On held-out images of a split of its own better than 256, in the same time.
        "batch": 128,
        "optimiser": Adam(1e-3, max_norm=3.0),
        "schedule": schedules.Cosine(warmup=0.05),
        "average": average,
        "n_jobs": threads,
    }
    found = error(fine_tuned(stack, data, options, seed), data)
    return found, time.perf_counter() - began


def wide(data: Data, seed: int, epochs: int | None, threads: int) -> dict[str, float]:
    """784-1000-1000-1000, with pretraining and without: what three minutes of two cores can do of each."""
    found: dict[str, float] = {}
    for name, pretraining, tuning in (("without pretraining", 0, 24), ("with pretraining", 3, 19)):
        told = deep(
            data,
            seed,
            threads,
            pretraining=pretraining and (epochs or pretraining),
            epochs=epochs or tuning,
            dropout=0.2,
            average=0.999,
        )
        for what, value in zip(("error %", "seconds"), told, strict=True):
            found[f"784-1000-1000-1000 {name}, {what}"] = value
    return found


def best(data: Data, seed: int, epochs: int | None, threads: int) -> dict[str, float]:
    """784-1000-1000-1000 again: what twenty minutes of two cores can do."""
    told = deep(
        data, seed, threads, pretraining=epochs or 5, epochs=epochs or 150, dropout=0.35, average=0.9995
    )
    names = ("error %", "seconds")
    return {
        f"784-1000-1000-1000, twenty minutes, {name}": value for name, value in zip(names, told, strict=True)
    }


def article(data: Data, seed: int, epochs: int | None, threads: int) -> dict[str, float]:
    """The article's 784-100-25, pretrained and fine-tuned."""
    began = time.perf_counter()
    stack = StackedAutoencoder(shape=data.shape, random_state=seed)
    for code in ((10, 10), (5, 5)):
        stack.grow(code, noise=0.1, dropout=0.0, initialiser="distance-signed")
        stack.pretrain(data.train, epochs=epochs or 3, n_jobs=threads).finish()
    for number, pair in enumerate(stack.pairs):
        pair.encoder.noise = 0.0 if number else 0.3
    options: Any = {
        "epochs": epochs or 40,
        "batch": 128,
        "optimiser": Adam(2e-3),
        "schedule": schedules.Cosine(),
        "average": 0.999,
        "n_jobs": threads,
    }
    model = fine_tuned(stack, data, options, seed)
    return {
        "784-100-25 fine-tuned, accuracy %": 100 - error(model, data),
        "784-100-25 fine-tuned, seconds": time.perf_counter() - began,
    }


def codes(data: Data, seed: int, epochs: int | None, threads: int) -> dict[str, float]:
    """25 numbers from 784-500-250-25, beside 25 principal components, and the pixels."""
    from sklearn.decomposition import PCA

    began = time.perf_counter()
    stack = StackedAutoencoder(shape=data.shape, random_state=seed)
    options: Any = {"batch": 128, "optimiser": Adam(1e-3), "n_jobs": threads}
    for code in (500, 250, 25):
        stack.grow(code, noise=0.1, activation="identity" if code == 25 else "relu", output="relu")
        stack.pretrain(data.train, epochs=epochs or 5, **options).finish()
    stack.untie()
    for pair in stack.pairs:
        pair.encoder.noise = 0.0
    options |= {"schedule": schedules.Cosine(), "validation": data.held, "patience": 10**6}
    stack.tune(data.train, epochs=epochs or 60, **options).finish()
    seconds = time.perf_counter() - began
    pca = PCA(25, random_state=seed).fit(data.train)
    found = {"784-500-250-25, seconds": seconds}
    found |= qualities("784-500-250-25", data, seed, stack.transform, stack.inverse_transform)
    found |= qualities("25 principal components", data, seed, pca.transform, pca.inverse_transform)
    return found | qualities("pixels", data, seed, lambda images: images, None)


def qualities(
    name: str, data: Data, seed: int, encode: Callable[..., Any], decode: Callable[..., Any] | None
) -> dict[str, float]:
    """How well codes give images back, and how well they tell them apart."""
    from sklearn.cluster import KMeans
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train, test = encode(data.train), encode(data.test)
    found = {}
    if decode:
        squared = float(((np.clip(decode(test), 0, 1) - data.test) ** 2).mean())
        found[f"{name}, PSNR dB"] = -10 * float(np.log10(squared))
    nearest = KNeighborsClassifier(1).fit(train, data.labels)
    found[f"{name}, 1-NN %"] = 100 * nearest.score(test, data.test_labels)
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(train, data.labels)
    found[f"{name}, linear probe %"] = 100 * probe.score(test, data.test_labels)
    clusters = KMeans(10, n_init=10, random_state=seed).fit(train)
    found[f"{name}, k-means %"] = 100 * cluster_accuracy(clusters.predict(test), data.test_labels)
    return found


def cluster_accuracy(clusters: Any, labels: Any) -> float:
    """The share of images in the cluster of their label, where labels have one each, matched for the best."""
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((10, 10), int)
    np.add.at(counts, (clusters, labels), 1)
    return float(counts[linear_sum_assignment(-counts)].sum() / len(labels))


PARTS = {"wide": wide, "article": article, "codes": codes, "best": best}


def main() -> None:
    """Trains, and prints what was found or writes it into a document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, help="a folder with MNIST's IDX files; without it they are fetched"
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=-1, help="-1 for all processors")
    parser.add_argument("--epochs", type=int, help="instead of each phase's own")
    parser.add_argument("--images", type=int, help="learn from so many only")
    parser.add_argument("--write", type=Path, help="a document that has a part between the marks")
    options = parser.parse_args()
    whole = datasets.load("mnist", options.data)
    for part in options.parts:
        rows: Row = {}
        for seed in range(options.seeds):
            data = Data(whole, options.images, seed)
            for name, value in PARTS[part](data, seed, options.epochs, options.threads).items():
                rows.setdefault(name, []).append(value)
                print(f"seed {seed}: {name}: {value:.2f}", flush=True)
        tell(table(rows, options.seeds), "mnist", options.write, part)


def table(rows: Row, seeds: int) -> str:
    """What a part found, with where it did."""
    count = f"{seeds} seeds" if seeds > 1 else "One seed"
    lines = [f"{count}. {provenance.versions().partition(',')[0]}; {provenance.machine()}.", ""]
    lines += ["| | mean | standard deviation |", "| --- | ---: | ---: |"]
    for name, values in rows.items():
        spread = f"{statistics.stdev(values):.2f}" if len(values) > 1 else ""
        lines.append(f"| {name} | {statistics.fmean(values):.2f} | {spread} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
