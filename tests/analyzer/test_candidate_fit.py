from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_analyzer.lens.transfer import Lens
from cryolattice_analyzer.ranking.candidate_beams import (
    CandidateBeams,
    distinct_settings,
    interpolate_thickness,
    lattice_operations,
    on_supercell,
)
from cryolattice_analyzer.ranking.candidate_fit import fit_candidate
from cryolattice_analyzer.ranking.cell_model import cell_model, predict, predict_with_derivatives
from cryolattice_analyzer.ranking.imaging_conditions import Imaging, ViewCell
from cryolattice_analyzer.ranking.lens_search import LensStart, starts_near
from cryolattice_analyzer.ranking.observation import Observation

sys.path.insert(0, str(Path(__file__).parent))
from planted_waves import (
    LAYERS,
    ORDERINGS,
    WAVELENGTH,
    A,
    exit_waves,
    half_plane,
    image_coefficients,
    observed_basis,
)

CELL = ViewCell(A, A, 90.0)
IMAGING = Imaging(300.0, 2.7, 30.0, 22.0)
THICKNESS = A * np.arange(1, LAYERS + 1)


def beams(which: int, step: int = 1) -> CandidateBeams:
    hk, psi = exit_waves(ORDERINGS[which])
    return CandidateBeams(hk, psi[step - 1 :: step], THICKNESS[step - 1 :: step], (2, 2))


def observe(
    which: int, layers: int, noise: float = 5e-4, operation: NDArray[np.int64] | None = None
) -> Observation:
    hk, psi = exit_waves(ORDERINGS[which], layers)
    if operation is not None:
        hk = hk @ np.rint(np.linalg.inv(operation)).astype(int)
    basis = observed_basis()
    indices = half_plane(basis)
    values = image_coefficients(
        hk,
        psi[-1],
        indices,
        basis,
        defocus_u=2730.0,
        defocus_v=2430.0,
        angle_deg=-35.0,
        shift=(0.31, 0.77),
        fading=0.3,
    )
    rng = np.random.default_rng(3)
    values = values + noise * (rng.normal(size=len(values)) + 1j * rng.normal(size=len(values)))
    return Observation(indices, values, np.full(len(values), noise), basis, (2, 2))


def test_operations_of_plane_lattices() -> None:
    counts = [
        len(lattice_operations(*cell))
        for cell in ((4.7, 4.7, 90), (4.7, 6.6, 90), (4, 4, 120), (4, 4, 60), (4, 5, 77))
    ]
    assert counts == [8, 4, 12, 12, 2]
    assert np.array_equal(lattice_operations(4.7, 4.7, 90)[0], np.eye(2))


def test_smaller_cells_fall_on_the_supercells_orders() -> None:
    hk = np.array([[0, 0], [1, 0], [0, 1]])
    small = CandidateBeams(hk, np.ones((1, 3), complex), np.array([5.0]), (2, 1))
    turn = np.array([[0, -1], [1, 0]])
    assert on_supercell(small, (2, 2), np.eye(2, dtype=int)).tolist() == [[0, 0], [1, 0], [0, 2]]  # type: ignore[union-attr]
    turned = on_supercell(small, (2, 2), turn)
    assert turned is not None
    assert sorted(map(abs, turned[1].tolist()[::-1])) == [0, 1]
    assert on_supercell(small, (2, 1), turn) is None
    with pytest.raises(InvalidInputError, match="does not fit"):
        distinct_settings(small, (3, 1), [np.eye(2, dtype=int)])


def test_symmetric_candidates_need_fewer_settings() -> None:
    operations = lattice_operations(A, A, 90)
    counts = [len(distinct_settings(beams(i), (2, 2), operations)) for i in range(6)]
    assert counts[5] == 1
    assert 1 < max(counts) <= 8


def test_interpolated_thickness_agrees_with_simulated() -> None:
    fine, coarse = beams(0), beams(0, step=4)
    square = (fine.hk**2).sum(axis=1) / (2 * A) ** 2
    found = interpolate_thickness(coarse, square, WAVELENGTH, THICKNESS[4:50])
    error = np.linalg.norm(found - fine.psi[4:50], axis=1)
    assert error.max() < 0.01
    direct = np.all(fine.hk == 0, axis=1)
    assert np.linalg.norm(fine.psi[30, ~direct]) > 0.3


def test_prediction_agrees_with_an_image_formed_in_real_space() -> None:
    hk, psi = exit_waves(ORDERINGS[0], 30)
    basis = observed_basis()
    indices = half_plane(basis)
    truth = image_coefficients(
        hk, psi[-1], indices, basis, defocus_u=2730, defocus_v=2430, angle_deg=-35,
        shift=(0.31, 0.77), fading=0.3,
    )  # fmt: skip
    lens = Lens.from_uv(2730, 2430, -35)
    parameters = np.array(
        [[2580, lens.astigmatism_x_angstrom, lens.astigmatism_y_angstrom, 0.31, 0.77, 0, 8, 0.3]]
    )
    options = {"wavelength_angstrom": WAVELENGTH, "cs_mm": 2.7, "focal_spread_angstrom": 30.0}
    wave = psi[-1:].astype(np.complex64)
    exact = predict(cell_model(hk, indices, basis, nodes=9, **options), wave, parameters)[0]
    assert np.abs(exact - truth).max() < 2e-6
    quick = predict(cell_model(hk, indices, basis, **options), wave, parameters)[0]
    assert np.abs(quick - truth).max() < 0.02 * np.abs(truth).max()


def test_derivatives_agree_with_differences() -> None:
    hk, psi = exit_waves(ORDERINGS[1], 30)
    basis = observed_basis()
    model = cell_model(
        hk, half_plane(basis), basis,
        wavelength_angstrom=WAVELENGTH, cs_mm=2.7, focal_spread_angstrom=30.0,
    )  # fmt: skip
    parameters = np.array([[2500.0, 60, -40, 0.1, 0.2, -0.1, 9.0, 0.4]])
    wave = psi[-1:].astype(np.complex64)
    value, slope = predict_with_derivatives(model, wave, parameters)
    np.testing.assert_allclose(value, predict(model, wave, parameters), atol=1e-6)
    for column, step in enumerate((4.0, 4.0, 4.0, 2e-4, 2e-4, 1e-3, 0.2, 0.02)):
        up, down = parameters.copy(), parameters.copy()
        up[0, column] += step
        down[0, column] -= step
        difference = (predict(model, wave, up) - predict(model, wave, down)) / (2 * step)
        scale = np.abs(difference).max()
        assert np.abs(slope[:, column] - difference).max() < 0.01 * scale, column


@pytest.mark.parametrize(("step", "layers"), [(1, 34), (4, 34), (4, 13)])
def test_truth_is_recovered(step: int, layers: int) -> None:
    """Turned, strained, shifted, off the thickness grid, the lens off by 60 and 40 A."""
    turn = np.array([[0, -1], [1, 0]])
    observation = observe(2, layers, operation=turn)
    near = Lens.from_uv(2730, 2430, -35)
    starts = starts_near(
        Lens(
            near.defocus_angstrom + 60,
            near.astigmatism_x_angstrom - 30,
            near.astigmatism_y_angstrom + 25,
        )
    )
    fit = fit_candidate(observation, beams(2, step), CELL, IMAGING, starts)
    assert fit.chi2[0] / fit.terms < 1.5
    assert fit.thickness_angstrom[0] == pytest.approx(layers * A, abs=4.8)
    lens = Lens(*fit.parameters[0, :3])
    assert lens.defocus_angstrom == pytest.approx(2580, abs=10)
    assert lens.defocus_u_angstrom - lens.defocus_v_angstrom == pytest.approx(300, abs=10)
    assert lens.angle_deg == pytest.approx(-35, abs=1.5)
    assert fit.correlation > 0.99
    wrong = fit_candidate(observation, beams(0, step), CELL, IMAGING, starts)
    assert wrong.chi2[0] > 10 * fit.chi2[0]


def test_impossible_imaging() -> None:
    for values, field in (
        ({"dose_e_per_angstrom2": -1.0}, "dose_e_per_angstrom2"),
        ({"focal_spread_angstrom": -3.0}, "focal_spread_angstrom"),
        ({"cs_mm": float("nan")}, "cs_mm"),
    ):
        with pytest.raises(InvalidInputError) as caught:
            Imaging(**({"energy_kev": 300.0, "cs_mm": 2.7} | values))
        assert caught.value.field == field
    with pytest.raises(InvalidInputError, match="no lens"):
        fit_candidate(observe(0, 20), beams(0), CELL, IMAGING, [])
    with pytest.raises(InvalidInputError, match="increasing"):
        CandidateBeams(
            np.zeros((1, 2), int), np.ones((2, 1), complex), np.array([5.0, 5.0]), (1, 1)
        )


def test_starts_surround_the_lens() -> None:
    starts = starts_near(Lens(2000, 10, 20))
    assert all(isinstance(s, LensStart) for s in starts)
    assert (
        min(s.lens.defocus_angstrom for s in starts)
        < 2000
        < max(s.lens.defocus_angstrom for s in starts)
    )
