"""Figures of a ranking: how far the candidates lie apart, and the best one over thickness."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

_TEXT_SIZE = 9
_BEST = "#D55E00"
_OTHERS = "#0072B2"
_DISORDERED = "#009E73"
_NAMED = 3


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
    figure = Figure(figsize=(5.2, 3.9), layout="constrained")
    axes = figure.subplots()
    for chosen, colour, marker, label in (
        (~disordered & (places > 1), _OTHERS, "o", "orderings"),
        (~disordered & (places == 1), _BEST, "D", "best"),
        (disordered, _DISORDERED, "s", "disordered parent"),
    ):
        if np.any(chosen):
            axes.plot(places[chosen], misfit[chosen], marker, color=colour, label=label, ms=5)
    for place, row in zip(places[:_NAMED], rows, strict=False):
        axes.annotate(
            row["ordering_id"],
            (float(place), float(row["chi2_per_dof"])),
            xytext=(7, -3),
            textcoords="offset points",
            fontsize=_TEXT_SIZE - 1.5,
        )
    axes.set_yscale("log")
    axes.set_xlabel("place", fontsize=_TEXT_SIZE)
    axes.set_ylabel("χ² per degree of freedom", fontsize=_TEXT_SIZE)
    axes.tick_params(labelsize=_TEXT_SIZE - 1)
    axes.legend(fontsize=_TEXT_SIZE - 1, loc="lower right")
    axes.grid(alpha=0.25)
    return figure


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
    figure = Figure(figsize=(5.2, 3.9), layout="constrained")
    axes = figure.subplots()
    axes.plot(thickness_angstrom[fitted], chi2_per_dof[fitted], "o-", color=_OTHERS, ms=4, lw=1)
    if np.any(fitted):
        best = int(np.nanargmin(chi2_per_dof))
        axes.plot(thickness_angstrom[best], chi2_per_dof[best], "D", color=_BEST, ms=7)
    axes.set_yscale("log")
    axes.set_xlabel("thickness (Å)", fontsize=_TEXT_SIZE)
    axes.set_ylabel("χ² per degree of freedom", fontsize=_TEXT_SIZE)
    axes.tick_params(labelsize=_TEXT_SIZE - 1)
    axes.grid(alpha=0.25)
    return figure
