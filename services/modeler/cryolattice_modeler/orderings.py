"""Every symmetry-distinct ordering of the disordered sites, exactly, with its multiplicity."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from cryolattice.errors import LimitExceededError
from cryolattice_modeler.canonical_frame import CanonicalFrame, canonical_frame
from cryolattice_modeler.counting import count_classes, total_orderings
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.orderly import Layer, canonical_arrangements
from cryolattice_modeler.permutations import permutation_group, translation_group
from cryolattice_modeler.supercell import VACANCY, DisorderedSupercell, disordered_supercell
from cryolattice_modeler.supercell_sizes import SupercellSize
from cryolattice_modeler.symmetry import find_symmetry

MAX_CLASSES = 10_000_000
"""Classes above which the enumeration is refused unless more are asked for: some minutes' work."""


@dataclass(frozen=True, eq=False)
class Ordering:
    """One class of equivalent orderings, through its first member.

    Attributes
    ----------
    ordering_id : str
        ``o-`` and ten hexadecimal digits of a hash over the disordered sites, their composition,
        the supercell and the occupants in the crystal's own frame: the same whatever the order of
        the atoms, the origin or the setting of the file.
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
        """Empty sites, (n, 3), in units of the axes of `layout.parent`, 0 <= x < m; sorted."""
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
    parent: ParentCrystal,
    supercell: SupercellSize,
    *,
    limit: int = MAX_CLASSES,
    primitive_only: bool = False,
) -> Iterator[Ordering]:
    """Yield one ordering for each class of symmetry-equivalent ones, in a fixed order.

    Classes come one after the other, by orderly generation: the memory does not grow with their
    number, and the time grows with the number of classes times that of operations.

    Parameters
    ----------
    parent : ParentCrystal
    supercell : three ints, or a (3, 3) matrix of ints
        As `disordered_supercell` takes it.
    limit : int
        Refuse more classes than this.
    primitive_only : bool
        Leave out orderings that repeat after fewer cells: those of a smaller supercell.

    Returns
    -------
    iterator of Ordering
        Unless some are left out, their multiplicities add up to the number of all orderings.

    Raises
    ------
    InvalidInputError, NothingToOrderError, CompositionError
        As `disordered_supercell`; at the call, before the first ordering is asked for.
    LimitExceededError
        If there are more than `limit` classes.
    """
    layout = disordered_supercell(parent, supercell)
    classes = count_classes(layout)
    if classes > limit:
        raise LimitExceededError(
            f"the supercell has {total_orderings(layout):,} orderings in {classes:,} classes, "
            f"above the limit of {limit:,}: raise the limit, draw a random sample, have "
            "them written into a dataset by a job, or take a smaller supercell",
            field="limit",
            metadata={
                "total": str(total_orderings(layout)),
                "classes": str(classes),
                "limit": str(limit),
            },
        )
    return _enumerate(layout, primitive_only=primitive_only)


def _enumerate(layout: DisorderedSupercell, *, primitive_only: bool) -> Iterator[Ordering]:
    frame = canonical_frame(layout)
    shifts = _named(translation_group(layout), frame)[1:]
    group = named_group(layout, frame)
    for batch in canonical_arrangements(occupant_layers(frame), group, blocks=frame.blocks):
        kept = np.ones(len(batch.codes), dtype=np.bool_)
        if primitive_only:
            for shift in shifts:
                kept &= np.any(batch.codes[:, shift] != batch.codes, axis=1)
        for codes, multiplicity in zip(batch.codes[kept], batch.multiplicities[kept], strict=True):
            yield named_ordering(layout, frame, codes, int(multiplicity))


def occupant_layers(frame: CanonicalFrame) -> list[Layer]:
    """Return what is to be placed on the sites of a frame: all occupants but the commonest."""
    return [
        Layer(sublattice.start, sublattice.stop, count, code)
        for sublattice in frame.sublattices
        for code, count in enumerate(sublattice.counts)
        if code
    ]


def named_group(layout: DisorderedSupercell, frame: CanonicalFrame) -> NDArray[np.int32]:
    """Return the supercell's symmetry as permutations (order, n) of the frame's numbers."""
    return _named(permutation_group(layout), frame)


def _named(permutations: NDArray[np.int32], frame: CanonicalFrame) -> NDArray[np.int32]:
    named = np.empty_like(permutations)
    named[:, frame.place] = frame.place[permutations]
    return named


def named_ordering(
    layout: DisorderedSupercell, frame: CanonicalFrame, codes: NDArray[np.uint8], multiplicity: int
) -> Ordering:
    """Make an ordering of the codes of its occupants in the canonical frame.

    Parameters
    ----------
    layout : DisorderedSupercell
    frame : CanonicalFrame
    codes : (n,) uint8 array
        Indices into each sublattice's `species`; the representative of its class.
    multiplicity : int

    Returns
    -------
    Ordering
    """
    occupants = [
        sublattice.species[code]
        for sublattice in frame.sublattices
        for code in codes[sublattice.start : sublattice.stop]
    ]
    return Ordering(
        ordering_id=f"o-{ordering_digest(frame, occupants)[:10]}",
        multiplicity=multiplicity,
        occupants=tuple(occupants[place] for place in frame.place),
        layout=layout,
    )


def ordering_digest(frame: CanonicalFrame, occupants: Iterable[str]) -> str:
    """Return the hexadecimal digest that the id of an ordering begins.

    Parameters
    ----------
    frame : CanonicalFrame
    occupants : iterable of str
        In the frame's order of the sites.

    Returns
    -------
    str
        Of SHA-256.
    """
    text = f"{frame.description}|{','.join(occupants)}"
    return hashlib.sha256(text.encode()).hexdigest()


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
    taken = np.array([symbol != VACANCY for symbol in ordering.occupants], dtype=np.float64)
    elements, places, *_ = layout.companions(taken)
    heavy = [i for i, element in enumerate(elements) if element != "H"]
    symbols += [elements[i] for i in heavy]
    positions = np.concatenate([positions, places[heavy]])
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
