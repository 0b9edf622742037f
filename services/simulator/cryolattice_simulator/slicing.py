"""Grid and slices of a multislice calculation, chosen so that atoms sit well on both."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from cryolattice.errors import InvalidInputError
from cryolattice_simulator.beams import Structure, require_positive

# Share of the grid's Nyquist frequency that the band limit leaves (Kirkland, Advanced Computing in
# Electron Microscopy, section 6.8).
BAND_LIMIT_SHARE = 2 / 3
# Width of its soft edge, in units of 1 / sampling: abTEM's.
TAPER_SHARE = 0.01
# How much larger than necessary a grid may be in order to put atoms on its points.
GRID_SLACK = 1.25


def grid_points(
    length_angstrom: float,
    coordinates_angstrom: NDArray[np.float64],
    weights: NDArray[np.float64],
    sampling_angstrom: float,
) -> int:
    """Choose the number of grid points along one edge of the cell.

    abTEM spreads an atom between two points over both, which blurs it as a Debye-Waller factor of
    8 pi^2 s^2 x (1 - x) would, with s the sampling and x the atom's fraction of a step: 0.2 A^2 at
    0.1 A. So among even lengths that the FFT does fast and that are up to a quarter larger than
    necessary, the smallest is taken that no other betters by half in mean blur.

    Parameters
    ----------
    length_angstrom : float
        Edge of the cell.
    coordinates_angstrom : ndarray, shape (n,)
        Atoms along this edge.
    weights : ndarray, shape (n,)
        How much each atom scatters.
    sampling_angstrom : float
        Greatest distance between points.

    Returns
    -------
    int
        Number of points.
    """
    least = max(math.ceil(length_angstrom / sampling_angstrom - 1e-9), 8)
    fractions = np.asarray(coordinates_angstrom, dtype=np.float64) / length_angstrom
    best, best_blur = 0, math.inf
    for n in range(least, math.ceil(least * GRID_SLACK) + 2):
        if n % 2 or fft.next_fast_len(n) != n:
            continue
        rest = fractions * n - np.floor(fractions * n)
        blur = float(np.average(rest * (1 - rest), weights=weights)) / n**2
        if best == 0 or blur < best_blur / 2 - 1e-12:
            best, best_blur = n, blur
    return best or int(fft.next_fast_len(least))


def choose_grid(structure: Structure, sampling_angstrom: float) -> tuple[int, int]:
    """Choose the grid of the wave, (points along x, points along y).

    Atoms count by the square of their weighted atomic number.
    """
    sampling = require_positive(sampling_angstrom, field="sampling_angstrom", unit="angstrom")
    lengths = structure.lengths_angstrom
    weights = (structure.occupancies * structure.numbers) ** 2
    nx, ny = (
        grid_points(float(lengths[axis]), structure.positions_angstrom[:, axis], weights, sampling)
        for axis in (0, 1)
    )
    return nx, ny


def require_band_limit(
    gpts: tuple[int, int], lengths_angstrom: NDArray[np.float64], k_max_per_angstrom: float
) -> float:
    """Check that the band limit of a grid holds every beam that is asked for.

    Returns
    -------
    float
        ``k_max_per_angstrom``.

    Raises
    ------
    InvalidInputError
        If ``k_max_per_angstrom`` is not positive or lies beyond the band limit.
    """
    k_max = require_positive(k_max_per_angstrom, field="k_max_per_angstrom", unit="1/angstrom")
    coarsest = max(float(lengths_angstrom[i]) / gpts[i] for i in (0, 1))
    # Beams must stay out of the soft edge.
    limit = (BAND_LIMIT_SHARE / 2 - TAPER_SHARE) / coarsest
    if k_max > limit:
        raise InvalidInputError(
            f"k_max_per_angstrom is {k_max:g} 1/angstrom, beyond the {limit:.4g} 1/angstrom that a "
            f"grid of {gpts[0]} x {gpts[1]} points ({coarsest:.4g} angstrom apart) holds: choose a "
            f"sampling below {limit * coarsest / k_max:.4g} angstrom or a smaller k_max",
            field="k_max_per_angstrom",
        )
    return k_max


def slice_count(period_angstrom: float, slice_thickness_angstrom: float) -> int:
    """Count the equal slices of a period, none thicker than asked."""
    thickness = require_positive(
        slice_thickness_angstrom, field="slice_thickness_angstrom", unit="angstrom"
    )
    return max(math.ceil(period_angstrom / thickness - 1e-6), 1)


def mid_slice_shift(
    z_angstrom: NDArray[np.float64], numbers: NDArray[np.int64], slice_angstrom: float
) -> float:
    """Shift along the beam that keeps atoms away from the borders between slices.

    An atom on a border falls to one side or the other by rounding, which moves the exit wave by
    9e-2. The border is put into the middle of the widest gap between the atoms' heights modulo the
    slice; hydrogens count only where there is nothing else.

    Parameters
    ----------
    z_angstrom : ndarray, shape (n,)
        Heights.
    numbers : ndarray of int, shape (n,)
        Atomic numbers.
    slice_angstrom : float
        Thickness of a slice.

    Returns
    -------
    float
        Shift to add, at least 0 and less than one slice.
    """
    heavy = numbers > 1
    heights = np.asarray(z_angstrom, dtype=np.float64)[heavy if np.any(heavy) else slice(None)]
    rest = np.sort(np.mod(np.round(heights / slice_angstrom, 9), 1.0))
    gaps = np.diff(np.append(rest, rest[0] + 1))
    widest = int(np.argmax(np.round(gaps, 6)))
    border = rest[widest] + gaps[widest] / 2
    return float(np.mod(-border, 1.0)) * slice_angstrom
