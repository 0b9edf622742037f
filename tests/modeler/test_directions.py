from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.candidates import distinct_views, equivalent_projections
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.directions import (
    directed_views,
    low_index_directions,
    validate_direction,
)
from cryolattice_modeler.orderings import enumerate_orderings
from cryolattice_modeler.parent_cif import read_parent_crystal
from cryolattice_modeler.structures import build_models
from cryolattice_modeler.sublattices import in_cell
from cryolattice_modeler.supercell import disordered_supercell

MakeCif = Callable[..., str]
CUBE = (4.0, 4.0, 4.0, 90, 90, 90)


@pytest.fixture(scope="module")
def simple(make_cif: MakeCif) -> ParentCrystal:
    """One site that is half empty: 2 x 2 x 2 of it has 70 orderings."""
    return read_parent_crystal(make_cif(CUBE, [("A", "Na", 0, 0, 0, "0.5")], "P m -3 m"), "simple")


def signed_permutations() -> list[np.ndarray]:
    found = []
    for axes in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            matrix = np.zeros((3, 3), dtype=int)
            matrix[range(3), axes] = signs
            found.append(matrix)
    return found


@pytest.mark.parametrize("direction", [(0, 0, 1), (1, 1, 0), (1, 1, 1), (2, 1, 0)])
def test_views_along_a_direction_are_orbits_under_what_keeps_it(
    simple: ParentCrystal, direction: tuple[int, int, int]
) -> None:
    # counted by hand: fillings of the 8 sites, up to the operations that keep the beam's line
    cells = np.array(list(itertools.product(range(2), repeat=3)))
    images = set()
    for matrix in signed_permutations():
        if tuple(matrix @ direction) not in {direction, tuple(-np.array(direction))}:
            continue
        for shift in cells:
            landed = (cells @ matrix.T + shift) % 2
            images.add(tuple(landed @ [4, 2, 1]))
    fillings = {frozenset(f) for f in itertools.combinations(range(8), 4)}
    orbits = {frozenset(frozenset(image[i] for i in f) for image in images) for f in fillings}
    layout = disordered_supercell(simple, (2, 2, 2))
    found = distinct_views(
        layout,
        enumerate_orderings(simple, (2, 2, 2)),
        zone_axes=[direction],
        include_disordered=False,
    )
    assert len(found) == len(orbits)


def test_directions_along_the_axes_are_the_views_along_them(cubic: ParentCrystal) -> None:
    layout = disordered_supercell(cubic, (2, 2, 1))
    orderings = list(enumerate_orderings(cubic, (2, 2, 1)))
    axes = distinct_views(layout, orderings, zone_axes="all", include_disordered=True)
    same = distinct_views(
        layout, orderings, zone_axes=[(0, 0, 1), (1, 0, 0), (0, 1, 0)], include_disordered=True
    )
    assert [v.ordering_id for v in axes] == [v.ordering_id for v in same]
    assert [v.stands_for for v in axes] == [v.stands_for for v in same]
    assert equivalent_projections(axes) == equivalent_projections(same)


def test_models_along_a_direction_are_the_crystal_turned(cubic: ParentCrystal) -> None:
    orderings = list(enumerate_orderings(cubic, (2, 2, 1)))[:4]
    options = {"clusters": {}, "hydrogens": "none", "seed": 0, "include_disordered": False}
    along_c = {
        m.ordering_id: m
        for m in build_models(cubic, (2, 2, 1), orderings, zone_axes="c", **options)  # type: ignore[arg-type]
    }
    turned = build_models(cubic, (2, 2, 1), orderings, zone_axes=[(1, 1, 0)], **options)  # type: ignore[arg-type]
    assert turned
    for model in turned:
        # the edges along the beam: a whole number of [110] translations
        repeats = model.cell_angstrom[2, 2] / (4.7 * np.sqrt(2))
        assert repeats == pytest.approx(round(repeats))
        assert pair_distances(model) == pair_distances(along_c[model.ordering_id])
        assert model.model_id == f"{model.ordering_id}-{''.join(map(str, model.zone_axis))}"


def pair_distances(model: object) -> dict[tuple[int, int, float], float]:
    """How often a distance to 7 angstrom occurs between two elements, for each atom of it."""
    numbers, places = model.numbers, model.positions_angstrom  # type: ignore[attr-defined]
    steps = np.array(list(itertools.product(range(-2, 3), repeat=3))) @ model.cell_angstrom  # type: ignore[attr-defined]
    found: dict[tuple[int, int, float], float] = {}
    for number, place in zip(numbers, places, strict=True):
        gaps = np.linalg.norm((places[None] - place) + steps[:, None], axis=-1)
        for image, other in zip(*np.nonzero((gaps < 7) & (gaps > 0)), strict=True):
            key = (int(number), int(numbers[other]), round(float(gaps[image, other]), 3))
            found[key] = found.get(key, 0) + 1 / len(numbers)
    return {key: round(share, 6) for key, share in sorted(found.items())}


def test_a_setting_holds_the_same_crystal(cubic: ParentCrystal) -> None:
    turned = in_cell(cubic, np.array([[0, 0, 1], [1, -1, 0], [1, 1, 0]]))
    assert len(turned.sites) == 2 * len(cubic.sites)
    assert len(turned.rotations) == 16 * 2
    assert np.allclose(np.diag(turned.cell_angstrom), [4.7, 4.7 * 2**0.5, 4.7 * 2**0.5])
    # every operation takes every site onto one with the same occupants
    places = turned.fractional
    for rotation, translation in zip(turned.rotations, turned.translations, strict=True):
        gaps = (places @ rotation.T + translation)[:, None] - places[None]
        near = np.abs(gaps - np.rint(gaps)).max(axis=-1)
        target = near.argmin(axis=1)
        assert near.min(axis=1).max() < 1e-6
        assert all(
            turned.sites[i].occupants == turned.sites[j].occupants for i, j in enumerate(target)
        )


def test_directions_of_a_hexagonal_crystal(make_cif: MakeCif) -> None:
    atoms = [("A", "Na", 0, 0, 0, "0.5")]
    hexagonal = read_parent_crystal(make_cif((4, 4, 5, 90, 90, 120), atoms, "P 6/m m m"), "hex")
    assert low_index_directions(hexagonal) == [
        *[(0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1, 0), (1, -1, 0)]
    ]
    layout = disordered_supercell(hexagonal, (2, 2, 1))
    (down,) = directed_views(layout, [(0, 0, 1)], with_equals=True)
    assert np.allclose(down.view.layout.parent.cell_angstrom[:2], [[4, 0, 0], [-2, 12**0.5, 0]])
    # a, b and a + b are one direction
    along = directed_views(layout, [(1, 0, 0)], with_equals=True)
    assert {d.view.zone_axis for d in along} == {(1, 0, 0), (0, 1, 0), (1, 1, 0)}
    with pytest.raises(InvalidInputError, match=r"no lattice plane of hex.*\[1 1 1\]") as caught:
        directed_views(layout, [(1, 1, 1)], with_equals=True)
    assert caught.value.field == "directions"


def test_directions_are_checked() -> None:
    assert validate_direction((-2, 2, 0)) == (1, -1, 0)
    with pytest.raises(InvalidInputError, match=r"\[0 0 0\].*not all 0"):
        validate_direction((0, 0, 0))
    with pytest.raises(InvalidInputError, match="at most 9"):
        validate_direction((12, 1, 0))
