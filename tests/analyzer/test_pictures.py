"""Scales of pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from cryolattice_analyzer.figures import pictures, style


@pytest.mark.parametrize(
    ("wanted", "length"), [(13.0, 10.0), (4.99, 2.0), (5.0, 5.0), (0.37, 0.2), (1.0, 1.0)]
)
def test_bars_have_round_lengths(wanted: float, length: float) -> None:
    assert pictures.nice_length(wanted) == pytest.approx(length)


@pytest.mark.parametrize("ground", [0.0, 1.0])
def test_a_scale_bar_has_its_length_and_shows_on_black_and_white(ground: float) -> None:
    figure = style.new_figure(40, 40)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    pictures.show_image(axes, np.full((8, 8), ground), (0, 40, 40, 0), limits=(0, 1))
    assert pictures.scale_bar(axes, "Å") == 10
    bar = next(artist for artist in axes.get_children() if artist.get_gid() == "scale_bar")
    x = np.asarray(bar.get_xdata())  # type: ignore[attr-defined]
    assert np.ptp(x) == pytest.approx(10)
    picture = np.asarray(Image.open(io.BytesIO(style.to_png(figure))).convert("L"), float)
    column = picture[:, round(picture.shape[1] * (x.mean() - 3) / 40)]
    assert column.min() < 60
    assert column.max() > 195
