from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.orderings import enumerate_orderings
from cryolattice_modeler.parent_cif import read_parent_crystal

MakeCif = Callable[..., str]
Ids = list[tuple[str, int]]


def ids(parent: ParentCrystal, supercell: object) -> Ids:
    found = enumerate_orderings(parent, supercell)  # type: ignore[arg-type]
    return [(ordering.ordering_id, ordering.multiplicity) for ordering in found]


def rewritten(
    make_cif: MakeCif, parent: ParentCrystal, axes: np.ndarray, shift: tuple[float, float, float]
) -> ParentCrystal:
    """The same crystal in another cell of the same size with another origin, in P1."""
    vectors = axes @ parent.cell_angstrom
    lengths = np.linalg.norm(vectors, axis=1)
    unit = vectors / lengths[:, None]
    angles = np.degrees(np.arccos([unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]]))
    inverse = np.linalg.inv(axes)
    atoms = []
    for site in parent.sites:
        x, y, z = (np.array(site.fractional) @ inverse + shift) % 1
        for symbol, share in site.occupants:
            atoms.append((f"{symbol}{len(atoms)}", symbol, x, y, z, f"{float(share):.5f}"))
    atoms.reverse()
    return read_parent_crystal(make_cif((*lengths, *angles), atoms), "rewritten.cif")


shifts = st.tuples(*[st.floats(0, 1, exclude_max=True)] * 3)


@given(shift=shifts)
@settings(max_examples=8, deadline=None)
def test_ids_do_not_depend_on_the_origin(
    cubic: ParentCrystal, make_cif: MakeCif, shift: tuple[float, float, float]
) -> None:
    moved = rewritten(make_cif, cubic, np.eye(3), shift)
    assert ids(moved, (2, 2, 1)) == ids(cubic, (2, 2, 1))


TWO_SITES = [("A", "Na", 0, 0, 0, "0.5"), ("B", "K", 0.3, 0.4, 0.7, "0.5")]
POLAR = [("A", "Na", 0, 0.5, 0.3, "0.5"), ("B", "Fe", 0.5, 0, 0, "1")]
TWO_ELEMENTS = [("A", "Fe", 0.5, 0, 0, "0.25"), ("B", "Co", 0.5, 0, 0, "0.5")]
PARENTS = {
    "tetragonal": ("P 4/m m m", (4, 4, 5, 90, 90, 90), [("A", "Na", 0, 0.5, 0.25, "0.5")]),
    "hexagonal": ("P 6/m m m", (4, 4, 5, 90, 90, 120), [("A", "Na", 0.5, 0, 0, "0.333")]),
    "chiral": ("P 31 2 1", (4, 4, 6, 90, 90, 120), [("A", "Na", 0.2, 0, 0.333333, "0.5")]),
    "monoclinic": ("P 1 21/c 1", (4, 5, 6, 90, 97, 90), [("A", "Na", 0.1, 0.2, 0.3, "0.5")]),
    "triclinic": ("P 1", (4, 5, 6, 80, 95, 100), TWO_SITES),
    "polar": ("P m m 2", (4, 5, 6, 90, 90, 90), POLAR),
    "two elements": ("P m -3", (5, 5, 5, 90, 90, 90), TWO_ELEMENTS),
}
# Rows: new axes in units of the old ones, right-handed, of the same volume.
SETTINGS = [
    np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]]),
    np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]]),
    np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]]),
    np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 1]]),
]


@pytest.mark.parametrize("name", PARENTS)
def test_ids_do_not_depend_on_the_setting(make_cif: MakeCif, name: str) -> None:
    group, cell, atoms = PARENTS[name]
    parent = read_parent_crystal(make_cif(cell, atoms, group), name)
    supercell = np.array([[2, 0, 0], [0, 1, 0], [1, 0, 2 if name != "hexagonal" else 3]])
    reference = ids(parent, supercell)
    assert len(reference) > 1
    for index, axes in enumerate(SETTINGS):
        other = rewritten(make_cif, parent, axes, (0.13, 0.4 * index, 0.77))
        inverse = np.rint(np.linalg.inv(axes)).astype(int)
        assert ids(other, supercell @ inverse) == reference


def test_ids_do_not_depend_on_how_the_supercell_is_written(cubic: ParentCrystal) -> None:
    reference = ids(cubic, (2, 2, 1))
    assert all(ids(cubic, sizes) == reference for sizes in itertools.permutations((2, 2, 1)))
    assert ids(cubic, [[2, 2, 1], [0, 2, 1], [0, 0, 1]]) == reference
    diagonal = ids(cubic, [[1, 1, 0], [-1, 1, 0], [0, 0, 2]])
    assert len(diagonal) == 32
    assert not set(diagonal) & set(reference)
    assert ids(cubic, [[0, 1, 1], [0, -1, 1], [2, 0, 0]]) == diagonal


def test_a_crystal_and_its_mirror_image_have_other_ids(make_cif: MakeCif) -> None:
    atoms = [("A", "Na", 0.2, 0.1, 0.07, "0.5")]
    cell = (4, 4, 6, 90, 90, 120)
    right = read_parent_crystal(make_cif(cell, atoms, "P 31 2 1"), "right")
    atoms = [("A", "Na", -0.2, -0.1, -0.07, "0.5")]
    left = read_parent_crystal(make_cif(cell, atoms, "P 32 2 1"), "left")
    assert not set(ids(right, (1, 1, 1))) & set(ids(left, (1, 1, 1)))
