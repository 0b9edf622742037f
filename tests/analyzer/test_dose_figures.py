"""Figures of a dose analysis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import Circle
from PIL import Image

from cryolattice_analyzer.dose.critical_dose import DoseResult
from cryolattice_analyzer.figures.dose_figures import (
    critical_dose_figure,
    fading_figure,
    pattern_figure,
)
from cryolattice_analyzer.figures.style import to_png

pytestmark = pytest.mark.xdist_group("doses")


@pytest.fixture
def result(example_doses: dict[str, DoseResult]) -> DoseResult:
    return example_doses["saed_298K"]


def test_fading_figure_shows_what_was_measured(result: DoseResult) -> None:
    figure = fading_figure([result, result], most_rows=3)
    assert len(figure.axes) == 2
    axis = figure.axes[0]
    assert "e/Å²" in axis.get_xlabel()
    labels = axis.get_legend_handles_labels()[1]
    assert len(labels) == 3
    assert labels[0].startswith("4.70 Å, 4.7")
    heights = [np.asarray(line.get_ydata()) for line in axis.lines]
    levels = [y[0] for y in heights if np.ptp(y) == 0]
    assert any(np.isclose(level, 1 / np.e) for level in levels)


def test_critical_dose_figure(result: DoseResult) -> None:
    axis = critical_dose_figure([result]).axes[0]
    assert axis.get_yscale() == "log"
    points = axis.lines[0].get_xdata()
    assert np.allclose(points, [1 / row.d_angstrom for row in result.rows])


def test_pattern_figure_circles_every_reflection(result: DoseResult) -> None:
    axis = pattern_figure(result).axes[0]
    circles = np.array([patch.center for patch in axis.patches if isinstance(patch, Circle)])
    assert len(circles) == sum(row.spots for row in result.rows)
    nearest = np.hypot(*circles.T).min()
    assert 1 / nearest == pytest.approx(4.7, rel=0.01)


def test_png_is_written(result: DoseResult, tmp_path: Path) -> None:
    (tmp_path / "pattern.png").write_bytes(to_png(pattern_figure(result), dots_per_inch=100))
    image = np.asarray(Image.open(tmp_path / "pattern.png"))
    assert image.shape[:2] == (275, 330)
    assert image[..., :3].std() > 10
