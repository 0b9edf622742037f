"""Orthogonal cells: what a multislice calculation on a rectangular grid needs.

A lattice has an orthogonal cell with the beam along its third axis where two of its translations
stand at right angles to each other and to the beam. The smallest such cell is chosen.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase.geometry import minkowski_reduce
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.directions import Direction, low_index_directions, validate_direction
from cryolattice_modeler.sublattices import in_cell, in_primitive_cell, primitive_axes

MAX_PRIMITIVE_CELLS = 256
"""An orthogonal cell holds no more primitive cells than this."""

PERPENDICULAR = 1e-3
"""Greatest cosine of a right angle, 0.06 degrees: the shear that is taken out."""

_REACH = 7
_SAME = 1e-6


@dataclass(frozen=True, eq=False)
class OrthogonalCrystal:
    """A crystal in an orthogonal cell, the beam along c.

    Attributes
    ----------
    parent : ParentCrystal
        In that cell.
    direction : tuple of int
        The beam's, in the axes of the crystal as it was given.
    axes : (3, 3) array
        Rows: the cell's axes in units of those of the crystal as it was given.
    shear : float
        Greatest cosine of its angles before they were made right.
    """

    parent: ParentCrystal
    direction: Direction
    axes: NDArray[np.float64]
    shear: float


def in_orthogonal_cell(parent: ParentCrystal, direction: Sequence[int]) -> OrthogonalCrystal:
    """Write a crystal in the smallest orthogonal cell whose third axis is a direction.

    The crystal's own cell is kept, its axes exchanged where necessary, if it is orthogonal and the
    direction is one of its axes.

    Parameters
    ----------
    parent : ParentCrystal
    direction : (int, int, int)
        Of the beam, in the crystal's axes.

    Returns
    -------
    OrthogonalCrystal

    Raises
    ------
    InvalidInputError
        There is no such cell of at most `MAX_PRIMITIVE_CELLS`.
    """
    beam = validate_direction(direction)
    axes = _axes(parent, beam)
    if axes is None:
        raise _no_cell(parent, beam)
    basis = primitive_axes(parent)
    primitive = in_primitive_cell(parent)
    if primitive is parent:
        basis = np.eye(3)
    steps = np.rint(axes @ np.linalg.inv(basis)).astype(np.int64)
    found = in_cell(primitive, steps)
    edges = axes @ parent.cell_angstrom
    lengths = np.linalg.norm(edges, axis=1)
    cosines = (edges @ edges.T) / np.outer(lengths, lengths)
    return OrthogonalCrystal(
        dataclasses.replace(found, cell_angstrom=np.diag(lengths)),
        beam,
        axes,
        float(np.abs(cosines - np.eye(3)).max()),
    )


def _axes(parent: ParentCrystal, beam: Direction) -> NDArray[np.float64] | None:
    """Return the axes of the orthogonal cell as rows in units of the crystal's; None without."""
    unit = parent.cell_angstrom / np.linalg.norm(parent.cell_angstrom, axis=1)[:, None]
    own = np.abs(unit @ unit.T - np.eye(3)).max() < PERPENDICULAR
    if own and sum(map(abs, beam)) == 1:
        third = int(np.argmax(np.abs(beam)))
        return np.eye(3)[[(third + 1) % 3, (third + 2) % 3, third]]
    basis = primitive_axes(parent)
    _, turned = minkowski_reduce(basis @ parent.cell_angstrom)
    basis = turned @ basis
    steps = np.array(list(itertools.product(range(-_REACH, _REACH + 1), repeat=3))) @ basis
    vectors = steps @ parent.cell_angstrom
    lengths = np.linalg.norm(vectors, axis=1)
    along = np.array(beam) @ parent.cell_angstrom
    along = along / np.linalg.norm(along)
    real = lengths > _SAME
    cosine = (vectors @ along) / np.where(real, lengths, 1.0)
    period = steps[real & (cosine > 1 - _SAME)]
    across = np.flatnonzero(real & (np.abs(cosine) < PERPENDICULAR))
    if not len(period) or not len(across):
        return None
    c = min(period, key=lambda step: float(np.linalg.norm(step @ parent.cell_angstrom)))
    # shortest first, of equally long ones the one along the earlier axis
    across = across[np.lexsort((*-steps[across].T[::-1], np.round(lengths[across], 6)))]
    pair = _right_pair(vectors[across], along)
    if pair is None:
        return None
    axes = np.array([*steps[across[list(pair)]], c])
    volume = abs(np.linalg.det(axes)) / abs(np.linalg.det(basis))
    return axes if round(float(volume)) <= MAX_PRIMITIVE_CELLS else None


def _right_pair(vectors: NDArray[np.float64], along: NDArray[np.float64]) -> tuple[int, int] | None:
    """Return two vectors at right angles of the smallest area, right-handed with the beam."""
    lengths = np.linalg.norm(vectors, axis=1)
    areas = np.outer(lengths, lengths)
    right = np.abs(vectors @ vectors.T) < PERPENDICULAR * areas
    handed = np.cross(vectors[:, None], vectors[None]) @ along > 0
    usable = np.where(right & handed, np.round(areas, 6), np.inf)
    if not np.isfinite(usable).any():
        return None
    first, second = np.unravel_index(int(np.argmin(usable)), usable.shape)
    return int(first), int(second)


def _no_cell(parent: ParentCrystal, beam: Direction) -> InvalidInputError:
    shown = " ".join(map(str, beam))
    others = [d for d in low_index_directions(parent) if _axes(parent, d) is not None]
    listed = ", ".join(f"[{' '.join(map(str, d))}]" for d in others)
    remedy = (
        f"along {listed} there is one"
        if others
        else "nor is there one along any direction with indices of at most 1: give the crystal in "
        "a larger, orthogonal cell"
    )
    return InvalidInputError(
        f"{parent.name} has no orthogonal cell of up to {MAX_PRIMITIVE_CELLS} primitive cells with "
        f"its direction [{shown}] along the beam, which the simulation needs: {remedy}",
        field="zone_axis",
    )
