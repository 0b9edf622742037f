"""Every symmetry-distinct ordering of the disordered sites, exactly, with its multiplicity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from cryolattice.errors import LimitExceededError
from cryolattice_modeler.arrangement_ranks import ArrangementRanks
from cryolattice_modeler.counting import count_classes, count_orderings, total_orderings
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.permutations import permutation_group
from cryolattice_modeler.supercell import (
    VACANCY,
    DisorderedSupercell,
    disordered_supercell,
)
from cryolattice_modeler.symmetry import find_symmetry

__all__ = ["MAX_ORDERINGS", "Ordering", "count_orderings", "enumerate_orderings"]

MAX_ORDERINGS = 50_000_000
"""Orderings above which the enumeration is refused: it keeps a byte for each."""

# Images computed at once: enough to drown the cost of a call, few enough to stay in cache.
_IMAGES_AT_ONCE = 8192
_WINDOW = 16384


@dataclass(frozen=True, eq=False)
class Ordering:
    """One class of equivalent orderings, through its first member.

    Attributes
    ----------
    ordering_id : str
        ``o-`` and ten hexadecimal digits of a hash over the disordered sites, their composition,
        the supercell and the occupants: the same for the same crystal however its file is sorted,
        another one for another choice of origin.
    multiplicity : int
        Number of orderings in the class.
    occupants : tuple of str
        Element on every disordered site of `layout`, `VACANCY` where it is empty.
    layout : DisorderedSupercell
    """

    ordering_id: str
    multiplicity: int
    occupants: tuple[str, ...]
    layout: DisorderedSupercell

    @cached_property
    def vacant(self) -> NDArray[np.float64]:
        """Empty sites, (n, 3), in units of the parent's axes, 0 <= x < m; sorted."""
        return sorted_rows(self.layout.fractional[[o == VACANCY for o in self.occupants]])

    @cached_property
    def space_group(self) -> str:
        """International symbol of the ordered structure, found by spglib when first asked for."""
        numbers, positions = ordered_atoms(self)
        sizes = np.asarray(self.layout.supercell)
        cell = self.layout.parent.cell_angstrom * sizes[:, None]
        dataset = find_symmetry(cell, positions / sizes, numbers)
        return "P1" if dataset is None else str(dataset.international)


def enumerate_orderings(
    parent: ParentCrystal, supercell: Sequence[int], *, limit: int = MAX_ORDERINGS
) -> Iterator[Ordering]:
    """Yield one ordering for each class of symmetry-equivalent ones, in a fixed order.

    The first unseen ordering in the order of `ArrangementRanks` represents its class; all its
    images under the group are then marked as seen. So the work is that of writing every ordering
    down about once, and the memory one byte for each.

    Parameters
    ----------
    parent : ParentCrystal
    supercell : sequence of int
        Repeats along the parent's axes.
    limit : int
        Refuse more orderings than this.

    Returns
    -------
    iterator of Ordering
        Their multiplicities add up to the number of all orderings.

    Raises
    ------
    InvalidInputError, NothingToOrderError, CompositionError
        As `disordered_supercell`; at the call, before the first ordering is asked for.
    LimitExceededError
        If there are more than `limit` orderings.
    """
    layout = disordered_supercell(parent, supercell)
    total = total_orderings(layout)
    if total > limit:
        shown = " ".join(str(n) for n in layout.supercell)
        raise LimitExceededError(
            f"supercell {shown} has {total:,} orderings in {count_classes(layout):,} classes, "
            f"above the limit of {limit:,}: take a smaller supercell",
            field="supercell",
            metadata={"total": str(total), "limit": str(limit)},
        )
    return _enumerate(layout)


def _enumerate(layout: DisorderedSupercell) -> Iterator[Ordering]:
    ranks = ArrangementRanks(layout)
    group = permutation_group(layout)
    batch = max(1, _IMAGES_AT_ONCE // len(group))
    seen = np.zeros(ranks.total, dtype=np.bool_)
    prefix = _description(layout)
    position = 0
    while position < ranks.total:
        window = seen[position : position + _WINDOW]
        unseen = np.flatnonzero(~window)[:batch]
        here = position + unseen.astype(np.int64)
        position = int(here[-1]) + 1 if len(here) == batch else position + len(window)
        if not len(here):
            continue
        placement = ranks.place(here)
        images = [
            group[:, sites].reshape(len(group) * len(here), -1).astype(np.int64)
            for sites in placement
        ]
        image_ranks = ranks.rank(images).reshape(len(group), len(here))
        seen[image_ranks.ravel()] = True
        # Within a batch a class may turn up several times: its first member represents it.
        first = image_ranks.min(axis=0) == here
        stabilisers = (image_ranks == here).sum(axis=0)
        codes = ranks.codes(placement)
        for row in np.flatnonzero(first):
            occupants = tuple(
                sublattice.species[code]
                for sublattice in layout.sublattices
                for code in codes[row, sublattice.start : sublattice.stop]
            )
            yield Ordering(
                ordering_id=_ordering_id(prefix, occupants),
                multiplicity=len(group) // int(stabilisers[row]),
                occupants=occupants,
                layout=layout,
            )


def ordered_atoms(ordering: Ordering) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Atoms of an ordering: full sites of the parent in every cell, and the occupants.

    Partially occupied hydrogens are left out.

    Parameters
    ----------
    ordering : Ordering

    Returns
    -------
    numbers : (n,) int array
        Atomic numbers.
    positions : (n, 3) array
        In units of the parent's axes.
    """
    layout = ordering.layout
    full = [site for site in layout.parent.sites if not site.is_partial]
    fixed = np.array([site.fractional for site in full], dtype=np.float64).reshape(-1, 3)
    cells = layout.cells
    kept = [i for i, symbol in enumerate(ordering.occupants) if symbol != VACANCY]
    positions = np.concatenate(
        [(fixed[:, None, :] + cells[None]).reshape(-1, 3), layout.fractional[kept]]
    )
    symbols = [site.occupants[0][0] for site in full for _ in cells]
    symbols += [ordering.occupants[i] for i in kept]
    return np.array([atomic_numbers[symbol] for symbol in symbols], dtype=np.int64), positions


def sorted_rows(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows of coordinates in lexicographic order.

    Parameters
    ----------
    rows : (n, 3) array

    Returns
    -------
    (n, 3) array
    """
    return rows[np.lexsort(np.round(rows, 6).T[::-1])]


def _description(layout: DisorderedSupercell) -> str:
    """Say which sites are ordered and with what (no lengths: strain keeps the ids)."""
    sites = [
        [f"{x:.3f}" for x in layout.parent.sites[index].fractional] for index in layout.parent_sites
    ]
    shares = [
        [[symbol, str(share)] for symbol, share in zip(s.species, s.shares, strict=True)]
        for s in layout.sublattices
    ]
    return json.dumps([layout.supercell, sites, shares], separators=(",", ":"))


def _ordering_id(prefix: str, occupants: tuple[str, ...]) -> str:
    text = f"{prefix}|{','.join(occupants)}"
    return f"o-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
