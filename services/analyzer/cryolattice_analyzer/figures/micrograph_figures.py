"""Figures of a micrograph: the field with its crystal, the indexed spectrum, the averaged cell."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import NDArray

from cryolattice_analyzer.figures import pictures, style
from cryolattice_analyzer.figures.cell_figures import cells_figure
from cryolattice_analyzer.figures.style import styled
from cryolattice_analyzer.imaging.average import AveragedCell
from cryolattice_analyzer.imaging.crystal_area import CrystalArea
from cryolattice_analyzer.imaging.lattice import Lattice2D
from cryolattice_analyzer.imaging.lattice_search import half_plane_indices
from cryolattice_analyzer.imaging.power_spectrum import PowerSpectrum
from cryolattice_analyzer.imaging.superlattice import Superlattice

# Superlattice spots whose chance in noise is below this are marked as seen: exp(-9) = 1e-4.
SEEN_SIGNIFICANCE = 9.0
_OUTLINE = style.ORANGE


@styled
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
    side = style.SINGLE_COLUMN_MM
    figure = style.new_figure(side, side * ny / nx + (5 if area is not None else 0))
    axes = figure.subplots()
    low, high = np.percentile(binned, [0.5, 99.5])
    pictures.show_image(axes, binned, (0, width, height, 0), limits=(float(low), float(high)))
    if area is not None and area.outline.any() and not area.outline.all():
        x = (np.arange(nx) + 0.5) * pixel_size_angstrom / 10
        y = (np.arange(ny) + 0.5) * pixel_size_angstrom / 10
        axes.contour(x, y, area.outline, levels=[0.5], colors=_OUTLINE, linewidths=1.0)
    if area is not None:
        axes.set_title(f"Crystal (outlined): {100 * area.fraction:.0f} % of the field")
    pictures.scale_bar(axes, "nm")
    return figure


@styled
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
    figure = style.new_figure(style.SINGLE_COLUMN_MM, style.SINGLE_COLUMN_MM)
    axes = figure.subplots()
    pictures.show_image(
        axes,
        shown,
        (-(c + 0.5) * dx, (c + 0.5) * dx, (r + 0.5) * dy, -(r + 0.5) * dy),
        limits=(0.0, 2.0),
    )
    pictures.reciprocal_axes(axes, limit)
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
            fontsize=style.SMALL_POINTS,
            ha="center",
            va="center",
            path_effects=pictures.halo("white"),
        )
    _mark_spots(axes, lattice, superlattice, limit)
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
    pictures.mark_spots(axes, [_to_right(*g) for g in parent.values()], radius, style.PARENT)
    pictures.mark_spots(
        axes, [_to_right(*g) for g in fractional], radius, style.SUPERLATTICE, square=True
    )
    for h, k in half_plane_indices(lattice.reciprocal, 0.36 * limit / 0.7):
        x, y = (int(h), int(k)) @ lattice.reciprocal
        sign = 1 if _to_right(x, y) == (x, y) else -1
        if (int(h), int(k)) in parent:
            name = f"{_index(sign * h)}{_index(sign * k)}"
            pictures.label_spot(axes, (sign * x, sign * y), name, style.PARENT, (3, 3))
    handles = [pictures.spot_handle(style.PARENT, "parent")]
    if fractional:
        name = f"superlattice {repeat[0]} × {repeat[1]}"
        handles.append(pictures.spot_handle(style.SUPERLATTICE, name, square=True))
    pictures.picture_legend(axes, handles)


def _to_right(x: float, y: float) -> tuple[float, float]:
    """Return the one of a spot and its Friedel mate that lies in the right half."""
    return (x, y) if x > 0 or (x == 0 and y > 0) else (-x, -y)


def _index(value: int) -> str:
    """Write a Miller index, negative ones with a bar."""
    return f"{abs(value)}\u0305" if value < 0 else f"{value}"


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
    m, n = averaged.supercell
    percent = 100 * averaged.image_standard_error
    note = f"{averaged.cells:.0f} cells of {m} × {n}, standard error {percent:.1f} % of the mean"
    return cells_figure(panels, averaged.direct, "Intensity / mean", note=note)
