"""Simulating one crystal: its model, one sweep over thickness, images of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryolattice.client.image_files import save_images
from cryolattice.errors import InvalidInputError
from cryolattice.local_files import require_folder
from cryolattice.messages import message_dict
from cryolattice.workflows.simulate_options import SimulateOptions
from cryolattice.workflows.steps import (
    Answer,
    Follow,
    read_crystal,
    save_report,
    supercell_message,
    unseen,
    verification_of,
)
from cryolattice_api.analyzer.v1 import analyzer_pb2
from cryolattice_api.modeler.v1 import modeler_pb2
from cryolattice_api.simulator.v1 import simulator_pb2

if TYPE_CHECKING:
    from cryolattice.client.connection import Connection
    from cryolattice.client.image_files import FileFormat
    from cryolattice_api.common.v1.dataset_pb2 import DatasetRef

_SETTING = "setting.json"


@dataclass(frozen=True)
class SweepQuestion:
    """What to ask the simulator.

    Attributes
    ----------
    request : CreateSweepJobRequest
    remarks : list of str
        What was assumed.
    """

    request: simulator_pb2.CreateSweepJobRequest
    remarks: list[str]


def sweep_question(
    lab: Connection, structure: Path, options: SimulateOptions, follow: Follow = unseen
) -> SweepQuestion:
    """Build the model and return the request of the sweep.

    Raises
    ------
    CryolatticeError
        What is wrong with the file or the options.
    """
    models = lab.run_job(
        lab.modeler.CreateModelsJob,
        modeler_pb2.CreateModelsJobRequest(spec=_models_spec(structure, options)),
        follow("model"),
    )
    reader = lab.open_ref(models)
    setting = reader.json(_SETTING) if _SETTING in reader.file_names else {}
    period = float(reader.json("models.json")[0]["period_angstrom"])
    thicknesses, remarks = options.thicknesses(
        period, repeats=setting.get("repeats_along_beam", True)
    )
    own = options.debye_waller_b_angstrom2
    sweep = simulator_pb2.SweepSpec(
        models=models,
        thicknesses_angstrom=thicknesses,
        energy_kev=options.energy_kev,
        k_max_per_angstrom=options.k_max_per_angstrom,
        sampling_angstrom=options.sampling_angstrom,
        slice_thickness_angstrom=options.slice_thickness_angstrom,
        parametrization=options.parametrization,
        debye_waller_b_angstrom2=own if isinstance(own, Mapping) else {},
        b_levels_angstrom2=[] if isinstance(own, Mapping) else [own],
    )
    return SweepQuestion(
        simulator_pb2.CreateSweepJobRequest(spec=sweep), [*setting.get("remarks", []), *remarks]
    )


def _models_spec(structure: Path, options: SimulateOptions) -> modeler_pb2.ModelsSpec:
    crystal = read_crystal(structure)
    crystal.box.edges_angstrom.extend(options.cell_angstrom)
    u, v, w = options.zone_axis
    directed = (u, v, w) != (0, 0, 1)
    return modeler_pb2.ModelsSpec(
        parent_crystal=crystal,
        supercell=supercell_message(options.supercell),
        selection=modeler_pb2.SELECTION_ALL_ORDERINGS
        if options.ordering
        else modeler_pb2.SELECTION_ORTHOGONAL,
        ordering_ids=[options.ordering] if options.ordering else [],
        directions=[modeler_pb2.Direction(u=u, v=v, w=w)] if directed else [],
        clusters=options.clusters if isinstance(options.clusters, dict) else {},
    )


def simulate(
    lab: Connection,
    structure: Path,
    options: SimulateOptions,
    *,
    out: Path | None = None,
    file_format: FileFormat | None = None,
    follow: Follow = unseen,
) -> Answer:
    """Simulate one crystal, and record images and diffraction patterns of it.

    Parameters
    ----------
    lab : Connection
    structure : Path
        CIF, POSCAR, XYZ, PDB, or another text file that ASE reads.
    options : SimulateOptions
    out : Path, optional
        Folder for the report with its figures.
    file_format : "mrc", "tiff" or "zarr", optional
        Also write images and diffraction patterns there.
    follow : callable, optional
        Is told of the jobs.

    Returns
    -------
    Answer
        The beams dataset in proto3 JSON, with ``images``, that of the images, and ``warnings``.

    Raises
    ------
    CryolatticeError
        What is wrong with the file or the options.
    """
    require_folder(out)
    if file_format and out is None:
        raise InvalidInputError("--format writes into a folder: give --out DIR", field="out")
    if options.beside_parent and not options.ordering:
        raise InvalidInputError(
            "the parent is shown beside an ordering: give --ordering", field="beside_parent"
        )
    question = sweep_question(lab, structure, options, follow)
    sweep = question.request.spec
    shown, remarks = options.shown(sweep.thicknesses_angstrom)
    beams = lab.run_job(lab.simulator.CreateSweepJob, question.request, follow("multislice"))
    warnings = [*question.remarks, *remarks, *verification_of(lab, beams).get("warnings", [])]
    images = lab.run_job(
        lab.simulator.CreateImagesJob,
        simulator_pb2.CreateImagesJobRequest(
            spec=simulator_pb2.ImagesSpec(
                beams=beams,
                models=sweep.models,
                objective=options.objective(),
                camera=options.camera(),
                ctf_corrected=options.ctf_corrected,
                exit_wave=options.exit_wave,
            )
        ),
        follow("images"),
    )
    report = analyzer_pb2.ReportSpec(
        models=sweep.models,
        beams=beams,
        images=images,
        title=f"Simulation of {structure.name}",
        thickness_angstrom=shown,
        warnings=warnings,
    )
    if options.beside_parent:
        parent = sweep_question(lab, structure, replace(options, ordering=None), follow)
        report.compare_models.CopyFrom(parent.request.spec.models)
        report.compare_beams.CopyFrom(
            lab.run_job(lab.simulator.CreateSweepJob, parent.request, follow("its parent"))
        )
    if out is not None:
        report.potential.CopyFrom(_potential(lab, report.models, options, follow))
        if options.beside_parent:
            report.compare_potential.CopyFrom(
                _potential(lab, report.compare_models, options, follow)
            )
        save_report(lab, report, out, follow)
        if file_format:
            save_images(lab.open_ref(images), out, file_format)
    document: dict[str, Any] = message_dict(lab.get_dataset(beams.name))
    document |= {"images": message_dict(lab.get_dataset(images.name))}
    return Answer(document | {"warnings": warnings}, report)


def _potential(
    lab: Connection, models: DatasetRef, options: SimulateOptions, follow: Follow
) -> DatasetRef:
    own = options.debye_waller_b_angstrom2
    spec = simulator_pb2.PotentialSpec(
        models=models,
        parametrization=options.parametrization,
        b_angstrom2=0.0 if isinstance(own, Mapping) else own,
    )
    return lab.run_job(
        lab.simulator.CreatePotentialJob,
        simulator_pb2.CreatePotentialJobRequest(spec=spec),
        follow("projected potential"),
    )
