"""Correcting an image for the contrast transfer of its lens by flipping phases."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cryolattice_analyzer.lens.transfer import (
    Lens,
    aberration_phase,
    electron_wavelength_angstrom,
)


def phase_flipped(
    coefficients: NDArray[np.complexfloating],
    g_per_angstrom: NDArray[np.float64],
    lens: Lens,
    *,
    energy_kev: float,
    cs_mm: float,
) -> NDArray[np.complex128]:
    """Give the Fourier coefficients of an image the sign that a perfect phase plate would.

    A weak phase object V images as c(g) = 2 sigma V(g) sin chi(g); times the sign of sin chi, atoms
    are bright at every spatial frequency. The moduli stay as the lens passed them, so that noise is
    not amplified (Penczek, Methods Enzymol. 482 (2010) 73). In a thick crystal the wave is no
    longer linear in V, and the correction is that of the lens alone.

    Parameters
    ----------
    coefficients : ndarray of complex, shape (...)
    g_per_angstrom : ndarray, shape (..., 2)
        (x, y) of each; where it is 0 the coefficient becomes 0.
    lens : Lens
    energy_kev, cs_mm : float

    Returns
    -------
    ndarray of complex128, shape (...)
    """
    phase = aberration_phase(g_per_angstrom, electron_wavelength_angstrom(energy_kev), cs_mm)
    sign = np.sign(np.sin(-phase.negative_chi(lens)))
    return np.asarray(coefficients * sign, dtype=np.complex128)
