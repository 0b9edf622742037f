from __future__ import annotations

import numpy as np
import pytest

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.candidates import ViewedOrdering, distinct_views
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.orderings import enumerate_orderings
from cryolattice_modeler.structure_factors import homometric_groups, structure_factors
from cryolattice_modeler.supercell import disordered_supercell

# four in-plane neighbours of NH2, and of B: the paper's model and its twin
M1 = {(0, 0.5, 0.5), (1, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 1, 0.5)}
M2 = {(0, 0.5, 0.5), (0, 1.5, 0.5), (0.5, 0, 0.5), (1.5, 0, 0.5)}


@pytest.fixture(scope="module")
def seen(cubic: ParentCrystal) -> list[ViewedOrdering]:
    return distinct_views(
        disordered_supercell(cubic, (2, 2, 1)),
        enumerate_orderings(cubic, (2, 2, 1)),
        zone_axes="c",
        include_disordered=False,
    )


def place(seen: list[ViewedOrdering], vacant: set[tuple[float, float, float]]) -> int:
    """Where the class of an ordering is in the list: shifted and turned until it is found."""
    wanted = np.array(sorted(vacant))
    images = set()
    for turn in ([[1, 0], [0, 1]], [[0, 1], [1, 0]], [[-1, 0], [0, 1]], [[0, -1], [1, 0]]):
        for shift in ((0, 0), (1, 0), (0, 1), (1, 1)):
            plane = (wanted[:, :2] @ np.array(turn) + shift) % 2
            images.add(
                frozenset((*xy, z) for xy, z in zip(plane.tolist(), wanted[:, 2], strict=True))
            )
    return next(
        i for i, v in enumerate(seen) if frozenset(map(tuple, v.ordering.vacant.tolist())) in images
    )


def test_homometric_orderings(seen: list[ViewedOrdering]) -> None:
    groups = homometric_groups(seen)
    assert len(seen) == 35
    assert len(groups) == 29
    assert sorted(i for group in groups for i in group) == list(range(35))
    assert sorted((place(seen, M1), place(seen, M2))) in groups


def test_homometric_orderings_agree_reflection_by_reflection(seen: list[ViewedOrdering]) -> None:
    for first, second in (group for group in homometric_groups(seen) if len(group) == 2):
        moduli = []
        for index in (first, second):
            found = structure_factors(seen[index], 1.2)
            moduli.append(
                dict(zip(map(tuple, found.hk.tolist()), abs(found.factors_angstrom), strict=True))
            )
        one, other = moduli
        assert any(
            all(
                np.isclose(one[h, k], other.get(image(h, k), other.get(negative(image(h, k)))))
                for h, k in one
            )
            for image in (
                lambda h, k: (h, k),
                lambda h, k: (h, -k),
                lambda h, k: (k, h),
                lambda h, k: (k, -h),
            )
        )


def negative(order: tuple[int, int]) -> tuple[int, int]:
    return -order[0], -order[1]


def test_structure_factors_of_the_example(cubic: ParentCrystal, seen: list[ViewedOrdering]) -> None:
    found = structure_factors(seen[place(seen, M1)], 0.5)
    assert np.all(np.diff(found.k_per_angstrom) > -1e-9)
    assert found.k_per_angstrom[-1] <= 0.5
    factors = dict(zip(map(tuple, found.hk.tolist()), found.factors_angstrom, strict=True))
    # at rest and forward: B + N + 2 Na, of the International Tables 2.794, 2.211 and 4.778
    assert factors[0, 0].real == pytest.approx(2.794 + 2.211 + 2 * 4.778, abs=0.02)
    # M1's vacancies: F(1 0) of the supercell is minus their wave, over the four cells
    waves = sum(np.exp(1j * np.pi * x) for x, _, _ in M1)
    sodium = 4 * abs(factors[1, 0]) / abs(waves)
    assert 3.5 < sodium < 4.778
    disordered = distinct_views(
        disordered_supercell(cubic, (2, 2, 1)), [], zone_axes="c", include_disordered=True
    )
    mean = structure_factors(disordered[0], 0.5)
    odd = np.any(mean.hk % 2 == 1, axis=1)
    assert np.abs(mean.factors_angstrom[odd]).max() < 1e-9


def test_the_frequency_is_checked(seen: list[ViewedOrdering]) -> None:
    for wrong in (0.0, -1.0, float("nan"), 1e4):
        with pytest.raises(InvalidInputError) as caught:
            structure_factors(seen[0], wrong)
        assert caught.value.field == "k_max_per_angstrom"
