"""Indexing of spots: bases, origins, superlattices, symmetry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryolattice.errors import InvalidInputError
from cryolattice_analyzer.dose.diffraction_lattice import fit_lattice, reduce_basis
from cryolattice_analyzer.dose.diffraction_spots import Spots
from cryolattice_analyzer.dose.reflections import (
    group_by_spacing,
    predict_positions,
    symmetrised_metric,
)

SHAPE = (300, 320)
ORIGIN = np.array([151.4, 158.8])


def spots_on(
    basis: np.ndarray, rng: np.random.Generator, share: float = 0.8, strays: int = 3
) -> Spots:
    hk = np.array([(h, k) for h in range(-9, 10) for k in range(-9, 10) if (h, k) != (0, 0)])
    places = ORIGIN + hk @ basis
    inside = (np.hypot(*(places - ORIGIN).T) < 125) & (rng.random(len(hk)) < share)
    places = places[inside] + rng.normal(scale=0.15, size=(inside.sum(), 2))
    strength = 1e4 * np.exp(-(np.hypot(*(places - ORIGIN).T) ** 2) / 9000)
    places = np.vstack([places, rng.uniform(20, 280, size=(strays, 2))])
    strength = np.append(strength, np.full(strays, 200.0))
    order = np.argsort(-strength)
    return Spots(places[order], np.sqrt(strength[order]) + 6, strength[order], 1.5)


def same_lattice(found: np.ndarray, planted: np.ndarray) -> bool:
    turn = found @ np.linalg.inv(planted)
    return bool(
        np.allclose(turn, np.rint(turn), atol=0.02)
        and abs(abs(np.linalg.det(np.rint(turn))) - 1) < 1e-9
    )


@settings(max_examples=12, deadline=None)
@given(
    a=st.floats(14, 30),
    ratio=st.floats(1.0, 1.6),
    gamma=st.floats(62, 118),
    turn=st.floats(0, 180),
    beam=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_any_lattice_is_found(
    a: float, ratio: float, gamma: float, turn: float, beam: bool, seed: int
) -> None:
    t, g = np.radians([turn, turn + gamma])
    basis = np.array([[a * np.sin(t), a * np.cos(t)], a * ratio * np.array([np.sin(g), np.cos(g)])])
    spots = spots_on(basis, np.random.default_rng(seed))
    known = (ORIGIN[0] + 0.3, ORIGIN[1] - 0.2) if beam else None
    lattice = fit_lattice(spots, known, SHAPE)
    assert same_lattice(lattice.basis_px, basis)
    assert np.allclose(lattice.origin_px, ORIGIN, atol=0.4)


@pytest.mark.parametrize(
    ("a", "ratio", "gamma"), [(14.0, 1.0, 63.0), (15.279, 1.1631, 94.276), (23.69, 1.4836, 97.298)]
)
def test_the_origin_is_told_where_spots_are_missing(a: float, ratio: float, gamma: float) -> None:
    g = np.radians(gamma)
    basis = np.array([[0.0, a], a * ratio * np.array([np.sin(g), np.cos(g)])])
    for seed in range(5):
        lattice = fit_lattice(spots_on(basis, np.random.default_rng(seed)), None, SHAPE)
        assert np.allclose(lattice.origin_px, ORIGIN, atol=0.4)


def test_few_superlattice_spots_make_a_superlattice() -> None:
    rng = np.random.default_rng(8)
    basis = np.array([[24.0, 3.0], [-3.0, 24.0]])
    parent = spots_on(basis, rng, share=1.0, strays=0)
    extra = ORIGIN + np.array([(h + 0.5, k) for h in (-1, 0) for k in (-1, 0, 1)]) @ basis
    spots = Spots(
        np.vstack([parent.positions_px, extra]),
        np.append(parent.snr, np.full(6, 7.0)),
        np.append(parent.strength, np.full(6, 90.0)),
        1.5,
    )
    lattice = fit_lattice(spots, None, SHAPE)
    assert same_lattice(lattice.basis_px, np.array([basis[0] / 2, basis[1]]))


def test_spacing_hint_is_checked() -> None:
    basis = np.array([[24.0, 3.0], [-3.0, 24.0]])
    spots = spots_on(basis, np.random.default_rng(2))
    length = float(np.hypot(24, 3))
    assert same_lattice(fit_lattice(spots, None, SHAPE, length * 1.02).basis_px, basis)
    with pytest.raises(InvalidInputError) as caught:
        fit_lattice(spots, None, SHAPE, 0.77 * length)
    assert caught.value.field == "lattice"


@pytest.mark.parametrize("count", [2, 40])
def test_no_lattice(count: int) -> None:
    rng = np.random.default_rng(count)
    places = rng.uniform(10, 290, size=(count, 2))
    with pytest.raises(InvalidInputError) as caught:
        fit_lattice(Spots(places, np.full(count, 9.0), np.full(count, 100.0), 1.5), None, SHAPE)
    assert caught.value.field == "series"


def test_reduced_basis_is_short_and_right_handed() -> None:
    basis = np.array([[20.0, 1.0], [61.0, 24.0]])
    reduced = reduce_basis(basis)
    assert same_lattice(reduced, basis)
    assert np.linalg.det(reduced) > 0
    assert abs(reduced[0] @ reduced[1]) <= 0.5 * reduced[0] @ reduced[0] + 1e-9


@pytest.mark.parametrize(
    ("angle", "ratio", "kept"),
    [(90.6, 1.012, False), (119.5, 0.99, False), (90.5, 1.3, True), (97.0, 1.3, True)],
)
def test_symmetrised_metric(angle: float, ratio: float, kept: bool) -> None:
    g = np.radians(angle)
    basis = np.array([[20.0, 0.0], [20 * ratio * np.cos(g), 20 * ratio * np.sin(g)]])
    metric = symmetrised_metric(basis)
    assert np.sqrt(np.linalg.det(metric)) == pytest.approx(abs(np.linalg.det(basis)))
    assert (abs(metric[0, 0] / metric[1, 1] - 1) > 1e-9) == kept
    assert np.allclose(metric, basis @ basis.T, rtol=0.03, atol=6.0)


def test_groups_of_a_distorted_square() -> None:
    basis = np.array([[25.0, 0.2], [0.1, 25.3]])
    hk = np.array([(h, k) for h in range(-3, 4) for k in range(-3, 4) if (h, k) != (0, 0)])
    groups = group_by_spacing(hk, symmetrised_metric(basis), 0.0085)
    assert [len(members) for _, members in groups] == [4, 4, 4, 8, 4, 4, 8, 8, 4]
    ratios = [groups[0][0] / d for d, _ in groups]
    assert np.allclose(ratios, np.sqrt([1, 2, 4, 5, 8, 9, 10, 13, 18]))


def test_predictions_fill_the_frame() -> None:
    basis = np.array([[24.0, 3.0], [-3.0, 24.0]])
    lattice = fit_lattice(spots_on(basis, np.random.default_rng(2)), None, SHAPE)
    hk, places = predict_positions(lattice, SHAPE, 5.0)
    assert not (hk == 0).all(axis=1).any()
    assert ((places >= 5) & (places <= np.array(SHAPE) - 6)).all()
    assert len(hk) == pytest.approx(290 * 310 / (24**2 + 9), abs=12)
