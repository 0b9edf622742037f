"""Frozen phonons: every atom of every period displaced by itself."""

from __future__ import annotations

import numpy as np

from cryolattice_simulator.beams import Structure
from cryolattice_simulator.engines.settings import Plan


def displaced_crystal(structure: Structure, plan: Plan) -> Structure:
    """Repeat a structure along the beam and displace its atoms in the plane at random.

    Displacements are normal with a mean square of B / (8 pi^2) along each axis, independent from
    atom to atom. Heights are kept: within its slice an atom's height does not matter.

    Parameters
    ----------
    structure : Structure
        One period.
    plan : Plan
        With ``settings.phonon_seed``; its last plane says how many periods there are.

    Returns
    -------
    Structure
        The whole crystal, ``plan.periods[-1]`` times as long.
    """
    count, atoms = int(plan.periods[-1]), structure.numbers.size
    rng = np.random.default_rng(plan.settings.phonon_seed)
    sigma = np.sqrt([plan.b_angstrom2[int(z)] / (8 * np.pi**2) for z in structure.numbers])
    positions = np.repeat(structure.positions_angstrom[None], count, axis=0)
    positions[..., 2] %= structure.cell_angstrom[2, 2]
    positions[..., 2] += np.arange(count)[:, None] * structure.cell_angstrom[2, 2]
    positions[..., :2] += rng.standard_normal((count, atoms, 2)) * sigma[:, None]
    return Structure(
        structure.cell_angstrom * np.array([1, 1, count])[:, None],
        np.tile(structure.numbers, count),
        positions.reshape(-1, 3),
        np.tile(structure.occupancies, count),
        np.tile(structure.at_random, count),
    )
