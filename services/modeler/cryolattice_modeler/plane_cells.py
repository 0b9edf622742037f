"""The lattice that a crystal shows in projection along one of its axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryolattice_modeler.crystal import ParentCrystal

_SAME = 1e-3


@dataclass(frozen=True)
class ProjectedCell:
    """A plane lattice: lengths in angstrom, angle in degrees."""

    a_angstrom: float
    b_angstrom: float
    gamma_deg: float


def projected_cell(parent: ParentCrystal, axis: int) -> ProjectedCell:
    """Return the primitive cell of the crystal's translations seen along an axis.

    The crystal's own axes are kept where they are primitive in projection; a centring that makes
    the projection repeat within them gives the two shortest translations instead.

    Parameters
    ----------
    parent : ParentCrystal
    axis : int
        0, 1 or 2: the beam along a, b or c.

    Returns
    -------
    ProjectedCell
    """
    beam = parent.cell_angstrom[axis] / np.linalg.norm(parent.cell_angstrom[axis])
    first, second = (axis + 1) % 3, (axis + 2) % 3
    across = [v - (v @ beam) * beam for v in parent.cell_angstrom[[first, second]]]
    pure = np.all(parent.rotations == np.eye(3, dtype=np.int64), axis=(1, 2))
    shifts = parent.translations[pure][:, [first, second]] % 1.0
    inside = np.any(np.minimum(shifts, 1 - shifts) > _SAME, axis=1)
    if not inside.any():
        return _cell(across[0], across[1])
    steps = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), axis=-1).reshape(-1, 2)
    points = (np.vstack([np.zeros(2), shifts[inside]])[:, None] + steps).reshape(-1, 2)
    vectors = points @ np.stack(across)
    lengths = np.linalg.norm(vectors, axis=1)
    # of equally long ones the nearest to the first axis
    turned = -np.round(vectors @ across[0] / np.linalg.norm(across[0]), 6)
    ordered = vectors[np.lexsort((turned, np.round(lengths, 6)))]
    ordered = ordered[np.linalg.norm(ordered, axis=1) > _SAME]
    a = ordered[0]
    b = next(v for v in ordered if _sine(a, v) > _SAME and np.cross(a, v) @ beam > 0)
    return _cell(a, b)


def _sine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(np.cross(a, b)) / np.linalg.norm(a) / np.linalg.norm(b))


def _cell(a: NDArray[np.float64], b: NDArray[np.float64]) -> ProjectedCell:
    lengths = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    cosine = float(np.clip(a @ b / lengths[0] / lengths[1], -1, 1))
    return ProjectedCell(*lengths, float(np.degrees(np.arccos(cosine))))
