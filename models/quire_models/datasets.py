"""Pictures to learn from, by name, as arrays.

`digits` comes with scikit-learn and needs no network; `mnist` and `fashion-mnist` are fetched once,
checked and kept; any folder with IDX files named like MNIST's can be given instead.
"""

import gzip
import hashlib
import importlib.util
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from quire_models import idx
from quire_models.errors import DatasetError
from quire_models.kernels import Floats, Labels
from quire_models.shapes import Shape

Name = Literal["digits", "mnist", "fashion-mnist"]
Progress = Callable[[int, int], object]
"""Called with the number of bytes that have come, and of all."""

_DIGITS_TESTED = 360
_TIMEOUT = 30.0
_PIECE = 1 << 16


@dataclass(frozen=True)
class Dataset:
    """Labelled pictures, in two parts.

    Attributes:
        name: what they are called.
        shape: the shape of a picture: (height, width).
        classes: how many labels there are; they are 0 to classes - 1.
        train_images, test_images: float32 of shape (images, height · width), from 0 to 1.
        train_labels, test_labels: int64 of shape (images,).
    """

    name: str
    shape: Shape
    classes: int
    train_images: Floats
    train_labels: Labels
    test_images: Floats
    test_labels: Labels


@dataclass(frozen=True)
class _Remote:
    """Where a dataset is to be had. Digests are of the packed files (MD5) or their content (SHA-256)."""

    mirrors: tuple[str, ...]
    digests: dict[str, str]


_FILES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
_REMOTES = {
    "mnist": _Remote(
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        {
            "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ),
    "fashion-mnist": _Remote(
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        {
            "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
        },
    ),
}


def load(name: Name = "digits", folder: Path | None = None, progress: Progress | None = None) -> Dataset:
    """The dataset `name`.

    Args:
        name: `digits` (1,797 pictures of 8x8, split at random but always alike), `mnist` or
            `fashion-mnist` (70,000 of 28x28 each).
        folder: where its IDX files are, gzipped or not, named as MNIST's are. Without it they are
            fetched into `cache_folder()`, unless they are there already.
        progress: called as the files come.

    Raises:
        DatasetError: a file is missing or broken, or cannot be fetched.
        ValueError: there is no dataset of this name.
    """
    if name == "digits" and folder is None:
        return _digits()
    if name not in _REMOTES and folder is None:
        raise ValueError(
            f"there is no dataset {name!r}: choose digits, mnist or fashion-mnist, or give a folder"
        )
    arrays = {
        part: idx.read(_in_folder(folder, file)) if folder else _fetched(name, file, progress)
        for part, file in _FILES.items()
    }
    return _from_arrays(name, arrays)


def cache_folder() -> Path:
    """Where fetched files are kept: `$QUIRE_CACHE`, or `quire` in the user's folder for caches."""
    if chosen := os.environ.get("QUIRE_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quire"


def _digits() -> Dataset:
    # Of scikit-learn only the file: to import it takes longer than to learn the digits.
    found = importlib.util.find_spec("sklearn")
    if found is None or found.origin is None:
        raise DatasetError("the digits come with scikit-learn: pip install 'quire[models]'")
    path = Path(found.origin).parent / "datasets/data/digits.csv.gz"
    try:
        text = gzip.decompress(path.read_bytes()).decode("ascii")
        table = np.array(text.replace("\n", ",").strip(",").split(","), np.float64).reshape(-1, 65)
    except (OSError, ValueError) as error:
        raise DatasetError(f"cannot read scikit-learn's digits from {path}: {error}") from error
    pictures, labels = table[:, :-1], table[:, -1]
    images = (pictures / 16.0).astype(np.float32)
    # The file is ordered by writer: a random split has every writer in both parts.
    order = np.random.default_rng(0).permutation(len(images))
    train, test = order[_DIGITS_TESTED:], order[:_DIGITS_TESTED]
    numbers = labels.astype(np.int64)
    return Dataset("digits", (8, 8), 10, images[train], numbers[train], images[test], numbers[test])


def _from_arrays(name: str, arrays: "dict[str, np.ndarray[Any, np.dtype[np.uint8]]]") -> Dataset:
    parts: dict[str, Any] = {}
    for part in ("train", "test"):
        images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
        if images.ndim != 3 or labels.shape != images.shape[:1] or not len(images):
            raise DatasetError(
                f"the files of {name} do not fit: {part}ing images of shape {images.shape}, "
                f"labels of shape {labels.shape}"
            )
        parts[f"{part}_images"] = (images.reshape(len(images), -1) / np.float32(255)).astype(np.float32)
        parts[f"{part}_labels"] = labels.astype(np.int64)
    shape = arrays["train_images"].shape[1:]
    if arrays["test_images"].shape[1:] != shape:
        raise DatasetError(f"the files of {name} do not fit: their pictures differ in size")
    classes = 1 + int(max(parts["train_labels"].max(), parts["test_labels"].max()))
    return Dataset(name, shape, classes, **parts)


def _in_folder(folder: Path, file: str) -> Path:
    for name in (file, f"{file}.gz", file.replace("-idx", ".idx")):
        if (folder / name).is_file():
            return folder / name
    raise DatasetError(f"{folder} holds no {file}, nor {file}.gz")


def _fetched(name: str, file: str, progress: Progress | None) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """The array in a file of a known dataset, from the cache or from a mirror."""
    remote, kept = _REMOTES[name], cache_folder() / name / f"{file}.gz"
    if kept.is_file():
        content = kept.read_bytes()
        if _is_right(content, remote.digests[file], kept):
            return idx.parse(idx.unpacked(content, kept), kept)
    failures = []
    for mirror in remote.mirrors:
        address = f"{mirror}{file}.gz"
        try:
            content = _download(address, progress)
        except (OSError, ValueError) as error:
            failures.append(f"{address}: {getattr(error, 'reason', error)}")
            continue
        if _is_right(content, remote.digests[file], kept):
            _keep(content, kept)
            return idx.parse(idx.unpacked(content, kept), kept)
        failures.append(f"{address}: what came is not the file (its checksum differs)")
    raise DatasetError(
        f"{file} of {name} cannot be fetched ({'; '.join(failures)}): give a folder that holds it"
    )


def _download(address: str, progress: Progress | None) -> bytes:
    with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer:
        total = int(answer.headers.get("Content-Length") or 0)
        pieces: list[bytes] = []
        size = 0
        while piece := answer.read(_PIECE):
            pieces.append(piece)
            size += len(piece)
            if progress:
                progress(size, max(total, size))
    return b"".join(pieces)


def _is_right(content: bytes, digest: str, path: Path) -> bool:
    if len(digest) == hashlib.md5(usedforsecurity=False).digest_size * 2:
        return hashlib.md5(content, usedforsecurity=False).hexdigest() == digest
    try:
        return hashlib.sha256(idx.unpacked(content, path)).hexdigest() == digest
    except DatasetError:
        return False


def _keep(content: bytes, path: Path) -> None:
    """Puts a file into the cache in one step, so that two runs may fetch it at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)
