"""What a contact sheet draws a supercell with: discs, sectors and lines, collected for a page."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection, LineCollection, PolyCollection
from numpy.typing import NDArray

from cryolattice_modeler.column_pictures import Columns, sector
from cryolattice_modeler.orderings import Ordering

# shares of a parent cell's edge
FIXED_SHARE, COLUMN_SHARE = 0.2, 0.115
# Okabe and Ito's palette: told apart with every kind of colour vision
SPECIES = ("#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
FIXED = ("#F6DFB8", "#CFE5F3", "#E2E2E2", "#E6D3E8", "#D5EBD8")
_VACANT, _EDGE, _INNER = "#D55E00", "#333333", "#CCCCCC"
_NOTHING = 1e-9
# greatest radius, of the distance between two columns
_ROOM = 0.36


class Marks:
    """Collects what a page shows: one collection for all marks alike is quick to draw."""

    def __init__(self) -> None:
        self._discs: dict[tuple[float, str], list[NDArray[np.float64]]] = {}
        self._rims: dict[float, list[NDArray[np.float64]]] = {}
        self._sectors: list[NDArray[np.float64]] = []
        self._colours: list[str] = []
        self._grid: list[NDArray[np.float64]] = []
        self._edges: list[NDArray[np.float64]] = []
        self._crosses: list[NDArray[np.float64]] = []

    def disc(self, place: NDArray[np.float64], radius: float, colour: str) -> None:
        """Fill a disc."""
        self._discs.setdefault((radius, colour), []).append(place)

    def pie(
        self, place: NDArray[np.float64], radius: float, parts: list[tuple[str, float]]
    ) -> None:
        """Fill a disc by shares; what is left over is vacant, and has a rim."""
        start = 0.0
        if sum(share for _, share in parts) < 1 - _NOTHING:
            self.disc(place, radius, "white")
            self._rims.setdefault(radius, []).append(place)
        for colour, share in parts:
            if share > 1 - _NOTHING:
                self.disc(place, radius, colour)
            elif share > _NOTHING:
                self._sectors.append(sector(place, radius, start, start + share))
                self._colours.append(colour)
            start += share
        if start < _NOTHING:
            arm = 0.45 * radius
            for slope in (1, -1):
                cross = np.array([[-arm, -slope * arm], [arm, slope * arm]])
                self._crosses.append(place + cross)

    def cell(
        self,
        columns: Columns,
        species: list[str],
        ordering: Ordering,
        scale: float,
        origin: NDArray[np.float64],
    ) -> None:
        """Draw a supercell; what lies on its near edges is drawn on the far ones, too."""
        edges, (m, n) = columns.edges_angstrom * scale, columns.repeats
        radius = scale * min(COLUMN_SHARE * columns.unit_angstrom, _ROOM * columns.spacing_angstrom)
        fixed_radius = radius * FIXED_SHARE / COLUMN_SHARE
        across = [(i in (0, m), [[i, 0], [i, n]]) for i in range(m + 1)]
        along = [(j in (0, n), [[0, j], [m, j]]) for j in range(n + 1)]
        for outer, ends in [*across, *along]:
            (self._edges if outer else self._grid).append(origin + np.array(ends) @ edges)
        for index, (_, places) in enumerate(columns.fixed):
            for place in _with_far_edges(places, (m, n)):
                self.disc(origin + place @ edges, fixed_radius, FIXED[index % len(FIXED)])
        shares = columns.shares(ordering, species)
        for column, row in zip(columns.places, shares, strict=True):
            parts = [(SPECIES[i % len(SPECIES)], float(share)) for i, share in enumerate(row)]
            for place in _with_far_edges(column[None], (m, n)):
                self.pie(origin + place @ edges, radius, parts)

    def add_to(self, axes: Axes) -> None:
        """Draw what was collected."""
        # large discs first
        for (radius, colour), places in sorted(self._discs.items(), key=lambda item: -item[0][0]):
            _circles(axes, places, radius, facecolor=colour, edgecolor="none", zorder=3)
        if self._sectors:
            axes.add_collection(
                PolyCollection(self._sectors, facecolors=self._colours, edgecolors="none", zorder=4)
            )
        for radius, places in self._rims.items():
            _circles(
                axes, places, radius, facecolor="none", edgecolor=_VACANT, linewidth=0.7, zorder=5
            )
        for lines, colour, width, order in (
            (self._grid, _INNER, 0.4, 1),
            (self._edges, _EDGE, 0.6, 2),
            (self._crosses, _VACANT, 0.7, 5),
        ):
            if lines:
                axes.add_collection(
                    LineCollection(lines, colors=colour, linewidths=width, zorder=order)
                )


def _circles(axes: Axes, places: list[NDArray[np.float64]], radius: float, **look: Any) -> None:
    axes.add_collection(
        EllipseCollection(
            *([2 * radius], [2 * radius], [0.0]),
            units="xy",
            offsets=np.array(places),
            offset_transform=axes.transData,
            **look,
        )
    )


def _with_far_edges(
    places: NDArray[np.float64], repeats: tuple[int, int]
) -> list[NDArray[np.float64]]:
    found = []
    for x, y in places:
        for right in (0, repeats[0]) if x < 1e-3 else (0,):
            found += [
                np.array([x + right, y + down]) for down in ((0, repeats[1]) if y < 1e-3 else (0,))
            ]
    return found
