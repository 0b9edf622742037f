"""Critical doses of one diffraction series, or of two and their ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryolattice.client.connection import Connection
from cryolattice.errors import InvalidInputError, MissingCalibrationError
from cryolattice.local_files import require_folder
from cryolattice.workflows.steps import Answer, Follow, save_report, unseen
from cryolattice_api.analyzer.v1 import analyzer_pb2
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.common.v1.dataset_service_pb2 import (
    FILE_ROLE_DIFFRACTION_SERIES,
    DiffractionCalibration,
    UploadHeader,
)


@dataclass(frozen=True)
class DoseOptions:
    """What is told beside the files; what is None is taken from them.

    Attributes
    ----------
    dose_per_frame_e_per_angstrom2 : float
        Dose of each frame of the series; no file tells it.
    pixel_size_per_angstrom : float, optional
        Of both series.
    signal : str, optional
        Which stack of the files, where they hold several: its title, or its number from 1.
    lattice_angstrom : float, optional
        A spacing that the crystal is known to have.
    compare : Path, optional
        A second series.
    compare_dose_per_frame_e_per_angstrom2 : float, optional
        Dose of each frame of `compare`.
    """

    dose_per_frame_e_per_angstrom2: float | None
    pixel_size_per_angstrom: float | None = None
    signal: str | None = None
    lattice_angstrom: float | None = None
    compare: Path | None = None
    compare_dose_per_frame_e_per_angstrom2: float | None = None


def dose_request(
    lab: Connection, series: Path, options: DoseOptions
) -> analyzer_pb2.CreateDoseJobRequest:
    """Take the files up and return the request of the job.

    Raises
    ------
    CryolatticeError
        What is wrong with the files or the options.
    """
    lattice = options.lattice_angstrom
    if lattice is not None and not (math.isfinite(lattice) and lattice > 0):
        raise InvalidInputError(
            f"lattice is {lattice:g} angstrom: give a positive length, or leave it out",
            field="lattice",
        )
    second_dose = options.compare_dose_per_frame_e_per_angstrom2
    if (options.compare is None) != (second_dose is None):
        raise MissingCalibrationError(
            "--compare and --compare-dose-per-frame (e/angstrom^2) go together: give both",
            field="compare_dose_per_frame",
        )

    def upload(path: Path, dose: float | None) -> DatasetRef:
        calibration = DiffractionCalibration(
            pixel_size_per_angstrom=options.pixel_size_per_angstrom,
            dose_per_frame_e_per_angstrom2=dose,
        )
        header = UploadHeader(
            role=FILE_ROLE_DIFFRACTION_SERIES, diffraction=calibration, signal=options.signal
        )
        return lab.upload(path, header)

    spec = analyzer_pb2.DoseSpec(lattice_angstrom=lattice or 0.0)
    spec.series.CopyFrom(upload(series, options.dose_per_frame_e_per_angstrom2))
    if options.compare is not None:
        spec.compare.CopyFrom(upload(options.compare, second_dose))
    return analyzer_pb2.CreateDoseJobRequest(spec=spec)


def measure_dose(
    lab: Connection,
    series: Path,
    options: DoseOptions,
    *,
    out: Path | None = None,
    follow: Follow = unseen,
) -> Answer:
    """Measure the critical dose of every spacing.

    Parameters
    ----------
    lab : Connection
    series : Path
        Stack of diffraction patterns.
    options : DoseOptions
    out : Path, optional
        Folder for the report and its figures.
    follow : callable, optional
        Is told of the jobs.

    Returns
    -------
    Answer
        ``reflections``, ``warnings``, ``dataset``; with a second series also ``compare`` and
        ``improvement``.

    Raises
    ------
    CryolatticeError
        What is wrong with the files or the options.
    """
    require_folder(out)
    ref = lab.run_job(
        lab.analyzer.CreateDoseJob, dose_request(lab, series, options), follow("critical doses")
    )
    document: dict[str, Any] = lab.open_ref(ref).json("dose.json")
    document["dataset"] = ref.name
    report = analyzer_pb2.ReportSpec(dose=ref, title=f"Critical dose: {series.name}")
    if out is not None:
        save_report(lab, report, out, follow)
    return Answer(document, report)
