"""A crystal that is tilted a little out of the beam."""

from __future__ import annotations

import ase
import numpy as np
from scipy.spatial.transform import Rotation

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.transforms.provenance import with_record

GREATEST_TILT_DEG = 5.0


def tilted(atoms: ase.Atoms, *, about_x_deg: float = 0.0, about_y_deg: float = 0.0) -> ase.Atoms:
    """Tilt a structure against the beam, which is along z.

    A structure that repeats along z is sheared, each plane across the beam moved as it is, so that
    it still repeats in the plane: right to first order in the angle. A finite one turns, about x
    and then about y, and its box with it grows so that the margins stay.

    Parameters
    ----------
    atoms : ase.Atoms
    about_x_deg, about_y_deg : float
        By the right-hand rule: about x what is high in z moves to -y, about y to +x.

    Returns
    -------
    ase.Atoms

    Raises
    ------
    InvalidInputError
        If an angle is above 5 degrees.
    """
    for name, angle in (("about_x_deg", about_x_deg), ("about_y_deg", about_y_deg)):
        if not abs(angle) <= GREATEST_TILT_DEG:
            raise InvalidInputError(
                f"{name} is {angle:g}: give a small tilt of at most {GREATEST_TILT_DEG:g} degrees; "
                "for a larger one choose another zone axis",
                field=name,
            )
    result = atoms.copy()
    if atoms.pbc[2]:
        shift = np.array([np.tan(np.radians(about_y_deg)), -np.tan(np.radians(about_x_deg)), 0.0])
        cell = np.asarray(atoms.cell)
        result.set_cell(cell + cell[:, 2:] * shift, scale_atoms=False)
        result.positions = atoms.positions + atoms.positions[:, 2:] * shift
    else:
        turn = Rotation.from_euler("xy", [about_x_deg, about_y_deg], degrees=True)
        low, high = atoms.positions.min(axis=0), atoms.positions.max(axis=0)
        turned = turn.apply(atoms.positions)
        result.positions = turned - turned.min(axis=0) + low
        far = np.diag(np.asarray(atoms.cell)) - high
        result.set_cell(np.diag(result.positions.max(axis=0) + np.maximum(far, 0.0)))
    return with_record(result, "tilted", about_x_deg=about_x_deg, about_y_deg=about_y_deg)
