"""What a camera does to images whose Fourier coefficients are known."""

from __future__ import annotations

import numpy as np
import pytest

from cryolattice.errors import InvalidInputError
from cryolattice_simulator.beams import ExitBeams, wavelength_angstrom
from cryolattice_simulator.camera import Mtf, Raster, pattern
from cryolattice_simulator.imaging import Lens
from cryolattice_simulator.recording import Recording

A, B = 4.0, 5.0
PHASE = 1e-4
TABLE = Mtf((0.0, 0.25, 0.5), (1.0, 0.8, 0.3))


def weak_phase(order: int) -> ExitBeams:
    """A wave 1 + i phi with phi = 2 PHASE cos(2 pi order x / a)."""
    psi = np.array([[1.0, 1j * PHASE, 1j * PHASE]])
    h, k = np.array([0, order, -order]), np.zeros(3, dtype=np.int64)
    thickness = np.array([10.0])
    return ExitBeams(h, k, psi, thickness, np.diag([A, B, 10.0]), 300.0, (64, 64), 1)


def amplitude(image: np.ndarray, order: int) -> float:
    """Coefficient of cos(2 pi order x / a) in an image of whole cells along x, one wide."""
    return 2 * float(np.fft.fft2(image, norm="forward")[0, order].real)


@pytest.mark.parametrize("defocus", [-400.0, 200.0, 900.0, 2500.0])
def test_a_thin_phase_object_images_as_sin_chi(defocus: float) -> None:
    order, cs = 3, 1.2
    recording = Recording(weak_phase(order), Raster(A / 32, (8, 32)), Mtf())
    image, corrected = recording.image(0, Lens(defocus, defocus, cs_mm=cs))
    g, wavelength = order / A, wavelength_angstrom(300)
    chi = -np.pi * wavelength * defocus * g**2 + np.pi / 2 * cs * 1e7 * wavelength**3 * g**4
    # to first order of the phase (Reimer and Kohl, Transmission Electron Microscopy, 6.4)
    wanted = 4 * PHASE * np.sin(chi)
    assert amplitude(image, order) == pytest.approx(wanted, abs=1e-9)
    assert amplitude(corrected, order) == pytest.approx(abs(wanted), abs=1e-9)


def test_the_transfer_at_nyquist_is_the_table_s() -> None:
    order, lens = 4, Lens(500.0, 500.0, cs_mm=0.0)
    # two pixels a period
    raster = Raster(A / (2 * order), (4, 2 * order))
    sharp, blurred = (
        Recording(weak_phase(order), raster, mtf).image(0, lens)[0] for mtf in (Mtf(), TABLE)
    )
    assert np.ptp(blurred) == pytest.approx(0.3 * np.ptp(sharp))
    assert TABLE.at_nyquist == 0.3
    assert Mtf(square_pixel=True).at_nyquist == pytest.approx(2 / np.pi)
    a, b, c, alpha, beta = 0.7, 0.2, 0.1, 10.0, 40.0
    wanted = a / (1 + alpha / 4) + b / (1 + beta / 4) + c
    assert Mtf(lorentzians=(a, b, c, alpha, beta)).at_nyquist == pytest.approx(wanted)


def test_what_a_pixel_cannot_hold_is_left_out() -> None:
    recording = Recording(weak_phase(4), Raster(A / 7, (7, 7)), Mtf())
    image, _ = recording.image(0, Lens(500.0, 500.0))
    assert np.ptp(image) < 1e-7


def test_pixels_need_not_divide_the_cell() -> None:
    lens, order = Lens(500.0, 500.0), 2
    pixel = 0.137
    image, _ = Recording(weak_phase(order), Raster(pixel, (3, 50)), Mtf()).image(0, lens)
    x = pixel * np.arange(50)
    wave = np.cos(2 * np.pi * order * x / A)
    contrast = image[1] - 1
    assert contrast == pytest.approx(wave * contrast[0], abs=1e-7)


def test_counts_have_the_dose_and_the_seed_gives_them_again() -> None:
    raster, lens, dose = Raster(0.5, (400, 300)), Lens(500.0, 500.0), 22.0

    def recorded(seed: int) -> np.ndarray:
        recording = Recording(weak_phase(1), raster, TABLE, dose_e_per_angstrom2=dose, seed=seed)
        return recording.image(0, lens)[0]

    counts = recorded(7)
    wanted = dose * 0.5**2
    # Poisson: the standard error of the mean is the root of mean over pixels; 4 of them
    error = 4 * np.sqrt(wanted / counts.size)
    assert counts.mean() == pytest.approx(wanted, abs=error)
    assert counts.var() == pytest.approx(wanted, rel=0.03)
    assert np.array_equal(counts, recorded(7))
    assert not np.array_equal(counts, recorded(8))


def test_a_pattern_holds_all_intensity_where_the_beams_are() -> None:
    beams = weak_phase(2)
    drawn = pattern(beams, 0, pixels=64, half_width=0.8, sigma=0.01)
    step = 2 * 0.8 / 64
    assert drawn.sum() == pytest.approx(1 + 2 * PHASE**2, rel=1e-12)
    assert np.unravel_index(np.argmax(drawn), drawn.shape) == (32, 32)
    aside = drawn * (np.abs(np.arange(64) - 32) > 8)
    y, x = np.unravel_index(np.argmax(aside), drawn.shape)
    assert (int(y), abs(int(x) - 32) * step) == (32, 2 / A)
    recording = Recording(beams, Raster(0.5, (100, 80)), Mtf(), dose_e_per_angstrom2=30.0)
    counted = recording.pattern(0, pixels=64, half_width=0.8, sigma=0.01)
    electrons = 30.0 * 100 * 80 * 0.25
    assert counted.sum() == pytest.approx(electrons, abs=5 * np.sqrt(electrons))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"frequency_per_pixel": (0.0, 0.4), "value": (1.0, 0.5)}, "must reach"),
        ({"frequency_per_pixel": (0.0, 0.5), "value": (1.0,)}, "one value for each"),
        ({"frequency_per_pixel": (0.0, 0.5), "value": (100.0, 30.0)}, "about 1"),
        ({"frequency_per_pixel": (0.5, 0.0), "value": (1.0, 0.5)}, "increase"),
        ({"lorentzians": (0.7, 0.3)}, "a, b, c, alpha and beta"),
        ({"lorentzians": (1.0,) * 5, "square_pixel": True}, "more than one way"),
    ],
)
def test_a_wrong_transfer_is_refused(given: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says) as caught:
        Mtf(**given)  # type: ignore[arg-type]
    assert caught.value.field == "mtf"
