"""Figures of a ranking: how far the candidates lie apart, and the best one over thickness."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cryolattice_analyzer.figures import style
from cryolattice_analyzer.figures.style import styled

_HEIGHT_MM = 60


@styled
def ranking_figure(rows: list[dict[str, Any]]) -> Figure:
    """Draw the misfit of every candidate against its place.

    Parameters
    ----------
    rows : list of dict
        Best first, each with ``ordering_id`` and ``chi2_per_dof``.

    Returns
    -------
    Figure
    """
    places = np.arange(1, len(rows) + 1)
    misfit = np.array([row["chi2_per_dof"] for row in rows])
    disordered = np.array([row["ordering_id"] == "disordered" for row in rows])
    figure = style.new_figure(style.SINGLE_COLUMN_MM, _HEIGHT_MM)
    panel = figure.subplots()
    for chosen, colour, marker, label in (
        (~disordered & (places > 1), style.BLUE, "o", "orderings"),
        (~disordered & (places == 1), style.BEST, "D", "best"),
        (disordered, style.GREEN, "s", "disordered parent"),
    ):
        if np.any(chosen):
            panel.plot(places[chosen], misfit[chosen], marker, color=colour, label=label)
    # the second below its mark, clear of those that follow it
    for place, row, down in zip(places, rows, (-2, -9), strict=False):
        panel.annotate(
            row["ordering_id"],
            (float(place), float(row["chi2_per_dof"])),
            xytext=(5, down),
            textcoords="offset points",
            fontsize=style.SMALL_POINTS,
        )
    panel.set_xlabel("Place")
    _misfit_axis(panel)
    panel.legend(loc="lower right")
    return figure


@styled
def thickness_profile_figure(
    thickness_angstrom: NDArray[np.float64], chi2_per_dof: NDArray[np.float64]
) -> Figure:
    """Draw the best candidate's misfit over thickness.

    Parameters
    ----------
    thickness_angstrom, chi2_per_dof : ndarray, shape (t,)
        Those that were fitted; the rest is NaN.

    Returns
    -------
    Figure
    """
    fitted = np.isfinite(chi2_per_dof)
    figure = style.new_figure(style.SINGLE_COLUMN_MM, _HEIGHT_MM)
    panel = figure.subplots()
    panel.plot(thickness_angstrom[fitted], chi2_per_dof[fitted], "o-", color=style.BLUE)
    if np.any(fitted):
        best = int(np.nanargmin(chi2_per_dof))
        panel.plot(thickness_angstrom[best], chi2_per_dof[best], "D", color=style.BEST, ms=5)
    panel.set_xlabel("Thickness (Å)")
    _misfit_axis(panel)
    return figure


def _misfit_axis(panel: Axes) -> None:
    panel.set_yscale("log")
    style.logarithmic(panel.yaxis)
    panel.set_ylabel("χ² per degree of freedom")
    panel.grid(alpha=0.25, linewidth=0.5)
