"""Critical doses of one diffraction series, or of two and their ratio."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from cryolattice.client.lab import Lab
from cryolattice.errors import InvalidInputError, MissingCalibrationError
from cryolattice.local_files import require_folder
from cryolattice.workflows.steps import Follow, save_report, unseen
from cryolattice_api.analyzer.v1 import analyzer_pb2
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.common.v1.dataset_service_pb2 import (
    FILE_ROLE_DIFFRACTION_SERIES,
    DiffractionCalibration,
    UploadHeader,
)


def measure_dose(
    lab: Lab,
    series: Path,
    *,
    dose_per_frame_e_per_angstrom2: float | None,
    pixel_size_per_angstrom: float | None = None,
    lattice_angstrom: float | None = None,
    compare: Path | None = None,
    compare_dose_per_frame_e_per_angstrom2: float | None = None,
    out: Path | None = None,
    follow: Follow = unseen,
) -> dict[str, Any]:
    """Measure the critical dose of every spacing.

    Parameters
    ----------
    lab : Lab
    series : Path
        Stack of diffraction patterns.
    dose_per_frame_e_per_angstrom2 : float
        Dose of each frame of `series`.
    pixel_size_per_angstrom : float, optional
        Of both series; taken from the file where absent.
    lattice_angstrom : float, optional
        A spacing that the crystal is known to have.
    compare : Path, optional
        A second series.
    compare_dose_per_frame_e_per_angstrom2 : float, optional
        Dose of each frame of `compare`.
    out : Path, optional
        Folder for the report and its figures.
    follow : callable, optional
        Is told of the jobs.

    Returns
    -------
    dict
        ``reflections``, ``warnings``, ``dataset``; with `compare` also ``compare`` and
        ``improvement``.

    Raises
    ------
    CryolatticeError
        What is wrong with the files or the options.
    """
    require_folder(out)
    if lattice_angstrom is not None and not (
        math.isfinite(lattice_angstrom) and lattice_angstrom > 0
    ):
        raise InvalidInputError(
            f"lattice is {lattice_angstrom:g} angstrom: give a positive length, or leave it out",
            field="lattice",
        )
    second_dose = compare_dose_per_frame_e_per_angstrom2
    if (compare is None) != (second_dose is None):
        raise MissingCalibrationError(
            "--compare and --compare-dose-per-frame (e/angstrom^2) go together: give both",
            field="compare_dose_per_frame",
        )

    def upload(path: Path, dose: float | None) -> DatasetRef:
        calibration = DiffractionCalibration(
            pixel_size_per_angstrom=pixel_size_per_angstrom, dose_per_frame_e_per_angstrom2=dose
        )
        return lab.upload(
            path, UploadHeader(role=FILE_ROLE_DIFFRACTION_SERIES, diffraction=calibration)
        )

    spec = analyzer_pb2.DoseSpec(lattice_angstrom=lattice_angstrom or 0.0)
    spec.series.CopyFrom(upload(series, dose_per_frame_e_per_angstrom2))
    if compare is not None:
        spec.compare.CopyFrom(upload(compare, second_dose))
    ref = lab.run_job(
        lab.analyzer.CreateDoseJob,
        analyzer_pb2.CreateDoseJobRequest(spec=spec),
        follow("critical doses"),
    )
    result: dict[str, Any] = lab.open_ref(ref).json("dose.json")
    result["dataset"] = ref.name
    if out is not None:
        report = analyzer_pb2.ReportSpec(dose=ref, title=f"Critical dose: {series.name}")
        save_report(lab, report, out, follow)
    return result
