"""Models as small pictures: their atoms, seen along the beam, in a grid."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure

from cryolattice_modeler.contact_sheet import DOTS_PER_INCH, LOOK
from cryolattice_modeler.model_files import StoredModel

_SHOWN = 24
_ACROSS = 4
_SIDE_INCH = 1.75
_RADIUS_SHARE = 0.45  # of the covalent radius, so that columns stay apart
_EDGE = "#333333"


def draw_models(models: Sequence[StoredModel]) -> bytes:
    """Draw models in projection along the beam, as a PNG; the first two dozen of many.

    Parameters
    ----------
    models : sequence of StoredModel

    Returns
    -------
    bytes
    """
    shown = models[:_SHOWN]
    across = min(_ACROSS, len(shown))
    down = math.ceil(len(shown) / across)
    with mpl.rc_context(LOOK):
        figure = Figure(
            figsize=(_SIDE_INCH * max(across, 2), (_SIDE_INCH + 0.4) * down + 0.5),
            layout="constrained",
        )
        FigureCanvasAgg(figure)
        grid = figure.subplots(down, across, squeeze=False).ravel()
        for axes, model in zip(grid, shown, strict=False):
            _draw(axes, model)
        for axes in grid[len(shown) :]:
            axes.set_axis_off()
        more = f", {len(shown)} of {len(models):,} shown" if len(models) > len(shown) else ""
        figure.suptitle(
            f"seen along the beam, x to the right, y down; paler: partly occupied{more}",
            fontsize=6,
            color="#555555",
        )
        _legend(figure, shown)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=DOTS_PER_INCH)
    return picture.getvalue()


def _draw(axes: Axes, model: StoredModel) -> None:
    a, b = model.cell_angstrom[:2, :2]
    outline = np.array([[0.0, 0.0], a, a + b, b, [0.0, 0.0]])
    axes.plot(*outline.T, color=_EDGE, lw=0.5)
    # small atoms last: none hides behind another of its column
    order = np.argsort(-covalent_radii[model.numbers], kind="stable")
    numbers, weights = model.numbers[order], model.occupancies[order]
    sizes = 2 * _RADIUS_SHARE * covalent_radii[numbers]
    colours = np.column_stack([jmol_colors[numbers], np.clip(weights, 0.06, 1.0)])
    axes.add_collection(
        EllipseCollection(
            *(sizes, sizes, np.zeros(len(sizes))),
            units="xy",
            offsets=model.positions_angstrom[order, :2],
            offset_transform=axes.transData,
            facecolors=colours,
            edgecolors=[(0.2, 0.2, 0.2, 0.6 * colour[3]) for colour in colours],
            linewidths=0.3,
        )
    )
    margin = 0.04 * float(np.ptp(outline, axis=0).max()) + 0.8
    (left, top), (right, bottom) = outline.min(axis=0) - margin, outline.max(axis=0) + margin
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    axes.set_axis_off()
    steps = ", ".join(step["name"].replace("_", " ") for step in model.record.get("transforms", []))
    count = len(model.numbers)
    axes.set_title(
        f"{model.name}\n{steps or model.record['space_group']}, {count:,} atoms", fontsize=5.5
    )


def _legend(figure: Figure, models: Sequence[StoredModel]) -> None:
    numbers = sorted({int(n) for model in models for n in np.unique(model.numbers)}, reverse=True)
    marks = [
        mpl.lines.Line2D(
            [], [], ls="", marker="o", mfc=jmol_colors[n], mec=_EDGE, mew=0.3,
            ms=6 * math.sqrt(covalent_radii[n]), label=chemical_symbols[n],
        )
        for n in numbers
    ]  # fmt: skip
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), frameon=False)
