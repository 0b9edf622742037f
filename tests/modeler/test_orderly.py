from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryolattice_modeler.orderly import Layer, canonical_arrangements


def generated(generators: list[tuple[int, ...]]) -> np.ndarray:
    """Every product of some permutations."""
    identity = tuple(range(len(generators[0])))
    group, new = {identity}, [identity]
    while new:
        products = {tuple(g[i] for i in known) for known in new for g in generators}
        new = list(products - group)
        group |= products
    return np.array(sorted(group), dtype=np.int32)


@st.composite
def groups(draw: st.DrawFn) -> np.ndarray:
    sites = draw(st.integers(2, 7))
    split = draw(st.integers(1, sites))
    generators = []
    for _ in range(draw(st.integers(1, 2))):  # two blocks of sites, each mapped to itself
        low = draw(st.permutations(range(split)))
        high = draw(st.permutations(range(split, sites)))
        generators.append((*low, *high))
    return generated(generators)


@given(groups(), st.data())
@settings(max_examples=60, deadline=None)
def test_each_orbit_comes_once_with_its_size(group: np.ndarray, data: st.DataObject) -> None:
    sites = group.shape[1]
    orbits = {tuple(sorted({int(g[s]) for g in group})) for s in range(sites)}
    stop = max(orbit[-1] + 1 for orbit in orbits)
    first = data.draw(st.integers(0, sites))
    second = data.draw(st.integers(0, sites - first))
    layers = [Layer(0, stop, first, 1), Layer(0, stop, second, 2)]
    found = [
        (tuple(codes.tolist()), int(multiplicity))
        for batch in canonical_arrangements(layers, group)
        for codes, multiplicity in zip(batch.codes, batch.multiplicities, strict=True)
    ]
    expected = set(
        itertools.permutations([1] * first + [2] * second + [0] * (stop - first - second))
    )
    covered = set()
    for codes, multiplicity in found:
        orbit = set()
        for g in group:
            image = [0] * sites
            for start, end in enumerate(g):
                image[end] = codes[start]
            orbit.add(tuple(image))
        assert len(orbit) == multiplicity
        assert not orbit & covered
        covered |= orbit
    assert covered == expected
    place = data.draw(st.integers(0, len(found) - 1))
    begin = np.array(found[place][0], dtype=np.uint8)
    again = [
        tuple(codes)
        for batch in canonical_arrangements(layers, group, begin)
        for codes in batch.codes.tolist()
    ]
    assert again == [codes for codes, _ in found[place:]]


@pytest.mark.parametrize(
    ("sites", "chosen"), [(63, 2), (64, 2), (65, 2), (130, 128), (70, 69), (70, 2)]
)
def test_more_sites_than_bits_in_a_word(sites: int, chosen: int) -> None:
    """Necklaces: subsets of a ring up to rotation."""
    ring = (np.arange(sites)[:, None] + np.arange(sites)) % sites
    layers, group = [Layer(0, sites, chosen, 1)], ring.astype(np.int32)
    batches = list(canonical_arrangements(layers, group))
    assert sum(len(b.codes) for b in batches) == -(-math.comb(sites, chosen) // sites)
    assert sum(int(b.multiplicities.sum()) for b in batches) == math.comb(sites, chosen)
    assert all((b.codes.sum(axis=1) == chosen).all() for b in batches)
    codes = np.concatenate([b.codes for b in batches])
    middle = len(codes) // 2
    rest = canonical_arrangements(layers, group, codes[middle])
    assert np.array_equal(np.concatenate([b.codes for b in rest]), codes[middle:])


def test_first_results_come_at_once_and_in_small_batches() -> None:
    ring = (np.arange(40)[:, None] + np.arange(40)) % 40
    first = next(canonical_arrangements([Layer(0, 40, 20, 1)], ring.astype(np.int32)))
    assert 1 <= len(first.codes) <= 8192
    assert (first.codes[0] == [1] * 20 + [0] * 20).all()
