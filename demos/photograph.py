"""An autoencoder learns the tiles of a photograph, and gives the photograph back from their codes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import PIL.Image
from sklearn.datasets import load_sample_image
from sklearn.decomposition import PCA

from quire import NotebookOutput, Range
from quire_models import Adam, Shape, StackedAutoencoder, Step, checkpoint, tile

Floats = npt.NDArray[np.float32]

SIDE = 10
TILE: Shape = (SIDE, SIDE, 3)
LAYERS: list[Shape] = [(5, 5, 3), (3, 3, 3)]
LARGEST = 640


def photograph(
    log: NotebookOutput,
    image: Path | None = None,
    tiles: Annotated[int, Range(100, 1_000_000)] = 20_000,
    epochs: Annotated[int, Range(1, 1000)] = 20,
    noise: Annotated[float, Range(0, 10)] = 0.01,
    dropout: Annotated[float, Range(0, 0.99)] = 0.0,
    seed: int = 0,
    quick: bool = False,
) -> None:
    """Learns the tiles of one photograph, and rebuilds it, and another one, from their codes.

    Args:
        image: a picture of any format; without it, a photograph that comes with scikit-learn. One that
            is larger than 640 pixels is made smaller.
        tiles: how many tiles to learn from, cut out at random places.
        epochs: how often each phase goes through the tiles.
        noise: the standard deviation of the noise on the input of each layer, in training.
        dropout: the share of each code that is silenced, in training. While decoders have the
            encoders' weights, it takes little to keep them from learning such pictures.
        seed: of the tiles, first weights, noise and dropout.
        quick: whether to learn from fewer tiles, less often, to see that it works.
    """
    log.h1("A photograph in tiles")
    log.p(f"""
        A photograph is cut into tiles of {SIDE}x{SIDE} pixels in three colours, {np.prod(TILE)} numbers
        each. An autoencoder learns to give them back through {np.prod(LAYERS[-1])} numbers. Then the
        photograph is put together again from the codes of its tiles, and so is another one, which the
        autoencoder has never seen.
    """)
    log.p("*The findings will stand here when the run has ended.*", key="findings")
    tiles, epochs = (2_000, 5) if quick else (tiles, epochs)
    picture = opened(image) if image else sample("china.jpg")
    lesson = show_tiles(log, picture, tiles, seed)
    stack = learn_layers(log, lesson, epochs, noise, dropout, seed)
    tune(log, lesson, stack, epochs)
    show_rebuilt(log, picture, stack)
    peers = compare(log, picture, lesson, stack)
    rates = show_bits(log, picture, stack)
    log.p(f"**What came out:** {peers} {rates}", key="findings")
    log.p("The network, to be loaded with `quire_models.checkpoint.load`:")
    log.file(lambda path: checkpoint.save(stack, path), "tiles.safetensors")


def show_tiles(log: NotebookOutput, picture: Floats, count: int, seed: int) -> Floats:
    """The photograph, and tiles out of it to learn from, of shape (tiles, *TILE)."""
    log.h2("The photograph and its tiles")
    height, width = picture.shape[:2]
    log.image(picture, f"The photograph: {width}x{height} pixels.", scale=1)
    log.p("Tiles are cut out at random places, so that they overlap and no edge is preferred:")
    with log.code():
        random = np.random.default_rng(seed)
        rows = random.integers(0, height - SIDE + 1, count)
        columns = random.integers(0, width - SIDE + 1, count)
        lesson = np.stack([picture[y : y + SIDE, x : x + SIDE] for y, x in zip(rows, columns, strict=True)])
        print(len(lesson), "tiles of shape", lesson.shape[1:])
    log.image(tile(lesson[:96], columns=24), "The first 96 of them.", scale=2)
    return lesson


def learn_layers(
    log: NotebookOutput, lesson: Floats, epochs: int, noise: float, dropout: float, seed: int
) -> StackedAutoencoder:
    """Grows the layers, one after the other, and pretrains each."""
    log.h2("Growing the layers")
    log.p("""
        A code has three dimensions as a tile has: rows, columns and *bands*, as a tile has colours.
        Each layer is pretrained on the codes of the one below, with the decoder's weights tied to the
        encoder's.
    """)
    with log.code():
        stack = StackedAutoencoder(shape=TILE, random_state=seed)
    for number, shape in enumerate(LAYERS, 1):
        log.h3(f"Layer {number}: {size(stack.code_shape)} to {size(shape)}")
        with log.code():
            stack.grow(shape, noise=noise, dropout=dropout)
            follow(log, stack.pretrain(lesson, epochs=epochs, batch=50), f"Layer {number}: squared error")
        show_bands(log, stack, number - 1)
    return stack


def tune(log: NotebookOutput, lesson: Floats, stack: StackedAutoencoder, epochs: int) -> None:
    """Trains all layers together, each decoder with weights of its own."""
    log.h2("Tuning them together")
    log.p("""
        Now each decoder gets weights of its own, and all layers learn together to give back the tiles;
        in the end by smaller steps, which leave less of their own noise in the weights.
    """)
    with log.code():
        stack.untie()
        for rate in (1e-3, 1e-4):
            steps = stack.tune(lesson, epochs=epochs, batch=50, optimiser=Adam(rate))
            follow(log, steps, f"All layers, learning rate {rate:g}: squared error")
    show_bands(log, stack, len(LAYERS) - 1)


def show_bands(log: NotebookOutput, stack: StackedAutoencoder, number: int) -> None:
    """The pictures of the units of a layer, a square of them for each band."""
    rows, columns, bands = stack.pairs[number].outputs
    pictures = stack.probe(number).reshape(rows * columns, bands, *TILE)
    sheets = [tile(pictures[:, band], columns=columns, stretch=True) for band in range(bands)]
    gap = np.ones((len(sheets[0]), SIDE // 2, 3), np.float32)
    together = np.concatenate([part for sheet in sheets for part in (sheet, gap)][:-1], axis=1)
    caption = f"The {rows * columns} units of each of the {bands} bands of layer {number + 1}."
    log.image(together, caption, scale=max(1, 700 // together.shape[1]))


def show_rebuilt(log: NotebookOutput, picture: Floats, stack: StackedAutoencoder) -> None:
    """The photograph as its codes give it back, and the codes themselves as a picture."""
    log.h2("The photograph from its codes")
    with log.code():
        codes = stack.transform(cut(picture))
        rebuilt = joined(stack.inverse_transform(codes), picture.shape)
    log.image(rebuilt, f"Rebuilt: {psnr(rebuilt, picture):.1f} dB.", scale=1)
    log.p("""
        The codes are a picture too: each tile has become 3x3 points in three bands, shown as colours:
    """)
    side = LAYERS[-1][0]
    bands = codes / codes.max(axis=0).clip(min=1e-6)
    code_picture = joined(bands, (len(picture) // SIDE * side, picture.shape[1] // SIDE * side, 3), side)
    log.image(code_picture, "All that was kept of it: the codes, each unit by its own maximum.", scale=3)
    log.p("Some tiles beside what comes back of them, where the photograph is richest in contrast:")
    originals = cut(picture)
    richest = np.argsort(-originals.std(axis=(1, 2, 3)))[:: max(1, len(originals) // 80)][:8]
    back = np.clip(stack.inverse_transform(codes[richest]), 0, 1).reshape(-1, *TILE)
    log.table(
        {
            "tile": list(originals[richest]),
            "rebuilt": list(back),
            "PSNR (dB)": [psnr(b, o) for b, o in zip(back, originals[richest], strict=True)],
        },
        f"From left to right pass {np.prod(LAYERS[-1])} numbers.",
        formats={"PSNR (dB)": ".1f"},
    )


@dataclass
class Way:
    """A way to keep a photograph in few numbers."""

    name: str
    numbers: int
    picture: Floats
    other: Floats


def compare(log: NotebookOutput, picture: Floats, lesson: Floats, stack: StackedAutoencoder) -> str:
    """The autoencoder beside what is simpler, with as many numbers for each tile.

    Returns:
        A sentence on what came out.
    """
    log.h2("Beside what is simpler")
    log.p("""
        As many numbers for each tile can be had without a network: as *principal components* (PCA) of
        the same tiles, which are the best that a linear code can do; or by making the photograph
        *smaller*, and large again. The other photograph shows what was learnt of this one only.
    """)
    units, other = int(np.prod(LAYERS[-1])), sample("flower.jpg")
    with log.code():
        components = PCA(units, random_state=0).fit(lesson.reshape(len(lesson), -1))
        ways = [
            Way("autoencoder", units, *[through(stack, each) for each in (picture, other)]),
            Way("PCA", units, *[through(components, each) for each in (picture, other)]),
            Way("made smaller", units, *[through_small(each) for each in (picture, other)]),
        ]
    log.table(
        [
            {
                "way": way.name,
                "numbers a tile": way.numbers,
                "this photograph (dB)": psnr(way.picture, picture),
                "the other (dB)": psnr(way.other, other),
            }
            for way in ways
        ],
        "Peak signal-to-noise ratio: the more, the nearer to the original.",
        formats={"this photograph (dB)": ".2f", "the other (dB)": ".2f"},
    )
    log.image(ways[0].other, "The other photograph, through the autoencoder that has never seen it.", scale=1)
    here = [psnr(way.picture, picture) for way in ways]
    there = [psnr(way.other, other) for way in ways]
    log.metadata(psnr=round(here[0], 2), psnr_pca=round(here[1], 2), psnr_unseen=round(there[0], 2))
    return f"""
        {units} numbers give a tile of {np.prod(TILE)} back with {here[0]:.1f} dB:
        {beside(here[0], here[1])} PCA with as many ({here[1]:.1f} dB), and
        {beside(here[0], here[2])} making the photograph smaller ({here[2]:.1f} dB). A photograph that it
        has never seen comes back with {there[0]:.1f} dB: {beside(there[0], there[1])} PCA.
    """.strip()


def show_bits(log: NotebookOutput, picture: Floats, stack: StackedAutoencoder) -> str:
    """How many bits the codes take, as they are rounded more and more.

    Returns:
        A sentence on what came out.
    """
    log.h2("How many bits that takes")
    log.p(r"""
        A number takes bits only once it is rounded. Each unit's range is divided into equal steps, and
        the entropy $-\sum_v p_v \log_2 p_v$ of the steps $v$ that it takes over the photograph says how
        many bits an ideal coder needs for it, without the tables that it would need besides:
    """)
    codes = stack.transform(cut(picture))
    rows = []
    with log.code():
        for levels in (256, 64, 32, 16, 8, 4):
            step = codes.max(axis=0).clip(min=1e-6) / (levels - 1)
            rounded = np.round(codes / step).astype(int)
            bits = sum(entropy(unit) for unit in rounded.T) / SIDE**2
            back = joined(stack.inverse_transform(rounded * step), picture.shape)
            rows.append({"levels": levels, "bits per pixel": bits, "PSNR (dB)": psnr(back, picture)})
    log.table(
        rows,
        "The photograph itself has 24 bits per pixel.",
        formats={"bits per pixel": ".2f", "PSNR (dB)": ".2f"},
    )
    # The coarsest that loses less than half a decibel.
    finest = rows[0]["PSNR (dB)"]
    chosen = [row for row in rows if finest - row["PSNR (dB)"] < 0.5][-1]
    told = f"""
        With {chosen["levels"]} levels the codes take {chosen["bits per pixel"]:.2f} bits per pixel, at
        {chosen["PSNR (dB)"]:.1f} dB, {finest - chosen["PSNR (dB)"]:.1f} dB less than with 256.
    """.strip()
    log.p(told)
    log.metadata(bits_per_pixel=round(float(chosen["bits per pixel"]), 3))
    log.p("`codec.py` makes files of such codes, and sets them beside JPEG and WebP.")
    return told


def follow(log: NotebookOutput, steps: Iterator[Step], title: str) -> None:
    """Shows the progress of a training, and draws its loss as means over a hundredth of it."""
    losses: list[float] = []
    bar = log.progress(label=title)
    for step in steps:
        losses.append(step.loss)
        bar.update(step.number, step.total)
        if step.number % max(1, step.total // 100) == 0:
            log.metric("loss", step.number, np.mean(losses), chart=title)
            losses.clear()
    bar.finish()


def sample(name: str) -> Floats:
    """One of scikit-learn's photographs, in whole tiles."""
    return whole_tiles(load_sample_image(name))


def opened(path: Path) -> Floats:
    """The picture in a file, in whole tiles."""
    with PIL.Image.open(path) as image:
        image.thumbnail((LARGEST, LARGEST))
        return whole_tiles(np.asarray(image.convert("RGB")))


def whole_tiles(pixels: npt.NDArray[np.uint8]) -> Floats:
    """Pixels of shape (height, width, 3) from 0 to 1, without what does not fill a tile.

    Raises:
        ValueError: there is not a single tile.
    """
    height, width = (n // SIDE * SIDE for n in pixels.shape[:2])
    if not height or not width:
        raise ValueError(
            f"a picture of {pixels.shape[1]}x{pixels.shape[0]} pixels holds no tile of {SIDE}x{SIDE}"
        )
    return np.asarray(pixels[:height, :width], np.float32) / np.float32(255)


def cut(picture: Floats) -> Floats:
    """The tiles of a picture, row by row: shape (tiles, *TILE)."""
    height, width = picture.shape[:2]
    return picture.reshape(height // SIDE, SIDE, width // SIDE, SIDE, 3).swapaxes(1, 2).reshape(-1, *TILE)


def joined(tiles: Floats, shape: tuple[int, ...], side: int = SIDE) -> Floats:
    """The picture of shape (height, width, 3) that was cut into these tiles."""
    height, width = shape[:2]
    grid = tiles.reshape(height // side, width // side, side, side, 3)
    return np.clip(grid.swapaxes(1, 2).reshape(height, width, 3), 0, 1)


def through(model: Any, picture: Floats) -> Floats:
    """A picture from the codes of its tiles, by a model that has learnt some."""
    rows = cut(picture).reshape(-1, SIDE * SIDE * 3)
    return joined(model.inverse_transform(model.transform(rows)).astype(np.float32), picture.shape)


def through_small(picture: Floats) -> Floats:
    """A picture made smaller, to as many numbers as a code has, and large again."""
    height, width, side = *picture.shape[:2], LAYERS[-1][0]
    image = PIL.Image.fromarray(np.round(picture * 255).astype(np.uint8))
    small = image.resize((width // SIDE * side, height // SIDE * side), PIL.Image.Resampling.LANCZOS)
    large = small.resize((width, height), PIL.Image.Resampling.BICUBIC)
    return np.asarray(large, np.float32) / np.float32(255)


def psnr(picture: Floats, original: Floats) -> float:
    """The peak signal-to-noise ratio, in dB, of pictures from 0 to 1."""
    return -10 * float(np.log10(((picture - original) ** 2).mean(dtype=float)))


def entropy(numbers: npt.NDArray[np.int64]) -> float:
    """The bits that each of the numbers takes on average."""
    shares = np.unique(numbers, return_counts=True)[1] / len(numbers)
    return float(-(shares * np.log2(shares)).sum())


def beside(value: float, peer: float) -> str:
    """A ratio in dB beside another, in words."""
    if abs(value - peer) < 0.1:
        return "as much as"
    return f"{abs(value - peer):.1f} dB {'more' if value > peer else 'less'} than"


def size(shape: Shape) -> str:
    """A shape as it is written."""
    return "x".join(map(str, shape))
