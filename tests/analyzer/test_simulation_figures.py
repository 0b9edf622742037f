"""The numbers under the figures of simulated crystals."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.patches import Circle, Rectangle, Wedge
from PIL import Image

from cryolattice_analyzer.figures.fading_movie import fading_movie
from cryolattice_analyzer.figures.pattern_figures import (
    MeasuredSeries,
    diffraction_figure,
    measured_beside_simulated_figure,
    pattern_image,
    spot_spacings,
)
from cryolattice_analyzer.figures.simulated_crystal import SimulatedCrystal
from cryolattice_analyzer.figures.simulation_figures import (
    exit_wave_figure,
    image_of,
    structure_figure,
    thickness_figure,
)
from cryolattice_analyzer.lens.transfer import Lens
from cryolattice_analyzer.report.paper import SERIES_ANGSTROM

EDGE = 9.4


def crystal(*, ordered: bool) -> SimulatedCrystal:
    """Weak beams of a 2 x 2 cell: first orders of the parent; if ordered, of the superlattice."""
    orders = [(0, 0), (2, 0), (-2, 0), (0, 2), (0, -2), (1, 0), (-1, 0), (0, 1), (0, -1)]
    h, k = np.array(orders).T
    psi = np.array([1.0] + [0.2j] * 4 + [0.05j if ordered else 0j] * 4)
    thicknesses = 18.8 * np.arange(1, 17)
    return SimulatedCrystal(
        name="planted",
        lengths_angstrom=(EDGE, EDGE),
        repeats=(2, 2),
        numbers=np.array([5, 7, 11, 11, 1]),
        xy_angstrom=np.array([[0, 0], [2.35, 2.35], [2.35, 0], [0, 2.35], [1, 1]], float),
        occupancies=np.array([1, 1, 2 / 3, 2 / 3, 0.1]),
        vacant_xy_angstrom=np.array([[7.05, 0.0]]) if ordered else np.zeros((0, 2)),
        h=h,
        k=k,
        psi=psi * np.linspace(0.5, 1, 16)[:, None],
        thicknesses_angstrom=thicknesses,
        energy_kev=300.0,
    )


def test_order_adds_spots_at_twice_the_spacing() -> None:
    assert spot_spacings(crystal(ordered=False), 169.2) == pytest.approx([4.7])
    assert spot_spacings(crystal(ordered=True), 169.2) == pytest.approx([9.4, 4.7])


def test_spots_are_drawn_where_they_belong() -> None:
    image, strongest = pattern_image(crystal(ordered=True), 300.8, 0.5)
    assert strongest == pytest.approx(0.04)
    axis = np.linspace(-0.5, 0.5, len(image))
    middle = len(image) // 2
    for g, height in ((1 / 4.7, 0.04), (1 / 9.4, 0.0025)):
        near = np.abs(axis - g) < 0.03
        row = image[middle][near]
        assert axis[near][np.argmax(row)] == pytest.approx(g, abs=2e-3)
        assert row.max() == pytest.approx(height, rel=0.02)
        column = image[:, middle][near]
        assert column.max() == pytest.approx(height, rel=0.02)


def test_the_figure_boxes_superlattice_spots_only_where_there_are_some() -> None:
    figure = diffraction_figure(
        [crystal(ordered=False), crystal(ordered=True)], ["pristine", "ordered"], 169.2
    )
    pristine, ordered = figure.axes[:2]
    for panel, boxes in ((pristine, 0), (ordered, 4)):
        circles = [p.center for p in panel.patches if isinstance(p, Circle)]
        squares = [p for p in panel.patches if isinstance(p, Rectangle)]
        assert np.hypot(*np.array(circles).T) == pytest.approx([1 / 4.7] * 4)
        assert len(squares) == boxes
    labels = [text.get_text() for text in ordered.texts]
    assert labels == ["4.7 Å", "9.4 Å"]
    assert [text.get_text() for text in pristine.texts] == ["4.7 Å"]


def test_the_thickness_series_is_the_papers() -> None:
    assert len(SERIES_ANGSTROM) == 16
    assert np.diff(SERIES_ANGSTROM) == pytest.approx([18.8] * 15)
    assert SERIES_ANGSTROM[0] == 18.8
    assert SERIES_ANGSTROM[-1] == 300.8
    figure = thickness_figure(
        crystal(ordered=True), SERIES_ANGSTROM, Lens(2500.0), 2.7, highlight_angstrom=169.2
    )
    titles = [panel.get_title() for panel in figure.axes]
    assert titles == [f"{t:.1f} Å" for t in SERIES_ANGSTROM]
    framed = [panel.get_title() for panel in figure.axes if panel.patches]
    assert framed == ["169.2 Å"]


def test_a_corrected_image_of_a_thin_crystal_has_bright_atoms() -> None:
    thin = crystal(ordered=False)
    # i V with V > 0 at the origin, weak
    waves = np.where(thin.psi == thin.psi[:, :1], 1.0, 0.02j * (thin.psi != 0))
    thin = SimulatedCrystal(**{**vars(thin), "psi": waves})
    for defocus in (400.0, 2500.0):
        raw = image_of(thin, 0, Lens(defocus), 2.7)
        corrected = image_of(thin, 0, Lens(defocus), 2.7, corrected=True)
        assert corrected[0, 0] > corrected[32, 32]
        assert corrected.mean() == pytest.approx(raw.mean())
        assert np.ptp(corrected) == pytest.approx(np.ptp(raw), rel=0.05)
    assert image_of(thin, 0, Lens(400.0), 2.7)[0, 0] < 1


def test_partial_sites_are_pies_and_vacancies_dashed() -> None:
    figure = structure_figure([crystal(ordered=True)], ["ordered"])
    panel = figure.axes[0]
    wedges = [p for p in panel.patches if isinstance(p, Wedge)]
    spans = {round(p.theta2 - p.theta1) for p in wedges}
    assert spans == {240, 360}
    dashed = [p for p in panel.patches if isinstance(p, Circle) and not p.get_fill()]
    assert {tuple(np.round(p.center, 2)) for p in dashed} == {
        (x, y) for x in (7.05, 16.45) for y in (0.0, 9.4, 18.8)
    }


def test_the_exit_wave_is_normalised_by_the_incident_one() -> None:
    figure = exit_wave_figure(crystal(ordered=True), 300.8)
    amplitude, phase = (panel.images[0].get_array() for panel in figure.axes[:2])
    wave = np.abs(crystal(ordered=True).wave(15, 64))
    assert amplitude.max() == pytest.approx(wave.max(), rel=1e-3)
    assert np.abs(phase).max() <= np.pi


@pytest.fixture
def series() -> MeasuredSeries:
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:96, :96]
    spot = 400 * np.exp(-((y - 48) ** 2 + (x - 60) ** 2) / 8)
    fading = np.exp(-np.arange(6) / 2)[:, None, None]
    return MeasuredSeries(
        label="98 K",
        frames=rng.poisson(20 + spot * fading).astype(np.float32),
        origins_px=np.full((6, 2), 48.0),
        basis_px=np.array([[12.0, 0.0], [0.0, 12.0]]),
        pixel_size_per_angstrom=1 / 4.7 / 12,
        dose_per_frame_e_per_angstrom2=2.5,
    )


def test_the_movie_has_every_frame(series: MeasuredSeries) -> None:
    movie = Image.open(io.BytesIO(fading_movie([series, series])))
    assert movie.n_frames == 6  # type: ignore[attr-defined]
    assert movie.info["loop"] == 0
    pictures = []
    for frame in (0, 5):
        movie.seek(frame)
        pictures.append(np.asarray(movie.convert("L"), float))
    # the spot is dark at first and gone at the end
    assert np.count_nonzero(pictures[0] < 30) > np.count_nonzero(pictures[1] < 30)


def test_measured_spots_are_ringed_at_their_spacing(series: MeasuredSeries) -> None:
    figure = measured_beside_simulated_figure(series, crystal(ordered=False), 169.2)
    circles = [p.center for p in figure.axes[0].patches if isinstance(p, Circle)]
    assert np.hypot(*np.array(circles).T) == pytest.approx([1 / 4.7] * 4)
    assert "2.5 e/Å²" in figure.axes[0].get_title()
