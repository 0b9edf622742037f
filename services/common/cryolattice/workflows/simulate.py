"""Simulating one crystal: its model, one sweep over thickness, images of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from cryolattice.client.connection import Connection
from cryolattice.errors import InvalidInputError
from cryolattice.local_files import require_folder
from cryolattice.messages import message_dict
from cryolattice.workflows.steps import (
    AUTO_CLUSTERS,
    Answer,
    Follow,
    read_crystal,
    save_report,
    supercell_message,
    thickness_series,
    unseen,
)
from cryolattice_api.analyzer.v1 import analyzer_pb2
from cryolattice_api.modeler.v1 import modeler_pb2
from cryolattice_api.simulator.v1 import simulator_pb2


@dataclass(frozen=True)
class SimulateOptions:
    """What is simulated and how it is shown.

    Attributes
    ----------
    supercell : tuple of int
    ordering : str, optional
        Id of an ordering of the supercell; without it the crystal as its file gives it.
    greatest_thickness_angstrom : float
    thickness_step_angstrom : float, optional
        One period along the beam unless given.
    energy_kev, cs_mm, defocus_angstrom : float
        Of the microscope; the last two matter to the images alone.
    clusters : "auto", or dict of str to str
        Cluster ion by site label.
    """

    supercell: tuple[int, int, int] = (1, 1, 1)
    ordering: str | None = None
    greatest_thickness_angstrom: float = 300.8
    thickness_step_angstrom: float | None = None
    energy_kev: float = 300.0
    cs_mm: float = 2.7
    defocus_angstrom: float = 0.0
    clusters: str | dict[str, str] = AUTO_CLUSTERS


def sweep_request(
    lab: Connection, structure: Path, options: SimulateOptions, follow: Follow = unseen
) -> simulator_pb2.CreateSweepJobRequest:
    """Build the model and return the request of the sweep along c.

    Raises
    ------
    CryolatticeError
        What is wrong with the file or the options.
    """
    crystal = read_crystal(structure)
    spec = modeler_pb2.ModelsSpec(
        parent_crystal=crystal,
        supercell=supercell_message(options.supercell),
        selection=modeler_pb2.SELECTION_ALL_ORDERINGS
        if options.ordering
        else modeler_pb2.SELECTION_AS_GIVEN,
        ordering_ids=[options.ordering] if options.ordering else [],
        clusters=options.clusters if isinstance(options.clusters, dict) else {},
    )
    models = lab.run_job(
        lab.modeler.CreateModelsJob,
        modeler_pb2.CreateModelsJobRequest(spec=spec),
        follow("model"),
    )
    period = float(lab.open_ref(models).json("models.json")[0]["period_angstrom"])
    sweep = simulator_pb2.SweepSpec(
        models=models,
        thicknesses_angstrom=thickness_series(
            period, options.greatest_thickness_angstrom, options.thickness_step_angstrom
        ),
        energy_kev=options.energy_kev,
    )
    return simulator_pb2.CreateSweepJobRequest(spec=sweep)


def simulate(
    lab: Connection,
    structure: Path,
    options: SimulateOptions,
    *,
    out: Path | None = None,
    follow: Follow = unseen,
) -> Answer:
    """Simulate one crystal along c.

    Parameters
    ----------
    lab : Connection
    structure : Path
        CIF.
    options : SimulateOptions
    out : Path, optional
        Folder for the images.
    follow : callable, optional
        Is told of the jobs.

    Returns
    -------
    Answer
        The beams dataset in proto3 JSON.

    Raises
    ------
    CryolatticeError
        What is wrong with the file or the options.
    """
    require_folder(out)
    for name in ("cs_mm", "defocus_angstrom"):
        if not math.isfinite(getattr(options, name)):
            raise InvalidInputError(f"{name} must be a finite number", field=name)
    request = sweep_request(lab, structure, options, follow)
    beams = lab.run_job(lab.simulator.CreateSweepJob, request, follow("multislice"))
    report = analyzer_pb2.ReportSpec(
        models=request.spec.models,
        beams=beams,
        title=f"Simulation of {structure.name}",
        defocus_angstrom=options.defocus_angstrom,
        cs_mm=options.cs_mm,
    )
    if out is not None:
        save_report(lab, report, out, follow)
    return Answer(message_dict(lab.get_dataset(beams.name)), report)
