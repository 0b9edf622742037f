from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cryolattice.errors import CompositionError, InvalidInputError, LimitExceededError
from cryolattice_modeler.crystal import ParentCrystal, read_parent_crystal
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

# Hart and Forcade, Physical Review B 77 (2008) 224115, table IV.
FCC = [1, 2, 3, 7, 5, 10, 7, 20, 14, 18]
SIMPLE_CUBIC = [1, 3, 3, 9, 5, 13, 7, 24, 14, 23]

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
    assert [len(sublattices_of_index(n)) for n in range(1, 9)] == [1, 7, 13, 35, 31, 91, 57, 155]


@pytest.mark.parametrize(
    ("group", "published"), [("F m -3 m", FCC), ("I m -3 m", FCC), ("P m -3 m", SIMPLE_CUBIC)]
)
def test_published_numbers_of_superlattices(
    make_cif: MakeCif, group: str, published: list[int]
) -> None:
    parent = read_parent_crystal(make_cif(CUBE, [("A", "Na", 0, 0, 0, "0.5")], group), "cubic.cif")
    primitive = in_primitive_cell(parent)
    assert len(primitive.sites) == 1
    assert len(primitive.rotations) == 48
    found = [len(inequivalent_sublattices(primitive, index)) for index in range(1, 11)]
    assert found == published


@pytest.mark.parametrize(
    ("occupancy", "expected"), [("0.5", {2: 2, 4: 5}), ("0.25", {4: 7}), ("0.3333", {3: 3})]
)
def test_published_numbers_of_fcc_orderings(
    make_cif: MakeCif, occupancy: str, expected: dict[int, int]
) -> None:
    # 17 of up to four atoms, those with the elements exchanged not counted: 2 + 3 + (7 + 5)
    text = make_cif(CUBE, [("A", "Na", 0, 0, 0, occupancy)], "F m -3 m")
    parent = read_parent_crystal(text, "fcc.cif")
    found = Counter[int]()
    ids = []
    for superlattice in superlattices(parent, 4):
        orderings = list(superlattice.orderings())
        found[superlattice.index] += len(orderings)
        ids += [ordering.ordering_id for ordering in orderings]
    assert found == expected
    assert len(set(ids)) == len(ids)


def test_impossible_superlattices(cubic: ParentCrystal, cubic_text: str) -> None:
    seventh = read_parent_crystal(cubic_text.replace("0.66667", "0.65"), "parent.cif")
    with pytest.raises(CompositionError, match=r"up to 6 primitive cells .* multiple of 20"):
        superlattices(seventh, 6)
    with pytest.raises(InvalidInputError, match="up_to_index is 0"):
        superlattices(cubic, 0)
    with pytest.raises(LimitExceededError, match=r"up to 3 .*take up_to_index 2"):
        superlattices(cubic, 4, limit=30)
