"""Atoms that come too near to each other."""

from __future__ import annotations

import ase
import numpy as np
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError

CLOSEST_ANGSTROM = 0.5
_SHOWN = 3


def require_apart(
    atoms: ase.Atoms,
    closest_angstrom: float = CLOSEST_ANGSTROM,
    *,
    within_molecules: bool = True,
    field: str = "atoms",
    remedy: str = "move one of them",
) -> ase.Atoms:
    """Return the atoms if all of them keep a distance, across the cell's borders too.

    Atoms whose occupancies (array ``occupancy`` or ``occupancies``) add up to 1 at most may share
    a place.

    Parameters
    ----------
    atoms : ase.Atoms
    closest_angstrom : float
    within_molecules : bool
        Look at atoms of one molecule (array ``molecule``), too.
    field, remedy : str
        For the message.

    Raises
    ------
    InvalidInputError
        Which atoms, where, and how near.
    """
    first, second, distance = neighbor_list("ijd", atoms, closest_angstrom)
    weight = occupancies(atoms)
    near = (first <= second) & (weight[first] + weight[second] > 1 + 1e-6)
    if not within_molecules and "molecule" in atoms.arrays:
        molecule = atoms.arrays["molecule"]
        near &= (molecule[first] != molecule[second]) | (molecule[first] < 0)
    if not near.any():
        return atoms
    order = np.argsort(distance[near], kind="stable")[:_SHOWN]
    pairs = [
        f"{_named(atoms, i)} and {_named(atoms, j)} are {d:.2f} angstrom apart"
        for i, j, d in zip(
            first[near][order], second[near][order], distance[near][order], strict=True
        )
    ]
    more = int(near.sum()) - len(pairs)
    raise InvalidInputError(
        f"{'; '.join(pairs)}{f' and {more} more pairs' if more else ''}; at least "
        f"{closest_angstrom:g} is needed: {remedy}",
        field=field,
    )


def occupancies(atoms: ase.Atoms) -> NDArray[np.float64]:
    """Return each atom's occupancy; 1 where the structure says nothing."""
    for name in ("occupancy", "occupancies"):
        if name in atoms.arrays:
            return np.asarray(atoms.arrays[name], dtype=np.float64)
    return np.ones(len(atoms))


def _named(atoms: ase.Atoms, index: int) -> str:
    x, y, z = atoms.positions[index]
    return f"{atoms.symbols[index]} {index} ({x:.2f} {y:.2f} {z:.2f})"
