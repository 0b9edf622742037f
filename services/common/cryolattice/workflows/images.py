"""Taking a micrograph up with what is told beside its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryolattice.client.connection import Connection
from cryolattice_api.common.v1.dataset_pb2 import DatasetRef
from cryolattice_api.common.v1.dataset_service_pb2 import (
    FILE_ROLE_MICROGRAPH,
    FileRole,
    ImageCalibration,
    UploadHeader,
)

# remarks on what an image is not needed for
_OF_THE_LENS = ("energy:", "spherical aberration:", "dose:")


@dataclass(frozen=True)
class ImageOptions:
    """What is told beside an image's file; what is None is taken from it.

    Attributes
    ----------
    pixel_size_angstrom, energy_kev, cs_mm : float, optional
    signal : str, optional
        Which image of a file with several: its title, or its number from 1.
    """

    pixel_size_angstrom: float | None = None
    energy_kev: float | None = None
    cs_mm: float | None = None
    signal: str | None = None


def upload_image(
    lab: Connection,
    path: Path,
    options: ImageOptions,
    role: FileRole.ValueType = FILE_ROLE_MICROGRAPH,
) -> DatasetRef:
    """Take an image's file up.

    Raises
    ------
    CryolatticeError
        What is wrong with the file or the options.
    """
    calibration = ImageCalibration(
        pixel_size_angstrom=options.pixel_size_angstrom,
        energy_kev=options.energy_kev,
        cs_mm=options.cs_mm,
    )
    return lab.upload(path, UploadHeader(role=role, image=calibration, signal=options.signal))


def without_lens(remarks: list[str]) -> list[str]:
    """Leave out what was assumed of the lens and the dose, where they do not matter."""
    return [remark for remark in remarks if not remark.startswith(_OF_THE_LENS)]
