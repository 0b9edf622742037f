"""Fit all spacings of a series, which share what can be known of a plateau."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cryolattice_analyzer.dose.dose_fit import (
    FadingData,
    FadingFit,
    PlateauPrior,
    fit_fading,
    plateau_profile,
)

# A spacing is told if chi2 falls by this (5 deviations) and its limits are this close together.
LEAST_SIGNIFICANCE = 25.0
WIDEST_INTERVAL = 3.0
_TRIALS = np.concatenate([np.linspace(0.0, 0.1, 51), np.linspace(0.105, 0.9, 160)])


def fit_groups(data: list[FadingData]) -> list[FadingFit | None]:
    """Fit every spacing; None for one that cannot be told.

    A short series cannot tell a slow fading from a fast one onto a plateau by one spacing
    alone, so the spacings help one another:

    - Whether there is a plateau is asked of all together, the sum of their gains in chi2, each
      over its dispersion, at 1 %.
    - If so, every spacing has one. What the *other* spacings say of its height enters as a
      prior, unless they disagree among themselves.
    - If not, the fit is a plain exponential, but a plateau too low to be seen may still be
      there: the lower limit is that of a fit with as much plateau as the others allow.
    - A spacing that alone demands a plateau (1 % over all spacings, after Bonferroni) has one.

    Parameters
    ----------
    data : list of FadingData
        One a spacing.

    Returns
    -------
    list of FadingFit or None
        None for spacings whose reflections together stand less than 5 deviations above zero,
        and for those whose limits are missing or a factor of 3 apart or more.
    """
    plain = [fit_fading(group, "exponential") for group in data]
    seen = [
        index
        for index, fit in enumerate(plain)
        if fit.significance > LEAST_SIGNIFICANCE + len(fit.initial)
    ]
    raised = {i: fit_fading(data[i], "exponential+offset") for i in seen}
    gains = {i: max(plain[i].chi2 - raised[i].chi2, 0.0) / raised[i].dispersion for i in seen}
    everywhere = sum(gains.values()) > _half_chi2_limit(max(len(seen), 1), 0.01)
    alone = float(stats.chi2.isf(0.02 / max(len(seen), 1), 1))
    profiles = {i: plateau_profile(data[i], raised[i], _TRIALS) for i in seen}
    chosen: list[FadingFit | None] = [None] * len(data)
    for i in seen:
        prior = _prior([profiles[j] for j in seen if j != i], raised[i].dispersion)
        if everywhere:
            fit = raised[i] if prior is None else fit_fading(data[i], "exponential+offset", prior)
        elif gains[i] > alone:
            fit = raised[i]
        else:
            fit = plain[i]
            if prior is not None:
                hidden = fit_fading(data[i], "exponential+offset", prior)
                fit = replace(fit, ci95_low=min(fit.ci95_low, hidden.ci95_low))
        if _is_told(fit):
            chosen[i] = fit
    return chosen


def _is_told(fit: FadingFit) -> bool:
    low, high = fit.ci95_low, fit.ci95_high
    return low > 0 and math.isfinite(high) and high < WIDEST_INTERVAL * low


def _prior(profiles: list[NDArray[np.float64]], dispersion: float) -> PlateauPrior | None:
    """Best common plateau of several spacings; None if there is none to speak of."""
    if not profiles:
        return None
    total = np.sum(profiles, axis=0)
    best = int(np.argmin(total))
    if len(profiles) > 1:
        disagreement = sum(float(p[best] - p.min()) for p in profiles) / (len(profiles) - 1)
        if disagreement > 2.0:
            return None
    beyond = np.flatnonzero(total[best:] > total[best] + 1.0)
    if not beyond.size:
        return None
    above = best + int(beyond[0])
    rise = float(total[above] - total[best])
    deviation = float(_TRIALS[above] - _TRIALS[best]) / math.sqrt(rise)
    # Spacings need not share it exactly.
    deviation = math.hypot(max(deviation, 1e-4), 0.1 * float(_TRIALS[best]))
    return PlateauPrior(float(_TRIALS[best]), deviation, dispersion)


def _half_chi2_limit(count: int, level: float) -> float:
    """Limit that a sum of `count` one-sided gains exceeds by chance with this probability.

    Each gain is zero or chi-square distributed with one degree of freedom, with equal odds, as
    the plateau cannot be negative (Self and Liang, 1987).
    """
    odds = stats.binom.pmf(np.arange(1, count + 1), count, 0.5)
    low, high = 0.0, 200.0 + 4.0 * count
    for _ in range(60):
        middle = 0.5 * (low + high)
        chance = float((odds * stats.chi2.sf(middle, np.arange(1, count + 1))).sum())
        low, high = (middle, high) if chance > level else (low, middle)
    return high
