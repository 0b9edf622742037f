"""One candidate against one observation: every thickness, turn and lens that could explain it.

The screen correlates all starts, the fit refines the best of each turn and thickness, first with
the low orders alone (wide basins in defocus), then with all. One call is one unit of distributed
work.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_analyzer.ranking.candidate_beams import CandidateBeams
from cryolattice_analyzer.ranking.candidate_fitter import (
    COARSE_STEP_ANGSTROM,
    CandidateFitter,
    Mode,
)
from cryolattice_analyzer.ranking.cell_fit import CellFits
from cryolattice_analyzer.ranking.imaging_conditions import Imaging, ViewCell, prior_width
from cryolattice_analyzer.ranking.lens_search import LensStart
from cryolattice_analyzer.ranking.observation import Observation

# Modes this much worse than a candidate's best (in chi2) are not refined further, unless the best
# itself is far off, when it is a share of its chi2.
KEPT_CHI2 = 40.0
KEPT_SHARE = 0.5
REFINED_SHARE = 0.15
# A candidate this far off (chi2 per term) is hopeless: its thickness is not refined.
HOPELESS = 30.0
# Times that the best thickness may wander to the end of those fitted, and the fit be extended.
EXTENSIONS = 4


@dataclass(frozen=True)
class Effort:
    """How many explanations of one candidate are followed.

    Attributes
    ----------
    started : int
        Of those that correlate best, over all turns, coarse thicknesses and lenses, the number that
        is fitted to the low orders.
    refined : int
        Of these, the number that is fitted to all orders, and then at the thicknesses around.
    """

    started: int
    refined: int


THOROUGH = Effort(started=10_000, refined=48)
QUICK = Effort(started=12, refined=3)


@dataclass(frozen=True)
class CandidateFit:
    """Explanations of an observation by one candidate, best chi2 first.

    Attributes
    ----------
    thickness_angstrom, chi2, penalty, log_volume : ndarray, shape (m,)
        ``penalty`` is -2 ln of the prior (of the parameters and of the lens's origin);
        ``log_volume`` is ln of the posterior's volume over the prior's (Laplace), without chi2.
    operation : ndarray of int, shape (m,)
        Index into the view's lattice operations.
    parameters : ndarray, shape (m, 8)
        In the order of `cell_model.PARAMETERS`.
    prediction : ndarray of complex128, shape (n,)
        Coefficients of the first row.
    correlation : float
        Of the first row with the observation, 0 to 1.
    thicknesses : int
        Number of thicknesses that were weighed.
    settings : int
        Distinct turns and mirrors of the candidate.
    terms : int
        Real numbers compared.
    """

    thickness_angstrom: NDArray[np.float64]
    chi2: NDArray[np.float64]
    penalty: NDArray[np.float64]
    log_volume: NDArray[np.float64]
    operation: NDArray[np.int64]
    parameters: NDArray[np.float64]
    prediction: NDArray[np.complex128]
    correlation: float
    thicknesses: int
    settings: int
    terms: int


def correlation(observed: NDArray[np.complex128], predicted: NDArray[np.complex128]) -> float:
    """Correlation of two images of zero mean from their half sets of coefficients, at least 0."""
    norm = float(np.linalg.norm(observed) * np.linalg.norm(predicted))
    cross = float(np.vdot(observed, predicted).real)
    return max(cross / norm, 0.0) if norm > 0 else 0.0


def fit_candidate(
    observation: Observation,
    beams: CandidateBeams,
    cell: ViewCell,
    imaging: Imaging,
    starts: list[LensStart],
    *,
    effort: Effort = THOROUGH,
    lenses_kept: int = 2,
) -> CandidateFit:
    """Fit one candidate at every thickness.

    Parameters
    ----------
    observation : Observation
    beams : CandidateBeams
    cell : ViewCell
        The parent's ideal cell in this view.
    imaging : Imaging
    starts : list of LensStart
        Where the lens may lie.
    effort : Effort
    lenses_kept : int
        Lenses refined for each turn and coarse thickness.

    Returns
    -------
    CandidateFit
    """
    if not starts:
        raise InvalidInputError("no lens to start from", field="ctf")
    fitter = CandidateFitter(observation, beams, cell, imaging)
    modes = [
        mode
        for setting in range(len(fitter.settings))
        for mode in fitter.screen(setting, starts, lenses_kept)
    ]
    if len(modes) > effort.started:
        modes = sorted(modes, key=lambda mode: -mode.gain)[: effort.started]
    modes, fits = fitter.fit(modes, low=True, iterations=8)
    modes = _best(modes, fits, KEPT_SHARE, effort.refined, spread=True)
    modes, fits = fitter.fit(modes, low=False, iterations=10)
    if fits.chi2.min() < HOPELESS * 2 * len(fitter.sigma):
        modes = _best(modes, fits, REFINED_SHARE, effort.refined, spread=False)
        # Every other thickness starts from its nearest neighbour's explanation.
        modes, fits = fitter.fit(_neighbours(modes, fitter), low=False, iterations=12)
        for _ in range(EXTENSIONS):
            first = int(np.argmin(fits.chi2 + fits.penalty))
            known = {(m.setting, m.thickness) for m in modes}
            more = [
                m
                for m in _neighbours([modes[first]], fitter)
                if (m.setting, m.thickness) not in known
            ]
            if not more:
                break
            extra, extra_fits = fitter.fit(more, low=False, iterations=12)
            modes, fits = modes + extra, _joined(fits, extra_fits)
    order = _unique(np.argsort(fits.chi2 + fits.penalty), modes)
    prediction = fitter.predict(modes[order[0]])
    return CandidateFit(
        thickness_angstrom=np.array([fitter.thickness[modes[i].thickness] for i in order]),
        chi2=fits.chi2[order],
        penalty=fits.penalty[order],
        log_volume=np.array([_log_volume(fits.hessian[i], modes[i], imaging) for i in order]),
        operation=np.array([fitter.settings[modes[i].setting][0] for i in order]),
        parameters=_wrapped(fits.parameters[order]),
        prediction=prediction,
        correlation=correlation(observation.coefficients, prediction),
        thicknesses=len(fitter.thickness),
        settings=len(fitter.settings),
        terms=2 * len(observation.hk),
    )


def _best(
    modes: list[Mode], fits: CellFits, share: float, most: int, *, spread: bool
) -> list[Mode]:
    """Modes near the best; with ``spread``, also the best of each setting and thickness."""
    total = fits.chi2 + fits.penalty
    order = np.argsort(total)
    limit = total[order[0]] + max(KEPT_CHI2, share * total[order[0]])
    seen: set[tuple[int, int]] = set()
    kept = []
    for i in order:
        key = (modes[i].setting, modes[i].thickness)
        if total[i] <= limit and (spread or key not in seen):
            kept.append(modes[i])
        seen.add(key)
        if len(kept) == most:
            break
    return kept


def _joined(first: CellFits, second: CellFits) -> CellFits:
    return CellFits(
        np.concatenate([first.parameters, second.parameters]),
        np.concatenate([first.chi2, second.chi2]),
        np.concatenate([first.penalty, second.penalty]),
        np.concatenate([first.hessian, second.hessian]),
    )


def _neighbours(modes: list[Mode], fitter: CandidateFitter) -> list[Mode]:
    """Each mode at the fine thicknesses around its own, nearest first by thickness."""
    reach = 1.01 * COARSE_STEP_ANGSTROM
    if len(fitter.coarse) > 1:
        reach = max(reach, 1.01 * float(np.diff(fitter.thickness[fitter.coarse]).max()))
    nearest: dict[tuple[int, int], tuple[int, float]] = {}
    for rank, mode in enumerate(modes):
        here = fitter.thickness[mode.thickness]
        for index in np.flatnonzero(np.abs(fitter.thickness - here) <= reach):
            key = (mode.setting, int(index))
            distance = abs(float(fitter.thickness[index] - here))
            if key not in nearest or distance < nearest[key][1] - 1e-6:
                nearest[key] = (rank, distance)
    return [
        Mode(setting, thickness, modes[rank].start, modes[rank].parameters)
        for (setting, thickness), (rank, _) in nearest.items()
    ]


def _unique(order: NDArray[np.intp], modes: list[Mode]) -> NDArray[np.intp]:
    """Keep the best of each setting and thickness."""
    seen: set[tuple[int, int]] = set()
    kept = []
    for i in order:
        key = (modes[i].setting, modes[i].thickness)
        if key not in seen:
            seen.add(key)
            kept.append(i)
    return np.array(kept, dtype=np.intp)


def _log_volume(hessian: NDArray[np.float64], mode: Mode, imaging: Imaging) -> float:
    """Log of sqrt(det(2 pi H^-1)) times the prior's density at its centre (1 for shifts)."""
    width = prior_width(imaging, mode.start)
    finite = width[np.isfinite(width)]
    _, log_det = np.linalg.slogdet(hessian / (2 * np.pi))
    return float(-0.5 * log_det - np.log(finite * np.sqrt(2 * np.pi)).sum())


def _wrapped(parameters: NDArray[np.float64]) -> NDArray[np.float64]:
    result = parameters.copy()
    result[:, 3:5] %= 1.0
    return result
