"""The figures of the paper behind the product, made again from data of the same kind.

The paper is Janicek et al., Nano Letters 2024, doi 10.1021/acs.nanolett.4c01996. Its counterparts
come from the datasets of `identify` and `dose`, which are reused where they are there, and from one
projected potential.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryolattice.client.lab import Lab
from cryolattice.errors import InvalidInputError
from cryolattice.local_files import require_folder
from cryolattice.workflows.dose import analyse_series
from cryolattice.workflows.identify import Identified, IdentifyOptions, find_ordering
from cryolattice.workflows.steps import Follow, read_crystal, save_report, supercell_message, unseen
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
    lab: Lab,
    data: Path | None = None,
    *,
    out: Path | None = None,
    follow: Follow = unseen,
) -> dict[str, Any]:
    """Make the counterparts of the paper's figures.

    Parameters
    ----------
    lab : Lab
    data : Path, optional
        Folder with the parent's CIF, the micrograph and the two diffraction series under the names
        of ``examples/na2nh2bh4``; that of the source checkout where absent.
    out : Path, optional
        Folder for the figures (PNG and PDF), the movie, the two CIFs and ``report.html``.
    follow : callable, optional
        Is told of the jobs.

    Returns
    -------
    dict
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
    folder = _complete(data)
    result, found = find_ordering(
        lab, folder / MICROGRAPH, folder / PARENT, SUPERCELL, _MICROSCOPE, follow
    )
    best = result["best"]
    if best is None or best["ordering_id"] == "disordered":
        raise InvalidInputError(
            f"{folder / MICROGRAPH} shows no ordering ({result['verdict']}): the figures need a "
            "micrograph that does",
            field="data",
        )
    fading = analyse_series(
        lab,
        folder / COLD,
        dose_per_frame_e_per_angstrom2=_COLD_DOSE_PER_FRAME,
        pixel_size_per_angstrom=_PIXEL_SIZE_PER_ANGSTROM,
        lattice_angstrom=None,
        compare=folder / WARM,
        compare_dose_per_frame_e_per_angstrom2=_WARM_DOSE_PER_FRAME,
        follow=follow,
    )
    warnings = list(result["warnings"])
    if (folder / "truth.json").is_file():
        warnings.insert(0, _STAND_IN)
    spec = found.report_spec("Figures after Janicek et al. (2024)", warnings)
    spec.dose.CopyFrom(fading.dose)
    spec.paper.CopyFrom(
        analyzer_pb2.PaperFigures(
            potential=_potential(lab, found, best, follow),
            series=fading.series,
            compare=fading.compare,
            series_label="98 K",
            compare_label="298 K",
            pristine_cif=read_crystal(folder / PARENT).cif,
            ordered_cif=_ordered_cif(lab, folder / PARENT, best["ordering_id"]),
        )
    )
    ref = save_report(lab, spec, out, follow)
    figures: dict[str, Any] = lab.open_ref(ref).json("figures.json")
    return {**figures, "warnings": warnings, "dataset": ref.name}


def _complete(data: Path | None) -> Path:
    """Return the folder with all four files."""
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


def _potential(lab: Lab, found: Identified, best: dict[str, Any], follow: Follow) -> DatasetRef:
    """Have the potentials of the disordered parent and of the best ordering projected."""
    wanted = {"disordered": "", best["ordering_id"]: ""}
    for record in lab.open_ref(found.models).json("models.json"):
        if record["ordering_id"] in wanted and record["zone_axis"] == best["zone_axis"]:
            wanted[record["ordering_id"]] = record["model_id"]
    spec = simulator_pb2.PotentialSpec(
        models=found.models, model_ids=wanted.values(), b_angstrom2=best["b_angstrom2"]
    )
    return lab.run_job(
        lab.simulator.CreatePotentialJob,
        simulator_pb2.CreatePotentialJobRequest(spec=spec),
        follow("projected potential"),
    )


def _ordered_cif(lab: Lab, parent: Path, ordering_id: str) -> str:
    """Return the structure of an ordering, hydrogens left out, as the modeler writes it."""
    request = modeler_pb2.EnumerateOrderingsRequest(
        parent_crystal=read_crystal(parent), supercell=supercell_message(SUPERCELL), with_cif=True
    )
    structures: dict[str, str] = {
        response.ordering.id: response.cif
        for response in lab.stream(lab.modeler.EnumerateOrderings, request)
    }
    return structures[ordering_id]
