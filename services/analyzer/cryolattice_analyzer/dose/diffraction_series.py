"""A dose series of diffraction patterns: its frames and their calibration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cryolattice.errors import InvalidInputError, MissingCalibrationError, UnreadableFileError
from cryolattice_analyzer.files.calibration import pixel_size
from cryolattice_analyzer.files.formats import is_mrc, read_signals
from cryolattice_analyzer.files.selection import choose_signal
from cryolattice_analyzer.files.signals import Axis, Instrument, Signal
from cryolattice_analyzer.files.units import Quantity

FEWEST_FRAMES = 3
SMALLEST_FRAME_PX = 32
# No pattern reaches spacings below 0.125 angstrom: then the header's number is a length.
_HIGHEST_FREQUENCY_PER_ANGSTROM = 8.0
_FIELD = "series"


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
    instrument : Instrument
        What the file says about the microscope.
    title : str
        Of the signal in the file; may be empty.
    axes : tuple of Axis
        y and x as the file gives them.
    warnings : tuple of str
        What was assumed on reading.
    """

    frames: NDArray[np.float32]
    pixel_size_per_angstrom: float
    name: str
    instrument: Instrument = field(default_factory=Instrument)
    title: str = ""
    axes: tuple[Axis, ...] = ()
    warnings: tuple[str, ...] = ()


def read_diffraction_series(
    data: bytes,
    name: str,
    *,
    pixel_size_per_angstrom: float | None = None,
    companions: Mapping[str, bytes] | None = None,
    signal: str | None = None,
) -> DiffractionSeries:
    """Read a stack of diffraction patterns from the bytes of an instrument's file.

    Parameters
    ----------
    data : bytes
        The whole file.
    name : str
        Its name: the extension says the format, and messages quote it.
    pixel_size_per_angstrom : float, optional
        Size of a pixel in 1/angstrom; overrides the file's. An MRC header knows lengths alone: its
        number is taken as 1/angstrom, and a warning says so.
    companions : mapping of str to bytes, optional
        Files that belong to it and lie beside it, by name: the .emi of a .ser.
    signal : str, optional
        Which stack of the file: its title, or its number from 1.

    Returns
    -------
    DiffractionSeries

    Raises
    ------
    UnreadableFileError
        The file is of another kind or damaged, holds no stack of at least 3 real frames, or NaN or
        infinite pixels.
    MissingCalibrationError
        The pixel size is missing, not positive or not finite (field ``pixel_size``).
    InvalidInputError
        An image in real space; several stacks and none chosen; unequal pixel sizes.
    """
    if pixel_size_per_angstrom is not None:
        check_pixel_size(pixel_size_per_angstrom, name)
    signals = read_signals(data, name, companions, field=_FIELD)
    notes: list[str] = []
    if pixel_size_per_angstrom is None and is_mrc(name):
        signals, notes = _as_reciprocal(signals, name)
    found, remarks = choose_signal(
        signals,
        name,
        Quantity.RECIPROCAL_LENGTH,
        wanted=signal,
        unit_overruled=pixel_size_per_angstrom is not None,
        field=_FIELD,
    )
    _require_stack(found.values, name)
    size, more = pixel_size(found, pixel_size_per_angstrom, name, Quantity.RECIPROCAL_LENGTH)
    series = series_from_frames(found.values, name, size)
    return replace(
        series,
        instrument=found.instrument,
        title=found.title,
        axes=found.axes[-2:],
        warnings=(*notes, *remarks, *more),
    )


def _as_reciprocal(signals: list[Signal], name: str) -> tuple[list[Signal], list[str]]:
    """Take the lengths of an MRC header as 1/angstrom, where that can be."""
    changed: list[Signal] = []
    notes: list[str] = []
    for one in signals:
        *others, y, x = one.axes
        if x.scale * x.size / 2 > _HIGHEST_FREQUENCY_PER_ANGSTROM:
            changed.append(one)
            continue
        axes = (*others, replace(y, unit="1/A"), replace(x, unit="1/A"))
        changed.append(replace(one, axes=axes))
        if math.isfinite(x.scale):
            notes.append(
                f"pixel size: {x.scale:g} of the header of {name} taken as 1/angstrom "
                "(--pixel-size)"
            )
    return changed, notes


def _require_stack(frames: NDArray[np.generic], name: str) -> None:
    if frames.ndim != 3 or frames.shape[0] < FEWEST_FRAMES:
        shape = " x ".join(str(size) for size in reversed(frames.shape))
        raise UnreadableFileError(
            f"{name}: {shape} is not a dose series; give a stack (frames, y, x) "
            f"of at least {FEWEST_FRAMES} diffraction patterns",
            field=_FIELD,
        )


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
    _require_stack(frames, name)
    if min(frames.shape[1:]) < SMALLEST_FRAME_PX:
        raise UnreadableFileError(
            f"{name}: frames of {frames.shape[2]} x {frames.shape[1]} px are too small to index; "
            f"give at least {SMALLEST_FRAME_PX} px a side",
            field=_FIELD,
        )
    if np.iscomplexobj(frames):
        raise UnreadableFileError(
            f"{name}: the frames are complex (a transform?); give recorded intensities",
            field=_FIELD,
        )
    finite = np.isfinite(frames)
    if not finite.all():
        bad = int(finite.size - np.count_nonzero(finite))
        first = int(np.argwhere(~finite.all(axis=(1, 2)))[0, 0])
        raise UnreadableFileError(
            f"{name}: {bad} pixels are NaN or infinite, first in frame {first}; "
            "repair or leave out these frames",
            field=_FIELD,
        )
    return DiffractionSeries(np.ascontiguousarray(frames, dtype=np.float32), size, name)


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
