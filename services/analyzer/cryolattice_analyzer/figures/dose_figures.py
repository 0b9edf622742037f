"""Figures of a dose analysis: fading curves and the indexed pattern."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from scipy import ndimage

from cryolattice_analyzer.dose.critical_dose import DoseResult, DoseRow, FadingCurve

# Okabe and Ito's palette: told apart with every kind of colour vision.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P")


def fading_figure(results: list[DoseResult], most_rows: int = 4) -> Figure:
    """Draw measured and fitted fading, one panel a series, with lines at 1/e.

    Parameters
    ----------
    results : list of DoseResult
        One or two series.
    most_rows : int
        Spacings to draw, the largest; the table of results has all of them.

    Returns
    -------
    Figure
        Intensity as a share of that at zero dose against the accumulated dose. Vertical marks
        are the critical doses.
    """
    figure = _figure(7.2 if len(results) > 1 else 4.6, 3.7)
    axes = figure.subplots(1, len(results), squeeze=False)[0]
    for axis, result in zip(axes, results, strict=True):
        _fading_panel(axis, result, most_rows)
    axes[0].set_ylabel("Intensity relative to zero dose")
    return figure


def critical_dose_figure(results: list[DoseResult]) -> Figure:
    """Draw critical dose against spacing with 95 % intervals, one colour a series."""
    figure = _figure(4.8, 3.7)
    axis = figure.subplots()
    for index, result in enumerate(results):
        d = np.array([row.d_angstrom for row in result.rows])
        dc = np.array([row.critical_dose_e_per_angstrom2 for row in result.rows])
        low = dc - np.array([row.ci95_low for row in result.rows])
        high = np.array([row.ci95_high for row in result.rows]) - dc
        axis.errorbar(
            1.0 / d,
            dc,
            yerr=np.array([low, high]),
            fmt=_MARKERS[index],
            color=_COLOURS[index],
            markersize=4.5,
            capsize=2,
            linewidth=1,
            label=result.name,
        )
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
    axis.yaxis.set_minor_formatter("{x:g}")
    axis.set_xlim(left=0)
    axis.set_xlabel("Spatial frequency 1/d (1/Å)")
    axis.set_ylabel("Critical dose (e/Å²)")
    axis.legend(frameon=False, fontsize=8)
    _plain(axis)
    return figure


def pattern_figure(result: DoseResult) -> Figure:
    """Draw the summed pattern on a logarithmic scale with the measured reflections circled."""
    figure = _figure(5.8, 4.8)
    axis = figure.subplots()
    ny, nx = result.summed.shape
    pixel = result.pixel_size_per_angstrom
    y0, x0 = result.lattice.origin_px
    extent = (
        (-0.5 - x0) * pixel,
        (nx - 0.5 - x0) * pixel,
        (ny - 0.5 - y0) * pixel,
        (-0.5 - y0) * pixel,
    )
    smooth = ndimage.gaussian_filter(result.summed, 0.6)
    positive = smooth[smooth > 0]
    low, high = np.percentile(positive, [2.0, 99.85]) if positive.size else (1.0, 10.0)
    image = axis.imshow(
        np.maximum(smooth, low),
        norm=LogNorm(low, max(high, 1.5 * low)),
        cmap="gray_r",
        extent=extent,
        interpolation="nearest",
    )
    places = (result.reflections_px - result.lattice.origin_px) * pixel
    shortest = float(np.linalg.norm(result.lattice.basis_px[0]))
    points_per_px = 72 * 3.7 / max(ny, nx)
    axis.scatter(
        places[:, 1],
        places[:, 0],
        s=(min(0.62 * shortest, 16.0) * points_per_px) ** 2,
        facecolors="none",
        edgecolors=_COLOURS[1],
        linewidths=0.7,
        label="measured reflections",
    )
    axis.plot(0, 0, "+", color=_COLOURS[0], markersize=9, markeredgewidth=1.2, label="origin")
    for index, name in enumerate(("a*", "b*")):
        vector = result.lattice.basis_px[index] * pixel
        axis.annotate(
            "",
            xy=(vector[1], vector[0]),
            xytext=(0, 0),
            arrowprops={"arrowstyle": "-|>", "color": _COLOURS[0], "linewidth": 1.3},
        )
        axis.annotate(
            name,
            xy=(1.55 * vector[1], 1.55 * vector[0]),
            color=_COLOURS[0],
            fontsize=9,
            ha="center",
            va="center",
        )
    axis.set_xlim(extent[0], extent[1])
    axis.set_ylim(extent[2], extent[3])
    axis.set_xlabel("$k_x$ (1/Å)")
    axis.set_ylabel("$k_y$ (1/Å)")
    axis.set_title(result.name, fontsize=10)
    bar = figure.colorbar(image, ax=axis, fraction=0.046, pad=0.03)
    bar.set_label("Counts, summed over the series")
    axis.legend(loc="upper right", fontsize=7.5, framealpha=0.9, edgecolor="none", markerscale=0.8)
    axis.tick_params(direction="out", labelsize=8)
    return figure


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _fading_panel(axis: Axes, result: DoseResult, most_rows: int) -> None:
    pairs = list(zip(result.rows, result.curves, strict=True))[:most_rows]
    longest = max(curve.fine_dose_e_per_angstrom2[-1] for _, curve in pairs)
    axis.axhline(1 / math.e, color="0.35", linewidth=0.9, linestyle=(0, (5, 3)), zorder=1)
    axis.annotate(
        "1/e",
        xy=(1.0, 1 / math.e),
        xycoords=("axes fraction", "data"),
        xytext=(-3, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color="0.25",
    )
    for index, (row, curve) in enumerate(pairs):
        _draw_row(axis, row, curve, index)
    axis.set_xlim(0, longest)
    axis.set_ylim(-0.05, 1.08)
    axis.set_xlabel("Accumulated dose (e/Å²)")
    axis.set_title(result.name, fontsize=10)
    axis.legend(
        frameon=False, fontsize=7.5, title="d, critical dose", title_fontsize=7.5, loc="upper right"
    )
    _plain(axis)


def _draw_row(axis: Axes, row: DoseRow, curve: FadingCurve, index: int) -> None:
    colour = _COLOURS[index % len(_COLOURS)]
    dose = row.critical_dose_e_per_angstrom2
    half = 0.5 * (row.ci95_high - row.ci95_low)
    digits = int(np.clip(1 - np.floor(np.log10(max(half, 1e-6))), 0, 3))
    axis.plot(curve.fine_dose_e_per_angstrom2, curve.fitted, color=colour, linewidth=1.4, zorder=2)
    axis.errorbar(
        curve.dose_e_per_angstrom2,
        curve.intensity,
        yerr=curve.standard_error,
        fmt=_MARKERS[index % len(_MARKERS)],
        color=colour,
        markersize=3.6,
        linewidth=0.8,
        zorder=3,
        label=f"{row.d_angstrom:.2f} Å, {dose:.{digits}f} ± {half:.{digits}f} e/Å²",
    )
    if curve.plateau == 0.0 and dose < curve.fine_dose_e_per_angstrom2[-1]:
        axis.plot([dose, dose], [-0.05, 1 / math.e], color=colour, linewidth=0.9, linestyle=":")


def _plain(axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(direction="out", labelsize=8)
