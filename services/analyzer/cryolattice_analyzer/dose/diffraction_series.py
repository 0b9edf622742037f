"""Read a dose series of diffraction patterns from an MRC stack."""

from __future__ import annotations

import gzip
import io
import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np
from mrcfile.mrcinterpreter import MrcInterpreter
from numpy.typing import NDArray
from scipy import ndimage

from cryolattice.errors import InvalidInputError, MissingCalibrationError, UnreadableFileError

FEWEST_FRAMES = 3
SMALLEST_FRAME_PX = 32


@dataclass(frozen=True)
class DiffractionSeries:
    """Diffraction patterns of one area, in order of exposure.

    Attributes
    ----------
    frames : ndarray of float32, shape (frames, y, x)
        Detector counts.
    pixel_size_per_angstrom : float
        Size of a pixel in 1/angstrom (no 2 pi).
    name : str
        What messages and figures call the series.
    """

    frames: NDArray[np.float32]
    pixel_size_per_angstrom: float
    name: str


def read_diffraction_series(
    source: str | Path | bytes, name: str, pixel_size_per_angstrom: float | None
) -> DiffractionSeries:
    """Read an MRC stack (frames, y, x); gzip-compressed files are read too.

    Parameters
    ----------
    source : path or bytes
        The file, or its content.
    name : str
        The file's name, for messages.
    pixel_size_per_angstrom : float or None
        Size of a pixel in 1/angstrom.  The header's number (`header_pixel_size`) counts
        only if the caller passes it on: most headers hold a length in angstrom.

    Returns
    -------
    DiffractionSeries

    Raises
    ------
    UnreadableFileError
        The file is missing, truncated, no MRC file, no stack of at least 3 real frames, or
        holds NaN or infinite pixels.
    MissingCalibrationError
        The pixel size is missing, not positive or not finite (field ``pixel_size``).
    """
    size = check_pixel_size(pixel_size_per_angstrom, name)
    data, _ = _read_mrc(source, name)
    return series_from_frames(data, name, size)


def series_from_frames(
    frames: NDArray[np.generic], name: str, pixel_size_per_angstrom: float | None
) -> DiffractionSeries:
    """Check an array of shape (frames, y, x) and make a series of it.

    Raises
    ------
    UnreadableFileError, MissingCalibrationError
        As `read_diffraction_series`.
    """
    size = check_pixel_size(pixel_size_per_angstrom, name)
    if frames.ndim != 3 or frames.shape[0] < FEWEST_FRAMES:
        raise UnreadableFileError(
            f"{name}: shape {frames.shape} is not a dose series; give a stack (frames, y, x) "
            f"of at least {FEWEST_FRAMES} diffraction patterns",
            field="series",
        )
    if min(frames.shape[1:]) < SMALLEST_FRAME_PX:
        raise UnreadableFileError(
            f"{name}: frames of {frames.shape[2]} x {frames.shape[1]} px are too small to index; "
            f"give at least {SMALLEST_FRAME_PX} px a side",
            field="series",
        )
    if np.iscomplexobj(frames):
        raise UnreadableFileError(
            f"{name}: the frames are complex (a transform?); give recorded intensities",
            field="series",
        )
    finite = np.isfinite(frames)
    if not finite.all():
        bad = int(finite.size - np.count_nonzero(finite))
        first = int(np.argwhere(~finite.all(axis=(1, 2)))[0, 0])
        raise UnreadableFileError(
            f"{name}: {bad} pixels are NaN or infinite, first in frame {first}; "
            "repair or leave out these frames",
            field="series",
        )
    return DiffractionSeries(np.ascontiguousarray(frames, dtype=np.float32), size, name)


def header_pixel_size(source: str | Path | bytes, name: str) -> float | None:
    """Return the header's voxel size along x if it is positive and equal along y, else None.

    The format means angstrom; a camera that writes 1/angstrom there is for the caller to know.

    Raises
    ------
    UnreadableFileError
        As `read_diffraction_series`.
    """
    _, (size_x, size_y) = _read_mrc(source, name)
    usable = math.isfinite(size_x) and size_x > 0 and math.isclose(size_x, size_y, rel_tol=1e-3)
    return size_x if usable else None


def check_pixel_size(pixel_size_per_angstrom: float | None, name: str) -> float:
    """Return the pixel size if it can be one.

    Raises
    ------
    MissingCalibrationError
        It is missing, not positive or not finite.
    """
    if pixel_size_per_angstrom is None:
        raise MissingCalibrationError(
            f"{name}: the diffraction pattern has no scale; give the pixel size in 1/angstrom "
            "(--pixel-size), for example 0.0085",
            field="pixel_size",
        )
    if not (math.isfinite(pixel_size_per_angstrom) and pixel_size_per_angstrom > 0):
        raise MissingCalibrationError(
            f"{name}: a pixel size of {pixel_size_per_angstrom} 1/angstrom cannot be; "
            "give a positive number (--pixel-size), for example 0.0085",
            field="pixel_size",
        )
    return float(pixel_size_per_angstrom)


def check_dose_per_frame(dose_per_frame_e_per_angstrom2: float) -> float:
    """Return the dose per frame if it can be one.

    Raises
    ------
    InvalidInputError
        It is not positive or not finite (field ``dose_per_frame``).
    """
    dose = dose_per_frame_e_per_angstrom2
    if not (math.isfinite(dose) and dose > 0):
        raise InvalidInputError(
            f"a dose of {dose} e/angstrom^2 per frame cannot be; give the positive dose that "
            "each frame received (--dose-per-frame)",
            field="dose_per_frame",
        )
    return float(dose)


def repair_hot_pixels(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Replace isolated pixels that outshine all their neighbours in the sum of the frames.

    A pixel is hot if, summed over the frames, it exceeds three times its brightest neighbour
    and lies ten Poisson deviations above it; no spot of a focused pattern is that sharp. It
    becomes the median of its 3 x 3 surroundings, frame by frame.

    Parameters
    ----------
    frames : ndarray, shape (frames, y, x)

    Returns
    -------
    ndarray
        `frames` itself if nothing is hot, else a copy.
    """
    total = frames.sum(axis=0, dtype=np.float64)
    ring = np.ones((3, 3), dtype=bool)
    ring[1, 1] = False
    brightest = ndimage.maximum_filter(total, footprint=ring, mode="nearest")
    floor = np.maximum(brightest, 1.0)
    hot = (total > 3.0 * floor) & (total - floor > 10.0 * np.sqrt(floor))
    if not hot.any():
        return frames
    mended = frames.copy()
    for y, x in np.argwhere(hot):
        rows = slice(max(y - 1, 0), y + 2)
        columns = slice(max(x - 1, 0), x + 2)
        mended[:, y, x] = np.median(frames[:, rows, columns], axis=(1, 2))
    return mended


def _read_mrc(
    source: str | Path | bytes, name: str
) -> tuple[NDArray[np.generic], tuple[float, float]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if isinstance(source, bytes):
                return _read_mrc_bytes(source)
            with mrcfile.open(source, permissive=False) as file:
                return np.array(file.data), _voxel(file)
    except FileNotFoundError as error:
        raise UnreadableFileError(f"{name}: no such file", field="series") from error
    except (OSError, EOFError, ValueError, TypeError, KeyError, MemoryError) as error:
        raise UnreadableFileError(
            f"{name}: not a readable MRC stack ({error}); check that the file is complete "
            "and in MRC2014 format",
            field="series",
        ) from error


def _read_mrc_bytes(content: bytes) -> tuple[NDArray[np.generic], tuple[float, float]]:
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    with MrcInterpreter(iostream=io.BytesIO(content), permissive=False) as file:
        return np.array(file.data), _voxel(file)


def _voxel(file: MrcInterpreter) -> tuple[float, float]:
    return float(file.voxel_size.x), float(file.voxel_size.y)
