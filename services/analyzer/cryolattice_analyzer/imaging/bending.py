"""How far the crystal departs from one straight lattice: its local displacements.

Bending or a drift during the exposure smears the average; the phases of the reflections in tiles of
the field show it (geometric phase analysis).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryolattice_analyzer.imaging.bragg_blocks import bragg_blocks
from cryolattice_analyzer.imaging.lattice import Lattice2D
from cryolattice_analyzer.imaging.lattice_search import half_plane_indices

G_MAX_PER_ANGSTROM = 0.7


@dataclass(frozen=True)
class Bending:
    """How far the crystal departs from one straight lattice.

    Attributes
    ----------
    x_angstrom, y_angstrom : ndarray, shape (t,)
        Centres of the tiles that are mostly crystal.
    displacement_angstrom : ndarray, shape (t, 2)
        Of the lattice in each tile, (x, y).
    rms_angstrom : float
        Root mean square displacement along one axis, with the noise's share taken off; 0 where
        noise explains all of it.
    noise_angstrom : float
        Expected from noise alone.
    """

    x_angstrom: NDArray[np.float64]
    y_angstrom: NDArray[np.float64]
    displacement_angstrom: NDArray[np.float64]
    rms_angstrom: float
    noise_angstrom: float

    def attenuation(self, g_per_angstrom: float) -> float:
        """Factor on a coefficient at |g|: exp(-2 pi^2 g^2 u^2), as for a Debye-Waller factor."""
        return float(np.exp(-2 * (np.pi * g_per_angstrom * self.rms_angstrom) ** 2))


def measure_bending(
    image: NDArray[np.floating],
    pixel_size_angstrom: float,
    lattice: Lattice2D,
    mask: NDArray[np.bool_],
    *,
    tiles: int = 8,
) -> Bending:
    """Displacement of the lattice in tiles of the field, from the phases of its reflections.

    Geometric phase analysis with all parent reflections: in a tile the phase of g is that of the
    mean crystal less 2 pi g.u (Hytch, Snoeck and Kilaas 1998, eq. 7), solved for u by least
    squares.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
    pixel_size_angstrom : float
    lattice : Lattice2D
    mask : ndarray of bool, shape (ny, nx)
    tiles : int
        Along the shorter side of the image.

    Returns
    -------
    Bending
    """
    g_max = min(G_MAX_PER_ANGSTROM, 0.48 / pixel_size_angstrom)
    hk = half_plane_indices(lattice.reciprocal, g_max)
    g = hk @ lattice.reciprocal
    block_px = min(image.shape) // tiles
    weights = mask.astype(np.float64)
    values = (image - np.average(image, weights=weights)) * weights
    blocks = bragg_blocks(values, pixel_size_angstrom, g, block_px)
    filled = (
        bragg_blocks(weights, pixel_size_angstrom, np.zeros((1, 2)), block_px).amplitudes[0].real
    )
    keep = filled > 0.5 * block_px**2
    if np.count_nonzero(keep) < 4:
        empty = np.zeros(0)
        return Bending(empty, empty, np.zeros((0, 2)), 0.0, 0.0)
    local = blocks.amplitudes[:, keep] / filled[keep]
    mean = local.mean(axis=1)
    noise = (np.abs(local - mean[:, None]) ** 2).mean(axis=1)
    strong = np.abs(mean) ** 2 > 4 * noise / local.shape[1]
    phase = np.angle(local[strong] * mean[strong, None].conj())
    inverse_variance = 2 * np.abs(mean[strong]) ** 2 / noise[strong]
    slopes = -2 * np.pi * g[strong]
    normal = (slopes * inverse_variance[:, None]).T @ slopes
    if np.count_nonzero(strong) < 2 or np.linalg.cond(normal) > 1e8:
        return Bending(
            *_centres(blocks.x_angstrom, blocks.y_angstrom, keep),
            np.zeros((keep.sum(), 2)),
            0.0,
            0.0,
        )
    shift = np.linalg.solve(normal, (slopes * inverse_variance[:, None]).T @ phase).T
    left = phase - slopes @ shift.T
    # The scatter that no displacement explains tells what noise does to the displacements.
    freedom = max(left.size - shift.size, 1)
    excess = float((inverse_variance[:, None] * left**2).sum() / freedom)
    expected = float(excess * np.trace(np.linalg.inv(normal)) / 2)
    seen = float((shift**2).mean())
    return Bending(
        *_centres(blocks.x_angstrom, blocks.y_angstrom, keep),
        displacement_angstrom=shift,
        rms_angstrom=float(np.sqrt(max(seen - expected, 0.0))) if seen > 1.5 * expected else 0.0,
        noise_angstrom=float(np.sqrt(expected)),
    )


def _centres(
    x: NDArray[np.float64], y: NDArray[np.float64], keep: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    xx, yy = np.meshgrid(x, y)
    return xx[keep], yy[keep]
