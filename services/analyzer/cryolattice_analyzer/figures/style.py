"""One look for every figure: a journal's column widths, one font, colours that all tell apart.

Figures are drawn with matplotlib's object interface, so that no display and no global state is
touched. A function that draws one is decorated with `styled`, begins with `new_figure` and leaves
numbers and pictures to the functions here.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import wraps
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import ArrayLike, NDArray

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


def nice_length(wanted: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten that is not above `wanted`."""
    power = 10.0 ** math.floor(math.log10(wanted))
    return max(step * power for step in (0.5, 1, 2, 5) if step * power <= wanted * (1 + 1e-9))


def show_image(
    axes: Axes,
    image: NDArray[np.floating],
    extent: tuple[float, float, float, float],
    *,
    colours: str = IMAGE_MAP,
    limits: tuple[float, float] | None = None,
    norm: Normalize | None = None,
) -> AxesImage:
    """Draw a picture without axes, first row on top.

    Parameters
    ----------
    axes : Axes
    image : ndarray, shape (ny, nx)
    extent : (float, float, float, float)
        Left, right, bottom and top edge in the unit of the axes; bottom is the larger for y down.
    colours : str
        A colour map.
    limits : (float, float), optional
        Values drawn darkest and brightest; the image's own where absent.
    norm : Normalize, optional
        Instead of `limits`, such as a logarithmic one.
    """
    low, high = limits if limits is not None else (None, None)
    axes.set_axis_off()
    return axes.imshow(image, cmap=colours, extent=extent, vmin=low, vmax=high, norm=norm)


def scale_bar(axes: Axes, unit: str, *, share: float = 0.28, colour: str = "white") -> float:
    """Draw a bar of a round length into the lower left corner of a picture.

    The halo keeps it readable on light and on dark ground.

    Parameters
    ----------
    axes : Axes
        With its limits set, in `unit`.
    unit : str
        Such as ``"Å"``.
    share : float
        Greatest length as a share of the width.
    colour : str
        ``"white"`` or ``"black"``.

    Returns
    -------
    float
        The length of the bar.
    """
    left, right = axes.get_xlim()
    length = nice_length(share * abs(right - left))
    start = left + 0.05 * (right - left)
    stop = start + math.copysign(length, right - left)
    across = axes.get_xaxis_transform()
    bar = Line2D(
        [start, stop],
        [0.055, 0.055],
        transform=across,
        color=colour,
        lw=2.2,
        zorder=8,
        solid_capstyle="butt",
        path_effects=halo(colour, 3.6),
    )
    bar.set_gid("scale_bar")
    axes.add_artist(bar)
    axes.annotate(
        f"{length:g} {unit}",
        ((start + stop) / 2, 0.055),
        xycoords=across,
        xytext=(0, 2.2),
        textcoords="offset points",
        ha="center",
        va="bottom",
        color=colour,
        zorder=8,
        fontsize=SMALL_POINTS,
        path_effects=halo(colour),
    )
    return length


def halo(colour: str, width: float = 1.6) -> list[withStroke]:
    """Return path effects that set text or lines off from a picture under them."""
    light = np.dot(mpl.colors.to_rgb(colour), (0.30, 0.59, 0.11)) > 0.5
    return [withStroke(linewidth=width, foreground="black" if light else "white")]


def picture_label(axes: Axes, text: str, *, colour: str = "white") -> None:
    """Write into the upper left corner of a picture."""
    axes.annotate(
        text,
        (0, 1),
        xycoords="axes fraction",
        xytext=(3, -3),
        textcoords="offset points",
        ha="left",
        va="top",
        color=colour,
        fontsize=SMALL_POINTS,
        path_effects=halo(colour),
        zorder=8,
    )


def colour_bar(drawn: ScalarMappable, panels: Axes | Sequence[Axes], label: str) -> Colorbar:
    """Draw the scale of a picture, its unit in `label`, to the right of its panels."""
    axes = [panels] if isinstance(panels, Axes) else list(panels)
    figure = axes[0].get_figure(root=True)
    if figure is None:  # pragma: no cover - axes without a figure do not exist
        raise ValueError("the panels belong to no figure")
    values, brightest = drawn.get_array(), drawn.norm.vmax
    cut = values is not None and brightest is not None and np.max(values) > brightest
    bar = figure.colorbar(
        drawn, ax=axes, fraction=0.045, pad=0.02, aspect=24, extend="max" if cut else "neither"
    )
    bar.set_label(label)
    bar.outline.set_linewidth(0.6)
    return bar


def reciprocal_axes(axes: Axes, limit_per_angstrom: float) -> None:
    """Give a pattern its axes: spatial frequencies in 1/Å, the origin in the middle, y down."""
    axes.set_axis_on()
    axes.set_aspect("equal")
    axes.set_xlim(-limit_per_angstrom, limit_per_angstrom)
    axes.set_ylim(limit_per_angstrom, -limit_per_angstrom)
    axes.spines[["top", "right"]].set_visible(True)
    axes.set_xlabel("$k_x$ (Å⁻¹)")
    axes.set_ylabel("$k_y$ (Å⁻¹)")


def mark_spots(
    axes: Axes, places: ArrayLike, radius: float, colour: str, *, square: bool = False
) -> None:
    """Draw a ring, or a square, around each spot.

    Parameters
    ----------
    axes : Axes
    places : array_like, shape (n, 2)
        x and y in the unit of the axes.
    radius : float
        In the same unit; half the edge of a square.
    colour : str
    square : bool
    """
    for x, y in np.reshape(np.asarray(places, dtype=float), (-1, 2)):
        patch = (
            Rectangle((x - radius, y - radius), 2 * radius, 2 * radius)
            if square
            else Circle((x, y), radius)
        )
        patch.set(fill=False, edgecolor=colour, linewidth=0.8)
        axes.add_patch(patch)


def label_spot(
    axes: Axes, place: tuple[float, float], text: str, colour: str, shift: tuple[float, float]
) -> None:
    """Write beside a spot, `shift` points to the right and up of it."""
    axes.annotate(
        text,
        place,
        xytext=shift,
        textcoords="offset points",
        color=colour,
        fontsize=SMALL_POINTS,
        path_effects=halo(colour),
        ha="left" if shift[0] > 0 else "right" if shift[0] < 0 else "center",
        va="bottom" if shift[1] > 0 else "top" if shift[1] < 0 else "center",
    )


def picture_legend(axes: Axes, handles: Sequence[Artist] | None = None) -> None:
    """Draw a legend on a plate into the upper right corner of a picture."""
    given = {} if handles is None else {"handles": list(handles)}
    axes.legend(loc="upper right", frameon=True, framealpha=0.9, edgecolor="none", **given)


def spot_handle(colour: str, label: str, *, square: bool = False) -> Line2D:
    """Return the legend's entry for spots drawn by `mark_spots`."""
    return Line2D(
        [],
        [],
        marker="s" if square else "o",
        ls="",
        mfc="none",
        mec=colour,
        mew=0.9,
        ms=4.5,
        label=label,
    )


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
