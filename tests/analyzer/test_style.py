"""The look of the figures."""

from __future__ import annotations

import io

import matplotlib as mpl
import pytest
from PIL import Image

from cryolattice_analyzer.figures import style


def test_figures_have_their_size_in_print() -> None:
    figure = style.new_figure(style.SINGLE_COLUMN_MM, 50)
    figure.subplots()
    size = Image.open(io.BytesIO(style.to_png(figure))).size
    assert size == pytest.approx((84 / 25.4 * 300, 50 / 25.4 * 300), abs=1)


def test_the_look_holds_only_while_drawing() -> None:
    before = mpl.rcParams["font.size"]
    seen = style.styled(lambda: mpl.rcParams["font.size"])()
    assert seen == style.TEXT_POINTS != before
    assert mpl.rcParams["font.size"] == before


def test_the_same_figure_has_the_same_bytes() -> None:
    def drawn() -> tuple[bytes, bytes]:
        figure = style.new_figure(40, 30)
        figure.subplots().plot([0, 1], [2, 3])
        return style.to_png(figure), style.to_pdf(figure)

    first = drawn()
    assert first == drawn()
    assert first[1].startswith(b"%PDF")


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (29.14, 0.61, "29.1 ± 0.6"),
        (4.71, 0.104, "4.71 ± 0.10"),
        (3.936, 0.0352, "3.94 ± 0.04"),
        (120.0, 31.0, "120 ± 31"),
    ],
)
def test_values_have_the_digits_of_their_interval(value: float, half: float, text: str) -> None:
    assert style.value_text(value, half) == text
