"""Local Bragg amplitudes: the image demodulated by a reflection and summed over small blocks.

From these few numbers per reflection follow the lattice to a fraction of a spectral bin, the place
of the crystal, without another pass over the pixels. Demodulating and smoothing is
geometric phase analysis (Hytch, Snoeck and Kilaas, Ultramicroscopy 74 (1998) 131).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.optimize
from numpy.typing import NDArray


@dataclass(frozen=True)
class BraggBlocks:
    """Block sums of an image times exp(-2 pi i g.r).

    Attributes
    ----------
    g_per_angstrom : ndarray, shape (n, 2)
        Demodulating frequencies as (x, y).
    amplitudes : ndarray of complex128, shape (n, rows, columns)
        Sums over the pixels of each block, r counted from the centre of pixel (0, 0).
    x_angstrom, y_angstrom : ndarray, shapes (columns,) and (rows,)
        Centres of the blocks.
    block_px : int
    """

    g_per_angstrom: NDArray[np.float64]
    amplitudes: NDArray[np.complex128]
    x_angstrom: NDArray[np.float64]
    y_angstrom: NDArray[np.float64]
    block_px: int


def bragg_blocks(
    image: NDArray[np.floating],
    pixel_size_angstrom: float,
    g_per_angstrom: NDArray[np.float64],
    block_px: int,
) -> BraggBlocks:
    """Demodulate `image` by each reflection and sum over square blocks.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Mean removed, weights applied; rows and columns beyond the last whole block count as a
        smaller block.
    pixel_size_angstrom : float
    g_per_angstrom : ndarray, shape (n, 2)
        (x, y).
    block_px : int

    Returns
    -------
    BraggBlocks
    """
    ny, nx = image.shape
    y = np.arange(ny) * pixel_size_angstrom
    x = np.arange(nx) * pixel_size_angstrom
    row_starts, column_starts = np.arange(0, ny, block_px), np.arange(0, nx, block_px)
    values = image.astype(np.float64)
    amplitudes = np.empty((len(g_per_angstrom), row_starts.size, column_starts.size), np.complex128)
    for number, (gx, gy) in enumerate(g_per_angstrom):
        along_y = np.exp(-2j * np.pi * gy * y)
        along_x = np.exp(-2j * np.pi * gx * x)
        # Rows first: the array is then block_px times smaller for the second sum.
        rows = np.add.reduceat(values * along_y.real[:, None], row_starts, axis=0) + 1j * (
            np.add.reduceat(values * along_y.imag[:, None], row_starts, axis=0)
        )
        amplitudes[number] = np.add.reduceat(rows * along_x, column_starts, axis=1)
    return BraggBlocks(
        g_per_angstrom=np.asarray(g_per_angstrom, dtype=np.float64),
        amplitudes=amplitudes,
        x_angstrom=np.array([x[s : s + block_px].mean() for s in column_starts]),
        y_angstrom=np.array([y[s : s + block_px].mean() for s in row_starts]),
        block_px=block_px,
    )


def refine_reciprocal(
    blocks: BraggBlocks,
    hk: NDArray[np.int64],
    reciprocal: NDArray[np.float64],
    noise_power: NDArray[np.float64],
    weight_sum: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Most likely 2 x 2 reciprocal basis near the demodulating one.

    With complex Gaussian noise of power S and an unknown complex amplitude per reflection, the
    profile likelihood of a basis is sum |F(g)|^2 / S over the reflections (Rife and Boorstyn, IEEE
    Trans. Inf. Theory 20 (1974) 591, for one tone). Strain and shear are free.

    Parameters
    ----------
    blocks : BraggBlocks
        Demodulated at ``hk @ reciprocal``.
    hk : ndarray of int, shape (n, 2)
    reciprocal : ndarray, shape (2, 2)
        Rows a*, b* in (x, y), 1/angstrom.
    noise_power : ndarray, shape (n,)
        Expected |F|^2 of the noise at each reflection.
    weight_sum : ndarray, shape (rows, columns)
        Sum of the pixel weights in each block: where the crystal is.

    Returns
    -------
    reciprocal : ndarray, shape (2, 2)
    covariance : ndarray, shape (4, 4)
        Of the four elements in row order, from the Fisher information.
    """
    xx, yy = np.meshgrid(blocks.x_angstrom, blocks.y_angstrom)
    total = weight_sum.sum()
    x0, y0 = (xx * weight_sum).sum() / total, (yy * weight_sum).sum() / total
    positions = np.stack([(xx - x0).ravel(), (yy - y0).ravel()], axis=1)
    spread = (positions * weight_sum.reshape(-1, 1)).T @ positions / total
    scale = 1 / (2 * np.pi * np.sqrt(np.trace(spread)))
    flat = blocks.amplitudes.reshape(len(hk), -1)
    index = hk.astype(np.float64)

    def negative_likelihood(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        shift = index @ (parameters.reshape(2, 2) * scale)
        turned = flat * np.exp(-2j * np.pi * (shift @ positions.T))
        sums = turned.sum(axis=1)
        moments = turned @ positions
        value = float((np.abs(sums) ** 2 / noise_power).sum())
        slope = 2 * (np.conj(sums)[:, None] * (-2j * np.pi) * moments).real / noise_power[:, None]
        return -value, -(index.T @ slope).ravel() * scale

    best = scipy.optimize.minimize(negative_likelihood, np.zeros(4), jac=True, method="BFGS")
    shift = index @ (best.x.reshape(2, 2) * scale)
    sums = (flat * np.exp(-2j * np.pi * (shift @ positions.T))).sum(axis=1)
    significance = np.abs(sums) ** 2 / noise_power
    information = 8 * np.pi**2 * np.kron((index * significance[:, None]).T @ index, spread)
    return reciprocal + best.x.reshape(2, 2) * scale, np.linalg.pinv(information)
