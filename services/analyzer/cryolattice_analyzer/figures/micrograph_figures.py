"""Figures of a micrograph: the field with its crystal, the indexed spectrum, the averaged cell.

Drawn with matplotlib's object interface and the Agg canvas, so that no display and no global state
is touched. The two colours of spots are from Okabe and Ito's palette, apart for every kind of
colour vision, and differ in shape too.
"""

from __future__ import annotations

import io

import numpy as np
import scipy.ndimage
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Polygon, Rectangle
from numpy.typing import NDArray

from cryolattice_analyzer.imaging.average import AveragedCell
from cryolattice_analyzer.imaging.crystal_area import CrystalArea
from cryolattice_analyzer.imaging.lattice import Lattice2D
from cryolattice_analyzer.imaging.lattice_search import half_plane_indices
from cryolattice_analyzer.imaging.power_spectrum import PowerSpectrum
from cryolattice_analyzer.imaging.superlattice import Superlattice

PARENT_COLOUR = "#E69F00"
SUPERLATTICE_COLOUR = "#56B4E9"
OUTLINE_COLOUR = "#E69F00"
CELL_COLOUR = "#D55E00"
# Superlattice spots whose chance in noise is below this are marked as seen: exp(-9) = 1e-4.
SEEN_SIGNIFICANCE = 9.0
TEXT_SIZE = 9


def to_png(figure: Figure, *, dots_per_inch: int = 200) -> bytes:
    """Render a figure as PNG."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=dots_per_inch)
    return buffer.getvalue()


def micrograph_figure(
    counts: NDArray[np.floating], pixel_size_angstrom: float, area: CrystalArea | None = None
) -> Figure:
    """Draw the low-passed micrograph with the crystal's outline and a scale bar.

    Parameters
    ----------
    counts : ndarray, shape (ny, nx)
    pixel_size_angstrom : float
    area : CrystalArea, optional

    Returns
    -------
    Figure
    """
    ny, nx = counts.shape
    factor = max(1, min(ny, nx) // 512)
    # The eye needs contrast more than resolution at a few electrons a pixel.
    smooth = scipy.ndimage.gaussian_filter(counts.astype(np.float64), 1.2 / pixel_size_angstrom)
    binned = smooth[: ny // factor * factor, : nx // factor * factor]
    binned = binned.reshape(ny // factor, factor, nx // factor, factor).mean(axis=(1, 3))
    width, height = nx * pixel_size_angstrom / 10, ny * pixel_size_angstrom / 10
    figure = Figure(figsize=(6.0, 6.0 * ny / nx + 0.2), layout="constrained")
    axes = figure.add_subplot()
    low, high = np.percentile(binned, [0.5, 99.5])
    axes.imshow(
        binned, cmap="gray", vmin=low, vmax=high, extent=(0, width, height, 0), rasterized=True
    )
    if area is not None and area.outline.any() and not area.outline.all():
        x = (np.arange(nx) + 0.5) * pixel_size_angstrom / 10
        y = (np.arange(ny) + 0.5) * pixel_size_angstrom / 10
        axes.contour(x, y, area.outline, levels=[0.5], colors=OUTLINE_COLOUR, linewidths=1.4)
    if area is not None:
        axes.set_title(
            f"Crystal (outlined): {100 * area.fraction:.0f} % of the field", fontsize=TEXT_SIZE + 1
        )
    axes.set_axis_off()
    _scale_bar(axes, width, "nm")
    return figure


def spectrum_figure(
    spectrum: PowerSpectrum,
    lattice: Lattice2D | None = None,
    superlattice: Superlattice | None = None,
    *,
    g_max_per_angstrom: float = 0.7,
) -> Figure:
    """Draw the whitened power spectrum with indexed spots and resolution rings.

    Only spots above their local background are marked, on the right half; the left half is the same
    spectrum without marks.

    Parameters
    ----------
    spectrum : PowerSpectrum
    lattice : Lattice2D, optional
    superlattice : Superlattice, optional
    g_max_per_angstrom : float
        Half the width of the figure.

    Returns
    -------
    Figure
    """
    dx, dy = spectrum.step_per_angstrom
    row, column = spectrum.centre
    limit = min(g_max_per_angstrom, (column - 1) * dx, (row - 1) * dy)
    r, c = int(limit / dy), int(limit / dx)
    part = spectrum.whitened[row - r : row + r + 1, column - c : column + c + 1]
    # A spot is one or two bins wide: the largest of its neighbours survives the reduction in print.
    shown = np.log10(scipy.ndimage.maximum_filter(part, size=max(1, min(part.shape) // 250)))
    figure = Figure(figsize=(6.4, 6.4), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(
        shown,
        cmap="gray",
        vmin=0.0,
        vmax=2.0,
        extent=(-(c + 0.5) * dx, (c + 0.5) * dx, (r + 0.5) * dy, -(r + 0.5) * dy),
        rasterized=True,
    )
    for spacing in (10.0, 5.0, 3.0, 2.0, 1.5, 1.0):
        if not 0.06 < 1 / spacing < limit:
            continue
        axes.add_patch(
            Circle((0, 0), 1 / spacing, fill=False, ec="white", lw=0.6, ls=(0, (4, 4)), alpha=0.7)
        )
        axes.text(
            -np.sin(np.pi / 5) / spacing,
            -np.cos(np.pi / 5) / spacing,
            f"{spacing:g} Å",
            color="white",
            fontsize=TEXT_SIZE - 1,
            ha="center",
            va="center",
            bbox={"facecolor": "black", "alpha": 0.65, "pad": 1.0, "edgecolor": "none"},
        )
    _mark_spots(axes, lattice, superlattice, limit)
    axes.set_xlim(-limit, limit)
    axes.set_ylim(limit, -limit)
    axes.set_xlabel("spatial frequency along x (1/Å)", fontsize=TEXT_SIZE)
    axes.set_ylabel("along y (1/Å)", fontsize=TEXT_SIZE)
    axes.tick_params(labelsize=TEXT_SIZE - 1)
    return figure


def _mark_spots(
    axes: Axes, lattice: Lattice2D | None, superlattice: Superlattice | None, limit: float
) -> None:
    """Mark the significant spots of one half plane; label the lowest orders of the parent."""
    if lattice is None:
        return
    radius = 0.011 * limit / 0.7
    fractional: list[tuple[float, float]] = []
    if superlattice is None:
        parent = {(spot.h, spot.k): spot.g_per_angstrom for spot in lattice.spots}
        repeat = (1, 1)
    else:
        m, n = superlattice.tested
        parent = {
            (spot.h // m, spot.k // n): spot.g_per_angstrom
            for spot in superlattice.spots
            if spot.is_parent and spot.significance > SEEN_SIGNIFICANCE
        }
        repeat = superlattice.supercell
        if repeat != (1, 1):
            fractional = [
                spot.g_per_angstrom
                for spot in superlattice.spots
                if not spot.is_parent and spot.significance > SEEN_SIGNIFICANCE
            ]
    for x, y in parent.values():
        sign = 1 if x > 0 or (x == 0 and y > 0) else -1
        axes.add_patch(Circle((sign * x, sign * y), radius, fill=False, ec=PARENT_COLOUR, lw=1.3))
    for x, y in fractional:
        sign = 1 if x > 0 or (x == 0 and y > 0) else -1
        corner = (sign * x - radius, sign * y - radius)
        axes.add_patch(
            Rectangle(corner, 2 * radius, 2 * radius, fill=False, ec=SUPERLATTICE_COLOUR, lw=1.1)
        )
    for h, k in half_plane_indices(lattice.reciprocal, 0.36 * limit / 0.7):
        x, y = (int(h), int(k)) @ lattice.reciprocal
        sign = 1 if x > 0 or (x == 0 and y > 0) else -1
        if (int(h), int(k)) in parent:
            axes.annotate(
                f"{_index(sign * h)}{_index(sign * k)}",
                (sign * x, sign * y),
                xytext=(7, 7),
                textcoords="offset points",
                color=PARENT_COLOUR,
                fontsize=TEXT_SIZE,
            )
    handles = [_handle("o", PARENT_COLOUR, "parent")]
    if fractional:
        name = f"superlattice {repeat[0]} × {repeat[1]}"
        handles.append(_handle("s", SUPERLATTICE_COLOUR, name))
    axes.legend(handles=handles, loc="upper right", fontsize=TEXT_SIZE, framealpha=0.9)


def _index(value: int) -> str:
    """Write a Miller index, negative ones with a bar."""
    return f"{abs(value)}\u0305" if value < 0 else f"{value}"


def _handle(marker: str, colour: str, label: str) -> Line2D:
    return Line2D([], [], marker=marker, ls="", mfc="none", mec=colour, mew=1.4, ms=7, label=label)


def cell_figure(
    averaged: AveragedCell,
    model_image: NDArray[np.float64] | None = None,
    *,
    model_title: str = "Best model",
) -> Figure:
    """Draw the averaged cell, 2 x 2 tiled, and a model's image of the same cell beside it.

    Parameters
    ----------
    averaged : AveragedCell
    model_image : ndarray, shape (m, m), optional
        Intensity over the mean at fractions (column, row) / m of the supercell's a and b.
    model_title : str

    Returns
    -------
    Figure
        Both panels share one grey scale.
    """
    panels = [("Averaged cell", averaged.image)]
    if model_image is not None:
        panels.append((model_title, model_image))
    darkest = min(float(image.min()) for _, image in panels)
    brightest = max(float(image.max()) for _, image in panels)
    figure = Figure(figsize=(4.3 * len(panels) + 0.9, 4.9), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    drawn = None
    for ax, (title, image) in zip(axes, panels, strict=True):
        tiled, extent, corners = _cartesian(image, averaged.direct)
        drawn = ax.imshow(
            tiled, cmap="gray", vmin=darkest, vmax=brightest, extent=extent, origin="upper"
        )
        ax.add_patch(Polygon(corners, fill=False, ec=CELL_COLOUR, lw=1.6))
        ax.set_axis_off()
        ax.set_title(title, fontsize=TEXT_SIZE + 1)
        _scale_bar(ax, abs(extent[1] - extent[0]), "Å")
    m, n = averaged.supercell
    error_percent = 100 * averaged.image_standard_error
    caption = (
        f"{averaged.cells:.0f} cells of {m} × {n}; standard error {error_percent:.1f} % of the mean"
    )
    figure.supxlabel(caption, fontsize=TEXT_SIZE)
    if drawn is not None:
        bar = figure.colorbar(drawn, ax=list(axes), fraction=0.045, pad=0.02)
        bar.set_label("intensity / mean", fontsize=TEXT_SIZE)
        bar.ax.tick_params(labelsize=TEXT_SIZE - 1)
    return figure


def _cartesian(
    image: NDArray[np.float64], direct: NDArray[np.float64]
) -> tuple[NDArray[np.float64], tuple[float, float, float, float], NDArray[np.float64]]:
    """Two by two cells on square pixels with a along +x: any gamma is drawn true to shape.

    Returns the picture, its extent in angstrom for `imshow` and the corners of one cell.
    """
    a_length = float(np.linalg.norm(direct[0]))
    along = direct[0] / a_length
    b_along = float(direct[1] @ along)
    b_across = float(along[0] * direct[1][1] - along[1] * direct[1][0])
    cell = np.array([[a_length, 0.0], [b_along, b_across]])
    width, height = 2 * a_length, 2 * abs(b_across)
    columns = 400
    rows = max(2, round(columns * height / width))
    x = (np.arange(columns) + 0.5) / columns * width
    y = (np.arange(rows) + 0.5) / rows * height
    xx, yy = np.meshgrid(x, y)
    u, v = np.moveaxis(np.stack([xx, yy], axis=-1) @ np.linalg.inv(cell), -1, 0)
    m = image.shape[0]
    picture = scipy.ndimage.map_coordinates(image, [v * m, u * m], order=1, mode="grid-wrap")
    start = (
        0.5 * cell.sum(axis=0) - (b_along / 2 if abs(b_along) < a_length else 0.0) * np.eye(2)[0]
    )
    corners = start + np.array([[0, 0], cell[0], cell[0] + cell[1], cell[1]])
    return picture, (0.0, width, height, 0.0), corners


def _scale_bar(axes: Axes, width: float, unit: str) -> None:
    """Draw a bar of a round length, about a fifth of the width, on a dark plate."""
    wanted = width / 5
    power = 10 ** np.floor(np.log10(wanted))
    length = float(max(step * power for step in (1, 2, 5) if step * power <= wanted))
    left, top = axes.get_xlim()[0], axes.get_ylim()[1]
    bottom = axes.get_ylim()[0]
    height = bottom - top
    x, y = left + 0.04 * width, bottom - 0.05 * height
    axes.add_patch(
        Rectangle(
            (x - 0.02 * width, y - 0.075 * height),
            length + 0.04 * width,
            0.105 * height,
            fc="black",
            alpha=0.6,
            ec="none",
        )
    )
    axes.plot([x, x + length], [y, y], color="white", lw=3, solid_capstyle="butt")
    axes.text(
        x + length / 2,
        y - 0.015 * height,
        f"{length:g} {unit}",
        color="white",
        ha="center",
        va="bottom",
        fontsize=TEXT_SIZE + 1,
    )
