"""Critical doses of the example series, through the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.system.conftest import DATA, Run

pytestmark = pytest.mark.xdist_group("home")

SERIES = (
    *(DATA / "saed_98K.mrc", "--pixel-size", 0.0085, "--dose-per-frame", 2.5),
    *("--compare", DATA / "saed_298K.mrc", "--compare-dose-per-frame", 0.5),
)
TRUTH_98K = {4.700: 29.00, 3.323: 24.61, 2.350: 19.55, 2.102: 17.02}
TRUTH_298K = {4.700: 4.70, 3.323: 3.92, 2.350: 3.13, 2.102: 2.70}


def test_critical_doses_and_improvement(cryolattice: Run, tmp_path: Path) -> None:
    out = tmp_path / "dose"
    outcome = cryolattice("dose", *SERIES, "--out", out, "--json")
    assert outcome.code == 0, outcome.err
    result = outcome.json
    for rows, truth in ((result["reflections"], TRUTH_98K), (result["compare"], TRUTH_298K)):
        spacings = [row["d_angstrom"] for row in rows]
        assert spacings == sorted(spacings, reverse=True)
        for d, dose in truth.items():
            row = min(rows, key=lambda row: abs(row["d_angstrom"] - d))
            assert row["d_angstrom"] == pytest.approx(d, rel=5e-3)
            assert row["critical_dose_e_per_angstrom2"] == pytest.approx(dose, rel=0.04)
            low, high = row["ci95"]
            assert low <= dose <= high
    nearest = min(result["improvement"], key=lambda row: abs(row["d_angstrom"] - 2.102))
    assert nearest["factor"] == pytest.approx(6.30, rel=0.06)
    assert (out / "report.html").stat().st_size > 100_000
    assert json.loads(outcome.out)["dataset"].startswith("projects/default/datasets/")
