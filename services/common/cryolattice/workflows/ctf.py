"""Defocus and astigmatism of a micrograph, or of a power spectrum."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryolattice.client.connection import Connection
from cryolattice.local_files import require_folder
from cryolattice.workflows.images import ImageOptions, upload_image
from cryolattice.workflows.lattice import LatticeOptions, parent_cells, search_lattice
from cryolattice.workflows.steps import Answer, Follow, save_report, unseen
from cryolattice_api.analyzer.v1 import analyzer_pb2
from cryolattice_api.common.v1.dataset_service_pb2 import FILE_ROLE_POWER_SPECTRUM

# rings on a crystal that a film's fit would count as found
_HINT_SCORE = 20.0
_LENS = ("defocus_u_angstrom", "defocus_v_angstrom", "angle_deg", "fit_resolution_angstrom", "ci95")


@dataclass(frozen=True)
class CtfOptions:
    """How the lens is fitted.

    Attributes
    ----------
    image : ImageOptions
    power_spectrum : bool
        The file holds a power spectrum, zero frequency in the middle; the pixel size is that of the
        image it was made from.
    parent : Path, optional
        CIF of the crystal in the micrograph: what is crystal and what is film is then told apart
        better.
    amplitude_contrast : float, optional
        0 to 1; 0.07 unless given.
    defocus_range_angstrom : (float, float), optional
        300 to 30000 unless given.
    resolution_angstrom : (float, float), optional
        Largest and smallest spacing of the rings that are fitted; chosen from the rings unless
        given.
    """

    image: ImageOptions = field(default_factory=ImageOptions)
    power_spectrum: bool = False
    parent: Path | None = None
    amplitude_contrast: float | None = None
    defocus_range_angstrom: tuple[float, float] | None = None
    resolution_angstrom: tuple[float, float] | None = None


def ctf_spec(options: CtfOptions) -> analyzer_pb2.CtfSpec:
    """Return the spec of the fit, without its image."""
    spec = analyzer_pb2.CtfSpec(amplitude_contrast=options.amplitude_contrast)
    if options.defocus_range_angstrom is not None:
        spec.defocus_min_angstrom, spec.defocus_max_angstrom = options.defocus_range_angstrom
    if options.resolution_angstrom is not None:
        spec.spacing_max_angstrom, spec.spacing_min_angstrom = options.resolution_angstrom
    return spec


def measure_ctf(
    lab: Connection,
    image: Path,
    options: CtfOptions,
    *,
    out: Path | None = None,
    follow: Follow = unseen,
) -> Answer:
    """Fit defocus and astigmatism to the rings of an amorphous film.

    A micrograph's lattice is found first: its spots are masked, and the film beside the crystal is
    fitted where there is enough.

    Parameters
    ----------
    lab : Connection
    image : Path
        Micrograph or power spectrum.
    options : CtfOptions
    out : Path, optional
        Folder for the report and its figures.
    follow : callable, optional
        Is told of the jobs.

    Returns
    -------
    Answer
        ``found``, ``defocus_u_angstrom``, ``defocus_v_angstrom``, ``angle_deg`` (CTFFIND's
        convention), ``fit_resolution_angstrom``, ``ci95`` (None where no rings are found),
        ``amplitude_contrast``, ``energy_kev``, ``cs_mm``, ``warnings``, ``dataset``.

    Raises
    ------
    CryolatticeError
        What is wrong with the file or the options.
    """
    require_folder(out)
    spec = ctf_spec(options)
    report = analyzer_pb2.ReportSpec(title=f"Contrast transfer: {image.name}")
    if options.power_spectrum:
        ref = upload_image(lab, image, options.image, FILE_ROLE_POWER_SPECTRUM)
        spec.power_spectrum.CopyFrom(ref)
        report.power_spectrum.CopyFrom(ref)
        facts = lab.open_ref(ref).json("power_spectrum.json")
    else:
        ref = upload_image(lab, image, options.image)
        spec.micrograph.CopyFrom(ref)
        report.micrograph.CopyFrom(ref)
        facts = lab.open_ref(ref).json("micrograph.json")
        # nothing is searched before the options are known to be right
        lab.call(
            lab.analyzer.CreateCtfJob,
            analyzer_pb2.CreateCtfJobRequest(parent=lab.parent, spec=spec, validate_only=True),
        )
        crystal = LatticeOptions(parent=options.parent)
        cells = parent_cells(lab, crystal)
        spec.lattice.CopyFrom(search_lattice(lab, ref, cells, crystal, follow).ref)
    fitted = lab.run_job(
        lab.analyzer.CreateCtfJob,
        analyzer_pb2.CreateCtfJobRequest(spec=spec),
        follow("contrast transfer"),
    )
    summary = lab.open_ref(fitted).json("ctf.json")
    document: dict[str, Any] = {
        "found": summary["found"],
        **{name: summary.get(name) for name in _LENS},
        **{name: summary[name] for name in ("amplitude_contrast", "energy_kev", "cs_mm")},
        "warnings": list(facts["warnings"]),
        "dataset": fitted.name,
    }
    if not summary["found"]:
        document["warnings"].append(_remark(summary["alternatives"]))
    report.ctf.CopyFrom(fitted)
    report.warnings[:] = document["warnings"]
    if out is not None:
        save_report(lab, report, out, follow)
    return Answer(document, report)


def _remark(alternatives: list[dict[str, float]]) -> str:
    """Say that there are no rings, or what rings on the crystal hint at."""
    if not alternatives or alternatives[0]["score"] < _HINT_SCORE:
        return "no rings of an amorphous film stand out of the spectrum: nothing tells the defocus"
    best = alternatives[0]
    return (
        "no rings stand out beside the crystal; those of film on it hint at a defocus of "
        f"{best['defocus_u_angstrom']:.0f} and {best['defocus_v_angstrom']:.0f} angstrom, but the "
        "crystal's own scattering can pass for rings"
    )
