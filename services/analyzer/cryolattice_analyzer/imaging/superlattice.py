"""Which multiple of the parent's cell repeats in the crystal.

Each reflection of a supposed supercell that the parent does not have is compared with the
background beside it. Random vacancies scatter diffusely, so that shot noise alone would call any
disordered crystal ordered; beside the reflection, shot noise, film and diffuse scattering are all
measured at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from cryolattice_analyzer.imaging.average import fit_cell
from cryolattice_analyzer.imaging.lattice import Lattice2D
from cryolattice_analyzer.imaging.lattice_search import log10_gamma_tail

G_MAX_PER_ANGSTROM = 0.66
# Chance of a false superlattice, of either kind of evidence, in one image.
LOG10_CHANCE_LIMIT = -6.0
# Independent values in the ring that the background is averaged over.
RING_VALUES = 150.0


@dataclass(frozen=True)
class SuperlatticeSpot:
    """One reflection of the tested supercell.

    ``h`` and ``k`` count in the tested supercell; ``significance`` is |c|^2 over its expectation in
    the local background: exponentially distributed with mean 1 where nothing scatters.
    """

    h: int
    k: int
    g_per_angstrom: tuple[float, float]
    amplitude: float
    standard_error: float
    significance: float
    is_parent: bool

    @property
    def snr(self) -> float:
        """Amplitude in units of the local background's."""
        return float(np.sqrt(self.significance))


@dataclass(frozen=True)
class Superlattice:
    """The repeat that is seen.

    Attributes
    ----------
    supercell : tuple of int
        Smallest (m, n), dividing the tested one, that explains every significant reflection.
    superlattice_snr : float
        Evidence for any superlattice: standard deviations of a normal law with the same chance in
        noise. Around 0 to 1 where there is none (less counts as 0); about 5 and more is seen.
    tested : tuple of int
    spots : tuple of SuperlatticeSpot
        All reflections of the tested supercell, one of each Friedel pair.
    """

    supercell: tuple[int, int]
    superlattice_snr: float
    tested: tuple[int, int]
    spots: tuple[SuperlatticeSpot, ...]


def find_superlattice(
    image: NDArray[np.floating],
    pixel_size_angstrom: float,
    lattice: Lattice2D,
    mask: NDArray[np.bool_],
    tested: tuple[int, int],
    *,
    g_max_per_angstrom: float | None = None,
) -> Superlattice:
    """Decide which supercell of the parent is seen over the crystal's area.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
    pixel_size_angstrom : float
    lattice : Lattice2D
        The parent's, refined on the crystal.
    mask : ndarray of bool, shape (ny, nx)
    tested : tuple of int
        (m, n): the largest repeat in question, such as the candidates' common supercell.
    g_max_per_angstrom : float, optional
        Reflections up to here; 0.66 1/angstrom, or what the pixels carry.

    Returns
    -------
    Superlattice

    Raises
    ------
    InvalidInputError
        As `fit_cell`.
    """
    limit = min(G_MAX_PER_ANGSTROM, 0.48 / pixel_size_angstrom)
    hk, reciprocal, fit = fit_cell(
        image,
        pixel_size_angstrom,
        lattice,
        mask,
        tested,
        g_max_per_angstrom=limit if g_max_per_angstrom is None else g_max_per_angstrom,
    )
    ratio = np.abs(fit.coefficients) ** 2 / (2 * fit.standard_error**2)
    # The background is itself an average of few values: the ratio follows F(2, 2 N), which this
    # turns into the exponential law.
    significance = RING_VALUES * np.log1p(ratio / RING_VALUES)
    seen = _smallest_repeat(hk, significance, tested)
    fractional = ~_explained(hk, tested, (1, 1))
    spots = tuple(
        SuperlatticeSpot(
            h=int(h),
            k=int(k),
            g_per_angstrom=(float(g[0]), float(g[1])),
            amplitude=float(abs(c)),
            standard_error=float(error),
            significance=float(value),
            is_parent=not bool(new),
        )
        for (h, k), g, c, error, value, new in zip(
            hk,
            hk @ reciprocal,
            fit.coefficients,
            fit.standard_error,
            ratio,
            fractional,
            strict=True,
        )
    )
    return Superlattice(
        supercell=seen,
        superlattice_snr=normal_deviate(log10_chance(significance[fractional])),
        tested=tested,
        spots=spots,
    )


def log10_chance(significance: NDArray[np.float64]) -> float:
    """Chance (decimal logarithm) that noise gives such values: by their sum or by their largest.

    The sum finds many weak reflections, the largest a single strong one.
    """
    number = significance.size
    if number == 0:
        return 0.0
    by_sum = float(log10_gamma_tail(float(significance.sum()), number))
    top = float(significance.max())
    by_largest = (
        float(np.log10(-np.expm1(number * np.log1p(-np.exp(-max(top, 1e-9))))))
        if top < 30
        else np.log10(number) - top / np.log(10)
    )
    # Two looks at the same numbers: the better of two counts double.
    return float(min(0.0, min(by_sum, by_largest) + np.log10(2)))


def normal_deviate(log10_tail: float) -> float:
    """Return the standard deviations of a normal law with this upper tail, at any size."""
    if log10_tail > -300:
        # Less evidence than noise usually gives is none.
        return float(norm.isf(min(10.0**log10_tail, 0.5)))
    # Mills' ratio: ln tail = -x^2/2 - ln(x sqrt(2 pi)).
    log_tail = log10_tail * np.log(10)
    x = np.sqrt(-2 * log_tail)
    for _ in range(4):
        x = np.sqrt(-2 * (log_tail + np.log(x * np.sqrt(2 * np.pi))))
    return float(x)


def _explained(
    hk: NDArray[np.int64], tested: tuple[int, int], repeat: tuple[int, int]
) -> NDArray[np.bool_]:
    """Reflections of the tested supercell that a crystal of the smaller `repeat` also has."""
    return np.asarray(
        (hk[:, 0] % (tested[0] // repeat[0]) == 0) & (hk[:, 1] % (tested[1] // repeat[1]) == 0)
    )


def _smallest_repeat(
    hk: NDArray[np.int64], significance: NDArray[np.float64], tested: tuple[int, int]
) -> tuple[int, int]:
    """Divisor of the tested supercell of smallest area that leaves nothing significant out."""
    divisors = [
        (m, n)
        for m in range(1, tested[0] + 1)
        for n in range(1, tested[1] + 1)
        if tested[0] % m == 0 and tested[1] % n == 0
    ]
    enough = []
    for repeat in divisors:
        chance = log10_chance(significance[~_explained(hk, tested, repeat)])
        if chance > LOG10_CHANCE_LIMIT:
            enough.append((repeat[0] * repeat[1], -chance, repeat))
    return min(enough)[2]
