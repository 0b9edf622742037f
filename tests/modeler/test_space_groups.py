"""Counts against enumeration in crystals of any space group."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gemmi
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cryolattice.errors import CryolatticeError
from cryolattice_modeler.counting import count_orderings
from cryolattice_modeler.crystal import read_parent_crystal
from cryolattice_modeler.orderings import enumerate_orderings

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
ANCHOR = ("X", "Fe", 0.13, 0.29, 0.41, "1")  # in general position: it keeps the group as it is
SPECIAL = st.sampled_from([0, 0.25, 0.5, 0.75])


@given(
    number=st.integers(1, 230),
    first=st.tuples(SPECIAL, SPECIAL, SPECIAL),
    second=st.tuples(SPECIAL, SPECIAL, SPECIAL),
    supercell=st.sampled_from(
        [(1, 1, 1), (2, 1, 1), (1, 1, 2), [[1, 1, 0], [-1, 1, 0], [0, 0, 1]],
         [[1, 0, 0], [0, 1, 0], [1, 1, 2]], [[0, 1, 1], [1, 0, 1], [1, 1, 0]]]
    ),
)  # fmt: skip
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_enumeration_gives_the_numbers_counted(
    make_cif: MakeCif,
    number: int,
    first: tuple[float, float, float],
    second: tuple[float, float, float],
    supercell: Sequence[int],
) -> None:
    group = gemmi.find_spacegroup_by_number(number)
    atoms = [ANCHOR, ("A", "Na", *first, "0.5"), ("B", "Si", *second, "0.25"),
             ("C", "Ge", *second, "0.5")]  # fmt: skip
    assume(first != second)
    try:
        parent = read_parent_crystal(
            make_cif(CELLS[group.crystal_system_str()], atoms, group.xhm()), "sampled.cif"
        )
        total, classes = count_orderings(parent, supercell)
    except CryolatticeError:  # overlapping sites, or no whole number of atoms
        assume(False)
        return
    assume(total <= 50_000)
    found = list(enumerate_orderings(parent, supercell))
    assert (sum(ordering.multiplicity for ordering in found), len(found)) == (total, classes)
    assert len({ordering.ordering_id for ordering in found}) == classes


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
