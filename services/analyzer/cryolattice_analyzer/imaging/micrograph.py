"""A micrograph: counts on a square pixel grid, with its calibration.

What a file leaves out (the accelerating voltage, the spherical aberration) stays ``None``, so that
the caller decides and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_analyzer.files.calibration import check_pixel_size, pixel_size
from cryolattice_analyzer.files.formats import read_signals
from cryolattice_analyzer.files.selection import choose_signal, require_finite
from cryolattice_analyzer.files.signals import Axis, Instrument
from cryolattice_analyzer.files.units import Quantity

SMALLEST_SIDE_PX = 64
_FIELD = "micrograph"


@dataclass(frozen=True)
class Micrograph:
    """A bright-field image and what its file says about the microscope.

    Attributes
    ----------
    counts : ndarray of float32, shape (ny, nx)
        Electrons (or detector counts) per pixel, rows along y.
    pixel_size_angstrom : float
        Side of a pixel.
    instrument : Instrument
        What the file says about the microscope.
    title : str
        Of the signal in the file; may be empty.
    frames : int
        How many frames were summed.
    axes : tuple of Axis
        y and x as the file gives them.
    warnings : tuple of str
        What was assumed or changed on reading.
    """

    counts: NDArray[np.float32]
    pixel_size_angstrom: float
    instrument: Instrument = field(default_factory=Instrument)
    title: str = ""
    frames: int = 1
    axes: tuple[Axis, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def energy_kev(self) -> float | None:
        """Electrons' energy from the file, where it says."""
        return self.instrument.energy_kev

    @property
    def cs_mm(self) -> float | None:
        """Spherical aberration from the file, where it says."""
        return self.instrument.cs_mm


def read_micrograph(
    data: bytes,
    name: str,
    *,
    pixel_size_angstrom: float | None = None,
    companions: Mapping[str, bytes] | None = None,
    signal: str | None = None,
) -> Micrograph:
    """Read a micrograph from the bytes of an instrument's file.

    Parameters
    ----------
    data : bytes
        The whole file.
    name : str
        Its name: the extension says the format, and messages quote it.
    pixel_size_angstrom : float, optional
        Overrides the file's pixel size.
    companions : mapping of str to bytes, optional
        Files that belong to it and lie beside it, by name: the .emi of a .ser.
    signal : str, optional
        Which image of the file: its title, or its number from 1.

    Returns
    -------
    Micrograph
        A stack of frames is summed, with a warning.

    Raises
    ------
    UnreadableFileError
        Unknown extension, another format than the extension says, truncated, or not an image.
    MissingCalibrationError
        The file has no pixel size and none was given.
    InvalidInputError
        Pixel size not positive or unequal along x and y; a diffraction pattern; several images and
        none chosen; values that are not finite; a constant image; an image smaller than 64 pixels.
    """
    if pixel_size_angstrom is not None:
        check_pixel_size(pixel_size_angstrom, Quantity.LENGTH)
    found, notes = choose_signal(
        read_signals(data, name, companions, field=_FIELD),
        name,
        Quantity.LENGTH,
        wanted=signal,
        unit_overruled=pixel_size_angstrom is not None,
        field=_FIELD,
    )
    pixel, remarks = pixel_size(found, pixel_size_angstrom, name, Quantity.LENGTH)
    require_finite(found, name, _FIELD)
    values, frames = found.values, 1
    if values.ndim == 3:
        frames = values.shape[0]
        values = values.sum(axis=0, dtype=np.float64)
        notes.append(f"{name}: the {frames} frames of the stack were summed")
    _require_image(values, name)
    return Micrograph(
        counts=np.ascontiguousarray(values, dtype=np.float32),
        pixel_size_angstrom=pixel,
        instrument=found.instrument,
        title=found.title,
        frames=frames,
        axes=found.axes[-2:],
        warnings=(*notes, *remarks),
    )


def _require_image(values: NDArray[np.generic], name: str) -> None:
    ny, nx = values.shape
    if min(ny, nx) < SMALLEST_SIDE_PX:
        raise InvalidInputError(
            f"{name}: the image is {nx} x {ny} pixels; at least {SMALLEST_SIDE_PX} x "
            f"{SMALLEST_SIDE_PX} are needed to find a lattice",
            field=_FIELD,
        )
    if values.max() == values.min():
        raise InvalidInputError(
            f"{name}: every pixel has the value {float(values.flat[0]):g}; "
            "give an image with contrast",
            field=_FIELD,
        )
