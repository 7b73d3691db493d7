"""An autoencoder as a lossy codec, beside PCA, JPEG and WebP."""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import PIL.Image
from sklearn.datasets import load_sample_image
from sklearn.decomposition import PCA

from quire import NotebookOutput
from quire_models import Adam, Shape, StackedAutoencoder, Step, checkpoint, datasets

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]

AUTOENCODER = "autoencoder"
# In units of the picture, where white is 1: how far a step of a code moves it, over all pixels.
DELTAS = (0.1, 0.15, 0.25, 0.4, 0.6, 0.8, 1.1, 1.5)
QUALITIES = (1, 2, 4, 7, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95)
RATES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0)
NAMES = {"digits": "handwritten digits", "mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}
# How many small pictures make a row of the sheet that JPEG and WebP get.
COLUMNS = 20
# The entropy coder's precision: frequencies are shares of 2^14, words have 16 bits.
PRECISION, WORD = 14, 16


def codec(
    log: NotebookOutput,
    dataset: Literal["digits", "mnist", "fashion-mnist"] = "digits",
    data: Path | None = None,
    seed: int = 0,
    quick: bool = False,
) -> None:
    """Makes files of quantised codes, reads them back, and measures rate and distortion beside others.

    Args:
        dataset: which small pictures to code: scikit-learn's digits of 8x8, or MNIST, which is fetched once.
        data: a folder that holds the IDX files, gzipped or not, instead of fetching them.
        seed: of first weights, noise and the order of the pictures.
        quick: whether to train one network for each kind of picture, less often, to see that it works.
    """
    log.h1("An autoencoder as a codec")
    log.p("""
        What passes through the middle of an autoencoder is a short description of a picture. Rounded and
        written to a file it is a lossy codec. This report builds one, down to the bytes, and sets it
        beside a linear code (PCA) in the same kind of file, and beside JPEG and WebP.
    """)
    log.p("*The findings will stand here when the run has ended.*", key="findings")
    explain_format(log)
    findings = []
    for material in (small_pictures(log, dataset, data, quick), photographs(quick)):
        log.h2(f"On {material.name}")
        log.p(material.about)
        models = learn(log, material, seed)
        points = measure(log, material, models)
        findings.append(show_rates(log, material, points))
        show_pictures(log, material, points)
        if material.columns == COLUMNS:
            show_single_files(log, material, models)
            keep_files(log, material, models)
    log.p("**What came out:** " + " ".join(findings), key="findings")


@dataclass
class Material:
    """Pictures to learn from, and others to code.

    Attributes:
        name: what they are called.
        about: a paragraph on them.
        shape: the shape of a picture or tile.
        lessons: what to learn from: shape (pictures, units).
        tested: what to code, likewise.
        columns: how many of `tested` make a row of the sheet that JPEG and WebP get.
        hidden: how many units the first layer has.
        sizes: how many numbers a code has, in one network after the other.
        epochs: how often to go through the lessons.
        batch: how many make a step.
        deltas: how coarsely codes are rounded, in one file after the other.
    """

    name: str
    about: str
    shape: Shape
    lessons: Floats
    tested: Floats
    columns: int
    hidden: int
    sizes: tuple[int, ...]
    epochs: int
    batch: int
    deltas: tuple[float, ...]

    @property
    def pixels(self) -> int:
        """How many pixels there are to code."""
        return len(self.tested) * self.shape[0] * self.shape[1]


def small_pictures(
    log: NotebookOutput, dataset: Literal["digits", "mnist", "fashion-mnist"], data: Path | None, quick: bool
) -> Material:
    """Digits, or what else there is by name."""
    fetching = log.progress(label=f"fetching {dataset}")
    loaded = datasets.load(dataset, data, progress=fetching.update)
    fetching.finish()
    small = dataset == "digits"
    tested = loaded.test_images[: 360 if small else 2000]
    about = f"""
        Learnt from {len(loaded.train_images):,} pictures of {"x".join(map(str, loaded.shape))} pixels, grey;
        coded are {len(tested):,} others. JPEG and WebP get them as one sheet, so that their headers are
        paid for once.
    """
    return Material(
        NAMES[dataset],
        about,
        loaded.shape,
        loaded.train_images,
        tested[:100] if quick else tested,
        COLUMNS,
        128 if small else 256,
        ((8, 16, 32) if small else (16, 32, 64))[: 1 if quick else 3],
        (10 if quick else 60) if small else 4,
        32 if small else 100,
        DELTAS[:: 3 if quick else 1],
    )


def photographs(quick: bool) -> Material:
    """Tiles of one photograph to learn from, those of another to code."""
    side = 8
    known, other = (load_sample_image(name) / np.float32(255) for name in ("china.jpg", "flower.jpg"))
    height, width = (n // side * side for n in other.shape[:2])
    random, count = np.random.default_rng(0), 2_000 if quick else 20_000
    corners = zip(*[random.integers(0, n - side + 1, count) for n in known.shape[:2]], strict=True)
    lessons = np.stack([known[y : y + side, x : x + side] for y, x in corners])
    tiles = other[:height, :width].reshape(height // side, side, width // side, side, 3).swapaxes(1, 2)
    return Material(
        "a photograph",
        f"""
        Learnt from {count:,} tiles of {side}x{side} pixels in three colours out of one photograph; coded is
        another, of {width}x{height} pixels, which JPEG and WebP get whole.
        """,
        (side, side, 3),
        lessons.reshape(count, -1),
        np.ascontiguousarray(tiles.reshape(-1, side * side * 3)),
        width // side,
        128,
        (24,) if quick else (6, 16, 48),
        4 if quick else 15,
        50,
        DELTAS[:: 3 if quick else 1],
    )


def explain_format(log: NotebookOutput) -> None:
    """How a file is made."""
    log.h2("How a file is made")
    log.p(r"""
        **Rounding.** Each number of a code is rounded to a multiple of a step of its own. The step is
        such that the picture moves by the same distance $\Delta$ whichever number moves by a step: it is
        $\Delta$ divided by the sensitivity $g_u$ of the decoder $D$ to unit $u$, measured as root mean
        square over pictures that were learnt. A larger $\Delta$ makes a smaller file.
    """)
    log.math(r"""
        q_u = \mathrm{round}\!\left(\frac{c_u\, g_u}{\Delta}\right), \qquad
        g_u = \sqrt{\mathrm{E}\,\frac{\lVert D(c + \varepsilon e_u) - D(c) \rVert^2}{\varepsilon^2}}
    """)
    log.p(r"""
        **Entropy coding.** How often each multiple occurs is counted on the pictures that were learnt. By
        these frequencies, range asymmetric numeral systems (Duda, 2014) turn the multiples into close
        to as few bits as their entropy. A file is the number of pictures, the coder's last state, and its
        words of 16 bits. The decoder needs the network and the frequencies besides, as a decoder of JPEG
        needs its program; they are not counted.

        **Measuring.** Every rate below is the size of a whole file, and every distortion is that of the
        file decoded, of its bytes alone: as peak signal-to-noise ratio (PSNR) over all pixels, for grey
        levels from 0 to 255.
    """)


class Codec:
    """Rows of numbers from 0 to 1 as bytes, and back, by way of the codes of a model.

    Args:
        model: what has `transform` and `inverse_transform` and has learnt.
        steps: how far apart the multiples of each unit are: shape (units,).
        low: the least multiple of each unit.
        counts: how often each multiple occurred, from the least on: shape (units, multiples).
    """

    def __init__(self, model: Any, steps: Floats, low: Integers, counts: Integers) -> None:
        self.model, self.steps, self.low, self.counts = model, steps, low, counts
        self.frequencies = [frequencies(unit) for unit in counts]

    @classmethod
    def learnt(cls, model: Any, lessons: Floats, delta: float) -> "Codec":
        """The codec whose steps each move a picture by `delta`, with frequencies as in the lessons."""
        codes = np.asarray(model.transform(lessons), np.float32)
        steps = delta / sensitivity(model, codes[:300])
        numbers = np.round(codes / steps).astype(np.int64)
        low = numbers.min(axis=0)
        levels = int((numbers - low).max()) + 1
        counts = np.stack([np.bincount(unit, minlength=levels) for unit in (numbers - low).T])
        return cls(model, steps, low, counts)

    def encode(self, rows: Floats) -> bytes:
        """The bytes of rows."""
        numbers = np.round(np.asarray(self.model.transform(rows)) / self.steps).astype(np.int64)
        symbols = (numbers - self.low).clip(0, [len(unit) - 1 for unit in self.frequencies])
        return struct.pack("<I", len(rows)) + packed(symbols, self.frequencies)

    def decode(self, data: bytes) -> Bytes:
        """The rows of bytes, as grey levels from 0 to 255."""
        symbols = unpacked(data[4:], struct.unpack_from("<I", data)[0], self.frequencies)
        rows = self.model.inverse_transform(((symbols + self.low) * self.steps).astype(np.float32))
        return grey(rows)


def sensitivity(model: Any, codes: Floats) -> Floats:
    """How far the picture moves as each unit does: root mean square over codes, shape (units,)."""
    pictures = model.inverse_transform(codes)
    moved = []
    for unit, spread in enumerate(codes.std(axis=0)):
        epsilon = 0.1 * float(spread) + 1e-6
        other = codes.copy()
        other[:, unit] += epsilon
        distance = np.linalg.norm(model.inverse_transform(other) - pictures, axis=1) / epsilon
        moved.append(np.sqrt((distance**2).mean()))
    # A unit that moves nothing may be rounded as one likes.
    found: Floats = np.array(moved, np.float32).clip(min=1e-3)
    return found


def frequencies(counts: Integers) -> Integers:
    """Counts as shares of 2^14, none of them 0: what never occurred in the lessons still may."""
    total = 1 << PRECISION
    used = counts[: np.flatnonzero(counts)[-1] + 1]
    expected = (used + 0.5) / (used + 0.5).sum() * (total - len(used))
    shares: Integers = expected.astype(np.int64).clip(min=1)
    shares[shares.argmax()] += total - shares.sum()
    return shares


def packed(symbols: Integers, tables: list[Integers]) -> bytes:
    """Symbols of shape (rows, units) as bytes: range asymmetric numeral systems, Duda (2014), section 3."""
    starts = [[0, *np.cumsum(table).tolist()] for table in tables]
    sizes = [table.tolist() for table in tables]
    state, words = 1 << WORD, []
    # The last goes in first, so that the decoder finds the first one first.
    for row in symbols[::-1].tolist():
        for unit in reversed(range(len(row))):
            size, start = sizes[unit][row[unit]], starts[unit][row[unit]]
            if state >= size << (2 * WORD - PRECISION):
                words.append(state & 0xFFFF)
                state >>= WORD
            state = (state // size << PRECISION) + start + state % size
    return struct.pack(f"<I{len(words)}H", state, *reversed(words))


def unpacked(data: bytes, rows: int, tables: list[Integers]) -> Integers:
    """The symbols that `packed` made bytes of: shape (rows, units).

    Raises:
        ValueError: the bytes end too early, or too late.
    """
    starts = [[0, *np.cumsum(table).tolist()] for table in tables]
    sizes = [table.tolist() for table in tables]
    found = [np.repeat(np.arange(len(table)), table).tolist() for table in tables]
    state, *words = struct.unpack(f"<I{(len(data) - 4) // 2}H", data)
    symbols, place = np.empty((rows, len(tables)), np.int64), 0
    for row in range(rows):
        for unit in range(len(tables)):
            slot = state & ((1 << PRECISION) - 1)
            symbol = found[unit][slot]
            state = sizes[unit][symbol] * (state >> PRECISION) + slot - starts[unit][symbol]
            if state < 1 << WORD:
                if place == len(words):
                    raise ValueError("the file ends before its last picture: it was cut off")
                state, place = state << WORD | words[place], place + 1
            symbols[row, unit] = symbol
    if state != 1 << WORD or place != len(words):
        raise ValueError("the file does not end with its last picture: it is none of this codec's")
    return symbols


def learn(log: NotebookOutput, material: Material, seed: int) -> dict[int, StackedAutoencoder]:
    """A network for each size of code, grown, pretrained and tuned."""
    models = {}
    log.p(f"""
        A network for each size of code: {listed(material.sizes)} numbers. They are
        trained on codes that are not rounded.
    """)
    with log.code():
        for size in log.progress(material.sizes, f"networks for {material.name}"):
            stack = StackedAutoencoder(shape=material.shape, random_state=seed)
            for units in (material.hidden, size):
                stack.grow(units, noise=0.03)
                steps = stack.pretrain(material.lessons, epochs=material.epochs // 2, batch=material.batch)
                follow(log, steps)
            stack.untie()
            for rate, epochs in ((1e-3, material.epochs), (1e-4, material.epochs // 2)):
                steps = stack.tune(
                    material.lessons, epochs=epochs, batch=material.batch, optimiser=Adam(rate)
                )
                title = f"All layers are tuned at a learning rate of {rate:g}: squared error, {material.name}"
                follow(log, steps, f"{size} numbers", title)
            models[size] = stack
    return models


@dataclass
class Point:
    """A file, and what comes back of it.

    Attributes:
        codec: what wrote it.
        bits: its size, in bits per pixel.
        psnr: how near to the original what comes back is, in dB.
        rows: what comes back.
    """

    codec: str
    bits: float
    psnr: float
    rows: Bytes


def measure(log: NotebookOutput, material: Material, models: dict[int, StackedAutoencoder]) -> list[Point]:
    """Rate and distortion of every codec at every setting."""
    log.p("""
        Then files are written and read: by the autoencoders and by PCA with as many numbers and more,
        with one $\\Delta$ after the other; by JPEG and WebP with one quality after the other.
    """)
    points: list[Point] = []
    lessons, tested = material.lessons, material.tested
    sizes = [*models, *[n for n in (64, 128) if max(models) < n <= lessons.shape[1]]]
    with log.code():
        linear = {size: PCA(size, random_state=0).fit(lessons) for size in sizes}
        for name, family in ((AUTOENCODER, models), ("PCA", linear)):
            for model in log.progress(list(family.values()), f"files by {name}"):
                for delta in material.deltas:
                    coder = Codec.learnt(model, lessons, delta)
                    file = coder.encode(tested)
                    points.append(point(name, material, len(file), coder.decode(file)))
        for name in ("JPEG", "WebP"):
            for quality in log.progress(QUALITIES, f"files by {name}"):
                file = with_pillow(sheet(grey(tested), material), name, quality)
                back = rows_of(opened(file, material), material)
                points.append(point(name, material, len(file), back))
        print(len(points), "files written and read")
    return points


def show_rates(log: NotebookOutput, material: Material, points: list[Point]) -> str:
    """The best of each codec at each rate, as curves and as a table.

    Returns:
        A sentence on what came out.
    """
    names = list(dict.fromkeys(point.codec for point in points))
    log.p("""
        The curves join the best files of each codec, from left to right by their bits per pixel, and from
        bottom to top by their PSNR in dB:
    """)
    for name in names:
        for best in front([p for p in points if p.codec == name and p.bits <= RATES[-1]]):
            log.metric(name, best.bits, best.psnr, chart=f"PSNR (dB) by bits per pixel: {material.name}")
    rows = []
    for rate in RATES:
        files = {name: within(points, name, rate) for name in names}
        if files[AUTOENCODER]:
            found = {name: file.psnr if file else None for name, file in files.items()}
            winner = max(found, key=lambda name: found[name] or 0)
            rows.append({"bits per pixel": rate} | found | {"best": winner})
    log.table(
        rows,
        "The PSNR in dB of the best file with at most so many bits per pixel; empty where a codec has none "
        "that small.",
        formats={"bits per pixel": "g"} | dict.fromkeys(names, ".2f"),
    )
    told = verdict(material, rows, names)
    log.p(told)
    won = [row["bits per pixel"] for row in rows if row["best"] == AUTOENCODER]
    log.metadata(**{f"best_at_bits_per_pixel_{material.name.split()[-1].lower().replace('-', '_')}": won})
    return told


def verdict(material: Material, rows: list[dict[str, Any]], names: list[str]) -> str:
    """Where the autoencoder wins and where it loses, in words."""
    told, margins = [], []
    won = [row for row in rows if row["best"] == AUTOENCODER]
    lost = [row for row in rows if row["best"] != AUTOENCODER]
    for row in won:
        others = [row[name] for name in names if name != AUTOENCODER and row[name] is not None]
        margins += [row[AUTOENCODER] - max(others)] if others else []
    if won:
        told.append(f"the autoencoder is best at {rates_of(won)} bits per pixel")
    if margins:
        told.append(f"by up to {max(margins):.1f} dB")
    if lost:
        winners = listed(dict.fromkeys(row["best"] for row in lost))
        gap = max(row[row["best"]] - row[AUTOENCODER] for row in lost)
        told.append(f"{'but it' if won else 'the autoencoder'} loses to {winners} at {rates_of(lost)}")
        told.append(f"by up to {gap:.1f} dB")
    return f"On {material.name}, {', '.join(told)}."


def rates_of(rows: list[dict[str, Any]]) -> str:
    """The rates of some rows of the table, as a sentence has them."""
    return listed(row["bits per pixel"] for row in rows)


def show_pictures(log: NotebookOutput, material: Material, points: list[Point]) -> None:
    """What comes back of files of about the same size."""
    names = list(dict.fromkeys(point.codec for point in points))
    for rate in RATES:
        chosen = {name: best for name in names if (best := within(points, name, rate))}
        if AUTOENCODER in chosen and len(chosen) >= 3:
            break
    log.p(f"""
        This is what comes back of the best files with at most {rate:g} bits per pixel, the least of these
        rates at which the autoencoder and two others have one:
    """)
    if material.columns == COLUMNS:
        pictures = {"original": list(grey(material.tested[:6]).reshape(-1, *material.shape))}
        pictures |= {
            f"{name} ({best.bits:.2f})": list(best.rows[:6].reshape(-1, *material.shape))
            for name, best in chosen.items()
        }
        log.table(pictures, "The first 6 pictures, with the bits per pixel of the whole file.")
        return
    for name, best in chosen.items():
        caption = f"{name}: {best.bits:.2f} bits per pixel, {best.psnr:.1f} dB."
        log.image(sheet(best.rows, material), caption, scale=1)


def show_single_files(log: NotebookOutput, material: Material, models: dict[int, StackedAutoencoder]) -> None:
    """What a file costs that holds a single picture."""
    log.h3("One picture in a file of its own")
    log.p("""
        A file of JPEG or WebP begins with a header; that of this codec is 8 bytes long. With a single
        picture in each file, this weighs more than the picture:
    """)
    tested = material.tested[:50]
    coder = Codec.learnt(next(iter(models.values())), material.lessons, 0.4)
    files = {AUTOENCODER: [coder.encode(each[None]) for each in tested]}
    single = [sheet(grey(each[None]), material) for each in tested]
    for name in ("JPEG", "WebP"):
        files[f"{name}, quality 1"] = [with_pillow(each, name, 1) for each in single]
    files["PNG"] = [with_pillow(each, "PNG", 0) for each in single]
    rows = []
    for name, of_name in files.items():
        back = [
            coder.decode(file) if name == AUTOENCODER else rows_of(opened(file, material), material)
            for file in of_name
        ]
        ratio: float | str = psnr(np.concatenate(back), grey(tested))
        if ratio == np.inf:
            ratio = "no loss"
        rows.append({"codec": name, "bytes": np.mean([len(file) for file in of_name]), "PSNR (dB)": ratio})
    log.table(
        rows,
        f"Means over {len(tested)} pictures of {material.shape[0] * material.shape[1]} bytes each.",
        formats={"bytes": ".1f", "PSNR (dB)": ".1f"},
    )


def keep_files(log: NotebookOutput, material: Material, models: dict[int, StackedAutoencoder]) -> None:
    """Keeps a file and its decoder, and decodes the one by the other as they are on the disk."""
    log.h3("The files")
    log.p("""
        A file, and all that its decoder needs: the network, and the steps and frequencies. They are read
        again from the disk, by a decoder that has nothing else:
    """)
    stack = models[material.sizes[-1]]
    made = Codec.learnt(stack, material.lessons, 0.4)
    tables = {"steps": made.steps, "low": made.low, "counts": made.counts}
    codes = log.file(made.encode(material.tested), "pictures.codes", "the pictures")
    network = log.file(lambda path: checkpoint.save(stack, path), "network.safetensors", "the network")
    numbers = log.file(lambda path: save_arrays(path, tables), "tables.npz", "steps and frequencies")
    with log.code():
        decoder = Codec(checkpoint.load(network), **np.load(numbers))
        back = decoder.decode(codes.read_bytes())
        ratio = psnr(back, grey(material.tested))
        print(f"{len(back)} pictures of {codes.stat().st_size:,} bytes: {ratio:.2f} dB")


def save_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Arrays in a file of NumPy's."""
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def follow(log: NotebookOutput, steps: Iterator[Step], curve: str = "", title: str = "") -> None:
    """Takes the steps of a training, each of which may be paused before; draws the loss as a curve."""
    losses: list[float] = []
    for step in steps:
        losses.append(step.loss)
        if curve and step.number % max(1, step.total // 50) == 0:
            log.metric(curve, step.number, np.mean(losses), chart=title)
            losses.clear()
        log.pause_point()


def point(name: str, material: Material, size: int, back: Bytes) -> Point:
    """What is to be known of a file of `size` bytes."""
    return Point(name, 8 * size / material.pixels, psnr(back, grey(material.tested)), back)


def front(points: list[Point]) -> Iterator[Point]:
    """Those of which none is as good and smaller, the smallest first."""
    best = -np.inf
    for each in sorted(points, key=lambda p: (p.bits, -p.psnr)):
        if each.psnr > best:
            best = each.psnr
            yield each


def within(points: list[Point], name: str, rate: float) -> Point | None:
    """The best file of a codec with at most so many bits per pixel."""
    fitting = [p for p in points if p.codec == name and p.bits <= rate]
    return max(fitting, key=lambda p: p.psnr, default=None)


def grey(rows: Any) -> Bytes:
    """Numbers from 0 to 1 as levels from 0 to 255."""
    levels: Bytes = np.round(np.clip(rows, 0, 1) * 255).astype(np.uint8)
    return levels


def psnr(rows: Bytes, originals: Bytes) -> float:
    """The peak signal-to-noise ratio, in dB; of what is the same, infinite."""
    error = ((rows.astype(float) - originals) ** 2).mean()
    return float(20 * np.log10(255) - 10 * np.log10(error)) if error else np.inf


def sheet(rows: Bytes, material: Material) -> Bytes:
    """Pictures side by side without gaps: shape (height, width[, channels])."""
    height, width, *channels = material.shape
    across = min(material.columns, len(rows))
    grid = rows.reshape(len(rows) // across, across, height, width, *channels).swapaxes(1, 2)
    return grid.reshape(len(rows) // across * height, across * width, *channels)


def rows_of(picture: Bytes, material: Material) -> Bytes:
    """The pictures of a sheet, as rows."""
    height, width, *channels = material.shape
    grid = picture.reshape(picture.shape[0] // height, height, picture.shape[1] // width, width, *channels)
    return grid.swapaxes(1, 2).reshape(-1, int(np.prod(material.shape)))


def with_pillow(picture: Bytes, name: str, quality: int) -> bytes:
    """The bytes of a picture by one of Pillow's codecs, as small as it can."""
    stream = io.BytesIO()
    options: dict[str, Any] = {"method": 6} if name == "WebP" else {"optimize": True}
    PIL.Image.fromarray(picture).save(stream, name, quality=quality, **options)
    return stream.getvalue()


def opened(file: bytes, material: Material) -> Bytes:
    """The pixels of a file of Pillow's, grey or in colours as the material is."""
    with PIL.Image.open(io.BytesIO(file)) as image:
        return np.asarray(image.convert("RGB" if len(material.shape) == 3 else "L"))


def listed(values: Any) -> str:
    """Values as they stand in a sentence."""
    texts = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
