"""A stacked sparse denoising autoencoder learns handwritten digits, and then classifies them."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt

from quire import NotebookOutput, Range
from quire_models import (
    Adam,
    AutoencoderClassifier,
    Dataset,
    Shape,
    StackedAutoencoder,
    Step,
    checkpoint,
    confusion_matrix,
    datasets,
    diagram,
    initialisers,
    schedules,
    tile,
)

# For each size of picture: the shapes of the two codes, and what suits so much data.
LAYERS: dict[Shape, list[Shape]] = {(8, 8): [(6, 6), (4, 4)], (28, 28): [(10, 10), (5, 5)]}
EPOCHS = {"digits": 60, "mnist": 5, "fashion-mnist": 5}
BATCH = {"digits": 32, "mnist": 100, "fashion-mnist": 100}
# The wide network has so many units in each layer; the longer recipe goes on so many times as long, in
# batches of so many.
WIDE = {"digits": 256, "mnist": 1000, "fashion-mnist": 1000}
LONGER = {"digits": 1, "mnist": 6, "fashion-mnist": 6}
LARGER = {"digits": 32, "mnist": 256, "fashion-mnist": 256}


def mnist(
    log: NotebookOutput,
    dataset: Literal["digits", "mnist", "fashion-mnist"] = "digits",
    data: Path | None = None,
    epochs: Annotated[int | None, Range(1, 1000)] = None,
    noise: Annotated[float, Range(0, 10)] = 0.1,
    dropout: Annotated[float, Range(0, 0.99)] = 0.05,
    wide: Annotated[int | None, Range(1, 10_000)] = None,
    seed: int = 0,
) -> None:
    """Learns handwritten digits without their labels, then classifies them by what it has learnt.

    Args:
        dataset: what to learn: scikit-learn's digits of 8x8, or MNIST, which is fetched once.
        data: a folder that holds the IDX files, gzipped or not, instead of fetching them.
        epochs: how often each phase goes through the images; by default 60 for digits, 5 for MNIST.
        noise: the standard deviation of the noise on the input of each layer, in training.
        dropout: the share of each code that is silenced, in training.
        wide: the units of each layer of the wide network; by default 256 for digits, 1,000 for MNIST.
        seed: of first weights, noise, dropout and the order of the images.
    """
    log.h1("Handwritten digits: an autoencoder and a classifier")
    log.p("""
        An autoencoder learns to give back what it is shown, through a code much smaller than the
        picture. Nobody tells it what a digit is. This report trains one of two layers, looks at what
        its units have learnt, and then asks how well the code alone tells the digits apart.
    """)
    log.p("*The findings will stand here when the run has ended.*", key="findings")
    fetching = log.progress(label=f"fetching {dataset}")
    with log.code():
        digits = datasets.load(dataset, data, progress=fetching.update)
        print(len(digits.train_images), "pictures to learn from,", len(digits.test_images), "to test with")
    fetching.finish()
    log.image(
        tile(digits.train_images[:60].reshape(-1, *digits.shape), columns=20),
        f"The first 60 pictures of {digits.shape[0]}x{digits.shape[1]} pixels.",
        scale=max(1, 640 // (20 * digits.shape[1])),
    )
    epochs = epochs or EPOCHS[dataset]
    settings = Settings(
        digits,
        epochs=epochs,
        batch=BATCH[dataset],
        longer=LONGER[dataset] * epochs,
        larger=LARGER[dataset],
        noise=noise,
        dropout=dropout,
        wide=wide or WIDE[dataset],
        seed=seed,
    )
    stack = learn_layers(log, settings)
    tune(log, settings, stack)
    show_reconstructions(log, settings, stack)
    frozen, small = classify(log, settings, stack)
    broad = widen(log, settings, stack, small)
    tuned, best = (model.score(digits.test_images, digits.test_labels) for model in (small, broad))
    log.p(
        f"""
        **What came out:** {stack.pairs[-1].encoder.outputs} numbers give a picture of
        {len(digits.train_images[0])} pixels back with a squared error of {error_of(settings, stack):.4f}.
        Learnt without labels, they tell {frozen:.1%} of the test pictures apart; with the encoder tuned
        to the task, the same network recognises {tuned:.1%}; three layers of {settings.wide:,} units,
        {best:.1%}.
        """,
        key="findings",
    )


@dataclass
class Settings:
    """What every phase needs to know."""

    digits: Dataset
    epochs: int
    batch: int
    longer: int
    larger: int
    noise: float
    dropout: float
    wide: int
    seed: int


def learn_layers(log: NotebookOutput, s: Settings) -> StackedAutoencoder:
    """Grows the layers, one after the other, and pretrains each."""
    log.h2("Growing the layers")
    log.p(r"""
        Each layer is, in this order: Gaussian noise on its input $x$, weights, a bias, a ReLU, and
        dropout; its decoder is the transpose of the same weights, with a bias and a ReLU of its own:
    """)
    log.math(r"""
        c = \mathrm{dropout}(\max(0, (x + n) W + b)), \qquad
        \hat{x} = \max(0, c\, W^\top + b'), \qquad
        n \sim \mathcal{N}(0, \sigma^2)
    """)
    log.p(r"""
        It learns to make the mean squared error between $x$ and $\hat{x}$ small. First weights are
        local: random, under an envelope that falls with the distance between two units, both layers
        spread over the same square.
    """)
    with log.code():
        local = initialisers.RandomDistance()
        stack = StackedAutoencoder(shape=s.digits.shape, random_state=s.seed)
    for number, shape in enumerate(LAYERS[s.digits.shape], 1):
        below, units = stack.code_shape, shape[0] * shape[1]
        log.h3(f"Layer {number}: {below[0]}x{below[1]} to {shape[0]}x{shape[1]}")
        with log.code():
            pair = stack.grow(shape, noise=s.noise, dropout=s.dropout, initialiser=local)
            steps = stack.pretrain(s.digits.train_images, epochs=s.epochs, batch=s.batch)
            follow(log, steps, f"Layer {number}: squared error")
        log.p(f"""
            What each of the {units} units stands for: the picture of the code in which this unit alone
            is on, stretched from black to white.
        """)
        show_units(log, stack, number - 1, f"The {units} units of layer {number}, before tuning.")
        alive = log.code(lambda: int((stack.transform(s.digits.test_images) > 0).any(axis=0).sum()))
        log.p(f"{alive} of {pair.encoder.outputs} units answer to at least one test picture.")
    log.image(
        diagram(stack), "The network, as far as it has grown: from the picture through the code and back."
    )
    return stack


def tune(log: NotebookOutput, s: Settings, stack: StackedAutoencoder) -> None:
    """Trains all layers together, each decoder with weights of its own."""
    log.h2("Tuning them together")
    log.p("""
        So far each layer knew only the one below it. Now the decoders get weights of their own, and
        all layers learn to give back the *picture*.
    """)
    before = error_of(s, stack)
    with log.code():
        stack.untie()
        steps = stack.tune(s.digits.train_images, epochs=s.epochs, batch=s.batch)
        follow(log, steps, "All layers: squared error")
    after = error_of(s, stack)
    log.table(
        [
            quality("each layer for itself", before),
            quality("tuned together", after),
            quality("the mean picture, for comparison", error_of_mean(s.digits)),
        ],
        f"How well {len(s.digits.test_images):,} test pictures come back from "
        f"{stack.pairs[-1].encoder.outputs} numbers each.",
        formats={"squared error": ".4f", "PSNR (dB)": ".1f"},
    )
    top = len(stack.pairs) - 1
    show_units(log, stack, top, "The units of the top layer, after tuning.", key="thumbnail")


def show_reconstructions(log: NotebookOutput, s: Settings, stack: StackedAutoencoder) -> None:
    """Inputs beside what comes back of them."""
    log.h2("Inputs and reconstructions")
    images = s.digits.test_images[:10]
    back = log.code(lambda: stack.reconstruct(images))
    codes = stack.transform(images)
    log.table(
        {
            "input": images.reshape(-1, *s.digits.shape),
            "code": list((codes / codes.max()).reshape(-1, *stack.code_shape)),
            "reconstruction": np.clip(back, 0, 1).reshape(-1, *s.digits.shape),
            "label": s.digits.test_labels[:10],
            "squared error": ((back - images) ** 2).mean(axis=1),
        },
        "The first 10 test pictures. All that passes from left to right is the code in between.",
        formats={"squared error": ".4f"},
    )


def classify(
    log: NotebookOutput, s: Settings, stack: StackedAutoencoder
) -> tuple[float, AutoencoderClassifier]:
    """Tells the digits apart: by the code as it is, then with the encoder tuned to the task.

    Returns:
        The share of the test pictures recognised before tuning, and the classifier after it.
    """
    log.h2("Telling them apart")
    log.p("""
        A softmax layer learns the labels from the code. First the encoder is left as it is, so that
        the figure says what the code, learnt without any label, already knows.
    """)
    digits = s.digits
    with log.code():
        model = AutoencoderClassifier(stack, random_state=s.seed)
        steps = model.train_head(digits.train_images, digits.train_labels, epochs=s.epochs, batch=s.batch)
        follow(log, steps, "Softmax layer: cross-entropy")
    frozen = log.code(lambda: model.score(digits.test_images, digits.test_labels))
    log.p(f"""
        **{frozen:.2%}** of the test pictures are recognised by {stack.pairs[-1].encoder.outputs} numbers
        that were learnt without labels. Then the encoder learns too:
    """)
    with log.code():
        steps = model.fine_tune(
            digits.train_images, digits.train_labels, epochs=s.epochs, batch=s.batch, optimiser=Adam(2e-3)
        )
        follow(log, steps, "Encoder and softmax layer: cross-entropy")
    tuned = log.code(lambda: model.score(digits.test_images, digits.test_labels))
    predicted = model.predict(digits.test_images)
    log.p(f"With its encoder tuned to the task, the same network recognises **{tuned:.2%}**.")
    log.metadata(accuracy_frozen=round(frozen, 4), accuracy_tuned=round(tuned, 4))
    show_confusion(log, digits, predicted)
    show_errors(log, digits, model.predict_proba(digits.test_images), "The worst errors")
    log.p("The network, to be loaded with `quire_models.checkpoint.load`:")
    log.file(lambda path: checkpoint.save(model, path), "classifier.safetensors")
    return frozen, model


def widen(
    log: NotebookOutput, s: Settings, stack: StackedAutoencoder, model: AutoencoderClassifier
) -> AutoencoderClassifier:
    """Asks what the small network lacks: a better recipe, or room.

    Returns:
        The classifier that has both.
    """
    log.h2("A better recipe, or more room?")
    log.p(f"""
        Which of them takes more errors away? First the small network learns once more from where it was
        before it saw a label, by a recipe of today: {s.longer} epochs, at a rate that rises and then falls
        along half a cosine; more noise on the picture; weights that are averaged over the last steps, and
        kept short. Then three layers of {s.wide:,} units learn by the same recipe, from random weights.
    """)
    digits = s.digits
    with log.code():
        small = copy.deepcopy(stack)
        small.pairs[0].encoder.noise, small.pairs[1].encoder.noise = 0.3, 0.0
        wide = StackedAutoencoder(shape=digits.shape, random_state=s.seed)
        for noise in (0.3, 0.0, 0.0):
            wide.grow(s.wide, noise=noise, dropout=0.2, initialiser="he")
        models = []
        for network, name in ((small, "small"), (wide, "wide")):
            models.append(AutoencoderClassifier(network, random_state=s.seed))
            steps = models[-1].fine_tune(
                digits.train_images,
                digits.train_labels,
                epochs=s.longer,
                batch=s.larger,
                optimiser=Adam(1e-3, max_norm=3.0),
                schedule=schedules.Cosine(warmup=0.05),
                average=0.999,
            )
            follow(log, steps, "By the longer recipe: cross-entropy", name)
    names = ("small, as above", "small, by the longer recipe", "wide, by the longer recipe")
    rows = [compared(name, each, digits) for name, each in zip(names, (model, *models), strict=True)]
    log.table(
        rows,
        f"What is recognised of {len(digits.train_images):,} pictures that the networks learnt from, and of "
        f"{len(digits.test_images):,} others.",
        formats={"parameters": ",", "of learnt ones": ".2%", "of others": ".2%"},
    )
    log.p(reason(rows))
    log.metadata(accuracy_wide=round(float(rows[-1]["of others"]), 4))
    show_errors(log, digits, models[1].predict_proba(digits.test_images), "What the wide network gets wrong")
    return models[1]


def compared(name: str, model: AutoencoderClassifier, digits: Dataset) -> dict[str, Any]:
    """A row of the table of networks."""
    layers = [*model.encoders_, model.head_]
    return {
        "network": name,
        "parameters": sum(layer.weights.size + layer.bias.size for layer in layers),
        "narrowest layer": min(layer.outputs for layer in model.encoders_),
        "of learnt ones": model.score(digits.train_images, digits.train_labels),
        "of others": model.score(digits.test_images, digits.test_labels),
        "errors": int((model.predict(digits.test_images) != digits.test_labels).sum()),
    }


def reason(rows: list[dict[str, Any]]) -> str:
    """In words, what the recipe gives and what the room gives, by the table."""
    first, small, wide = (row["errors"] for row in rows)
    lost = 1 - rows[1]["of learnt ones"]
    told = f"The recipe alone takes {first} errors to {small}; the room, {small} to {wide}. "
    mistaken = 1 - rows[2]["of learnt ones"]
    if lost <= mistaken:
        return told + "Of the pictures that they learnt from, both recognise about as many."
    return told + (
        f"Of the pictures that they learnt from, the small network still takes {lost:.2%} for another digit, "
        f"the wide one {mistaken:.2%}: {rows[1]['narrowest layer']} numbers do not hold all that "
        "tells them apart."
    )


def show_confusion(log: NotebookOutput, digits: Dataset, predicted: npt.NDArray[Any]) -> None:
    """The confusion matrix, with the accuracy for each class."""
    log.h3("What is taken for what")
    counts = log.code(lambda: confusion_matrix(digits.test_labels, predicted, digits.classes))
    rows = [
        {
            "true": label,
            **{str(other): n for other, n in enumerate(row)},
            "recognised": row[label] / row.sum(),
        }
        for label, row in enumerate(counts)
    ]
    log.table(rows, "Rows: the label; columns: what was recognised.", formats={"recognised": ".1%"})
    off = counts - np.diag(np.diag(counts))
    true, taken = np.unravel_index(off.argmax(), off.shape)
    log.p(f"""
        {off.sum()} of {counts.sum():,} are taken for another; most often a {true} for a {taken},
        {off.max()} times.
    """)


def show_errors(log: NotebookOutput, digits: Dataset, probabilities: npt.NDArray[Any], title: str) -> None:
    """The errors of which the network was most certain."""
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != digits.test_labels)
    worst = wrong[np.argsort(-probabilities[wrong, predicted[wrong]])][:10]
    if not len(worst):
        return
    log.h3(title)
    log.table(
        {
            "picture": digits.test_images[worst].reshape(-1, *digits.shape),
            "label": digits.test_labels[worst],
            "taken for": predicted[worst],
            "with probability": probabilities[worst, predicted[worst]],
            "probability of the label": probabilities[worst, digits.test_labels[worst]],
        },
        "The errors of which the network was most certain.",
        formats={"with probability": ".1%", "probability of the label": ".1%"},
    )


def follow(log: NotebookOutput, steps: Iterator[Step], title: str, curve: str = "loss") -> None:
    """Shows the progress of a training, and draws its loss as means over a hundredth of it."""
    losses: list[float] = []
    bar = log.progress(label=title if curve == "loss" else f"{title}, {curve}")
    for step in steps:
        losses.append(step.loss)
        bar.update(step.number, step.total)
        if step.number % max(1, step.total // 100) == 0:
            log.metric(curve, step.number, np.mean(losses), chart=title)
            losses.clear()
    bar.finish()


def show_units(
    log: NotebookOutput, stack: StackedAutoencoder, number: int, caption: str, key: str | None = None
) -> None:
    """The picture of each unit of a code, in the order of the code's own square."""
    shape = stack.pairs[number].outputs
    sheet = tile(stack.probe(number, intensity=10), columns=shape[1], stretch=True)
    log.image(sheet, caption, scale=max(1, 400 // sheet.shape[0]), key=key)


def error_of(s: Settings, stack: StackedAutoencoder) -> float:
    """The mean squared error over the test pictures."""
    return float(((stack.reconstruct(s.digits.test_images) - s.digits.test_images) ** 2).mean())


def error_of_mean(digits: Dataset) -> float:
    """How well the mean picture does, whatever it is asked for."""
    return float(((digits.test_images - digits.train_images.mean(axis=0)) ** 2).mean())


def quality(stage: str, error: float) -> dict[str, str | float]:
    """A row of a table: a squared error, and as peak signal-to-noise ratio."""
    return {"stage": stage, "squared error": error, "PSNR (dB)": -10 * float(np.log10(error))}
