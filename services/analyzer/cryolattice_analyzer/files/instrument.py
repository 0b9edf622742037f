"""What the metadata of many formats say about the microscope, under one set of names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from cryolattice_analyzer.files.signals import Instrument

# Ends of paths in the metadata, written as `_plain` writes them, and the factor to our unit:
# HyperSpy, DigitalMicrograph, TIA, Velox, Berkeley EMD, TVIPS, Olympus, JEOL.
_NUMBERS: dict[str, dict[str, float]] = {
    "energy_kev": {
        "acquisition_instrument.tem.beam_energy": 1,
        "microscope_info.voltage": 1e-3,
        "experimentaldescription.high_tension_kv": 1,
        "microscopeconditions.acceleratingvoltage": 1e-3,
        "optics.accelerationvoltage": 1e-3,
        "microscope.high_tension": 1e-3,
        "tvips.temhightension": 1e-3,
        "electrongun.accelerationvoltage": 1e-3,
    },
    "cs_mm": {
        "microscope_info.cs_mm": 1,
    },
    "magnification": {
        "acquisition_instrument.tem.magnification": 1,
        "microscope_info.indicated_magnification": 1,
        "experimentaldescription.magnification_x": 1,
        "customproperties.stemmagnification.value": 1,
        "microscope.magnification": 1,
        "tvips.temmagnification": 1,
        "olympus_sis_metadata.magnification": 1,
    },
    "camera_length_mm": {
        "acquisition_instrument.tem.camera_length": 1,
        "experimentaldescription.camera_length_m": 1e3,
        "optics.cameralength": 1e3,
        "microscope.camera_length": 1e3,
        "microscope_info.stem_camera_length": 1,
    },
    "exposure_s": {
        "camera.exposure": 1,
        "databar.exposure_time_s": 1,
        "high_level.exposure_s": 1,
        "acquireinfo.dwelltimepath": 1,
        "detectormetadata.exposuretime": 1,
        "tvips.exposuretime": 1e-3,
    },
}
_TEXTS: dict[str, tuple[str, ...]] = {
    "microscope": (
        "acquisition_instrument.tem.microscope",
        "session_info.microscope",
        "microscope_info.microscope",
        "microscope_info.name",
        "experimentaldescription.microscope",
        "instrument.instrumentmodel",
        "instrument.instrumentclass",
        "microscope.name",
        "imagedescription.instruments",
    ),
    "camera": (
        "camera.name",
        "acquisition.device.name",
        "databar.device_name",
        "acquireinfo.cameranamepath",
        "binaryresult.detector",
        "detectormetadata.detectorname",
        "tvips.cameratype",
        "olympus_sis_metadata.cameraname",
    ),
}
_DATES = (
    ("general.date", "general.time"),
    ("databar.acquisition_date", "databar.acquisition_time"),
)
_UNIX_TIMES = ("acquisition.acquisitionstartdatetime.datetime",)
_DM_MODE = "microscope_info.imaging_mode"
_DEEPEST = 20


def read_instrument(metadata: object, original_metadata: object) -> Instrument:
    """Gather the facts of a file.

    Parameters
    ----------
    metadata, original_metadata : mapping
        As RosettaSciIO returns them: HyperSpy's names, and the format's own.
    """
    found = [*_leaves(metadata), *_leaves(original_metadata)]
    facts: dict[str, Any] = {}
    for fact, factors in _NUMBERS.items():
        numbers = (_number(_first(found, end)) for end in factors)
        facts[fact] = next(
            (n * f for n, f in zip(numbers, factors.values(), strict=True) if n), None
        )
    for fact, ends in _TEXTS.items():
        texts = (str(_first(found, end) or "").strip() for end in ends)
        facts[fact] = next((text for text in texts if text and text != "[]"), None)
    if str(_first(found, _DM_MODE)).upper() == "DIFFRACTION" and not facts["camera_length_mm"]:
        # DigitalMicrograph shows the camera length in the field of the magnification
        facts["camera_length_mm"], facts["magnification"] = facts["magnification"], None
    return Instrument(**facts, acquired=_acquired(found))


def _plain(key: object) -> str:
    return re.sub(r"[^a-z0-9]+", "_", str(key).lower()).strip("_")


def _leaves(node: object, path: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    if isinstance(node, Mapping):
        if depth < _DEEPEST:
            for key, value in node.items():
                yield from _leaves(value, f"{path}.{_plain(key)}", depth + 1)
    else:
        yield path, node


def _first(found: list[tuple[str, object]], end: str) -> object:
    for path, value in found:
        if path.endswith(f".{end}"):
            return value
    return None


def _number(value: object) -> float | None:
    """Return a finite number other than zero, which stands for 'not known' in these files."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number else None


def _acquired(found: list[tuple[str, object]]) -> str | None:
    for date, time in _DATES:
        day = _first(found, date)
        if day:
            return f"{day} {_first(found, time) or ''}".strip()
    for end in _UNIX_TIMES:
        seconds = _number(_first(found, end))
        if seconds and 0 < seconds < 1e10:
            return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    return None
