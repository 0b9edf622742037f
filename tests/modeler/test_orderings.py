from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryolattice.errors import (
    CompositionError,
    CryolatticeError,
    InvalidInputError,
    LimitExceededError,
)
from cryolattice_modeler.counting import count_orderings
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.orderings import Ordering, enumerate_orderings
from cryolattice_modeler.parent_cif import read_parent_crystal
from cryolattice_modeler.supercell import disordered_supercell

MakeCif = Callable[..., str]

M1 = [(0, 1 / 4, 1 / 2), (1 / 2, 1 / 4, 1 / 2), (1 / 4, 0, 1 / 2), (1 / 4, 1 / 2, 1 / 2)]
M2 = [(0, 1 / 4, 1 / 2), (0, 3 / 4, 1 / 2), (1 / 4, 0, 1 / 2), (3 / 4, 0, 1 / 2)]

TWO_SUBLATTICES = [("A", "Na", 0, 0, 0, "0.5"), ("B", "K", 0.5, 0.5, 0.5, "0.25")]
TWO_ELEMENTS = [("A", "Fe", 0, 0, 0, "0.25"), ("B", "Co", 0, 0, 0, "0.5")]

# Space group, cell, partial atoms and supercell of small cases whose orderings can be listed.
CASES = [
    ("P m -3 m", (4, 4, 4, 90, 90, 90), [("A", "Na", 0.5, 0.5, 0, "0.6667")], (2, 1, 1)),
    ("F m -3 m", (4, 4, 4, 90, 90, 90), [("A", "Na", 0, 0, 0, "0.5")], (1, 1, 1)),
    ("F m -3 m", (4, 4, 4, 90, 90, 90), [("A", "Na", 0, 0, 0, "0.75")], (2, 1, 1)),
    ("P 4/m m m", (4, 4, 6, 90, 90, 90), [("A", "Na", 0.5, 0, 0.5, "0.5")], (2, 1, 2)),
    ("P 6/m m m", (4, 4, 5, 90, 90, 120), [("A", "Na", 0.5, 0, 0, "0.333")], (2, 2, 1)),
    ("P 63/m m c", (4, 4, 5, 90, 90, 120), [("A", "Na", 0.3333, 0.6667, 0.25, "0.5")], (2, 2, 1)),
    ("P -1", (4, 5, 6, 80, 95, 100), [("A", "Na", 0.1, 0.2, 0.3, "0.5")], (2, 2, 1)),
    ("P m m m", (4, 5, 6, 90, 90, 90), TWO_SUBLATTICES, (2, 2, 1)),
    ("P m -3 m", (4, 4, 4, 90, 90, 90), TWO_ELEMENTS, (2, 2, 1)),
    ("R -3 m", (4, 4, 9, 90, 90, 120), [("A", "Na", 0, 0, 0, "0.3333")], (2, 1, 1)),
]  # fmt: skip


def arrangements(species: Sequence[str], counts: Sequence[int]) -> Iterator[tuple[str, ...]]:
    if sum(counts) == 0:
        yield ()
    for i, symbol in enumerate(species):
        if counts[i]:
            fewer = [count - (j == i) for j, count in enumerate(counts)]
            for rest in arrangements(species, fewer):
                yield (symbol, *rest)


def orbits_by_coordinates(parent: ParentCrystal, supercell: Sequence[int]) -> Counter[int]:
    """Orbit sizes found by moving the coordinates themselves, without permutations or ranks."""
    layout = disordered_supercell(parent, supercell)
    sizes = np.array(supercell)
    positions = layout.fractional
    units = 1000 * sizes

    def name(points: np.ndarray) -> list[tuple[int, ...]]:
        return [tuple(int(x) for x in row) for row in np.rint(points * 1000).astype(int) % units]

    def near(key: tuple[int, ...]) -> int:
        gaps = np.abs((np.array(key) - np.array(homes) + units // 2) % units - units // 2)
        return int(np.argmin(gaps.max(axis=1)))

    homes = name(positions)
    moves = set()
    for rotation, translation in zip(parent.rotations, parent.translations, strict=True):
        tilted = np.linalg.inv(np.diag(sizes)) @ rotation @ np.diag(sizes)
        if not np.allclose(tilted, np.rint(tilted)):
            continue
        for shift in itertools.product(*(range(n) for n in supercell)):
            moved = name(positions @ rotation.T + translation + np.array(shift))
            moves.add(tuple(near(key) for key in moved))
    choices = [
        list(arrangements(lattice.species, lattice.counts)) for lattice in layout.sublattices
    ]
    left = {tuple(itertools.chain(*choice)) for choice in itertools.product(*choices)}
    orbits: Counter[int] = Counter()
    while left:
        first = next(iter(left))
        orbit = set()
        for move in moves:
            image = [""] * len(first)
            for start, end in enumerate(move):
                image[end] = first[start]
            orbit.add(tuple(image))
        left -= orbit
        orbits[len(orbit)] += 1
    return orbits


def multiplicities(orderings: Sequence[Ordering]) -> Counter[int]:
    return Counter(ordering.multiplicity for ordering in orderings)


@pytest.mark.parametrize(
    ("supercell", "total", "classes"),
    [((1, 1, 1), 3, 1), ((2, 2, 1), 495, 35), ((2, 2, 2), 735_471, 2_664)],
)
def test_known_counts(
    cubic: ParentCrystal, supercell: tuple[int, int, int], total: int, classes: int
) -> None:
    assert count_orderings(cubic, supercell) == (total, classes)
    found = list(enumerate_orderings(cubic, supercell))
    assert len(found) == classes
    assert sum(ordering.multiplicity for ordering in found) == total
    assert len({ordering.ordering_id for ordering in found}) == classes


def test_known_count_of_three_elements_on_a_site(make_cif: MakeCif) -> None:
    # Published for a rare-earth thallide: 350,064 arrangements, 2,566 of them inequivalent.
    atoms = [
        ("Tl1", "Tl", 0, 0.5, 0.5, "1"),
        ("Nd1", "Nd", 0, 0, 0, "0.055556"),
        ("Ho1", "Ho", 0, 0, 0, "0.555556"),
        ("Eu1", "Eu", 0, 0, 0, "0.388889"),
    ]
    text = make_cif((4.682, 4.682, 4.682, 90, 90, 90), atoms, "P m -3 m")
    parent = read_parent_crystal(text, "thallide.cif")
    found = list(enumerate_orderings(parent, (3, 2, 3)))
    assert count_orderings(parent, (3, 2, 3)) == (350_064, 2_566)
    assert (sum(o.multiplicity for o in found), len(found)) == (350_064, 2_566)


def test_known_count_of_the_diagonal_supercell(cubic: ParentCrystal) -> None:
    diagonal = [[1, -1, 0], [1, 1, 0], [0, 0, 2]]  # sqrt2 x sqrt2 x 2
    assert count_orderings(cubic, diagonal) == (495, 32)
    found = list(enumerate_orderings(cubic, diagonal))
    assert len({ordering.ordering_id for ordering in found}) == 32
    assert sum(ordering.multiplicity for ordering in found) == 495


def equivalent(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether a 2 x 2 x 1 vacancy pattern turns into another under 4/mmm and translations."""
    target = {tuple(row) for row in np.rint(second * 4).astype(int) % [8, 8, 4]}
    for axes in ((0, 1, 2), (1, 0, 2)):
        for signs in itertools.product((1, -1), repeat=3):
            turned = first[:, axes] * signs
            for shift in itertools.product((0, 1), (0, 1)):
                moved = turned + np.array([*shift, 0])
                if {tuple(row) for row in np.rint(moved * 4).astype(int) % [8, 8, 4]} == target:
                    return True
    return False


def test_the_published_model_and_its_twin_are_found(cubic: ParentCrystal) -> None:
    found = list(enumerate_orderings(cubic, (2, 2, 1)))
    classes = []
    for model in (M1, M2):
        vacant = np.array(model) * [2, 2, 1]
        matches = [o for o in found if equivalent(o.vacant, vacant)]
        assert len(matches) == 1
        classes.append(matches[0])
    assert [ordering.multiplicity for ordering in classes] == [4, 4]
    assert classes[0].ordering_id != classes[1].ordering_id


def test_ids_stay_what_they_were(cubic: ParentCrystal) -> None:
    first, *_, last = enumerate_orderings(cubic, (2, 2, 1))
    assert (first.ordering_id, last.ordering_id) == ("o-0cb6b5d884", "o-c07e38b125")


def test_ids_do_not_depend_on_the_order_of_atoms_or_the_lattice_point(
    cubic: ParentCrystal, make_cif: MakeCif
) -> None:
    atoms = [
        ("P", "Na", 0.5, -0.5, 1.0, "0.6667"),
        ("Q", "N", 1.5, 0.5, -0.5, "1"),
        ("R", "Na", 0.0, 1.5, 0.5, "0.667"),
        ("S", "B", 1.0, 0.0, -1.0, "1"),
        ("T", "Na", 0.5, 0.0, 0.5, "0.66667(2)"),
    ]
    reference = [(o.ordering_id, o.multiplicity) for o in enumerate_orderings(cubic, (2, 2, 1))]
    for seed in range(3):
        random.Random(seed).shuffle(atoms)
        other = read_parent_crystal(make_cif((4.69, 4.69, 4.69, 90, 90, 90), atoms), "p1.cif")
        ids = [(o.ordering_id, o.multiplicity) for o in enumerate_orderings(other, (2, 2, 1))]
        assert ids == reference


@given(shift=st.tuples(*[st.floats(0, 1, exclude_max=True)] * 3))
@settings(max_examples=10, deadline=None)
def test_counts_do_not_depend_on_the_origin(
    cubic: ParentCrystal, make_cif: MakeCif, shift: tuple[float, float, float]
) -> None:
    atoms = []
    for index, site in enumerate(cubic.sites):
        x, y, z = (np.array(site.fractional) + shift) % 1
        symbol, share = site.occupants[0]
        atoms.append((f"{symbol}{index}", symbol, x, y, z, f"{float(share):.5f}"))
    moved = read_parent_crystal(make_cif((4.7, 4.7, 4.7, 90, 90, 90), atoms), "moved.cif")
    assert multiplicities(list(enumerate_orderings(moved, (2, 2, 1)))) == multiplicities(
        list(enumerate_orderings(cubic, (2, 2, 1)))
    )


@pytest.mark.parametrize(("group", "cell", "atoms", "supercell"), CASES)
def test_enumeration_and_count_agree_with_moving_the_coordinates(
    make_cif: MakeCif,
    group: str,
    cell: tuple[float, ...],
    atoms: list[tuple[str, str, float, float, float, str]],
    supercell: tuple[int, int, int],
) -> None:
    parent = read_parent_crystal(make_cif(cell, atoms, group), "case.cif")
    found = multiplicities(list(enumerate_orderings(parent, supercell)))
    expected = orbits_by_coordinates(parent, supercell)
    assert found == expected
    total = sum(size * number for size, number in expected.items())
    assert count_orderings(parent, supercell) == (total, expected.total())


@given(
    supercell=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 2)),
    vacancies=st.integers(1, 3),
    elements=st.integers(1, 2),
    group=st.sampled_from(["P m -3 m", "P 2 3", "P 4/m m m", "P 4", "P m m m", "P 1"]),
)
@settings(max_examples=40, deadline=None)
def test_burnside_equals_enumeration(
    make_cif: MakeCif,
    supercell: tuple[int, int, int],
    vacancies: int,
    elements: int,
    group: str,
) -> None:
    sites = math.prod(supercell)
    if sites < vacancies + elements:
        return
    shares = [f"{(sites - vacancies - elements + 1) / sites:.9f}", f"{1 / sites:.9f}"]
    symbols = ["Fe", "Co"]
    atoms = [(s, s, 0, 0, 0, share) for s, share in zip(symbols[:elements], shares, strict=False)]
    text = make_cif((4, 4, 4, 90, 90, 90), [*atoms, ("X", "N", 0.5, 0.5, 0.4, "1")], group)
    parent = read_parent_crystal(text, "alloy.cif")
    found = list(enumerate_orderings(parent, supercell))
    assert count_orderings(parent, supercell) == (
        sum(ordering.multiplicity for ordering in found),
        len(found),
    )
    assert len({ordering.ordering_id for ordering in found}) == len(found)


def test_every_ordering_is_described(cubic: ParentCrystal) -> None:
    found = list(enumerate_orderings(cubic, (2, 2, 1)))
    sites = {tuple(row) for row in found[0].layout.fractional}
    for ordering in found:
        assert ordering.vacant.shape == (4, 3)
        assert {tuple(row) for row in ordering.vacant} <= sites
        assert np.all(ordering.vacant >= 0)
        assert np.all(ordering.vacant < [2, 2, 1])
    assert {ordering.space_group for ordering in found} >= {"P4/mmm", "Pmmm"}


@pytest.mark.parametrize(
    ("matrix", "complaint"),
    [
        ([[1, 0, 0], [0, 1, 0], [1, 1, 0]], "determinant of 0.*in a plane"),
        ([[0, 1, 0], [1, 0, 0], [0, 0, 1]], "determinant of -1.*exchange two"),
        ([[1, 0], [0, 1]], "nine whole numbers"),
        ([[1, 0, 0], [0, 1.5, 0], [0, 0, 1]], "nine whole numbers"),
        ([[1, 0, 0], 1, 1], "nine whole numbers"),
        ([[9, 0, 0], [0, 9, 0], [1, 0, 9]], "729 parent cells"),
        ([[10**30, 0, 0], [0, 1, 0], [0, 0, 1]], "entry of 1000000"),
    ],
)
def test_matrix_must_span_a_supercell(
    cubic: ParentCrystal, matrix: list[list[int]], complaint: str
) -> None:
    with pytest.raises(CryolatticeError, match=complaint) as caught:
        count_orderings(cubic, matrix)
    assert caught.value.field == "supercell"


def test_matrix_must_hold_the_composition(cubic_text: str) -> None:
    half = read_parent_crystal(cubic_text.replace("0.66667", "0.5"), "parent.cif")
    with pytest.raises(CompositionError, match=r"1 1 1  0 1 1  0 0 3 is 4\.5.*multiple of 2"):
        count_orderings(half, [[1, 1, 1], [0, 1, 1], [0, 0, 3]])


@pytest.mark.parametrize(
    "supercell", [(0, 2, 1), (2, -1, 1), (2, 2), (2, 2, 1, 1), (), (2.0, 2, 1), (True, 2, 1)]
)
def test_supercell_must_be_three_positive_whole_numbers(
    cubic: ParentCrystal, supercell: tuple[int, ...]
) -> None:
    with pytest.raises(InvalidInputError, match="supercell is") as caught:
        count_orderings(cubic, supercell)
    assert caught.value.field == "supercell"


def test_impossible_composition_says_what_would_work(cubic_text: str) -> None:
    parent = read_parent_crystal(cubic_text.replace("0.66667", "0.65"), "parent.cif")
    with pytest.raises(CompositionError, match=r"0\.65 .*12 sites.*7\.8.*multiple of 20") as caught:
        count_orderings(parent, (2, 2, 1))
    assert caught.value.metadata == {"multiple_of_cells": "20"}
    half = read_parent_crystal(cubic_text.replace("0.66667", "0.5"), "parent.cif")
    with pytest.raises(CompositionError, match="multiple of 2, such as 2 1 1"):
        next(enumerate_orderings(half, (3, 1, 1)))


def test_too_many_orderings_are_refused_with_their_number(cubic: ParentCrystal) -> None:
    with pytest.raises(LimitExceededError, match=r"735,471 orderings in 2,664 classes.*1,000"):
        enumerate_orderings(cubic, (2, 2, 2), limit=1000)
    total, classes = count_orderings(cubic, (4, 4, 4))
    assert total == math.comb(192, 64)
    assert total / (48 * 64) < classes < total / (48 * 64) * 1.001
    with pytest.raises(LimitExceededError, match="parent cells"):
        count_orderings(cubic, (9, 9, 9))


@pytest.mark.real_data
def test_known_count_of_a_file_of_others(real_cif: Callable[[str], bytes]) -> None:
    parent = read_parent_crystal(real_cif("SHRY_SG221_1540875_partial.cif"), "1540875")
    assert count_orderings(parent, (3, 2, 3)) == (350_064, 2_566)
    assert len(list(enumerate_orderings(parent, (3, 2, 3)))) == 2_566
