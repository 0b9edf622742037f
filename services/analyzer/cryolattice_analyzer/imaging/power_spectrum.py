"""The power spectrum of a micrograph, divided by its own smooth background.

Shot noise, the amorphous film and diffuse scattering make a smooth spectrum with exponentially
distributed speckle (Goodman, *Statistical Optics*, 2.9: the squared modulus of a complex Gaussian
variable); a crystal adds spots of about one resolution element. Divided by a background that the
spots do not touch, the spectrum is a map of significance: a value w has the chance exp(-w) in
noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

# Bins in one block of the background: wide enough for a stable median, narrow enough for Thon
# rings.
BLOCK_BINS = 8


@dataclass(frozen=True)
class PowerSpectrum:
    """A windowed periodogram with zero frequency at the centre.

    Attributes
    ----------
    power, background : ndarray of float64, shape (ny, nx)
        In counts squared; bin ``[ny // 2, nx // 2]`` is zero frequency.
    step_per_angstrom : tuple of float
        Width of a bin along x and along y.
    """

    power: NDArray[np.float64]
    background: NDArray[np.float64]
    step_per_angstrom: tuple[float, float]

    @property
    def whitened(self) -> NDArray[np.float64]:
        """Power over background: mean 1, exponentially distributed, where there is only noise."""
        return self.power / self.background

    @property
    def centre(self) -> tuple[int, int]:
        """Row and column of zero frequency."""
        ny, nx = self.power.shape
        return ny // 2, nx // 2

    def bins(self, g_per_angstrom: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fractional (row, column) of spatial frequencies ``(..., 2)`` given as (x, y)."""
        dx, dy = self.step_per_angstrom
        row, column = self.centre
        return np.stack(
            [g_per_angstrom[..., 1] / dy + row, g_per_angstrom[..., 0] / dx + column], axis=-1
        )

    def frequencies(self, rows_columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Spatial frequencies ``(..., 2)`` as (x, y), 1/angstrom, of fractional bins."""
        dx, dy = self.step_per_angstrom
        row, column = self.centre
        return np.stack(
            [(rows_columns[..., 1] - column) * dx, (rows_columns[..., 0] - row) * dy], axis=-1
        )


def hann_window(shape: tuple[int, int]) -> NDArray[np.float64]:
    """Periodic Hann window over an image of `shape` (ny, nx): keeps out streaks of its border."""
    ny, nx = shape
    rows = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(ny) + 0.5) / ny)
    columns = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(nx) + 0.5) / nx)
    return np.outer(rows, columns)


def power_spectrum(
    image: NDArray[np.floating],
    pixel_size_angstrom: float,
    *,
    window: NDArray[np.float64] | None = None,
) -> PowerSpectrum:
    """Periodogram of `image` under a window, with its local background.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
    pixel_size_angstrom : float
    window : ndarray, shape (ny, nx), optional
        Weights; a Hann window over the whole image by default.

    Returns
    -------
    PowerSpectrum
    """
    weights = hann_window((image.shape[0], image.shape[1])) if window is None else window
    values = image.astype(np.float64)
    values = (values - np.average(values, weights=weights)) * weights
    power = np.abs(scipy.fft.fftshift(scipy.fft.fft2(values))) ** 2
    ny, nx = power.shape
    return PowerSpectrum(
        power=power,
        background=local_background(power),
        step_per_angstrom=(1 / (nx * pixel_size_angstrom), 1 / (ny * pixel_size_angstrom)),
    )


def local_background(
    power: NDArray[np.float64], *, block_bins: int = BLOCK_BINS
) -> NDArray[np.float64]:
    """Smooth mean of the spectrum's speckle, blind to spots.

    The median of each block of bins (over ln 2, the median of a unit exponential) ignores spots
    that fill less than half a block; the median over neighbouring blocks removes blocks that they
    do fill.

    Parameters
    ----------
    power : ndarray of float64, shape (ny, nx)
        Periodic in both axes.
    block_bins : int

    Returns
    -------
    ndarray of float64, shape (ny, nx)
        Positive everywhere.
    """
    ny, nx = power.shape
    rows, columns = -(-ny // block_bins), -(-nx // block_bins)
    padded = np.pad(
        power, ((0, rows * block_bins - ny), (0, columns * block_bins - nx)), mode="wrap"
    )
    blocks = padded.reshape(rows, block_bins, columns, block_bins).swapaxes(1, 2)
    medians = np.median(blocks.reshape(rows, columns, -1), axis=-1) / np.log(2)
    tiny = np.finfo(np.float64).tiny + 1e-12 * float(medians.max())
    logs = np.log(np.maximum(medians, tiny))
    robust = scipy.ndimage.median_filter(logs, size=3, mode="wrap")
    # A block that stands far above its neighbours holds spots; elsewhere its own median is sharper.
    logs = np.where(logs - robust > 0.5, robust, logs)
    logs = scipy.ndimage.gaussian_filter(logs, 0.8, mode="wrap")
    row_positions = (np.arange(ny) + 0.5) / block_bins - 0.5
    column_positions = (np.arange(nx) + 0.5) / block_bins - 0.5
    grid = np.meshgrid(row_positions, column_positions, indexing="ij")
    smooth = scipy.ndimage.map_coordinates(logs, grid, order=1, mode="grid-wrap")
    return np.asarray(np.exp(smooth), dtype=np.float64)
