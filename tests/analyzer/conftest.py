"""The diffraction series of the examples, measured once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryolattice_analyzer.dose.critical_dose import DoseResult, analyse_dose_series
from cryolattice_analyzer.dose.diffraction_series import read_diffraction_series

EXAMPLES = Path(__file__).parents[2] / "examples" / "na2nh2bh4"
FRAME_DOSES = {"saed_98K": 2.5, "saed_298K": 0.5}


@pytest.fixture(scope="session")
def example_doses() -> dict[str, DoseResult]:
    """Critical doses by the name of the series; one worker runs what asks for them."""
    results = {}
    for name, dose in FRAME_DOSES.items():
        path = EXAMPLES / f"{name}.mrc"
        series = read_diffraction_series(path.read_bytes(), path.name)
        results[name] = analyse_dose_series(series, dose)
    return results
