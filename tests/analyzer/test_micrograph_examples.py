"""From the example micrographs to their cells, blind but for the parent's cell."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cryolattice_analyzer.figures.micrograph_figures import (
    cell_figure,
    micrograph_figure,
    spectrum_figure,
)
from cryolattice_analyzer.figures.style import to_png
from cryolattice_analyzer.imaging.average import average_cell, refine_on_crystal
from cryolattice_analyzer.imaging.crystal_area import find_crystal
from cryolattice_analyzer.imaging.lattice import find_lattice
from cryolattice_analyzer.imaging.micrograph import read_micrograph
from cryolattice_analyzer.imaging.parent_cell import ParentCell
from cryolattice_analyzer.imaging.power_spectrum import power_spectrum
from cryolattice_analyzer.imaging.superlattice import find_superlattice

EXAMPLES = Path(__file__).parents[2] / "examples" / "na2nh2bh4"


@pytest.mark.parametrize(
    ("name", "rotation_rad", "repeat"),
    [("micrograph_a", 0.21, (2, 2)), ("micrograph_disordered", -0.4, (1, 1))],
)
def test_example(name: str, rotation_rad: float, repeat: tuple[int, int]) -> None:
    file = EXAMPLES / f"{name}.mrc"
    image = read_micrograph(file.read_bytes(), file.name)
    pixel = image.pixel_size_angstrom
    spectrum = power_spectrum(image.counts, pixel)
    found = find_lattice(image.counts, pixel, ParentCell(4.7, 4.7), spectrum=spectrum)
    assert found.lattice is not None
    area = find_crystal(image.counts, pixel, found.lattice)
    lattice = refine_on_crystal(image.counts, pixel, found.lattice, area.mask, spectrum=spectrum)
    assert lattice.a_angstrom == pytest.approx(4.7, rel=5e-4)
    assert lattice.b_angstrom == pytest.approx(4.7, rel=5e-4)
    assert np.deg2rad(lattice.rotation_deg) == pytest.approx(rotation_rad, abs=1e-3)
    result = find_superlattice(image.counts, pixel, lattice, area.mask, (2, 2))
    assert result.supercell == repeat
    assert (result.superlattice_snr > 20) == (repeat == (2, 2))
    cell = average_cell(image.counts, pixel, lattice, area.mask, result.supercell)
    assert cell.cells > 1000
    strongest = np.max(np.abs(cell.coefficients) / cell.standard_error)
    assert strongest > 50
    figures = [
        micrograph_figure(image.counts, pixel, area),
        spectrum_figure(spectrum, lattice, result),
        cell_figure(cell, cell.image),
    ]
    for figure in figures:
        picture = Image.open(io.BytesIO(to_png(figure, dots_per_inch=80)))
        assert min(picture.size) > 200
        assert np.asarray(picture.convert("L")).std() > 20


def test_spectrum_figure_without_a_lattice() -> None:
    noise = np.random.default_rng(0).poisson(5, (128, 160)).astype(float)
    assert to_png(spectrum_figure(power_spectrum(noise, 0.5)), dots_per_inch=40)[:4] == b"\x89PNG"
