"""Where the reflections of a lattice lie, and which of them share a spacing."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from cryolattice_analyzer.dose.diffraction_lattice import DiffractionLattice


def predict_positions(
    lattice: DiffractionLattice, frame_shape: tuple[int, int], margin_px: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return indices (n, 2) and positions (n, 2; y, x) of all nodes inside the frame but (0, 0)."""
    corners = np.array(list(itertools.product((0, frame_shape[0]), (0, frame_shape[1]))), float)
    reach = np.abs((corners - lattice.origin_px) @ np.linalg.inv(lattice.basis_px)).max(axis=0)
    h, k = (np.arange(-math.ceil(r), math.ceil(r) + 1) for r in reach)
    hk = np.array([(i, j) for i in h for j in k if (i, j) != (0, 0)], dtype=np.int64)
    places = lattice.origin_px + hk @ lattice.basis_px
    limit = np.array(frame_shape) - 1 - margin_px
    inside = ((places >= margin_px) & (places <= limit)).all(axis=1)
    return hk[inside], places[inside]


def symmetrised_metric(
    basis_px: NDArray[np.float64], tolerance: float = 0.02, angle_tolerance_deg: float = 1.2
) -> NDArray[np.float64]:
    """Return the metric tensor of the nearest more symmetric lattice, of the same cell area.

    A camera's ellipticity makes a square lattice slightly oblique; within the tolerance (2 %
    in length, 1.2 degrees) the lattice is taken to be square, hexagonal, rectangular or
    centred rectangular, in this order, so that equivalent reflections share one spacing.

    Parameters
    ----------
    basis_px : ndarray, shape (2, 2)
        Reduced basis.
    """
    metric = np.asarray(basis_px @ basis_px.T)
    aa, bb, ab = metric[0, 0], metric[1, 1], metric[0, 1]
    angle = math.degrees(math.acos(float(np.clip(ab / math.sqrt(aa * bb), -1, 1))))
    equal = abs(math.sqrt(bb / aa) - 1.0) < tolerance
    sign = math.copysign(1.0, ab)
    if equal and abs(angle - 90) < angle_tolerance_deg:
        ideal = np.eye(2)
    elif equal and min(abs(angle - 60), abs(angle - 120)) < angle_tolerance_deg:
        ideal = np.array([[1.0, 0.5 * sign], [0.5 * sign, 1.0]])
    elif abs(angle - 90) < angle_tolerance_deg:
        ideal = np.diag([aa, bb])
    elif equal:
        mean = math.sqrt(aa * bb)
        ideal = np.array([[mean, ab], [ab, mean]])
    elif abs(math.sqrt((aa + bb - 2 * abs(ab)) / bb) - 1.0) < tolerance:
        ideal = np.array([[aa, 0.5 * aa * sign], [0.5 * aa * sign, bb]])
    else:
        return metric
    return np.asarray(ideal * math.sqrt(np.linalg.det(metric) / np.linalg.det(ideal)))


def group_by_spacing(
    hk: NDArray[np.int64],
    metric_px2: NDArray[np.float64],
    pixel_size_per_angstrom: float,
    tolerance: float = 0.002,
) -> list[tuple[float, NDArray[np.int64]]]:
    """Group reflections by their spacing, largest first.

    Parameters
    ----------
    hk : ndarray of int, shape (n, 2)
    metric_px2 : ndarray, shape (2, 2)
        From `symmetrised_metric`.
    pixel_size_per_angstrom : float
    tolerance : float
        Spacings closer than this share share a group.

    Returns
    -------
    list of (d_angstrom, indices into hk)
    """
    g = np.sqrt(np.einsum("ni,ij,nj->n", hk, metric_px2, hk)) * pixel_size_per_angstrom
    order = np.argsort(g, kind="stable")
    breaks = np.flatnonzero(np.diff(np.log(g[order])) > tolerance) + 1
    return [(float(1.0 / g[part].mean()), part) for part in np.split(order, breaks) if part.size]
