from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from cryolattice_analyzer.imaging.crystal_area import find_crystal, soft_weights
from cryolattice_analyzer.imaging.lattice import Lattice2D

sys.path.insert(0, str(Path(__file__).parent))
from planted_crystal import PlantedCrystal, plant


def true_lattice(planted: PlantedCrystal) -> Lattice2D:
    return Lattice2D(planted.reciprocal, np.zeros((4, 4)), (), -50.0)


@pytest.mark.parametrize("offset", [-90.0, 0.0, 90.0])
def test_edge_is_found_without_bias(offset: float) -> None:
    planted = plant(edge=(0.8, 0.6, offset), seed=2)
    area = find_crystal(planted.counts, 0.5, true_lattice(planted))
    assert np.mean(area.outline != planted.inside) < 0.03
    assert area.fraction == pytest.approx(planted.inside.mean(), abs=0.02)
    assert not np.any(area.mask & ~planted.inside)
    assert not np.any(area.film & planted.inside)
    assert area.film.any()


def test_crystal_that_fills_the_field() -> None:
    planted = plant(edge=None, seed=3)
    area = find_crystal(planted.counts, 0.5, true_lattice(planted))
    assert area.fraction > 0.99
    assert not area.film.any()
    assert area.mask.mean() > 0.95


def test_soft_weights_rise_from_the_border() -> None:
    mask = np.zeros((40, 50), dtype=bool)
    mask[:, :30] = True
    weights = soft_weights(mask, 6)
    assert weights[20, 15] == 1
    assert np.all(weights[~mask] == 0)
    assert 0 < weights[20, 27] < 1
    assert weights[0, 15] < 0.1
