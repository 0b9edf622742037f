"""The paper's figures again, through the command; the datasets of `test_identify` are reused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import ase.io
import gemmi
import numpy as np
import pytest
from PIL import Image

from tests.system.conftest import Run

pytestmark = pytest.mark.xdist_group("home")

FIGURES = (
    "figure_1b_pristine_diffraction",
    "figure_3b_fading",
    "figure_3c_critical_dose",
    "figure_4a_micrograph",
    "figure_4b_power_spectrum",
    "figure_4c_averaged_cell",
    "figure_5a_structures",
    "figure_5b_ordered_diffraction",
    "figure_5c_projected_potential",
    "figure_5d_exit_wave",
    "figure_5e_ctf_corrected",
    "figure_5f_cell_beside_simulation",
    "figure_s6_thickness_series",
)


@pytest.fixture(scope="module")
def reproduced(cryolattice: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    out = tmp_path_factory.mktemp("reproduced") / "figures"
    outcome = cryolattice("reproduce", "--out", out, "--json")
    assert outcome.code == 0, outcome.err
    return outcome.json, out


def test_every_figure_is_there_for_screen_and_print(reproduced: tuple[Any, Path]) -> None:
    result, out = reproduced
    assert [figure["name"] for figure in result["figures"]] == [*FIGURES, "movie_fading"]
    for name in FIGURES:
        picture = Image.open(out / f"{name}.png")
        # a printed page is 178 mm wide
        assert picture.width <= 178 / 25.4 * 300 + 1
        assert (out / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    html = (out / "report.html").read_text()
    assert html.count("data:image/webp;base64,") == len(FIGURES)
    assert html.count("data:image/gif;base64,") == 1


def test_the_numbers_compare_with_the_papers(reproduced: tuple[Any, Path]) -> None:
    result, _ = reproduced
    rows = {row["quantity"]: row for row in result["comparison"]}
    tolerances = {
        "repeat of the ordered crystal": (9.4, 0.002),
        "largest spacing of the pristine pattern": (4.7, 0.002),
        "thickness": (169.2, 0.03),
        "critical dose at 98 K, 4.7 Å": (29.0, 0.04),
        "critical dose at 98 K, 2.1 Å": (17.0, 0.04),
        "critical dose at 298 K, 2.1 Å": (2.7, 0.04),
        "gain of 98 K over 298 K": (6.3, 0.05),
    }
    assert set(rows) == set(tolerances)
    for quantity, (planted, tolerance) in tolerances.items():
        assert rows[quantity]["found"] == pytest.approx(planted, rel=tolerance)
    assert rows["gain of 98 K over 298 K"]["paper"] == 6
    assert "stand-ins" in result["warnings"][0]


def test_the_movie_shows_every_frame(reproduced: tuple[Any, Path]) -> None:
    movie = Image.open(io.BytesIO((reproduced[1] / "movie_fading.gif").read_bytes()))
    assert movie.n_frames == 24  # type: ignore[attr-defined]


def test_the_pristine_cif_has_mean_occupancies(reproduced: tuple[Any, Path]) -> None:
    path = reproduced[1] / "pristine.cif"
    structure = gemmi.read_small_structure(str(path))
    assert structure.spacegroup.hm == "P m -3 m"
    assert structure.cell.a == pytest.approx(4.70)
    occupancies = {site.element.name: site.occ for site in structure.sites}
    assert occupancies == pytest.approx({"B": 1, "N": 1, "Na": 2 / 3}, abs=1e-3)
    atoms = ase.io.read(path)
    assert atoms.get_chemical_formula() == "BNNa3"


def test_the_ordered_cif_lacks_four_of_twelve_sodium(reproduced: tuple[Any, Path]) -> None:
    path = reproduced[1] / "ordered.cif"
    structure = gemmi.read_small_structure(str(path))
    assert structure.cell.a == pytest.approx(9.40)
    assert structure.cell.c == pytest.approx(4.70)
    assert all(site.occ == 1 for site in structure.sites)
    atoms = ase.io.read(path)
    assert atoms.get_chemical_formula() == "B4N4Na8"
    # the vacancies are the four neighbours in the plane of one and the same N
    fractions = atoms[atoms.numbers == 11].get_scaled_positions()
    grid = {tuple(place) for place in np.rint(4 * fractions).astype(int) % 4}
    side = {(x, y, 2) for x in range(4) for y in range(4) if (x + y) % 2}
    missing = {(x, y) for x, y, z in side if (x, y, z) not in grid}
    assert len(missing) == 4
    around = [
        {((x + 1) % 4, y), ((x - 1) % 4, y), (x, (y + 1) % 4), (x, (y - 1) % 4)}
        for x in (1, 3)
        for y in (1, 3)
    ]
    assert missing in around
