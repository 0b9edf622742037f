"""The look of the figures."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from cryolattice_analyzer.figures import style


@pytest.mark.parametrize(
    ("wanted", "length"), [(13.0, 10.0), (4.99, 2.0), (5.0, 5.0), (0.37, 0.2), (1.0, 1.0)]
)
def test_bars_have_round_lengths(wanted: float, length: float) -> None:
    assert style.nice_length(wanted) == pytest.approx(length)


@pytest.mark.parametrize("ground", [0.0, 1.0])
def test_a_scale_bar_has_its_length_and_shows_on_black_and_white(ground: float) -> None:
    figure = style.new_figure(40, 40)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    style.show_image(axes, np.full((8, 8), ground), (0, 40, 40, 0), limits=(0, 1))
    assert style.scale_bar(axes, "Å") == 10
    bar = next(artist for artist in axes.get_children() if artist.get_gid() == "scale_bar")
    x = np.asarray(bar.get_xdata())  # type: ignore[attr-defined]
    assert np.ptp(x) == pytest.approx(10)
    picture = np.asarray(Image.open(io.BytesIO(style.to_png(figure))).convert("L"), float)
    column = picture[:, round(picture.shape[1] * (x.mean() - 3) / 40)]
    assert column.min() < 60
    assert column.max() > 195


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
