"""How much simulated images look like the averaged cell of a micrograph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from cryolattice.errors import InvalidInputError

# The average is strained against the ideal cell, and calibrated no better.
_SAME_CELL = 0.05
# Points of a shift within the finest spacing in the average.
_POINTS_PER_SPACING = 6
# From half a point away to 1e-6 of the peak.
_NEWTON_STEPS = 2


@dataclass(frozen=True)
class ObservedCell:
    """An averaged cell, I(r) / mean = 1 + sum of c_hk exp(2 pi i g.r).

    Attributes
    ----------
    h, k : ndarray of int, shape (n,)
        Orders, one of each Friedel pair, without (0, 0).
    coefficients : ndarray of complex, shape (n,)
        c_hk.
    reciprocal_per_angstrom : ndarray, shape (2, 2)
        Rows: the basis of the orders, (x, y).
    """

    h: NDArray[np.int64]
    k: NDArray[np.int64]
    coefficients: NDArray[np.complex128]
    reciprocal_per_angstrom: NDArray[np.float64]


class CellScores:
    """Correlation of images with an averaged cell, at the best shift, turn and mirror.

    Of both, only the orders that the average has are compared; the mean is left out. With white
    noise, no other score finds a known image more surely (North's matched filter).

    Parameters
    ----------
    observed : ObservedCell
    edges_angstrom : (float, float)
        Cell of the images along x and y.
    points : (int, int)
        Of the images along x and y.

    Raises
    ------
    InvalidInputError
        The average is of another cell.
    """

    def __init__(
        self, observed: ObservedCell, edges_angstrom: tuple[float, float], points: tuple[int, int]
    ) -> None:
        h = np.concatenate([observed.h, -observed.h])
        k = np.concatenate([observed.k, -observed.k])
        values = np.concatenate([observed.coefficients, observed.coefficients.conj()])
        turned = np.array(
            [
                (sx * (k if swap else h), sy * (h if swap else k))
                for swap, sx, sy in _settings(observed.reciprocal_per_angstrom, edges_angstrom)
            ]
        )
        # the images hold nothing beyond
        most = np.minimum(abs(turned).max(axis=(0, 2)), (np.array(points) - 1) // 2)
        nx, ny = (int(fft.next_fast_len(_POINTS_PER_SPACING * int(n) + 1)) for n in most)
        self._shape = nx, ny
        orders = [np.arange(-n, n + 1) for n in most]
        self._orders = orders[0], orders[1]
        self._from = np.ix_(orders[0] % points[0], orders[1] % points[1])
        self._to = np.ix_(orders[0] % nx, orders[1] % ny)
        targets = np.zeros((len(turned), *(2 * n + 1 for n in most)), np.complex64)
        for target, (x, y) in zip(targets, turned, strict=True):
            held = (abs(x) <= most[0]) & (abs(y) <= most[1])
            target[x[held] + most[0], y[held] + most[1]] = values[held].conj()
        self._targets = targets / np.linalg.norm(values)
        self._seen = targets != 0

    def of(self, images: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the score of each image, at most 1.

        Parameters
        ----------
        images : ndarray, shape (..., nx, ny)
            Intensities of one cell.

        Returns
        -------
        ndarray, shape (...)
        """
        spectra = fft.fft2(images, workers=1)[(..., *self._from)]
        spectra = spectra.reshape(-1, *spectra.shape[-2:])
        best = np.full(len(spectra), -1.0, np.float32)
        for target, seen in zip(self._targets, self._seen, strict=True):
            size = np.linalg.norm(np.where(seen, spectra, 0), axis=(-2, -1))
            # an image without contrast is like none
            found = self._peaks(spectra * target) / np.where(size > 0, size, np.inf)
            np.maximum(best, found, out=best, casting="same_kind")
        return best.reshape(images.shape[:-2])

    def _peaks(self, products: NDArray[np.complexfloating]) -> NDArray[np.floating]:
        """Return the greatest correlation over all shifts: Newton's method from the best point."""
        nx, ny = self._shape
        padded = np.zeros((len(products), nx, ny), products.dtype)
        padded[(..., *self._to)] = products
        values = fft.ifft2(padded, norm="forward", workers=1, overwrite_x=True).real
        best = values.reshape(len(products), -1).argmax(axis=1)
        u, v = (
            place / n for place, n in zip(np.unravel_index(best, (nx, ny)), (nx, ny), strict=True)
        )
        wx, wy = (2j * np.pi * orders for orders in self._orders)
        for _ in range(_NEWTON_STEPS):
            ex, ey = np.exp(np.outer(u, wx)), np.exp(np.outer(v, wy))
            rows = [products @ (ey * wy**power)[..., None] for power in range(3)]
            fx, fy, fxx, fxy, fyy = (
                ((ex * wx**p)[:, None] @ rows[q])[:, 0, 0].real
                for p, q in ((1, 0), (0, 1), (2, 0), (1, 1), (0, 2))
            )
            det = fxx * fyy - fxy**2
            # elsewhere the point is on a ridge, and good enough
            top = (det > 0) & (fxx < 0)
            u = u - np.divide(fyy * fx - fxy * fy, det, out=np.zeros_like(det), where=top)
            v = v - np.divide(fxx * fy - fxy * fx, det, out=np.zeros_like(det), where=top)
        ex, ey = np.exp(np.outer(u, wx)), np.exp(np.outer(v, wy))
        there = (ex[:, None] @ products @ ey[..., None])[:, 0, 0].real
        return np.asarray(np.maximum(there, values.max(axis=(-2, -1))))


def _settings(
    reciprocal: NDArray[np.float64], edges_angstrom: tuple[float, float]
) -> Iterator[tuple[bool, int, int]]:
    """Yield how the average's orders may lie in the cell: axes swapped or not, signs of x and y."""
    a, b = 1 / np.linalg.norm(reciprocal, axis=1)
    cosine = float(abs(reciprocal[0] @ reciprocal[1])) * a * b
    swaps = [
        swap
        for swap, lengths in ((False, (a, b)), (True, (b, a)))
        if np.allclose(lengths, edges_angstrom, rtol=_SAME_CELL, atol=0) and cosine < _SAME_CELL
    ]
    if not swaps:
        ex, ey = edges_angstrom
        raise InvalidInputError(
            f"outputs.scores.average is of a cell of {a:.4g} x {b:.4g} angstrom, the models are "
            f"{ex:.4g} x {ey:.4g} angstrom: average over the models' cell, with right angles",
            field="outputs.scores.average",
        )
    yield from product(swaps, (1, -1), (1, -1))
