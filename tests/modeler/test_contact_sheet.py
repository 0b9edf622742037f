from __future__ import annotations

import io
import re
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from cryolattice.errors import InvalidInputError, LimitExceededError
from cryolattice_api.common.v1 import crystal_pb2
from cryolattice_api.modeler.v1 import modeler_pb2
from cryolattice_modeler.column_pictures import projected_columns, sector
from cryolattice_modeler.contact_sheet import Section, draw_contact_sheet
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.drawings import draw
from cryolattice_modeler.orderings import enumerate_orderings
from cryolattice_modeler.parent_cif import read_parent_crystal
from cryolattice_modeler.supercell import disordered_supercell

MakeCif = Callable[..., str]
BLUE, VERMILION = (0, 114, 178), (213, 94, 0)


def test_columns_of_the_example(cubic: ParentCrystal) -> None:
    layout = disordered_supercell(cubic, (2, 2, 3))
    columns = projected_columns(layout)
    assert np.allclose(columns.edges_angstrom, 4.7 * np.eye(2))
    assert [(element, len(places)) for element, places in columns.fixed] == [("B", 4), ("N", 4)]
    assert columns.places.shape == (12, 2)
    ordering = next(iter(enumerate_orderings(cubic, (2, 2, 3))))
    shares = columns.shares(ordering, ["Na"])
    assert shares.sum() * 3 == pytest.approx(24)
    assert np.allclose(shares * 3, np.rint(shares * 3))


def test_columns_of_an_oblique_crystal(make_cif: MakeCif) -> None:
    cell = (4, 5, 6, 90, 100, 110)
    parent = read_parent_crystal(make_cif(cell, [("A", "Na", 0, 0.9999, 0, "0.5")]), "x")
    columns = projected_columns(disordered_supercell(parent, (2, 1, 1)))
    assert np.allclose(np.sort(columns.places[:, 0]), [0, 1])
    # across the beam a is shorter: 4 sin(100 degrees)
    assert columns.edges_angstrom[0, 0] == pytest.approx(4 * np.sin(np.radians(100)))


def test_a_sector_starts_at_the_top_and_goes_to_the_right() -> None:
    outline = sector(np.zeros(2), 1.0, 0.0, 0.25)
    assert np.allclose(outline[[0, 1, -1]], [[0, 0], [0, -1], [1, 0]])


def count(picture: Image.Image, colour: tuple[int, int, int]) -> int:
    return int(
        np.all(np.abs(np.asarray(picture.convert("RGB")).astype(int) - colour) < 12, -1).sum()
    )


def test_the_sheet_shows_what_is_there(cubic: ParentCrystal) -> None:
    layout = disordered_supercell(cubic, (2, 2, 1))
    orderings = list(enumerate_orderings(cubic, (2, 2, 1)))
    full = dict(draw_contact_sheet("all", [Section(layout, 4, "", 35, orderings)]))
    assert list(full) == ["orderings.png", "orderings.pdf"]
    assert full["orderings.pdf"].startswith(b"%PDF")
    few = dict(draw_contact_sheet("few", [Section(layout, 4, "", 7, orderings)]))
    sheet, row = (Image.open(io.BytesIO(f["orderings.png"])) for f in (full, few))
    assert sheet.width == row.width == 1401
    assert sheet.height > 3 * row.height
    # the same number of atoms in each picture, apart from those drawn on two edges
    assert 4 < count(sheet, BLUE) / count(row, BLUE) < 6
    assert count(sheet, VERMILION) > 3 * count(row, VERMILION) > 0
    assert dict(draw_contact_sheet("few", [Section(layout, 4, "", 7, orderings)])) == few


def test_many_orderings_take_pages(make_cif: MakeCif) -> None:
    atoms = [("A", "Na", 0, 0, 0, "0.5"), ("B", "Cl", 0.4, 0.3, 0.2, "1")]
    parent = read_parent_crystal(make_cif((4, 4, 4, 90, 90, 90), atoms), "low.cif")
    layout = disordered_supercell(parent, (8, 1, 1))
    orderings = list(enumerate_orderings(parent, (8, 1, 1)))
    section = Section(layout, 8, "", 4 * len(orderings), orderings * 4)
    files = dict(draw_contact_sheet("many", [section]))
    assert list(files)[:2] == ["orderings-1.png", "orderings-2.png"]
    assert len(re.findall(rb"/Type /Page\b", files["orderings.pdf"])) == len(files) - 1


def test_a_sheet_of_a_matrix_is_drawn_at_the_scale_of_the_parent(cubic: ParentCrystal) -> None:
    matrix = [[1, -1, 0], [1, 1, 0], [0, 0, 2]]
    columns = projected_columns(disordered_supercell(cubic, matrix), 4)
    assert columns.unit_angstrom == pytest.approx(4.7)
    assert columns.spacing_angstrom == pytest.approx(4.7 / 2)
    assert np.allclose(np.linalg.norm(columns.edges_angstrom, axis=1), 4.7 * np.sqrt(2))


def test_a_sheet_of_every_supercell_up_to_an_index(cubic_text: str) -> None:
    crystal = modeler_pb2.Crystal(cif=cubic_text, file_name="parent.cif")
    drawn = dict(draw(modeler_pb2.DrawOrderingsRequest(parent_crystal=crystal, up_to_index=2)))
    one = dict(draw(modeler_pb2.DrawOrderingsRequest(parent_crystal=crystal, up_to_index=1)))
    assert list(drawn) == list(one) == ["orderings.png", "orderings.pdf"]
    # in the four cells 1, 3 + 2 + 1 pictures, in each a third of the sites vacant
    sheet, least = (Image.open(io.BytesIO(files["orderings.png"])) for files in (drawn, one))
    assert sheet.height > 2.5 * least.height
    assert count(sheet, BLUE) > 5 * count(least, BLUE) > 0
    both = modeler_pb2.DrawOrderingsRequest(parent_crystal=crystal, up_to_index=2)
    both.supercell.a = 2
    with pytest.raises(InvalidInputError, match="leave out supercell"):
        draw(both)
    many = modeler_pb2.DrawOrderingsRequest(parent_crystal=crystal)
    many.supercell.MergeFrom(crystal_pb2.Supercell(a=3, b=2, c=2))
    with pytest.raises(LimitExceededError, match="above the limit of 100,000"):
        draw(many)
