"""How large a supercell may be: three repeats, or a matrix of its axes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import (
    InvalidInputError,
    LimitExceededError,
)
from cryolattice_modeler.sublattices import IntMatrix

MAX_CELLS = 512
SupercellSize = Sequence[int] | Sequence[Sequence[int]] | NDArray[np.int64]
"""Three repeats along the parent's axes, or a matrix whose rows are the supercell's axes."""


def validate_supercell(supercell: SupercellSize) -> tuple[int, int, int]:
    """Return the supercell as three positive integers, or say what is wrong with it.

    Raises
    ------
    InvalidInputError
        If it is not three whole numbers of at least 1.
    LimitExceededError
        If it holds more than `MAX_CELLS` parent cells.
    """
    sizes = list(supercell)
    shown = " ".join(str(size) for size in sizes)
    if len(sizes) != 3 or not all(map(_is_whole, sizes)) or any(n < 1 for n in sizes):
        raise InvalidInputError(
            f"supercell is {shown or 'empty'}, but it takes three whole numbers of parent cells, "
            "each at least 1, such as 2 2 1",
            field="supercell",
        )
    _check_cell_count(math.prod(sizes), shown)
    return int(sizes[0]), int(sizes[1]), int(sizes[2])


def validate_matrix(matrix: SupercellSize) -> IntMatrix:
    """Return a supercell's axes as a matrix of integers, or say what is wrong with it.

    Parameters
    ----------
    matrix : (3, 3) int
        Rows are the supercell's axes in units of the parent's.

    Returns
    -------
    (3, 3) int array

    Raises
    ------
    InvalidInputError
        If it is not three rows of three whole numbers, or its determinant is not above 0.
    LimitExceededError
        If it holds more than `MAX_CELLS` parent cells.
    """
    rows = [list(row) if isinstance(row, Sequence | np.ndarray) else [row] for row in matrix]
    shown = "  ".join(" ".join(map(str, row)) for row in rows)
    if [len(row) for row in rows] != [3, 3, 3] or not all(map(_is_whole, itertools.chain(*rows))):
        raise InvalidInputError(
            f"supercell is {shown or 'empty'}, but a matrix takes nine whole numbers: the three "
            "axes of the supercell in units of the parent's, such as 1 1 0  -1 1 0  0 0 2",
            field="supercell",
        )
    largest = max(abs(int(x)) for row in rows for x in row)
    if largest > MAX_CELLS:
        raise LimitExceededError(
            f"supercell {shown} has an entry of {largest}, above the limit of {MAX_CELLS}",
            field="supercell",
        )
    (a, b, c), (d, e, f), (g, h, i) = rows
    size = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    if size <= 0:
        remedy = (
            "its axes lie in a plane: take others"
            if size == 0
            else "its axes are left-handed: exchange two of them"
        )
        raise InvalidInputError(
            f"supercell {shown} has a determinant of {size}, but it must be above 0: {remedy}",
            field="supercell",
        )
    _check_cell_count(size, shown)
    return np.array(rows, dtype=np.int64)


def _is_whole(number: object) -> bool:
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


def _check_cell_count(cells: int, shown: str) -> None:
    if cells > MAX_CELLS:
        raise LimitExceededError(
            f"supercell {shown} holds {cells} parent cells, above the limit of "
            f"{MAX_CELLS}: take a smaller one",
            field="supercell",
        )
