"""One small denoising autoencoder: what it learns, and what its code is good for; made to be swept."""

from typing import Annotated

import numpy as np
from sklearn.linear_model import RidgeClassifier

from quire import NotebookOutput, Range
from quire_models import Dataset, DenoisingAutoencoder, datasets, tile

# How strongly a unit is on whose picture is shown.
INTENSITY = 10.0
# So many digits are shown with their noise taken off.
SHOWN = 10


def denoising(
    log: NotebookOutput,
    hidden: Annotated[int, Range(1, 1024)] = 36,
    noise: Annotated[float, Range(0, 10)] = 0.2,
    dropout: Annotated[float, Range(0, 0.99)] = 0.0,
    epochs: Annotated[int, Range(1, 1000)] = 20,
    seed: int = 0,
) -> None:
    """Trains one denoising autoencoder on the embedded digits, and tries what its code is good for.

    Args:
        hidden: how many units the code has.
        noise: the standard deviation of the noise on the input, in training; white is 1.
        dropout: the share of the code that is silenced, in training.
        epochs: how often to go through the pictures.
        seed: of first weights, noise, dropout and the order of the pictures.
    """
    log.h1("One denoising autoencoder")
    log.p(f"""
        A network of one layer is shown digits with noise on them, and learns to give them back without.
        It has {hidden} numbers, its code, to do so. Is more noise better, and does it help to silence a
        part of the code? One run cannot say; `quire sweep` makes as many as it takes.
    """)
    log.p("*The findings will stand here when the run has ended.*", key="findings")
    with log.code():
        digits = datasets.load("digits")
        print(len(digits.train_images), "to learn from,", len(digits.test_images), "to test with")
    model = learn(log, digits, hidden, noise, dropout, epochs, seed)
    show(log, digits, model, noise, seed)
    measure(log, digits, model)


def learn(
    log: NotebookOutput, digits: Dataset, hidden: int, noise: float, dropout: float, epochs: int, seed: int
) -> DenoisingAutoencoder:
    """Trains the autoencoder, and draws its errors epoch by epoch."""
    log.h2("Learning")
    with log.code():
        model = DenoisingAutoencoder(hidden, shape=digits.shape, batch=32, random_state=seed)
        model.set_params(noise=noise, dropout=dropout)
        for epoch in log.progress(range(1, epochs + 1), "epochs"):
            model.partial_fit(digits.train_images)
            learnt, new = -model.score(digits.train_images), -model.score(digits.test_images)
            log.metrics(epoch, learnt=learnt, new=new, chart="Squared error")
    log.p("""
        The squared error is that of clean pictures, a mean over their pixels: of those that are *learnt*
        from, and of *new* ones.
    """)
    return model


def show(log: NotebookOutput, digits: Dataset, model: DenoisingAutoencoder, noise: float, seed: int) -> None:
    """Shows what each unit stands for, and digits with their noise taken off."""
    log.h2("What the units stand for")
    units = model.probe(0, INTENSITY).reshape(-1, *digits.shape)
    log.image(
        tile(units, stretch=True),
        f"What the decoder makes of each of the {len(units)} units alone, stretched from black to white.",
        scale=6,
        key="thumbnail",
    )
    log.h2("What it takes off")
    with log.code():
        clean = digits.test_images[:SHOWN]
        random = np.random.default_rng(seed)
        noisy = clean + random.normal(0, noise, clean.shape).astype(np.float32)
        back = model.reconstruct(noisy)
    rows = np.concatenate([clean, noisy, back]).clip(0, 1).reshape(-1, *digits.shape)
    log.image(tile(rows, columns=SHOWN), "New digits; with noise; and what comes back.", scale=6)


def measure(log: NotebookOutput, digits: Dataset, model: DenoisingAutoencoder) -> None:
    """How well pictures come back, and how well the code tells the digits apart."""
    log.h2("What it is good for")
    log.p("""
        A linear classifier, the *probe*, is taught to tell the digits by the code alone. The code was learnt
        without their names: the better the probe, the more of what makes a digit stands in the code.
    """)
    with log.code():
        learnt, new = model.transform(digits.train_images), model.transform(digits.test_images)
        probe = RidgeClassifier().fit(learnt, digits.train_labels)
        accuracy = float(probe.score(new, digits.test_labels))
        error = -model.score(digits.test_images)
    log.metadata(accuracy=round(accuracy, 4), squared_error=round(error, 5))
    log.p(
        f"**What came out:** new digits come back with a squared error of {error:.4f}, and the probe "
        f"recognises {accuracy:.1%} of them.",
        key="findings",
    )
