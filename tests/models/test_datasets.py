"""Data by name, from a folder, and over the network: here, from a server of the test's own."""

import gzip
import hashlib
import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from quire_models import Dataset, DatasetError, datasets, idx


def packed(array: "np.ndarray[Any, np.dtype[np.uint8]]") -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.tobytes()


IMAGES = np.arange(5 * 6 * 4, dtype=np.uint8).reshape(5, 6, 4)
LABELS = np.array([0, 1, 2, 1, 0], np.uint8)
FILES = {
    "train-images-idx3-ubyte": packed(IMAGES),
    "train-labels-idx1-ubyte": packed(LABELS),
    "t10k-images-idx3-ubyte": packed(IMAGES[:2]),
    "t10k-labels-idx1-ubyte": packed(LABELS[:2]),
}


def put(folder: Path, **changed: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(changed.get(name.replace("-", "_"), content))
    return folder


def test_digits(digits: Dataset) -> None:
    assert (digits.shape, digits.classes) == ((8, 8), 10)
    assert digits.train_images.shape == (1437, 64)
    assert digits.test_images.shape == (360, 64)
    assert digits.train_images.dtype == np.float32
    assert (digits.train_images.min(), digits.train_images.max()) == (0, 1)
    assert set(digits.test_labels) == set(range(10))
    again = datasets.load()
    assert np.array_equal(again.test_images, digits.test_images), "always split alike"


def test_digits_are_those_of_scikit_learn(digits: Dataset) -> None:
    """Which is not imported for them: that would take longer than to learn them."""
    pictures, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(pictures))
    assert np.array_equal(digits.train_images * 16, pictures[order[360:]])
    assert np.array_equal(digits.test_labels, labels[order[:360]])
    code = (
        "from quire_models import datasets; datasets.load(); import sys; assert 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_folder_gzipped_or_not(tmp_path: Path) -> None:
    plain = datasets.load("mnist", put(tmp_path / "plain"))
    assert (plain.shape, plain.classes, plain.name) == ((6, 4), 3, "mnist")
    assert np.array_equal(plain.train_images, IMAGES.reshape(5, 24) / np.float32(255))
    assert plain.test_labels.tolist() == [0, 1]
    (tmp_path / "gzipped").mkdir()
    for name, content in FILES.items():
        (tmp_path / "gzipped" / f"{name}.gz").write_bytes(gzip.compress(content))
    gzipped = datasets.load("mnist", tmp_path / "gzipped")
    assert np.array_equal(gzipped.train_images, plain.train_images)


def test_the_real_mnist(mnist_folder: Path) -> None:
    data = datasets.load("mnist", mnist_folder)
    assert (data.train_images.shape, data.test_images.shape) == ((60_000, 784), (10_000, 784))
    assert np.bincount(data.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    for path in mnist_folder.iterdir():
        digest = hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest()
        assert datasets._REMOTES["mnist"].digests[path.stem] == digest


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train_images_idx3_ubyte": b"PNG"}, "is no IDX file of unsigned bytes"),
        ({"train_images_idx3_ubyte": b"\0\0\x0d\3" + bytes(12)}, "is no IDX file of unsigned bytes"),
        ({"train_images_idx3_ubyte": b"\0\0\x08\3" + bytes(4)}, "ends within its head"),
        ({"train_images_idx3_ubyte": FILES["train-images-idx3-ubyte"][:-1]}, "should hold 5 x 6 x 4 bytes"),
        ({"train_images_idx3_ubyte": b"\x1f\x8b\x08broken"}, "is a broken gzip file"),
        ({"train_labels_idx1_ubyte": packed(LABELS[:3])}, "do not fit"),
        ({"t10k_images_idx3_ubyte": packed(IMAGES[:2, :3])}, "their pictures differ in size"),
    ],
)
def test_files_that_are_broken(tmp_path: Path, changed: dict[str, bytes], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        datasets.load("mnist", put(tmp_path / "data", **changed))


def test_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"holds no train-images-idx3-ubyte, nor train-images-idx3-ubyte\.gz"
    ):
        datasets.load("mnist", tmp_path)
    with pytest.raises(ValueError, match="there is no dataset 'cats': choose digits, mnist or fashion-mnist"):
        datasets.load("cats")  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match=r"cannot read .*nowhere"):
        idx.read(tmp_path / "nowhere")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """Serves the gzipped files beneath /good/, and others in their place beneath /bad/."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            kind, _, name = self.path[1:].partition("/")
            content = gzip.compress(FILES[name.removesuffix(".gz")] if kind == "good" else b"other", mtime=0)
            self.send_response(200 if kind in ("good", "bad") else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}", asked
        serving.shutdown()


def test_fetched_once_checked_and_kept(
    server: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, asked = server
    monkeypatch.setenv("QUIRE_CACHE", str(tmp_path / "cache"))
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    # By MD5 of the packed file, as some of them are known.
    last = "t10k-labels-idx1-ubyte"
    digests[last] = hashlib.md5(gzip.compress(FILES[last], mtime=0)).hexdigest()
    mirrors = tuple(f"{address}/{kind}/" for kind in ("missing", "bad", "good"))
    monkeypatch.setitem(datasets._REMOTES, "mnist", datasets._Remote(mirrors, digests))
    told: list[tuple[int, int]] = []
    data = datasets.load("mnist", progress=lambda done, total: told.append((done, total)))
    assert data.train_images.shape == (5, 24)
    assert len(asked) == 12, "each mirror for each file: one has none, one has another"
    assert all(0 < done <= total for done, total in told)
    assert {path.name for path in (tmp_path / "cache/mnist").iterdir()} == {f"{name}.gz" for name in FILES}
    datasets.load("mnist")
    assert len(asked) == 12, "not fetched again"
    (tmp_path / "cache/mnist" / f"{last}.gz").write_bytes(b"broken since")
    datasets.load("mnist")
    assert len(asked) == 15, "only the broken one is fetched again"


def test_what_cannot_be_fetched(
    server: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, _ = server
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("QUIRE_CACHE", raising=False)
    assert datasets.cache_folder() == tmp_path / "quire"
    mirrors = (f"{address}/missing/", f"{address}/bad/", "http://127.0.0.1:1/")
    monkeypatch.setitem(datasets._REMOTES, "mnist", datasets._Remote(mirrors, dict.fromkeys(FILES, "0" * 64)))
    with pytest.raises(DatasetError) as caught:
        datasets.load("mnist")
    for part in ("Not Found", "its checksum differs", "refused", "give a folder that holds it"):
        assert part in str(caught.value)
    assert not list(tmp_path.rglob("*.gz"))
