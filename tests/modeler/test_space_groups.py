"""Counts against enumeration in crystals of any space group."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import gemmi
import numpy as np
import pytest

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.counting import count_orderings
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.orderings import enumerate_orderings
from cryolattice_modeler.parent_cif import read_parent_crystal

MakeCif = Callable[..., str]

CELLS = {
    "triclinic": (9, 10, 11, 83, 95, 102),
    "monoclinic": (9, 10, 11, 90, 97, 90),
    "orthorhombic": (9, 10, 11, 90, 90, 90),
    "tetragonal": (9, 9, 11, 90, 90, 90),
    "trigonal": (9, 9, 11, 90, 90, 120),
    "hexagonal": (9, 9, 11, 90, 90, 120),
    "cubic": (9, 9, 9, 90, 90, 90),
}
ANCHOR = ("X", "Fe", 0.93, 0.37, 0.29, "1")  # in general position: it keeps the group as it is
PLACES = [n / 8 for n in range(8)]
SUPERCELLS: list[list[list[int]]] = [
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    [[2, 0, 0], [0, 1, 0], [0, 0, 1]],
    [[1, 0, 0], [0, 1, 0], [0, 0, 3]],
    [[1, 1, 0], [-1, 1, 0], [0, 0, 1]],
    [[1, 0, 0], [0, 1, 0], [1, 1, 2]],
    [[0, 1, 1], [1, 0, 1], [1, 1, 0]],
]
GREATEST_TOTAL = 50_000


def orbit(group: gemmi.GroupOps, place: Sequence[float]) -> set[tuple[float, ...]]:
    return {tuple(round(x % 1, 6) % 1 for x in op.apply_to_xyz(list(place))) for op in group}


def sampled(
    make_cif: MakeCif, number: int, rng: random.Random, greatest: int
) -> tuple[ParentCrystal, list[list[int]]]:
    """A crystal of a space group with two disordered sublattices, and a supercell of it.

    The first sublattice has one to four vacancies, the second an atom of another kind, and
    perhaps a vacancy.
    """
    space_group = gemmi.find_spacegroup_by_number(number)
    group = space_group.operations()
    for _ in range(10_000):
        first, second = ([rng.choice(PLACES) for _ in range(3)] for _ in range(2))
        supercell = rng.choice(SUPERCELLS)
        cells = round(np.linalg.det(supercell))
        n, m = (cells * len(orbit(group, place)) for place in (first, second))
        vacant, other = rng.randint(1, 4), rng.randint(0, 1)
        total = math.comb(n, vacant) * m * (m - 1) ** other
        if orbit(group, first) & orbit(group, second) or vacant >= n or m < 2 + other:
            continue
        if not 1 < total <= greatest:
            continue
        shares = [(n - vacant) / n, (m - 1 - other) / m, 1 / m]
        atoms = [ANCHOR] + [
            (label, symbol, *place, f"{share:.9f}")
            for label, symbol, place, share in zip(
                "ABC", ("Na", "Si", "Ge"), (first, second, second), shares, strict=True
            )
        ]
        text = make_cif(CELLS[space_group.crystal_system_str()], atoms, space_group.xhm())
        try:
            parent = read_parent_crystal(text, "sampled.cif")
        except InvalidInputError:  # too near the iron atom
            continue
        assert count_orderings(parent, supercell)[0] == total
        return parent, supercell
    raise AssertionError(f"no small crystal of {space_group.xhm()} was found")


def check(make_cif: MakeCif, number: int, seed: int, greatest: int = GREATEST_TOTAL) -> None:
    parent, supercell = sampled(make_cif, number, random.Random(f"{number} {seed}"), greatest)
    operations = gemmi.find_spacegroup_by_number(number).operations()
    assert len(parent.rotations) == len(operations)
    assert len(parent.disordered_orbits) == 2
    found = list(enumerate_orderings(parent, supercell))
    counted = count_orderings(parent, supercell)
    assert (sum(ordering.multiplicity for ordering in found), len(found)) == counted
    assert len({ordering.ordering_id for ordering in found}) == len(found)


@pytest.mark.parametrize("number", range(1, 231, 7))
def test_enumeration_gives_the_numbers_counted(make_cif: MakeCif, number: int) -> None:
    check(make_cif, number, seed=0, greatest=2_000)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(1, 231))
def test_enumeration_gives_the_numbers_counted_in_every_space_group(
    make_cif: MakeCif, number: int
) -> None:
    for seed in range(1, 6):
        check(make_cif, number, seed)


# Counted by bsym 2.2.0: group, x of a site (x, 0, 0) of which the given part is occupied,
# supercell, orderings, classes. An iron atom at the middle of the cell is left alone.
BSYM_CASES = [
    ("P m -3 m", 0, (3, 2, 1), "0.500000000", 20, 3),
    ("P m -3 m", 0.5, (2, 1, 1), "0.833333333", 6, 2),
    ("P m -3 m", 0.5, (2, 1, 1), "0.500000000", 20, 5),
    ("P m -3 m", 0.5, (2, 2, 1), "0.500000000", 924, 56),
    ("P m -3 m", 0.5, (1, 1, 4), "0.500000000", 924, 76),
    ("P 4/m m m", 0, (3, 2, 1), "0.500000000", 20, 3),
    ("P 4/m m m", 0.5, (2, 1, 1), "0.500000000", 6, 3),
    ("P 4/m m m", 0.5, (2, 2, 1), "0.500000000", 70, 8),
    ("P 4/m m m", 0.5, (1, 1, 4), "0.500000000", 70, 10),
    ("P 4/m m m", 0.5, (3, 2, 1), "0.500000000", 924, 61),
    ("P m m m", 0, (3, 2, 1), "0.500000000", 20, 3),
    ("P m m m", 0.5, (2, 2, 1), "0.500000000", 6, 3),
    ("P m m m", 0.5, (1, 1, 4), "0.500000000", 6, 2),
    ("P m m m", 0.5, (3, 2, 1), "0.833333333", 6, 1),
    ("P m m m", 0.5, (3, 2, 1), "0.500000000", 20, 3),
    ("P 6/m m m", 0, (3, 2, 1), "0.500000000", 20, 3),
    ("P 6/m m m", 0.5, (2, 1, 1), "0.833333333", 6, 2),
    ("P 6/m m m", 0.5, (2, 1, 1), "0.500000000", 20, 5),
    ("P 6/m m m", 0.5, (2, 2, 1), "0.500000000", 924, 30),
    ("P 6/m m m", 0.5, (1, 1, 4), "0.500000000", 924, 34),
    ("P 2/m", 0, (3, 2, 1), "0.500000000", 20, 3),
    ("P 2/m", 0.5, (2, 2, 1), "0.500000000", 6, 3),
    ("P 2/m", 0.5, (1, 1, 4), "0.500000000", 6, 2),
    ("P 2/m", 0.5, (3, 2, 1), "0.833333333", 6, 1),
    ("P 2/m", 0.5, (3, 2, 1), "0.500000000", 20, 3),
]
BSYM_CELLS = {
    "P m -3 m": (4, 4, 4, 90, 90, 90),
    "P 4/m m m": (4, 4, 6, 90, 90, 90),
    "P m m m": (4, 5, 6, 90, 90, 90),
    "P 6/m m m": (4, 4, 5, 90, 90, 120),
    "P 2/m": (4, 5, 6, 90, 97, 90),
}


@pytest.mark.parametrize(("group", "x", "supercell", "share", "total", "classes"), BSYM_CASES)
def test_counts_of_bsym(
    make_cif: MakeCif,
    group: str,
    x: float,
    supercell: tuple[int, int, int],
    share: str,
    total: int,
    classes: int,
) -> None:
    atoms = [("A", "Na", x, 0, 0, share), ("B", "Fe", 0.5, 0.5, 0.5, "1")]
    parent = read_parent_crystal(make_cif(BSYM_CELLS[group], atoms, group), "case.cif")
    assert count_orderings(parent, supercell) == (total, classes)
    found = list(enumerate_orderings(parent, supercell))
    assert (sum(ordering.multiplicity for ordering in found), len(found)) == (total, classes)
