from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from cryolattice.errors import InvalidInputError, NothingToOrderError, UnreadableFileError
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.parent_cif import read_parent_crystal

MakeCif = Callable[..., str]
CUBE = (4.0, 4.0, 4.0, 90, 90, 90)


def test_reads_the_example(cubic: ParentCrystal) -> None:
    sodium = [site for site in cubic.sites if site.label == "Na1"]
    assert np.allclose(cubic.cell_angstrom, 4.7 * np.eye(3))
    assert cubic.space_group == "Pm-3m"
    assert len(cubic.rotations) == 48
    assert len(cubic.sites) == 5
    assert {site.fractional for site in sodium} == {(0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)}
    assert {site.vacancy for site in sodium} == {Fraction(1, 3)}
    assert len(cubic.disordered_orbits) == 1
    assert cubic.warnings == ()


def test_bytes_with_a_byte_order_mark_and_windows_line_ends_are_read(cubic_text: str) -> None:
    data = b"\xef\xbb\xbf" + cubic_text.replace("\n", "\r\n").encode()
    assert len(read_parent_crystal(data, "dos.cif").sites) == 5


def test_symmetry_is_found_when_the_file_is_written_in_p1(
    cubic: ParentCrystal, make_cif: MakeCif
) -> None:
    atoms = [
        (f"X{i}", site.occupants[0][0], *site.fractional, f"{float(site.occupants[0][1]):.4f}")
        for i, site in enumerate(cubic.sites)
    ]
    written_out = read_parent_crystal(make_cif((4.7, 4.7, 4.7, 90, 90, 90), atoms), "p1.cif")
    assert written_out.space_group == "Pm-3m"
    assert written_out.declared_space_group == "P 1"
    assert [s.fractional for s in written_out.sites] == [s.fractional for s in cubic.sites]


def test_rounded_coordinates_are_put_on_their_special_position(make_cif: MakeCif) -> None:
    text = make_cif(
        (3.0, 3.0, 5.0, 90, 90, 120), [("Mg1", "Mg", 0.333, 0.667, 0.25, "0.5")], "P 63/m m c"
    )
    parent = read_parent_crystal(text, "hcp.cif")
    assert np.allclose(parent.fractional, [[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]])
    assert parent.space_group == "P6_3/mmc"


def test_a_shared_site_that_is_full_within_rounding_is_full(make_cif: MakeCif) -> None:
    atoms = [
        ("A", "Fe", 0, 0, 0, "0.33"),
        ("B", "Co", 0, 0, 0, "0.33"),
        ("C", "Ni", 0, 0, 0, "0.34"),
    ]
    (site,) = read_parent_crystal(make_cif(CUBE, atoms), "alloy.cif").sites
    assert site.vacancy == 0
    assert site.is_disordered


def test_valences_of_one_element_on_one_site_add_up(make_cif: MakeCif) -> None:
    atoms = [("A", "Sn2+", 0, 0, 0, "0.25"), ("B", "Sn4+", 0, 0, 0, "0.25")]
    (site,) = read_parent_crystal(make_cif(CUBE, atoms), "tin.cif").sites
    assert site.occupants == (("Sn", Fraction(1, 2)),)


def test_partial_hydrogens_stay_averaged_and_the_user_is_told(make_cif: MakeCif) -> None:
    atoms = [
        ("Na1", "Na", 0.5, 0.5, 0.5, "0.5"),
        ("N1", "N", 0, 0, 0, "1"),
        ("H1", "H", 0.2, 0, 0, "0.5"),
        ("H2", "D", 0.25, 0.03, 0, "0.5"),
    ]
    parent = read_parent_crystal(make_cif(CUBE, atoms), "amide.cif")
    assert [parent.sites[i].label for orbit in parent.disordered_orbits for i in orbit] == ["Na1"]
    assert "H1" in parent.warnings[0]


def test_nothing_to_order(cubic_text: str) -> None:
    text = cubic_text.replace("0.66667", "1.0")
    with pytest.raises(NothingToOrderError, match="fully occupied"):
        read_parent_crystal(text, "full.cif")
    assert len(read_parent_crystal(text, "full.cif", require_disorder=False).sites) == 5


def test_occupancies_of_a_site_above_one(make_cif: MakeCif) -> None:
    atoms = [("A", "Fe", 0, 0, 0, "0.7"), ("B", "Co", 0, 0, 0, "0.6")]
    with pytest.raises(InvalidInputError, match=r"A, B.*1\.3.*above 1"):
        read_parent_crystal(make_cif(CUBE, atoms), "over.cif")
    atoms = [("A", "Fe", 0, 0, 0, "1"), ("B", "Co", 0, 0, 0, "0.3")]
    with pytest.raises(InvalidInputError, match=r"A, B.*1\.3.*above 1"):
        read_parent_crystal(make_cif(CUBE, atoms), "over.cif")


@pytest.mark.parametrize("value", ["0", "-0.2", "1.4", "most"])
def test_impossible_occupancy_names_the_atom(cubic_text: str, value: str) -> None:
    with pytest.raises(InvalidInputError, match=f"Na1.*{value}"):
        read_parent_crystal(cubic_text.replace("0.66667", value), "bad.cif")


def test_an_atom_listed_twice(cubic_text: str) -> None:
    # The second one is an image of the first by symmetry, not a copy of its row.
    with pytest.raises(InvalidInputError, match=r"Na1 and Na2.*listed twice"):
        read_parent_crystal(cubic_text + " Na2 Na 0.5 0.0 0.5 0.66667 3\n", "twice.cif")


def test_malformed_cif_names_the_line(cubic_text: str) -> None:
    broken = cubic_text.replace(" N1  N  0.5 0.5 0.5 1.0 1", " N1  N  0.5 0.5 0.5 1.0")
    with pytest.raises(
        UnreadableFileError, match=r"parent\.cif, line \d+, column \d+: not a valid CIF"
    ):
        read_parent_crystal(broken, "parent.cif")


@pytest.mark.parametrize("tag", ["_cell_length_b", "_cell_angle_gamma"])
def test_missing_cell_tag_is_named(cubic_text: str, tag: str) -> None:
    kept = "\n".join(line for line in cubic_text.splitlines() if not line.startswith(tag))
    with pytest.raises(UnreadableFileError, match=tag):
        read_parent_crystal(kept, "parent.cif")


def test_missing_coordinates_are_named(cubic_text: str) -> None:
    with pytest.raises(UnreadableFileError, match="_atom_site_fract_x"):
        read_parent_crystal(cubic_text.replace("_atom_site_fract_", "_atom_site_Cartn_"), "x.cif")
    with pytest.raises(UnreadableFileError, match=r"N1: _atom_site_fract_z is unknown"):
        read_parent_crystal(cubic_text.replace("N  0.5 0.5 0.5", "N  0.5 0.5 ?"), "x.cif")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("_cell_length_a   4.70", "_cell_length_a   0", "_cell_length_a is 0.*angstrom above 0"),
        ("_cell_length_a   4.70", "_cell_length_a   wide", "_cell_length_a is wide"),
        ("_cell_length_a   4.70", "_cell_length_a   4.90", "does not have the symmetry"),
        ("_cell_angle_beta    90", "_cell_angle_beta   190", "_cell_angle_beta is 190.*degrees"),
        (" B1  B ", " B1  Qq ", "B1: 'Qq' names no chemical element"),
        ("'z,y,x'", "'z,y,w'", "symmetry operation"),
    ],
)
def test_wrong_values_are_named(cubic_text: str, old: str, new: str, message: str) -> None:
    assert old in cubic_text
    with pytest.raises(UnreadableFileError, match=message):
        read_parent_crystal(cubic_text.replace(old, new), "parent.cif")


def test_symmetry_is_never_assumed(make_cif: MakeCif) -> None:
    text = make_cif(CUBE, [("A", "Fe", 0, 0, 0, "0.5")])
    silent = "\n".join(line for line in text.splitlines() if "space_group" not in line)
    with pytest.raises(UnreadableFileError, match="gives no symmetry"):
        read_parent_crystal(silent, "silent.cif")


@pytest.mark.parametrize("data", [b"", b"  \n", b"\x00\x01\x02", b"\xff\xfe\x80 junk", "{}"])
def test_other_files_are_refused(data: bytes | str) -> None:
    with pytest.raises(UnreadableFileError, match=r"thing\.cif"):
        read_parent_crystal(data, "thing.cif")


@pytest.mark.real_data
def test_files_of_others(real_cif: Callable[[str], bytes]) -> None:
    shared = read_parent_crystal(real_cif("SHRY_SG221_1540875_partial.cif"), "shry")
    assert shared.sites[0].occupants == (
        ("Eu", Fraction(7, 18)),
        ("Ho", Fraction(5, 9)),
        ("Nd", Fraction(1, 18)),
    )
    perovskite = read_parent_crystal(real_cif("gemmi_4003024.cif"), "perovskite")
    (partial,) = [site for site in perovskite.sites if site.is_disordered]
    assert [symbol for symbol, _ in partial.occupants] == ["In", "Sn"]
    assert partial.vacancy == 1 - Fraction("0.9") - Fraction("0.0672")


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("pycifrw_ctrl-z.cif", UnreadableFileError, "line 457"),
        ("pycifrw_C13H2203_with_errors.cif", NothingToOrderError, "fully occupied"),
        ("SHRY_SG221_1540875.cif", NothingToOrderError, "fully occupied"),
        ("abtem_srtio3_100.cif", NothingToOrderError, "fully occupied"),
    ],
)
def test_unusable_files_of_others(
    real_cif: Callable[[str], bytes], name: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read_parent_crystal(real_cif(name), name)
