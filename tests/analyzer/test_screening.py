"""Which candidates a screen keeps, and what those it drops may still be worth."""

from __future__ import annotations

import numpy as np
import pytest

from cryolattice_analyzer.ranking.screening import (
    KEPT_AT_LEAST,
    least_chi2_if_refined,
    worth_a_closer_look,
)


def test_the_best_tenth_of_the_groups_is_kept_whole_with_the_rivals() -> None:
    rng = np.random.default_rng(1)
    groups = rng.permutation(np.repeat(np.arange(400), 2)).tolist()
    chi2 = 1e4 + rng.permutation(800) * 100.0
    chi2[17] = 100.0
    kept = worth_a_closer_look(chi2, groups, rivals=[int(np.argmax(chi2))])

    labels = np.asarray(groups)
    assert kept[17]
    assert kept[np.argmax(chi2)]
    for name in range(400):
        assert kept[labels == name].all() == kept[labels == name].any()
    least = np.array([chi2[labels == name].min() for name in range(400)])
    best = set(np.argsort(least)[:40].tolist())
    assert set(labels[kept].tolist()) == best | {int(labels[np.argmax(chi2)])}


def test_few_candidates_are_not_cut_to_a_tenth() -> None:
    chi2 = np.array([100.0, *np.linspace(5000, 9000, 29)])
    assert worth_a_closer_look(chi2, list(range(30))).sum() == KEPT_AT_LEAST


def test_nothing_is_dropped_that_the_screen_cannot_tell_from_the_best() -> None:
    chi2 = np.linspace(140, 300, 500)
    assert worth_a_closer_look(chi2, list(range(500))).all()


def test_the_dropped_gain_no_more_than_the_luckiest_of_the_kept() -> None:
    screened, refined = np.array([300.0, 4000.0, 5000.0]), np.array([150.0, 3000.0, 4900.0])
    assert least_chi2_if_refined(np.array([8000.0]), screened, refined) == pytest.approx(4000.0)
    # a fit that got worse does not make the others worse
    assert least_chi2_if_refined(np.array([8000.0]), screened, 2 * screened) == 8000.0
