"""Occupancies as exact fractions.

A CIF quotes an occupancy in decimals (``0.66667``, ``0.6667(3)``), while an ordering needs whole
numbers of atoms, so the fraction that was meant has to be recognised before anything is counted.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

from cryolattice.errors import InvalidInputError

_NUMBER = re.compile(
    r"(?P<decimal>[+-]?(\d+\.?\d*|\.\d+))(\((?P<esd>\d+)\))?(?P<power>[eE][+-]?\d+)?\Z"
)
# A fraction is believed when its denominator squared times the interval's width stays below this:
# with a larger denominator some fraction or other falls into the interval by chance.
_CHANCE = 0.6
# A refined occupancy may end so little above 1.
_SLIGHTLY_OVER = Fraction(1, 200)
_DOUBLE_PRECISION = Fraction(1, 10**9)


def occupancy_fraction(text: str, *, label: str) -> tuple[Fraction, float]:
    """Recognise the fraction that an occupancy in a CIF stands for.

    With u the unit of the last quoted decimal, the interval allowed is from value - u/2 (rounded)
    to just below value + u (cut off); or plus and minus one standard uncertainty where one is
    quoted in brackets and is larger. The simplest fraction p/q inside it is taken when q is small
    enough not to be a coincidence: q^2 times the interval's width is at most 0.6, that is q <= 6
    for two decimals, 20 for three, 200 for five. Otherwise, and always for a single decimal, the
    decimals are exact. So 0.67, 0.667, 0.6666 and 0.66667 are 2/3; 0.65 is 13/20; 0.7 is 7/10.

    Parameters
    ----------
    text : str
        The value as the file quotes it.
    label : str
        The atom's label, for messages.

    Returns
    -------
    tuple of Fraction and float
        The fraction, and how far off the quoted value may be; 0 for a single decimal.

    Raises
    ------
    InvalidInputError
        If the text is no number, or the occupancy is outside 0 < occupancy <= 1; up to 1.005, or
        within the uncertainty, it is taken for 1.
    """
    match = _NUMBER.match(text.strip())
    if match is None:
        raise InvalidInputError(
            f"atom {label}: _atom_site_occupancy is {text!r}, which is no number: write a "
            "decimal such as 0.6667",
            field="parent",
        )
    decimal = Decimal(match["decimal"] + (match["power"] or ""))
    exact = Fraction(decimal)
    decimals = -int(decimal.as_tuple().exponent)
    unit = Fraction(1, 10**decimals) if decimals > 0 else Fraction(1)
    esd = int(match["esd"] or 0) * unit
    below, above = max(esd, unit / 2), max(esd, unit * Fraction(99, 100))
    if not 0 < exact <= 1 + max(esd, _SLIGHTLY_OVER):
        raise InvalidInputError(
            f"atom {label}: _atom_site_occupancy is {text}, but an occupancy lies above 0 and at "
            "most at 1: correct the value, or remove the atom",
            field="parent",
        )
    tolerance = float(below) if decimals > 1 else 0.0
    if exact >= 1:
        return Fraction(1), tolerance
    below, above = max(below, _DOUBLE_PRECISION), max(above, _DOUBLE_PRECISION)
    low, high = max(exact - below, Fraction(0)), min(exact + above, Fraction(1))
    simplest = _simplest_between(low, high)
    believed = simplest.denominator**2 * (high - low) <= _CHANCE and 0 < simplest < 1
    return (simplest if believed and decimals > 1 else exact), tolerance


def _simplest_between(low: Fraction, high: Fraction) -> Fraction:
    """Return the fraction of smallest denominator in [low, high], by continued fractions."""
    floor = low.numerator // low.denominator
    if low == floor:
        return Fraction(floor)
    if floor + 1 <= high:
        return Fraction(floor + 1)
    return floor + 1 / _simplest_between(1 / (high - floor), 1 / (low - floor))
