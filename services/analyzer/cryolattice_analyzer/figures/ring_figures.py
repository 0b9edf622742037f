"""Figures of a lens fit: the spectrum beside its rings, and both along the radius."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc
from numpy.typing import NDArray

from cryolattice_analyzer.figures import pictures, style
from cryolattice_analyzer.lens.ring_profile import RingProfile
from cryolattice_analyzer.lens.transfer import Lens

# Rings that are drawn over the data at most: all of them would hide it.
_MARKED_ZEROS = 3
_GREY_LIMIT = 1.2
_SPACINGS_ANGSTROM = (50, 30, 20, 15, 10, 8, 6, 5, 4, 3.5, 3, 2.5, 2, 1.5, 1.2, 1.0, 0.8)


@style.styled
def ring_spectrum_figure(
    spectrum: NDArray[np.float64],
    fitted: NDArray[np.float64] | None,
    step_per_angstrom: tuple[float, float],
    limit_per_angstrom: float,
    lens: Lens | None = None,
    zeros_per_angstrom: NDArray[np.float64] | None = None,
) -> Figure:
    """Draw a flattened spectrum, with the fit's rings in its right half.

    Parameters
    ----------
    spectrum : ndarray, shape (ny, nx)
        As `ring_profile.flattened` returns it.
    fitted : ndarray, shape (ny, nx), optional
        The same of the fit.
    step_per_angstrom : tuple of float
        Width of a bin along x and y.
    limit_per_angstrom : float
        Half the width of the figure.
    lens : Lens, optional
        Its astigmatism is drawn as an axis.
    zeros_per_angstrom : ndarray, optional
        Where the transfer vanishes at the mean defocus; the first few are drawn into the data.

    Returns
    -------
    Figure
    """
    part, extent = _middle(spectrum, step_per_angstrom, limit_per_angstrom)
    figure = style.new_figure(style.SINGLE_COLUMN_MM, style.SINGLE_COLUMN_MM)
    axes = figure.add_subplot()
    if fitted is not None:
        rings, _ = _middle(fitted, step_per_angstrom, limit_per_angstrom)
        part = part.copy()
        half = part.shape[1] // 2 + 1
        part[:, half:] = rings[:, half:]
    pictures.show_image(
        axes,
        np.nan_to_num(part),
        extent,
        limits=(-_GREY_LIMIT, _GREY_LIMIT) if fitted is not None else None,
    )
    pictures.reciprocal_axes(axes, limit_per_angstrom)
    if lens is not None:
        axes.axvline(0, color=style.ORANGE, lw=0.8)
        _draw_zeros(axes, lens, zeros_per_angstrom)
        _draw_axis(axes, lens, limit_per_angstrom)
        pictures.picture_label(axes, "data")
        axes.annotate(
            "fit",
            (1, 1),
            xycoords="axes fraction",
            xytext=(-3, -3),
            textcoords="offset points",
            ha="right",
            va="top",
            color="white",
            fontsize=style.SMALL_POINTS,
            path_effects=pictures.halo("white"),
        )
    return figure


def _middle(
    spectrum: NDArray[np.float64], step: tuple[float, float], limit: float
) -> tuple[NDArray[np.float64], tuple[float, float, float, float]]:
    ny, nx = spectrum.shape
    r = min(math.ceil(limit / step[1]), ny // 2 - 1)
    c = min(math.ceil(limit / step[0]), nx // 2 - 1)
    part = spectrum[ny // 2 - r : ny // 2 + r + 1, nx // 2 - c : nx // 2 + c + 1]
    x, y = (c + 0.5) * step[0], (r + 0.5) * step[1]
    return part, (-x, x, y, -y)


def _draw_zeros(axes: Axes, lens: Lens, zeros: NDArray[np.float64] | None) -> None:
    """Draw the first zeros over the left half, turned with the astigmatism."""
    ratio = lens.half_difference_angstrom / lens.defocus_angstrom
    if ratio >= 1:
        return  # V is over focus: the zeros are open curves
    for k in [] if zeros is None else zeros[:_MARKED_ZEROS]:
        # k^2 (defocus + A cos 2 phi) is the same along a ring
        along, across = k / math.sqrt(1 + ratio), k / math.sqrt(1 - ratio)
        axes.add_patch(
            Arc(
                (0, 0),
                2 * along,
                2 * across,
                angle=lens.angle_deg,
                theta1=90 - lens.angle_deg,
                theta2=270 - lens.angle_deg,
                color=style.SKY,
                lw=0.8,
                ls=(0, (3, 3)),
            )
        )


def _draw_axis(axes: Axes, lens: Lens, limit: float) -> None:
    """Draw the direction of the greatest defocus."""
    angle = math.radians(lens.angle_deg)
    x, y = 0.96 * limit * math.cos(angle), 0.96 * limit * math.sin(angle)
    for sign in (-1, 1):
        axes.plot(
            [0.86 * sign * x, sign * x], [0.86 * sign * y, sign * y], color=style.VERMILION, lw=1.4
        )
    outward = 1 if x >= 0 else -1
    pictures.label_spot(
        axes, (outward * 0.84 * x, outward * 0.84 * y), "U", style.VERMILION, (-4, 0)
    )


@style.styled
def ring_profile_figure(
    profile: RingProfile, fit_resolution_angstrom: float | None = None
) -> Figure:
    """Draw the rings along the radius, and how they rise over the background.

    Parameters
    ----------
    profile : RingProfile
    fit_resolution_angstrom : float, optional
        Spacing to which rings are seen.

    Returns
    -------
    Figure
    """
    k = profile.k_per_angstrom
    figure = style.new_figure(style.DOUBLE_COLUMN_MM, 92)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.25))
    fit = profile.background + profile.visibility * profile.expected
    above.plot(k, profile.power, color=style.BLUE, lw=0.8, label="spectrum")
    above.plot(k, fit, color=style.VERMILION, lw=0.8, label="fit")
    above.plot(k, profile.background, color="0.35", lw=0.8, ls="--", label="background")
    # the steep middle would flatten the rings
    inner = k > k[0] + 0.06 * (k[-1] - k[0])
    low, high = np.percentile(profile.power[inner], [0, 100])
    above.set_ylim(low - 0.12 * (high - low), high + 0.12 * (high - low))
    above.set_ylabel("power")
    above.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    above.legend(loc="upper right", ncols=3)
    below.axhline(0, color="0.8", lw=0.6, zorder=0)
    below.plot(k, profile.rings, color=style.BLUE, lw=0.8, label="spectrum over background")
    below.plot(k, profile.expected, color=style.VERMILION, lw=0.8, label="fit, CTF² − ½")
    below.set_ylim(-1.15, 1.45)
    below.set_ylabel("rings (units of their visibility)")
    below.set_xlabel("spatial frequency (1/Å)")
    below.legend(loc="upper right", ncols=2)
    for axes in (above, below):
        if fit_resolution_angstrom is not None and 1 / fit_resolution_angstrom < k[-1]:
            axes.axvspan(1 / fit_resolution_angstrom, k[-1], color="0.93", lw=0, zorder=-1)
    if fit_resolution_angstrom is not None:
        reached = min(1 / fit_resolution_angstrom, k[-1])
        below.annotate(
            f"rings seen to {fit_resolution_angstrom:.2f} Å",
            (reached, -1.12),
            xytext=(-3, 1),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=style.SMALL_POINTS,
        )
    below.set_xlim(k[0], k[-1])
    _spacing_axis(above, k[0], k[-1])
    return figure


def _spacing_axis(axes: Axes, low: float, high: float) -> None:
    """Write spacings along the upper edge."""
    upper = axes.secondary_xaxis("top")
    shown = [d for d in _SPACINGS_ANGSTROM if low < 1 / d < high]
    # the outer ones lie far apart, the inner ones would overlap
    spaced: list[float] = []
    for d in reversed(shown):
        if not spaced or 1 / spaced[-1] - 1 / d > 0.045 * (high - low):
            spaced.append(d)
    upper.set_xticks([1 / d for d in spaced], [f"{d:g}" for d in spaced])
    upper.set_xlabel("spacing (Å)")
