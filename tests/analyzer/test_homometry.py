from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from cryolattice_analyzer.ranking.homometry import homometric_to

# in units of the parent's axes, 2 x 2 cells along the beam; Na on the face centres
FIXED = [(x, y, 5.0) for x in (0, 1) for y in (0, 1)]
FIXED += [(x + 0.5, y + 0.5, 7.0) for x in (0, 1) for y in (0, 1)]
SODIUM = [
    (x + dx, y + dy)
    for x in (0, 1)
    for y in (0, 1)
    for dx, dy in ((0.5, 0.5), (0.5, 0.0), (0.0, 0.5))
]
CELL, SUPERCELL = (4.7, 4.7, 90.0), (2, 2)
Structure = tuple[NDArray[np.float64], NDArray[np.float64]]


def structure(vacant: set[tuple[float, float]]) -> Structure:
    atoms = FIXED + [(x, y, 11.0) for x, y in SODIUM if (x, y) not in vacant]
    table = np.array(atoms)
    return table[:, :2], table[:, 2]


M1 = {(0.0, 0.5), (1.0, 0.5), (0.5, 0.0), (0.5, 1.0)}
M2 = {(0.0, 0.5), (0.0, 1.5), (0.5, 0.0), (1.5, 0.0)}


def test_the_published_ordering_has_a_homometric_twin() -> None:
    other = {(0.0, 0.5), (1.0, 0.5), (0.0, 1.5), (0.5, 0.0)}
    assert homometric_to(structure(M1), [structure(M2), structure(other)], CELL, SUPERCELL) == [0]


def test_turned_structures_are_found() -> None:
    lopsided = {(0.0, 0.5), (1.0, 0.5), (0.0, 1.5), (0.5, 0.0)}
    turned = {((-y) % 2, x) for x, y in lopsided}
    assert turned != lopsided
    assert homometric_to(structure(lopsided), [structure(turned)], CELL, SUPERCELL) == [0]


def test_distinct_sets_of_moduli_are_29() -> None:
    # known: 35 inequivalent orderings, 29 distinct kinematic patterns
    left = [structure(set(vacant)) for vacant in combinations(SODIUM, 4)]
    assert len(left) == 495
    patterns = 0
    while left:
        same = set(homometric_to(left[0], left, CELL, SUPERCELL))
        assert 0 in same
        left = [one for i, one in enumerate(left) if i not in same]
        patterns += 1
    assert patterns == 29


def test_another_composition_is_never_homometric() -> None:
    assert homometric_to(structure(M1), [structure(M1 | {(1.5, 1.0)})], CELL, SUPERCELL) == []
