"""A quick look at all candidates: which are worth a thorough one, and what the others may hide."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

# Planted truths are first of all in the screen (`benchmarks/cascade_safety.py`); a tenth is margin.
KEPT_SHARE = 0.1
KEPT_AT_LEAST = 24
# Candidates up to this many times the best one's chi2 are looked at more closely.
NEAR_SHARE = 5.0
NEAR_CHI2 = 100.0


def is_near(chi2: float, best_chi2: float) -> bool:
    """Whether a candidate is so near the best one that a closer look may turn them round."""
    return chi2 <= NEAR_SHARE * best_chi2 + NEAR_CHI2


def worth_a_closer_look(
    chi2: NDArray[np.float64], groups: Sequence[int], rivals: Collection[int] = ()
) -> NDArray[np.bool_]:
    """Choose the candidates that a screen keeps.

    Kept are the best tenth of the groups, at least 24; every group as near the best as `is_near`
    says, so that a screen that cannot tell candidates apart drops none of them; and the rivals.

    Parameters
    ----------
    chi2 : ndarray, shape (c,)
        Least of each candidate.
    groups : sequence of int
        Candidates with the same number look alike: they stay or go together.
    rivals : collection of int
        Candidates that stay whatever they look like, such as the crystal without order.

    Returns
    -------
    ndarray of bool, shape (c,)
    """
    labels = np.asarray(groups)
    names = np.unique(labels)
    least = np.array([chi2[labels == name].min() for name in names])
    order = np.argsort(least, kind="stable")
    kept = set(names[order[: max(KEPT_AT_LEAST, math.ceil(KEPT_SHARE * len(names)))]].tolist())
    kept |= {int(n) for n, c in zip(names, least, strict=True) if is_near(c, least.min())}
    kept |= {int(labels[i]) for i in rivals}
    return np.isin(labels, list(kept))


def least_chi2_if_refined(
    dropped: NDArray[np.float64], screened: NDArray[np.float64], refined: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Bound the chi2 that dropped candidates would have reached.

    Refinement is supposed to lower none of them by a greater factor than it lowered the luckiest of
    those it was spent on.

    Parameters
    ----------
    dropped : ndarray, shape (d,)
        chi2 in the screen.
    screened, refined : ndarray, shape (k,)
        chi2 of the kept candidates in the screen, and when refined.

    Returns
    -------
    ndarray, shape (d,)
    """
    return np.asarray(dropped * min(1.0, float((refined / screened).min())))
