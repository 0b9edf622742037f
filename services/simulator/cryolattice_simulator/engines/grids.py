"""Grids of the wave: their frequencies, band limit and propagator."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cryolattice_simulator.beams import wavelength_angstrom
from cryolattice_simulator.orders import plane_vectors
from cryolattice_simulator.slicing import BAND_LIMIT_SHARE, TAPER_SHARE


class Grid(NamedTuple):
    """Points along a and b, and the rows a, b of the cell in angstrom: a key for what is reused."""

    gpts: tuple[int, int]
    a_angstrom: tuple[float, float]
    b_angstrom: tuple[float, float]

    @classmethod
    def of(cls, gpts: tuple[int, int], cell_angstrom: NDArray[np.float64]) -> Grid:
        """Return the grid of a cell."""
        (ax, ay), (bx, by) = cell_angstrom[:2, :2].tolist()
        return cls(gpts, (ax, ay), (bx, by))

    @property
    def area_angstrom2(self) -> float:
        """Area of the cell."""
        (ax, ay), (bx, by) = self.a_angstrom, self.b_angstrom
        return abs(ax * by - ay * bx)

    @property
    def limit_per_angstrom(self) -> float:
        """Band limit: two thirds of the grid's frequency along the coarser axis.

        In an oblique cell |h| = |g . a| is at most |g| |a|, so that products of two waves with this
        limit do not fold back into it.
        """
        edges = np.linalg.norm([self.a_angstrom, self.b_angstrom], axis=1)
        return float(BAND_LIMIT_SHARE / 2 / (edges / self.gpts).max())

    @property
    def greatest_orders(self) -> tuple[int, int]:
        """Greatest orders along a and b within the band limit."""
        h, k = np.linalg.norm([self.a_angstrom, self.b_angstrom], axis=1) * self.limit_per_angstrom
        return int(h + 1e-9), int(k + 1e-9)


@lru_cache(maxsize=16)
def frequencies(grid: Grid) -> NDArray[np.float64]:
    """Reciprocal vectors in the order of the FFT, shape (nx, ny, 2), in 1/angstrom."""
    h, k = (np.rint(np.fft.fftfreq(n) * n).astype(np.int64) for n in grid.gpts)
    return plane_vectors(h[:, None], k[None, :], np.array([grid.a_angstrom, grid.b_angstrom]))


@lru_cache(maxsize=16)
def aperture(grid: Grid) -> NDArray[np.float64]:
    """Band limit with abTEM's cosine edge, shape (nx, ny): 1 inside, 0 outside."""
    limit = grid.limit_per_angstrom
    width = limit * TAPER_SHARE * 2 / BAND_LIMIT_SHARE
    g = np.linalg.norm(frequencies(grid), axis=-1)
    edge = 0.5 * (1 + np.cos(np.pi * np.clip((g - limit + width) / width, 0, 1)))
    return np.asarray(np.where(g > limit, 0.0, edge))


@lru_cache(maxsize=16)
def propagator(
    grid: Grid, slice_angstrom: float, energy_kev: float, tilt_mrad: tuple[float, float]
) -> NDArray[np.complex128]:
    """Fresnel propagator over a slice, exp(-i pi lambda dz g^2 - 2 pi i dz g . tan(tilt)).

    Returns
    -------
    ndarray of complex, shape (nx, ny)
        0 beyond the band limit.
    """
    g = frequencies(grid)
    phase = -np.pi * wavelength_angstrom(energy_kev) * slice_angstrom * (g**2).sum(axis=-1)
    phase -= 2 * np.pi * slice_angstrom * (g @ np.tan(np.asarray(tilt_mrad) / 1e3))
    return np.asarray(aperture(grid) * np.exp(1j * phase))
