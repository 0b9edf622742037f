"""One model in front of a camera: images, exit waves and diffraction patterns of its beams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from cryolattice_simulator.beams import ExitBeams
from cryolattice_simulator.camera import Mtf, Raster, counted, pattern, sample, seen_through
from cryolattice_simulator.imaging import (
    Lens,
    correction_signs,
    image_coefficients,
    wave_coefficients,
)

# what a random stream is for: each image and each pattern has its own
_IMAGES, _PATTERNS = 0, 1


@dataclass(frozen=True)
class Recording:
    """What a camera sees of one model.

    Attributes
    ----------
    beams : ExitBeams
    raster : Raster
    mtf : Mtf
    dose_e_per_angstrom2 : float
        0 for intensities without noise.
    seed : int
    """

    beams: ExitBeams
    raster: Raster
    mtf: Mtf
    dose_e_per_angstrom2: float = 0.0
    seed: int = 0

    @property
    def _lengths(self) -> tuple[float, float]:
        cell = self.beams.cell_angstrom
        return float(cell[0, 0]), float(cell[1, 1])

    def image(
        self, plane: int, lens: Lens, number: int = 0
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Record an image.

        Parameters
        ----------
        plane : int
            Index of the thickness.
        lens : Lens
        number : int
            Images with different numbers have different noise.

        Returns
        -------
        image, corrected : ndarray, shape of the raster
            Electrons a pixel; without a dose the intensity, the incident being 1. As recorded, and
            with phases flipped where the transfer of the lens is negative, noise included.
        """
        pixel, lengths = self.raster.pixel_size_angstrom, self._lengths
        seen = seen_through(image_coefficients(self.beams, plane, lens), lengths, pixel, self.mtf)
        flipped = seen * self._signs(seen.shape, lengths, lens)
        expected = sample(seen, lengths, self.raster).real
        corrected = sample(flipped, lengths, self.raster).real
        if not self.dose_e_per_angstrom2:
            return expected, corrected
        electrons = self.dose_e_per_angstrom2 * pixel**2
        counts = counted(expected, electrons, (self.seed, _IMAGES, plane, number))
        noise = counts - electrons * expected
        rows, columns = self.raster.shape
        signs = self._signs(noise.shape, (columns * pixel, rows * pixel), lens)
        noise = fft.ifft2(fft.fft2(noise) * signs).real
        return counts, np.asarray(electrons * corrected + noise)

    def _signs(
        self, shape: tuple[int, ...], lengths_angstrom: tuple[float, float], lens: Lens
    ) -> NDArray[np.float64]:
        """Signs of the correction for Fourier coefficients of a field of given edges."""
        (rows, columns), (a, b) = shape, lengths_angstrom
        x, y = fft.fftfreq(columns, a / columns), fft.fftfreq(rows, b / rows)
        return correction_signs(x, y, lens, self.beams.energy_kev)

    def exit_wave(self, plane: int) -> NDArray[np.complex128]:
        """Return the exit wave on the pixels, its phase that against the direct beam."""
        direct = self.beams.psi[plane, (self.beams.h == 0) & (self.beams.k == 0)][0]
        wave = wave_coefficients(self.beams, plane) * np.exp(-1j * np.angle(direct))
        return sample(wave, self._lengths, self.raster)

    def pattern(
        self, plane: int, *, pixels: int, half_width: float, sigma: float
    ) -> NDArray[np.float64]:
        """Record the diffraction pattern of the imaged field; arguments as `camera.pattern`.

        Returns
        -------
        ndarray, shape (pixels, pixels)
            Electrons a pixel; without a dose the share of the incident intensity.
        """
        expected = pattern(self.beams, plane, pixels=pixels, half_width=half_width, sigma=sigma)
        if not self.dose_e_per_angstrom2:
            return expected
        rows, columns = self.raster.shape
        area = rows * columns * self.raster.pixel_size_angstrom**2
        return counted(expected, self.dose_e_per_angstrom2 * area, (self.seed, _PATTERNS, plane))
