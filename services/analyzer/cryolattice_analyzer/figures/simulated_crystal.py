"""One simulated crystal as the figures need it: atoms of a period, exit waves over thickness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from cryolattice_analyzer.lens.transfer import Lens, aberration_phase, electron_wavelength_angstrom


@dataclass(frozen=True)
class SimulatedCrystal:
    """A model and its beams, the wave being psi(r) = sum psi_hk exp(2 pi i (h x/a + k y/b)).

    Attributes
    ----------
    name : str
    lengths_angstrom : (float, float)
        Edges a and b of the cell.
    repeats : (int, int)
        Parent cells along a and b.
    numbers : ndarray of int, shape (n,)
        Atomic numbers.
    xy_angstrom : ndarray, shape (n, 2)
    occupancies : ndarray, shape (n,)
    vacant_xy_angstrom : ndarray, shape (v, 2)
        Sites that the ordering leaves empty.
    h, k : ndarray of int, shape (b,)
    psi : ndarray of complex, shape (t, b)
    thicknesses_angstrom : ndarray, shape (t,)
    energy_kev : float
    """

    name: str
    lengths_angstrom: tuple[float, float]
    repeats: tuple[int, int]
    numbers: NDArray[np.int64]
    xy_angstrom: NDArray[np.float64]
    occupancies: NDArray[np.float64]
    vacant_xy_angstrom: NDArray[np.float64]
    h: NDArray[np.int64]
    k: NDArray[np.int64]
    psi: NDArray[np.complexfloating]
    thicknesses_angstrom: NDArray[np.float64]
    energy_kev: float

    @property
    def g_per_angstrom(self) -> NDArray[np.float64]:
        """(x, y) of the beams, shape (b, 2)."""
        a, b = self.lengths_angstrom
        return np.stack([self.h / a, self.k / b], axis=1)

    def plane(self, thickness_angstrom: float) -> int:
        """Return the index of the nearest simulated thickness."""
        return int(np.argmin(np.abs(self.thicknesses_angstrom - thickness_angstrom)))

    def intensities(self, thickness_angstrom: float) -> NDArray[np.float64]:
        """Intensity of each beam, the incident being 1, shape (b,)."""
        return np.asarray(np.abs(self.psi[self.plane(thickness_angstrom)]) ** 2, dtype=float)

    def wave(
        self, plane: int, pixels: int, lens: Lens | None = None, cs_mm: float = 0.0
    ) -> NDArray[np.complex128]:
        """Return one cell of the wave at an index of thickness, behind a lens where one is given.

        Returns
        -------
        ndarray of complex128, shape (pixels, pixels)
            Rows along b, columns along a.
        """
        psi = self.psi[plane].astype(np.complex128)
        if lens is not None:
            wavelength = electron_wavelength_angstrom(self.energy_kev)
            phase = aberration_phase(self.g_per_angstrom, wavelength, cs_mm)
            psi = psi * np.exp(1j * phase.negative_chi(lens))
        grid = np.zeros((pixels, pixels), np.complex128)
        grid[self.k % pixels, self.h % pixels] = psi
        return np.asarray(scipy.fft.ifft2(grid, norm="forward", overwrite_x=True))
