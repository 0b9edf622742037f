"""TIFF files: pictures with the calibration of ImageJ, DigitalMicrograph or a camera's maker."""

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
_IMAGEJ_UNIT = re.compile(r"^unit=(.+)$", re.MULTILINE)


def read_tiff(path: Path, name: str, field: str) -> list[Signal]:
    """Read a TIFF file: each series of equal pages is one signal.

    RosettaSciIO knows the makers' tags; the unit that ImageJ writes and the plain resolution tags
    are read here. The latter count only where they give pixels below 0.1 micrometre.

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
    x, y = _ratio(tags.get("XResolution")), _ratio(tags.get("YResolution"))
    if x is None or y is None:
        return signal
    description = tags.get("ImageDescription")
    imagej = _IMAGEJ_UNIT.search(description) if isinstance(description, str) else None
    unit = imagej[1].strip() if imagej else ""
    if not parse_unit(unit):
        per_unit = _ANGSTROM_PER_RESOLUTION_UNIT.get(int(tags.get("ResolutionUnit") or 0), math.nan)
        x, y, unit = x * per_unit, y * per_unit, "A"
        if not max(x, y) < _COARSEST_PIXEL_ANGSTROM:
            return signal
    *others, axis_y, axis_x = signal.axes
    scaled = (replace(axis_y, scale=y, unit=unit), replace(axis_x, scale=x, unit=unit))
    return replace(signal, axes=(*others, *scaled))


def _ratio(resolution: Any) -> float | None:
    """Return the size of a pixel from the pixels in a unit, which TIFF gives as a fraction."""
    try:
        pixels, units = resolution
        return float(units) / float(pixels)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
