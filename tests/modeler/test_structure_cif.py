from __future__ import annotations

import io
from collections.abc import Callable

import ase.io
import gemmi
import numpy as np
import pytest

from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.ordering_structures import ordering_structure, ordering_to_cif
from cryolattice_modeler.orderings import enumerate_orderings
from cryolattice_modeler.parent_cif import read_parent_crystal
from cryolattice_modeler.structure_cif import CifSymmetry, Structure, structure_to_cif

MakeCif = Callable[..., str]


def sites(parent: ParentCrystal) -> list[tuple[object, ...]]:
    return [(site.fractional, site.occupants) for site in parent.sites]


def as_structure(parent: ParentCrystal) -> Structure:
    rows = [
        (gemmi.Element(symbol).atomic_number, site.fractional, float(share))
        for site in parent.sites
        for symbol, share in site.occupants
    ]
    numbers, places, shares = zip(*rows, strict=True)
    return Structure(
        "again", parent.cell_angstrom, np.array(numbers), np.array(places), np.array(shares)
    )


@pytest.mark.parametrize("symmetry", ["p1", "found"])
@pytest.mark.parametrize("supercell", [(2, 2, 1), [[1, 1, 0], [-1, 1, 0], [0, 0, 2]]])
def test_three_readers_find_the_same_crystal(
    cubic: ParentCrystal, supercell: object, symmetry: CifSymmetry
) -> None:
    found = list(enumerate_orderings(cubic, supercell))  # type: ignore[arg-type]
    for ordering in found[::5]:
        structure = ordering_structure(ordering)
        density = len(structure.numbers) / abs(np.linalg.det(structure.cell_angstrom))
        text = ordering_to_cif(ordering, symmetry)
        again = read_parent_crystal(text, "again.cif", require_disorder=False)
        assert again.space_group == ordering.space_group
        atoms = ase.io.read(io.StringIO(text), format="cif")
        assert len(atoms) / atoms.cell.volume == pytest.approx(density)
        block = gemmi.cif.read_string(text).sole_block()
        small = gemmi.make_small_structure_from_block(block)
        found = len(small.get_all_unit_cell_sites())
        assert found / small.cell.volume == pytest.approx(density)
        assert small.check_spacegroup() == ""


GROUPS = {
    "P 1 21/c 1": (4, 5, 6, 90, 97, 90),
    "P n n n:1": (4, 5, 6, 90, 90, 90),
    "I 41/a m d:2": (20, 20, 24, 90, 90, 90),
    "R -3 m:H": (20, 20, 24, 90, 90, 120),
    "P 61 2 2": (20, 20, 24, 90, 90, 120),
    "F d -3 m:2": (20, 20, 20, 90, 90, 90),
    "P 2 2 21": (4, 5, 6, 90, 90, 90),
}


def cell_and_formula(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(("_cell", "_space", "_chem"))]


@pytest.mark.parametrize("group", GROUPS)
def test_writing_and_reading_is_a_fixed_point(make_cif: MakeCif, group: str) -> None:
    atoms = [("A", "Na", 0.1, 0.32, 0.04, "0.5"), ("B", "K", 0.1, 0.32, 0.04, "0.25")]
    parent = read_parent_crystal(make_cif(GROUPS[group], atoms, group), "first.cif")
    once = structure_to_cif(as_structure(parent), symmetry="found")
    read = read_parent_crystal(once, "once.cif")
    assert read.space_group == parent.space_group
    assert read.declared_space_group.split(":")[0] == group.split(":", maxsplit=1)[0]
    assert len(once.splitlines()) < len(structure_to_cif(as_structure(parent)).splitlines())
    assert ":1" not in once, "the origin that programs take where a file does not tell"
    twice = structure_to_cif(as_structure(read), symmetry="found")
    assert cell_and_formula(twice) == cell_and_formula(once)
    again = read_parent_crystal(twice, "twice.cif")
    assert [occupants for _, occupants in sites(again)] == [o for _, o in sites(read)]
    assert len(again.sites) == len(parent.sites)
