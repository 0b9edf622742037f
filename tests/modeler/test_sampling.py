from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import islice

import pytest
from scipy.stats import chisquare

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.orderings import enumerate_orderings
from cryolattice_modeler.parent_cif import read_parent_crystal
from cryolattice_modeler.sampling import sample_orderings

MakeCif = Callable[..., str]
CUBE = (4, 4, 4, 90, 90, 90)
THREE_KINDS = [("A", "Fe", 0, 0, 0, "0.25"), ("B", "Co", 0, 0, 0, "0.25")]
TWO_SUBLATTICES = [("A", "Na", 0, 0, 0, "0.5"), ("B", "K", 0.5, 0.5, 0.5, "0.25")]


def test_every_class_is_as_likely_whatever_its_size(cubic: ParentCrystal) -> None:
    known = {o.ordering_id: o.multiplicity for o in enumerate_orderings(cubic, (2, 1, 2))}
    assert len(set(known.values())) > 3
    drawn: Counter[str] = Counter()
    for seed in range(40):
        for ordering in sample_orderings(cubic, (2, 1, 2), 15, seed=seed):
            assert known[ordering.ordering_id] == ordering.multiplicity
            drawn[ordering.ordering_id] += 1
    assert set(drawn) == set(known)
    assert chisquare(list(drawn.values())).pvalue > 1e-3


@pytest.mark.parametrize(
    ("atoms", "cells"), [(THREE_KINDS, (2, 2, 2)), (TWO_SUBLATTICES, (2, 2, 1))]
)
def test_several_occupants_are_drawn_as_often(
    make_cif: MakeCif, atoms: list[tuple[object, ...]], cells: tuple[int, int, int]
) -> None:
    parent = read_parent_crystal(make_cif(CUBE, atoms, "P m -3 m"), "several.cif")
    known = {o.ordering_id: o.multiplicity for o in enumerate_orderings(parent, cells)}
    assert len(set(known.values())) > 1
    drawn: Counter[str] = Counter()
    for seed in range(40):
        for ordering in sample_orderings(parent, cells, 5, seed=seed):
            assert known[ordering.ordering_id] == ordering.multiplicity
            drawn[ordering.ordering_id] += 1
    assert set(drawn) == set(known)
    assert chisquare(list(drawn.values())).pvalue > 1e-3


def test_a_sample_holds_each_class_once(cubic: ParentCrystal) -> None:
    known = {o.ordering_id for o in enumerate_orderings(cubic, (2, 2, 1))}
    sample = [o.ordering_id for o in sample_orderings(cubic, (2, 2, 1), 100, seed=1)]
    assert sorted(sample) == sorted(known)


def test_the_seed_fixes_the_sample_of_a_supercell_of_any_size(cubic: ParentCrystal) -> None:
    first, again, other = (
        [o.ordering_id for o in sample_orderings(cubic, (3, 3, 3), 5, seed=seed)]
        for seed in (7, 7, 8)
    )
    assert first == again
    assert not set(first) & set(other)


def test_a_large_sample_begins_at_once(cubic: ParentCrystal) -> None:
    endless = sample_orderings(cubic, (3, 3, 3), 1_000_000, seed=7)
    first = [o.ordering_id for o in islice(endless, 5)]
    assert first == [o.ordering_id for o in sample_orderings(cubic, (3, 3, 3), 5, seed=7)]


@pytest.mark.parametrize(("size", "seed", "field"), [(0, 0, "sample"), (3, -1, "seed")])
def test_bad_samples(cubic: ParentCrystal, size: int, seed: int, field: str) -> None:
    with pytest.raises(InvalidInputError, match=f"{field} is") as caught:
        sample_orderings(cubic, (2, 2, 1), size, seed=seed)
    assert caught.value.field == field
