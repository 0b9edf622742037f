"""Images and diffraction patterns from beams, for figures of simulations."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from cryolattice_analyzer.lens.transfer import Lens, aberration_phase, electron_wavelength_angstrom


def images_from_beams(
    h: NDArray[np.integer],
    k: NDArray[np.integer],
    psi: NDArray[np.complexfloating],
    lengths_angstrom: tuple[float, float],
    lens: Lens,
    *,
    energy_kev: float,
    cs_mm: float,
    shape: tuple[int, int],
) -> NDArray[np.float64]:
    """Image intensities of one cell, coherent, without damping envelopes.

    Parameters
    ----------
    h, k : ndarray of int, shape (b,)
        Orders along a (x) and b (y).
    psi : ndarray of complex, shape (t, b)
        Beams of each exit wave.
    lengths_angstrom : (float, float)
        Edges a and b of the cell.
    lens : Lens
    energy_kev, cs_mm : float
    shape : (int, int)
        Pixels (y, x) of the image; at least twice the highest orders plus one.

    Returns
    -------
    ndarray of float64, shape (t, ny, nx)
        In units of the incident intensity.
    """
    g = np.stack([h / lengths_angstrom[0], k / lengths_angstrom[1]], axis=1)
    phase = aberration_phase(g, electron_wavelength_angstrom(energy_kev), cs_mm)
    angle = (
        phase.spherical
        + lens.defocus_angstrom * phase.defocus
        + lens.astigmatism_x_angstrom * phase.astigmatism_x
        + lens.astigmatism_y_angstrom * phase.astigmatism_y
    )
    field = np.zeros((len(psi), *shape), np.complex128)
    field[:, k % shape[0], h % shape[1]] = psi * np.exp(1j * angle)
    wave = scipy.fft.ifft2(field, norm="forward", overwrite_x=True)
    return np.asarray(np.abs(wave) ** 2)
