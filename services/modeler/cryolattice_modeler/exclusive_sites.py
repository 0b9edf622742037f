"""Arrangements on sites of which at most one in a block is taken: how many there are.

A permutation carries blocks to blocks. An arrangement that it leaves as it is puts one occupant on
a cycle of sites that passes each block of a cycle of blocks once, or leaves these blocks empty.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

BlockCycles = tuple[tuple[int, tuple[int, ...], int], ...]
"""Length, eligible cycles of sites in each sublattice, and how many cycles of blocks are so."""


def block_cycles(
    permutation: NDArray[np.int64], blocks: NDArray[np.int64], ranges: Sequence[tuple[int, int]]
) -> BlockCycles:
    """Describe how a permutation moves blocks of exclusive sites.

    Parameters
    ----------
    permutation : (n,) int array
        Where each site goes.
    blocks : (n,) int array
        Number of the block that a site is in; -1 for a site in none.
    ranges : sequence of (int, int)
        Start and stop of each sublattice of such sites.

    Returns
    -------
    BlockCycles
        Sorted.
    """
    found: Counter[tuple[int, tuple[int, ...]]] = Counter()
    seen: set[int] = set()
    for start in np.flatnonzero(blocks >= 0):
        if int(blocks[start]) in seen:
            continue
        length, site = 0, int(start)
        while int(blocks[site]) not in seen:
            seen.add(int(blocks[site]))
            length += 1
            site = int(permutation[site])
        eligible = [0] * len(ranges)
        for member in np.flatnonzero(blocks == blocks[start]):
            image = int(member)
            for _ in range(length):
                image = int(permutation[image])
            if image == member:
                place = next(i for i, (low, high) in enumerate(ranges) if low <= member < high)
                eligible[place] += 1
        found[length, tuple(eligible)] += 1
    return tuple((*kind, count) for kind, count in sorted(found.items()))


@cache
def exclusive_arrangements(cycles: BlockCycles, wanted: tuple[tuple[int, ...], ...]) -> int:
    """Count the ways to put each occupant of each sublattice on so many sites.

    Parameters
    ----------
    cycles : BlockCycles
    wanted : tuple of tuple of int
        For each sublattice, sites for each of its occupants.

    Returns
    -------
    int
    """
    occupants = [(place, count) for place, counts in enumerate(wanted) for count in counts]
    left: dict[tuple[int, ...], int] = {tuple(count for _, count in occupants): 1}
    for length, eligible, blocks in cycles:
        following: dict[tuple[int, ...], int] = {}
        for rest, ways in left.items():
            most = [min(blocks, count // length) for count in rest]
            for taken in itertools.product(*(range(n + 1) for n in most)):
                if sum(taken) > blocks:
                    continue
                new = ways * _multinomial(blocks, taken)
                for (place, _), number in zip(occupants, taken, strict=True):
                    new *= eligible[place] ** number
                if new:
                    key = tuple(n - length * k for n, k in zip(rest, taken, strict=True))
                    following[key] = following.get(key, 0) + new
        left = following
    return left.get((0,) * len(occupants), 0)


def _multinomial(total: int, parts: tuple[int, ...]) -> int:
    ways = 1
    for part in parts:
        ways *= math.comb(total, part)
        total -= part
    return ways
