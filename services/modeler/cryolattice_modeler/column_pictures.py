"""An ordering as a picture: its columns along c, each with what fills it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cryolattice_modeler.orderings import Ordering
from cryolattice_modeler.supercell import VACANCY, DisorderedSupercell

_SAME_COLUMN = 1e-3


@dataclass(frozen=True, eq=False)
class Columns:
    """Where the columns of a supercell are in projection along c.

    Attributes
    ----------
    edges_angstrom : (2, 2) array
        Axes a and b of the layout's parent in the plane, a along x.
    repeats : (int, int)
        Parent cells along a and b.
    fixed : list of (element, (n, 2) array)
        Columns of the fully occupied sites, in units of the parent's axes, within the supercell.
    places : (k, 2) array
        Columns of the disordered sites.
    column_of_site : (n,) int array
        Of every disordered site.
    unit_angstrom : float
        What is drawn as long as an edge of the parent crystal's cell.
    """

    edges_angstrom: NDArray[np.float64]
    repeats: tuple[int, int]
    fixed: list[tuple[str, NDArray[np.float64]]]
    places: NDArray[np.float64]
    column_of_site: NDArray[np.int64]
    unit_angstrom: float

    @cached_property
    def spacing_angstrom(self) -> float:
        """Least distance between two columns of disordered sites, repeats included."""
        steps = np.array(list(itertools.product((-1, 0, 1), repeat=2))) * self.repeats
        gaps = self.places[:, None, None] + steps - self.places[None, :, None]
        lengths = np.linalg.norm(gaps.reshape(-1, 2) @ self.edges_angstrom, axis=1)
        return float(lengths[lengths > _SAME_COLUMN].min())

    def shares(self, ordering: Ordering, species: Sequence[str]) -> NDArray[np.float64]:
        """Return how much of each column each species fills, (columns, species)."""
        filled = np.zeros((len(self.places), len(species)))
        for column, occupant in zip(self.column_of_site, ordering.occupants, strict=True):
            if occupant != VACANCY:
                filled[column, species.index(occupant)] += 1
        return np.asarray(filled / np.bincount(self.column_of_site)[:, None], dtype=np.float64)


def projected_columns(layout: DisorderedSupercell, cells: int | None = None) -> Columns:
    """Work out the columns of a supercell.

    Parameters
    ----------
    layout : DisorderedSupercell
    cells : int, optional
        Cells of the parent crystal in it, where the layout's own parent has a larger cell.

    Returns
    -------
    Columns
    """
    m, n, _ = layout.supercell
    size = np.array([m, n])
    fixed: dict[str, list[NDArray[np.float64]]] = {}
    for site in layout.parent.sites:
        element = site.occupants[0][0]
        if site.is_disordered or element == "H":
            continue
        places = (np.array(site.fractional) + layout.cells)[:, :2] % size
        fixed.setdefault(element, []).append(places)
    places, column_of_site = _merged(layout.fractional[:, :2], size)
    edges = _plane_edges(layout.parent.cell_angstrom)
    share = layout.cell_count / (cells or layout.cell_count)
    cube = (share * abs(np.linalg.det(layout.parent.cell_angstrom))) ** (1 / 3)
    return Columns(
        edges_angstrom=edges,
        repeats=(m, n),
        fixed=[(e, _merged(np.concatenate(p), size)[0]) for e, p in sorted(fixed.items())],
        places=places,
        column_of_site=column_of_site,
        unit_angstrom=min(float(np.linalg.norm(edges, axis=1).min()), float(cube)),
    )


def sector(
    place: NDArray[np.float64], radius: float, start: float, stop: float
) -> NDArray[np.float64]:
    """Return the outline of a sector, (n, 2), from one share of a turn to another, from the top."""
    angles = 2 * math.pi * np.linspace(start, stop, math.ceil(36 * (stop - start)) + 1)
    # y runs down the page
    rim = place + radius * np.stack([np.sin(angles), -np.cos(angles)], axis=1)
    return np.vstack([place, rim])


def _plane_edges(cell: NDArray[np.float64]) -> NDArray[np.float64]:
    beam = cell[2] / np.linalg.norm(cell[2])
    a, b = (v - (v @ beam) * beam for v in cell[:2])
    length = float(np.linalg.norm(a))
    along = float(a @ b) / length
    return np.array([[length, 0.0], [along, math.sqrt(max(float(b @ b) - along**2, 0.0))]])


def _merged(
    places: NDArray[np.float64], size: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the distinct places within the supercell, and which of them each place is."""
    places = places % size
    places = np.where(size - places < _SAME_COLUMN, 0.0, places)
    keys = np.rint(places / _SAME_COLUMN).astype(np.int64)
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return places[first], inverse.ravel()
