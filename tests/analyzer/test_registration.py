from __future__ import annotations

import numpy as np
import pytest

from cryolattice_analyzer.imaging.average import cell_image
from cryolattice_analyzer.imaging.registration import in_model_setting, place_model
from cryolattice_analyzer.ranking.candidate_beams import lattice_operations


@pytest.mark.parametrize("index", range(8))
def test_a_turned_and_shifted_cell_is_brought_back(index: int) -> None:
    rng = np.random.default_rng(index)
    hk = np.array([(h, k) for h in range(4) for k in range(-3, 4) if h > 0 or k > 0])
    own = 0.1 * (rng.normal(size=len(hk)) + 1j * rng.normal(size=len(hk)))
    model = cell_image(hk, own, 64)
    operations = lattice_operations(4.7, 4.7, 90.0)
    assert len(operations) == 8
    # planted in real space: the value of the model at x is found at W x + t
    w, shift = operations[index], np.array([0.3125, 0.78125])
    places = np.stack(np.meshgrid(np.arange(64), np.arange(64)), axis=-1) / 64
    back = (places - shift) @ np.linalg.inv(w).T
    columns, rows = np.rint(back * 64).astype(int).transpose(2, 0, 1) % 64
    average = model[rows, columns]
    spectrum = np.fft.fft2(average, norm="forward")
    seen = spectrum[hk[:, 1] % 64, hk[:, 0] % 64]
    placement = place_model(hk, seen, model, operations)
    assert placement.correlation == pytest.approx(1, abs=1e-6)
    assert np.array_equal(placement.operation, w)
    assert np.mod(placement.shift, 1) == pytest.approx(np.mod(shift, 1), abs=2e-3)
    restored = cell_image(*in_model_setting(hk, seen, placement), 64)
    assert np.abs(restored - model).max() < 0.02


def test_of_operations_that_a_symmetric_model_allows_the_identity_is_taken() -> None:
    hk = np.array([(1, 0), (0, 1), (1, 1), (1, -1)])
    coefficients = np.array([0.2, 0.2, 0.1, 0.1], complex)
    model = cell_image(hk, coefficients, 32)
    placement = place_model(hk, coefficients, model, lattice_operations(4.7, 4.7, 90.0))
    assert np.array_equal(placement.operation, np.eye(2))
    assert placement.shift == (0.0, 0.0)
