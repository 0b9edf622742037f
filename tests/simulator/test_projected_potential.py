from __future__ import annotations

from dataclasses import replace

import abtem
import numpy as np
import pytest
from ase import Atoms

from cryolattice_simulator.beams import Structure
from cryolattice_simulator.projected_potential import projected_potential

GPTS = (128, 128)


def test_agrees_with_a_plain_abtem_script(heavy: Structure) -> None:
    # without one Na, so that x and y can be told apart
    kept = ~np.all(np.isclose(heavy.positions_angstrom, [7.05, 0.0, 2.35]), axis=1)
    assert np.count_nonzero(~kept) == 1
    heavy = Structure(
        heavy.cell_angstrom,
        heavy.numbers[kept],
        heavy.positions_angstrom[kept],
        heavy.occupancies[kept],
    )
    atoms = Atoms(heavy.numbers, heavy.positions_angstrom, cell=heavy.cell_angstrom, pbc=True)
    with abtem.config.set({"precision": "float64", "diagnostics.progress_bar": False}):
        slices = abtem.Potential(
            atoms, gpts=GPTS, slice_thickness=4.7 / 4, parametrization="lobato"
        ).build(lazy=False)
    script = np.asarray(slices.array).sum(axis=0).T
    found = projected_potential(heavy, gpts=GPTS)
    assert found.shape == GPTS
    # abTEM's default integrates each slice, which spreads the tails but keeps the sum
    assert found.mean() == pytest.approx(script.mean(), rel=5e-3)
    assert np.corrcoef(found.ravel(), script.ravel())[0, 1] > 0.999


def test_the_integral_is_that_of_the_scattering_factors(heavy: Structure) -> None:
    # integral of V over space: h^2 / (2 pi m e) f(0) = 47.878 V A^2 f(0); f(0) of Lobato's tables
    from abtem.parametrizations import LobatoParametrization

    lobato = LobatoParametrization()
    symbols = {11: "Na", 5: "B", 7: "N"}
    wanted = sum(
        47.878 * float(lobato.scattering_factor(symbols[int(z)])(np.array([0.0]))[0])
        for z in heavy.numbers
    )
    a, b, _ = heavy.lengths_angstrom
    found = projected_potential(heavy, gpts=GPTS).mean(dtype=np.float64) * a * b
    assert found == pytest.approx(wanted, rel=2e-3)


def test_an_empty_site_is_dark_and_a_half_filled_one_half_as_bright(heavy: Structure) -> None:
    full = projected_potential(heavy, gpts=GPTS)
    # the vacant column at x = 2.35, y = 0
    row, column = 0, 32
    assert full[row, column] < 0.15 * full.max()
    sodium = heavy.numbers == 11
    others = replace(
        heavy,
        numbers=heavy.numbers[~sodium],
        positions_angstrom=heavy.positions_angstrom[~sodium],
        occupancies=heavy.occupancies[~sodium],
        random_sites=None,
    )
    half = replace(
        heavy,
        occupancies=np.where(sodium, 0.5, 1.0),
        random_sites=sodium,
    )
    without = projected_potential(others, gpts=GPTS)
    expected = without + (full - without) / 2
    found = projected_potential(half, gpts=GPTS)
    assert np.abs(found - expected).max() < 1e-3 * full.max()
