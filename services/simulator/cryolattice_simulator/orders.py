"""Orders of the beams of a plane lattice, and where they lie."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def plane_vectors(
    h: NDArray[np.int64], k: NDArray[np.int64], cell_angstrom: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Reciprocal vectors h a* + k b* of a cell with c along the beam.

    Parameters
    ----------
    h, k : ndarray of int
        Orders, of one shape or of shapes that broadcast.
    cell_angstrom : ndarray, shape (3, 3) or (2, 2)

    Returns
    -------
    ndarray, shape (..., 2)
        Along x and y, in 1/angstrom.
    """
    a_star, b_star = np.linalg.inv(np.asarray(cell_angstrom)[:2, :2]).T
    return np.asarray(np.asarray(h)[..., None] * a_star + np.asarray(k)[..., None] * b_star)


def beam_orders(
    cell_angstrom: NDArray[np.float64], k_max_per_angstrom: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """List the beams up to k_max: by spatial frequency, then h, then k.

    Parameters
    ----------
    cell_angstrom : ndarray, shape (3, 3)
        Rows a, b in the plane, c along the beam.
    k_max_per_angstrom : float
        Band limit.

    Returns
    -------
    h, k : ndarray of int, shape (nb,)
        Orders.
    """
    (ax, ay), (bx, by) = np.asarray(cell_angstrom, dtype=np.float64)[:2, :2].tolist()
    return _beam_orders(ax, ay, bx, by, float(k_max_per_angstrom))


@lru_cache(maxsize=64)
def _beam_orders(
    ax: float, ay: float, bx: float, by: float, k_max_per_angstrom: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    cell = np.array([[ax, ay], [bx, by]])
    # |h| = |g . a| is at most |g| |a|
    h_most, k_most = (
        int(k_max_per_angstrom * edge + 1e-9) for edge in np.linalg.norm(cell, axis=1)
    )
    table = np.meshgrid(
        np.arange(-h_most, h_most + 1), np.arange(-k_most, k_most + 1), indexing="ij"
    )
    h, k = (orders.ravel().astype(np.int64) for orders in table)
    g = np.round(np.linalg.norm(plane_vectors(h, k, cell), axis=1), 12)
    order = np.lexsort((k, h, g))
    order = order[g[order] <= k_max_per_angstrom * (1 + 1e-9)]
    h, k = h[order], k[order]
    # shared by all who ask
    h.flags.writeable = k.flags.writeable = False
    return h, k
