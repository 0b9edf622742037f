"""The disordered sites of a supercell, and what must sit on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import (
    CompositionError,
    InvalidInputError,
    LimitExceededError,
    NothingToOrderError,
)
from cryolattice_modeler.crystal import ParentCrystal

MAX_CELLS = 512
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


def validate_supercell(supercell: Sequence[int]) -> tuple[int, int, int]:
    """Return the supercell as three positive integers, or say what is wrong with it.

    Raises
    ------
    InvalidInputError
        If it is not three whole numbers of at least 1.
    LimitExceededError
        If it holds more than `MAX_CELLS` parent cells.
    """
    sizes = list(supercell)
    shown = " ".join(str(size) for size in sizes)
    whole = all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in sizes)
    if len(sizes) != 3 or not whole or any(n < 1 for n in sizes):
        raise InvalidInputError(
            f"supercell is {shown or 'empty'}, but it takes three whole numbers of parent cells, "
            "each at least 1, such as 2 2 1",
            field="supercell",
        )
    if math.prod(sizes) > MAX_CELLS:
        raise LimitExceededError(
            f"supercell {shown} holds {math.prod(sizes)} parent cells, above the limit of "
            f"{MAX_CELLS}: take a smaller one",
            field="supercell",
        )
    return int(sizes[0]), int(sizes[1]), int(sizes[2])


def disordered_supercell(parent: ParentCrystal, supercell: Sequence[int]) -> DisorderedSupercell:
    """Lay out the disordered sites of a supercell and fix how many of each occupant they take.

    Parameters
    ----------
    parent : ParentCrystal
    supercell : sequence of int
        Repeats along the parent's axes, three whole numbers of at least 1.

    Returns
    -------
    DisorderedSupercell

    Raises
    ------
    InvalidInputError, LimitExceededError
        As `validate_supercell`.
    NothingToOrderError
        If the parent has no partially occupied site.
    CompositionError
        If an occupancy asks for a fraction of an atom.
    """
    sizes = validate_supercell(supercell)
    if not parent.disordered_orbits:
        raise NothingToOrderError(
            f"{parent.name}: every site is fully occupied, so there is nothing to order",
            field="parent",
        )
    _check_composition(parent, sizes)
    cells = math.prod(sizes)
    parent_sites: list[int] = []
    sublattices: list[Sublattice] = []
    for orbit in parent.disordered_orbits:
        start = len(parent_sites) * cells
        parent_sites.extend(orbit)
        sites = len(orbit) * cells
        shares = _shares(parent, orbit)
        rare_first = sorted(shares, key=lambda item: (item[1], item[0]))
        ordered = [rare_first[-1], *rare_first[:-1]]
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


def _check_composition(parent: ParentCrystal, sizes: tuple[int, int, int]) -> None:
    cells = math.prod(sizes)
    # The smallest number of cells in which every occupant comes out whole.
    step = 1
    for orbit in parent.disordered_orbits:
        for _, share in _shares(parent, orbit):
            step = math.lcm(step, (share * len(orbit)).denominator)
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
                f"{sizes[0]} {sizes[1]} {sizes[2]} is {float(share * sites):.4g}, not a whole "
                f"number: {works}",
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
