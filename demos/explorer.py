"""An autoencoder to play with: it trains while you watch, and answers sliders and drawings meanwhile."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import PIL.Image
import PIL.ImageDraw

from quire import NotebookOutput, Range
from quire_models import (
    Adam,
    AutoencoderClassifier,
    Dataset,
    Shape,
    StackedAutoencoder,
    Step,
    datasets,
    initialisers,
    steps_in,
    tile,
)

Pixels = npt.NDArray[np.float32]

EPOCHS = {"digits": 200, "mnist": 5}
BATCH = {"digits": 32, "mnist": 100}
# For each size of picture: the shapes of the two codes, of the pad, and the box that its digits fill.
LAYERS: dict[Shape, list[Shape]] = {(8, 8): [(6, 6), (5, 5)], (28, 28): [(10, 10), (5, 5)]}
PAD: dict[Shape, tuple[int, int]] = {(8, 8): (16, 16), (28, 28): (28, 28)}
BOX: dict[Shape, int] = {(8, 8): 8, (28, 28): 20}
# A training is looked at so often from its first step to its last, or more often if it is long.
LOOKS = 50
MOST_BETWEEN = 500
# How many pictures are shown before and after.
SHOWN = 8


def explorer(
    log: NotebookOutput,
    dataset: Literal["digits", "mnist"] = "digits",
    data: Path | None = None,
    epochs: Annotated[int | None, Range(1, 1_000_000)] = None,
    quick: bool = False,
    seed: int = 0,
) -> None:
    """Trains an autoencoder and a classifier side by side, with both in the reader's hand.

    Args:
        dataset: what to learn: scikit-learn's digits of 8x8, or MNIST, which is fetched once.
        data: a folder that holds the IDX files, gzipped or not, instead of fetching them.
        epochs: how often to go through the images while you play; by default 200 for digits, 5 for
            MNIST. Served, give it many: stop ends the training, and the report is whole.
        quick: a tenth of the epochs, to see that all works.
        seed: of first weights, noise, dropout and the order of the images.
    """
    log.h1("An autoencoder to play with")
    log.p("""
        Two networks learn side by side from the same handwritten digits: an **autoencoder**, which
        gives each picture back from a code of 25 numbers, and a **classifier**, which says which digit
        it is. Under `quire serve` this page is a workbench: set the learning rate and the noise while
        they train, draw a digit, move the numbers of a code, and see what the networks make of it *as
        they are at this moment*. Pause the run, and they wait; all else goes on answering.
    """)
    log.p("*The findings will stand here when the run has ended.*", key="findings")
    share = 10 if quick else 1
    bench = first_networks(log, dataset, data, max(1, EPOCHS[dataset] // 10 // share), seed)
    offer_settings(log, bench)
    offer_pad(log, bench)
    offer_code(log, bench)
    offer_pages(log, bench)
    log.on_close(lambda: conclude(log, bench))
    train(log, bench, max(1, (epochs or EPOCHS[dataset]) // share))
    show_units(log, bench)


@dataclass
class Workbench:
    """Both networks, how they learn, and what has been seen of them.

    Attributes:
        views: each shows a part of the page anew, with the networks as they are.
        history: a row for each look at the test pictures.
    """

    digits: Dataset
    batch: int
    stack: StackedAutoencoder
    classifier: AutoencoderClassifier
    optimisers: tuple[Adam, Adam] = field(default_factory=lambda: (Adam(), Adam()))
    views: list[Callable[[], None]] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def example(self) -> int:
        """The number of the first 3 among the test pictures."""
        return int(np.flatnonzero(self.digits.test_labels == 3)[0])

    @property
    def reach(self) -> Pixels:
        """The greatest value of each unit of the code over the first 1,000 pictures to learn from."""
        greatest: Pixels = self.stack.transform(self.digits.train_images[:1000]).max(axis=0)
        return np.maximum(greatest, np.float32(1e-6))


def first_networks(
    log: NotebookOutput, dataset: Literal["digits", "mnist"], data: Path | None, epochs: int, seed: int
) -> Workbench:
    """Loads the pictures, and teaches both networks just enough to be of interest."""
    log.h2("Two networks, hardly trained")
    fetching = log.progress(label=f"fetching {dataset}")
    with log.code():
        digits = datasets.load(dataset, data, progress=fetching.update)
        print(len(digits.train_images), "pictures to learn from,", len(digits.test_images), "to test with")
    fetching.finish()
    log.p("""
        The autoencoder has two layers. Each begins with local weights, and learns for a moment to give
        back what the one below it says. Then the decoders get weights of their own; the classifier gets
        a copy of the encoders, with a softmax layer on top.
    """)
    batch = BATCH[dataset]
    with log.code():
        local = initialisers.RandomDistance()
        stack = StackedAutoencoder(shape=digits.shape, random_state=seed)
        for shape in LAYERS[digits.shape]:
            stack.grow(shape, noise=0.1, dropout=0.05, initialiser=local)
            steps = stack.pretrain(digits.train_images, epochs=epochs, batch=batch)
            follow(log, steps, f"pretraining {shape[0]}x{shape[1]} units")
        stack.untie()
        classifier = AutoencoderClassifier(stack, random_state=seed)
        steps = classifier.train_head(digits.train_images, digits.train_labels, epochs=epochs, batch=batch)
        follow(log, steps, "the softmax layer")
    return Workbench(digits, batch, stack, classifier)


def offer_settings(log: NotebookOutput, bench: Workbench) -> None:
    """Lets the reader turn what the training depends on."""
    log.h2("How they learn")
    log.p("""
        These take effect at the next step, for both networks. The noise is added to the input of each
        layer, where a picture goes from 0 to 1; the dropout is the share of each code that is silenced.
    """)
    encoders = [pair.encoder for pair in bench.stack.pairs] + list(bench.classifier.encoders_)

    @log.interact(
        "Settings",
        exponent=log.slider("learning rate: 10 to the power of", -5, -1, value=-3, step=0.25),
        noise=log.slider("noise", 0, 1, value=0.1, step=0.05),
        dropout=log.slider("dropout", 0, 0.9, value=0.05, step=0.05),
    )
    def settle(exponent: float, noise: float, dropout: float) -> None:
        for optimiser in bench.optimisers:
            optimiser.rate = 10**exponent
        for encoder in encoders:
            encoder.noise, encoder.dropout = noise, dropout


def offer_pad(log: NotebookOutput, bench: Workbench) -> None:
    """Lets the reader draw a digit, and shows what both networks make of it."""
    log.h2("A digit of your own")
    log.p("""
        What is drawn is cut out and scaled as the pictures of the dataset were, before the networks see
        it. It is shown anew as they learn.
    """)
    pad = log.sketch("a digit", *PAD[bench.digits.shape])

    @log.interact("Draw a digit", drawing=pad)
    def recognise(drawing: Pixels) -> None:
        show_drawing(log, bench, drawing)

    bench.views.append(lambda: show_drawing(log, bench, pad.value))


def show_drawing(log: NotebookOutput, bench: Workbench, drawing: Pixels) -> None:
    """What both networks make of a drawing; of an example, as long as there is none."""
    is_example = not drawing.any()
    if is_example:
        drawing = seven(*drawing.shape)
    picture = like_the_dataset(drawing, bench.digits.shape)
    code, (probabilities,) = bench.stack.transform(picture), bench.classifier.predict_proba(picture)
    first, second = (f"{n} ({probabilities[n]:.1%})" for n in np.argsort(-probabilities)[:2])
    row = {
        "drawn": drawing,
        "as seen": picture[0],
        "its code": as_picture(code, bench),
        "given back": squares(bench, bench.stack.inverse_transform(code))[0],
        "taken for": first,
        "or else": second,
    }
    told = "An example, a 7 of two strokes, as long as nothing is drawn." if is_example else "Your drawing."
    log.table([row], told, key="drawing")


def seven(height: int, width: int) -> Pixels:
    """A 7 of two strokes."""
    image = PIL.Image.new("L", (8 * width, 8 * height))
    corners = [(1.6 * width, 1.6 * height), (6.4 * width, 1.6 * height), (3.2 * width, 6.8 * height)]
    PIL.ImageDraw.Draw(image).line(corners, fill=255, width=width, joint="curve")
    return np.asarray(image.resize((width, height)), np.float32) / np.float32(255)


def like_the_dataset(drawing: Pixels, shape: Shape) -> Pixels:
    """A drawing scaled to the box that digits fill, its centre of mass near the middle: (1, *shape)."""
    rows, columns = (np.flatnonzero(drawing.any(axis=axis)) for axis in (1, 0))
    cut = drawing[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = BOX[shape] / max(cut.shape)
    height, width = (max(1, round(scale * n)) for n in cut.shape)
    small = np.asarray(PIL.Image.fromarray(cut).resize((width, height), PIL.Image.Resampling.BILINEAR))
    places = np.indices(small.shape).reshape(2, -1) + 0.5
    middle = (places * small.ravel()).sum(axis=1) / small.sum()
    top, left = np.clip(np.round(np.array(shape) / 2 - middle).astype(int), 0, np.array(shape) - small.shape)
    picture = np.zeros((1, *shape), np.float32)
    picture[0, top : top + height, left : left + width] = small / small.max()
    return picture


def offer_code(log: NotebookOutput, bench: Workbench) -> None:
    """Lets the reader move each number of a code, and shows what it then stands for."""
    log.h2("The numbers of a code")
    log.p("""
        Each of the 25 sliders adds to what one unit says of a test picture: 1 is the most that the unit
        says of any picture. No unit says less than 0.
    """)
    last = len(bench.digits.test_labels) - 1
    number = log.number("test picture", bench.example, least=0, greatest=last, step=1)
    units = [log.slider(f"unit {n}", -1, 1, value=0.0, step=0.05) for n in range(1, 26)]

    def show_again() -> None:
        show_moved(log, bench, int(number.value), [unit.value for unit in units])

    show_again()
    bench.views.append(show_again)

    @log.interact("Move the numbers", number=number, moves=units)
    def moved(number: float, moves: Sequence[float]) -> None:
        show_moved(log, bench, int(number), moves)


def show_moved(log: NotebookOutput, bench: Workbench, number: int, moves: Sequence[float]) -> None:
    """A test picture, its code, the code with its numbers moved, and the picture of that."""
    shape = bench.digits.shape
    picture = bench.digits.test_images[[number]]
    code = bench.stack.transform(picture)
    changed = np.maximum(0, code + np.asarray(moves, np.float32) * bench.reach)
    given_back, stands_for = squares(bench, bench.stack.inverse_transform(np.concatenate([code, changed])))
    row = {
        "picture": picture.reshape(shape),
        "its code": as_picture(code, bench),
        "given back": given_back,
        "the code, moved": as_picture(changed, bench),
        "what that stands for": stands_for,
    }
    log.table([row], f"Test picture {number}, a {bench.digits.test_labels[number]}.", key="moved")


def as_picture(code: Pixels, bench: Workbench) -> Pixels:
    """The code of one picture as a square of greys, white where a unit says as much as it ever does."""
    shares: Pixels = np.clip(code / bench.reach, 0, 1)
    return shares.reshape(bench.stack.code_shape)


def offer_pages(log: NotebookOutput, bench: Workbench) -> None:
    """Offers pages that are written when a reader asks for them, by the networks as they are then."""

    @log.page("history")
    def history(page: NotebookOutput) -> None:
        page.h1("History")
        page.p("What looks at the test pictures saw, and the settings at that moment; the latest first.")
        page.table(
            bench.history[:: -max(1, len(bench.history) // LOOKS)],
            formats={"squared error": ".4f", "recognised": ".1%", "learning rate": ".2g"},
        )

    @log.page("reconstructions")
    def reconstructions(page: NotebookOutput, count: Annotated[int, Range(1, 200)] = 20) -> None:
        page.h1("Reconstructions")
        page.table(reconstructed(bench, count), "The first test pictures.", formats={"squared error": ".4f"})

    @log.page("representation")
    def representation(page: NotebookOutput) -> None:
        page.h1("Representation")
        page.p("The picture of each code in which one unit alone is on, from black to white.")
        for layer, pair in enumerate(bench.stack.pairs):
            sheet = tile(bench.stack.probe(layer, intensity=10), columns=pair.outputs[1], stretch=True)
            page.image(sheet, f"Layer {layer + 1}.", scale=max(1, 400 // sheet.shape[0]))


def reconstructed(bench: Workbench, count: int) -> dict[str, Any]:
    """A table of the first test pictures, with what both networks make of them."""
    images = bench.digits.test_images[:count]
    back = bench.stack.reconstruct(images)
    return {
        "picture": squares(bench, images),
        "given back": squares(bench, back),
        "squared error": ((back - images) ** 2).mean(axis=1),
        "label": bench.digits.test_labels[:count],
        "taken for": bench.classifier.predict(images),
    }


def train(log: NotebookOutput, bench: Workbench, epochs: int) -> None:
    """Trains both networks a step at a time, and looks at them now and then."""
    log.h2("Training")
    log.p("""
        Both networks take a step in turn: the autoencoder to give back each picture without its noise,
        the classifier to tell its label. Between two steps, readers are answered.
    """)
    look(log, bench, 0)
    images, labels, classifier = bench.digits.train_images, bench.digits.train_labels, bench.classifier
    coding, telling = bench.optimisers
    before = bench.stack.reconstruct(bench.digits.test_images[:SHOWN])
    every = min(max(1, steps_in(len(images), epochs=epochs, batch=bench.batch) // LOOKS), MOST_BETWEEN)
    with log.code():
        tuning = bench.stack.tune(images, epochs=epochs, batch=bench.batch, optimiser=coding)
        learning = classifier.fine_tune(images, labels, epochs=epochs, batch=bench.batch, optimiser=telling)
        both = zip(tuning, learning, strict=True)
        for step, _ in log.progress(both, "training", tuning.total):
            if step.number % every == 0:
                look(log, bench, step.number)
    if bench.history[-1]["step"] != tuning.number:
        look(log, bench, tuning.number)
    table = reconstructed(bench, SHOWN)
    log.table(
        {"picture": table.pop("picture"), "given back before": squares(bench, before)} | table,
        f"The first {SHOWN} test pictures, before the training and after it.",
        formats={"squared error": ".4f"},
    )


def look(log: NotebookOutput, bench: Workbench, step: int) -> None:
    """Measures both networks on the test pictures, and shows again what shows them."""
    digits = bench.digits
    row = {
        "step": step,
        "squared error": -bench.stack.score(digits.test_images),
        "recognised": bench.classifier.score(digits.test_images, digits.test_labels),
        "learning rate": bench.optimisers[0].rate,
        "noise": bench.stack.pairs[0].encoder.noise,
        "dropout": bench.stack.pairs[0].encoder.dropout,
    }
    bench.history.append(row)
    for view in bench.views:
        view()
    for name in ("squared error", "recognised"):
        log.metric(name, step, row[name], chart=f"Test pictures: {name}")


def show_units(log: NotebookOutput, bench: Workbench) -> None:
    """What the units that matter most to one picture do to it."""
    log.h2("What a unit does")
    number = bench.example
    code = bench.stack.transform(bench.digits.test_images[[number]])
    moves = np.linspace(-1, 1, 7, dtype=np.float32)
    units = np.eye(code.shape[1], dtype=np.float32) * bench.reach
    codes = np.maximum(0, code + moves[None, :, None] * units[:, None, :])
    pictures = squares(bench, bench.stack.inverse_transform(codes.reshape(-1, code.shape[1])))
    pictures = pictures.reshape(len(units), len(moves), *bench.digits.shape)
    change = ((pictures[:, -1] - pictures[:, 0]) ** 2).mean(axis=(1, 2))
    strongest = np.argsort(-change)[:5]
    log.p(f"""
        The same as the sliders above do, for the five units that change test picture {number} most:
        units {", ".join(str(unit + 1) for unit in strongest)}, a row for each, moved from -1 to 1 in
        steps of a third; in the middle the picture as its code gives it back.
    """)
    sheet = tile(pictures[strongest].reshape(-1, *bench.digits.shape), columns=len(moves))
    log.image(
        sheet, f"Test picture {number}, with one unit of its code moved.", scale=max(1, 480 // sheet.shape[1])
    )


def conclude(log: NotebookOutput, bench: Workbench) -> None:
    """Says what came out; also of a training that was stopped."""
    if not bench.history:
        return
    for view in bench.views:
        view()
    first, last = bench.history[0], bench.history[-1]
    error = compared(first["squared error"], last["squared error"], ".4f")
    share = compared(first["recognised"], last["recognised"], ".1%")
    log.p(
        f"""
        **What came out:** in {last["step"]:,} steps, the squared error of the test pictures, given back
        from {len(bench.reach)} numbers each, {error}; the share of them that the classifier recognises
        {share}.
        """,
        key="findings",
    )
    log.p("Live, these pages are written when a reader asks for them; here, they were when the run ended:")
    log.metadata(squared_error=round(last["squared error"], 5), recognised=round(last["recognised"], 4))


def compared(before: float, after: float, form: str) -> str:
    """In words, how a number has changed."""
    verb = "fell" if after < before else "rose" if after > before else "stayed"
    return (
        f"{verb} from {before:{form}} to {after:{form}}" if verb != "stayed" else f"stayed at {after:{form}}"
    )


def follow(log: NotebookOutput, steps: Iterator[Step], label: str) -> None:
    """Takes all steps of a training, and shows how far it has come."""
    bar = log.progress(label=label)
    for step in steps:
        bar.update(step.number, step.total)
    bar.finish()


def squares(bench: Workbench, images: Pixels) -> Pixels:
    """Rows of pixels as pictures, from 0 to 1."""
    return np.clip(images, 0, 1).reshape(-1, *bench.digits.shape)
