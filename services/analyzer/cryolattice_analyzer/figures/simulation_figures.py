"""Figures of simulated crystals: their atoms, their exit waves, their images over thickness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.fft
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Rectangle, Wedge
from numpy.typing import NDArray

from cryolattice_analyzer.figures import pictures, style
from cryolattice_analyzer.figures.cell_figures import draw_cells
from cryolattice_analyzer.figures.simulated_crystal import SimulatedCrystal
from cryolattice_analyzer.figures.style import styled
from cryolattice_analyzer.lens.ctf_correction import phase_flipped
from cryolattice_analyzer.lens.transfer import Lens

_PIXELS = 128
_COLUMNS = 8
# what the projection shows: element, colour, radius in angstrom
_ATOMS = ((11, "Na", style.ORANGE, 0.62), (5, "B", style.GREEN, 0.42), (7, "N", style.BLUE, 0.36))


def image_of(
    crystal: SimulatedCrystal, plane: int, lens: Lens, cs_mm: float, *, corrected: bool = False
) -> NDArray[np.float64]:
    """Return a coherent bright-field image of one cell, without damping envelopes.

    Parameters
    ----------
    crystal : SimulatedCrystal
    plane : int
        Index of the thickness.
    lens : Lens
    cs_mm : float
    corrected : bool
        Flip the phases where the transfer of the lens is negative.

    Returns
    -------
    ndarray of float64, shape (m, m)
        In units of the incident intensity.
    """
    image = np.abs(crystal.wave(plane, _PIXELS, lens, cs_mm)) ** 2
    if not corrected:
        return np.asarray(image)
    a, b = crystal.lengths_angstrom
    k, h = np.meshgrid(*2 * [scipy.fft.fftfreq(_PIXELS, 1 / _PIXELS)], indexing="ij")
    spectrum = scipy.fft.fft2(image)
    flipped = phase_flipped(
        spectrum,
        np.stack([h / a, k / b], axis=-1),
        lens,
        energy_kev=crystal.energy_kev,
        cs_mm=cs_mm,
    )
    flipped[0, 0] = spectrum[0, 0]
    return np.asarray(scipy.fft.ifft2(flipped).real)


@styled
def thickness_figure(
    crystal: SimulatedCrystal,
    thicknesses_angstrom: Sequence[float],
    lens: Lens,
    cs_mm: float,
    *,
    corrected: bool = False,
    highlight_angstrom: float | None = None,
) -> Figure:
    """Draw images of the cell, 2 x 2 tiled, over thickness.

    Parameters
    ----------
    crystal : SimulatedCrystal
    thicknesses_angstrom : sequence of float
        The nearest simulated ones are drawn.
    lens : Lens
    cs_mm : float
    corrected : bool
        Flip the phases where the transfer of the lens is negative.
    highlight_angstrom : float, optional
        Frame this one.

    Returns
    -------
    Figure
        Each panel has its own grey scale.
    """
    planes = list(dict.fromkeys(crystal.plane(t) for t in thicknesses_angstrom))
    a, b = crystal.lengths_angstrom
    return images_figure(
        [
            (
                f"{float(crystal.thicknesses_angstrom[plane]):.1f} Å",
                np.tile(image_of(crystal, plane, lens, cs_mm, corrected=corrected), (2, 2)),
            )
            for plane in planes
        ],
        (2 * a, 2 * b),
        highlight=None
        if highlight_angstrom is None
        else planes.index(crystal.plane(highlight_angstrom)),
    )


@styled
def images_figure(
    images: Sequence[tuple[str, NDArray[np.floating]]],
    edges_angstrom: tuple[float, float],
    *,
    highlight: int | None = None,
    columns: int = _COLUMNS,
) -> Figure:
    """Draw images of one field beside each other.

    Parameters
    ----------
    images : sequence of (str, ndarray of shape (ny, nx))
        Title and values.
    edges_angstrom : (float, float)
        Width and height of the field.
    highlight : int, optional
        Frame this one.
    columns : int
        At most so many in a row.

    Returns
    -------
    Figure
        Each panel has its own grey scale.
    """
    width, height = edges_angstrom
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    side = style.DOUBLE_COLUMN_MM / max(columns, 2 if rows == 1 else 4)
    figure = style.new_figure(side * columns, rows * (side * min(height / width, 2) + 3.5))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    for place, (panel, (title, image)) in enumerate(zip(panels, images, strict=False)):
        pictures.show_image(panel, image, (0, width, height, 0))
        panel.set_title(title)
        if place == highlight:
            panel.set_title(title, fontweight="bold", color=style.BEST)
            frame = Rectangle((0, 0), 1, 1, transform=panel.transAxes, clip_on=False)
            frame.set(fill=False, edgecolor=style.BEST, linewidth=2.0)
            panel.add_patch(frame)
    pictures.scale_bar(panels[0], "Å", share=0.35)
    return figure


@styled
def exit_wave_figure(crystal: SimulatedCrystal, thickness_angstrom: float) -> Figure:
    """Draw amplitude and phase of an exit wave, 2 x 2 cells.

    Parameters
    ----------
    crystal : SimulatedCrystal
    thickness_angstrom : float

    Returns
    -------
    Figure
        The phase is that against the direct beam.
    """
    # fine enough to be drawn without interpolation, which a phase that jumps by 2 pi forbids
    orders = int(max(np.abs(crystal.h).max(initial=0), np.abs(crystal.k).max(initial=0)))
    pixels = max(2 * _PIXELS, scipy.fft.next_fast_len(4 * orders + 1))
    wave = crystal.wave(crystal.plane(thickness_angstrom), pixels)
    wave = wave * np.exp(-1j * np.angle(wave.mean()))
    figure = style.new_figure(0.9 * style.DOUBLE_COLUMN_MM, 67)
    panels = figure.subplots(1, 2)
    direct = np.diag(crystal.lengths_angstrom)
    amplitude = draw_cells(panels[0], np.abs(wave), direct)
    panels[0].set_title("Amplitude")
    pictures.colour_bar(amplitude, panels[0], "Amplitude / incident")
    limits = (-np.pi, np.pi)
    phase = draw_cells(
        panels[1], np.angle(wave), direct, colours=style.CYCLIC_MAP, limits=limits, smooth=False
    )
    panels[1].set_title("Phase")
    bar = pictures.colour_bar(phase, panels[1], "Phase (rad)")
    bar.set_ticks([-np.pi, 0, np.pi], labels=["−π", "0", "π"])
    return figure


@styled
def structure_figure(crystals: Sequence[SimulatedCrystal], titles: Sequence[str]) -> Figure:
    """Draw the atoms of 2 x 2 cells along the beam, hydrogens left out.

    Parameters
    ----------
    crystals : sequence of SimulatedCrystal
    titles : sequence of str

    Returns
    -------
    Figure
        A site that is filled in part is a pie; an empty one a dashed ring.
    """
    figure = style.new_figure(0.82 * style.DOUBLE_COLUMN_MM, 83)
    panels = figure.subplots(1, len(crystals), squeeze=False, gridspec_kw={"wspace": 0.08})[0]
    for panel, crystal, title in zip(panels, crystals, titles, strict=True):
        _structure_panel(panel, crystal)
        panel.set_title(title)
    handles = [
        Line2D([], [], marker="o", ls="", mfc=colour, mec="0.2", mew=0.4, ms=14 * r, label=name)
        for _, name, colour, r in _ATOMS
    ]
    handles.append(
        Line2D([], [], marker="o", ls="", mfc="none", mec=style.BEST, ms=7, label="Na vacancy")
    )
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _structure_panel(panel: Axes, crystal: SimulatedCrystal) -> None:
    a, b = crystal.lengths_angstrom
    panel.set_aspect("equal")
    panel.set_axis_off()
    # room for whole atoms on the edges, and for the scale bar below them
    panel.set_xlim(-0.8, 2 * a + 0.8)
    panel.set_ylim(2 * b + 3.2, -0.8)
    for number, _, colour, radius in _ATOMS:
        chosen = crystal.numbers == number
        for (x, y), share in zip(
            crystal.xy_angstrom[chosen], crystal.occupancies[chosen], strict=True
        ):
            for place in _repeated(x, y, a, b):
                panel.add_patch(Circle(place, radius, fc="white", ec="0.2", lw=0.4))
                full = 360.0 * float(share)
                panel.add_patch(Wedge(place, radius, 90, 90 + full, fc=colour, ec="0.2", lw=0.4))
    ring = _ATOMS[0][3]
    for x, y in crystal.vacant_xy_angstrom:
        for place in _repeated(x, y, a, b):
            panel.add_patch(
                Circle(place, ring, fill=False, ec=style.BEST, lw=0.9, ls=(0, (2, 1.2)))
            )
    panel.add_patch(Rectangle((a / 2, b / 2), a, b, fill=False, ec=style.CELL, lw=1.0))
    pictures.scale_bar(panel, "Å", colour="black")


def _repeated(x: float, y: float, a: float, b: float) -> list[tuple[float, float]]:
    """Places of an atom in 2 x 2 cells, those on all edges included."""
    x, y = x % a, y % b
    columns = [x + i * a for i in range(3) if x + i * a < 2 * a + 1e-6]
    rows = [y + j * b for j in range(3) if y + j * b < 2 * b + 1e-6]
    return [(column, row) for column in columns for row in rows]
