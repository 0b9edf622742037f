"""The figures of the paper behind the product, made again from data of the same kind.

The paper is Janicek et al., Nano Letters 2024, doi 10.1021/acs.nanolett.4c01996. Its counterparts
come from the datasets of `identify` and `dose`, which are reused where they are there, and from one
projected potential.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryolattice.client.connection import Connection
from cryolattice.errors import InvalidInputError
from cryolattice.local_files import require_folder, write_files
from cryolattice.workflows.dose import DoseOptions, dose_request
from cryolattice.workflows.identify import IdentifyOptions, identify
from cryolattice.workflows.steps import (
    Answer,
    Follow,
    make_report,
    read_crystal,
    supercell_message,
    unseen,
)
from cryolattice_api.analyzer.v1 import analyzer_pb2
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.modeler.v1 import modeler_pb2
from cryolattice_api.simulator.v1 import simulator_pb2

PARENT = "na2nh2bh4_cubic.cif"
MICROGRAPH = "micrograph_a.mrc"
COLD, WARM = "saed_98K.mrc", "saed_298K.mrc"
SUPERCELL = (2, 2, 1)
# how the files were recorded: examples/na2nh2bh4/README.md
_MICROSCOPE = IdentifyOptions(dose_e_per_angstrom2=22.0, energy_kev=300.0, cs_mm=2.7)
_PIXEL_SIZE_PER_ANGSTROM = 0.0085
_COLD_DOSE_PER_FRAME, _WARM_DOSE_PER_FRAME = 2.5, 0.5
_STAND_IN = (
    "no experimental micrograph of Na2NH2BH4 is public: what is called measured here was measured "
    "on simulated stand-ins with planted answers, made by a generator of its own"
)


def example_folder() -> Path | None:
    """Return the example data of a source checkout, or None where there is none."""
    beside = Path(__file__).resolve().parents[4]
    for root in (Path.cwd(), beside):
        folder = root / "examples" / "na2nh2bh4"
        if (folder / PARENT).is_file():
            return folder
    return None


def reproduce(
    lab: Connection,
    data: Path | None = None,
    *,
    out: Path | None = None,
    follow: Follow = unseen,
) -> Answer:
    """Make the counterparts of the paper's figures.

    Parameters
    ----------
    lab : Connection
    data : Path, optional
        Folder with the parent's CIF, the micrograph and the two diffraction series under the names
        of ``examples/na2nh2bh4``; that of the source checkout where absent.
    out : Path, optional
        Folder for the figures (PNG and PDF), the movie, the two CIFs and ``report.html``.
    follow : callable, optional
        Is told of the jobs.

    Returns
    -------
    Answer
        ``figures`` [{name, title, caption}], ``comparison`` [{quantity, unit, paper, found,
        ci95}], ``warnings``, ``dataset``.

    Raises
    ------
    InvalidInputError
        A file is missing, or the micrograph shows no ordering.
    CryolatticeError
        What else is wrong with the files.
    """
    require_folder(out)
    folder = data_folder(data)
    answer = identify(
        lab, folder / MICROGRAPH, folder / PARENT, SUPERCELL, _MICROSCOPE, follow=follow
    )
    result, spec = answer.document, answer.report
    best = result["best"]
    if best is None or best["ordering_id"] == "disordered":
        raise InvalidInputError(
            f"{folder / MICROGRAPH} shows no ordering ({result['verdict']}): the figures need a "
            "micrograph that does",
            field="data",
        )
    fading = dose_request(
        lab,
        folder / COLD,
        DoseOptions(
            dose_per_frame_e_per_angstrom2=_COLD_DOSE_PER_FRAME,
            pixel_size_per_angstrom=_PIXEL_SIZE_PER_ANGSTROM,
            compare=folder / WARM,
            compare_dose_per_frame_e_per_angstrom2=_WARM_DOSE_PER_FRAME,
        ),
    )
    dose = lab.run_job(lab.analyzer.CreateDoseJob, fading, follow("critical doses"))
    paper = analyzer_pb2.PaperFigures(
        potential=_potential(lab, spec.models, best, follow),
        series=fading.spec.series,
        compare=fading.spec.compare,
        series_label="98 K",
        compare_label="298 K",
        pristine_cif=read_crystal(folder / PARENT).cif,
        ordered_cif=_ordered_cif(lab, folder / PARENT, best["ordering_id"]),
    )
    if (folder / "truth.json").is_file():
        spec.warnings.insert(0, _STAND_IN)
    spec.title = "Figures after Janicek et al. (2024)"
    spec.dose.CopyFrom(dose)
    spec.paper.CopyFrom(paper)
    ref = make_report(lab, spec, follow)
    reader = lab.open_ref(ref)
    if out is not None:
        write_files(out, {name: reader.file(name) for name in reader.file_names})
    document: dict[str, Any] = reader.json("figures.json")
    document |= {"warnings": list(spec.warnings), "dataset": ref.name}
    return Answer(document, spec)


def data_folder(data: Path | None) -> Path:
    """Return the folder with all four files: `data`, or that of a source checkout.

    Raises
    ------
    InvalidInputError
        There is no such folder, or it lacks one of the files.
    """
    wanted = ", ".join((PARENT, MICROGRAPH, COLD, WARM))
    folder = data or example_folder()
    if folder is None:
        raise InvalidInputError(
            "the example data are not part of the installed package: give --data DIR, the folder "
            f"examples/na2nh2bh4 of the source repository, or one of your own with {wanted}",
            field="data",
        )
    for name in (PARENT, MICROGRAPH, COLD, WARM):
        if not (folder / name).is_file():
            raise InvalidInputError(
                f"{folder} has no {name}: --data needs a folder with {wanted}", field="data"
            )
    return folder


def _potential(
    lab: Connection, models: DatasetRef, best: dict[str, Any], follow: Follow
) -> DatasetRef:
    """Have the potentials of the disordered parent and of the best ordering projected."""
    wanted = {"disordered": "", best["ordering_id"]: ""}
    for record in lab.open_ref(models).json("models.json"):
        if record["ordering_id"] in wanted and record["zone_axis"] == best["zone_axis"]:
            wanted[record["ordering_id"]] = record["model_id"]
    spec = simulator_pb2.PotentialSpec(
        models=models, model_ids=wanted.values(), b_angstrom2=best["b_angstrom2"]
    )
    return lab.run_job(
        lab.simulator.CreatePotentialJob,
        simulator_pb2.CreatePotentialJobRequest(spec=spec),
        follow("projected potential"),
    )


def _ordered_cif(lab: Connection, parent: Path, ordering_id: str) -> str:
    """Return the structure of an ordering, hydrogens left out, as the modeler writes it."""
    request = modeler_pb2.EnumerateOrderingsRequest(
        parent_crystal=read_crystal(parent), supercell=supercell_message(SUPERCELL), with_cif=True
    )
    structures: dict[str, str] = {
        response.ordering.id: response.cif
        for response in lab.stream(lab.modeler.EnumerateOrderings, request)
    }
    return structures[ordering_id]
