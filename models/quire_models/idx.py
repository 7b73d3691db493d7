"""The IDX format of MNIST's files: arrays of bytes with a short head.

Source: Y. LeCun, C. Cortes and C. Burges, "The MNIST database", file formats.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from quire_models.errors import DatasetError

# The third byte of the head names the type of the elements; MNIST's kin are all unsigned bytes.
_UNSIGNED_BYTE = 0x08


def read(path: Path) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """The array in the file `path`, gzipped or not.

    Raises:
        DatasetError: the file cannot be read, or is no IDX file of bytes, or not all of one.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}") from error
    return parse(unpacked(content, path), path)


def unpacked(content: bytes, path: Path) -> bytes:
    """`content`, out of gzip if it is in it; `path` is named if that is broken."""
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path} is a broken gzip file: {error}") from error


def parse(content: bytes, path: Path) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """The array in the bytes of an IDX file; `path` is named if they are none."""
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _UNSIGNED_BYTE:
        raise DatasetError(f"{path} is no IDX file of unsigned bytes: it begins with {content[:4]!r}")
    dimensions = content[3]
    head = 4 + 4 * dimensions
    if len(content) < head:
        raise DatasetError(f"{path} ends within its head")
    shape = struct.unpack(f">{dimensions}I", content[4:head])
    if len(content) - head != math.prod(shape):
        wanted, held = " x ".join(map(str, shape)), len(content) - head
        raise DatasetError(f"{path} should hold {wanted} bytes after its head, but holds {held}")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)
