"""Uploaded files become calibrated arrays, or nothing: what cannot be read leaves no trace."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from cryolattice.errors import InvalidInputError, MissingCalibrationError
from cryolattice_analyzer.dose.diffraction_series import read_diffraction_series
from cryolattice_analyzer.files.formats import file_format
from cryolattice_analyzer.files.signals import Axis, Instrument
from cryolattice_analyzer.imaging.micrograph import read_micrograph
from cryolattice_analyzer.lens.ring_spectrum import require_centred

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from cryolattice.jobs.kinds import UploadedFile
    from cryolattice.store.writer import DatasetWriter
    from cryolattice_api.common.v1.dataset_service_pb2 import ImageCalibration

ASSUMED_ENERGY_KEV = 300.0
ASSUMED_CS_MM = 2.7
_ENERGY_RANGE_KEV = (20.0, 3000.0)
_LARGEST_CS_MM = 100.0
# relative difference between file and option above which both are shown
_CONTRADICTION = 0.01


def micrograph(upload: UploadedFile, output: DatasetWriter) -> None:
    """Write a micrograph's counts with its calibration.

    Raises
    ------
    CryolatticeError
        The file cannot be read, or a calibration is missing or impossible.
    """
    given = upload.header.image
    dose = _checked_dose(_optional(given, "dose_e_per_angstrom2"))
    lens = _checked_lens(given)
    image = read_micrograph(
        upload.data,
        upload.name,
        pixel_size_angstrom=_optional(given, "pixel_size_angstrom"),
        companions=upload.companions,
        signal=_optional(upload.header, "signal"),
    )
    warnings = list(image.warnings)
    told = image.instrument
    dose = _settle("dose", dose, told.dose_e_per_angstrom2, "e/angstrom^2", warnings)
    if dose is not None and _optional(given, "dose_e_per_angstrom2") is None:
        warnings.append(f"dose: {dose:.4g} e/angstrom^2 taken from the file (--dose)")
    energy, cs = _settled_lens(lens, told, warnings)
    output.add_array("counts", image.counts, ("y", "x"), "electron")
    for axis, length in zip(("y", "x"), image.counts.shape, strict=True):
        output.add_array(axis, np.arange(length) * image.pixel_size_angstrom, (axis,), "angstrom")
    output.add_json(
        "micrograph.json",
        {
            **_origin(upload, image.title, image.axes, told),
            "frames_summed": image.frames,
            "pixel_size_angstrom": image.pixel_size_angstrom,
            "dose_e_per_angstrom2": dose,
            "energy_kev": energy,
            "cs_mm": cs,
            "warnings": warnings,
        },
    )


def power_spectrum(upload: UploadedFile, output: DatasetWriter) -> None:
    """Write a micrograph's power spectrum with the calibration of the image.

    Raises
    ------
    CryolatticeError
        The file cannot be read, zero frequency is not in the middle, or a calibration is missing or
        impossible.
    """
    given = upload.header.image
    lens = _checked_lens(given)
    image = read_micrograph(
        upload.data,
        upload.name,
        pixel_size_angstrom=_optional(given, "pixel_size_angstrom"),
        companions=upload.companions,
        signal=_optional(upload.header, "signal"),
    )
    require_centred(image.counts, upload.name)
    warnings = list(image.warnings)
    energy, cs = _settled_lens(lens, image.instrument, warnings)
    output.add_array("power", image.counts, ("ky", "kx"))
    for axis, length in zip(("ky", "kx"), image.counts.shape, strict=True):
        step = 1 / (length * image.pixel_size_angstrom)
        output.add_array(axis, (np.arange(length) - length // 2) * step, (axis,), "1/angstrom")
    output.add_json(
        "power_spectrum.json",
        {
            **_origin(upload, image.title, image.axes, image.instrument),
            "pixel_size_angstrom": image.pixel_size_angstrom,
            "energy_kev": energy,
            "cs_mm": cs,
            "warnings": warnings,
        },
    )


def diffraction_series(upload: UploadedFile, output: DatasetWriter) -> None:
    """Write a series of diffraction patterns with its calibration.

    Raises
    ------
    CryolatticeError
        The file cannot be read, or a calibration is missing or impossible.
    """
    given = upload.header.diffraction
    dose = _optional(given, "dose_per_frame_e_per_angstrom2")
    if dose is None:
        raise MissingCalibrationError(
            f"{upload.name}: no file tells the dose of a frame; give --dose-per-frame in "
            "e/angstrom^2",
            field="dose_per_frame",
        )
    if not (math.isfinite(dose) and dose > 0):
        raise InvalidInputError(
            f"dose_per_frame is {dose:g} e/angstrom^2: give the positive dose of one frame",
            field="dose_per_frame",
        )
    series = read_diffraction_series(
        upload.data,
        upload.name,
        pixel_size_per_angstrom=_optional(given, "pixel_size_per_angstrom"),
        companions=upload.companions,
        signal=_optional(upload.header, "signal"),
    )
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
            **_origin(upload, series.title, series.axes, series.instrument),
            "pixel_size_per_angstrom": series.pixel_size_per_angstrom,
            "dose_per_frame_e_per_angstrom2": dose,
            "warnings": list(series.warnings),
        },
    )


def _origin(
    upload: UploadedFile, title: str, axes: Sequence[Axis], instrument: Instrument
) -> dict[str, Any]:
    """Say where the numbers come from: file, signal in it, its own scale, microscope."""
    return {
        "file_name": upload.name,
        "file_sha256": upload.sha256,
        "companions": upload.companions_sha256,
        "file_format": file_format(upload.name),
        "signal": title,
        "file_scale": {
            axis: {
                "value": given.scale if math.isfinite(given.scale) else None,
                "unit": given.unit,
            }
            for axis, given in zip(("y", "x"), axes, strict=True)
        },
        "instrument": asdict(instrument),
    }


def _optional(message: Message, name: str) -> Any:
    return getattr(message, name) if message.HasField(name) else None


def _checked_lens(given: ImageCalibration) -> tuple[float | None, float | None]:
    energy = _checked_energy(_optional(given, "energy_kev"))
    return energy, _checked_cs(_optional(given, "cs_mm"))


def _settled_lens(
    given: tuple[float | None, float | None], told: Instrument, warnings: list[str]
) -> tuple[float, float]:
    """Energy and spherical aberration: the user's, the file's, or assumed with a warning."""
    energy = _settle("energy", given[0], told.energy_kev, "keV", warnings)
    if energy is None:
        energy = ASSUMED_ENERGY_KEV
        warnings.append(f"energy: the file does not tell it, {energy:g} keV assumed (--energy-kev)")
    cs = _settle("spherical aberration", given[1], told.cs_mm, "mm", warnings)
    if cs is None:
        cs = ASSUMED_CS_MM
        warnings.append(
            f"spherical aberration: the file does not tell it, {cs:g} mm assumed (--cs-mm)"
        )
    return energy, cs


def _checked_dose(dose: float | None) -> float | None:
    if dose is not None and not (math.isfinite(dose) and dose > 0):
        raise InvalidInputError(
            f"dose is {dose:g} e/angstrom^2: give the positive dose of this image, or leave it out "
            "if it is not known",
            field="dose",
        )
    return dose


def _checked_energy(energy: float | None) -> float | None:
    low, high = _ENERGY_RANGE_KEV
    if energy is not None and not low <= energy <= high:
        raise InvalidInputError(
            f"energy_kev is {energy:g} keV: give the microscope's energy, {low:g} to {high:g} keV",
            field="energy_kev",
        )
    return energy


def _checked_cs(cs: float | None) -> float | None:
    if cs is not None and not abs(cs) <= _LARGEST_CS_MM:
        raise InvalidInputError(
            f"cs_mm is {cs:g} mm: give the spherical aberration in mm, such as 2.7", field="cs_mm"
        )
    return cs


_CHECKS = {"dose": _checked_dose, "energy": _checked_energy, "spherical aberration": _checked_cs}


def _settle(
    what: str, given: float | None, told: float | None, unit: str, warnings: list[str]
) -> float | None:
    """Return the user's number, or else the file's if it can be; name a contradiction."""
    if given is None:
        try:
            return _CHECKS[what](told)
        except InvalidInputError:
            warnings.append(f"{what}: the {told:g} {unit} in the file cannot be, and are ignored")
            return None
    if told is not None and not math.isclose(given, told, rel_tol=_CONTRADICTION):
        warnings.append(f"{what}: {given:g} {unit} as given, not the {told:g} {unit} in the file")
    return given
