"""A uniform random sample of the classes of orderings, without enumerating them.

An operation g is drawn with a weight that is the number of orderings it keeps, then one of these.
A class of m orderings comes up in m |stabiliser| = |group| such pairs whatever its size, so that
all classes are equally likely (Dixon and Wilf, Journal of Algorithms 4 (1983) 205). Whole-numbered
weights throughout.
"""

from __future__ import annotations

import hashlib
import math
import random
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.canonical_frame import CanonicalFrame, canonical_frame
from cryolattice_modeler.counting import (
    count_classes,
    cycle_lengths,
    cycles_of,
    fixed_arrangements,
    splits,
)
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.orderings import Ordering, named_group, named_ordering
from cryolattice_modeler.supercell import DisorderedSupercell, Sublattice, disordered_supercell
from cryolattice_modeler.supercell_sizes import SupercellSize

MAX_SAMPLE = 1_000_000
_OPERATIONS_AT_ONCE = 1024


def sample_orderings(
    parent: ParentCrystal, supercell: SupercellSize, size: int, *, seed: int
) -> Iterator[Ordering]:
    """Draw classes of orderings, each class at most once and all subsets equally likely.

    Orderings come one after the other as they are drawn; of those before, a digest is kept.

    Parameters
    ----------
    parent : ParentCrystal
    supercell : three ints, or a (3, 3) matrix of ints
    size : int
        How many, at least 1; all of them where there are fewer.
    seed : int
        At least 0. The same seed gives the same sample.

    Returns
    -------
    iterator of Ordering
        In the order drawn. Each class is among them with probability size / classes.

    Raises
    ------
    InvalidInputError
        If `size` or `seed` is out of range; else as `disordered_supercell`. At the call.
    """
    if not 1 <= size <= MAX_SAMPLE:
        raise InvalidInputError(
            f"sample is {size}: give a number of classes from 1 to {MAX_SAMPLE:,}", field="sample"
        )
    if seed < 0:
        raise InvalidInputError(f"seed is {seed}: give a whole number of at least 0", field="seed")
    layout = disordered_supercell(parent, supercell)
    if layout.blocks.max(initial=-1) >= 0:
        raise InvalidInputError(
            f"{parent.name} has split sites or disorder groups: no random sample is drawn of them; "
            "enumerate all orderings, or take a smaller supercell",
            field="sample",
        )
    rng = random.Random(seed)  # noqa: S311 - no secret; exact with big integers
    return _sample(layout, min(size, count_classes(layout)), rng)


def _sample(layout: DisorderedSupercell, size: int, rng: random.Random) -> Iterator[Ordering]:
    frame = canonical_frame(layout)
    group = named_group(layout, frame)
    cumulative = list(accumulate(_kept_orderings(group, frame)))
    known: set[bytes] = set()
    while len(known) < size:
        operation = _drawn(cumulative, rng)
        codes = np.zeros(group.shape[1], dtype=np.uint8)
        for sublattice in frame.sublattices:
            _colour(codes, group[operation], sublattice, rng)
        representative, multiplicity = _representative(codes, group, frame.sublattices)
        digest = hashlib.sha256(representative.tobytes()).digest()
        if digest not in known:
            known.add(digest)
            yield named_ordering(layout, frame, representative, multiplicity)


def _kept_orderings(group: NDArray[np.int32], frame: CanonicalFrame) -> Iterator[int]:
    """Yield for each operation how many orderings it leaves as they are."""
    for start in range(0, len(group), _OPERATIONS_AT_ONCE):
        for row in cycle_lengths(group[start : start + _OPERATIONS_AT_ONCE].astype(np.int64)):
            yield math.prod(
                fixed_arrangements(cycles_of(row[s.start : s.stop]), s.counts)
                for s in frame.sublattices
            )


def _drawn(cumulative: list[int], rng: random.Random) -> int:
    return bisect_right(cumulative, rng.randrange(cumulative[-1]))


def _colour(
    codes: NDArray[np.uint8],
    permutation: NDArray[np.int32],
    sublattice: Sublattice,
    rng: random.Random,
) -> None:
    """Fill a sublattice with one of the arrangements that a permutation keeps, all as likely."""
    left: dict[int, list[list[int]]] = {}
    seen: set[int] = set()
    for start in range(sublattice.start, sublattice.stop):
        cycle, site = [], start
        while site not in seen:
            seen.add(site)
            cycle.append(site)
            site = int(permutation[site])
        if cycle:
            left.setdefault(len(cycle), []).append(cycle)
    sizes = sorted(left)
    for code in range(len(sublattice.counts) - 1, 0, -1):
        cycles = tuple((length, len(left[length])) for length in sizes)
        options, weights = splits(cycles, sublattice.counts[code]), []
        for split in options:
            rest = tuple((length, n - k) for (length, n), k in zip(cycles, split, strict=True))
            chosen = math.prod(math.comb(n, k) for (_, n), k in zip(cycles, split, strict=True))
            weights.append(chosen * fixed_arrangements(rest, sublattice.counts[:code]))
        split = options[_drawn(list(accumulate(weights)), rng)]
        for length, taken in zip(sizes, split, strict=True):
            rng.shuffle(left[length])
            for cycle in left[length][:taken]:
                codes[cycle] = code
            del left[length][:taken]


def _representative(
    codes: NDArray[np.uint8], group: NDArray[np.int32], sublattices: tuple[Sublattice, ...]
) -> tuple[NDArray[np.uint8], int]:
    """Return the member that `canonical_arrangements` would yield, and the size of the class."""
    images = np.empty(group.shape, dtype=np.uint8)
    np.put_along_axis(images, group, np.broadcast_to(codes, group.shape), axis=1)
    # layer after layer, read as binary numbers: the highest site first
    bits = [
        images[:, s.start : s.stop][:, ::-1] == code
        for s in sublattices
        for code in range(1, len(s.counts))
    ]
    keys = [row.tobytes() for row in np.packbits(np.concatenate(bits, axis=1), axis=1)]
    least = min(keys)
    return images[keys.index(least)], len(group) // keys.count(least)
