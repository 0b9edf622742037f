"""What a user may write, and what is made of it before anything is computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cryolattice.cli.options import parse_series
from cryolattice.cli.simulate import _debye_waller
from cryolattice.errors import InvalidInputError, UnreadableFileError
from cryolattice.workflows.mtf import read_mtf
from cryolattice.workflows.simulate_options import SimulateOptions

STAR = """
data_

loop_
_rlnMtfValue #1
_rlnResolutionInversePixel #2
1.0 0.0
0.8 0.25
0.3 0.5
"""


def test_series() -> None:
    assert parse_series(["18.8:56.4:18.8", "100"], "thickness") == [18.8, 37.6, 56.4, 100]
    assert parse_series(["0.1:0.3:0.1"], "thickness") == pytest.approx([0.1, 0.2, 0.3])
    assert parse_series(["300:-300:-300"], "defocus") == [300, 0, -300]
    assert parse_series(None, "defocus") == []


@pytest.mark.parametrize("wrong", ["ten", "1:2", "1:2:3:4", "1:5:-1", "1:5:0", "0:1e9:1", "nan"])
def test_what_is_no_series(wrong: str) -> None:
    with pytest.raises(InvalidInputError, match="--thickness is") as caught:
        parse_series([wrong], "thickness")
    assert caught.value.field == "thickness"


def test_thicknesses_are_whole_numbers_of_periods() -> None:
    taken, remarks = SimulateOptions(thicknesses_angstrom=[9.4, 20, 1]).thicknesses(
        4.7, repeats=True
    )
    assert taken == pytest.approx([4.7, 9.4, 18.8])
    assert "every 4.7 angstrom" in remarks[0]
    exact = SimulateOptions(thicknesses_angstrom=[4.7, 169.2])
    assert exact.thicknesses(4.7, repeats=True) == ([4.7, 169.2], [])
    assert exact.thicknesses(30.0, repeats=False)[0] == [30.0]
    assert "passed once" in exact.thicknesses(30.0, repeats=False)[1][0]
    series = SimulateOptions(thickness_step_angstrom=9.4, greatest_thickness_angstrom=30)
    assert series.thicknesses(4.7, repeats=True) == ([9.4, 18.8, 28.2], [])


def test_a_transfer_function_in_each_form(tmp_path: Path) -> None:
    star, table = tmp_path / "mtf.star", tmp_path / "mtf.txt"
    star.write_text(STAR)
    table.write_text("# 1/pixel, MTF\n0, 1.0\n0.25, 0.8\n0.5, 0.3\n")
    for path in (star, table):
        found = read_mtf(str(path))
        assert list(found.frequency_per_pixel) == [0, 0.25, 0.5]
        assert list(found.value) == [1, 0.8, 0.3]
        assert found.source == path.name
    assert read_mtf("square").square_pixel
    assert list(read_mtf("0.7,0.2,0.1,10,40").lorentzians) == [0.7, 0.2, 0.1, 10, 40]
    table.write_text("no numbers\n")
    for wrong in (str(table), str(tmp_path / "missing.txt"), "gatan"):
        with pytest.raises(UnreadableFileError) as caught:
            SimulateOptions(mtf=wrong)
        assert caught.value.field == "mtf"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"dose_e_per_angstrom2": 0}, "dose"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"supercell": (0, 1, 1)}, "supercell"),
        ({"supercell": 2}, "supercell"),
        ({"zone_axis": (1, 1)}, "zone_axis"),
        ({"zone_axis": (1, 1, 0.5)}, "zone_axis"),
        ({"image_size_px": (8, 8, 8)}, "image_size_px"),
        ({"thicknesses_angstrom": [50, -5]}, "thickness"),
        ({"thicknesses_angstrom": 0}, "thickness"),
        ({"debye_waller_b_angstrom2": -1}, "debye_waller"),
        ({"debye_waller_b_angstrom2": {"Na": float("inf")}}, "debye_waller"),
        ({"greatest_thickness_angstrom": -5}, "thickness_max"),
        ({"thickness_step_angstrom": float("nan")}, "thickness_step"),
        ({"shown_thickness_angstrom": 0}, "show"),
        ({"image_size_px": (-3, 4)}, "width_px"),
        ({"image_size_px": (4, 8193)}, "height_px"),
        ({"pattern_px": 1}, "pattern_px"),
        ({"defocus_angstrom": [100, float("nan")]}, "defocus_angstrom"),
        ({"cs_mm": float("inf")}, "cs_mm"),
        ({"sampling_angstrom": -0.1}, "sampling_angstrom"),
        ({"pixel_size_angstrom": float("nan")}, "pixel_size_angstrom"),
    ],
)
def test_what_cannot_be_is_said_at_once(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        SimulateOptions(**given)
    assert caught.value.field == field


def test_the_thickness_that_a_report_shows() -> None:
    series = [18.8, 37.6, 56.4]
    assert SimulateOptions().shown(series) == (None, [])
    assert SimulateOptions(shown_thickness_angstrom=37.6).shown(series) == (37.6, [])
    nearest, remarks = SimulateOptions(shown_thickness_angstrom=65).shown(series)
    assert nearest == 56.4
    assert remarks == ["the report shows 56.4 angstrom, the nearest to 65"]
    for asked, simulated in ((66, series), (9, series), (999, [100.0])):
        with pytest.raises(InvalidInputError, match=f"show is {asked} angstrom") as caught:
            SimulateOptions(shown_thickness_angstrom=asked).shown(simulated)
        assert caught.value.field == "show"


def test_debye_waller_factors() -> None:
    assert _debye_waller(None) == 0
    assert _debye_waller(["0.46"]) == 0.46
    assert _debye_waller(["Na=1.5", "B=2"]) == {"Na": 1.5, "B": 2}
    for wrong in (["Na=x"], ["1", "Na=2"]):
        with pytest.raises(InvalidInputError):
            _debye_waller(wrong)
