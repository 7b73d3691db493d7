"""Pictures of any kind, made into a file's bytes."""

import io
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

# The width of a page of text: a wider picture is shown at this width, and is a link to itself.
_WIDEST = 760
# Matplotlib's figures are drawn twice as fine as they are shown, for screens that can tell.
_FINENESS = 2
_SUFFIXES = {b"\x89PNG\r\n\x1a\n": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif", b"RIFF": ".webp"}
_LENGTH = r'\b{}\s*=\s*["\']\s*([\d.]+)(?:px)?\s*["\']'


@dataclass(frozen=True, slots=True)
class Encoded:
    """A picture as the bytes of a file, with its extension and the size in pixels at which to show it."""

    data: bytes
    suffix: str
    width: int
    height: int

    def within(self, most: int) -> "Encoded":
        """The same picture, shown at most `most` pixels wide and high."""
        factor = min(1.0, most / max(self.width, self.height, 1))
        return Encoded(self.data, self.suffix, round(self.width * factor), round(self.height * factor))


def is_picture(value: object) -> bool:
    """Whether `value` is a Pillow image or a matplotlib figure; neither library is imported to tell."""
    return _is_pillow(value) or _is_figure(value)


def is_array(value: object) -> bool:
    """Whether `value` is a NumPy array; NumPy is not imported to tell."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def is_number_of_numpy(value: object) -> bool:
    """Whether `value` is one of NumPy's scalars; NumPy is not imported to tell."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.generic)


def looks_like_pixels(value: object) -> bool:
    """Whether `value` is an array of the shape of a picture: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)."""
    shape: tuple[int, ...] = getattr(value, "shape", ())
    return is_array(value) and (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4)))


def encode(
    image: Any, *, scale: int | None = None, limits: tuple[float, float] | None = None, size: int = 160
) -> Encoded:
    """The bytes of a picture.

    Args:
        image: a Pillow image, a matplotlib figure, an array of pixels, the bytes of a PNG, JPEG, GIF,
            WebP or SVG file, the path of one, or what shows itself in notebooks as SVG or PNG.
        scale: how many times larger to draw each pixel of an array; by default as often as fits `size`.
        limits: the values of an array that become black and white.
        size: what a small array is enlarged to, in pixels.

    Raises:
        TypeError: `image` is nothing of these.
        ValueError: an array has another shape, or bytes are of no kind known here.
    """
    if is_array(image):
        return _encode_pixels(to_pillow(image, limits), scale, size)
    if _is_pillow(image):
        return _encode_pillow(image)
    if _is_figure(image):
        return _encode_figure(getattr(image, "figure", image))
    if isinstance(image, str | Path):
        return _encode_bytes(Path(image).read_bytes())
    if isinstance(image, bytes):
        return _encode_bytes(image)
    for method in ("_repr_svg_", "_repr_png_"):
        if hasattr(type(image), method) and (shown := getattr(image, method)()):
            return _encode_bytes(shown.encode() if isinstance(shown, str) else shown)
    raise TypeError(
        f"a {type(image).__name__} is no picture: give a Pillow image, an array, a figure, bytes or a path"
    )


def to_pillow(array: "np.ndarray[Any, Any]", limits: tuple[float, float] | None = None) -> "PIL.Image.Image":
    """An array of pixels as an 8-bit Pillow image.

    Integers of 8 bits are taken as they are, truth values as black and white, numbers between 0 and 1
    as shares of white; any others are stretched between their least and greatest value. What is not
    finite becomes magenta.

    Args:
        array: shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).
        limits: the values that become 0 and 255, instead.
    """
    import numpy as np
    import PIL.Image

    if not looks_like_pixels(array) or array.size == 0:
        raise ValueError(
            f"an array of shape {array.shape} is no picture: "
            "it must be (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
        )
    pixels = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if pixels.dtype == np.uint8 and limits is None:
        return PIL.Image.fromarray(np.ascontiguousarray(pixels))
    values = pixels.astype(np.float64)
    finite = np.isfinite(values)
    low, high = limits or _limits(values[finite])
    shares = np.clip((np.where(finite, values, low) - low) / ((high - low) or 1.0), 0.0, 1.0)
    levels = np.round(shares * 255.0).astype(np.uint8)
    if finite.all():
        return PIL.Image.fromarray(levels)
    colours = levels[:, :, :3] if levels.ndim == 3 else np.repeat(levels[:, :, None], 3, axis=2)
    broken = ~(finite if finite.ndim == 2 else finite.all(axis=2))
    colours[broken] = (255, 0, 255)
    return PIL.Image.fromarray(np.ascontiguousarray(colours))


def _limits(values: "np.ndarray[Any, Any]") -> tuple[float, float]:
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    return (0.0, 1.0) if low >= 0.0 and high <= 1.0 else (low, high)


def _encode_pixels(image: "PIL.Image.Image", scale: int | None, size: int) -> Encoded:
    """Enlarged for real, since few places that show Markdown can enlarge without blurring."""
    import PIL.Image

    factor = scale or max(1, min(16, size // max(image.size)))
    width, height = image.width * factor, image.height * factor
    return _encode_pillow(image.resize((width, height), PIL.Image.Resampling.NEAREST))


def _encode_pillow(image: "PIL.Image.Image") -> Encoded:
    stream = io.BytesIO()
    plain = image if image.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else image.convert("RGBA")
    plain.save(stream, "PNG", optimize=True)
    return _shown(stream.getvalue(), ".png", image.width, image.height)


def _encode_figure(figure: Any) -> Encoded:
    stream = io.BytesIO()
    # No name and version of the library in the file: the same figure shall be the same bytes.
    figure.savefig(
        stream, format="png", dpi=figure.dpi * _FINENESS, bbox_inches="tight", metadata={"Software": None}
    )
    width, height = _size_of(stream.getvalue())
    return _shown(stream.getvalue(), ".png", width // _FINENESS, height // _FINENESS)


def _encode_bytes(data: bytes) -> Encoded:
    for magic, suffix in _SUFFIXES.items():
        if data.startswith(magic):
            return _shown(data, suffix, *_size_of(data))
    if b"<svg" in data[:4096]:
        return _shown(data, ".svg", *_size_of_svg(data.decode("utf-8", "replace")))
    raise ValueError("these bytes are no picture: PNG, JPEG, GIF, WebP and SVG are known")


def _shown(data: bytes, suffix: str, width: int, height: int) -> Encoded:
    factor = min(1.0, _WIDEST / max(width, 1))
    return Encoded(data, suffix, max(1, round(width * factor)), max(1, round(height * factor)))


def _size_of(data: bytes) -> tuple[int, int]:
    import PIL.Image

    with PIL.Image.open(io.BytesIO(data)) as image:
        return image.size


def _size_of_svg(text: str) -> tuple[int, int]:
    root = text[text.find("<svg") :].partition(">")[0]
    lengths = [re.search(_LENGTH.format(name), root) for name in ("width", "height")]
    if lengths[0] and lengths[1]:
        return round(float(lengths[0][1])), round(float(lengths[1][1]))
    box = re.search(r'viewBox\s*=\s*["\']([^"\']*)', root)
    numbers = [float(n) for n in re.findall(r"[\d.]+", box[1])] if box else []
    return (round(numbers[2]), round(numbers[3])) if len(numbers) == 4 else (640, 480)


def _is_pillow(value: object) -> bool:
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)


def _is_figure(value: object) -> bool:
    matplotlib = sys.modules.get("matplotlib.figure")
    artist = sys.modules.get("matplotlib.axes")
    return (matplotlib is not None and isinstance(value, matplotlib.FigureBase)) or (
        artist is not None and isinstance(value, artist.Axes)
    )
