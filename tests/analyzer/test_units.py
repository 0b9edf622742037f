"""Units as instruments spell them."""

from __future__ import annotations

import pytest

from cryolattice_analyzer.files.units import Quantity, parse_unit


@pytest.mark.parametrize(
    ("text", "angstrom"),
    [
        ("nm", 10),
        ("NM", 10),
        (" nm ", 10),
        ("[n_m]", 10),
        (b"n_m", 10),
        ("A", 1),
        ("Å", 1),
        ("\u212b", 1),
        ("\\u00C5", 1),
        ("Angstroms", 1),
        ("pm", 0.01),
        ("um", 1e4),
        ("\u00b5m", 1e4),
        ("\u03bcm", 1e4),
        ("\\u00B5m", 1e4),
        ("micron", 1e4),
        ("m", 1e10),
        ("meters", 1e10),
        ("nanometre", 10),
    ],
)
def test_lengths(text: str, angstrom: float) -> None:
    unit = parse_unit(text)
    assert unit is not None
    assert (unit.quantity, unit.factor) == (Quantity.LENGTH, pytest.approx(angstrom))


@pytest.mark.parametrize(
    ("text", "per_angstrom"),
    [
        ("1/nm", 0.1),
        ("1 / nm", 0.1),
        ("nm^-1", 0.1),
        ("nm-1", 0.1),
        ("nm\u207b\u00b9", 0.1),
        ("[n_m^-1]", 0.1),
        ("1/A", 1),
        ("Å**-1", 1),
        ("A^{-1}", 1),
        ("1/\u00b5m", 1e-4),
        ("1/m", 1e-10),
    ],
)
def test_reciprocal_lengths(text: str, per_angstrom: float) -> None:
    unit = parse_unit(text)
    assert unit is not None
    assert unit.quantity is Quantity.RECIPROCAL_LENGTH
    assert unit.factor == pytest.approx(per_angstrom)


@pytest.mark.parametrize("text", ["eV", "keV"])
def test_energies(text: str) -> None:
    unit = parse_unit(text)
    assert unit is not None
    assert unit.quantity is Quantity.ENERGY


@pytest.mark.parametrize("text", ["", "px", "pixel", "s", "mrad", "inch", "1/", "-1", None, 3, "1"])
def test_what_is_no_unit_here(text: object) -> None:
    assert parse_unit(text) is None
