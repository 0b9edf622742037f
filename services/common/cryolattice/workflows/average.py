"""The averaged unit cell of a micrograph."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryolattice.client.connection import Connection
from cryolattice.local_files import require_folder
from cryolattice.workflows.images import upload_image
from cryolattice.workflows.lattice import LatticeOptions, parent_cells, search_lattice
from cryolattice.workflows.steps import Answer, Follow, save_report, unseen
from cryolattice_api.analyzer.v1 import analyzer_pb2

if TYPE_CHECKING:
    from cryolattice.store.reader import DatasetReader

_FACTS = ("cells", "area_angstrom2", "mean_counts", "image_standard_error")


@dataclass(frozen=True)
class AverageOptions:
    """What is averaged.

    Attributes
    ----------
    lattice : LatticeOptions
        ``supercell`` is the cell to average, in parent cells; the repeat that is seen unless given.
    g_max_per_angstrom : float, optional
        Fourier coefficients up to this spatial frequency; 0.7, or what the pixels carry.
    """

    lattice: LatticeOptions = field(default_factory=LatticeOptions)
    g_max_per_angstrom: float | None = None


def average_cell(
    lab: Connection,
    micrograph: Path,
    options: AverageOptions,
    *,
    out: Path | None = None,
    follow: Follow = unseen,
) -> Answer:
    """Average the unit cells of a micrograph.

    Parameters
    ----------
    lab : Connection
    micrograph : Path
    options : AverageOptions
    out : Path, optional
        Folder for the report and its figures.
    follow : callable, optional
        Is told of the jobs.

    Returns
    -------
    Answer
        ``found``; ``cell`` {a_angstrom, b_angstrom, gamma_deg, rotation_deg, supercell}, ``cells``,
        ``area_angstrom2``, ``mean_counts``, ``image_standard_error``, ``reflections`` [{h, k,
        d_angstrom, amplitude, phase_deg, standard_error, snr}], strongest first; ``warnings``,
        ``dataset``. None or empty where there is no lattice.

    Raises
    ------
    CryolatticeError
        What is wrong with the files or the options.
    """
    require_folder(out)
    cells = parent_cells(lab, options.lattice)
    image = upload_image(lab, micrograph, options.lattice.image)
    given = options.lattice.supercell
    # a repeat of a given size is tested for, too
    search = replace(options.lattice, supercell=given if given and min(given) > 1 else None)
    found = search_lattice(lab, image, cells, search, follow)
    report = analyzer_pb2.ReportSpec(
        micrograph=image,
        lattice=found.ref,
        title=f"Averaged cell: {micrograph.name}",
        warnings=found.warnings,
    )
    document: dict[str, Any] = {
        "found": found.summary["found"],
        "cell": None,
        **dict.fromkeys(_FACTS),
        "reflections": [],
        "warnings": found.warnings,
        "dataset": found.ref.name,
    }
    if found.summary["found"]:
        (lattice,) = found.summary["lattices"]
        repeat = lattice["superlattice"] or [1, 1]
        m, n = given or repeat
        average = lab.run_job(
            lab.analyzer.CreateAverageJob,
            analyzer_pb2.CreateAverageJobRequest(
                spec=analyzer_pb2.AverageSpec(
                    micrograph=image,
                    lattice=found.ref,
                    supercell_a=m,
                    supercell_b=n,
                    g_max_per_angstrom=options.g_max_per_angstrom or 0.0,
                )
            ),
            follow("averaged cell"),
        )
        report.average.CopyFrom(average)
        reader = lab.open_ref(average)
        facts = reader.json("average.json")
        document |= {name: facts[name] for name in _FACTS}
        document["cell"] = {
            "a_angstrom": lattice["a_angstrom"] / repeat[0] * m,
            "b_angstrom": lattice["b_angstrom"] / repeat[1] * n,
            "gamma_deg": lattice["gamma_deg"],
            "rotation_deg": lattice["rotation_deg"],
            "supercell": [m, n],
        }
        document["reflections"] = _reflections(reader)
        document["dataset"] = average.name
    else:
        document["warnings"].append(f"nothing to average: {found.summary['reason']}")
        report.warnings[:] = found.warnings
    if out is not None:
        save_report(lab, report, out, follow)
    return Answer(document, report)


def _reflections(reader: DatasetReader) -> list[dict[str, Any]]:
    """List one of each Friedel pair, strongest first."""
    import numpy as np  # noqa: PLC0415 - not needed to ask for help

    coefficients, errors = reader.array("coefficients"), reader.array("standard_error")
    h, k, g = reader.array("h"), reader.array("k"), reader.array("g_per_angstrom")
    return [
        {
            "h": int(h[i]),
            "k": int(k[i]),
            "d_angstrom": float(1 / np.hypot(*g[i])),
            "amplitude": float(abs(coefficients[i])),
            "phase_deg": float(np.degrees(np.angle(coefficients[i]))),
            "standard_error": float(errors[i]),
            "snr": float(abs(coefficients[i]) / errors[i]),
        }
        for i in np.argsort(-np.abs(coefficients))
    ]
