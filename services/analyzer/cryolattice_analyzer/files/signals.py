"""What a file holds: arrays with axes, and what it says about the microscope."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from cryolattice_analyzer.files.units import Quantity, Unit, parse_unit

_SPECTRA = ("EELS", "EDS", "EDX", "CL", "Luminescence", "XPS")


@dataclass(frozen=True)
class Axis:
    """One axis of an array.

    Attributes
    ----------
    name : str
        As the file gives it.
    size : int
        Number of points.
    scale : float
        Distance of two points in `unit`; not a number where the file has none.
    unit : str
        As the file gives it; empty where it has none.
    """

    name: str
    size: int
    scale: float
    unit: str

    @property
    def parsed(self) -> Unit | None:
        """The unit, None where it is not known."""
        return parse_unit(self.unit)


@dataclass(frozen=True)
class Instrument:
    """What a file says about the microscope; None where it is silent.

    Attributes
    ----------
    microscope, camera : str
    energy_kev, cs_mm : float
        Electrons' energy, spherical aberration.
    magnification : float
    camera_length_mm : float
    exposure_s : float
    dose_e_per_angstrom2 : float
    acquired : str
        Date and time, as the file writes them.
    """

    microscope: str | None = None
    camera: str | None = None
    energy_kev: float | None = None
    cs_mm: float | None = None
    magnification: float | None = None
    camera_length_mm: float | None = None
    exposure_s: float | None = None
    dose_e_per_angstrom2: float | None = None
    acquired: str | None = None


@dataclass(frozen=True)
class Signal:
    """One array of a file.

    Attributes
    ----------
    title : str
        Its name in the file; may be empty.
    values : ndarray
        As stored. The last two axes of an image are y and x.
    axes : tuple of Axis
        One for each axis of `values`.
    signal_type : str
        ``EELS``, ``EDS_TEM`` and the like; empty for images.
    signal_dimensions : int
        Axes of one recording: 2 for an image, 1 for a spectrum; the others count recordings.
    instrument : Instrument
    """

    title: str
    values: NDArray[Any]
    axes: tuple[Axis, ...]
    signal_type: str = ""
    signal_dimensions: int = 2
    instrument: Instrument = field(default_factory=Instrument)

    @property
    def is_spectrum(self) -> bool:
        """Whether an axis is an energy, or each recording a line."""
        units = [axis.parsed for axis in self.axes]
        if any(unit and unit.quantity is Quantity.ENERGY for unit in units):
            return True
        # an energy-filtered image is of signal type EELS too
        spectra = self.signal_type.startswith(_SPECTRA) and self.values.ndim > 2
        return spectra or self.signal_dimensions == 1

    @property
    def quantity(self) -> Quantity | None:
        """What both image axes measure; None where the file does not tell, or they differ."""
        found = {axis.parsed.quantity if axis.parsed else None for axis in self.axes[-2:]}
        return found.pop() if len(found) == 1 else None

    def describe(self) -> str:
        """Say in a few words what this is: for messages."""
        shape = " x ".join(str(size) for size in reversed(self.values.shape))
        if self.is_spectrum:
            kind = self.signal_type.split("_")[0] or "line"
            what = f"{kind} spectrum" if kind != "line" else "line profile"
            if sum(size > 1 for size in self.values.shape) > 1:
                what += "s" if self.values.ndim < 3 else " image"
        elif self.values.dtype.names:
            what = "colour picture"
        elif self.values.dtype.kind == "c":
            what = "array of complex values"
        elif self.values.ndim > 3:
            what = "scan of diffraction patterns"
        else:
            what = "image" if self.values.ndim == 2 else "stack of images"
            if self.quantity is Quantity.RECIPROCAL_LENGTH:
                what = what.replace("image", "diffraction pattern")
        title = f" {self.title!r}" if self.title else ""
        return f"{what}{title} ({shape})"
