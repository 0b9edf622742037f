"""One look for every figure: a journal's column widths, one font, colours that all tell apart.

Figures are drawn with matplotlib's object interface, so that no display and no global state is
touched. A function that draws one is decorated with `styled`, begins with `new_figure` and leaves
pictures to `pictures`.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any

import matplotlib as mpl
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

# widths of a printed page's columns
SINGLE_COLUMN_MM = 84.0
DOUBLE_COLUMN_MM = 178.0
DOTS_PER_INCH = 300
_MM_PER_INCH = 25.4

TEXT_POINTS = 7.0
SMALL_POINTS = 6.0

# Okabe and Ito's palette: told apart with every kind of colour vision
BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
PURPLE, ORANGE, SKY = "#CC79A7", "#E69F00", "#56B4E9"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
MARKERS = ("o", "s", "^", "D", "v", "P")
# the same meaning in every figure
PARENT, SUPERLATTICE, CELL, BEST = ORANGE, SKY, VERMILION, VERMILION

# perceptually uniform; phases return to where they began
IMAGE_MAP, PATTERN_MAP = "gray", "gray_r"
SEQUENTIAL_MAP, DIVERGING_MAP, CYCLIC_MAP = "cividis", "RdBu_r", "twilight"

_LOOK: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": TEXT_POINTS,
    "mathtext.fontset": "dejavusans",
    "axes.titlesize": TEXT_POINTS,
    "axes.labelsize": TEXT_POINTS,
    "axes.linewidth": 0.6,
    "axes.titlepad": 3.0,
    "axes.labelpad": 2.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": SMALL_POINTS,
    "ytick.labelsize": SMALL_POINTS,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "xtick.major.pad": 2.0,
    "ytick.major.pad": 2.0,
    "legend.fontsize": SMALL_POINTS,
    "legend.title_fontsize": SMALL_POINTS,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "legend.borderaxespad": 0.3,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.5,
    "errorbar.capsize": 1.5,
    "image.interpolation": "nearest",
    "figure.constrained_layout.w_pad": 0.02,
    "figure.constrained_layout.h_pad": 0.02,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "cryolattice",
}


def styled[**P, R](draw: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function that draws or renders: the look holds while it runs."""

    @wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(_LOOK):
            return draw(*args, **kwargs)

    return in_style


def new_figure(width_mm: float, height_mm: float) -> Figure:
    """Return an empty figure of a size in print; panels arrange themselves."""
    size = (width_mm / _MM_PER_INCH, height_mm / _MM_PER_INCH)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@styled
def to_png(figure: Figure, *, dots_per_inch: float = DOTS_PER_INCH) -> bytes:
    """Render a figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dots_per_inch, metadata={"Software": None})
    return buffer.getvalue()


@styled
def to_pdf(figure: Figure) -> bytes:
    """Render a figure as PDF with its text as text; pictures keep `DOTS_PER_INCH`."""
    buffer = io.BytesIO()
    undated = {"CreationDate": datetime.fromtimestamp(0, UTC), "Producer": "", "Creator": ""}
    figure.savefig(buffer, format="pdf", dpi=DOTS_PER_INCH, metadata=undated)
    return buffer.getvalue()


def value_text(value: float, half_interval: float) -> str:
    """Write a value and half its interval, to the interval's first digit (second after a 1)."""
    exponent = math.floor(math.log10(max(half_interval, 1e-6)))
    first = half_interval / 10.0**exponent
    digits = min(max(0, (1 if first < 1.95 else 0) - exponent), 3)
    return f"{value:.{digits}f} ± {half_interval:.{digits}f}"


def logarithmic(axis: Axis) -> None:
    """Put the numbers of a logarithmic axis at 1, 2 and 5 times powers of ten, written out."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(LogLocator(subs=tuple(range(1, 10))))
    axis.set_minor_formatter(NullFormatter())
