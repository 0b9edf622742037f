from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cryolattice.errors import CompositionError, InvalidInputError, LimitExceededError
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.parent_cif import read_parent_crystal
from cryolattice_modeler.sublattices import (
    cells_within,
    hermite_normal_form,
    in_primitive_cell,
    inequivalent_sublattices,
    reduced,
    sublattices_of_index,
)
from cryolattice_modeler.superlattices import superlattices

MakeCif = Callable[..., str]
CUBE = (4, 4, 4, 90, 90, 90)

# Hart and Forcade, Physical Review B 77 (2008) 224115, table IV, as dsenum's tests have it;
# fcc and bcc also OEIS A045790.
FCC = [1, 2, 3, 7, 5, 10, 7, 20, 14, 18]
SIMPLE_CUBIC = [1, 3, 3, 9, 5, 13, 7, 24, 14, 23]
HEXAGONAL = [1, 3, 5, 11, 7, 19, 11, 34, 23, 33]
TETRAGONAL = [1, 5, 5, 17, 9, 29, 13, 51, 28, 53]

# Counted by dsenum 0.4.4: group, parts of each element, and by number of primitive cells the
# orderings that no smaller cell holds, elements not exchanged. On one site of the primitive cell,
# in P 63/m m c on two.
DSENUM = [
    ("F m -3 m", (1, 1), {2: 2, 4: 5, 6: 20, 8: 94}),
    ("F m -3 m", (2, 1), {3: 3, 6: 20}),
    ("F m -3 m", (3, 1), {4: 7, 8: 42}),
    ("F m -3 m", (1, 1, 1), {3: 3, 6: 100}),
    ("F m -3 m", (2, 1, 1), {4: 13, 8: 456}),
    ("I m -3 m", (1, 1), {2: 2, 4: 5, 6: 20, 8: 94}),
    ("I m -3 m", (2, 1), {3: 3, 6: 20}),
    ("I m -3 m", (3, 1), {4: 7, 8: 42}),
    ("I m -3 m", (1, 1, 1), {3: 3, 6: 100}),
    ("I m -3 m", (2, 1, 1), {4: 13, 8: 456}),
    ("P m -3 m", (1, 1), {2: 3, 4: 6, 6: 26, 8: 119}),
    ("P m -3 m", (2, 1), {3: 3, 6: 26}),
    ("P m -3 m", (3, 1), {4: 9, 8: 54}),
    ("P m -3 m", (1, 1, 1), {3: 3, 6: 130}),
    ("P m -3 m", (2, 1, 1), {4: 18, 8: 603}),
    ("P 6/m m m", (1, 1), {2: 3, 4: 8, 6: 38, 8: 171}),
    ("P 6/m m m", (2, 1), {3: 5, 6: 38}),
    ("P 6/m m m", (3, 1), {4: 11, 8: 78}),
    ("P 6/m m m", (1, 1, 1), {3: 5, 6: 190}),
    ("P 6/m m m", (2, 1, 1), {4: 22, 8: 863}),
    ("P 4/m m m", (1, 1), {2: 5, 4: 12, 6: 58, 8: 269}),
    ("P 4/m m m", (2, 1), {3: 5, 6: 58}),
    ("P 4/m m m", (3, 1), {4: 17, 8: 124}),
    ("P 4/m m m", (1, 1, 1), {3: 5, 6: 290}),
    ("P 4/m m m", (2, 1, 1), {4: 37, 8: 1410}),
    ("P 63/m m c", (1, 1), {1: 1, 2: 4, 3: 10, 4: 68, 5: 135, 6: 1085, 7: 1970}),
    ("P 63/m m c", (2, 1), {3: 15, 6: 608}),
    ("P 63/m m c", (3, 1), {2: 3, 4: 35, 6: 247, 8: 2521}),
    ("P 63/m m c", (1, 1, 1), {3: 57}),
    ("P 63/m m c", (2, 1, 1), {2: 7, 4: 355}),
    ("P m m m", (1, 1), {2: 7, 4: 19, 6: 98, 8: 457}),
    ("P m m m", (2, 1), {3: 7, 6: 98}),
    ("P m m m", (3, 1), {4: 26, 8: 213}),
    ("P m m m", (1, 1, 1), {3: 7, 6: 490}),
    ("P m m m", (2, 1, 1), {4: 59, 8: 2452}),
]
DSENUM_CELLS = {
    "F m -3 m": CUBE,
    "I m -3 m": CUBE,
    "P m -3 m": CUBE,
    "P 6/m m m": (4, 4, 5, 90, 90, 120),
    "P 4/m m m": (4, 4, 6, 90, 90, 90),
    "P 63/m m c": (4, 4, 6.5, 90, 90, 120),
    "P m m m": (4, 5, 6, 90, 90, 90),
}

integers = st.integers(-6, 6)
matrices = st.lists(st.lists(integers, min_size=3, max_size=3), min_size=3, max_size=3)


@given(matrices, matrices)
def test_the_normal_form_names_the_lattice(
    entries: list[list[int]], steps: list[list[int]]
) -> None:
    matrix = np.array(entries)
    size = abs(round(float(np.linalg.det(matrix))))
    assume(size)
    form = hermite_normal_form(matrix)
    assert np.array_equal(form, np.tril(form))
    assert np.prod(np.diag(form)) == size
    same = np.tril(np.array(steps), -1) + np.eye(3, dtype=int)  # any unimodular matrix
    assert np.array_equal(hermite_normal_form(same @ matrix), form)
    assert np.array_equal(hermite_normal_form(np.vstack([matrix, np.array(steps) @ matrix])), form)
    cells = cells_within(form)
    assert len(cells) == size
    assert np.array_equal(reduced(cells + np.array(steps[0]) @ matrix, form), cells)


def test_number_of_sublattices() -> None:
    # OEIS A001001
    known = [1, 7, 13, 35, 31, 91, 57, 155, 130, 217, 133, 455]
    assert [len(sublattices_of_index(n)) for n in range(1, 13)] == known


@pytest.mark.parametrize(
    ("group", "published"),
    [
        ("F m -3 m", FCC),
        ("I m -3 m", FCC),
        ("P m -3 m", SIMPLE_CUBIC),
        ("P 6/m m m", HEXAGONAL),
        ("P 4/m m m", TETRAGONAL),
    ],
)
def test_published_numbers_of_superlattices(
    make_cif: MakeCif, group: str, published: list[int]
) -> None:
    text = make_cif(DSENUM_CELLS[group], [("A", "Na", 0, 0, 0, "0.5")], group)
    primitive = in_primitive_cell(read_parent_crystal(text, "parent.cif"))
    assert len(primitive.sites) == 1
    found = [len(inequivalent_sublattices(primitive, index)) for index in range(1, 11)]
    assert found == published


def orderings_by_index(
    make_cif: MakeCif, group: str, parts: tuple[int, ...], up_to: int
) -> dict[int, int]:
    place = (1 / 3, 2 / 3, 0.25) if group == "P 63/m m c" else (0, 0, 0)
    atoms = [
        (label, symbol, *place, f"{part / sum(parts):.9f}")
        for label, symbol, part in zip("ABC", ("Na", "Si", "Ge"), parts, strict=False)
    ]
    parent = read_parent_crystal(make_cif(DSENUM_CELLS[group], atoms, group), "alloy.cif")
    found = Counter[int]()
    ids = []
    for superlattice in superlattices(parent, up_to):
        orderings = list(superlattice.orderings())
        found[superlattice.index] += len(orderings)
        ids += [ordering.ordering_id for ordering in orderings]
    assert len(set(ids)) == len(ids)
    return dict(found)


@pytest.mark.parametrize(("group", "parts", "known"), DSENUM[10::4])
def test_counts_of_dsenum(
    make_cif: MakeCif, group: str, parts: tuple[int, ...], known: dict[int, int]
) -> None:
    first, *_ = known
    assert orderings_by_index(make_cif, group, parts, first) == {first: known[first]}


@pytest.mark.slow
@pytest.mark.parametrize(("group", "parts", "known"), DSENUM)
def test_counts_of_dsenum_in_larger_cells(
    make_cif: MakeCif, group: str, parts: tuple[int, ...], known: dict[int, int]
) -> None:
    assert orderings_by_index(make_cif, group, parts, max(known)) == known


def test_published_numbers_of_fcc_orderings(make_cif: MakeCif) -> None:
    # Hart and Forcade's 17 of up to four atoms do not count those with the elements exchanged:
    # 2 of AB and 5 of A2B2, 3 of A2B, 7 of A3B
    found = [
        orderings_by_index(make_cif, "F m -3 m", parts, up_to)
        for parts, up_to in (((1, 1), 4), ((2, 1), 3), ((3, 1), 4))
    ]
    assert found == [{2: 2, 4: 5}, {3: 3}, {4: 7}]


def test_impossible_superlattices(cubic: ParentCrystal, cubic_text: str) -> None:
    seventh = read_parent_crystal(cubic_text.replace("0.66667", "0.65"), "parent.cif")
    with pytest.raises(CompositionError, match=r"up to 6 .* multiple of 20 cells; .*fraction"):
        superlattices(seventh, 6)
    half = read_parent_crystal(cubic_text.replace("0.66667", "0.5"), "parent.cif")
    with pytest.raises(CompositionError, match=r"multiple of 2 cells; take up_to_index 2 or more"):
        superlattices(half, 1)
    with pytest.raises(InvalidInputError, match="up_to_index is 0"):
        superlattices(cubic, 0)
    with pytest.raises(LimitExceededError, match=r"up to 3 .*take up_to_index 2"):
        superlattices(cubic, 4, limit=30)
