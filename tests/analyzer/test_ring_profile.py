from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_analyzer.figures.ring_figures import ring_profile_figure, ring_spectrum_figure
from cryolattice_analyzer.figures.style import to_png
from cryolattice_analyzer.lens.ring_profile import RingProfile, flattened, ring_profile
from cryolattice_analyzer.lens.ring_spectrum import require_centred
from cryolattice_analyzer.lens.transfer import Lens
from tests.analyzer.planted_spectra import PIXEL_ANGSTROM, WAVELENGTH, planted_spectrum

LENS = Lens.from_uv(10300, 9700, 25)
STEP = (1 / (512 * PIXEL_ANGSTROM),) * 2


@pytest.fixture(scope="module")
def power() -> NDArray[np.float64]:
    return planted_spectrum(10300, 9700, 25, seed=1)


def profile_of(power: NDArray[np.float64], lens: Lens) -> RingProfile:
    return ring_profile(
        power,
        STEP,
        lens,
        wavelength_angstrom=WAVELENGTH,
        cs_mm=1.4,
        amplitude_contrast=0.1,
        range_per_angstrom=(0.04, 0.22),
    )


def likeness(profile: RingProfile) -> float:
    # inside, astigmatism matters little; far outside, noise is all there is
    outer = (profile.k_per_angstrom > 0.1) & (profile.k_per_angstrom < 0.17)
    return float(np.corrcoef(profile.rings[outer], profile.expected[outer])[0, 1])


def test_rings_along_the_radius_follow_the_fit(power: NDArray[np.float64]) -> None:
    assert likeness(profile_of(power, LENS)) > 0.9
    # with the astigmatism turned the wrong way, the outer rings of all directions cancel
    assert likeness(profile_of(power, Lens.from_uv(10300, 9700, -65))) < 0.5


def test_the_picture_shows_rings_between_minus_one_and_one(power: NDArray[np.float64]) -> None:
    profile = profile_of(power, LENS)
    data, fit = flattened(power, STEP, LENS, profile)
    inside = np.isfinite(fit)
    assert data.shape == fit.shape == power.shape
    assert np.array_equal(inside, np.isfinite(data))
    assert not inside[256, 256]
    assert np.abs(fit[inside]).max() <= 1 + 1e-6
    assert np.corrcoef(data[inside], fit[inside])[0, 1] > 0.7
    # the data were not made by the fit: turned by a quarter they disagree
    turned = np.rot90(data)
    both = inside & np.isfinite(turned)
    assert np.corrcoef(turned[both], fit[both])[0, 1] < 0.4


def test_figures_are_drawn(power: NDArray[np.float64]) -> None:
    profile = profile_of(power, LENS)
    data, fit = flattened(power, STEP, LENS, profile)
    zeros = profile.k_per_angstrom[:-1][np.diff(np.sign(profile.transfer)) != 0]
    spectrum = ring_spectrum_figure(data, fit, STEP, 0.2, LENS, zeros)
    assert len(spectrum.axes[0].patches) == 3
    along = ring_profile_figure(profile, 5.5)
    assert [axes.get_ylabel() for axes in along.axes][:2] == [
        "power",
        "rings (units of their visibility)",
    ]
    for figure in (spectrum, along):
        assert to_png(figure, dots_per_inch=60).startswith(b"\x89PNG")


def test_an_astigmatism_beyond_the_defocus_is_drawn() -> None:
    lens = Lens.from_uv(2000, -200, 25)
    power = planted_spectrum(2000, -200, 25, seed=2)
    profile = profile_of(power, lens)
    data, fit = flattened(power, STEP, lens, profile)
    assert np.array_equal(np.isfinite(data), np.isfinite(fit))
    figure = ring_spectrum_figure(data, fit, STEP, 0.2, lens, np.array([0.1]))
    # the zeros are open curves, no ellipses
    assert not figure.axes[0].patches
    assert to_png(figure, dots_per_inch=60).startswith(b"\x89PNG")


@pytest.mark.parametrize("shift", [(256, 256), (0, 256), (256, 0)])
def test_zero_frequency_must_be_in_the_middle(
    power: NDArray[np.float64], shift: tuple[int, int]
) -> None:
    require_centred(power, "right.mrc")
    with pytest.raises(InvalidInputError, match=r"wrong.mrc.*fftshift") as caught:
        require_centred(np.roll(power, shift, (0, 1)), "wrong.mrc")
    assert caught.value.field == "power_spectrum"
