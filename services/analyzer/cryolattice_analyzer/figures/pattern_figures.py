"""Diffraction patterns: measured ones, and those of simulated crystals drawn like them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from cryolattice_analyzer.figures import pictures, style
from cryolattice_analyzer.figures.simulated_crystal import SimulatedCrystal
from cryolattice_analyzer.figures.style import styled

LIMIT_PER_ANGSTROM = 0.75
_SPOT_PER_ANGSTROM = 0.008
_PIXELS = 501
_PANEL_MM = 66.0
_RING = 0.03
# A beam below this share of the strongest diffracted one is no spot.
SPOT_SHARE = 1e-3
# shows spots a thousand times weaker than the strongest, as a long exposure does
_GAMMA = 0.35
_PARALLEL = 1e-6


@dataclass(frozen=True)
class MeasuredSeries:
    """Diffraction patterns of growing dose with the lattice that was fitted to them.

    Attributes
    ----------
    label : str
        Such as ``"98 K"``.
    frames : ndarray, shape (n, ny, nx)
        Counts.
    origins_px : ndarray, shape (n, 2)
        (y, x) of the direct beam in each frame.
    basis_px : ndarray, shape (2, 2)
        Rows a*, b* in (y, x).
    pixel_size_per_angstrom, dose_per_frame_e_per_angstrom2 : float
    """

    label: str
    frames: NDArray[np.floating]
    origins_px: NDArray[np.float64]
    basis_px: NDArray[np.float64]
    pixel_size_per_angstrom: float
    dose_per_frame_e_per_angstrom2: float

    def shown(self, frame: int) -> NDArray[np.float64]:
        """Return one frame, smoothed a little for the eye."""
        return np.asarray(scipy.ndimage.gaussian_filter(self.frames[frame].astype(float), 0.8))

    def extent(self, frame: int) -> tuple[float, float, float, float]:
        """Return left, right, bottom and top in 1/angstrom with the direct beam at 0."""
        ny, nx = self.frames.shape[1:]
        y, x = self.origins_px[frame]
        edges = np.array([-0.5 - x, nx - 0.5 - x, ny - 0.5 - y, -0.5 - y])
        left, right, bottom, top = (edges * self.pixel_size_per_angstrom).tolist()
        return left, right, bottom, top


def spot_spacings(
    crystal: SimulatedCrystal, thickness_angstrom: float, share: float = SPOT_SHARE
) -> NDArray[np.float64]:
    """Return the spacings of the spots that show, angstrom, largest first.

    Parameters
    ----------
    crystal : SimulatedCrystal
    thickness_angstrom : float
    share : float
        A spot has at least this share of the strongest diffracted intensity.

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    intensity = crystal.intensities(thickness_angstrom)
    g = np.hypot(*crystal.g_per_angstrom.T)
    intensity[g == 0] = 0.0
    seen = intensity > share * intensity.max(initial=1e-30)
    return np.unique(np.round(1 / g[seen], 6))[::-1]


def pattern_image(
    crystal: SimulatedCrystal, thickness_angstrom: float, limit_per_angstrom: float
) -> tuple[NDArray[np.float64], float]:
    """Draw each beam as a round spot whose height is its intensity.

    Returns
    -------
    image : ndarray, shape (n, n)
        Of the frequencies from -limit to limit, incident intensity 1.
    strongest : float
        The greatest diffracted intensity.
    """
    intensity = crystal.intensities(thickness_angstrom)
    axis = np.linspace(-limit_per_angstrom, limit_per_angstrom, _PIXELS)
    columns, rows = (
        np.exp(-0.5 * ((axis - g[:, None]) / _SPOT_PER_ANGSTROM) ** 2)
        for g in crystal.g_per_angstrom.T
    )
    diffracted = intensity[(crystal.h != 0) | (crystal.k != 0)]
    image = (rows * intensity[:, None]).T @ columns
    return image, max(float(diffracted.max(initial=0.0)), 1e-30)


@styled
def diffraction_figure(
    crystals: Sequence[SimulatedCrystal],
    titles: Sequence[str],
    thickness_angstrom: float,
    *,
    limit_per_angstrom: float = LIMIT_PER_ANGSTROM,
) -> Figure:
    """Draw simulated patterns with the first orders of parent and superlattice marked.

    Parameters
    ----------
    crystals : sequence of SimulatedCrystal
    titles : sequence of str
    thickness_angstrom : float
    limit_per_angstrom : float
        Half the width of a pattern.

    Returns
    -------
    Figure
        Intensities on one scale; the direct beam is saturated.
    """
    figure = style.new_figure(_PANEL_MM * len(crystals) + 31, _PANEL_MM + 9)
    panels = figure.subplots(1, len(crystals), squeeze=False, sharey=True)[0]
    strongest = max(pattern_image(c, thickness_angstrom, 0.1)[1] for c in crystals)
    for panel, crystal, title in zip(panels, crystals, titles, strict=True):
        drawn = _simulated_panel(panel, crystal, thickness_angstrom, limit_per_angstrom, strongest)
        panel.set_title(title)
    for panel in panels[1:]:
        panel.set_ylabel("")
    bar = pictures.colour_bar(drawn, list(panels), "Intensity / incident")
    decades = [10.0**n for n in range(-4, 1) if 10.0**n <= strongest]
    bar.set_ticks([0.0, *decades], labels=["0", *(f"{value:g}" for value in decades)])
    bar.minorticks_off()
    return figure


@styled
def measured_beside_simulated_figure(
    series: MeasuredSeries,
    crystal: SimulatedCrystal,
    thickness_angstrom: float,
    *,
    limit_per_angstrom: float = LIMIT_PER_ANGSTROM,
) -> Figure:
    """Draw the first frame of a series beside the pattern of a simulated crystal.

    Parameters
    ----------
    series : MeasuredSeries
    crystal : SimulatedCrystal
    thickness_angstrom : float
    limit_per_angstrom : float

    Returns
    -------
    Figure
    """
    figure = style.new_figure(2 * _PANEL_MM + 18, _PANEL_MM + 13)
    panels = figure.subplots(1, 2, sharey=True)
    measured_panel(panels[0], series, 0, limit_per_angstrom)
    pictures.reciprocal_axes(panels[0], limit_per_angstrom)
    _mark_first_orders(panels[0], series.basis_px[:, ::-1] * series.pixel_size_per_angstrom)
    panels[0].set_title(
        f"Measured at {series.label}, first {series.dose_per_frame_e_per_angstrom2:g} e/Å²"
    )
    strongest = pattern_image(crystal, thickness_angstrom, limit_per_angstrom)[1]
    _simulated_panel(panels[1], crystal, thickness_angstrom, limit_per_angstrom, strongest)
    panels[1].set_title(f"Simulated, {thickness_angstrom:.1f} Å thick")
    panels[1].set_ylabel("")
    return figure


def measured_panel(
    panel: Axes, series: MeasuredSeries, frame: int, limit_per_angstrom: float
) -> AxesImage:
    """Draw one frame of a series, the grey scale that of its first frame.

    Parameters
    ----------
    panel : Axes
    series : MeasuredSeries
    frame : int
    limit_per_angstrom : float
        Half the width shown.
    """
    first = series.shown(0)
    positive = first[first > 0]
    low, high = np.percentile(positive, [5.0, 99.9]) if positive.size else (1.0, 10.0)
    drawn = pictures.show_image(
        panel,
        series.shown(frame),
        series.extent(frame),
        colours=style.PATTERN_MAP,
        norm=LogNorm(low, max(high, 1.5 * low), clip=True),
    )
    panel.set_xlim(-limit_per_angstrom, limit_per_angstrom)
    panel.set_ylim(limit_per_angstrom, -limit_per_angstrom)
    return drawn


def _simulated_panel(
    panel: Axes,
    crystal: SimulatedCrystal,
    thickness_angstrom: float,
    limit: float,
    strongest: float,
) -> AxesImage:
    image, _ = pattern_image(crystal, thickness_angstrom, limit)
    drawn = pictures.show_image(
        panel,
        image,
        (-limit, limit, limit, -limit),
        colours=style.PATTERN_MAP,
        norm=PowerNorm(_GAMMA, 0.0, strongest, clip=True),
    )
    pictures.reciprocal_axes(panel, limit)
    a, b = crystal.lengths_angstrom
    own = np.array([[1 / a, 0.0], [0.0, 1 / b]])
    parent = own * np.array(crystal.repeats)[:, None]
    if crystal.repeats == (1, 1):
        parent = _innermost(crystal, thickness_angstrom)
    _mark_first_orders(panel, parent)
    intensity = crystal.intensities(thickness_angstrom)
    for axis in (0, 1):
        first = (crystal.h == (1 - axis)) & (crystal.k == axis)
        ordered = crystal.repeats[axis] > 1 and np.any(intensity[first] > SPOT_SHARE * strongest)
        if ordered:
            pictures.mark_spots(
                panel, [own[axis], -own[axis]], _RING, style.SUPERLATTICE, square=True
            )
    if spot_spacings(crystal, thickness_angstrom)[0] > 1.01 * a / crystal.repeats[0]:
        pictures.label_spot(panel, (0.0, -1 / b), f"{b:.1f} Å", "black", (5, 3))
    return drawn


def _innermost(crystal: SimulatedCrystal, thickness_angstrom: float) -> NDArray[np.float64]:
    """Two of the spots that show, the innermost and the next that is not opposite: rows (x, y)."""
    intensity = crystal.intensities(thickness_angstrom)
    g = crystal.g_per_angstrom
    length = np.hypot(*g.T)
    intensity[length == 0] = 0.0
    seen = np.flatnonzero(intensity > SPOT_SHARE * intensity.max(initial=1e-30))
    # of equally long ones the uppermost of those to the right
    ordered = seen[np.lexsort((-g[seen, 1], -g[seen, 0], np.round(length[seen], 6)))]
    first = g[ordered[0]]
    aside = np.abs(first[0] * g[ordered, 1] - first[1] * g[ordered, 0]) > _PARALLEL
    return g[[ordered[0], *ordered[aside][:1]]]


def _mark_first_orders(panel: Axes, parent: NDArray[np.float64]) -> None:
    """Ring the first orders of the parent, rows a* and b* in (x, y), and write their spacing."""
    pictures.mark_spots(panel, np.concatenate([parent, -parent]), _RING, style.PARENT)
    outermost = max((*parent, *-parent), key=lambda g: g[0])
    x, y = outermost
    spacing = 1 / float(np.hypot(x, y))
    pictures.label_spot(panel, (float(x), float(y)), f"{spacing:.1f} Å", "black", (4, 5))
