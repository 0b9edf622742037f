"""What a camera records of an image or a diffraction pattern: pixels, blur and shot noise.

A camera passes the expected counts through its modulation transfer function and draws the counts
of each pixel from a Poisson distribution, so that the noise is white: DQE = MTF^2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

from cryolattice.errors import InvalidInputError
from cryolattice_simulator.beams import ExitBeams, require_positive

NYQUIST_PER_PIXEL = 0.5
_BEAMS_AT_ONCE = 4096


@dataclass(frozen=True)
class Mtf:
    """Modulation transfer against spatial frequency in 1/pixel: a table, a model, or 1 throughout.

    Attributes
    ----------
    frequency_per_pixel, value : tuple of float
        Points of a table, joined by straight lines; the last value holds beyond them.
    square_pixel : bool
        Instead: the transfer sinc(x) sinc(y) of a square that counts what falls on it.
    lorentzians : tuple of float
        Instead: a, b, c, alpha, beta of a / (1 + alpha f^2) + b / (1 + beta f^2) + c (Rullgard et
        al., J. Microsc. 243 (2011) 234).
    """

    frequency_per_pixel: tuple[float, ...] = ()
    value: tuple[float, ...] = ()
    square_pixel: bool = False
    lorentzians: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        given = bool(self.frequency_per_pixel) + self.square_pixel + bool(self.lorentzians)
        if given > 1:
            raise InvalidInputError(
                "mtf is given in more than one way: a table, a square pixel, or lorentzians",
                field="mtf",
            )
        if len(self.lorentzians) not in {0, 5} or not all(map(math.isfinite, self.lorentzians)):
            raise InvalidInputError(
                f"mtf has {len(self.lorentzians)} parameters: give a, b, c, alpha and beta",
                field="mtf",
            )
        if len(self.frequency_per_pixel) != len(self.value):
            raise InvalidInputError(
                f"mtf has {len(self.frequency_per_pixel)} frequencies and {len(self.value)} "
                "values: give one value for each frequency",
                field="mtf",
            )
        if self.value:
            self._check_table()

    def _check_table(self) -> None:
        steps = np.diff(self.frequency_per_pixel)
        if np.any(steps <= 0) or not 0 <= self.frequency_per_pixel[0] <= 0.05:
            raise InvalidInputError(
                "the frequencies of mtf must begin at 0 and increase, in 1/pixel", field="mtf"
            )
        if self.frequency_per_pixel[-1] < NYQUIST_PER_PIXEL - 1e-3:
            raise InvalidInputError(
                f"mtf ends at {self.frequency_per_pixel[-1]:g} /pixel: it must reach Nyquist's "
                "frequency, 0.5 /pixel",
                field="mtf",
            )
        if not all(0 <= value <= 1.5 for value in self.value):
            raise InvalidInputError(
                "the values of mtf must lie between 0 and about 1: divide them by that at 0",
                field="mtf",
            )

    def at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the transfer at frequencies (x, y) in 1/pixel, of their common shape."""
        if self.square_pixel:
            return np.asarray(np.sinc(x) * np.sinc(y))
        frequency = np.hypot(x, y)
        if self.lorentzians:
            a, b, c, alpha, beta = self.lorentzians
            square = frequency**2
            return np.asarray(a / (1 + alpha * square) + b / (1 + beta * square) + c)
        if self.value:
            return np.interp(frequency, self.frequency_per_pixel, self.value)
        return np.ones_like(frequency)

    @property
    def at_nyquist(self) -> float:
        """Transfer at half a period a pixel along x."""
        return float(self.at(np.array(NYQUIST_PER_PIXEL), np.array(0.0)))


@dataclass(frozen=True)
class Raster:
    """Pixels of an image: (column, row) times the pixel size from the cell's origin.

    Attributes
    ----------
    pixel_size_angstrom : float
    shape : (int, int)
        Rows and columns.
    """

    pixel_size_angstrom: float
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        require_positive(self.pixel_size_angstrom, field="pixel_size_angstrom", unit="angstrom")
        if min(self.shape) < 1:
            raise InvalidInputError(
                f"the image is {self.shape[1]} x {self.shape[0]} pixels: give at least 1 x 1",
                field="width_px",
            )


def sample(
    coefficients: NDArray[np.complexfloating],
    lengths_angstrom: tuple[float, float],
    raster: Raster,
) -> NDArray[np.complex128]:
    """Evaluate a periodic function at the pixels by its Fourier series, exactly.

    Parameters
    ----------
    coefficients : ndarray of complex, shape (m, n)
        In the order of an FFT: rows are the orders along b, columns those along a.
    lengths_angstrom : (float, float)
        a and b.
    raster : Raster
        Need not fit a whole number of cells.

    Returns
    -------
    ndarray of complex128, shape of the raster
    """
    waves = []
    for count, orders, edge in zip(
        raster.shape, coefficients.shape, reversed(lengths_angstrom), strict=True
    ):
        places = np.arange(count) * raster.pixel_size_angstrom / edge
        order = np.rint(fft.fftfreq(orders) * orders)
        waves.append(np.exp(2j * np.pi * places[:, None] * order))
    rows, columns = waves
    return np.asarray(rows @ coefficients @ columns.T)


def seen_through(
    coefficients: NDArray[np.complexfloating],
    lengths_angstrom: tuple[float, float],
    pixel_size_angstrom: float,
    mtf: Mtf,
) -> NDArray[np.complex128]:
    """Multiply an image's Fourier coefficients with the transfer of the camera.

    Frequencies beyond Nyquist's along either axis are left out, not folded back.
    """
    y, x = (
        np.rint(fft.fftfreq(count) * count) * pixel_size_angstrom / edge
        for count, edge in zip(coefficients.shape, reversed(lengths_angstrom), strict=True)
    )
    held = (np.abs(x) <= NYQUIST_PER_PIXEL) & (np.abs(y) <= NYQUIST_PER_PIXEL)[:, None]
    transfer = mtf.at(*np.broadcast_arrays(x, y[:, None]))
    return np.asarray(coefficients * transfer * held, dtype=np.complex128)


def pattern(
    beams: ExitBeams, plane: int, *, pixels: int, half_width: float, sigma: float
) -> NDArray[np.float64]:
    """Draw a diffraction pattern: each beam a round Gaussian spot that sums to its intensity.

    Parameters
    ----------
    beams : ExitBeams
    plane : int
        Index of the thickness.
    pixels : int
        Rows and columns; the direct beam lies in the middle of pixel ``pixels // 2``.
    half_width : float
        Frequency at the left edge, 1/angstrom.
    sigma : float
        Standard deviation of a spot, 1/angstrom.

    Returns
    -------
    ndarray, shape (pixels, pixels)
        Share of the incident intensity in each pixel.
    """
    step = 2 * half_width / pixels
    edges = (np.arange(pixels + 1) - pixels // 2 - 0.5) * step
    intensities, g = beams.intensities[plane], beams.g_per_angstrom
    total = np.zeros((pixels, pixels))
    for start in range(0, len(g), _BEAMS_AT_ONCE):
        part = slice(start, start + _BEAMS_AT_ONCE)
        columns, rows = (
            np.diff(special.ndtr((edges - centre[:, None]) / sigma), axis=1) for centre in g[part].T
        )
        total += (rows * intensities[part, None]).T @ columns
    return total


def counted(
    expected: NDArray[np.float64], electrons: float, seed: Sequence[int]
) -> NDArray[np.float64]:
    """Draw electron counts.

    Parameters
    ----------
    expected : ndarray
        Intensity, where `electrons` is what intensity 1 brings to a pixel. Ripples below 0 that a
        band limit leaves count as 0.
    electrons : float
    seed : sequence of int
        The same seed gives the same counts.

    Returns
    -------
    ndarray of float64, shape of `expected`
        Whole numbers.
    """
    rng = np.random.default_rng(list(seed))
    return rng.poisson(np.maximum(expected, 0.0) * electrons).astype(np.float64)
