"""Reading a micrograph: counts on a square pixel grid, with its calibration.

Only MRC (CCP4) files are read here. What a file leaves out (the accelerating voltage, the spherical
aberration) stays ``None``, so that the caller decides and says so.
"""

from __future__ import annotations

import io
import math
import warnings as python_warnings
from dataclasses import dataclass, field
from pathlib import PurePath

import mrcfile
import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError, MissingCalibrationError, UnreadableFileError

READABLE_EXTENSIONS = (".mrc", ".mrcs")
SMALLEST_SIDE_PX = 64
# Above this relative difference between file and option, both numbers are shown to the user.
PIXEL_SIZE_TOLERANCE = 0.01


@dataclass(frozen=True)
class Micrograph:
    """A bright-field image and what its file says about the microscope.

    Attributes
    ----------
    counts : ndarray of float32, shape (ny, nx)
        Electrons (or detector counts) per pixel, rows along y.
    pixel_size_angstrom : float
        Side of a pixel.
    energy_kev, cs_mm : float or None
        From the file, where it says.
    warnings : tuple of str
        What was assumed or changed on reading.
    """

    counts: NDArray[np.float32]
    pixel_size_angstrom: float
    energy_kev: float | None = None
    cs_mm: float | None = None
    warnings: tuple[str, ...] = field(default=())


def read_micrograph(
    data: bytes, name: str, *, pixel_size_angstrom: float | None = None
) -> Micrograph:
    """Read a micrograph from the bytes of an MRC file.

    Parameters
    ----------
    data : bytes
        The whole file.
    name : str
        Its name: the extension says the format, and messages quote it.
    pixel_size_angstrom : float, optional
        Overrides the file's pixel size.

    Returns
    -------
    Micrograph
        A stack of frames is summed, with a warning.

    Raises
    ------
    UnreadableFileError
        Unknown extension, not an MRC file, truncated, or not an image.
    MissingCalibrationError
        The file has no pixel size and none was given.
    InvalidInputError
        Pixel size not positive or unequal along x and y; values that are not finite; a constant
        image; an image smaller than 64 pixels.
    """
    if pixel_size_angstrom is not None and not (
        math.isfinite(pixel_size_angstrom) and pixel_size_angstrom > 0
    ):
        raise InvalidInputError(
            f"pixel size {pixel_size_angstrom:g} angstrom: it must be positive; "
            "give the size of one image pixel in angstrom",
            field="pixel_size",
        )
    extension = PurePath(name).suffix.lower()
    if extension not in READABLE_EXTENSIONS:
        raise UnreadableFileError(
            f"{name}: files of type {extension or '(no extension)'!s} are not read; "
            f"convert it to one of {', '.join(READABLE_EXTENSIONS)}",
            field="micrograph",
        )
    values, file_pixel_xy, energy_kev = _read_mrc(data, name)
    notes: list[str] = []
    if values.ndim == 3 and values.shape[0] > 1:
        notes.append(f"{name}: the {values.shape[0]} frames of the stack were summed")
    if values.ndim == 3:
        _require_finite(values, name)
        values = values.astype(np.float64).sum(axis=0)
    _require_image(values, name)
    pixel = _pixel_size(file_pixel_xy, pixel_size_angstrom, name, notes)
    return Micrograph(
        counts=np.ascontiguousarray(values, dtype=np.float32),
        pixel_size_angstrom=pixel,
        energy_kev=energy_kev,
        warnings=tuple(notes),
    )


def _read_mrc(
    data: bytes, name: str
) -> tuple[NDArray[np.generic], tuple[float, float] | None, float | None]:
    """Return the array, the voxel size along x and y (None where absent) and the energy in keV."""
    try:
        with python_warnings.catch_warnings():
            # Bytes after the data are harmless, and values are checked below.
            python_warnings.simplefilter("ignore")
            mrc = mrcfile.mrcinterpreter.MrcInterpreter(io.BytesIO(data))
        values = None if mrc.data is None else np.array(mrc.data)
        voxel = mrc.voxel_size
        x, y = float(voxel.x), float(voxel.y)
        energy_kev = _energy_kev(mrc)
    except (ValueError, OSError, AttributeError, KeyError) as problem:
        raise UnreadableFileError(
            f"{name}: not a readable MRC file ({len(data)} bytes; {problem}); "
            "check that it was copied completely",
            field="micrograph",
        ) from problem
    if values is None or values.ndim not in (2, 3) or np.iscomplexobj(values) or values.size == 0:
        shape = "none" if values is None else f"{values.shape} {values.dtype}"
        raise UnreadableFileError(
            f"{name}: holds no image (array {shape}); give a real-valued image or stack of frames",
            field="micrograph",
        )
    known = math.isfinite(x) and math.isfinite(y) and x > 0 and y > 0
    return values, (x, y) if known else None, energy_kev


def _energy_kev(mrc: mrcfile.mrcinterpreter.MrcInterpreter) -> float | None:
    """High tension in FEI's extended header, which is in volt; None elsewhere."""
    try:
        header = mrc.indexed_extended_header
    except (ValueError, AttributeError):
        return None
    if header is None or header.dtype.names is None or header.size == 0:
        return None
    if "HT" not in header.dtype.names:
        return None
    volt = float(np.ravel(header["HT"])[0])
    return volt / 1000 if math.isfinite(volt) and volt > 0 else None


def _require_finite(values: NDArray[np.generic], name: str) -> None:
    if not np.issubdtype(values.dtype, np.floating):
        return
    bad = ~np.isfinite(values)
    number = int(np.count_nonzero(bad))
    if number:
        place = [int(i) for i in np.argwhere(bad)[0]]
        where = ", ".join(
            f"{axis} = {i}"
            for axis, i in zip(("frame", "y", "x")[-len(place) :], place, strict=True)
        )
        raise InvalidInputError(
            f"{name}: {number} of {values.size} pixels are NaN or infinite (the first at {where}); "
            "mask or interpolate them before the analysis",
            field="micrograph",
        )


def _require_image(values: NDArray[np.generic], name: str) -> None:
    _require_finite(values, name)
    ny, nx = values.shape
    if min(ny, nx) < SMALLEST_SIDE_PX:
        raise InvalidInputError(
            f"{name}: the image is {nx} x {ny} pixels; at least {SMALLEST_SIDE_PX} x "
            f"{SMALLEST_SIDE_PX} are needed to find a lattice",
            field="micrograph",
        )
    if values.max() == values.min():
        raise InvalidInputError(
            f"{name}: every pixel has the value {float(values.flat[0]):g}; "
            "give an image with contrast",
            field="micrograph",
        )


def _pixel_size(
    file_xy: tuple[float, float] | None, given: float | None, name: str, notes: list[str]
) -> float:
    """Choose between the file's pixel size and the user's; append to `notes` where they differ."""
    if given is None:
        if file_xy is None:
            raise MissingCalibrationError(
                f"{name}: the header holds no pixel size; give it in angstrom with --pixel-size",
                field="pixel_size",
            )
        x, y = file_xy
        if abs(x - y) > 1e-3 * max(x, y):
            raise InvalidInputError(
                f"{name}: pixels of {x:g} x {y:g} angstrom are not square; resample the image, or "
                "give the true size with --pixel-size if the header is wrong",
                field="pixel_size",
            )
        return (x + y) / 2
    if file_xy is not None:
        largest = max(abs(given / size - 1) for size in file_xy)
        if largest > PIXEL_SIZE_TOLERANCE:
            in_file = (
                f"{file_xy[0]:g}"
                if file_xy[0] == file_xy[1]
                else f"{file_xy[0]:g} x {file_xy[1]:g}"
            )
            notes.append(
                f"{name}: the given pixel size of {given:g} angstrom is used, not the {in_file} "
                "angstrom in its header"
            )
    return float(given)
