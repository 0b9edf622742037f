"""The size of a pixel, from the file or from the user."""

from __future__ import annotations

import math

from cryolattice.errors import InvalidInputError, MissingCalibrationError
from cryolattice_analyzer.files.signals import Axis, Signal
from cryolattice_analyzer.files.units import Quantity

# Rounding in headers.
_EQUAL = 1e-3
# Cameras and projector lenses distort by about this much; the mean is then as good as the file.
_NEARLY_EQUAL = 0.01
# Above this relative difference between file and option, both numbers are shown to the user.
_CONTRADICTION = 0.01
# Sizes that no microscope gives, in the base unit: then the numbers mean something else.
_POSSIBLE = {Quantity.LENGTH: (0.01, 1e6), Quantity.RECIPROCAL_LENGTH: (1e-7, 10.0)}


def pixel_size(
    signal: Signal, given: float | None, name: str, quantity: Quantity
) -> tuple[float, list[str]]:
    """Return the side of a pixel in angstrom (images) or 1/angstrom (diffraction), and remarks.

    Parameters
    ----------
    signal : Signal
        Its last two axes are those of the image.
    given : float or None
        The user's number, which wins.
    name : str
        The file's name, for messages.
    quantity : Quantity
        Length or reciprocal length.

    Raises
    ------
    MissingCalibrationError
        Neither file nor user tells it (field ``pixel_size``).
    InvalidInputError
        The given one cannot be, or the file's differ by more than 1 % along x and y.
    """
    unit = quantity.value
    if given is not None:
        check_pixel_size(given, quantity)
    sizes = [_in_base_unit(axis, quantity) for axis in (signal.axes[-1], signal.axes[-2])]
    x, y = sizes
    if given is None:
        if x is None or y is None:
            raise MissingCalibrationError(
                f"{name}: {_what_is_wrong(signal, quantity)}; give the size of one pixel in {unit} "
                "with --pixel-size",
                field="pixel_size",
            )
        difference = abs(x - y) / max(x, y)
        if difference > _NEARLY_EQUAL:
            raise InvalidInputError(
                f"{name}: pixels of {x:.6g} x {y:.6g} {unit} (x, y) are not square; bin or "
                "resample the image to square pixels, or give the true size with --pixel-size if "
                "the file is wrong",
                field="pixel_size",
            )
        notes = []
        if difference > _EQUAL:
            notes.append(
                f"{name}: pixels of {x:.6g} x {y:.6g} {unit} (x, y) are taken as square, "
                f"{(x + y) / 2:.6g} {unit}"
            )
        return (x + y) / 2, notes
    return float(given), _contradiction(signal, x, y, given, name, unit)


def check_pixel_size(given: float, quantity: Quantity) -> None:
    """Refuse a pixel size that cannot be one.

    Raises
    ------
    InvalidInputError
        Not positive or not finite (field ``pixel_size``).
    """
    if not (math.isfinite(given) and given > 0):
        raise InvalidInputError(
            f"pixel size {given:g} {quantity.value}: it must be positive; "
            f"give the size of one pixel in {quantity.value} (--pixel-size)",
            field="pixel_size",
        )


def _in_base_unit(axis: Axis, quantity: Quantity) -> float | None:
    unit = axis.parsed
    if unit is None or unit.quantity is not quantity:
        return None
    size = abs(axis.scale) * unit.factor  # axes may run backwards
    low, high = _POSSIBLE[quantity]
    return size if low <= size <= high else None


def _what_is_wrong(signal: Signal, quantity: Quantity) -> str:
    y, x = signal.axes[-2:]
    if not any(math.isfinite(axis.scale) and axis.scale not in {0, 1} for axis in (x, y)):
        if x.parsed and math.isfinite(x.scale):
            return f"the pixel size in it, {x.scale:g} {x.unit}, means that it is not known"
        return "the file holds no pixel size"
    told = f"{x.scale:.6g} {x.unit}".strip()
    if y.scale != x.scale or y.unit != x.unit:
        told += f" along x and {y.scale:.6g} {y.unit}".rstrip() + " along y"
    if x.parsed and y.parsed:
        return f"the pixel size in it, {told}, cannot be a size in {quantity.value}"
    if x.unit:
        return f"the pixel size in it, {told}, is in a unit that is not known"
    factor = 10.0 if quantity is Quantity.LENGTH else 0.1
    return (
        f"the pixel size in it, {told}, has no unit (if it is in "
        f"{'nm' if quantity is Quantity.LENGTH else '1/nm'}, that is {x.scale * factor:.6g} "
        f"{quantity.value})"
    )


def _contradiction(
    signal: Signal, x: float | None, y: float | None, given: float, name: str, unit: str
) -> list[str]:
    if x is None or y is None:
        axis = signal.axes[-1]
        if axis.parsed is None or axis.scale in {0, 1} or not math.isfinite(axis.scale):
            return []
        if math.isclose(given, axis.scale, rel_tol=_CONTRADICTION):
            return []  # the same number: MRC has no unit but angstrom
        return [
            f"{name}: the given pixel size of {given:g} {unit} is used, not the {axis.scale:.6g} "
            f"{axis.unit} in the file"
        ]
    if max(abs(given / size - 1) for size in (x, y)) <= _CONTRADICTION:
        return []
    in_file = f"{x:.6g}" if math.isclose(x, y, rel_tol=_EQUAL) else f"{x:.6g} x {y:.6g}"
    return [
        f"{name}: the given pixel size of {given:g} {unit} is used, not the {in_file} {unit} in "
        "the file"
    ]
