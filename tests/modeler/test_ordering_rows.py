from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from ase.data import atomic_numbers

from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.ordering_rows import OrderingRows, OrderingTable
from cryolattice_modeler.orderings import enumerate_orderings
from cryolattice_modeler.parent_cif import read_parent_crystal
from cryolattice_modeler.supercell import disordered_supercell

MakeCif = Callable[..., str]


@pytest.fixture(scope="module")
def mixed(make_cif: MakeCif) -> ParentCrystal:
    """Two sublattices, one with two elements and vacancies: three layers to be placed."""
    atoms = [
        ("A", "Na", 0, 0, 0, "0.5"),
        ("B", "K", 0, 0, 0, "0.25"),
        ("C", "Cl", 0.5, 0.5, 0.5, "0.75"),
    ]
    return read_parent_crystal(make_cif((4, 4, 4, 90, 90, 90), atoms, "P 4/m m m"), "mixed.cif")


def table(parent: ParentCrystal, supercell: object) -> OrderingTable:
    return OrderingTable(disordered_supercell(parent, supercell))  # type: ignore[arg-type]


def joined(parts: list[OrderingRows]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    names = ("ids", "multiplicities", "numbers")
    ids, sizes, numbers = (np.concatenate([getattr(p, name) for p in parts]) for name in names)
    return ids, sizes, numbers


@pytest.mark.parametrize("matrix", [(2, 2, 1), [[1, -1, 0], [1, 1, 0], [0, 0, 2]]])
def test_rows_are_the_orderings(cubic: ParentCrystal, matrix: object) -> None:
    orderings = list(enumerate_orderings(cubic, matrix))  # type: ignore[arg-type]
    found = table(cubic, matrix)
    parts = list(found.parts(10))
    assert [len(part.ids) for part in parts][:3] == [10, 10, 10]
    ids, sizes, numbers = joined(parts)
    assert [f"o-{number:016x}"[:12] for number in ids.tolist()] == [
        o.ordering_id for o in orderings
    ]
    assert sizes.tolist() == [o.multiplicity for o in orderings]
    cell = found.layout.parent.cell_angstrom
    for row, ordering in zip(numbers, orderings, strict=True):
        vacant = np.linalg.solve(cell.T, found.positions_angstrom[row == 0].T).T
        assert np.allclose(vacant[np.lexsort(np.round(vacant, 6).T[::-1])], ordering.vacant)


def test_rows_of_several_sublattices(mixed: ParentCrystal) -> None:
    orderings = list(enumerate_orderings(mixed, (2, 2, 1)))
    found = table(mixed, (2, 2, 1))
    _, _, numbers = joined(list(found.parts(1000)))
    assert len(numbers) == len(orderings)
    inside = np.rint(found.positions_angstrom / 4 * 2).astype(int).tolist()
    for row, ordering in zip(numbers.tolist(), orderings, strict=True):
        sites = np.rint(ordering.layout.fractional * 2).astype(int).tolist()
        expected = {
            tuple(site): atomic_numbers.get(symbol, 0)
            for site, symbol in zip(sites, ordering.occupants, strict=True)
        }
        assert {tuple(site): number for site, number in zip(inside, row, strict=True)} == expected


@pytest.mark.parametrize("size", [1, 7])
def test_the_rows_go_on_behind_any_of_them(
    cubic: ParentCrystal, mixed: ParentCrystal, size: int
) -> None:
    for parent, supercell in ((cubic, (2, 2, 1)), (mixed, (2, 2, 1)), (mixed, (2, 2, 2))):
        rows = table(parent, supercell)
        ids, sizes, numbers = joined(list(rows.parts(500)))
        places = range(len(ids)) if len(ids) < 50 else range(0, len(ids), len(ids) // 20)
        for place in places:
            rest = [next(rows.parts(size, behind=numbers[place]), None)]
            if place == len(ids) - 1:
                assert rest == [None]
                continue
            part = rest[0]
            assert part is not None
            stop = place + 1 + size
            assert np.array_equal(part.ids, ids[place + 1 : stop])
            assert np.array_equal(part.multiplicities, sizes[place + 1 : stop])
            assert np.array_equal(part.numbers, numbers[place + 1 : stop])
