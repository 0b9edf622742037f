"""The potential of a crystal in projection, from the same atoms that the multislice uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cryolattice_simulator.beams import Structure
from cryolattice_simulator.engines import Multislice
from cryolattice_simulator.engines.settings import make_plan
from cryolattice_simulator.engines.slices import potential_slices


def projected_potential(
    structure: Structure,
    *,
    gpts: tuple[int, int],
    parametrization: str = "lobato",
    b_angstrom2: Mapping[str, float] | float = 0.0,
) -> NDArray[np.float32]:
    """Project the potential of one period along the beam.

    Parameters
    ----------
    structure : Structure
    gpts : (int, int)
        Points along x and y.
    parametrization : str
        Atomic potentials: ``"lobato"`` or ``"kirkland"``.
    b_angstrom2 : float, or mapping of str to float
        Debye-Waller factor B of all elements, or by element symbol.

    Returns
    -------
    ndarray of float32, shape (ny, nx)
        V angstrom, at fractions (column / nx, row / ny) of the edges; sites that are filled at
        random count with their occupancy.

    Raises
    ------
    InvalidInputError
        If a value cannot be right; ``field`` names it.
    """
    period = float(structure.lengths_angstrom[2])
    whole = Multislice(
        energy_kev=300.0,  # the potential does not depend on it
        thicknesses_angstrom=[period],
        k_max_per_angstrom=1e-3,
        slice_thickness_angstrom=period,
        parametrization=parametrization,
        debye_waller_b_angstrom2=b_angstrom2,
    )
    # the mean over the fillings, not the potential of the mean transmission
    mean = replace(structure, random_sites=None)
    values = potential_slices([mean], make_plan(mean, whole, gpts))[0, 0].T
    return np.ascontiguousarray(values, np.float32)
