from __future__ import annotations

import numpy as np
import pytest

from cryolattice_analyzer.imaging.power_spectrum import power_spectrum


@pytest.mark.parametrize("shape", [(256, 256), (250, 333)])
def test_whitened_noise_is_exponential_whatever_its_colour(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    k2 = np.fft.fftfreq(shape[0])[:, None] ** 2 + np.fft.fftfreq(shape[1])[None, :] ** 2
    image = np.fft.ifft2(np.fft.fft2(rng.normal(size=shape)) * (0.2 + np.exp(-20 * k2))).real
    whitened = power_spectrum(image, 0.5).whitened
    assert np.mean(whitened) == pytest.approx(1.0, abs=0.06)
    for level in (1.0, 3.0, 6.0):
        assert np.mean(whitened > level) == pytest.approx(np.exp(-level), rel=0.35)


def test_a_wave_stands_at_its_frequency_and_leaves_the_background() -> None:
    rng = np.random.default_rng(4)
    noise = rng.normal(size=(300, 200))
    yy, xx = np.mgrid[:300, :200] * 0.5
    g = np.array([0.31, -0.17])
    spectrum = power_spectrum(noise + np.cos(2 * np.pi * (g[0] * xx + g[1] * yy)), 0.5)
    quiet = power_spectrum(noise, 0.5)
    row, column = np.unravel_index(np.argmax(spectrum.whitened[:, 101:]), (300, 99))
    place = np.array([row, column + 101], dtype=float)
    found = spectrum.frequencies(place)
    np.testing.assert_allclose(found, g, atol=max(spectrum.step_per_angstrom))
    np.testing.assert_allclose(spectrum.bins(found), place, atol=1e-9)
    np.testing.assert_allclose(spectrum.background, quiet.background, rtol=0.6)
