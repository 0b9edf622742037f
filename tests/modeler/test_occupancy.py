from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.occupancy import occupancy_fraction


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("0.66667", (2, 3)),
        ("0.6667(3)", (2, 3)),
        ("0.667", (2, 3)),
        ("0.67", (2, 3)),
        ("0.6666", (2, 3)),
        ("6.6667e-1", (2, 3)),
        (".333", (1, 3)),
        ("0.05555555555555555", (1, 18)),
        ("0.65(2)", (2, 3)),
        ("0.65", (13, 20)),
        ("0.7", (7, 10)),
        ("0.5", (1, 2)),
        ("0.39", (39, 100)),
        ("0.0672", (42, 625)),
        ("1.", (1, 1)),
        ("1.001(2)", (1, 1)),
        ("1.004", (1, 1)),
    ],
)
def test_recognises_the_fraction_that_was_meant(text: str, meant: tuple[int, int]) -> None:
    assert occupancy_fraction(text, label="X")[0] == Fraction(*meant)


@pytest.mark.parametrize("text", ["0", "0.0", "-0.5", "1.2", "1.01", "abc", "nan", "", "?"])
def test_refuses_what_is_no_occupancy(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"Na7.*occupancy"):
        occupancy_fraction(text, label="Na7")


@given(
    denominator=st.integers(2, 60), data=st.data(), decimals=st.integers(5, 9), cut=st.booleans()
)
def test_a_small_fraction_survives_being_rounded_or_cut_off(
    denominator: int, data: st.DataObject, decimals: int, cut: bool
) -> None:
    fraction = Fraction(data.draw(st.integers(1, denominator - 1)), denominator)
    scaled = fraction * 10**decimals
    digits = scaled.numerator // scaled.denominator if cut else round(scaled)
    text = f"0.{digits:0{decimals}d}"
    assert occupancy_fraction(text, label="X")[0] == fraction
