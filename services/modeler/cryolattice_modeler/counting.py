"""How many orderings there are, without listing them.

The Cauchy-Frobenius lemma (Burnside): the number of classes is the mean, over the group, of the
number of arrangements that an operation leaves as they are. An arrangement is left as it is when
each cycle of the permutation carries one occupant, so that number is a coefficient of the cycle
index (Polya). Exact integers throughout.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.permutations import permutation_blocks
from cryolattice_modeler.supercell import (
    DisorderedSupercell,
    SupercellSize,
    disordered_supercell,
)

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
    """Return the number of all orderings: a product of multinomial coefficients."""
    total = 1
    for sublattice in layout.sublattices:
        free = sublattice.stop - sublattice.start
        for count in sublattice.counts[1:]:
            total *= math.comb(free, count)
            free -= count
    return total


def count_classes(layout: DisorderedSupercell) -> int:
    """Return the number of symmetry-inequivalent orderings by the Cauchy-Frobenius lemma."""
    kinds: Counter[tuple[Cycles, ...]] = Counter()
    for block in permutation_blocks(layout):
        lengths = cycle_lengths(block)
        for row in lengths:
            kinds[tuple(cycles_of(row[s.start : s.stop]) for s in layout.sublattices)] += 1
    fixed = 0
    for kind, operations in kinds.items():
        fixed += operations * math.prod(
            fixed_arrangements(cycles, sublattice.counts)
            for cycles, sublattice in zip(kind, layout.sublattices, strict=True)
        )
    classes, remainder = divmod(fixed, kinds.total())
    if remainder:
        raise AssertionError("the permutations do not form a group")
    return classes


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
