"""Structures that scatter alike: no power spectrum or diffraction pattern tells them apart.

Kinematically a pattern shows |F| alone. Different structures with the same set of |F| are
homometric (Patterson, Phys. Rev. 65 (1944) 195); an image tells them apart by its phases.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cryolattice_analyzer.ranking.candidate_beams import lattice_operations

_TOLERANCE = 1e-6
_ORDERS = 4
# a first look at few orders ends most comparisons
_GLANCE = 13


def homometric_to(
    reference: tuple[NDArray[np.float64], NDArray[np.float64]],
    others: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    cell: tuple[float, float, float],
    supercell: tuple[int, int],
) -> list[int]:
    """Find the structures whose projection has the same |F(hk)| as a reference's.

    Parameters
    ----------
    reference : (ndarray of shape (n, 2), ndarray of shape (n,))
        Positions in units of the parent's a and b, and scattering powers (atomic number times
        occupancy): with one power an element, equality holds for any form factors almost surely.
    others : sequence
        The same of other structures. Congruent ones are found as well.
    cell : (float, float, float)
        The parent's a, b (angstrom) and gamma (degrees) in the view.
    supercell : (int, int)
        Parent cells along a and b after which all structures repeat.

    Returns
    -------
    list of int
        Indices into `others` for which a turn or mirror of the lattice brings all |F| to agreement.
    """
    h, k = np.meshgrid(*(np.arange(-_ORDERS * n, _ORDERS * n + 1) for n in supercell))
    orders = np.stack([h.ravel() / supercell[0], k.ravel() / supercell[1]], axis=1)
    turns = lattice_operations(*cell)
    wanted = _moduli(reference, orders)
    scale = float(wanted.max())
    # a turned order need not be one of the grid's: the turned structure is what is compared
    found = []
    for index, (position, power) in enumerate(others):
        if abs(power.sum() - reference[1].sum()) > _TOLERANCE * scale:
            continue
        turned = [(position @ turn.T, power) for turn in turns]
        if any(
            all(
                np.abs(_moduli(one, orders[part]) - wanted[part]).max() <= _TOLERANCE * scale
                for part in (slice(None, None, _GLANCE), slice(None))
            )
            for one in turned
        ):
            found.append(index)
    return found


def _moduli(
    structure: tuple[NDArray[np.float64], NDArray[np.float64]], orders: NDArray[np.float64]
) -> NDArray[np.float64]:
    position, power = structure
    return np.asarray(np.abs(np.exp(-2j * np.pi * (orders @ position.T)) @ power))
