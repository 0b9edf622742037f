"""SerialEM's .mdoc files: text beside an image that tells its scale, voltage and dose."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, replace

from cryolattice_analyzer.files.signals import Axis, Instrument, Signal

_LINE = re.compile(r"^\s*(\w+)\s*=\s*(.*?)\s*$", re.MULTILINE)
_SECTION = re.compile(r"^\s*\[(?:ZValue|FrameSet)", re.MULTILINE)


def add_mdoc(signals: list[Signal], companions: Mapping[str, bytes]) -> list[Signal]:
    """Fill in from an .mdoc, if there is one, what the image's own header does not tell.

    Parameters
    ----------
    signals : list of Signal
        Those of the image file.
    companions : mapping of str to bytes
        The files beside it, by name.
    """
    texts = [data for key, data in companions.items() if key.lower().endswith(".mdoc")]
    if not texts:
        return signals
    text = texts[0].decode("utf-8", errors="replace")
    sections = [match.start() for match in _SECTION.finditer(text)]
    # the head and the first section: one image, or all frames of one exposure
    facts = dict(_LINE.findall(text[: sections[1] if len(sections) > 1 else len(text)]))
    told = Instrument(
        energy_kev=_number(facts, "Voltage"),
        magnification=_number(facts, "Magnification"),
        exposure_s=_number(facts, "ExposureTime"),
        dose_e_per_angstrom2=_number(facts, "ExposureDose"),
        acquired=facts.get("DateTime"),
    )
    pixel = _number(facts, "PixelSpacing")
    # the first section's exposure is not that of a stack with a section an image
    told_of_stack = (
        replace(told, exposure_s=None, dose_e_per_angstrom2=None) if len(sections) > 1 else told
    )
    return [
        _filled(signal, told_of_stack if signal.values.ndim > 2 else told, pixel)
        for signal in signals
    ]


def _number(facts: Mapping[str, str], key: str) -> float | None:
    try:
        number = float(facts[key])
    except (KeyError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _filled(signal: Signal, told: Instrument, pixel: float | None) -> Signal:
    own = {name: value for name, value in asdict(signal.instrument).items() if value is not None}
    axes = signal.axes
    if pixel is not None and signal.values.ndim > 1:
        axes = (*axes[:-2], *(_scaled(axis, pixel) for axis in axes[-2:]))
    return replace(signal, axes=axes, instrument=replace(told, **own))


def _scaled(axis: Axis, pixel_angstrom: float) -> Axis:
    known = axis.parsed is not None and axis.scale > 0
    return axis if known else replace(axis, scale=pixel_angstrom, unit="A")
