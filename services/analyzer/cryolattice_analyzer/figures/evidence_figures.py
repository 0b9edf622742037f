"""Figures that set an averaged cell against the model that explains it."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cryolattice_analyzer.figures import pictures, style
from cryolattice_analyzer.figures.cell_figures import draw_cells, upright
from cryolattice_analyzer.figures.style import styled
from cryolattice_analyzer.imaging.average import AveragedCell

_SHELLS = 10
_LEAST_DIFFERENCE = 4.0
_EDGE_ANGSTROM = 0.3


@styled
def comparison_figure(
    averaged: AveragedCell,
    model_image: NDArray[np.float64],
    model_title: str,
    marked: NDArray[np.float64] | None = None,
) -> Figure:
    """Draw the averaged cell, the model's image and their difference, 2 x 2 cells each.

    Parameters
    ----------
    averaged : AveragedCell
    model_image : ndarray, shape (m, m)
        Intensity over the mean, on the grid of ``averaged.image``.
    model_title : str
    marked : ndarray, shape (n, 2), optional
        Places to ring in the first two panels, fractions of the averaged cell.

    Returns
    -------
    Figure
        The first two panels share one grey scale; the difference is in standard errors of a pixel.
    """
    figure = style.new_figure(style.DOUBLE_COLUMN_MM, 53)
    panels = figure.subplots(1, 3)
    images = (averaged.image, model_image)
    limits = (min(float(i.min()) for i in images), max(float(i.max()) for i in images))
    for axes, image, title in zip(
        panels[:2], images, ("Micrograph, averaged", model_title), strict=True
    ):
        drawn = draw_cells(axes, image, averaged.direct, limits=limits)
        if marked is not None:
            pictures.mark_spots(axes, _repeated(marked, averaged.direct, axes), 0.55, style.SKY)
        axes.set_title(title)
    pictures.colour_bar(drawn, list(panels[:2]), "Intensity / mean")
    difference = (images[0] - images[1]) / max(averaged.image_standard_error, 1e-12)
    most = max(_LEAST_DIFFERENCE, float(np.abs(difference).max()))
    drawn = draw_cells(
        panels[2],
        difference,
        averaged.direct,
        colours=style.DIVERGING_MAP,
        limits=(-most, most),
    )
    panels[2].set_title("Difference")
    pictures.colour_bar(drawn, panels[2], "Difference / standard error")
    return figure


def _repeated(
    places: NDArray[np.float64], direct: NDArray[np.float64], axes: Axes
) -> NDArray[np.float64]:
    """Repeat places over all the cells that a panel shows, but for those cut by its edge."""
    shifts = np.array(np.meshgrid(np.arange(-3, 4), np.arange(-3, 4))).T.reshape(-1, 2)
    points = ((places[:, None] + shifts[None]) @ upright(direct)).reshape(-1, 2)
    low = np.array([min(axes.get_xlim()), min(axes.get_ylim())]) + _EDGE_ANGSTROM
    high = np.array([max(axes.get_xlim()), max(axes.get_ylim())]) - _EDGE_ANGSTROM
    return np.asarray(points[((points > low) & (points < high)).all(axis=1)])


@styled
def agreement_figure(
    averaged: AveragedCell,
    predictions: list[tuple[str, NDArray[np.complex128]]],
) -> Figure:
    """Draw how far models agree with the averaged cell, from coarse to fine.

    Parameters
    ----------
    averaged : AveragedCell
    predictions : list of (str, ndarray of shape (n,))
        Name and predicted coefficients, in the order of the averaged cell's; the answer first.

    Returns
    -------
    Figure
        Correlation of measured and predicted coefficients in shells of equal numbers of
        reflections against spatial frequency. A dashed line marks the shells in which a
        coefficient exceeds twice its standard error in the mean.
    """
    g = np.linalg.norm(averaged.g_per_angstrom, axis=1)
    order = np.argsort(g)
    shells = np.array_split(order, min(_SHELLS, max(1, len(g) // 4)))
    centre = np.array([float(g[shell].mean()) for shell in shells])
    figure = style.new_figure(style.SINGLE_COLUMN_MM, 62)
    axes = figure.subplots()
    colours = (style.BEST, style.BLUE, style.GREEN)
    lowest = 0.0
    for index, (name, prediction) in enumerate(predictions):
        values = [shell_correlation(averaged.coefficients[s], prediction[s]) for s in shells]
        lowest = min(lowest, *values)
        axes.plot(
            centre,
            values,
            color=colours[index % 3],
            marker=style.MARKERS[index % 3],
            label=name,
        )
    power = np.abs(averaged.coefficients) ** 2 / (2 * averaged.standard_error**2)
    strong = [c for c, s in zip(centre, shells, strict=True) if float(power[s].mean()) > 4.0]
    if strong:
        axes.axvline(strong[-1], color="0.4", lw=0.7, ls=(0, (4, 3)))
        axes.annotate(
            f"signal to {1 / strong[-1]:.2f} Å",
            (strong[-1], 0.02),
            xycoords=("data", "axes fraction"),
            xytext=(-3, 0),
            textcoords="offset points",
            ha="right",
            fontsize=style.SMALL_POINTS,
            color="0.3",
        )
    axes.axhline(0, color="0.7", lw=0.6)
    axes.set_ylim(lowest - 0.06, 1.05)
    axes.set_xlim(0, float(g.max()) * 1.02)
    axes.set_xlabel("Spatial frequency (1/Å)")
    axes.set_ylabel("Correlation with the averaged cell")
    axes.legend(loc="lower left")
    return figure


def shell_correlation(observed: NDArray[np.complex128], predicted: NDArray[np.complex128]) -> float:
    """Correlation of coefficients, -1 to 1; 0 where one has none."""
    norm = float(np.linalg.norm(observed) * np.linalg.norm(predicted))
    return float(np.vdot(observed, predicted).real) / norm if norm > 0 else 0.0
