"""Where the search for the lens begins: the film's rings, anywhere, or the best candidate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cryolattice_analyzer.lens.ctf import CtfFit
from cryolattice_analyzer.lens.transfer import Lens
from cryolattice_analyzer.ranking.candidate_fit import (
    CandidateFit,
)
from cryolattice_analyzer.ranking.cell_model import (
    DEFOCUS,
    PARAMETERS,
)
from cryolattice_analyzer.ranking.lens_search import LensStart, starts_anywhere, starts_near
from cryolattice_analyzer.ranking.verdict import WORST_CHI2_PER_DOF

# A ring fit's alternatives compete by a tempered share of their scores: film under a crystal
# misleads, and its chi2 is not to be taken at its word.
SCORE_TEMPER = 3.0
# A lens without any hint has the score 0, but is never less likely beforehand than this.
LEAST_LOG_WEIGHT = -25.0
# When rings start the search but explain nothing, the whole range is searched.
GLOBAL_TRIGGER = 0.6 * WORST_CHI2_PER_DOF
# Rings too faint to be sure of must lead to an explanation that leaves nothing to wish for.
HINT_TRIGGER = 1.8


def ring_starts(ctf: CtfFit | None) -> list[LensStart]:
    """Where the film's rings let the search for the lens begin; empty where none were found."""
    return hinted_starts(ctf) if ctf is not None and ctf.found else []


def wide_starts(ctf: CtfFit | None) -> list[LensStart]:
    """Return starts over the whole range, preferring what rings too faint to be sure of hint at."""
    top = ctf.alternatives[0].score if ctf is not None and ctf.alternatives else 0.0
    weight = max(-top / SCORE_TEMPER, LEAST_LOG_WEIGHT)
    return [*starts_anywhere(log_weight=weight), *hinted_starts(ctf)]


def hinted_starts(ctf: CtfFit | None) -> list[LensStart]:
    """Return starts at every optimum of the ring fit, sure of it or not; empty without any."""
    starts: list[LensStart] = []
    if ctf is None or not ctf.alternatives:
        return starts
    top = ctf.alternatives[0].score
    for option in ctf.alternatives:
        weight = max(-(top - option.score) / SCORE_TEMPER, LEAST_LOG_WEIGHT)
        starts += starts_near(option.lens, log_weight=weight)
    return starts


def needs_global_search(
    fits: Sequence[CandidateFit], *, chi2_per_dof: float = GLOBAL_TRIGGER
) -> bool:
    """Whether the starts so far left every candidate without a good explanation."""
    return all(float(f.chi2.min()) > chi2_per_dof * max(f.terms - len(PARAMETERS), 1) for f in fits)


def refined_starts(fits: Sequence[CandidateFit]) -> list[LensStart]:
    """Return starts at the best candidate's lens, so that no other fails for want of one."""
    best = min(fits, key=lambda f: float((f.chi2 + f.penalty).min()))
    row = int(np.argmin(best.chi2 + best.penalty))
    lens = fitted_lens(best.parameters[row])
    return starts_near(lens)


def fitted_lens(parameters: NDArray[np.float64]) -> Lens:
    """Lens of one row of fitted parameters."""
    return Lens(*(float(v) for v in parameters[DEFOCUS : DEFOCUS + 3]))
