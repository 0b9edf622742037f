"""All candidates against one observation, best first, with the lens refined and a verdict."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_analyzer.imaging.average import AveragedCell, cell_image
from cryolattice_analyzer.lens.ctf import CtfFit
from cryolattice_analyzer.lens.transfer import Lens
from cryolattice_analyzer.ranking.candidate_beams import (
    CandidateBeams,
)
from cryolattice_analyzer.ranking.candidate_fit import CandidateFit, fit_candidate
from cryolattice_analyzer.ranking.cell_model import (
    ALPHA,
    B_FACTOR,
    DEFOCUS,
    LOG_SCALE,
    PARAMETERS,
    SHIFT_U,
    SHIFT_V,
)
from cryolattice_analyzer.ranking.imaging_conditions import Imaging, ViewCell
from cryolattice_analyzer.ranking.lens_search import LensStart
from cryolattice_analyzer.ranking.lens_starts import (
    fitted_lens,
    needs_global_search,
    refined_starts,
    ring_starts,
    wide_starts,
)
from cryolattice_analyzer.ranking.observation import Observation
from cryolattice_analyzer.ranking.verdict import (
    NONE_UNFITTED,
    Judgement,
    Unfitted,
    Verdict,
    judge,
)
from cryolattice_analyzer.ranking.view_groups import view_groups

# Optima this close in chi2 but this far in defocus leave the defocus open.
OPEN_CHI2 = 6.0
OPEN_DEFOCUS_ANGSTROM = 100.0


@dataclass(frozen=True)
class RankingRow:
    """One candidate's best explanation.

    Attributes
    ----------
    candidate : int
        Index into the candidates as given.
    thickness_angstrom : float
    score : float
        Correlation of the predicted with the averaged cell, 0 to 1, higher is better.
    chi2_per_dof : float
        With noise and model error.
    probability : float
    group : int
        Candidates with the same number look alike in this view.
    operation : int
        Index into the lattice operations of the view (0: as modelled).
    defocus_u_angstrom, defocus_v_angstrom, angle_deg : float
    shift_u, shift_v : float
        Origin of the candidate in the average, fractions of the supercell.
    b_factor_angstrom2 : float
        Envelope exp(-B g^2 / 4) of the wave, with what damage adds to it.
    scale : float
        Contrast of the image over the model's.
    alpha : float
        Fading exp(-alpha / 2) of all diffracted beams.
    beta_angstrom2 : float
        Share of the fading that grows as exp(-beta g^2 / 2), as expected for the dose; contained in
        the B factor.
    """

    candidate: int
    thickness_angstrom: float
    score: float
    chi2_per_dof: float
    probability: float
    group: int
    operation: int
    defocus_u_angstrom: float
    defocus_v_angstrom: float
    angle_deg: float
    shift_u: float
    shift_v: float
    b_factor_angstrom2: float
    scale: float
    alpha: float
    beta_angstrom2: float


@dataclass(frozen=True)
class Ranking:
    """Result of `rank_candidates`.

    Attributes
    ----------
    rows : tuple of RankingRow
        Best first.
    verdict : str
        ``ordered``, ``disordered`` or ``undetermined``.
    lens : Lens
        As refined with the best candidate.
    best_group_probability : float
    equivalents : tuple of int
        Candidates that look like the best one in this view, itself included.
    predicted : ndarray of complex128, shape (n,)
        The best candidate's coefficients, in the order of the observation.
    warnings : tuple of str
    unfitted_probability : ndarray, shape (u,)
        The most that each of the unfitted may have.
    """

    rows: tuple[RankingRow, ...]
    verdict: Verdict
    lens: Lens
    best_group_probability: float
    equivalents: tuple[int, ...]
    predicted: NDArray[np.complex128]
    warnings: tuple[str, ...]
    unfitted_probability: NDArray[np.float64]


def observe(average: AveragedCell) -> Observation:
    """Observation of an averaged cell."""
    return Observation(
        hk=np.stack([average.h, average.k], axis=1),
        coefficients=average.coefficients,
        standard_error=average.standard_error,
        reciprocal=average.reciprocal,
        supercell=average.supercell,
    )


def merge_fits(first: CandidateFit, second: CandidateFit) -> CandidateFit:
    """Join two fits of one candidate; of two that share turn and thickness the better is kept."""
    size = len(first.chi2)
    both = np.concatenate([first.chi2 + first.penalty, second.chi2 + second.penalty])
    places = [
        (int(o), float(t))
        for f in (first, second)
        for o, t in zip(f.operation, f.thickness_angstrom, strict=True)
    ]
    seen: set[tuple[int, float]] = set()
    order = []
    for i in np.argsort(both, kind="stable"):
        if places[i] not in seen:
            seen.add(places[i])
            order.append(int(i))
    head = first if order[0] < size else second
    pick = np.array(order)
    return replace(
        head,
        thickness_angstrom=np.concatenate([first.thickness_angstrom, second.thickness_angstrom])[
            pick
        ],
        chi2=np.concatenate([first.chi2, second.chi2])[pick],
        penalty=np.concatenate([first.penalty, second.penalty])[pick],
        log_volume=np.concatenate([first.log_volume, second.log_volume])[pick],
        operation=np.concatenate([first.operation, second.operation])[pick],
        parameters=np.concatenate([first.parameters, second.parameters])[pick],
    )


def rank_candidates(
    observation: Observation,
    candidates: Sequence[CandidateBeams],
    cell: ViewCell,
    imaging: Imaging,
    *,
    ctf: CtfFit | None = None,
    disordered: Collection[int] = (),
    groups: list[int] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Ranking:
    """Fit every candidate and judge, in one process.

    The same steps may be spread over workers: `fit_candidate` with `ring_starts`, once more with
    `wide_starts` and then `refined_starts` where `needs_global_search` or there are no rings, and
    `assemble_ranking`.

    Parameters
    ----------
    observation : Observation
    candidates : sequence of CandidateBeams
    cell : ViewCell
    imaging : Imaging
    ctf : CtfFit, optional
        Of the film; the lens is searched over its whole range without.
    disordered : collection of int
        Indices of the candidates that stand for the crystal without order.
    groups : list of int, optional
        Equal numbers mark candidates known to look alike; found from the beams by default.
    on_progress : callable, optional
        Called with (done, total).

    Returns
    -------
    Ranking

    Raises
    ------
    InvalidInputError
        No candidates.
    """
    if not candidates:
        raise InvalidInputError("no candidates to rank", field="models")
    done, total = 0, len(candidates)

    def fit_all(lenses: list[LensStart]) -> list[CandidateFit]:
        nonlocal done
        result = []
        for beams in candidates:
            result.append(fit_candidate(observation, beams, cell, imaging, lenses))
            done += 1
            if on_progress is not None:
                on_progress(done, total)
        return result

    rings = ring_starts(ctf)
    fits = fit_all(rings) if rings else []
    searched = False
    if not fits or needs_global_search(fits):
        searched = True
        total += (2 if fits else 1) * len(candidates)
        wide = fit_all(wide_starts(ctf))
        near = fit_all(refined_starts(wide))
        wide = [merge_fits(a, b) for a, b in zip(wide, near, strict=True)]
        fits = [merge_fits(a, b) for a, b in zip(fits, wide, strict=True)] if fits else wide
    labels = groups if groups is not None else view_groups(candidates, cell, observation.supercell)
    return assemble_ranking(
        observation,
        fits,
        imaging,
        ctf=ctf,
        disordered=disordered,
        groups=labels,
        searched_globally=searched,
    )


def assemble_ranking(
    observation: Observation,
    fits: Sequence[CandidateFit],
    imaging: Imaging,
    *,
    ctf: CtfFit | None = None,
    disordered: Collection[int] = (),
    groups: list[int] | None = None,
    searched_globally: bool = False,
    prior: NDArray[np.float64] | None = None,
    unfitted: Unfitted = NONE_UNFITTED,
) -> Ranking:
    """Judge the fits of all candidates and put them in order; `prior` and `unfitted` as `judge`."""
    labels = list(range(len(fits))) if groups is None else groups
    null_chi2 = float((np.abs(observation.coefficients) ** 2 / observation.sigma**2).sum())
    judgement = judge(
        list(fits),
        null_chi2=null_chi2,
        disordered=disordered,
        groups=labels,
        prior=prior,
        unfitted=unfitted,
    )
    order = sorted(
        range(len(fits)), key=lambda i: (-judgement.probability[i], float(fits[i].chi2[0]))
    )
    rows = tuple(_row(i, fits[i], judgement, labels[i], imaging) for i in order)
    best = fits[order[0]]
    warnings = [judgement.reason] if judgement.reason else []
    if ctf is None or not ctf.found:
        warnings.append(
            "the film's rings are too faint to fix the defocus: it rests on the crystal"
        )
    elif searched_globally:
        warnings.append(
            "the film's rings led to no explanation of the crystal; the lens was searched afresh"
        )
    others = _open_defoci(best)
    if others:
        values = ", ".join(f"{v:.0f}" for v in others)
        warnings.append(
            f"the crystal's image would look the same at a defocus of {values} angstrom"
        )
    return Ranking(
        rows=rows,
        verdict=judgement.verdict,
        lens=fitted_lens(best.parameters[0]),
        best_group_probability=float(judgement.group_probability[order[0]]),
        equivalents=tuple(i for i in range(len(fits)) if labels[i] == labels[order[0]]),
        predicted=best.prediction,
        warnings=tuple(warnings),
        unfitted_probability=judgement.unfitted_probability,
    )


def predicted_cell_image(ranking: Ranking, average: AveragedCell) -> NDArray[np.float64]:
    """Image of the best candidate on the grid of ``average.image``, mean 1."""
    hk = np.stack([average.h, average.k], axis=1)
    return cell_image(hk, ranking.predicted, average.image.shape[0])


def _row(
    index: int, fit: CandidateFit, judgement: Judgement, group: int, imaging: Imaging
) -> RankingRow:
    parameters = fit.parameters[0]
    lens = fitted_lens(parameters)
    return RankingRow(
        candidate=index,
        thickness_angstrom=float(fit.thickness_angstrom[0]),
        score=fit.correlation,
        chi2_per_dof=float(fit.chi2[0]) / max(fit.terms - len(PARAMETERS), 1),
        probability=float(judgement.probability[index]),
        group=group,
        operation=int(fit.operation[0]),
        defocus_u_angstrom=lens.defocus_u_angstrom,
        defocus_v_angstrom=lens.defocus_v_angstrom,
        angle_deg=lens.angle_deg,
        shift_u=float(parameters[SHIFT_U]),
        shift_v=float(parameters[SHIFT_V]),
        b_factor_angstrom2=float(parameters[B_FACTOR]),
        scale=float(np.exp(parameters[LOG_SCALE])),
        alpha=float(parameters[ALPHA]),
        beta_angstrom2=imaging.expected_beta_angstrom2,
    )


def _open_defoci(fit: CandidateFit) -> list[float]:
    """Other defoci, 50 angstrom apart or more, at which the candidate fits as well."""
    total = fit.chi2
    found: list[float] = []
    for i in np.flatnonzero(total - total[0] < OPEN_CHI2):
        value = float(fit.parameters[i, DEFOCUS])
        known = [float(fit.parameters[0, DEFOCUS]), *found]
        if all(abs(value - other) > OPEN_DEFOCUS_ANGSTROM for other in known):
            found.append(value)
    return found
