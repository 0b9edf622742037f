"""TIFF files: pictures with the calibration of ImageJ, OME, DigitalMicrograph or a camera."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import tifffile
from rsciio.tiff import file_reader

from cryolattice.errors import UnreadableFileError
from cryolattice_analyzer.files.expansion import largest_expansion
from cryolattice_analyzer.files.rosetta import reading, to_signal
from cryolattice_analyzer.files.signals import Signal
from cryolattice_analyzer.files.units import parse_unit

_ANGSTROM_PER_RESOLUTION_UNIT = {2: 2.54e8, 3: 1e8}
# Coarser pixels are those of a printer or a screen (72 dpi is 353 micrometre).
_COARSEST_PIXEL_ANGSTROM = 1e3
_Size = tuple[float, str]
_OME_SIZE = re.compile(r'PhysicalSize([XY])(|Unit)="([^"]*)"')
_IMAGEJ_UNIT = re.compile(r"^unit=(.+)$", re.MULTILINE)


def read_tiff(path: Path, name: str, field: str) -> list[Signal]:
    """Read a TIFF file: each series of equal pages is one signal.

    RosettaSciIO knows the makers' tags; the size in OME-XML, the unit that ImageJ writes and the
    plain resolution tags are read here. The latter count only where they give pixels below
    0.1 micrometre.

    Raises
    ------
    UnreadableFileError
        Not a TIFF file, damaged, or promising far more than it holds.
    """
    size = path.stat().st_size
    with reading(name, "TIFF", field):
        with tifffile.TiffFile(path) as file:
            promised = sum(series.nbytes for series in file.series)
        if promised > largest_expansion(size):
            raise UnreadableFileError(
                f"{name}: promises {promised:,} bytes in a file of {size:,}: it is damaged; "
                "check that it was copied completely",
                field=field,
            )
        return [
            _calibrated(to_signal(one), one.get("original_metadata") or {})
            for one in file_reader(str(path))
        ]


def _calibrated(signal: Signal, tags: Mapping[str, Any]) -> Signal:
    if signal.values.ndim < 2 or any(axis.unit for axis in signal.axes[-2:]):
        return signal
    description = tags.get("ImageDescription")
    text = description if isinstance(description, str) else ""
    size_xy = _ome_size(text) or _resolution(tags, text)
    if size_xy is None:
        return signal
    (x, unit_x), (y, unit_y) = size_xy
    *others, axis_y, axis_x = signal.axes
    scaled = (replace(axis_y, scale=y, unit=unit_y), replace(axis_x, scale=x, unit=unit_x))
    return replace(signal, axes=(*others, *scaled))


def _ome_size(description: str) -> tuple[_Size, _Size] | None:
    """Return the size that OME-XML gives; its unit is micrometre where it names none."""
    given = {f"{axis}{unit}": value for axis, unit, value in _OME_SIZE.findall(description)}
    try:
        x, y = (float(given[axis]) for axis in "XY")
    except (KeyError, ValueError):
        return None
    return (x, given.get("XUnit", "um")), (y, given.get("YUnit", "um"))


def _resolution(tags: Mapping[str, Any], description: str) -> tuple[_Size, _Size] | None:
    """Return the size from the resolution tags, in ImageJ's unit or if a microscope's it can be."""
    x, y = _ratio(tags.get("XResolution")), _ratio(tags.get("YResolution"))
    if x is None or y is None:
        return None
    imagej = _IMAGEJ_UNIT.search(description)
    unit = imagej[1].strip() if imagej else ""
    if parse_unit(unit):
        return (x, unit), (y, unit)
    per_unit = _ANGSTROM_PER_RESOLUTION_UNIT.get(int(tags.get("ResolutionUnit") or 0), math.nan)
    x, y = x * per_unit, y * per_unit
    return ((x, "A"), (y, "A")) if max(x, y) < _COARSEST_PIXEL_ANGSTROM else None


def _ratio(resolution: Any) -> float | None:
    """Return the size of a pixel from the pixels in a unit, which TIFF gives as a fraction."""
    try:
        pixels, units = resolution
        return float(units) / float(pixels)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
