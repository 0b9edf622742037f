from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryolattice.errors import InvalidInputError
from cryolattice_analyzer.lens.transfer import Lens, aberration_phase, electron_wavelength_angstrom


@pytest.mark.parametrize(
    ("energy_kev", "wavelength"), [(80, 0.0417572), (200, 0.0250793), (300, 0.0196875)]
)
def test_wavelength(energy_kev: float, wavelength: float) -> None:
    assert electron_wavelength_angstrom(energy_kev) == pytest.approx(wavelength, rel=1e-5)


@pytest.mark.parametrize("energy_kev", [0.0, -300.0, float("nan"), float("inf")])
def test_energy_must_be_positive(energy_kev: float) -> None:
    with pytest.raises(InvalidInputError, match="keV") as caught:
        electron_wavelength_angstrom(energy_kev)
    assert caught.value.field == "energy_kev"


@given(st.floats(500, 20000), st.floats(1, 900), st.floats(-89.9, 90.0))
def test_lens_keeps_u_v_and_angle(mean: float, half: float, angle: float) -> None:
    lens = Lens.from_uv(mean + half, mean - half, angle)
    assert lens.defocus_u_angstrom == pytest.approx(mean + half)
    assert lens.defocus_v_angstrom == pytest.approx(mean - half)
    assert lens.angle_deg == pytest.approx(angle, abs=1e-6)
    assert -90 < lens.angle_deg <= 90


def test_swapped_u_and_v_are_put_in_order() -> None:
    lens = Lens.from_uv(2000, 2400, 10)
    assert (lens.defocus_u_angstrom, lens.defocus_v_angstrom) == pytest.approx((2400, 2000))
    assert lens.angle_deg == pytest.approx(-80)


def test_phase_along_and_across_the_astigmatism() -> None:
    wavelength, cs = 0.0196875, 2.7
    lens = Lens.from_uv(3000, 2600, 30)
    for azimuth, defocus in ((30, 3000), (120, 2600), (75, 2800)):
        turn = np.radians(azimuth)
        g = 0.4 * np.array([[np.cos(turn), np.sin(turn)]])
        found = aberration_phase(g, wavelength, cs).negative_chi(lens)[0]
        chi = -np.pi * wavelength * 0.16 * defocus + np.pi / 2 * 2.7e7 * wavelength**3 * 0.4**4
        assert found == pytest.approx(-chi, rel=1e-9)
