from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from cryolattice_analyzer.imaging.lattice import Lattice2D
from cryolattice_analyzer.imaging.superlattice import (
    find_superlattice,
    log10_chance,
    normal_deviate,
)

sys.path.insert(0, str(Path(__file__).parent))
from planted_crystal import PlantedCrystal, plant


def search(planted: PlantedCrystal, tested: tuple[int, int] = (2, 2), **kwargs: float):
    lattice = Lattice2D(planted.reciprocal, np.zeros((4, 4)), (), -50.0)
    return find_superlattice(planted.counts, 0.5, lattice, planted.inside, tested)


@pytest.mark.parametrize(
    ("extra", "seen"),
    [
        ({}, (1, 1)),
        ({(1, 0): 0.02, (3, 2): 0.01j}, (2, 1)),
        ({(0, 1): 0.02, (2, 3): 0.01j}, (1, 2)),
        ({(1, 1): 0.02, (3, -1): 0.01j}, (2, 2)),
        ({(1, 0): 0.02, (0, 1): 0.02}, (2, 2)),
    ],
)
def test_smallest_repeat(extra: dict[tuple[int, int], complex], seen: tuple[int, int]) -> None:
    result = search(plant(supercell=(2, 2), extra=extra, seed=len(extra)))
    assert result.supercell == seen
    assert (result.superlattice_snr > 5) == (seen != (1, 1))
    strong = {(s.h, s.k) for s in result.spots if not s.is_parent and s.significance > 14}
    assert strong == set(extra)


def test_repeat_divides_the_tested_one() -> None:
    result = search(plant(supercell=(2, 3), extra={(0, 1): 0.03, (2, 4): 0.02}), (2, 3))
    assert result.supercell == (1, 3)


def test_parents_own_cell_has_no_superlattice() -> None:
    result = search(plant(), (1, 1))
    assert result.supercell == (1, 1)
    assert result.superlattice_snr == 0
    assert all(spot.is_parent for spot in result.spots)


def test_diffuse_scattering_is_no_superlattice() -> None:
    # Speckle that peaks at the half orders, four times as strong as the rest, without a repeat.
    planted = plant(edge=None, seed=4)
    rng = np.random.default_rng(11)
    ny, nx = planted.counts.shape
    gy, gx = np.meshgrid(np.fft.fftfreq(ny, 0.5), np.fft.fftfreq(nx, 0.5), indexing="ij")
    index = np.stack([gx, gy], axis=-1) @ np.linalg.inv(planted.reciprocal)
    nearness = np.prod(np.sin(np.pi * index) ** 2, axis=-1)
    diffuse = np.fft.ifft2(np.fft.fft2(rng.normal(size=(ny, nx))) * 4 * nearness**2).real
    result = search(
        type(planted)(planted.counts + 2 * diffuse, planted.inside, planted.reciprocal, (1, 1), {})
    )
    assert result.supercell == (1, 1)
    assert result.superlattice_snr < 4


def test_chance_is_calibrated_in_noise() -> None:
    rng = np.random.default_rng(0)
    chances = np.array([log10_chance(rng.exponential(size=50)) for _ in range(4000)])
    assert 0.003 < np.mean(chances < -2) < 0.012
    assert log10_chance(np.zeros(0)) == 0


@pytest.mark.parametrize("deviate", [1.0, 5.0, 30.0])
def test_normal_deviate(deviate: float) -> None:
    assert normal_deviate(norm.logsf(deviate) / np.log(10)) == pytest.approx(deviate, rel=1e-6)
    assert normal_deviate(-5000.0) > normal_deviate(-301.0) > normal_deviate(-299.0)
