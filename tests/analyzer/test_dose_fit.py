"""The fit of fading curves by itself, on planted intensities."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate

from cryolattice_analyzer.dose.dose_fit import FadingData, exposure_average, fit_fading
from cryolattice_analyzer.dose.fading_groups import fit_groups


def group(
    rng: np.random.Generator,
    critical_dose: float = 5.0,
    *,
    plateau: float = 0.0,
    spots: int = 6,
    counts: float = 800.0,
    background: float = 300.0,
    scatter: float = 0.0,
    step: float = 0.6,
    frames: int = 20,
) -> FadingData:
    edges = step * np.arange(frames + 1, dtype=np.float64)
    dc = np.asarray(critical_dose * np.exp(scatter * rng.normal(size=spots)), np.float64)
    curve = (1 - plateau) * exposure_average(edges, dc) + plateau
    mean = counts * np.exp(0.4 * rng.normal(size=(spots, 1))) * curve
    noise = np.full_like(mean, background)
    drawn: NDArray[np.float64] = rng.poisson(mean) + rng.normal(size=mean.shape) * np.sqrt(
        background
    )
    return FadingData(edges, drawn, noise, np.ones_like(mean))


@pytest.mark.parametrize("critical_dose", [0.05, 1.0, 300.0])
def test_exposure_average_is_the_integral(critical_dose: float) -> None:
    edges = np.array([0.0, 0.7, 1.4, 2.1])
    found = exposure_average(edges, critical_dose)
    for low, high, value in zip(edges[:-1], edges[1:], found, strict=True):
        exact = integrate.quad(lambda x: np.exp(-x / critical_dose), low, high)[0] / 0.7
        assert value == pytest.approx(exact, rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("scatter", [0.0, 0.1])
def test_limits_cover_the_truth(scatter: float) -> None:
    rng = np.random.default_rng(42)
    inside = []
    for _ in range(200):
        fit = fit_fading(group(rng, scatter=scatter), "exponential")
        inside.append(fit.ci95_low < 5.0 < fit.ci95_high)
    assert 0.90 <= np.mean(inside) <= 0.99


def test_a_long_frame_does_not_bias() -> None:
    data = group(np.random.default_rng(1), 5.0, counts=2e5, step=5.0, frames=8)
    fit = fit_fading(data, "exponential")
    assert fit.critical_dose_e_per_angstrom2 == pytest.approx(5.0, rel=0.01)


def test_spots_without_intensity_do_no_harm() -> None:
    data = group(np.random.default_rng(1), counts=1e4)
    dark = np.random.default_rng(2).normal(scale=17.0, size=data.intensity.shape)
    both = FadingData(
        data.dose_edges,
        np.vstack([data.intensity, dark]),
        np.vstack([data.background_variance] * 2),
        np.vstack([data.shot_variance] * 2),
    )
    fit = fit_fading(both, "exponential")
    assert fit.ci95_low < 5.0 < fit.ci95_high
    assert fit.critical_dose_e_per_angstrom2 == pytest.approx(5.0, rel=0.02)


def test_a_plateau_biases_a_plain_fit_and_not_the_groups() -> None:
    rng = np.random.default_rng(6)
    truths = (5.0, 4.0, 3.0, 2.5)
    inside, too_high, plateaus = [], [], []
    for _ in range(25):
        data = [group(rng, dc, plateau=0.15, counts=3000) for dc in truths]
        too_high.append(fit_fading(data[0], "exponential").ci95_low > 5.0)
        for truth, fit in zip(truths, fit_groups(data), strict=True):
            assert fit is not None
            assert fit.model == "exponential+offset"
            inside.append(fit.ci95_low < truth < fit.ci95_high)
            plateaus.append(fit.plateau)
    assert all(too_high)
    assert 0.88 <= np.mean(inside) <= 1.0
    assert np.mean(plateaus) == pytest.approx(0.15, abs=0.01)


def test_what_cannot_be_told_is_left_out() -> None:
    rng = np.random.default_rng(9)
    strong = group(rng)
    nothing = group(rng, counts=0.0)
    # It hardly fades within the series.
    endless = group(rng, critical_dose=5000.0, counts=300.0)
    fits = fit_groups([strong, nothing, endless])
    assert fits[0] is not None
    assert fits[1:] == [None, None]


def test_no_groups() -> None:
    assert fit_groups([]) == []
