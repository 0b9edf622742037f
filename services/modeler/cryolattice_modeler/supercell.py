"""The disordered sites of a supercell, and what must sit on them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import (
    CompositionError,
    NothingToOrderError,
)
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.sublattices import in_cell
from cryolattice_modeler.supercell_sizes import (
    MAX_CELLS,
    SupercellSize,
    validate_matrix,
    validate_supercell,
)

_SAME_MIDDLE = 1e-3

VACANCY = ""
"""How an empty site is written where an element is expected."""


@dataclass(frozen=True)
class Sublattice:
    """One orbit of equivalent disordered sites in the supercell, and its composition.

    Attributes
    ----------
    label : str
        Label of the orbit in the file.
    start, stop : int
        Its sites' range among the supercell's disordered sites.
    species : tuple of str
        Occupants, the commonest first, then from the rarest up; `VACANCY` for an empty site.
    counts : tuple of int
        How many of its sites each occupies.
    shares : tuple of Fraction
        The same as fractions.
    """

    label: str
    start: int
    stop: int
    species: tuple[str, ...]
    counts: tuple[int, ...]
    shares: tuple[Fraction, ...]


@dataclass(frozen=True, eq=False)
class DisorderedSupercell:
    """The sites that orderings decide about.

    Sites run sublattice by sublattice, in each over the parent's sites, in each over the cells
    (i, j, k) in C order.

    Attributes
    ----------
    parent : ParentCrystal
    supercell : tuple of int
        Repeats along the parent's axes.
    parent_sites : tuple of int
        The parent's disordered sites in that order.
    sublattices : tuple of Sublattice
    """

    parent: ParentCrystal
    supercell: tuple[int, int, int]
    parent_sites: tuple[int, ...]
    sublattices: tuple[Sublattice, ...]

    @property
    def cell_count(self) -> int:
        """Number of parent cells in the supercell."""
        return math.prod(self.supercell)

    @property
    def site_count(self) -> int:
        """Number of disordered sites in the supercell."""
        return len(self.parent_sites) * self.cell_count

    @property
    def cells(self) -> NDArray[np.int64]:
        """Indices (i, j, k) of the parent cells, (cells, 3), in C order."""
        return np.indices(self.supercell).reshape(3, -1).T.astype(np.int64)

    @property
    def fractional(self) -> NDArray[np.float64]:
        """Positions of the disordered sites, (n, 3), in units of the parent's axes."""
        offsets = self.parent.fractional[list(self.parent_sites)]
        return (offsets[:, None, :] + self.cells[None, :, :]).reshape(-1, 3)

    @cached_property
    def blocks(self) -> NDArray[np.int64]:
        """Number of the block of which at most one site is taken, (n,); -1 for a free site."""
        sites = [self.parent.sites[index] for index in self.parent_sites]
        ways = [(0.0, 0.0, 0.0) if s.to_middle is None else s.to_middle for s in sites]
        middles = self.fractional + np.repeat(
            np.array(ways).reshape(-1, 3), self.cell_count, axis=0
        )
        found = np.full(self.site_count, -1)
        held = np.repeat([s.to_middle is not None for s in sites], self.cell_count)
        size = np.asarray(self.supercell)
        for index in np.flatnonzero(held):
            if found[index] < 0:
                gaps = (middles - middles[index]) / size
                gaps = np.abs(gaps - np.rint(gaps)).max(axis=1)
                found[held & (gaps < _SAME_MIDDLE)] = found.max() + 1
        return found

    def companions(
        self, weights: NDArray[np.float64]
    ) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Return the atoms that come with the sites that are taken.

        Parameters
        ----------
        weights : (n,) array
            How far each site is taken.

        Returns
        -------
        elements : list of str
        positions : (k, 3) array
            In units of the parent's axes.
        weights : (k,) array
        sites : (k,) int array
            That they come with.
        """
        listed = [
            (element, offset, place * self.cell_count + cell)
            for place, index in enumerate(self.parent_sites)
            for element, offset in self.parent.sites[index].companions
            for cell in range(self.cell_count)
            if weights[place * self.cell_count + cell] > 0
        ]
        sites = np.array([site for *_, site in listed], dtype=np.int64)
        offsets = np.array([offset for _, offset, _ in listed]).reshape(-1, 3)
        places = self.fractional[sites] + offsets
        return [element for element, *_ in listed], places, weights[sites], sites


def in_supercell(
    parent: ParentCrystal, supercell: SupercellSize
) -> tuple[ParentCrystal, tuple[int, int, int]]:
    """Write a parent so that the supercell is a plain multiple of its cell.

    Parameters
    ----------
    parent : ParentCrystal
    supercell : three ints, or a (3, 3) matrix of ints
        Repeats along the parent's axes, or the supercell's axes in units of the parent's.

    Returns
    -------
    parent : ParentCrystal
        As given, or in the cell of the matrix where that is not diagonal.
    sizes : tuple of int
        Repeats along its axes.

    Raises
    ------
    InvalidInputError, LimitExceededError
        As `validate_supercell` and `validate_matrix`.
    CompositionError
        If an occupancy asks for a fraction of an atom.
    """
    if all(np.ndim(entry) == 0 for entry in supercell):
        return parent, validate_supercell(supercell)
    matrix = validate_matrix(supercell)
    diagonal = np.diag(matrix)
    if np.array_equal(matrix, np.diag(diagonal)) and diagonal.min() > 0:
        return parent, validate_supercell(diagonal.tolist())
    cells = round(float(np.linalg.det(matrix)))
    _check_composition(parent, cells, "  ".join(" ".join(map(str, row)) for row in matrix))
    return in_cell(parent, matrix), (1, 1, 1)


def disordered_supercell(
    parent: ParentCrystal, supercell: SupercellSize, *, require_disorder: bool = True
) -> DisorderedSupercell:
    """Lay out the disordered sites of a supercell and fix how many of each occupant they take.

    Parameters
    ----------
    parent : ParentCrystal
    supercell : three ints, or a (3, 3) matrix of ints
        Repeats along the parent's axes, or the supercell's axes in units of the parent's; with a
        matrix the layout's parent is the one of `in_supercell`.
    require_disorder : bool
        Refuse a parent in which there is nothing to order, and occupancies that ask for a fraction
        of an atom. Without it, as where they are means, its layout may have no sublattices, and
        their counts are rounded down.

    Returns
    -------
    DisorderedSupercell

    Raises
    ------
    InvalidInputError, LimitExceededError
        As `in_supercell`.
    NothingToOrderError
        If the parent has no partially occupied site and `require_disorder` is set.
    CompositionError
        If an occupancy asks for a fraction of an atom and `require_disorder` is set.
    """
    parent, sizes = in_supercell(parent, supercell)
    if require_disorder and not parent.disordered_orbits:
        raise NothingToOrderError(
            f"{parent.name}: every site is fully occupied, so there is nothing to order",
            field="parent",
        )
    cells = math.prod(sizes)
    if require_disorder:
        _check_composition(parent, cells, " ".join(map(str, sizes)))
    parent_sites: list[int] = []
    sublattices: list[Sublattice] = []
    for orbit in parent.disordered_orbits:
        start = len(parent_sites) * cells
        parent_sites.extend(orbit)
        sites = len(orbit) * cells
        shares = _shares(parent, orbit)
        rare_first = sorted(shares, key=lambda item: (item[1], item[0]))
        ordered = [rare_first[-1], *rare_first[:-1]]
        if parent.sites[orbit[0]].to_middle is not None:
            # what a block leaves free is vacant
            ordered = sorted(rare_first, key=lambda item: item[0] != VACANCY)
        sublattices.append(
            Sublattice(
                label=parent.sites[orbit[0]].label,
                start=start,
                stop=start + sites,
                species=tuple(symbol for symbol, _ in ordered),
                counts=tuple(int(share * sites) for _, share in ordered),
                shares=tuple(share for _, share in ordered),
            )
        )
    return DisorderedSupercell(parent, sizes, tuple(parent_sites), tuple(sublattices))


def _shares(parent: ParentCrystal, orbit: tuple[int, ...]) -> list[tuple[str, Fraction]]:
    site = parent.sites[orbit[0]]
    empty = [(VACANCY, site.vacancy)] if site.vacancy else []
    return [*site.occupants, *empty]


def cells_for_composition(parent: ParentCrystal) -> int:
    """Return the smallest number of parent cells in which every occupant comes out whole."""
    step = 1
    for orbit in parent.disordered_orbits:
        for _, share in _shares(parent, orbit):
            step = math.lcm(step, (share * len(orbit)).denominator)
    return step


def _check_composition(parent: ParentCrystal, cells: int, shown: str) -> None:
    step = cells_for_composition(parent)
    if cells % step == 0:
        return
    for orbit in parent.disordered_orbits:
        sites = len(orbit) * cells
        for symbol, share in _shares(parent, orbit):
            if (share * sites).denominator == 1:
                continue
            what = f"occupancy of {symbol}" if symbol else "vacant fraction"
            works = (
                f"take a supercell whose number of parent cells is a multiple of {step}, such as "
                f"{_example(step)}"
                if step <= MAX_CELLS
                else f"write the occupancy as a fraction that can be met, such as "
                f"{float(share.limit_denominator(12)):.5g} for {share.limit_denominator(12)}"
            )
            raise CompositionError(
                f"{parent.name}: site {parent.sites[orbit[0]].label}: the {what}, "
                f"{float(share):.5g} ({share}), times {sites} sites in the supercell "
                f"{shown} is {float(share * sites):.4g}, not a whole number: {works}",
                field="supercell",
                metadata={"multiple_of_cells": str(step)},
            )


def _example(cells: int) -> str:
    """Return the most compact m n p with m >= n >= p that holds `cells` parent cells."""
    shapes = [
        (m, n, cells // (m * n))
        for m in range(1, cells + 1)
        if cells % m == 0
        for n in range(1, m + 1)
        if (cells // m) % n == 0 and cells // (m * n) <= n
    ]
    return " ".join(str(size) for size in min(shapes))
