"""Units of axes, as instruments write them, in angstrom and 1/angstrom."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum


class Quantity(StrEnum):
    """What an axis measures."""

    LENGTH = "angstrom"
    RECIPROCAL_LENGTH = "1/angstrom"
    ENERGY = "eV"


@dataclass(frozen=True)
class Unit:
    """A quantity, and how much of its base unit (the quantity's value) one of this unit is."""

    quantity: Quantity
    factor: float


_ANGSTROM_PER_METRE = 1e10
_PREFIXES = {"": 1.0, "c": 1e-2, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12}
_LENGTHS = {f"{prefix}m": size * _ANGSTROM_PER_METRE for prefix, size in _PREFIXES.items()}
_LENGTHS |= dict.fromkeys(("a", "å", "ang", "angstrom", "angstroms", "ångström"), 1.0)
_LENGTHS |= dict.fromkeys(("micron", "microns"), 10000.0)
for _long, _short in (("", ""), ("centi", "c"), ("milli", "m"), ("micro", "u"), ("nano", "n")):
    for _spelling in ("meter", "meters", "metre", "metres"):
        _LENGTHS[_long + _spelling] = _LENGTHS[f"{_short}m"]
_ENERGIES = {"ev": 1.0, "kev": 1e3}
_INVERSE = re.compile(r"(?:1/(?P<below>.+))|(?:(?P<base>[^\d^*-]+)(?:\^|\*\*)?-1)")


def parse_unit(text: object) -> Unit | None:
    """Return the unit that `text` names; None for pixels, nothing, or what is not known.

    Knows ``nm``, ``Å``, ``µm``, ``1/nm``, ``nm^-1``, ``nm⁻¹``, ``1 / A``, ``[n_m^-1]`` (the EMD
    notation), ``eV`` and their like; no case is told apart.

    Parameters
    ----------
    text : object
        What a file gives; only strings and bytes can name a unit.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", errors="replace")
    if not isinstance(text, str):
        return None
    plain = unicodedata.normalize("NFKC", text).replace("\u2212", "-").lower()
    # ImageJ escapes what is not ASCII
    plain = plain.replace("\\u00b5", "u").replace("\\u00c5", "å").replace("\u03bc", "u")
    plain = re.sub(r"[\s_()\[\]{}]", "", plain)
    inverse = _INVERSE.fullmatch(plain)
    if inverse:
        length = _LENGTHS.get(inverse["below"] or inverse["base"])
        return Unit(Quantity.RECIPROCAL_LENGTH, 1 / length) if length else None
    if plain in _LENGTHS:
        return Unit(Quantity.LENGTH, _LENGTHS[plain])
    if plain in _ENERGIES:
        return Unit(Quantity.ENERGY, _ENERGIES[plain])
    return None
