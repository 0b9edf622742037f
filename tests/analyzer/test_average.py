from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from cryolattice.errors import InvalidInputError
from cryolattice_analyzer.imaging.average import average_cell, refine_on_crystal
from cryolattice_analyzer.imaging.fourier_fit import fit_fourier, separable_dft
from cryolattice_analyzer.imaging.lattice import Lattice2D, find_lattice
from cryolattice_analyzer.imaging.parent_cell import ParentCell

sys.path.insert(0, str(Path(__file__).parent))
from planted_crystal import PlantedCrystal, plant

SUPER = {(1, 0): 0.02 - 0.01j, (1, 1): 0.01j, (3, 2): 0.015 + 0j}


def true_lattice(planted: PlantedCrystal) -> Lattice2D:
    return Lattice2D(planted.reciprocal, np.zeros((4, 4)), (), -50.0)


def test_coefficients_and_their_errors() -> None:
    ratios = []
    for seed in range(3):
        planted = plant(supercell=(2, 2), extra=SUPER, seed=seed, pixels=(384, 448))
        cell = average_cell(planted.counts, 0.5, true_lattice(planted), planted.inside, (2, 2))
        truth = np.array(
            [
                planted.coefficients.get((int(h), int(k)), 0)
                for h, k in zip(cell.h, cell.k, strict=True)
            ]
        )
        assert np.count_nonzero(truth) == len(planted.coefficients)
        error = (cell.coefficients - truth) / cell.standard_error
        ratios += [error.real, error.imag]
        assert cell.mean_counts == pytest.approx(0.85 * 5, rel=0.01)
        assert np.all(np.linalg.norm(cell.g_per_angstrom, axis=1) <= 0.7)
    values = np.concatenate(ratios)
    assert values.size > 300
    assert np.std(values) == pytest.approx(1.0, abs=0.12)
    assert np.abs(values).max() < 5


def test_least_squares_is_exact_where_a_plain_sum_leaks() -> None:
    rng = np.random.default_rng(1)
    reciprocal = np.array([[0.11, 0.02], [-0.02, 0.1]])
    hk = np.array([[0, 1], [1, 0], [1, 1], [1, -1]])
    coefficients = rng.normal(size=4) + 1j * rng.normal(size=4)
    yy, xx = np.mgrid[:120, :150] * 0.5
    image = np.full((120, 150), 7.0)
    for (gx, gy), c in zip(hk @ reciprocal, coefficients, strict=True):
        image += 2 * (c * np.exp(2j * np.pi * (gx * xx + gy * yy))).real
    weights = ((xx - 30) ** 2 + (yy - 25) ** 2 < 21**2).astype(float)
    fit = fit_fourier(image, weights, 0.5, hk, reciprocal)
    plain = separable_dft(weights * (image - 7), 0.5, hk @ reciprocal) / weights.sum()
    assert np.abs(plain - coefficients).max() > 0.02
    np.testing.assert_allclose(fit.coefficients * fit.mean_counts, coefficients, atol=0.04)


def test_image_repeats_the_crystal() -> None:
    planted = plant(counts_per_pixel=200.0, edge=None)
    cell = average_cell(
        planted.counts, 0.5, true_lattice(planted), planted.inside, (1, 1), samples=64
    )
    u, v = np.meshgrid(np.arange(64) / 64, np.arange(64) / 64)
    truth = 1 + sum(
        2 * (c * np.exp(2j * np.pi * (h * u + k * v))).real
        for (h, k), c in planted.coefficients.items()
    )
    assert np.std(cell.image - truth) < 1.5 * cell.image_standard_error
    assert cell.image_standard_error < 0.02
    np.testing.assert_allclose(cell.direct, np.linalg.inv(planted.reciprocal).T)
    indices, coefficients, errors = cell.full()
    assert len(indices) == len(coefficients) == len(errors) == 2 * len(cell.h) + 1
    assert coefficients[0] == 1


def test_refinement_on_the_crystal() -> None:
    planted = plant(seed=7, rotation_deg=-30)
    start = find_lattice(planted.counts, 0.5, ParentCell(4.7, 4.7)).lattice
    assert start is not None
    lattice = refine_on_crystal(planted.counts, 0.5, start, planted.inside)
    assert lattice.a_angstrom == pytest.approx(4.7, rel=3e-4)
    assert lattice.b_angstrom == pytest.approx(4.7, rel=3e-4)
    assert lattice.rotation_deg == pytest.approx(-30, abs=0.02)


def test_bad_requests() -> None:
    planted = plant(pixels=(128, 128))
    lattice = true_lattice(planted)
    empty = np.zeros_like(planted.inside)
    for mask, supercell, g_max, field in [
        (planted.inside, (0, 2), 0.7, "supercell"),
        (planted.inside, (2, 2), 1.2, "g_max_per_angstrom"),
        (empty, (2, 2), 0.7, "micrograph"),
    ]:
        with pytest.raises(InvalidInputError) as caught:
            average_cell(planted.counts, 0.5, lattice, mask, supercell, g_max_per_angstrom=g_max)
        assert caught.value.field == field
