"""A drawing of a network: its layers with their sizes, and what happens between them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quire_models.shapes import Shape

if TYPE_CHECKING:
    from quire_models.autoencoder import Autoencoder

# In pixels: the largest and the least side of a layer, the gap between two, and the lines of text.
_LARGEST, _LEAST, _GAP, _LINE = 112, 16, 96, 15
_FONT = "font-family='system-ui, sans-serif' font-size='11'"


@dataclass(frozen=True)
class Diagram:
    """A drawing that shows itself in notebooks and reports, as SVG.

    Attributes:
        svg: the drawing.
        alt: the same in words.
    """

    svg: str
    alt: str

    def _repr_svg_(self) -> str:
        return self.svg


def diagram(autoencoder: "Autoencoder") -> Diagram:
    """Draws the layers of an autoencoder, from the picture through the code and back.

    Each layer is a rectangle of its shape, its area in proportion to its units; above an arrow stand
    noise and dropout of that step, below it where its weights come from.

    Raises:
        ValueError: there are no layers yet.
    """
    pairs = autoencoder.pairs
    if not pairs:
        raise ValueError("there is nothing to draw: grow a pair of layers first")
    shapes = [pairs[0].inputs, *(pair.outputs for pair in pairs)]
    steps = [_steps_in(pair.encoder.noise, pair.encoder.dropout) for pair in pairs]
    back = [
        f"W{len(pairs) - number}ᵀ" if pair.decoder.tied_to else "own weights"
        for number, pair in enumerate(reversed(pairs))
    ]
    boxes = [*shapes, *reversed(shapes[:-1])]
    said = [(step, f"W{number}") for number, step in enumerate(steps, 1)] + [("", told) for told in back]
    words = " to ".join(_told(shape) for shape in boxes)
    parts = list(_drawn(boxes, said, code=len(shapes) - 1))
    width = sum(_size(shape, boxes)[0] for shape in boxes) + _GAP * (len(boxes) - 1) + 2 * _LINE
    height = max(_size(shape, boxes)[1] for shape in boxes) + 5 * _LINE
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' "
        f"viewBox='0 0 {width} {height}' {_FONT} fill='#333' text-anchor='middle'>"
        f"<rect width='100%' height='100%' fill='white'/>{''.join(parts)}</svg>"
    )
    return Diagram(svg, f"The network: {words}.")


def _drawn(boxes: list[Shape], said: list[tuple[str, str]], code: int) -> Iterator[str]:
    middle = max(_size(shape, boxes)[1] for shape in boxes) // 2 + _LINE
    x = _LINE
    for number, shape in enumerate(boxes):
        width, height = _size(shape, boxes)
        fill = "#0b6bcb" if number == code else "#dde7f3"
        yield (
            f"<rect x='{x}' y='{middle - height // 2}' width='{width}' height='{height}' fill='{fill}' "
            "stroke='#456'/>"
        )
        foot = middle + height // 2 + _LINE
        units = math.prod(shape)
        yield f"<text x='{x + width // 2}' y='{foot}'>{_told(shape)}</text>"
        yield f"<text x='{x + width // 2}' y='{foot + _LINE}' fill='#777'>{units:,} units</text>"
        x += width
        if number < len(said):
            above, below = said[number]
            end = x + _GAP - 8
            yield f"<path d='M{x + 8} {middle}H{end}m-6-4l6 4-6 4' fill='none' stroke='#456'/>"
            for line, text in enumerate(reversed(above.split(", ") if above else [])):
                yield f"<text x='{x + _GAP // 2}' y='{middle - 7 - line * _LINE}'>{text}</text>"
            yield f"<text x='{x + _GAP // 2}' y='{middle + _LINE}' fill='#777'>{below}</text>"
            x += _GAP


def _size(shape: Shape, boxes: list[Shape]) -> tuple[int, int]:
    """How wide and high a layer is drawn; layers without geometry are squares."""
    most = max(math.prod(other) for other in boxes)
    side = max(_LEAST, _LARGEST * math.sqrt(math.prod(shape) / most))
    stretch = math.sqrt(min(4.0, max(0.25, shape[1] / shape[0]))) if len(shape) > 1 else 1.0
    return round(side * stretch), round(side / stretch)


def _steps_in(noise: float, dropout: float) -> str:
    told = [f"noise {noise:g}"] if noise else []
    return ", ".join([*told, *([f"dropout {dropout:g}"] if dropout else [])])


def _told(shape: Shape) -> str:
    return "x".join(map(str, shape))
