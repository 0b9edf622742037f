"""How many orderings there are, without listing them.

The Cauchy-Frobenius lemma (Burnside): the number of classes is the mean, over the group, of the
number of arrangements that an operation leaves as they are. An arrangement is left as it is when
each cycle of the permutation carries one occupant, so that number is a coefficient of the cycle
index (Polya). Sites that exclude each other are counted block by block. Exact integers throughout.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.exclusive_sites import (
    BlockCycles,
    block_cycles,
    exclusive_arrangements,
)
from cryolattice_modeler.permutations import permutation_blocks
from cryolattice_modeler.supercell import DisorderedSupercell, Sublattice, disordered_supercell
from cryolattice_modeler.supercell_sizes import SupercellSize

Cycles = tuple[tuple[int, int], ...]
"""Pairs (length, number of cycles of that length), lengths rising."""


def count_orderings(parent: ParentCrystal, supercell: SupercellSize) -> tuple[int, int]:
    """Count the orderings of a supercell and their classes under its symmetry.

    Parameters
    ----------
    parent : ParentCrystal
    supercell : three ints, or a (3, 3) matrix of ints
        As `disordered_supercell` takes it.

    Returns
    -------
    total, classes : int
        All orderings, and those that no symmetry operation of the parent turns into each other.

    Raises
    ------
    InvalidInputError, LimitExceededError, NothingToOrderError, CompositionError
        As `disordered_supercell`.
    """
    layout = disordered_supercell(parent, supercell)
    return total_orderings(layout), count_classes(layout)


def total_orderings(layout: DisorderedSupercell) -> int:
    """Return the number of all orderings: those that the identity leaves as they are."""
    return _fixed(_kind(np.arange(layout.site_count), layout), layout)


def count_classes(layout: DisorderedSupercell) -> int:
    """Return the number of symmetry-inequivalent orderings by the Cauchy-Frobenius lemma."""
    kinds: Counter[_Kind] = Counter()
    for block in permutation_blocks(layout):
        lengths = cycle_lengths(block)
        kinds.update(_kind(row, layout, own) for row, own in zip(block, lengths, strict=True))
    fixed = sum(operations * _fixed(kind, layout) for kind, operations in kinds.items())
    classes, remainder = divmod(fixed, kinds.total())
    if remainder:
        raise AssertionError("the permutations do not form a group")
    return classes


# cycles of each sublattice of free sites, and of the blocks of the others
_Kind = tuple[tuple[Cycles, ...], BlockCycles]


def _kind(
    permutation: NDArray[np.int64],
    layout: DisorderedSupercell,
    lengths: NDArray[np.int64] | None = None,
) -> _Kind:
    own = cycle_lengths(permutation[None])[0] if lengths is None else lengths
    free, exclusive = _parts(layout)
    cycles = tuple(cycles_of(own[s.start : s.stop]) for s in free)
    if not exclusive:
        return cycles, ()
    ranges = [(s.start, s.stop) for s in exclusive]
    return cycles, block_cycles(permutation, layout.blocks, ranges)


def _fixed(kind: _Kind, layout: DisorderedSupercell) -> int:
    free, exclusive = _parts(layout)
    ways = math.prod(
        fixed_arrangements(cycles, s.counts) for cycles, s in zip(kind[0], free, strict=True)
    )
    if not exclusive:
        return ways
    return ways * exclusive_arrangements(kind[1], tuple(s.counts[1:] for s in exclusive))


def _parts(layout: DisorderedSupercell) -> tuple[list[Sublattice], list[Sublattice]]:
    """Return the sublattices of free sites, and those of sites that exclude each other."""
    free: list[Sublattice] = []
    exclusive: list[Sublattice] = []
    for sublattice in layout.sublattices:
        (free if layout.blocks[sublattice.start] < 0 else exclusive).append(sublattice)
    return free, exclusive


def cycle_lengths(permutations: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for every site the length of the cycle it is in, same shape as the permutations."""
    home = np.arange(permutations.shape[1])
    lengths = np.zeros_like(permutations)
    current = permutations
    step = 1
    while True:
        lengths[(current == home) & (lengths == 0)] = step
        if lengths.all():
            return lengths
        current = np.take_along_axis(permutations, current, axis=1)
        step += 1


def cycles_of(lengths: NDArray[np.int64]) -> Cycles:
    """Return the cycles that sites with these `cycle_lengths` form."""
    found, sites = np.unique(lengths, return_counts=True)
    return tuple(
        (int(length), int(n) // int(length)) for length, n in zip(found, sites, strict=True)
    )


@cache
def fixed_arrangements(cycles: Cycles, counts: tuple[int, ...]) -> int:
    """Ways to give each cycle one occupant so that every occupant gets its number of sites."""
    if len(counts) == 1:
        return 1
    ways = 0
    for split in splits(cycles, counts[-1]):
        left = tuple((length, n - k) for (length, n), k in zip(cycles, split, strict=True))
        chosen = math.prod(math.comb(n, k) for (_, n), k in zip(cycles, split, strict=True))
        ways += chosen * fixed_arrangements(left, counts[:-1])
    return ways


def splits(cycles: Cycles, sites: int) -> list[tuple[int, ...]]:
    """Numbers of cycles of each length that together cover exactly so many sites."""
    if not cycles:
        return [()] if sites == 0 else []
    length, available = cycles[-1]
    return [
        (*head, k)
        for k in range(min(available, sites // length) + 1)
        for head in splits(cycles[:-1], sites - k * length)
    ]
