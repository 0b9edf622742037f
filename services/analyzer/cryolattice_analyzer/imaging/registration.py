"""Where a model lies in an averaged cell: the turn or mirror and the shift that take it there.

A micrograph does not tell which corner of the cell the modeller called the origin. To draw both
alike, the average is brought into the model's setting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

_GRID = 512
_TIE = 1e-4


@dataclass(frozen=True)
class Placement:
    """How a model lies in an averaged cell of the same size.

    Attributes
    ----------
    operation : ndarray of int, shape (2, 2)
        W on fractional coordinates, x' = W x.
    shift : (float, float)
        Of the model's origin, fractions of the cell along a and b.
    correlation : float
        Of the two images' coefficients.
    """

    operation: NDArray[np.int64]
    shift: tuple[float, float]
    correlation: float


def place_model(
    hk: NDArray[np.int64],
    coefficients: NDArray[np.complex128],
    model_image: NDArray[np.float64],
    operations: list[NDArray[np.int64]],
) -> Placement:
    """Find the operation and the shift under which a model's image is most like an average.

    Parameters
    ----------
    hk : ndarray of int, shape (n, 2)
        Orders of the average's coefficients, one of each Friedel pair.
    coefficients : ndarray of complex128, shape (n,)
    model_image : ndarray, shape (m, m)
        One cell of the model, rows along b, columns along a.
    operations : list of ndarray of int, shape (2, 2)
        Those to try, the identity first.

    Returns
    -------
    Placement
    """
    spectrum = scipy.fft.fft2(model_image, norm="forward")
    m = len(model_image)
    best: Placement | None = None
    for operation in operations:
        # a coefficient of the model at q0 appears at q = q0 W^-1 times exp(-2 pi i q.t)
        own = hk @ operation
        expected = spectrum[own[:, 1] % m, own[:, 0] % m]
        grid = np.zeros((_GRID, _GRID), np.complex128)
        grid[hk[:, 1] % _GRID, hk[:, 0] % _GRID] = expected.conj() * coefficients
        overlap = scipy.fft.ifft2(grid, norm="forward", overwrite_x=True).real
        row, column = np.unravel_index(int(np.argmax(overlap)), overlap.shape)
        norm = float(np.linalg.norm(expected) * np.linalg.norm(coefficients))
        correlation = float(overlap[row, column]) / max(norm, 1e-30)
        # of operations that a symmetric model cannot tell apart the first is taken
        if best is None or correlation > best.correlation + _TIE:
            best = Placement(operation, (float(column) / _GRID, float(row) / _GRID), correlation)
    if best is None:
        raise ValueError("no operation is given: pass at least the identity")
    return best


def in_model_setting(
    hk: NDArray[np.int64], coefficients: NDArray[np.complex128], placement: Placement
) -> tuple[NDArray[np.int64], NDArray[np.complex128]]:
    """Return orders and coefficients of the average in the setting of the model.

    Parameters
    ----------
    hk : ndarray of int, shape (n, 2)
    coefficients : ndarray of complex128, shape (n,)
    placement : Placement

    Returns
    -------
    hk : ndarray of int, shape (n, 2)
    coefficients : ndarray of complex128, shape (n,)
    """
    ramp = np.exp(2j * np.pi * (hk @ np.asarray(placement.shift)))
    return hk @ placement.operation, coefficients * ramp
