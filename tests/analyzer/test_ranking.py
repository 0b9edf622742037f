from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from cryolattice.errors import InvalidInputError
from cryolattice_analyzer.imaging.average import AveragedCell, cell_image
from cryolattice_analyzer.lens.ctf import CtfFit, LensCandidate
from cryolattice_analyzer.lens.transfer import Lens
from cryolattice_analyzer.ranking.candidate_beams import CandidateBeams
from cryolattice_analyzer.ranking.imaging_conditions import Imaging, ViewCell
from cryolattice_analyzer.ranking.observation import Observation
from cryolattice_analyzer.ranking.ranking import (
    Ranking,
    observe,
    predicted_cell_image,
    rank_candidates,
)
from cryolattice_analyzer.ranking.view_groups import view_groups

sys.path.insert(0, str(Path(__file__).parent))
from planted_waves import (
    DISORDERED,
    LAYERS,
    ORDERINGS,
    A,
    exit_waves,
    half_plane,
    image_coefficients,
    observed_basis,
)

CELL = ViewCell(A, A, 90.0)
TRUE_LENS = Lens.from_uv(2730, 2430, -35)


def candidates() -> list[CandidateBeams]:
    found = []
    for vacant in ORDERINGS:
        hk, psi = exit_waves(vacant)
        found.append(CandidateBeams(hk, psi[3::4], A * np.arange(4, LAYERS + 1, 4), (2, 2)))
    return found


def average(which: int, layers: int, noise: float, seed: int = 1) -> AveragedCell:
    hk, psi = exit_waves(ORDERINGS[which], layers)
    basis = observed_basis()
    indices = half_plane(basis)
    values = image_coefficients(
        hk, psi[-1], indices, basis, defocus_u=2730, defocus_v=2430, angle_deg=-35,
        shift=(0.4, 0.1), fading=0.3,
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    values = values + noise * (rng.normal(size=len(values)) + 1j * rng.normal(size=len(values)))
    return AveragedCell(
        supercell=(2, 2),
        reciprocal=basis,
        h=indices[:, 0],
        k=indices[:, 1],
        g_per_angstrom=indices @ basis,
        coefficients=values,
        standard_error=np.full(len(values), noise),
        image=cell_image(indices, values, 32),
        image_standard_error=noise,
        cells=1000.0,
        mean_counts=5.0,
        area_angstrom2=88000.0,
    )


def rings(lens: Lens) -> CtfFit:
    return CtfFit(
        True,
        lens.defocus_u_angstrom,
        lens.defocus_v_angstrom,
        lens.angle_deg,
        3.0,
        alternatives=(LensCandidate(lens, 100.0),),
    )


def rank(cell: AveragedCell, left_out: int | None = None, ctf: CtfFit | None = None) -> Ranking:
    chosen = [c for i, c in enumerate(candidates()) if i != left_out]
    return rank_candidates(
        observe(cell),
        chosen,
        CELL,
        Imaging(300.0, 2.7, 30.0, 22.0),
        ctf=ctf
        or rings(Lens(TRUE_LENS.defocus_angstrom + 50, TRUE_LENS.astigmatism_x_angstrom, 0)),
        disordered={DISORDERED} if left_out != DISORDERED else set(),
    )


@pytest.mark.parametrize("which", [0, 2, 4])
def test_ordering_is_named(which: int) -> None:
    cell = average(which, 33, 6e-4)
    result = rank(cell)
    best = result.rows[0]
    assert result.verdict == "ordered"
    assert best.candidate == which
    assert best.probability > 0.99
    assert best.thickness_angstrom == pytest.approx(33 * A, abs=4.8)
    assert result.lens.defocus_angstrom == pytest.approx(2580, rel=0.005)
    assert result.rows[1].chi2_per_dof > 5 * best.chi2_per_dof
    assert best.score > 0.99 > result.rows[1].score
    assert sum(row.probability for row in result.rows) == pytest.approx(1)
    image = predicted_cell_image(result, cell)
    assert np.corrcoef(image.ravel(), cell.image.ravel())[0, 1] > 0.99


def test_crystal_without_order_is_disordered() -> None:
    result = rank(average(DISORDERED, 20, 6e-4))
    assert result.verdict == "disordered"
    assert result.rows[0].candidate == DISORDERED


def test_noise_is_undetermined() -> None:
    for seed in range(2):
        result = rank(average(2, 20, 0.1, seed=seed))
        assert result.verdict == "undetermined"
        assert result.warnings


def test_missing_candidate_is_not_replaced_by_another() -> None:
    result = rank(average(2, 33, 6e-4), left_out=2)
    assert result.verdict == "undetermined"
    assert "chi2/dof" in result.warnings[0]


def test_misleading_rings_are_overruled() -> None:
    """Rings a thousand angstrom off explain nothing: the lens is then searched afresh."""
    result = rank(average(0, 33, 6e-4), ctf=rings(Lens(5200.0, -100.0, 0.0)))
    assert result.rows[0].candidate == 0
    assert result.verdict == "ordered"
    assert any("afresh" in warning for warning in result.warnings)


def test_lookalikes_share_a_group() -> None:
    """A candidate that is another one turned and shifted cannot be told from it."""
    first = candidates()[:2]
    turn = np.array([[0, -1], [1, 0]])
    shifted = first[0].psi * np.exp(2j * np.pi * (first[0].hk @ [0.5, 0.0]))
    twin = CandidateBeams(
        first[0].hk @ turn, shifted, first[0].thickness_angstrom, first[0].repeats
    )
    assert view_groups([*first, twin], CELL, (2, 2)) == [0, 1, 0]


def test_bad_input() -> None:
    cell = average(0, 20, 1e-3)
    with pytest.raises(InvalidInputError, match="no candidates"):
        rank_candidates(observe(cell), [], CELL, Imaging(300.0, 2.7))
    with pytest.raises(InvalidInputError, match="standard errors"):
        Observation(np.array([[1, 0]]), np.ones(1, complex), np.zeros(1), np.eye(2), (2, 2))
