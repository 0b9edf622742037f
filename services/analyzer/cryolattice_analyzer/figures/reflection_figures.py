"""The Fourier coefficients of an averaged cell, with their standard errors."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from cryolattice_analyzer.figures import style
from cryolattice_analyzer.imaging.average import AveragedCell

_LABELLED = 5
_KNOWN_SIGMA = 3.0


@style.styled
def reflections_figure(average: AveragedCell) -> Figure:
    """Draw amplitude against spatial frequency.

    Parameters
    ----------
    average : AveragedCell

    Returns
    -------
    Figure
        Logarithmic; reflections of the parent's cell and of the supercell in their own colours.
    """
    g = np.hypot(*average.g_per_angstrom.T)
    amplitude, error = np.abs(average.coefficients), average.standard_error
    m, n = average.supercell
    parent = (average.h % m == 0) & (average.k % n == 0)
    figure = style.new_figure(style.SINGLE_COLUMN_MM, 72)
    axes = figure.add_subplot()
    order = np.argsort(g)
    floor = 0.3 * float(error.min())
    axes.fill_between(
        g[order],
        floor,
        _KNOWN_SIGMA * error[order],
        color="0.9",
        lw=0,
        label=f"below {_KNOWN_SIGMA:g} standard errors",
    )
    for chosen, colour, marker, label in (
        (parent, style.PARENT, "o", "cell" if (m, n) == (1, 1) else "parent's cell"),
        (~parent, style.SUPERLATTICE, "s", f"supercell {m} × {n} only"),
    ):
        if not chosen.any():
            continue
        # an error longer than the amplitude would reach below the axis
        below = np.minimum(error, 0.95 * np.maximum(amplitude - floor, 0))
        axes.errorbar(
            g[chosen],
            np.maximum(amplitude[chosen], floor),
            yerr=[below[chosen], error[chosen]],
            fmt=marker,
            ms=3,
            lw=0.7,
            color=colour,
            label=label,
        )
    labelled: list[int] = []
    for i in np.argsort(-amplitude / error)[:_LABELLED]:
        # Friedel's law aside, near twins would write over each other
        if any(abs(g[i] / g[j] - 1) < 0.08 and amplitude[i] > 0.5 * amplitude[j] for j in labelled):
            continue
        labelled.append(int(i))
        axes.annotate(
            f"{average.h[i]} {average.k[i]}",
            (g[i], amplitude[i]),
            xytext=(3, 2),
            textcoords="offset points",
            fontsize=style.SMALL_POINTS,
        )
    axes.set_yscale("log")
    axes.set_ylim(floor, 15 * float(amplitude.max()))
    axes.set_xlim(0, 1.06 * float(g.max()))
    axes.set_xlabel("spatial frequency (Å⁻¹)")
    axes.set_ylabel("amplitude / mean intensity")
    axes.legend(loc="upper right")
    return figure
