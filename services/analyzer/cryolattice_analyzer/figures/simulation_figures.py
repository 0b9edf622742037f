"""Figures of one simulated crystal: images over thickness, and diffraction patterns."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cryolattice_analyzer.figures.beam_images import images_from_beams
from cryolattice_analyzer.lens.transfer import Lens

_PIXELS = 96
_TEXT_SIZE = 9
_PANELS = 16
_SPOT_AREA = 260.0


def _chosen(count: int, most: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


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
    columns = min(4, len(chosen))
    rows = -(-len(chosen) // columns)
    figure = Figure(figsize=(2.1 * columns, 2.3 * rows + 0.4), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    a, b = lengths_angstrom
    for panel in panels:
        panel.set_axis_off()
    for panel, image, thickness in zip(panels, images, thicknesses_angstrom[chosen], strict=False):
        panel.imshow(np.tile(image, (2, 2)), cmap="gray", extent=(0, 2 * a, 2 * b, 0))
        panel.set_title(f"{thickness:.1f} Å", fontsize=_TEXT_SIZE)
    first = panels[0]
    length = 5.0 if a >= 5 else 1.0
    first.plot([0.6, 0.6 + length], [2 * b - 0.9] * 2, color="white", lw=4)
    first.plot([0.6, 0.6 + length], [2 * b - 0.9] * 2, color="black", lw=2)
    first.text(0.6, 2 * b - 1.5, f"{length:g} Å", fontsize=_TEXT_SIZE, color="white")
    figure.suptitle(
        f"defocus {defocus_angstrom:.0f} Å, {energy_kev:g} keV, Cs {cs_mm:g} mm",
        fontsize=_TEXT_SIZE + 1,
    )
    return figure


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
    figure = Figure(figsize=(5.2, 5.2), layout="constrained")
    axes = figure.subplots()
    axes.scatter([0], [0], s=_SPOT_AREA, marker="+", color="#444444", label="direct beam")
    for chosen, colour, marker, label in (
        (shown & parent, "#E69F00", "o", "parent"),
        (shown & ~parent, "#56B4E9", "s", "superlattice"),
    ):
        if np.any(chosen):
            axes.scatter(
                gx[chosen],
                gy[chosen],
                s=_SPOT_AREA * amplitude[chosen] / strongest,
                marker=marker,
                color=colour,
                edgecolor="#333333",
                linewidth=0.4,
                label=label,
            )
    axes.set_aspect("equal")
    axes.set_xlim(-g_max_per_angstrom, g_max_per_angstrom)
    axes.set_ylim(g_max_per_angstrom, -g_max_per_angstrom)
    axes.set_xlabel("1/Å", fontsize=_TEXT_SIZE)
    axes.set_ylabel("1/Å", fontsize=_TEXT_SIZE)
    axes.tick_params(labelsize=_TEXT_SIZE - 1)
    axes.set_title(f"{thickness_angstrom:.1f} Å thick", fontsize=_TEXT_SIZE + 1)
    axes.legend(fontsize=_TEXT_SIZE - 1, loc="upper right", markerscale=0.6)
    return figure
