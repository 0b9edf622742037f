"""Pictures in figures, and what is drawn into them: scales, labels, marks of spots."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from cryolattice_analyzer.figures.style import IMAGE_MAP, SMALL_POINTS


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
