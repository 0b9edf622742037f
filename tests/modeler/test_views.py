from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.parent_cif import read_parent_crystal
from cryolattice_modeler.supercell import disordered_supercell
from cryolattice_modeler.views import views

MakeCif = Callable[..., str]


@pytest.mark.parametrize(
    ("supercell", "zone_axes", "names"),
    [
        ((2, 2, 1), "c", ["c"]),
        ((2, 2, 1), "all", ["c", "a", "b"]),
        ((2, 2, 2), "c", ["c", "a", "b"]),
        ((2, 1, 2), "c", ["c", "a"]),
    ],
)
def test_views_along_c_include_the_axes_equivalent_to_it(
    cubic: ParentCrystal, supercell: tuple[int, int, int], zone_axes: str, names: list[str]
) -> None:
    found = views(disordered_supercell(cubic, supercell), zone_axes)
    assert [view.name for view in found] == names


def test_view_setting(cubic: ParentCrystal) -> None:
    by_name = {v.name: v for v in views(disordered_supercell(cubic, (3, 2, 1)), "all")}
    assert by_name["c"].supercell == (3, 2, 1)
    assert by_name["a"].supercell == (2, 1, 3)
    assert by_name["b"].supercell == (1, 3, 2)
    assert [by_name[n].zone_axis for n in "abc"] == [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    point = np.array([[0.1, 0.2, 0.3]])
    assert np.array_equal(by_name["a"].turn(point), [[0.2, 0.3, 0.1]])
    assert np.array_equal(by_name["b"].turn(point), [[0.3, 0.1, 0.2]])


def test_beam_must_be_perpendicular_to_the_plane(make_cif: MakeCif) -> None:
    atoms = [("A", "Na", 0, 0, 0, "0.5")]
    hexagonal = read_parent_crystal(
        make_cif((4, 4, 5, 90, 90, 120), atoms, "P 6/m m m"), "hexagonal.cif"
    )
    layout = disordered_supercell(hexagonal, (2, 2, 1))
    assert [view.name for view in views(layout, "c")] == ["c"]
    with pytest.raises(InvalidInputError, match=r"a axis.*120\.00.*c only") as caught:
        views(layout, "all")
    assert caught.value.field == "zone_axes"
    tilted = read_parent_crystal(make_cif((4, 5, 6, 90, 100, 90), atoms), "tilted.cif")
    with pytest.raises(InvalidInputError, match="c axis of tilted"):
        views(disordered_supercell(tilted, (2, 1, 1)), "c")
    with pytest.raises(InvalidInputError, match="'b': choose from c, all"):
        views(layout, "b")
