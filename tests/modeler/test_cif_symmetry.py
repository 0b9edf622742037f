"""What CIFs of other programs say of their symmetry, and in which ways."""

from __future__ import annotations

import pytest

from cryolattice.errors import UnreadableFileError
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.parent_cif import read_parent_crystal

CUBIC = "4.695(1) 4.695(1) 4.695(1) 90 90.0 90"
MONOCLINIC = "5.1 6.2 7.3 90 97 90"
HEXAGONAL = "5.1 5.1 7.3 90 90 120"
RHOMBOHEDRAL = "5.1 5.1 5.1 80 80 80"
FACES = "Na1 Na+ 0.5 0.5 0 0.66667(12)\nN1 N3- 0.5000(2) 0.5 0.5 ?\nB1 ? 0 0 0 ."
GENERAL = "Na1 Na 0.1 0.2 0.3 0.5"
ALONG_C = "Na1 Na 0 0 0.3 0.5"
DIAGONAL = "Na1 Na 0.3 0.3 0.3 0.5"
NAME, OLD_NAME = "_space_group_name_H-M_alt", "_symmetry_space_group_name_H-M"
NUMBER, OLD_NUMBER = "_space_group_IT_number", "_symmetry_Int_Tables_number"


def read(symmetry: str, cell: str = CUBIC, atoms: str = FACES) -> ParentCrystal:
    tags = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    lines = ["data_x", *(f"_cell_{t} {v}" for t, v in zip(tags, cell.split(), strict=True))]
    columns = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")
    lines += [symmetry, "loop_", *(f"_atom_site_{column}" for column in columns), atoms, ""]
    return read_parent_crystal("\n".join(lines), "x.cif", require_disorder=False)


@pytest.mark.parametrize(
    ("symmetry", "cell", "atoms", "group", "sites"),
    [
        (f"{NUMBER} 221", CUBIC, FACES, "Pm-3m", 5),
        (f"{OLD_NUMBER} 221", CUBIC, FACES, "Pm-3m", 5),
        (f"{NAME} ?\n{NUMBER} 221", CUBIC, FACES, "Pm-3m", 5),
        (f"{OLD_NAME} .\n{OLD_NUMBER} 221", CUBIC, FACES, "Pm-3m", 5),
        (f"{OLD_NAME} 'P m 3 m'", CUBIC, FACES, "Pm-3m", 5),
        (f"{NAME} 'P 4/m -3 2/m'", CUBIC, FACES, "Pm-3m", 5),
        (f"{NAME} 'own name'\n{NUMBER} 221", CUBIC, FACES, "Pm-3m", 5),
        ("_space_group_name_Hall '-P 4 2 3'", CUBIC, FACES, "Pm-3m", 5),
        (f"_symmetry_space_group_name_Hall ?\n{NAME} Pm-3m", CUBIC, FACES, "Pm-3m", 5),
        (f"{NAME} 'P 21/n'", MONOCLINIC, GENERAL, "P2_1/c", 4),
        (f"{NAME} 'I 1 2/a 1'", MONOCLINIC, GENERAL, "C2/c", 8),
        (f"{NAME} 'R -3 m'", HEXAGONAL, ALONG_C, "R-3m", 6),
        (f"{NAME} 'R -3 m H'", HEXAGONAL, ALONG_C, "R-3m", 6),
        (f"{NAME} 'R -3 m'", RHOMBOHEDRAL, DIAGONAL, "R-3m", 2),
        (f"{NUMBER} 166", RHOMBOHEDRAL, DIAGONAL, "R-3m", 2),
        (f"{NAME} 'F d -3 m S'", CUBIC, "C1 C 0 0 0 0.5", "Fd-3m", 8),
        (f"{NAME} 'F d -3 m :2'", CUBIC, "C1 C 0.125 0.125 0.125 0.5", "Fd-3m", 8),
        ("_symmetry_equiv_pos_as_xyz X,Y,Z", CUBIC, GENERAL, "Pm-3m", 1),
        (
            "loop_\n_symmetry_equiv_pos_as_xyz\n'x, y, z'\n'-X, 0.5+Y, 0.5-Z'",
            *(MONOCLINIC, GENERAL, "P2_1/m", 2),
        ),
    ],
)
def test_every_way_to_name_a_space_group(
    symmetry: str, cell: str, atoms: str, group: str, sites: int
) -> None:
    parent = read(symmetry, cell, atoms)
    assert (parent.space_group, len(parent.sites)) == (group, sites)


@pytest.mark.parametrize(
    ("symmetry", "message"),
    [
        (f"{NAME} 'own name'", "does not know the space group 'own name'"),
        (f"{NUMBER} 300", "number of the space group is 300: give one from 1 to 230"),
        (f"{NAME} 'F d -3 m'", "two customary origins.*F d -3 m:1 or F d -3 m:2"),
        ("_symmetry_equiv_pos_as_xyz -x,-y,-z", "no group.*identity"),
        ("loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\n-x,-y,z\nx,-y,-z", "3 .* are no group"),
        ("_symmetry_equiv_pos_as_xyz 'x,y'", "symmetry operation 'x,y' cannot be read"),
    ],
)
def test_symmetry_that_cannot_be_meant(symmetry: str, message: str) -> None:
    with pytest.raises(UnreadableFileError, match=message):
        read(symmetry)


def test_rows_without_an_atom_are_passed_over() -> None:
    rows = "Na1 Na 0.5 0.5 0 0.66667\nVa1 Va 0.5 0.5 0 0.33333\nDu1 . 0.2 0.2 0.2 ."
    parent = read(f"{NUMBER} 221", atoms=rows)
    assert {site.occupants[0][0] for site in parent.sites} == {"Na"}
    assert read(f"{NUMBER} 221", atoms="V1 V 0 0 0 1").sites[0].occupants[0][0] == "V"
    with pytest.raises(UnreadableFileError, match="holds no atoms"):
        read(f"{NUMBER} 221", atoms="Va1 Va 0.5 0.5 0 0.3")
    with pytest.raises(UnreadableFileError, match="fract_y is 1/2: write a decimal number"):
        read(f"{NUMBER} 221", atoms="Na1 Na 0.5 1/2 0 0.6")
