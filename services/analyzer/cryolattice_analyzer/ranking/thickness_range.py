"""How probable each thickness is, once a candidate is accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.special
from numpy.typing import NDArray

from cryolattice_analyzer.ranking.candidate_fit import CandidateFit
from cryolattice_analyzer.ranking.cell_model import PARAMETERS

CONFIDENCE = 0.95


@dataclass(frozen=True)
class ThicknessRange:
    """Probabilities of the thicknesses that were fitted.

    Attributes
    ----------
    thickness_angstrom, probability : ndarray, shape (t,)
        Increasing thickness; the probabilities sum to 1.
    low_angstrom, high_angstrom : float
        Shortest run of thicknesses around the likeliest that holds 95 %, half a step added at both
        ends: nothing finer than the step is known.
    """

    thickness_angstrom: NDArray[np.float64]
    probability: NDArray[np.float64]
    low_angstrom: float
    high_angstrom: float

    @property
    def step_angstrom(self) -> float:
        """Least distance of two thicknesses; 0 for a single one."""
        steps = np.diff(self.thickness_angstrom)
        return float(steps.min()) if len(steps) else 0.0

    @property
    def likeliest_angstrom(self) -> float:
        """The thickness of the greatest probability."""
        return float(self.thickness_angstrom[int(np.argmax(self.probability))])


def thickness_range(fits: Sequence[CandidateFit]) -> ThicknessRange:
    """Marginalise turn, lens and Debye-Waller factor of one answer by Laplace's approximation.

    Parameters
    ----------
    fits : sequence of CandidateFit
        Of one candidate, or of several that look alike, with every Debye-Waller factor tried.
        Thicknesses they do not hold were far off and count as impossible.

    Returns
    -------
    ThicknessRange
        As in the verdict, all chi2 are divided by the best one's chi2 per degree of freedom where
        that exceeds 1.
    """
    best = min(fits, key=lambda fit: float(fit.chi2.min()))
    freedom = max(best.terms - len(PARAMETERS), 1)
    inflation = max(1.0, float(best.chi2.min()) / freedom)
    thickness = np.concatenate([fit.thickness_angstrom for fit in fits]).round(6)
    weight = np.concatenate(
        [
            -0.5 * fit.chi2 / inflation
            - 0.5 * fit.penalty
            + fit.log_volume
            - np.log(fit.settings * fit.thicknesses)
            for fit in fits
        ]
    )
    steps, place = np.unique(thickness, return_inverse=True)
    probability = np.bincount(
        place, np.exp(weight - scipy.special.logsumexp(weight)), minlength=len(steps)
    )
    low = high = int(np.argmax(probability))
    while probability[low : high + 1].sum() < CONFIDENCE:
        below = probability[low - 1] if low > 0 else -1.0
        above = probability[high + 1] if high + 1 < len(steps) else -1.0
        if below > above:
            low -= 1
        else:
            high += 1
    half = 0.5 * float(np.diff(steps).min()) if len(steps) > 1 else 0.0
    return ThicknessRange(
        steps, probability, max(float(steps[low]) - half, 0.0), float(steps[high]) + half
    )
