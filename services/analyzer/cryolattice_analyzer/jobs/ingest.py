"""Uploaded files become calibrated arrays, or nothing: what cannot be read leaves no trace."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np

from cryolattice.errors import InvalidInputError, MissingCalibrationError
from cryolattice_analyzer.dose.diffraction_series import header_pixel_size, read_diffraction_series
from cryolattice_analyzer.imaging.micrograph import read_micrograph
from cryolattice_api.common.v1.dataset_service_pb2 import UploadHeader

if TYPE_CHECKING:
    from cryolattice.store.writer import DatasetWriter

ASSUMED_ENERGY_KEV = 300.0
ASSUMED_CS_MM = 2.7
_ENERGY_RANGE_KEV = (20.0, 3000.0)
_LARGEST_CS_MM = 100.0


def micrograph(header: UploadHeader, data: bytes, output: DatasetWriter) -> None:
    """Write a micrograph's counts with its calibration.

    Raises
    ------
    CryolatticeError
        The file cannot be read, or a calibration is missing or impossible.
    """
    given = header.image
    dose = given.dose_e_per_angstrom2 if given.HasField("dose_e_per_angstrom2") else None
    if dose is not None and not (math.isfinite(dose) and dose > 0):
        raise InvalidInputError(
            f"dose is {dose:g} e/angstrom^2: give the positive dose of this image, or leave it out "
            "if it is not known",
            field="dose",
        )
    energy = given.energy_kev if given.HasField("energy_kev") else None
    low, high = _ENERGY_RANGE_KEV
    if energy is not None and not low <= energy <= high:
        raise InvalidInputError(
            f"energy_kev is {energy:g} keV: give the microscope's energy, {low:g} to {high:g} keV",
            field="energy_kev",
        )
    cs = given.cs_mm if given.HasField("cs_mm") else None
    if cs is not None and not abs(cs) <= _LARGEST_CS_MM:
        raise InvalidInputError(
            f"cs_mm is {cs:g} mm: give the spherical aberration in mm, such as 2.7", field="cs_mm"
        )
    pixel = given.pixel_size_angstrom if given.HasField("pixel_size_angstrom") else None
    image = read_micrograph(data, header.file_name, pixel_size_angstrom=pixel)
    warnings = list(image.warnings)
    energy = energy if energy is not None else image.energy_kev
    if energy is None:
        energy = ASSUMED_ENERGY_KEV
        warnings.append(f"energy: the file does not tell it, {energy:g} keV assumed (--energy-kev)")
    cs = cs if cs is not None else image.cs_mm
    if cs is None:
        cs = ASSUMED_CS_MM
        warnings.append(
            f"spherical aberration: the file does not tell it, {cs:g} mm assumed (--cs-mm)"
        )
    output.add_array("counts", image.counts, ("y", "x"), "electron")
    for axis, length in zip(("y", "x"), image.counts.shape, strict=True):
        output.add_array(axis, np.arange(length) * image.pixel_size_angstrom, (axis,), "angstrom")
    output.add_json(
        "micrograph.json",
        {
            "file_name": header.file_name,
            "file_sha256": hashlib.sha256(data).hexdigest(),
            "pixel_size_angstrom": image.pixel_size_angstrom,
            "dose_e_per_angstrom2": dose,
            "energy_kev": energy,
            "cs_mm": cs,
            "warnings": warnings,
        },
    )


def diffraction_series(header: UploadHeader, data: bytes, output: DatasetWriter) -> None:
    """Write a series of diffraction patterns with its calibration.

    Raises
    ------
    CryolatticeError
        The file cannot be read, or a calibration is missing or impossible.
    """
    given = header.diffraction
    if not given.HasField("dose_per_frame_e_per_angstrom2"):
        raise MissingCalibrationError(
            f"{header.file_name}: no file tells the dose of a frame; give --dose-per-frame in "
            "e/angstrom^2",
            field="dose_per_frame",
        )
    dose = given.dose_per_frame_e_per_angstrom2
    if not (math.isfinite(dose) and dose > 0):
        raise InvalidInputError(
            f"dose_per_frame is {dose:g} e/angstrom^2: give the positive dose of one frame",
            field="dose_per_frame",
        )
    pixel = given.pixel_size_per_angstrom if given.HasField("pixel_size_per_angstrom") else None
    warnings = []
    if pixel is None:
        pixel = header_pixel_size(data, header.file_name)
        if pixel is not None:
            warnings.append(
                f"pixel size: {pixel:g} of the file's header taken as 1/angstrom (--pixel-size)"
            )
    series = read_diffraction_series(data, header.file_name, pixel)
    count, height, width = series.frames.shape
    output.add_array("frames", series.frames, ("frame", "ky", "kx"), "electron")
    output.add_array("frame", (np.arange(count) + 0.5) * dose, ("frame",), "electron/angstrom^2")
    for axis, length in (("ky", height), ("kx", width)):
        output.add_array(
            axis, np.arange(length) * series.pixel_size_per_angstrom, (axis,), "1/angstrom"
        )
    output.add_json(
        "diffraction_series.json",
        {
            "file_name": header.file_name,
            "file_sha256": hashlib.sha256(data).hexdigest(),
            "pixel_size_per_angstrom": series.pixel_size_per_angstrom,
            "dose_per_frame_e_per_angstrom2": dose,
            "warnings": warnings,
        },
    )
