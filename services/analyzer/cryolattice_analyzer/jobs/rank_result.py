"""Fits of candidates as rows of arrays, and the ranking that is made of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cryolattice_analyzer.jobs.rank_screen import Name, name_of
from cryolattice_analyzer.ranking.candidate_fit import CandidateFit
from cryolattice_analyzer.ranking.cell_model import PARAMETERS
from cryolattice_analyzer.ranking.ranking import (
    Ranking,
    RankingRow,
    assemble_ranking,
    predicted_cell_image,
)
from cryolattice_analyzer.ranking.screening import worth_a_closer_look
from cryolattice_analyzer.ranking.verdict import NONE_UNFITTED, Unfitted
from cryolattice_analyzer.ranking.view_groups import view_groups

if TYPE_CHECKING:
    from cryolattice.store.writer import DatasetWriter
    from cryolattice_analyzer.jobs.rank import RankTiles

MODES = 256
"""Explanations kept of one fit, best first."""

_MODE_ARRAYS: tuple[tuple[str, str], ...] = (
    ("thickness_angstrom", "angstrom"),
    ("chi2", "1"),
    ("penalty", "1"),
    ("log_volume", "1"),
    ("operation", "1"),
)
_SCALARS: tuple[tuple[str, Any], ...] = (
    ("correlation", np.float64),
    ("thicknesses", np.int64),
    ("settings", np.int64),
    ("terms", np.int64),
)

FIT_ARRAYS: tuple[tuple[str, tuple[str, ...], Any, str], ...] = (
    *((name, ("mode",), np.float64, units) for name, units in _MODE_ARRAYS),
    ("parameters", ("mode", "parameter"), np.float64, "1"),
    ("prediction", ("coefficient",), np.complex128, "1"),
    *((name, (), dtype, "1") for name, dtype in _SCALARS),
)
"""Name, axes after the first, type and unit of what is kept of a fit."""


def fit_to_rows(fit: CandidateFit | None, coefficients: int) -> dict[str, NDArray[Any]]:
    """Return one row of each array; all empty for a fit that was not needed."""
    rows: dict[str, NDArray[Any]] = {name: np.full(MODES, np.nan) for name, _ in _MODE_ARRAYS}
    rows["parameters"] = np.full((MODES, len(PARAMETERS)), np.nan)
    rows["prediction"] = np.full(coefficients, complex("nan+nanj"))
    for name, dtype in _SCALARS:
        rows[name] = np.asarray(np.nan if dtype is np.float64 else 0, dtype=dtype)
    if fit is None:
        return rows
    count = min(MODES, len(fit.chi2))
    for name in (*(name for name, _ in _MODE_ARRAYS), "parameters"):
        rows[name][:count] = getattr(fit, name)[:count]
    rows["prediction"] = fit.prediction
    for name, dtype in _SCALARS:
        rows[name] = np.asarray(getattr(fit, name), dtype=dtype)
    return rows


def rows_to_fit(rows: dict[str, NDArray[Any]]) -> CandidateFit | None:
    """Return the fit of one row; None where it was not needed."""
    kept = np.isfinite(rows["chi2"])
    if not np.any(kept):
        return None
    fields: dict[str, Any] = {name: rows[name][kept] for name, _ in _MODE_ARRAYS}
    fields["operation"] = fields["operation"].astype(np.int64)
    scalars = {name: np.dtype(dtype).type(rows[name]).item() for name, dtype in _SCALARS}
    return CandidateFit(
        **fields, **scalars, parameters=rows["parameters"][kept], prediction=rows["prediction"]
    )


def write_ranking(tiles: RankTiles, output: DatasetWriter) -> None:
    """Judge the fits of all rounds and write verdict, ranking and the best model's image."""
    records = tiles.records
    base = tiles.base_fits(output.read_part)
    fits: list[CandidateFit] = list(base)
    owners = list(range(len(base)))
    levels = [tiles.base_level] * len(base)
    for offset, level in enumerate(tiles.other_levels):
        for index, fit in enumerate(tiles.block(3 + offset, output.read_part)):
            if fit is not None:
                fits.append(fit)
                owners.append(index)
                levels.append(level)
    groups = view_groups(
        [tiles.candidate(index, tiles.base_level) for index in range(len(records))],
        tiles.cell,
        tiles.observation.supercell,
    )
    rivals = {i for i, record in enumerate(records) if record["ordering_id"] == "disordered"}
    weights = np.array([1.0 + len(behind) for behind in tiles.behind])
    unfitted = _unfitted(tiles, fits, owners)
    searched = all(fit is not None for fit in tiles.block(1, output.read_part))
    ranking = assemble_ranking(
        tiles.observation,
        fits,
        tiles.imaging,
        ctf=tiles.ctf,
        disordered=frozenset(i for i, owner in enumerate(owners) if owner in rivals),
        groups=[groups[owner] for owner in owners],
        searched_globally=searched and tiles.ctf is not None and tiles.ctf.found,
        prior=weights[owners],
        unfitted=unfitted,
    )
    listed = [
        _entry(row, owners[row.candidate], probability, tiles, groups)
        | {
            "b_angstrom2": float(tiles.b_levels[levels[row.candidate]]),
            "refined": not tiles.screen,
        }
        for row, probability in _one_row_each_group(ranking)
    ]
    searched_count = int(weights.sum())
    kept: dict[str, Any] = {}
    if tiles.screened is not None:
        searched_count = tiles.screened.candidates_searched
        listed += [
            entry | {"probability": float(most)}
            for entry, most in zip(
                tiles.screened.dropped, ranking.unfitted_probability, strict=True
            )
        ]
    if tiles.screen:
        chi2 = np.array([float(fit.chi2.min()) for fit in base])
        chosen = worth_a_closer_look(chi2, groups, rivals)
        kept = {"kept": [records[i]["model_id"] for i in np.flatnonzero(chosen)]}
    lens = ranking.lens
    warnings = list(ranking.warnings)
    if tiles.left_out:
        warnings.append(
            f"{tiles.left_out} models were left out: the micrograph does not show their cell"
        )
    output.add_json(
        "ranking.json",
        {
            "verdict": ranking.verdict,
            "ctf": {
                "defocus_angstrom": lens.defocus_angstrom,
                "astigmatism_angstrom": 2 * lens.half_difference_angstrom,
                "astigmatism_angle_deg": lens.angle_deg,
            },
            "best": listed[0],
            "ranking": listed,
            "candidates_searched": searched_count,
            "warnings": warnings,
            **kept,
        },
    )
    output.add_array("best_image", predicted_cell_image(ranking, tiles.average), ("v", "u"))
    best = ranking.rows[0].candidate
    _add_profile(fits[best], output)


def _unfitted(tiles: RankTiles, fits: list[CandidateFit], owners: list[int]) -> Unfitted:
    """Bound what the models that a screen dropped may be worth."""
    if tiles.screened is None:
        return NONE_UNFITTED
    least: dict[Name, float] = {}
    for owner, fit in zip(owners, fits, strict=True):
        name = name_of(tiles.records[owner])
        least[name] = min(least.get(name, math.inf), float(fit.chi2.min()))
    return tiles.screened.unfitted(least, max(fits[0].terms - len(PARAMETERS), 1))


def _one_row_each_group(ranking: Ranking) -> list[tuple[RankingRow, float]]:
    """Return the best row of each group that looks alike, with the probability of the group."""
    best: dict[int, RankingRow] = {}
    probability: dict[int, float] = {}
    for row in ranking.rows:
        best.setdefault(row.group, row)
        probability[row.group] = probability.get(row.group, 0.0) + row.probability
    order = sorted(best, key=lambda group: (-probability[group], best[group].chi2_per_dof))
    return [(best[group], min(probability[group], 1.0)) for group in order]


def _entry(
    row: RankingRow,
    owner: int,
    probability: float,
    tiles: RankTiles,
    groups: list[int],
) -> dict[str, Any]:
    record = tiles.records[owner]
    alike = [
        other
        for i, first in enumerate(tiles.records)
        if groups[i] == groups[owner]
        for other in (first, *tiles.behind[i])
    ]
    equivalents = [
        {"ordering_id": other["ordering_id"], "vacant_sites": other["vacant_sites"]}
        for other in alike
    ]
    equivalents += [
        {"ordering_id": same["ordering_id"], "vacant_sites": other["vacant_sites"]}
        for other in alike
        for same in other["stands_for"]
    ]
    return {
        "ordering_id": record["ordering_id"],
        "vacant_sites": record["vacant_sites"],
        "zone_axis": record["zone_axis"],
        "thickness_angstrom": row.thickness_angstrom,
        "score": row.score,
        "probability": probability,
        "chi2_per_dof": row.chi2_per_dof,
        "equivalents": equivalents,
    }


def _add_profile(fit: CandidateFit, output: DatasetWriter) -> None:
    """Write the best candidate's misfit over thickness."""
    thickness = np.unique(fit.thickness_angstrom)
    freedom = max(fit.terms - len(PARAMETERS), 1)
    best = [float(fit.chi2[fit.thickness_angstrom == t].min()) / freedom for t in thickness]
    output.add_array("profile_thickness", thickness, ("profile",), "angstrom")
    output.add_array("profile_chi2_per_dof", np.asarray(best), ("profile",))
