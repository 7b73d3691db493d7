"""Charts of metrics: a description that Vega-Lite draws."""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from quire.series import Series

# Okabe and Ito (2008), "Color Universal Design": told apart with every kind of colour vision.
_COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
_DASHES = [[1, 0], [6, 3], [2, 2]]
# A curve over more decades than this says nothing on a linear axis.
_DECADES = 1.7
WIDTH, HEIGHT = 680, 260


def describe(title: str, series: Mapping[str, Series], *, on_paper: bool = True) -> dict[str, Any]:
    """The Vega-Lite description of a line chart, the values included.

    Args:
        title: what stands above it.
        series: the curves by name.
        on_paper: whether to draw on white; otherwise in the text colour of the page that holds the chart.
    """
    ink = dict.fromkeys(("labelColor", "titleColor"), "#333" if on_paper else "currentColor")
    curves = {
        name: [p for p in line if math.isfinite(p[0]) and math.isfinite(p[1])]
        for name, line in series.items()
    }
    is_counted = all(float(x).is_integer() for curve in curves.values() for x, _ in curve)
    points = [{"step": x, "value": y, "series": name} for name, curve in curves.items() for x, y in curve]
    values = [value for curve in curves.values() for _, value in curve]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    scale = "log" if low > 0 and math.log10(high / low) > _DECADES else "linear"
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": {"text": title, "anchor": "start", "fontSize": 13, "fontWeight": 600},
        "width": WIDTH - 140,
        "height": HEIGHT - 80,
        "padding": 12,
        "autosize": {"type": "pad"},
        "background": "white" if on_paper else None,
        "data": {"values": points},
        "mark": {"type": "line", "strokeWidth": 1.6, "point": len(points) <= 60 * max(1, len(series))},
        "encoding": {
            "x": {
                "field": "step",
                "type": "quantitative",
                # What is not counted is no step: a rate, a share, a time, of which the chart's title tells.
                "title": "step" if is_counted else None,
                "scale": {"nice": False},
            },
            "y": {
                "field": "value",
                "type": "quantitative",
                "title": None if len(series) > 1 else next(iter(series), None),
                "scale": {"type": scale, "zero": False},
            },
            "color": {
                "field": "series",
                "type": "nominal",
                "title": None,
                "sort": list(series),
                "legend": _legend(series),
                "scale": {"domain": list(series), "range": colours(len(series), on_paper=on_paper)},
            },
            **_dashes(series),
        },
        "config": {
            "font": "Helvetica, Arial, sans-serif",
            "axis": {
                "gridColor": "#e6e6e6" if on_paper else "#8884",
                "domainColor": "#888",
                "tickColor": "#888",
                **ink,
            },
            "legend": ink,
            "title": {"color": "#000" if on_paper else "currentColor"},
            "view": {"stroke": None},
            "point": {"size": 14},
        },
    }


def _legend(series: Mapping[str, Series]) -> dict[str, Any] | None:
    if len(series) == 1:
        return None
    # A dot shows no dashes.
    return {"symbolType": "stroke"} if len(series) > len(_COLOURS) else {}


def _dashes(series: Mapping[str, Series]) -> dict[str, Any]:
    """Tells apart the curves that have the same colour, where there are more than colours."""
    if len(series) <= len(_COLOURS):
        return {}
    dashes = [_DASHES[number // len(_COLOURS) % len(_DASHES)] for number in range(len(series))]
    scale = {"domain": list(series), "range": dashes}
    return {"strokeDash": {"field": "series", "type": "nominal", "title": None, "scale": scale}}


def draw(title: str, series: Mapping[str, Series], *, on_paper: bool = True) -> bytes | None:
    """The chart as SVG, the same bytes for the same values; None where vl-convert is not installed."""
    try:
        return drawn_by(json.dumps(describe(title, series, on_paper=on_paper))).encode()
    except ImportError:
        return None


def drawn_here(description: str) -> str:
    """A chart as SVG, drawn in this process.

    Raises:
        ImportError: vl-convert is not installed.
    """
    import vl_convert

    return str(vl_convert.vegalite_to_svg(description))


drawn_by: Callable[[str], str] = drawn_here
"""What makes SVG of a description: the first time takes half a second, which many processes may share."""


def summarise(series: Mapping[str, Series]) -> str:
    """The chart in words."""
    return "; ".join(f"{name} {_course(line)}" for name, line in series.items())


def to_csv(series: Mapping[str, Series]) -> bytes:
    """The points that were kept, a row each."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["series", "step", "value"])
    writer.writerows(
        [name, f"{step:.12g}", repr(value)] for name, line in series.items() for step, value in line
    )
    return text.getvalue().encode()


def _course(line: Series) -> str:
    broken = f" ({line.not_finite} not finite)" if line.not_finite else ""
    if line.count == 1:
        return f"{line.first[1]:.4g} at {_place(line.first[0])}{broken}"
    return f"from {line.first[1]:.4g} to {line.last[1]:.4g} at {_place(line.last[0])}{broken}"


def _place(step: float) -> str:
    """A place on the axis: a step is told whole, anything else as one reads it."""
    return f"step {step:.0f}" if float(step).is_integer() else f"{step:.4g}"


def colours(number: int, *, on_paper: bool = True) -> list[str]:
    """The colours of the first `number` curves."""
    chosen = [_COLOURS[index % len(_COLOURS)] for index in range(number)]
    return chosen if on_paper else ["currentColor" if colour == "#000000" else colour for colour in chosen]
