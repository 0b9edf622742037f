"""Ranking in steps: screen all candidates, refine those that are worth it, confirm the best few.

Each step is a sweep and a ranking of its own, so that a chain that was cut short goes on where it
ended. How safe the screen is: docs/methods.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from cryolattice.client.connection import Connection
from cryolattice.errors import InvalidInputError
from cryolattice.workflows.steps import Follow
from cryolattice_api.analyzer.v1 import analyzer_pb2
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.simulator.v1 import simulator_pb2

if TYPE_CHECKING:
    from cryolattice.store.reader import DatasetReader

Cascade = Literal["auto", "on", "off"]

# A screen costs a candidate 0.05 s of a core, the whole ranking 0.7 s; the two further sweeps and
# rankings, with abTEM's start, cost a minute.
CASCADE_FROM = 200
# 64 points over 9.4 angstrom; B in the middle of what the ranking tries, which damps what such a
# grid cannot carry
SCREEN_SAMPLING_ANGSTROM = 0.147
SCREEN_B_ANGSTROM2 = 0.5
# the ranking looks no further
SCREEN_K_MAX_PER_ANGSTROM = 0.9
_CONFIRMED = 4
_CONFIRMED_SAMPLING_ANGSTROM = 0.075


@dataclass(frozen=True)
class CascadeAnswer:
    """What the cascade found.

    Attributes
    ----------
    beams, ranking : DatasetRef
        Of the candidates that were refined.
    confirmation : DatasetRef or None
        Ranking of the best few with abTEM's waves.
    facts : dict
        ``cascade`` of the answer's JSON.
    warnings : list of str
    """

    beams: DatasetRef
    ranking: DatasetRef
    confirmation: DatasetRef | None
    facts: dict[str, Any]
    warnings: list[str]


def uses_cascade(choice: str, candidates: int) -> bool:
    """Decide whether so many candidates are ranked in steps.

    Raises
    ------
    InvalidInputError
        The choice is not known.
    """
    require_cascade(choice)
    return choice == "on" or (choice == "auto" and candidates >= CASCADE_FROM)


def require_cascade(choice: str) -> None:
    """Raise `InvalidInputError` unless this is one of the choices."""
    if choice not in get_args(Cascade):
        raise InvalidInputError(
            f"cascade is {choice!r}: write 'auto', 'on' or 'off'", field="cascade"
        )


def screen_sweep(
    thorough: simulator_pb2.SweepSpec, records: Sequence[dict[str, Any]]
) -> simulator_pb2.SweepSpec:
    """Return the sweep of the screen: one model of those that project alike, on a small grid.

    Every thickness stays, for contrast reverses between them.
    """
    first: dict[str, str] = {}
    for record in records:
        first.setdefault(record["projection_key"], record["model_id"])
    spec = _only(thorough, list(first.values()))
    spec.engine = simulator_pb2.ENGINE_FAST
    spec.sampling_angstrom = SCREEN_SAMPLING_ANGSTROM
    spec.k_max_per_angstrom = SCREEN_K_MAX_PER_ANGSTROM
    spec.b_levels_angstrom2[:] = [SCREEN_B_ANGSTROM2]
    return spec


def rank_in_steps(
    lab: Connection,
    question: analyzer_pb2.RankSpec,
    thorough: simulator_pb2.SweepSpec,
    screen_beams: DatasetRef,
    follow: Follow,
) -> CascadeAnswer:
    """Rank all models, given the beams of `screen_sweep`.

    Parameters
    ----------
    lab : Connection
    question : RankSpec
        Without beams.
    thorough : SweepSpec
        As for a ranking of all models at once.
    screen_beams : DatasetRef
    follow : callable
        Is told of the jobs.

    Returns
    -------
    CascadeAnswer
    """
    screened = _rank(lab, question, screen_beams, follow("screen"), screen=True)
    kept = lab.open_ref(screened).json("ranking.json")["kept"]
    refined = _only(thorough, kept)
    refined.engine = simulator_pb2.ENGINE_FAST
    beams = _sweep(lab, refined, follow("multislice of the best"))
    ranking = _rank(lab, question, beams, follow("ranking of the best"), screened=screened)
    found = lab.open_ref(ranking).json("ranking.json")
    held = lab.open_ref(screen_beams).manifest.spec["selection"]["model_ids"]
    facts: dict[str, Any] = {
        "screened": len(held),
        "refined": len(kept),
        "dropped_probability": min(
            sum(row["probability"] for row in found["ranking"] if not row["refined"]), 1.0
        ),
        "confirmation": None,
        "screen_dataset": screened.name,
    }
    records = lab.open_ref(question.models).json("models.json")
    oblique = any(abs(record["plane_cell"]["gamma_deg"] - 90) > 1e-3 for record in records)
    if oblique:
        return CascadeAnswer(
            beams,
            ranking,
            None,
            facts,
            ["abTEM needs right angles between the axes: the best candidates are not confirmed"],
        )
    named = {_name_of(record): record["model_id"] for record in records}
    best = [row for row in found["ranking"] if row["refined"]][:_CONFIRMED]
    confirmed = _only(thorough, [named[_name_of(row)] for row in best])
    confirmed.engine = simulator_pb2.ENGINE_ABTEM
    confirmed.sampling_angstrom = _CONFIRMED_SAMPLING_ANGSTROM
    independent = _sweep(lab, confirmed, follow("the best through abTEM"))
    confirmation = _rank(lab, question, independent, follow("ranking with abTEM"))
    facts["confirmation"], warnings = _compared(
        found, lab.open_ref(confirmation), lab.open_ref(independent), confirmation.name
    )
    return CascadeAnswer(beams, ranking, confirmation, facts, warnings)


def _compared(
    found: dict[str, Any], confirmation: DatasetReader, beams: DatasetReader, name: str
) -> tuple[dict[str, Any], list[str]]:
    """Say whether the other engine's waves lead to the same first place, and how near its score."""
    theirs = confirmation.json("ranking.json")
    best, first = found["best"], theirs["best"]
    same = next(row for row in theirs["ranking"] if _name_of(row) == _name_of(best))
    agrees = _name_of(first) == _name_of(best)
    facts = {
        "engine": f"abtem {beams.manifest.spec['engine_revision']}",
        "candidates": len(theirs["ranking"]),
        "same_first": agrees,
        "score": same["score"],
        "chi2_per_dof": same["chi2_per_dof"],
        "thickness_angstrom": same["thickness_angstrom"],
        "dataset": name,
    }
    if agrees:
        return facts, []
    return facts, [
        f"abTEM's waves put {first['ordering_id']} before {best['ordering_id']}: the engines "
        "disagree on the first place"
    ]


def _name_of(entry: dict[str, Any]) -> tuple[str, tuple[int, ...]]:
    return entry["ordering_id"], tuple(entry["zone_axis"])


def _only(sweep: simulator_pb2.SweepSpec, model_ids: list[str]) -> simulator_pb2.SweepSpec:
    spec = simulator_pb2.SweepSpec()
    spec.CopyFrom(sweep)
    spec.selection.model_ids[:] = model_ids
    return spec


def _sweep(lab: Connection, spec: simulator_pb2.SweepSpec, told: Any) -> DatasetRef:
    request = simulator_pb2.CreateSweepJobRequest(spec=spec)
    return lab.run_job(lab.simulator.CreateSweepJob, request, told)


def _rank(
    lab: Connection,
    question: analyzer_pb2.RankSpec,
    beams: DatasetRef,
    told: Any,
    **fields: Any,
) -> DatasetRef:
    spec = analyzer_pb2.RankSpec(beams=beams, **fields)
    spec.MergeFrom(question)
    request = analyzer_pb2.CreateRankJobRequest(spec=spec)
    return lab.run_job(lab.analyzer.CreateRankJob, request, told)
