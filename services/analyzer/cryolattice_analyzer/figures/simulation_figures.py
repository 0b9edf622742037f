"""Figures of one simulated crystal: images over thickness, and diffraction patterns."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cryolattice_analyzer.figures import style
from cryolattice_analyzer.figures.beam_images import images_from_beams
from cryolattice_analyzer.figures.style import styled
from cryolattice_analyzer.lens.transfer import Lens

_PIXELS = 96
_PANELS = 16
_COLUMNS = 8
_SPOT_AREA = 90.0


def _chosen(count: int, most: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


@styled
def thickness_figure(
    h: NDArray[np.integer],
    k: NDArray[np.integer],
    psi: NDArray[np.complexfloating],
    thicknesses_angstrom: NDArray[np.float64],
    lengths_angstrom: tuple[float, float],
    *,
    energy_kev: float,
    cs_mm: float,
    defocus_angstrom: float,
) -> Figure:
    """Draw bright-field images of the cell, 2 x 2 tiled, at up to 16 thicknesses.

    Parameters
    ----------
    h, k : ndarray of int, shape (b,)
    psi : ndarray of complex, shape (t, b)
    thicknesses_angstrom : ndarray, shape (t,)
    lengths_angstrom : (float, float)
        Edges a and b of the cell.
    energy_kev, cs_mm, defocus_angstrom : float

    Returns
    -------
    Figure
        Each panel has its own grey scale.
    """
    chosen = _chosen(len(thicknesses_angstrom), _PANELS)
    images = images_from_beams(
        h,
        k,
        psi[chosen],
        lengths_angstrom,
        Lens(defocus_angstrom),
        energy_kev=energy_kev,
        cs_mm=cs_mm,
        shape=(_PIXELS, _PIXELS),
    )
    a, b = lengths_angstrom
    columns = min(_COLUMNS, len(chosen))
    rows = -(-len(chosen) // columns)
    side = style.DOUBLE_COLUMN_MM / _COLUMNS
    figure = style.new_figure(side * max(columns, 4), rows * (side * min(b / a, 2) + 4))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    for panel, image, thickness in zip(panels, images, thicknesses_angstrom[chosen], strict=False):
        style.show_image(panel, np.tile(image, (2, 2)), (0, 2 * a, 2 * b, 0))
        panel.set_title(f"{thickness:.1f} Å")
    style.scale_bar(panels[0], "Å")
    return figure


@styled
def diffraction_figure(
    h: NDArray[np.integer],
    k: NDArray[np.integer],
    psi: NDArray[np.complexfloating],
    thickness_angstrom: float,
    lengths_angstrom: tuple[float, float],
    repeats: tuple[int, int],
    *,
    g_max_per_angstrom: float = 0.8,
) -> Figure:
    """Draw the diffraction pattern of one exit wave, parent and superlattice spots apart.

    Parameters
    ----------
    h, k : ndarray of int, shape (b,)
    psi : ndarray of complex, shape (b,)
    thickness_angstrom : float
    lengths_angstrom : (float, float)
    repeats : (int, int)
        Parent cells along a and b: orders that are no multiples are superlattice spots.
    g_max_per_angstrom : float

    Returns
    -------
    Figure
        The area of a spot grows with the amplitude of its beam.
    """
    gx, gy = h / lengths_angstrom[0], k / lengths_angstrom[1]
    amplitude = np.abs(psi)
    direct = (h == 0) & (k == 0)
    shown = (np.hypot(gx, gy) <= g_max_per_angstrom) & ~direct & (amplitude > 1e-5)
    parent = (h % repeats[0] == 0) & (k % repeats[1] == 0)
    strongest = max(float(amplitude[~direct].max(initial=0.0)), 1e-12)
    figure = style.new_figure(style.SINGLE_COLUMN_MM, style.SINGLE_COLUMN_MM)
    panel = figure.subplots()
    panel.scatter([0], [0], s=40, marker="+", color="0.25", label="direct beam")
    for chosen, colour, marker, label in (
        (shown & parent, style.PARENT, "o", "parent"),
        (shown & ~parent, style.SUPERLATTICE, "s", "superlattice"),
    ):
        if np.any(chosen):
            panel.scatter(
                gx[chosen],
                gy[chosen],
                s=_SPOT_AREA * amplitude[chosen] / strongest,
                marker=marker,
                color=colour,
                edgecolor="0.2",
                linewidth=0.3,
                label=label,
            )
    style.reciprocal_axes(panel, g_max_per_angstrom)
    panel.set_title(f"{thickness_angstrom:.1f} Å thick")
    style.picture_legend(panel)
    return figure
