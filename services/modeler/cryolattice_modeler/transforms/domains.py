"""Two domains of one ordering, side by side: shifted against each other, or twinned."""

from __future__ import annotations

from collections.abc import Sequence

import ase
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.transforms.overlaps import require_apart
from cryolattice_modeler.transforms.provenance import with_record
from cryolattice_modeler.transforms.repeats import repeated

_SAME = 1e-3


def antiphase_domains(
    atoms: ase.Atoms, shift: Sequence[float], *, axis: int = 0, widths: tuple[int, int] = (2, 2)
) -> ase.Atoms:
    """Join an ordering with itself, shifted: an antiphase boundary across an axis.

    Parameters
    ----------
    atoms : ase.Atoms
        One period of the ordering.
    shift : (float, float, float)
        Of the second domain, in fractions of this cell, such as (0.5, 0, 0): a translation of the
        parent that the ordering has lost.
    axis : int
        0, 1 or 2: the domains follow one another along a, b or c. By periodicity there is a
        boundary at either end.
    widths : (int, int)
        Periods of the two domains.

    Returns
    -------
    ase.Atoms

    Raises
    ------
    InvalidInputError
        If an argument is not as described, or atoms overlap where the domains meet.
    """
    moved = np.asarray(shift, dtype=np.float64)
    if moved.shape != (3,) or not np.isfinite(moved).all():
        raise InvalidInputError(f"shift is {shift}: give three fractions", field="shift")
    inside = atoms.get_scaled_positions(wrap=False)
    joined = _joined(atoms, inside + moved, axis, widths)
    return with_record(
        joined, "antiphase_domains", shift=moved.tolist(), axis=axis, widths=list(widths)
    )


def twin(
    atoms: ase.Atoms, operation: ArrayLike, *, axis: int = 0, widths: tuple[int, int] = (2, 2)
) -> ase.Atoms:
    """Join an ordering with its image under an operation of the parent: a twin.

    Parameters
    ----------
    atoms : ase.Atoms
        One period of the ordering.
    operation : (3, 3) int array_like
        x' = W x in fractions of this cell, such as [[-1, 0, 0], [0, 1, 0], [0, 0, 1]] for a mirror
        across a; it must keep the cell's shape.
    axis, widths
        As `antiphase_domains`.

    Returns
    -------
    ase.Atoms

    Raises
    ------
    InvalidInputError
        If the operation does not keep the cell, or atoms overlap where the domains meet.
    """
    matrix = np.asarray(operation, dtype=np.float64)
    cell = np.asarray(atoms.cell)
    metric = cell @ cell.T
    if matrix.shape != (3, 3) or (
        np.abs(matrix.T @ metric @ matrix - metric).max() > _SAME * np.abs(metric).max()
        or not np.array_equal(matrix, np.rint(matrix))
    ):
        raise InvalidInputError(
            f"operation is {matrix.tolist()}: give a 3 x 3 matrix of whole numbers that keeps the "
            "lengths and angles of the cell",
            field="operation",
        )
    joined = _joined(atoms, atoms.get_scaled_positions(wrap=False) @ matrix.T, axis, widths)
    return with_record(joined, "twin", operation=matrix.tolist(), axis=axis, widths=list(widths))


def _joined(
    atoms: ase.Atoms, second: NDArray[np.float64], axis: int, widths: tuple[int, int]
) -> ase.Atoms:
    if axis not in (0, 1, 2):
        raise InvalidInputError(f"axis is {axis}: 0, 1 and 2 are a, b and c", field="axis")
    if len(widths) != 2 or min(widths) < 1:
        raise InvalidInputError(
            f"widths are {list(widths)}: give two whole numbers of at least 1", field="widths"
        )
    domains = []
    for fractional, width in zip((atoms.get_scaled_positions(), second), widths, strict=True):
        domain = atoms.copy()
        # 0.99999 is the 0 of the same plane
        domain.set_scaled_positions(fractional - np.floor(fractional + 1e-6))
        sizes = [width if i == axis else 1 for i in range(3)]
        domains.append(repeated(domain, (sizes[0], sizes[1], sizes[2])))
    left, right = domains
    if "molecule" in left.arrays:
        numbers = right.arrays["molecule"]
        more = int(left.arrays["molecule"].max()) + 1
        right.arrays["molecule"] = np.where(numbers >= 0, numbers + more, -1)
    right.positions += widths[0] * np.asarray(atoms.cell)[axis]
    joined = left + right
    cell = np.asarray(atoms.cell).copy()
    cell[axis] *= sum(widths)
    joined.set_cell(cell)
    joined.info = dict(atoms.info)
    return require_apart(joined, field="widths", remedy="join the domains elsewhere")
