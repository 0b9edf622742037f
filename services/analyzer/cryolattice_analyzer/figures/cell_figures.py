"""Figures of unit cells: tiled two by two, true to shape, with a scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import scipy.ndimage
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Polygon
from numpy.typing import NDArray

from cryolattice_analyzer.figures import pictures, style
from cryolattice_analyzer.figures.style import styled

_COLUMNS = 400
_PANEL_MM = 64.0


@styled
def cells_figure(
    panels: Sequence[tuple[str, NDArray[np.float64]]],
    direct: NDArray[np.float64],
    label: str,
    *,
    colours: str = style.IMAGE_MAP,
    limits: tuple[float, float] | None = None,
    note: str = "",
) -> Figure:
    """Draw cells of the same shape beside each other, on one scale.

    Parameters
    ----------
    panels : sequence of (str, ndarray of shape (m, n))
        Title and values at fractions (column / n, row / m) of the cell's a and b.
    direct : ndarray, shape (2, 2)
        Rows a and b in (x, y), angstrom.
    label : str
        Of the colour bar, with its unit.
    colours : str
        A colour map.
    limits : (float, float), optional
        Values drawn darkest and brightest; those of all panels where absent.
    note : str
        A line below.

    Returns
    -------
    Figure
    """
    limits = limits or (
        min(float(image.min()) for _, image in panels),
        max(float(image.max()) for _, image in panels),
    )
    figure = style.new_figure(_PANEL_MM * len(panels) + 15, _PANEL_MM + 4 + 4 * bool(note))
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for panel, (title, image) in zip(axes, panels, strict=True):
        drawn = draw_cells(panel, image, direct, colours=colours, limits=limits)
        panel.set_title(title)
    if note:
        figure.supxlabel(note, fontsize=style.TEXT_POINTS)
    pictures.colour_bar(drawn, list(axes), label)
    return figure


def draw_cells(
    axes: Axes,
    image: NDArray[np.float64],
    direct: NDArray[np.float64],
    *,
    colours: str = style.IMAGE_MAP,
    limits: tuple[float, float] | None = None,
    smooth: bool = True,
) -> AxesImage:
    """Draw two by two cells with a scale bar and the outline of one.

    Parameters
    ----------
    axes : Axes
    image : ndarray, shape (m, n)
    direct : ndarray, shape (2, 2)
    colours : str
    limits : (float, float), optional
    smooth : bool
        Interpolate between the values.
    """
    tiled, extent, corners = _cartesian(image, direct, order=1 if smooth else 0)
    drawn = pictures.show_image(axes, tiled, extent, colours=colours, limits=limits)
    axes.add_patch(Polygon(corners, fill=False, ec=style.CELL, lw=1.0))
    pictures.scale_bar(axes, "Å")
    return drawn


def upright(direct: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn the rows a and b of a plane cell so that a points along x, as `draw_cells` does."""
    a_length = float(np.linalg.norm(direct[0]))
    along = direct[0] / a_length
    across = float(along[0] * direct[1][1] - along[1] * direct[1][0])
    return np.array([[a_length, 0.0], [float(direct[1] @ along), across]])


def _cartesian(
    image: NDArray[np.float64], direct: NDArray[np.float64], *, order: Literal[0, 1]
) -> tuple[NDArray[np.float64], tuple[float, float, float, float], NDArray[np.float64]]:
    """Two by two cells on square pixels with a along +x: any gamma is drawn true to shape.

    Returns the picture, its extent in angstrom for `imshow` and the corners of one cell.
    """
    cell = upright(direct)
    a_length, (b_along, b_across) = cell[0, 0], cell[1]
    width, height = 2 * a_length, 2 * abs(b_across)
    rows = max(2, round(_COLUMNS * height / width))
    x = (np.arange(_COLUMNS) + 0.5) / _COLUMNS * width
    y = (np.arange(rows) + 0.5) / rows * height
    xx, yy = np.meshgrid(x, y)
    u, v = np.moveaxis(np.stack([xx, yy], axis=-1) @ np.linalg.inv(cell), -1, 0)
    places = np.stack([v * image.shape[0], u * image.shape[1]])
    picture = scipy.ndimage.map_coordinates(image, places, order=order, mode="grid-wrap")
    start = (
        0.5 * cell.sum(axis=0) - (b_along / 2 if abs(b_along) < a_length else 0.0) * np.eye(2)[0]
    )
    corners = start + np.array([[0, 0], cell[0], cell[0] + cell[1], cell[1]])
    return picture, (0.0, width, height, 0.0), corners
