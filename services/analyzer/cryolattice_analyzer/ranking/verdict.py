"""How sure an answer is: probabilities of the candidates, and what may be said.

The probability of a candidate is its share of the evidence, marginalised over thickness, turns and
lens by Laplace's approximation around each optimum (MacKay, *Information Theory, Inference and
Learning Algorithms*, ch. 27-28). Where even the best fit misses by more than noise and known model
error explain, all chi2 are divided by its chi2 per degree of freedom; where it misses grossly, no
probability among the candidates means anything and the verdict is `undetermined`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.special
from numpy.typing import NDArray

from cryolattice_analyzer.ranking.candidate_fit import CandidateFit
from cryolattice_analyzer.ranking.cell_model import PARAMETERS

Verdict = Literal["ordered", "disordered", "undetermined"]

# An answer must have this probability.
CERTAINTY = 0.95
# Beyond this chi2 per degree of freedom not even the best candidate explains the image ...
WORST_CHI2_PER_DOF = 8.0
# ... and the best must lower chi2 by this much a term below that of no structure: with so many
# thicknesses, turns and lenses tried, half of it can be had from pure noise.
LEAST_STRUCTURE = 1.0


@dataclass(frozen=True)
class Judgement:
    """What may be said of the candidates.

    Attributes
    ----------
    verdict : str
        ``ordered``, ``disordered`` or ``undetermined``.
    probability : ndarray, shape (c,)
        Of each candidate; they sum to 1.
    group_probability : ndarray, shape (c,)
        Of all candidates that look like it in this view.
    inflation : float
        What all chi2 were divided by.
    reason : str
        Why nothing is claimed; empty otherwise.
    unfitted_probability : ndarray, shape (u,)
        The most that each of the unfitted may have; with `probability` they sum to 1.
    """

    verdict: Verdict
    probability: NDArray[np.float64]
    group_probability: NDArray[np.float64]
    inflation: float
    reason: str
    unfitted_probability: NDArray[np.float64]


@dataclass(frozen=True)
class Unfitted:
    """Candidates that were not fitted, because a screen found them too far off.

    Attributes
    ----------
    chi2 : ndarray, shape (u,)
        The least that each may have.
    prior : ndarray, shape (u,)
        Weights, as those of the fitted.
    """

    chi2: NDArray[np.float64]
    prior: NDArray[np.float64]


NONE_UNFITTED = Unfitted(np.empty(0), np.empty(0))


def log_evidence(fit: CandidateFit, inflation: float) -> float:
    """Log of the marginal likelihood of one candidate, up to a constant common to all."""
    terms = -0.5 * fit.chi2 / inflation - 0.5 * fit.penalty + fit.log_volume
    # The posterior widens with the inflation: its volume grows by sqrt(inflation) a parameter.
    terms = terms + 0.5 * len(PARAMETERS) * np.log(inflation)
    return float(scipy.special.logsumexp(terms) - np.log(fit.settings * fit.thicknesses))


def judge(
    fits: list[CandidateFit],
    *,
    null_chi2: float,
    disordered: Collection[int],
    groups: list[int] | None = None,
    prior: NDArray[np.float64] | None = None,
    unfitted: Unfitted = NONE_UNFITTED,
) -> Judgement:
    """Turn fits into probabilities and a verdict.

    The unfitted count with the most evidence that they can have: their least chi2, and the greatest
    volume of the posterior that any of the fitted has.

    Parameters
    ----------
    fits : list of CandidateFit
        One each candidate.
    null_chi2 : float
        chi2 of an image without structure.
    disordered : collection of int
        Which candidates stand for the crystal without order; may be empty.
    groups : list of int, optional
        Equal numbers mark candidates that this view cannot tell apart; all differ by default.
    prior : ndarray, shape (c,), optional
        Weights of the candidates; equal by default.
    unfitted : Unfitted
        None by default.

    Returns
    -------
    Judgement
    """
    count = len(fits)
    labels = np.arange(count) if groups is None else np.asarray(groups)
    weights = np.ones(count) if prior is None else np.asarray(prior, dtype=np.float64)
    best = min(fits, key=lambda f: float(f.chi2.min()))
    best_chi2 = float(best.chi2.min())
    freedom = max(best.terms - len(PARAMETERS), 1)
    inflation = max(1.0, best_chi2 / freedom)
    fitted = np.array([log_evidence(f, inflation) for f in fits])
    volume = float(
        max(e + 0.5 * f.chi2.min() / inflation for e, f in zip(fitted, fits, strict=True))
    )
    bounds = volume - 0.5 * unfitted.chi2 / inflation + np.log(unfitted.prior)
    evidence = np.concatenate([fitted + np.log(weights), bounds])
    shares = np.exp(evidence - scipy.special.logsumexp(evidence))
    probability = shares[:count]
    shared = np.array([probability[labels == label].sum() for label in labels])
    leader = int(np.argmax(shared))
    reason = ""
    verdict: Verdict = "undetermined"
    if null_chi2 - best_chi2 < LEAST_STRUCTURE * best.terms:
        reason = (
            "the averaged cell shows hardly more than noise; "
            "a higher dose or more crystal is needed"
        )
    elif inflation > WORST_CHI2_PER_DOF:
        reason = (
            f"no candidate explains the averaged cell: the best leaves chi2/dof {inflation:.1f} "
            f"(at most {WORST_CHI2_PER_DOF:g} is accepted); check the parent, the supercell, the "
            "thickness range and the microscope's parameters"
        )
    elif shared[leader] < CERTAINTY:
        reason = (
            f"the most probable candidate reaches {shared[leader]:.2f}; {CERTAINTY:g} is needed"
        )
    else:
        members = {int(i) for i in np.flatnonzero(labels == labels[leader])}
        without_order = members & set(disordered)
        if not without_order:
            verdict = "ordered"
        elif without_order == members:
            verdict = "disordered"
        else:
            reason = "order and disorder look alike in this view"
    return Judgement(verdict, probability, shared, inflation, reason, shares[count:])
