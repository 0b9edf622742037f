"""Power spectra of a film with a lens chosen by the test, in plain numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PIXEL_ANGSTROM = 1.4
WAVELENGTH = 0.025079


def planted_spectrum(u: float, v: float, angle_deg: float, seed: int) -> NDArray[np.float64]:
    """Mean of 60 periodograms of a film, 200 kV, Cs 1.4 mm, 1.4 A/px, over a falling background."""
    rng = np.random.default_rng(seed)
    k = (np.arange(512) - 256) / (512 * PIXEL_ANGSTROM)
    ky, kx = k[:, None], k[None, :]
    square = kx**2 + ky**2
    defocus = (u + v) / 2 + (u - v) / 2 * np.cos(2 * (np.arctan2(ky, kx) - np.radians(angle_deg)))
    chi = np.pi * WAVELENGTH * square * (0.5 * 1.4e7 * WAVELENGTH**2 * square - defocus)
    rings = np.sin(chi - np.arcsin(0.1)) ** 2
    mean = 1 + 3 * np.exp(-square / 0.02**2) + 0.25 * np.exp(-square / 0.12**2) * (rings + 1)
    power = mean * rng.gamma(60, 1 / 60, mean.shape)
    # a real image's spectrum is the same at k and -k
    return np.asarray((power + np.roll(power[::-1, ::-1], (1, 1), (0, 1))) / 2)
