from __future__ import annotations

import numpy as np
import pytest

from cryolattice_analyzer.ranking.candidate_fit import CandidateFit
from cryolattice_analyzer.ranking.verdict import Unfitted, judge, log_evidence

TERMS = 140


def fit(chi2: float, *, settings: int = 1, thicknesses: int = 16, modes: int = 1) -> CandidateFit:
    return CandidateFit(
        thickness_angstrom=np.full(modes, 100.0),
        chi2=np.full(modes, chi2),
        penalty=np.zeros(modes),
        log_volume=np.full(modes, -30.0),
        operation=np.zeros(modes, np.int64),
        parameters=np.zeros((modes, 8)),
        prediction=np.zeros(TERMS // 2, np.complex128),
        correlation=0.9,
        thicknesses=thicknesses,
        settings=settings,
        terms=TERMS,
    )


def test_clear_winner_is_ordered_or_disordered() -> None:
    fits = [fit(130), fit(300), fit(400)]
    assert judge(fits, null_chi2=5000, disordered={2}).verdict == "ordered"
    assert judge(fits, null_chi2=5000, disordered={0}).verdict == "disordered"
    assert judge(fits, null_chi2=5000, disordered={2}).probability.sum() == pytest.approx(1)


def test_close_race_is_undetermined_unless_they_look_alike() -> None:
    fits = [fit(130), fit(131), fit(300)]
    open_race = judge(fits, null_chi2=5000, disordered={2})
    assert open_race.verdict == "undetermined"
    assert "0.95" in open_race.reason
    together = judge(fits, null_chi2=5000, disordered={2}, groups=[0, 0, 1])
    assert together.verdict == "ordered"
    assert together.group_probability[0] > 0.99
    assert together.probability[0] < 0.95
    mixed = judge(fits, null_chi2=5000, disordered={1}, groups=[0, 0, 1])
    assert mixed.verdict == "undetermined"
    assert "alike" in mixed.reason


def test_nothing_is_claimed_of_noise_or_of_a_bad_fit() -> None:
    noise = judge([fit(120), fit(180)], null_chi2=190, disordered={1})
    assert noise.verdict == "undetermined"
    assert "noise" in noise.reason
    bad = judge([fit(12 * TERMS), fit(40 * TERMS)], null_chi2=9e4, disordered={1})
    assert bad.verdict == "undetermined"
    assert "chi2/dof" in bad.reason


def test_inflated_chi2_softens_the_answer() -> None:
    sharp = judge([fit(130), fit(142)], null_chi2=5000, disordered=())
    blunt = judge([fit(5 * 132), fit(5 * 132 + 12)], null_chi2=5000, disordered=())
    assert sharp.probability[0] > 0.99
    assert blunt.probability[0] < 0.95
    assert blunt.verdict == "undetermined"


def test_more_freedom_is_paid_for() -> None:
    """Eight turns that were tried count against a candidate that needed only one of them."""
    assert log_evidence(fit(130, settings=8), 1.0) == pytest.approx(
        log_evidence(fit(130), 1.0) - np.log(8)
    )
    assert log_evidence(fit(130, settings=8, modes=8), 1.0) == pytest.approx(
        log_evidence(fit(130), 1.0)
    )


def test_the_unfitted_take_the_most_they_may_have() -> None:
    fits = [fit(130), fit(300)]
    near = Unfitted(chi2=np.array([134.0, 900.0]), prior=np.array([20.0, 64.0]))
    found = judge(fits, null_chi2=5000, disordered={1}, unfitted=near)
    assert found.verdict == "undetermined"
    assert found.probability.sum() + found.unfitted_probability.sum() == pytest.approx(1)
    # as probable as candidates of the same chi2 that were fitted
    same = judge([*fits, *[fit(134)] * 20], null_chi2=5000, disordered={1})
    assert found.unfitted_probability[0] == pytest.approx(same.probability[2:].sum())

    far = Unfitted(chi2=np.array([900.0]), prior=np.array([64.0]))
    assert judge(fits, null_chi2=5000, disordered={1}, unfitted=far).verdict == "ordered"
