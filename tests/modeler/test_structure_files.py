from __future__ import annotations

import io

import ase
import ase.io
import numpy as np
import pytest
from ase.build import bulk, graphene, molecule

from cryolattice.errors import InvalidInputError, UnreadableFileError
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.orderings import enumerate_orderings
from cryolattice_modeler.parent_cif import read_parent_crystal


def written(atoms: ase.Atoms, file_format: str) -> str:
    file = io.StringIO()
    ase.io.write(file, atoms, format=file_format)
    return file.getvalue()


@pytest.mark.parametrize("file_format", ["vasp", "extxyz"])
@pytest.mark.parametrize("cubic_cell", [False, True])
def test_crystals_of_other_programs(file_format: str, cubic_cell: bool) -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=cubic_cell)
    atoms.rotate(31, (1, 2, 3), rotate_cell=True)
    parent = read_parent_crystal(written(atoms, file_format), "salt", require_disorder=False)
    assert parent.space_group == "Fm-3m"
    assert len(parent.sites) == len(atoms)
    assert abs(np.linalg.det(parent.cell_angstrom)) == pytest.approx(atoms.cell.volume)


def test_partial_occupancies_in_extended_xyz(cubic: ParentCrystal) -> None:
    symbols = [site.occupants[0][0] for site in cubic.sites]
    atoms = ase.Atoms(
        symbols, scaled_positions=cubic.fractional, cell=cubic.cell_angstrom, pbc=True
    )
    shares = [float(site.occupants[0][1]) for site in cubic.sites]
    atoms.arrays["occupancy"] = np.round(shares, 5)
    parent = read_parent_crystal(written(atoms, "extxyz"), "parent.xyz")
    ids = [ordering.ordering_id for ordering in enumerate_orderings(parent, (2, 2, 1))]
    assert ids == [ordering.ordering_id for ordering in enumerate_orderings(cubic, (2, 2, 1))]
    atoms.arrays["occupancy"][0] = 1.3
    with pytest.raises(InvalidInputError, match=r"1\.3"):
        read_parent_crystal(written(atoms, "extxyz"), "parent.xyz")


def test_broken_files_say_what_they_are_not() -> None:
    poscar = written(bulk("NaCl", "rocksalt", a=5.64), "vasp")
    with pytest.raises(UnreadableFileError, match="salt: not a valid POSCAR"):
        read_parent_crystal("\n".join(poscar.splitlines()[:-1]), "salt")
    molecule = ase.Atoms("OH", positions=[[0, 0, 0], [0, 0, 1]], cell=[5, 5, 5], pbc=False)
    with pytest.raises(UnreadableFileError, match="periodic along all three"):
        read_parent_crystal(written(molecule, "extxyz"), "water")


def test_formats_that_the_name_tells() -> None:
    salt = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    for file_format, name in (("xsf", "salt.xsf"), ("gen", "salt.gen"), ("v-sim", "salt.ascii")):
        text = written(salt, file_format)
        parent = read_parent_crystal(text, name, require_disorder=False)
        assert parent.space_group == "Fm-3m"
        again = read_parent_crystal(text, "it", require_disorder=False, file_format=file_format)
        assert again.sites == parent.sites
    with pytest.raises(InvalidInputError, match="'db' is not read"):
        read_parent_crystal(text, "salt", file_format="db")


def test_molecules_and_layers() -> None:
    water = molecule("H2O")
    pdb = written(water, "proteindatabank")
    with pytest.raises(UnreadableFileError, match=r"water.pdb: .*--cell A B C") as caught:
        read_parent_crystal(pdb, "water.pdb")
    assert caught.value.field == "cell"
    with pytest.raises(InvalidInputError, match=r"span 0 x 1.526 x 0.596.* larger"):
        read_parent_crystal(pdb, "water.pdb", box_angstrom=[1, 1, 1])
    boxed = read_parent_crystal(pdb, "water.pdb", box_angstrom=[8, 9, 10], require_disorder=False)
    assert boxed.open_axes == (0, 1, 2)
    middle = boxed.fractional * [8, 9, 10]
    ends = (middle.max(axis=0) + middle.min(axis=0)) / 2
    assert ends == pytest.approx([4, 4.5, 5], abs=1e-3)
    assert not boxed.warnings
    silicon = written(bulk("Si", cubic=True), "vasp")
    alone = read_parent_crystal(silicon, "Si", box_angstrom=[8, 9, 10], require_disorder=False)
    assert "own cell (5.43 x 5.43 x 5.43 angstrom, 90 90 90 degrees) is not" in alone.warnings[0]
    sheet = read_parent_crystal(written(graphene(), "extxyz"), "sheet", require_disorder=False)
    assert sheet.open_axes == (2,)
    assert np.linalg.norm(sheet.cell_angstrom, axis=1) == pytest.approx([2.46, 2.46, 6])


def test_a_left_handed_cell_does_not_mirror_the_crystal() -> None:
    chiral = [[0.2, 0, 1 / 3], [0, 0.2, 2 / 3], [0.8, 0.8, 0]]
    right = ase.Atoms("Se3", scaled_positions=chiral, cell=[4, 4, 5, 90, 90, 120], pbc=True)
    left = ase.Atoms(right)
    left.set_cell(right.cell.array[[1, 0, 2]])
    groups = [
        read_parent_crystal(written(atoms, "vasp"), "Se", require_disorder=False).space_group
        for atoms in (right, left)
    ]
    assert groups[0] == groups[1]
    assert groups[0] in {"P3_121", "P3_221"}
