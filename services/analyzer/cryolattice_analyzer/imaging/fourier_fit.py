"""Fourier coefficients of a periodic image over an area of any shape, with their standard errors.

A plain Fourier sum over a mask mixes neighbouring reflections and the mean through the mask's side
lobes. All coefficients are therefore solved together by weighted least squares; the normal matrix
holds the mask's own Fourier transform at differences of reflections. What the fit leaves over (shot
noise, film, diffuse scattering) is measured beside each reflection and gives its standard error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

# The background is measured in a ring this many resolution elements around a reflection ...
RING_ELEMENTS = (2.0, 8.0)
# ... without the bins this near another reflection or zero frequency.
CLEARANCE_ELEMENTS = 1.5


@dataclass(frozen=True)
class ResidualSpectrum:
    """Power spectrum of what a fit leaves over, zero frequency at the centre.

    ``power`` is |sum w (I - model) exp(-2 pi i g.r)|^2 / (sum w)^2 / mean^2, so that it is the
    variance of a coefficient; ``element_per_angstrom`` the width of a resolution element.
    """

    power: NDArray[np.float64]
    step_per_angstrom: tuple[float, float]
    element_per_angstrom: float

    def ring(self, g: NDArray[np.float64], avoid: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values in the ring around one frequency `g` (x, y), clear of the nodes `avoid` (n, 2)."""
        dx, dy = self.step_per_angstrom
        ny, nx = self.power.shape
        inner, outer = (limit * self.element_per_angstrom for limit in RING_ELEMENTS)
        clear = CLEARANCE_ELEMENTS * self.element_per_angstrom
        columns = np.arange(np.ceil((g[0] - outer) / dx), np.floor((g[0] + outer) / dx) + 1)
        rows = np.arange(np.ceil((g[1] - outer) / dy), np.floor((g[1] + outer) / dy) + 1)
        fx, fy = columns[None, :] * dx, rows[:, None] * dy
        distance2 = (fx - g[0]) ** 2 + (fy - g[1]) ** 2
        keep = (distance2 >= inner**2) & (distance2 <= outer**2)
        near = avoid[np.linalg.norm(avoid - g, axis=1) < outer + clear]
        for node in near:
            keep &= (fx - node[0]) ** 2 + (fy - node[1]) ** 2 > clear**2
        r = (rows.astype(np.int64) + ny // 2) % ny
        c = (columns.astype(np.int64) + nx // 2) % nx
        return np.asarray(self.power[np.ix_(r, c)][keep])


@dataclass(frozen=True)
class FourierFit:
    """Result of `fit_fourier`; coefficients are in units of the mean.

    ``standard_error`` is of the real part and of the imaginary part, each.
    """

    coefficients: NDArray[np.complex128]
    standard_error: NDArray[np.float64]
    mean_counts: float
    area_angstrom2: float
    residual: ResidualSpectrum


def separable_dft(
    image: NDArray[np.float64], pixel_size_angstrom: float, g: NDArray[np.float64]
) -> NDArray[np.complex128]:
    """Sum `image` times exp(-2 pi i g.r) at any frequencies `g` (n, 2), r from pixel (0, 0)."""
    ny, nx = image.shape
    sums = np.empty(len(g), dtype=np.complex128)
    y, x = np.arange(ny) * pixel_size_angstrom, np.arange(nx) * pixel_size_angstrom
    for start in range(0, len(g), 256):
        part = slice(start, start + 256)
        phase_y = -2 * np.pi * np.outer(g[part, 1], y)
        rows = (np.cos(phase_y) @ image) + 1j * (np.sin(phase_y) @ image)
        sums[part] = (rows * np.exp(-2j * np.pi * np.outer(g[part, 0], x))).sum(axis=1)
    return sums


def periodic_image(
    shape: tuple[int, int],
    pixel_size_angstrom: float,
    g: NDArray[np.float64],
    coefficients: NDArray[np.complex128],
) -> NDArray[np.float64]:
    """2 Re sum c exp(2 pi i g.r) over half-plane coefficients, on pixels of `shape` (ny, nx)."""
    ny, nx = shape
    y, x = np.arange(ny) * pixel_size_angstrom, np.arange(nx) * pixel_size_angstrom
    along_y = np.exp(2j * np.pi * np.outer(y, g[:, 1])) * coefficients
    along_x = np.exp(2j * np.pi * np.outer(g[:, 0], x))
    return np.asarray(2 * (along_y.real @ along_x.real - along_y.imag @ along_x.imag))


def smooth_background(
    image: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted least-squares quadratic in x and y: uneven illumination or thickness."""
    ny, nx = image.shape
    y, x = np.linspace(-1, 1, ny), np.linspace(-1, 1, nx)
    powers = [(i, j) for i in range(3) for j in range(3 - i)]
    y_powers, x_powers = np.stack([y**i for i in range(5)]), np.stack([x**j for j in range(5)])
    moments = y_powers @ weights @ x_powers.T
    sums = y_powers[:3] @ (weights * image) @ x_powers[:3].T
    matrix = np.array([[moments[i + k, j + m] for k, m in powers] for i, j in powers])
    solution = np.linalg.lstsq(matrix, np.array([sums[p] for p in powers]), rcond=None)[0]
    grid = np.zeros((3, 3))
    for (i, j), value in zip(powers, solution, strict=True):
        grid[i, j] = value
    return np.asarray(y_powers[:3].T @ grid @ x_powers[:3])


def fit_fourier(
    image: NDArray[np.floating],
    weights: NDArray[np.float64],
    pixel_size_angstrom: float,
    hk: NDArray[np.int64],
    reciprocal: NDArray[np.float64],
) -> FourierFit:
    """Joint least-squares fit of the half-plane coefficients at ``hk @ reciprocal``.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Counts.
    weights : ndarray, shape (ny, nx)
        0 outside the crystal; a soft edge lowers the side lobes.
    pixel_size_angstrom : float
    hk : ndarray of int, shape (n, 2)
        One of each Friedel pair, without (0, 0).
    reciprocal : ndarray, shape (2, 2)
        Rows in (x, y), 1/angstrom.

    Returns
    -------
    FourierFit
    """
    counts = image.astype(np.float64)
    total = float(weights.sum())
    background = smooth_background(counts, weights)
    mean = float((background * weights).sum() / total)
    values = (counts - background) * weights
    g = hk @ reciprocal
    measured = separable_dft(values, pixel_size_angstrom, g)
    every = np.concatenate([hk, -hk, np.zeros((1, 2), np.int64)])
    right = np.concatenate([measured, measured.conj(), [values.sum()]])
    matrix = _mask_transform(weights, pixel_size_angstrom, every, reciprocal)
    solution = np.linalg.solve(matrix, right)
    coefficients = solution[: len(hk)]
    model = periodic_image(counts.shape, pixel_size_angstrom, g, coefficients) + solution[-1].real
    left = (values - weights * model) / (total * mean)
    residual = ResidualSpectrum(
        power=np.abs(scipy.fft.fftshift(scipy.fft.fft2(left))) ** 2,
        step_per_angstrom=(
            1 / (counts.shape[1] * pixel_size_angstrom),
            1 / (counts.shape[0] * pixel_size_angstrom),
        ),
        element_per_angstrom=float(np.sqrt(np.sum(weights**2)) / (total * pixel_size_angstrom)),
    )
    nodes = every @ reciprocal
    variance = np.array([residual.ring(place, nodes).mean() for place in g])
    return FourierFit(
        coefficients=np.asarray(coefficients / mean, dtype=np.complex128),
        standard_error=np.sqrt(variance / 2),
        mean_counts=mean,
        area_angstrom2=total * pixel_size_angstrom**2,
        residual=residual,
    )


def _mask_transform(
    weights: NDArray[np.float64],
    pixel_size_angstrom: float,
    hk: NDArray[np.int64],
    reciprocal: NDArray[np.float64],
) -> NDArray[np.complex128]:
    """Matrix of sum w exp(-2 pi i (g - g').r) over all pairs of `hk`; each difference once."""
    span = 2 * np.abs(hk).max(axis=0)
    h, k = np.meshgrid(np.arange(0, span[0] + 1), np.arange(-span[1], span[1] + 1), indexing="ij")
    table = np.zeros((2 * span[0] + 1, 2 * span[1] + 1), dtype=np.complex128)
    used = np.zeros_like(table, dtype=np.bool_)
    difference = hk[:, None, :] - hk[None, :, :]
    used[difference[..., 0] + span[0], difference[..., 1] + span[1]] = True
    half = used[h + span[0], k + span[1]]
    pairs = np.stack([h[half], k[half]], axis=1)
    sums = separable_dft(weights, pixel_size_angstrom, pairs @ reciprocal)
    table[span[0] + pairs[:, 0], span[1] + pairs[:, 1]] = sums
    table[span[0] - pairs[:, 0], span[1] - pairs[:, 1]] = sums.conj()
    return np.asarray(table[difference[..., 0] + span[0], difference[..., 1] + span[1]])
