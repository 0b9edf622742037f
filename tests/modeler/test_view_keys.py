from __future__ import annotations

import itertools

import numpy as np
import pytest

from cryolattice_modeler.candidates import distinct_views, equivalent_projections
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.orderings import enumerate_orderings
from cryolattice_modeler.supercell import disordered_supercell
from cryolattice_modeler.view_keys import projection_key, view_key
from cryolattice_modeler.views import views

# The 16 operations of Pm-3m that keep the third axis, as signed permutations.
BEAM_OPERATIONS = [
    np.array([[s * (axes == (0, 1)), t * (axes == (1, 0)), 0],
              [s * (axes == (1, 0)), t * (axes == (0, 1)), 0],
              [0, 0, u]])
    for axes in ((0, 1), (1, 0))
    for s, t, u in itertools.product((1, -1), repeat=3)
]  # fmt: skip


def same_crystals(patterns: list[np.ndarray], edge: int) -> list[frozenset[frozenset[bytes]]]:
    """For each pattern (half units, beam along the third axis) all its images, cell edge^3."""
    shifts = np.array(list(itertools.product(range(edge), repeat=3)))
    found = []
    for pattern in patterns:
        images = set()
        for operation in BEAM_OPERATIONS:
            moved = pattern @ operation.T
            for shift in shifts:
                places = (moved + 2 * shift) % (2 * edge)
                images.add(frozenset(row.tobytes() for row in places))
        found.append(frozenset(images))
    return found


@pytest.mark.parametrize(
    ("supercell", "count", "projections"), [((2, 2, 1), 35, 35), ((2, 2, 2), 7_789, 1_215)]
)
def test_known_numbers_of_views(
    cubic: ParentCrystal, supercell: tuple[int, int, int], count: int, projections: int
) -> None:
    layout = disordered_supercell(cubic, supercell)
    found = distinct_views(
        layout, enumerate_orderings(cubic, supercell), zone_axes="c", include_disordered=False
    )
    assert len(found) == count
    assert len(equivalent_projections(found)) == projections


def test_distinct_views_are_those_that_differ_by_coordinates(cubic: ParentCrystal) -> None:
    # Views of 2 x 2 x 1 along all axes compared as infinite crystals in a 2 x 2 x 2 cell.
    layout = disordered_supercell(cubic, (2, 2, 1))
    orderings = list(enumerate_orderings(cubic, (2, 2, 1)))
    chosen = distinct_views(layout, orderings, zone_axes="all", include_disordered=False)
    every = [(ordering, view) for view in views(layout, "all") for ordering in orderings]
    assert len(chosen) + sum(len(item.stands_for) for item in chosen) == len(every) == 105
    patterns = []
    for ordering, view in every:
        half_units = np.rint(2 * view.turn(ordering.vacant)).astype(int)
        repeats = [range(2 // n) for n in view.supercell]
        tiles = np.array(list(itertools.product(*repeats))) * np.array(view.supercell) * 2
        patterns.append((half_units[:, None] + tiles).reshape(-1, 3))
    alike = same_crystals(patterns, 2)
    assert len(set(alike)) == len(chosen)
    image = {(o.ordering_id, v.zone_axis): key for (o, v), key in zip(every, alike, strict=True)}
    for item in chosen:
        key = image[item.ordering_id, item.view.zone_axis]
        assert all(image[other] == key for other in item.stands_for)


def test_keys_do_not_change_under_the_symmetry_of_the_beam(cubic: ParentCrystal) -> None:
    layout = disordered_supercell(cubic, (2, 2, 2))
    (view, *_) = views(layout, "c")
    rng = np.random.default_rng(5)
    homes = np.rint(2 * layout.fractional).astype(int)
    place = {tuple(row): i for i, row in enumerate(homes)}
    for _ in range(10):
        codes = rng.permutation(np.repeat([0, 11], [8, 16])).astype(np.uint8)
        weights = (codes == 11).astype(float)[None]
        operation = BEAM_OPERATIONS[rng.integers(16)]
        landed = (homes @ operation.T + 2 * rng.integers(0, 2, 3)) % 4
        moved = np.empty_like(codes)
        moved[[place[tuple(row)] for row in landed]] = codes
        assert view_key(view, moved) == view_key(view, codes)
        turned = (moved == 11).astype(float)[None]
        assert projection_key(view, turned) == projection_key(view, weights)
