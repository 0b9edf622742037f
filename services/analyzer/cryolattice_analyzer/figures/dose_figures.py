"""Figures of a dose analysis: fading curves and the indexed pattern."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from scipy import ndimage

from cryolattice_analyzer.dose.critical_dose import DoseResult, DoseRow, FadingCurve
from cryolattice_analyzer.figures import pictures, style
from cryolattice_analyzer.figures.style import styled


@styled
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
    width = style.DOUBLE_COLUMN_MM if len(results) > 1 else style.SINGLE_COLUMN_MM
    figure = style.new_figure(width, 66)
    panels = figure.subplots(1, len(results), squeeze=False, sharey=True)[0]
    for panel, result in zip(panels, results, strict=True):
        _fading_panel(panel, result, most_rows)
    panels[0].set_ylabel("Intensity relative to zero dose")
    return figure


@styled
def critical_dose_figure(results: list[DoseResult]) -> Figure:
    """Draw critical dose against spacing with 95 % intervals, one colour a series."""
    figure = style.new_figure(style.SINGLE_COLUMN_MM, 62)
    panel = figure.subplots()
    for index, result in enumerate(results):
        d = np.array([row.d_angstrom for row in result.rows])
        dc = np.array([row.critical_dose_e_per_angstrom2 for row in result.rows])
        low = dc - np.array([row.ci95_low for row in result.rows])
        high = np.array([row.ci95_high for row in result.rows]) - dc
        panel.errorbar(
            1.0 / d,
            dc,
            yerr=np.array([low, high]),
            fmt=style.MARKERS[index],
            color=style.COLOURS[index],
            linewidth=0.8,
            label=result.name,
        )
    panel.set_yscale("log")
    style.logarithmic(panel.yaxis)
    panel.set_xlim(left=0)
    panel.set_xlabel("Spatial frequency 1/d (Å⁻¹)")
    panel.set_ylabel("Critical dose (e/Å²)")
    panel.legend()
    return figure


@styled
def pattern_figure(result: DoseResult) -> Figure:
    """Draw the summed pattern on a logarithmic scale with the measured reflections circled."""
    figure = style.new_figure(style.SINGLE_COLUMN_MM, 70)
    panel = figure.subplots()
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
    image = pictures.show_image(
        panel,
        np.maximum(smooth, low),
        extent,
        colours=style.PATTERN_MAP,
        norm=LogNorm(low, max(high, 1.5 * low)),
    )
    pictures.reciprocal_axes(panel, max(abs(edge) for edge in extent))
    panel.set_xlim(extent[0], extent[1])
    panel.set_ylim(extent[2], extent[3])
    places = (result.reflections_px - result.lattice.origin_px)[:, ::-1] * pixel
    shortest = float(np.linalg.norm(result.lattice.basis_px[0]))
    pictures.mark_spots(panel, places, min(0.31 * shortest, 8.0) * pixel, style.PARENT)
    panel.plot(0, 0, "+", color=style.BLUE, markersize=6)
    for index, name in enumerate(("a*", "b*")):
        y, x = result.lattice.basis_px[index] * pixel
        panel.annotate(
            "",
            xy=(x, y),
            xytext=(0, 0),
            arrowprops={"arrowstyle": "-|>", "color": style.BLUE, "linewidth": 1.0},
        )
        panel.annotate(
            name,
            (1.6 * x, 1.6 * y),
            color=style.BLUE,
            ha="center",
            va="center",
            path_effects=pictures.halo(style.BLUE),
        )
    panel.set_title(result.name)
    pictures.colour_bar(image, panel, "Counts, summed over the series")
    pictures.picture_legend(panel, [pictures.spot_handle(style.PARENT, "measured reflections")])
    return figure


def _fading_panel(panel: Axes, result: DoseResult, most_rows: int) -> None:
    pairs = list(zip(result.rows, result.curves, strict=True))[:most_rows]
    longest = max(curve.fine_dose_e_per_angstrom2[-1] for _, curve in pairs)
    panel.axhline(1 / math.e, color="0.35", linewidth=0.7, linestyle=(0, (5, 3)), zorder=1)
    panel.annotate(
        "1/e",
        xy=(1.0, 1 / math.e),
        xycoords=("axes fraction", "data"),
        xytext=(-3, 2),
        textcoords="offset points",
        ha="right",
        fontsize=style.SMALL_POINTS,
        color="0.25",
    )
    for index, (row, curve) in enumerate(pairs):
        _draw_row(panel, row, curve, index)
    panel.set_xlim(0, longest)
    panel.set_ylim(-0.05, 1.08)
    panel.set_xlabel("Accumulated dose (e/Å²)")
    panel.set_title(result.name)
    panel.legend(title="d, critical dose", loc="upper right")


def _draw_row(panel: Axes, row: DoseRow, curve: FadingCurve, index: int) -> None:
    colour = style.COLOURS[index % len(style.COLOURS)]
    dose = row.critical_dose_e_per_angstrom2
    half = 0.5 * (row.ci95_high - row.ci95_low)
    panel.plot(curve.fine_dose_e_per_angstrom2, curve.fitted, color=colour, zorder=2)
    panel.errorbar(
        curve.dose_e_per_angstrom2,
        curve.intensity,
        yerr=curve.standard_error,
        fmt=style.MARKERS[index % len(style.MARKERS)],
        color=colour,
        markersize=2.8,
        linewidth=0.6,
        zorder=3,
        label=f"{row.d_angstrom:.2f} Å, {style.value_text(dose, half)} e/Å²",
    )
    if curve.plateau == 0.0 and dose < curve.fine_dose_e_per_angstrom2[-1]:
        panel.plot([dose, dose], [-0.05, 1 / math.e], color=colour, linewidth=0.7, linestyle=":")
