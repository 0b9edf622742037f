"""spglib behind one call."""

from __future__ import annotations

import warnings
from functools import cache

import gemmi
import numpy as np
import spglib
from numpy.typing import NDArray

SYMMETRY_TOLERANCE_ANGSTROM = 0.01


def find_symmetry(
    cell_angstrom: NDArray[np.float64],
    fractional: NDArray[np.float64],
    kinds: NDArray[np.int64],
    *,
    hall_number: int = 0,
) -> spglib.SpglibDataset | None:
    """Find the space group of a structure within 0.01 angstrom.

    Parameters
    ----------
    cell_angstrom : (3, 3) array
        Rows a, b, c.
    fractional : (n, 3) array
    kinds : (n,) int array
        Atoms with the same number may be exchanged.
    hall_number : int
        Setting of the conventional cell; spglib's own choice unless given.

    Returns
    -------
    spglib.SpglibDataset or None
        None where spglib gives up, as on overlapping atoms.
    """
    cell = (cell_angstrom.tolist(), fractional.tolist(), kinds.tolist())
    with warnings.catch_warnings():
        # Between two ways of reporting failure spglib warns at every call; both are handled here.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return spglib.get_symmetry_dataset(
                cell, symprec=SYMMETRY_TOLERANCE_ANGSTROM, hall_number=hall_number
            )
        except spglib.SpglibError:
            return None


def reduced_axes(axes_angstrom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shortest axes (3, 3) of a lattice, in Niggli's sense; rows, in angstrom."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        reduced: NDArray[np.float64] | None = spglib.niggli_reduce(axes_angstrom)
    return axes_angstrom if reduced is None else reduced


def second_origin(hall_number: int) -> int:
    """Return the setting with the origin on an inversion centre, where a group has two."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        found = spglib.get_spacegroup_type(hall_number)
        if found is None or found.choice != "1":
            return hall_number
        other = spglib.get_spacegroup_type(hall_number + 1)
    same = other is not None and (other.number, other.choice) == (found.number, "2")
    return hall_number + 1 if same else hall_number


@cache
def full_symbols() -> dict[str, str]:
    """Return the Hall symbol for each full Hermann-Mauguin symbol, without its blanks."""
    found: dict[str, str] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for hall_number in range(1, 531):
            kind = spglib.get_spacegroup_type(hall_number)
            if kind is not None:
                name = kind.international_full.replace(" ", "").replace("_", "")
                found.setdefault(name, kind.hall_symbol)
    return found


def standard_operations(hall_number: int) -> list[gemmi.Op]:
    """Return the operations of a space group in one of spglib's 530 settings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        database = spglib.get_symmetry_from_database(hall_number)
    if database is None:
        raise AssertionError(f"spglib knows no Hall number {hall_number}")
    operations = []
    for rotation, translation in zip(database["rotations"], database["translations"], strict=True):
        operation = gemmi.Op("x,y,z")
        operation.rot = (np.asarray(rotation) * gemmi.Op.DEN).tolist()
        operation.tran = np.rint(np.asarray(translation) * gemmi.Op.DEN).astype(int).tolist()
        operations.append(operation)
    return operations
