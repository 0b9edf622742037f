"""Orthogonal cells along the beam: their edges are known, and the crystal in them is the same."""

from __future__ import annotations

import io

import ase
import ase.io
import numpy as np
import pytest
from ase.build import bulk, graphene
from ase.neighborlist import neighbor_list

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.given_crystal import given_crystal
from cryolattice_modeler.orthogonal_cells import in_orthogonal_cell
from cryolattice_modeler.parent_cif import read_parent_crystal
from cryolattice_modeler.structures import Model

A, C = 5.43, 2.46
SILICON = bulk("Si", "diamond", a=A, cubic=True)
BORON_NITRIDE = ase.Atoms(
    "BN",
    scaled_positions=[[1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]],
    cell=[C, C, 9, 90, 90, 120],
    pbc=(True, True, False),
)
MONOCLINIC = ase.Atoms(
    "NaCl", scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.3]], cell=[5, 6, 7, 90, 105, 90], pbc=True
)


def crystal(atoms: ase.Atoms, name: str = "it") -> ParentCrystal:
    file = io.StringIO()
    ase.io.write(file, atoms, format="extxyz")
    return read_parent_crystal(file.getvalue(), name, require_disorder=False)


def model(atoms: ase.Atoms, direction: tuple[int, int, int]) -> Model:
    options = {"clusters": {}, "hydrogens": "none", "seed": 0}
    return given_crystal(crystal(atoms), direction, (1, 1, 1), **options)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("atoms", "direction", "edges", "count"),
    [
        (SILICON, (0, 0, 1), (A, A, A), 8),
        (SILICON, (1, 1, 0), (A / 2**0.5, A, A / 2**0.5), 4),
        (SILICON, (1, 1, 1), (A / 2**0.5, A * 1.5**0.5, A * 3**0.5), 12),
        (bulk("Si", "diamond", a=A), (1, 1, 1), (A / 2**0.5, A * 1.5**0.5, A * 3**0.5), 12),
        (BORON_NITRIDE, (0, 0, 1), (C, C * 3**0.5, 9), 4),
        (MONOCLINIC, (0, 1, 0), None, None),
    ],
)
def test_the_smallest_orthogonal_cell(
    atoms: ase.Atoms,
    direction: tuple[int, int, int],
    edges: tuple[float, float, float] | None,
    count: int | None,
) -> None:
    built = model(atoms, direction)
    lengths = np.diag(built.cell_angstrom)
    assert np.array_equal(built.cell_angstrom, np.diag(lengths))
    if edges is not None:
        assert lengths == pytest.approx(edges, abs=1e-4)
        assert len(built.numbers) == count
    assert built.zone_axis == direction
    # the same crystal: as dense, and every atom has the same neighbours
    found = ase.Atoms(built.numbers, built.positions_angstrom, cell=built.cell_angstrom, pbc=True)
    assert len(found) / found.cell.volume == pytest.approx(len(atoms) / atoms.cell.volume, rel=1e-5)
    for symbol in set(atoms.symbols):
        assert neighbours(found, symbol) == pytest.approx(neighbours(atoms, symbol), abs=5e-3)


def neighbours(atoms: ase.Atoms, symbol: str) -> np.ndarray:
    """Distances up to 5.8 angstrom from any one atom of an element, sorted."""
    start, distance = neighbor_list("id", atoms, 5.8)
    return np.sort(distance[start == list(atoms.symbols).index(symbol)])


def test_mean_occupancies_need_no_whole_atoms() -> None:
    copper = bulk("Cu", "fcc", a=3.6, cubic=True)
    copper.arrays["occupancy"] = np.full(4, 0.9)
    assert model(copper, (1, 0, 0)).occupancies == pytest.approx(0.9)


def test_a_layer_is_passed_once() -> None:
    options = {"clusters": {}, "hydrogens": "none", "seed": 0}
    sheet = crystal(graphene(), "sheet")
    built, setting = given_crystal(sheet, (0, 0, 1), (1, 1, 1), **options)  # type: ignore[arg-type]
    assert not setting["repeats_along_beam"]
    assert len(built.numbers) == 4
    # edge on it repeats
    assert given_crystal(sheet, (1, 0, 0), (1, 1, 1), **options)[1]["repeats_along_beam"]  # type: ignore[arg-type]
    square = crystal(ase.Atoms("Fe", cell=[3, 3, 3], pbc=(True, True, False)))
    with pytest.raises(InvalidInputError, match="does not repeat along all its axes"):
        given_crystal(square, (1, 0, 1), (1, 1, 1), **options)  # type: ignore[arg-type]


def test_what_has_no_orthogonal_cell_says_along_what_it_has_one() -> None:
    with pytest.raises(InvalidInputError, match=r"\[0 0 1\].*along \[0 1 0\]") as caught:
        in_orthogonal_cell(crystal(MONOCLINIC), (0, 0, 1))
    assert caught.value.field == "zone_axis"
