"""A crystal that is strained as a whole."""

from __future__ import annotations

from collections.abc import Sequence

import ase
import numpy as np
from numpy.typing import ArrayLike

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.transforms.provenance import with_record

_GREATEST = 0.2


def strained(atoms: ase.Atoms, strain: ArrayLike) -> ase.Atoms:
    """Stretch a structure, cell and positions: r' = (1 + strain) r.

    Parameters
    ----------
    atoms : ase.Atoms
    strain : (3, 3) array_like
        Symmetric, along x, y, z; 0.01 is 1 %. Shear components are half the change of the angle.

    Returns
    -------
    ase.Atoms

    Raises
    ------
    InvalidInputError
        If it is not symmetric, or a component is above 0.2.
    """
    tensor = np.asarray(strain, dtype=np.float64)
    if (
        tensor.shape != (3, 3)
        or not np.isfinite(tensor).all()
        or not np.allclose(tensor, tensor.T, atol=1e-12)
        or np.abs(tensor).max() > _GREATEST
    ):
        raise InvalidInputError(
            f"strain is {tensor.tolist()}: give a symmetric 3 x 3 matrix with components of at "
            f"most {_GREATEST:g}; a turn is no strain",
            field="strain",
        )
    result = atoms.copy()
    result.set_cell(np.asarray(atoms.cell) @ (np.eye(3) + tensor), scale_atoms=False)
    result.positions = atoms.positions @ (np.eye(3) + tensor)
    return with_record(result, "strained", strain=tensor.tolist())


def strained_to(atoms: ase.Atoms, lengths_angstrom: Sequence[float]) -> ase.Atoms:
    """Stretch a structure along the axes of its rectangular cell, to new lengths.

    Parameters
    ----------
    atoms : ase.Atoms
    lengths_angstrom : (float, float, float)
        Of a, b and c.

    Returns
    -------
    ase.Atoms

    Raises
    ------
    InvalidInputError
        If the cell is not rectangular along x, y and z, or an axis changes by more than a fifth.
    """
    cell = np.asarray(atoms.cell)
    lengths = np.asarray(lengths_angstrom, dtype=np.float64)
    if lengths.shape != (3,) or not np.all(np.isfinite(lengths) & (lengths > 0)):
        raise InvalidInputError(
            f"lengths_angstrom is {lengths.tolist()}: give three lengths above 0, in angstrom",
            field="lengths_angstrom",
        )
    if np.abs(cell - np.diag(np.diag(cell))).max() > 1e-3:
        raise InvalidInputError(
            "the cell is not rectangular, so its lengths do not say its strain: give the "
            "components xx, yy, zz, yz, xz and xy",
            field="lengths_angstrom",
        )
    return strained(atoms, np.diag(lengths / np.diag(cell) - 1))
