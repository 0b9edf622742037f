from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cryolattice_analyzer.ranking.candidate_fit import CandidateFit
from cryolattice_analyzer.ranking.thickness_range import thickness_range

STEP = 4.7
TERMS = 108  # 100 degrees of freedom


def fit(thickness: list[float], chi2: list[float], penalty: float = 0.0) -> CandidateFit:
    count = len(thickness)

    def full(value: float) -> NDArray[np.float64]:
        return np.full(count, value)

    return CandidateFit(
        thickness_angstrom=np.array(thickness),
        chi2=np.array(chi2),
        penalty=full(penalty),
        log_volume=full(-3.0),
        operation=np.zeros(count, np.int64),
        parameters=np.zeros((count, 8)),
        prediction=np.zeros(5, complex),
        correlation=1.0,
        thicknesses=64,
        settings=2,
        terms=TERMS,
    )


def test_probabilities_are_those_of_the_misfits() -> None:
    # chi2 differences of 2 ln 2 halve the likelihood
    half = 2 * np.log(2)
    found = thickness_range([fit([100.0, 104.7, 109.4], [90.0, 90.0 + half, 90.0 + half])])
    assert found.probability == pytest.approx([0.5, 0.25, 0.25])
    assert found.likeliest_angstrom == 100.0


def test_modes_of_one_thickness_add_up() -> None:
    found = thickness_range([fit([100.0, 104.7, 104.7], [90.0, 90.0, 90.0])])
    assert found.probability == pytest.approx([1 / 3, 2 / 3])


def test_a_sharp_answer_is_known_to_one_step() -> None:
    found = thickness_range([fit([100.0, 104.7, 109.4], [200.0, 90.0, 200.0])])
    assert found.low_angstrom == pytest.approx(104.7 - STEP / 2)
    assert found.high_angstrom == pytest.approx(104.7 + STEP / 2)


def test_the_interval_holds_95_percent() -> None:
    thickness = STEP * np.arange(1, 41)
    chi2 = 90 + ((thickness - 94.0) / 9.4) ** 2
    found = thickness_range([fit(list(thickness), list(chi2))])
    inside = (thickness > found.low_angstrom) & (thickness < found.high_angstrom)
    assert 0.95 <= found.probability[inside].sum() < 0.98
    # a gaussian of sigma 9.4: 1.96 sigma to either side
    assert (found.high_angstrom - found.low_angstrom) / 2 == pytest.approx(1.96 * 9.4, abs=STEP)


def test_a_bad_fit_widens_the_interval() -> None:
    thickness = list(STEP * np.arange(10, 31))
    sharp = [90 + 2 * (t - 94.0) ** 2 / 4.7**2 for t in thickness]
    poor = [4 * value for value in sharp]
    one, other = thickness_range([fit(thickness, sharp)]), thickness_range([fit(thickness, poor)])
    # four times chi2/dof leaves the differences over chi2/dof as they were
    assert other.probability.max() == pytest.approx(one.probability.max(), rel=0.15)


def test_other_debye_waller_factors_take_part() -> None:
    found = thickness_range([fit([100.0], [90.0]), fit([109.4], [90.0])])
    assert found.probability == pytest.approx([0.5, 0.5])
    assert (found.low_angstrom, found.high_angstrom) == pytest.approx((95.3, 114.1))
