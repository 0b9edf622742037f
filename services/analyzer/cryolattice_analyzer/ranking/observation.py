"""What the models are compared with: the averaged cell's coefficients and how far to trust them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError

# What the best of models misses, as a share of a coefficient and of the strongest ones: found by
# fitting planted truths through the whole chain (see tests of the ranking).
MODEL_ERROR_SHARE = 0.03
MODEL_ERROR_OF_RMS = 0.01


@dataclass(frozen=True)
class Observation:
    """Measured coefficients of one view.

    Attributes
    ----------
    hk : ndarray of int, shape (n, 2)
        One of each Friedel pair, without (0, 0).
    coefficients : ndarray of complex128, shape (n,)
        I(r) / mean = 1 + sum over all g of c exp(2 pi i g.r).
    standard_error : ndarray, shape (n,)
        Of the real part and of the imaginary part, each: noise alone.
    reciprocal : ndarray, shape (2, 2)
        Rows a*/M, b*/N in (x, y), 1/angstrom, as observed.
    supercell : tuple of int
        (M, N) in parent cells.
    """

    hk: NDArray[np.int64]
    coefficients: NDArray[np.complex128]
    standard_error: NDArray[np.float64]
    reciprocal: NDArray[np.float64]
    supercell: tuple[int, int]

    def __post_init__(self) -> None:
        n = len(self.hk)
        if self.hk.shape != (n, 2) or self.coefficients.shape != (n,) or n == 0:
            raise InvalidInputError(
                f"indices {self.hk.shape} and coefficients {self.coefficients.shape} of the "
                "averaged cell do not belong together",
                field="average",
            )
        good = (
            self.standard_error.shape == (n,)
            and bool(np.all(np.isfinite(self.standard_error) & (self.standard_error > 0)))
            and bool(np.all(np.isfinite(self.coefficients)))
        )
        if not good:
            raise InvalidInputError(
                "the averaged cell needs finite coefficients with standard errors above 0",
                field="average",
            )

    @property
    def g_square(self) -> NDArray[np.float64]:
        """|g|^2 of each coefficient."""
        return np.asarray(((self.hk @ self.reciprocal) ** 2).sum(axis=1))

    @property
    def sigma(self) -> NDArray[np.float64]:
        """Noise and model error together, of each real and imaginary part."""
        size = np.abs(self.coefficients)
        rms = np.sqrt(np.mean(size**2))
        # The model error is that of a complex number: half its square falls to either part.
        model = ((MODEL_ERROR_SHARE * size) ** 2 + (MODEL_ERROR_OF_RMS * rms) ** 2) / 2
        return np.asarray(np.sqrt(self.standard_error**2 + model))

    def within(self, g_max_per_angstrom: float) -> Observation:
        """Return the coefficients up to a resolution."""
        keep = self.g_square <= g_max_per_angstrom**2
        return Observation(
            self.hk[keep],
            self.coefficients[keep],
            self.standard_error[keep],
            self.reciprocal,
            self.supercell,
        )
