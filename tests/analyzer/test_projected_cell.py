"""Columns, surroundings and the drawing of the published ordering."""

from __future__ import annotations

import numpy as np

from cryolattice_analyzer.report.cell_drawing import draw_cell
from cryolattice_analyzer.report.projected_cell import ModelAtoms, columns, vacant_neighbours

A = 4.7
# four Na around the NH2 at (1/2, 1/2, 1/2) of the first cell
VACANT = [[0.0, 0.5, 0.5], [1.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 1.0, 0.5]]
BASIS = [
    ("BH4", (0.0, 0.0, 0.0)),
    ("NH2", (0.5, 0.5, 0.5)),
    ("Na", (0.5, 0.5, 0.0)),
    ("Na", (0.5, 0.0, 0.5)),
    ("Na", (0.0, 0.5, 0.5)),
]


def model(vacant: list[list[float]], occupancy: float = 1.0) -> ModelAtoms:
    rows = [
        (name, [x + bx, y + by, bz])
        for name, (bx, by, bz) in BASIS
        for x in (0, 1)
        for y in (0, 1)
        if [x + bx, y + by, bz] not in vacant
    ]
    shares = np.array([occupancy if name == "Na" else 1.0 for name, _ in rows])
    return ModelAtoms(
        position=np.array([place for _, place in rows]),
        species=[name for name, _ in rows],
        occupancy=shares,
        power=shares,
        edges=A * np.eye(3),
        supercell=(2, 2, 1),
    )


def test_columns_hold_what_lies_above_each_other() -> None:
    atoms = model(VACANT)
    found = columns(atoms, VACANT, ["Na"] * 4)
    assert sum(c.vacant for c in found) == 4
    assert sum(c.filled for c in found if c.species == "Na") == 8
    # Na at z = 0 shares its place with NH2 at z = 1/2, but not its column
    shared = {c.species for c in found if (c.x, c.y) == (0.5, 0.5)}
    assert shared == {"Na", "NH2"}
    assert len(found) == 20


def test_a_column_partly_vacant_is_one_column() -> None:
    atoms = model([])
    found = columns(atoms, [[2.0, 0.5, 1.5]], ["Na"])
    (column,) = [c for c in found if (c.x, c.y, c.species) == (0.0, 0.5, "Na")]
    assert (column.filled, column.vacant, column.sites) == (1.0, 1, 2)


def test_the_vacancies_crowd_around_one_anion() -> None:
    around = vacant_neighbours(model(VACANT), VACANT, "Na")
    assert around["NH2"] == ([4, 2, 2, 0], 6)
    assert around["BH4"] == ([4, 4, 4, 4], 12)


def test_the_drawing_shows_each_vacancy_and_its_copies_on_the_edges() -> None:
    atoms = model(VACANT)
    drawing = draw_cell(atoms, columns(atoms, VACANT, ["Na"] * 4), frozenset({"Na"}), "Four <Na>")
    # two of the four lie on an edge and are drawn on the opposite edge again
    assert drawing.svg.count('class="vacancy"') == 6
    assert [entry.label for entry in drawing.legend] == ["Na missing", "Na", "BH₄", "NH₂"]
    assert "9.40 Å" in drawing.svg
    assert 'aria-label="Four &lt;Na&gt;"' in drawing.svg


def test_mean_occupancies_are_drawn_as_sectors() -> None:
    atoms = model([], occupancy=2 / 3)
    drawing = draw_cell(atoms, columns(atoms, [], []), frozenset({"Na"}), "")
    assert drawing.legend[0].label == "Na, 67 % filled"
    assert drawing.svg.count('class="empty"') == 16
    assert 'class="vacancy"' not in drawing.svg
