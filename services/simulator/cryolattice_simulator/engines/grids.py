"""Grids of the wave: their frequencies, band limit and propagator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from cryolattice_simulator.beams import wavelength_angstrom
from cryolattice_simulator.engines.settings import Plan
from cryolattice_simulator.orders import plane_vectors
from cryolattice_simulator.slicing import BAND_LIMIT_SHARE, TAPER_SHARE


def frequencies(gpts: tuple[int, int], cell_angstrom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Reciprocal vectors of a grid in the order of the FFT, shape (nx, ny, 2), in 1/angstrom."""
    h, k = (np.rint(fft.fftfreq(n) * n).astype(np.int64) for n in gpts)
    return plane_vectors(h[:, None], k[None, :], cell_angstrom)


def aperture(gpts: tuple[int, int], cell_angstrom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Band limit of two thirds of the grid's frequency, with abTEM's cosine edge.

    The same circle for all directions: its radius is set by the coarser axis. In an oblique cell
    |h| = |g . a| is at most |g| |a|, so that products of two such waves do not fold back into it.

    Returns
    -------
    ndarray, shape (nx, ny)
        1 inside, 0 outside.
    """
    coarsest = float((np.linalg.norm(cell_angstrom[:2], axis=1) / gpts).max())
    limit, width = BAND_LIMIT_SHARE / 2 / coarsest, TAPER_SHARE / coarsest
    g = np.linalg.norm(frequencies(gpts, cell_angstrom), axis=-1)
    edge = 0.5 * (1 + np.cos(np.pi * np.clip((g - limit + width) / width, 0, 1)))
    return np.asarray(np.where(g > limit, 0.0, edge))


def propagator(plan: Plan) -> NDArray[np.complex128]:
    """Fresnel propagator over one slice, exp(-i pi lambda dz g^2 - 2 pi i dz g . tan(tilt)).

    Returns
    -------
    ndarray of complex, shape (nx, ny)
        0 beyond the band limit.
    """
    g = frequencies(plan.gpts, plan.cell_angstrom)
    dz = plan.slice_angstrom
    shift = np.tan(np.asarray(plan.settings.beam_tilt_mrad) / 1e3)
    wavelength = wavelength_angstrom(plan.settings.energy_kev)
    phase = -np.pi * wavelength * dz * (g**2).sum(axis=-1) - 2 * np.pi * dz * (g @ shift)
    return np.asarray(aperture(plan.gpts, plan.cell_angstrom) * np.exp(1j * phase))
