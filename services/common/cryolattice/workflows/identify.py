"""Which ordering does a micrograph show? Models, sweep, averaged cell, ranking, report."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cryolattice.client.connection import Connection
from cryolattice.errors import InvalidInputError
from cryolattice.local_files import require_folder
from cryolattice.workflows.cascade import (
    Cascade,
    rank_in_steps,
    require_cascade,
    screen_sweep,
    uses_cascade,
)
from cryolattice.workflows.lattice import require_zone_axes
from cryolattice.workflows.models import build_models, models_question
from cryolattice.workflows.steps import (
    AUTO_CLUSTERS,
    Answer,
    Follow,
    save_report,
    thickness_series,
    unseen,
    verification_of,
)
from cryolattice.workflows.views import plane_cells, plane_supercell
from cryolattice_api.analyzer.v1 import analyzer_pb2
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.common.v1.dataset_service_pb2 import (
    FILE_ROLE_MICROGRAPH,
    ImageCalibration,
    UploadHeader,
)
from cryolattice_api.modeler.v1 import modeler_pb2
from cryolattice_api.simulator.v1 import simulator_pb2

GREATEST_THICKNESS_ANGSTROM = 300.8
# from zero-point motion alone to what light ions show well above 98 K
B_LEVELS_ANGSTROM2 = (0.2, 0.5, 1.0)
# of the simulator
_GREATEST_B_ANGSTROM2 = 20.0


@dataclass(frozen=True)
class IdentifyOptions:
    """What may be told beside the files; what is None is taken from the micrograph's file.

    Attributes
    ----------
    pixel_size_angstrom, dose_e_per_angstrom2, energy_kev, cs_mm : float, optional
        Of the micrograph. Without a dose no damage is expected.
    signal : str, optional
        Which image of the file, where it holds several: its title, or its number from 1.
    zone_axes : "c" or "all"
        Directions of the beam that are considered.
    greatest_thickness_angstrom : float
        Thicknesses up to this are tried.
    thickness_step_angstrom : float, optional
        One period along the beam unless given.
    clusters : "auto", or dict of str to str
        Cluster ion by site label.
    b_levels_angstrom2 : tuple of float
        Debye-Waller factors of all atoms that are tried.
    cascade : "auto", "on" or "off"
        Screen all candidates, refine the best tenth, confirm the best few with abTEM; by default
        where there are many.
    """

    pixel_size_angstrom: float | None = None
    dose_e_per_angstrom2: float | None = None
    energy_kev: float | None = None
    cs_mm: float | None = None
    signal: str | None = None
    zone_axes: Literal["c", "all"] = "c"
    greatest_thickness_angstrom: float = GREATEST_THICKNESS_ANGSTROM
    thickness_step_angstrom: float | None = None
    clusters: str | dict[str, str] = AUTO_CLUSTERS
    b_levels_angstrom2: tuple[float, ...] = B_LEVELS_ANGSTROM2
    cascade: Cascade = "auto"


@dataclass
class _Found:
    """The datasets of one run."""

    micrograph: DatasetRef
    models: DatasetRef
    lattice: DatasetRef | None = None
    ctf: DatasetRef | None = None
    average: DatasetRef | None = None
    beams: DatasetRef | None = None
    ranking: DatasetRef | None = None
    confirmation: DatasetRef | None = None
    warnings: list[str] = field(default_factory=list)


def identify(
    lab: Connection,
    micrograph: Path,
    parent: Path,
    supercell: tuple[int, int, int],
    options: IdentifyOptions | None = None,
    *,
    out: Path | None = None,
    follow: Follow = unseen,
) -> Answer:
    """Rank every inequivalent ordering against a micrograph.

    Parameters
    ----------
    lab : Connection
    micrograph : Path
    parent : Path
        CIF of the parent crystal.
    supercell : tuple of int
        Parent cells along each of its axes.
    options : IdentifyOptions, optional
    out : Path, optional
        Folder for the report and its figures.
    follow : callable, optional
        Is told of the jobs.

    Returns
    -------
    Answer
        ``verdict``, ``lattice``, ``ctf``, ``best``, ``ranking``, ``candidates_searched``,
        ``cascade``, ``warnings``, ``dataset``.

    Raises
    ------
    CryolatticeError
        What is wrong with the files or the options.
    """
    options = options or IdentifyOptions()
    require_folder(out)
    require_zone_axes(options.zone_axes)
    b_levels = _b_levels(options.b_levels_angstrom2)
    require_cascade(options.cascade)
    question = models_question(
        lab, parent, supercell, zone_axes=options.zone_axes, clusters=options.clusters
    )
    along = slice(None) if options.zone_axes == "all" else slice(2, 3)
    thicknesses = _thicknesses(question.axis_lengths_angstrom[along], options)
    # everything about the models is checked before the micrograph is taken up
    lab.call(
        lab.modeler.CreateModelsJob,
        modeler_pb2.CreateModelsJobRequest(
            parent=lab.parent, spec=question.spec, validate_only=True
        ),
    )
    image = lab.upload(
        micrograph,
        UploadHeader(
            role=FILE_ROLE_MICROGRAPH,
            signal=options.signal,
            image=ImageCalibration(
                pixel_size_angstrom=options.pixel_size_angstrom,
                dose_e_per_angstrom2=options.dose_e_per_angstrom2,
                energy_kev=options.energy_kev,
                cs_mm=options.cs_mm,
            ),
        ),
    )
    models = build_models(lab, question.spec, follow)
    found = _Found(image, models, warnings=question.remarks)
    result = _search(lab, found, thicknesses, b_levels, options.cascade, follow)
    result["warnings"] = list(dict.fromkeys(result["warnings"]))
    report = analyzer_pb2.ReportSpec(
        micrograph=found.micrograph,
        lattice=found.lattice,
        ctf=found.ctf,
        average=found.average,
        models=found.models,
        beams=found.beams,
        ranking=found.ranking,
        confirmation=found.confirmation,
        title=f"Ordering in {micrograph.name}",
        warnings=result["warnings"],
    )
    if out is not None:
        save_report(lab, report, out, follow)
    return Answer(result, report)


def _search(
    lab: Connection,
    found: _Found,
    thicknesses: list[float],
    b_levels: list[float],
    cascade: Cascade,
    follow: Follow,
) -> dict[str, Any]:
    facts = lab.open_ref(found.micrograph).json("micrograph.json")
    records = lab.open_ref(found.models).json("models.json")
    found.warnings[:0] = facts["warnings"]
    sweep = simulator_pb2.SweepSpec(
        models=found.models,
        thicknesses_angstrom=thicknesses,
        energy_kev=facts["energy_kev"],
        b_levels_angstrom2=b_levels,
    )
    in_steps = uses_cascade(cascade, len(records))
    first_sweep = screen_sweep(sweep, records) if in_steps else sweep
    request = simulator_pb2.CreateSweepJobRequest(parent=lab.parent, spec=sweep, validate_only=True)
    lab.call(lab.simulator.CreateSweepJob, request)
    with ThreadPoolExecutor() as pool:
        beams: Future[DatasetRef] = pool.submit(
            lab.run_job,
            lab.simulator.CreateSweepJob,
            simulator_pb2.CreateSweepJobRequest(spec=first_sweep),
            follow("multislice sweep"),
        )
        try:
            seen = _find_lattice(lab, found, records, follow)
            if seen is None or found.lattice is None:
                lab.cancel_active()
                return _undetermined(found)
            supercell = plane_supercell(records)
            average = pool.submit(
                lab.run_job,
                lab.analyzer.CreateAverageJob,
                analyzer_pb2.CreateAverageJobRequest(
                    spec=analyzer_pb2.AverageSpec(
                        micrograph=found.micrograph,
                        lattice=found.lattice,
                        supercell_a=supercell[0],
                        supercell_b=supercell[1],
                    )
                ),
                follow("averaged cell"),
            )
            found.ctf = lab.run_job(
                lab.analyzer.CreateCtfJob,
                analyzer_pb2.CreateCtfJobRequest(
                    spec=analyzer_pb2.CtfSpec(micrograph=found.micrograph, lattice=found.lattice)
                ),
                follow("contrast transfer"),
            )
            found.average = average.result()
            found.beams = beams.result()
        except BaseException:
            lab.cancel_active()
            raise
    ranked = analyzer_pb2.RankSpec(
        average=found.average, models=found.models, ctf=found.ctf, micrograph=found.micrograph
    )
    facts_of_cascade = None
    if in_steps:
        steps = rank_in_steps(lab, ranked, sweep, found.beams, follow)
        found.beams, found.ranking = steps.beams, steps.ranking
        found.confirmation = steps.confirmation
        facts_of_cascade = steps.facts
        found.warnings += steps.warnings
    else:
        ranked.beams.CopyFrom(found.beams)
        found.ranking = lab.run_job(
            lab.analyzer.CreateRankJob,
            analyzer_pb2.CreateRankJobRequest(spec=ranked),
            follow("ranking"),
        )
    result: dict[str, Any] = lab.open_ref(found.ranking).json("ranking.json")
    result["lattice"] = seen
    coarse = verification_of(lab, found.beams).get("warnings", [])
    result["warnings"] = [
        *found.warnings,
        *coarse,
        *result["warnings"],
        *_edge_remark(result["best"]["b_angstrom2"], b_levels),
    ]
    result["cascade"] = facts_of_cascade
    result["dataset"] = found.ranking.name
    return result


def _b_levels(given: Sequence[float]) -> list[float]:
    levels = sorted(set(given))
    if not levels or not all(0 <= level <= _GREATEST_B_ANGSTROM2 for level in levels):
        raise InvalidInputError(
            f"debye_waller is {' '.join(f'{b:g}' for b in levels) or 'empty'}: give one or more "
            f"factors from 0 to {_GREATEST_B_ANGSTROM2:g} angstrom^2",
            field="debye_waller",
        )
    return levels


def _edge_remark(best_b_angstrom2: float, levels: list[float]) -> list[str]:
    """Say that a Debye-Waller factor outside of what was tried may fit better."""
    edges = {max(levels): "largest"}
    if min(levels) > B_LEVELS_ANGSTROM2[0]:  # no atom is at rest
        edges[min(levels)] = "smallest"
    if len(levels) == 1 or best_b_angstrom2 not in edges:
        return []
    further = 2 if best_b_angstrom2 == max(levels) else 0.5
    tried = " ".join(f"--debye-waller {b:g}" for b in sorted([*levels, further * best_b_angstrom2]))
    return [
        f"the Debye-Waller factor that fits best, {best_b_angstrom2:g} angstrom^2, is the "
        f"{edges[best_b_angstrom2]} of those tried: another may fit better, at another thickness; "
        f"try {tried}"
    ]


def _find_lattice(
    lab: Connection, found: _Found, records: list[dict[str, Any]], follow: Follow
) -> dict[str, Any] | None:
    """Try the plane cell of every view; keep the lattice that is most certain."""
    supercell = plane_supercell(records)
    best: tuple[float, dict[str, Any]] | None = None
    reasons = []
    for cell in plane_cells(records):
        ref = lab.run_job(
            lab.analyzer.CreateLatticeJob,
            analyzer_pb2.CreateLatticeJobRequest(
                spec=analyzer_pb2.LatticeSpec(
                    micrograph=found.micrograph,
                    parent_cell=cell,
                    supercell_a=supercell[0],
                    supercell_b=supercell[1],
                )
            ),
            follow("lattice"),
        )
        found.lattice = found.lattice or ref
        summary = lab.open_ref(ref).json("lattice.json")
        if not summary["found"]:
            reasons.append(
                f"no lattice of the parent is found in the micrograph: {summary['reason']}"
            )
            continue
        certainty = -float(summary["log10_false_alarm"])
        if best is None or certainty > best[0]:
            found.lattice = ref
            (lattice,) = summary["lattices"]
            best = (
                certainty,
                {
                    **{
                        name: lattice[name]
                        for name in ("a_angstrom", "b_angstrom", "gamma_deg", "rotation_deg")
                    },
                    "supercell": lattice["superlattice"] or [1, 1],
                    "superlattice_snr": summary["superlattice_snr"],
                },
            )
    if best is None:
        found.warnings += list(dict.fromkeys(reasons))
        return None
    return best[1]


def _undetermined(found: _Found) -> dict[str, Any]:
    return {
        "verdict": "undetermined",
        "lattice": None,
        "ctf": None,
        "best": None,
        "ranking": [],
        "candidates_searched": 0,
        "cascade": None,
        "warnings": found.warnings,
        "dataset": found.lattice.name if found.lattice else "",
    }


def _thicknesses(periods: list[float], options: IdentifyOptions) -> list[float]:
    """Multiples of the step, which holds whole periods of every view."""
    periods = sorted({round(period, 6) for period in periods})
    common = periods[-1]
    for period in periods:
        if abs(common / period - round(common / period)) > 1e-4:
            raise InvalidInputError(
                f"the views repeat after {', '.join(f'{p:g}' for p in periods)} angstrom along the "
                "beam, which have no common multiple: search one direction at a time",
                field="zone_axes",
            )
    step = options.thickness_step_angstrom
    if step is not None and step > 0 and abs(step / common - round(step / common)) > 1e-4:
        nearest = max(1, round(step / common)) * common
        raise InvalidInputError(
            f"thickness_step is {step:g} angstrom, no multiple of the period along the beam, "
            f"{common:g} angstrom: use {nearest:g}",
            field="thickness_step",
        )
    return thickness_series(
        common, options.greatest_thickness_angstrom, options.thickness_step_angstrom
    )
