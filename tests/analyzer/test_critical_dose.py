"""Critical doses against planted and given truths."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from cryolattice.errors import InvalidInputError
from cryolattice_analyzer.dose.critical_dose import (
    DoseResult,
    DoseRow,
    analyse_dose_series,
    compare,
)
from cryolattice_analyzer.dose.diffraction_series import (
    series_from_frames,
)

TRUTH = {
    "saed_98K": {4.700: 29.00, 3.323: 24.61, 2.350: 19.55, 2.102: 17.02},
    "saed_298K": {4.700: 4.70, 3.323: 3.92, 2.350: 3.13, 2.102: 2.70},
}


def _simulator() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "planted_diffraction", Path(__file__).with_name("planted_diffraction.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["planted_diffraction"] = module
    spec.loader.exec_module(module)
    return module


simulator = _simulator()


def analyse(planted: Any, **options: Any) -> DoseResult:
    series = series_from_frames(planted.frames, "planted", planted.plan.pixel_size_per_angstrom)
    return analyse_dose_series(series, planted.plan.dose_per_frame, **options)


def plant(**settings: Any) -> Any:
    small = {"size": 192, "centre": (95.3, 97.1), "g_max_per_angstrom": 0.95, "frames": 16}
    return simulator.plant(simulator.Plan(**{**small, **settings}))


def log_errors(result: DoseResult, planted: Any) -> tuple[np.ndarray, np.ndarray]:
    """Logarithm of found over true, and the same in deviations."""
    error = np.array(
        [
            np.log(r.critical_dose_e_per_angstrom2 / planted.critical_dose(r.d_angstrom))
            for r in result.rows
        ]
    )
    width = np.array([np.log(r.ci95_high / r.ci95_low) / 3.92 for r in result.rows])
    return error, error / width


@pytest.mark.xdist_group("doses")
@pytest.mark.parametrize("name", TRUTH)
def test_example_series(example_doses: dict[str, DoseResult], name: str) -> None:
    rows = example_doses[name].rows
    assert len(rows) >= 12
    spacings = [row.d_angstrom for row in rows]
    assert spacings == sorted(spacings, reverse=True)
    for (d, truth), spots in zip(TRUTH[name].items(), (4, 4, 4, 8), strict=True):
        row = min(rows, key=lambda r: abs(r.d_angstrom - d))
        assert row.d_angstrom == pytest.approx(d, rel=0.005)
        assert row.spots == spots
        assert row.critical_dose_e_per_angstrom2 == pytest.approx(truth, rel=0.04)
        assert row.ci95_low < truth < row.ci95_high


@pytest.mark.xdist_group("doses")
def test_example_improvement(example_doses: dict[str, DoseResult]) -> None:
    factors = compare(example_doses["saed_98K"].rows, example_doses["saed_298K"].rows)
    row = min(factors, key=lambda r: abs(r.d_angstrom - 2.102))
    assert row.factor == pytest.approx(6.30, rel=0.06)
    assert row.ci95_low < 6.30 < row.ci95_high


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"drift_px": 4.0},
        {"ellipticity": 0.015},
        {"broadening": 0.8},
        {"dose_per_frame": 5.0},
        {"counts": 400.0, "background": 1.0, "floor": 0.2},
        {"a_angstrom": 4.2, "b_angstrom": 5.6, "rotation_deg": -35.0},
        {"gamma_deg": 120.0, "a_angstrom": 5.0, "b_angstrom": 5.0},
        {"beam_stop": True, "drift_px": 4.0},
        {"gain": 25.0},
        {"sigma_px": 0.9},
    ],
    ids=lambda s: "-".join(s) or "plain",
)
def test_planted_series(settings: dict[str, Any]) -> None:
    planted = plant(seed=11, **settings)
    result = analyse(planted)
    error, deviations = log_errors(result, planted)
    assert len(result.rows) >= 5
    spacings = np.array(list(planted.spacings.values()))
    for row in result.rows:
        assert np.abs(spacings / row.d_angstrom - 1).min() < 0.006
    assert np.mean(np.abs(deviations) < 1.96) >= 0.8
    assert np.abs(deviations).max() < 4.0
    weights = (deviations / error) ** 2
    assert abs(np.average(error, weights=weights)) < 0.04


def test_plateau_is_found_and_not_invented() -> None:
    planted = plant(plateau=0.2, frames=24, seed=3)
    result = analyse(planted)
    _, deviations = log_errors(result, planted)
    assert {row.model for row in result.rows} == {"exponential+offset"}
    assert np.mean(np.abs(deviations) < 1.96) >= 0.8
    assert result.curves[1].plateau == pytest.approx(0.2, abs=0.06)
    assert {row.model for row in analyse(plant(seed=3)).rows} == {"exponential"}


def test_amplitude_fades_faster_than_intensity_where_spots_broaden() -> None:
    planted = plant(broadening=0.8, seed=5, dose_per_frame=1.5)
    whole = analyse(planted).rows
    peak = analyse(planted, kind="amplitude").rows
    ratios = [row.factor for row in compare(peak, whole)]
    assert np.median(ratios) < 0.9


def test_dense_lattice() -> None:
    planted = simulator.plant(
        simulator.Plan(
            a_angstrom=11.0, b_angstrom=11.0, g_max_per_angstrom=0.6, size=192,
            centre=(95.3, 97.1), frames=12, dose_per_frame=2.0, pixel_size_per_angstrom=0.009,
        )
    )  # fmt: skip
    result = analyse(planted)
    assert 11.0 / np.sqrt(2) * 0.99 < result.rows[0].d_angstrom < 11.1
    _, deviations = log_errors(result, planted)
    assert np.mean(np.abs(deviations) < 1.96) >= 0.85


def test_lattice_hint() -> None:
    planted = plant(seed=1)
    assert analyse(planted, lattice_angstrom=4.7).rows == analyse(planted).rows
    with pytest.raises(InvalidInputError) as caught:
        analyse(planted, lattice_angstrom=6.1)
    assert caught.value.field == "lattice"
    with pytest.raises(InvalidInputError):
        analyse(planted, lattice_angstrom=-1.0)


def test_drift_is_measured() -> None:
    planted = plant(drift_px=5.0, seed=4)
    still = plant(drift_px=0.0, seed=4)
    assert np.abs(analyse(still).drift_px).max() < 0.1
    assert np.abs(analyse(planted).drift_px).max() == pytest.approx(5.0, abs=0.1)


def test_noise_is_no_crystal() -> None:
    frames = np.random.default_rng(0).poisson(4.0, size=(8, 128, 128)).astype(np.float32)
    with pytest.raises(InvalidInputError) as caught:
        analyse_dose_series(series_from_frames(frames, "noise", 0.01), 1.0)
    assert caught.value.field == "series"


def test_wrong_dose_is_refused_before_any_work() -> None:
    series = series_from_frames(np.ones((4, 64, 64), np.float32), "flat", 0.01)
    with pytest.raises(InvalidInputError) as caught:
        analyse_dose_series(series, 0.0)
    assert caught.value.field == "dose_per_frame"


def test_compare_pairs_by_spacing() -> None:
    def row(d: float, dc: float) -> DoseRow:
        return DoseRow(d, 4, dc, dc / 1.1, dc * 1.1, "exponential")

    found = compare(
        [row(4.7, 30.0), row(3.3, 20.0), row(2.0, 9.0)],
        [row(2.35, 1.0), row(3.32, 5.0), row(4.68, 5.0)],
    )
    assert [round(r.factor, 6) for r in found] == [6.0, 4.0]
    assert [round(r.d_angstrom, 3) for r in found] == [4.69, 3.31]
    half = np.log(1.1) * np.sqrt(2)
    assert found[0].ci95_high == pytest.approx(6 * np.exp(half))
    assert found[0].ci95_low == pytest.approx(6 * np.exp(-half))
