from __future__ import annotations

import abtem
import numpy as np
import pytest

from cryolattice.errors import InvalidInputError
from cryolattice_simulator.beams import ExitBeams, Structure, wavelength_angstrom
from cryolattice_simulator.imaging import (
    Lens,
    aberration_phase,
    alias_free_shape,
    image,
)
from tests.simulator.waves import exit_beams

LENS = Lens(2580.0, 2420.0, angle_deg=23.0, cs_mm=2.7)


@pytest.fixture(scope="module")
def beams(crystal: Structure) -> ExitBeams:
    return exit_beams(crystal, energy_kev=300, thicknesses_angstrom=[18.8, 169.2], gpts=(64, 64))


def test_wavelengths() -> None:
    for energy, wanted in ((100, 0.0370144), (200, 0.0250793), (300, 0.0196875)):
        assert wavelength_angstrom(energy) == pytest.approx(wanted, abs=1e-7)


def test_agrees_with_abtem_on_lens_and_image(beams: ExitBeams) -> None:
    n = 64
    spectrum = np.zeros((n, n), np.complex64)
    spectrum[beams.h, beams.k] = beams.psi[1]
    wave = abtem.Waves(np.fft.ifft2(spectrum) * n**2, energy=300e3, extent=9.4)
    # abTEM: chi = pi lambda g^2 (C10 + C12 cos 2(phi - phi12)) + ..., under focus is C10 < 0.
    ctf = abtem.CTF(
        energy=300e3,
        aberration_coefficients={
            "C10": -2500.0,
            "C12": -80.0,
            "phi12": np.radians(23.0),
            "C30": 2.7e7,
        },
    )
    wanted = np.asarray(wave.apply_ctf(ctf).intensity().array)
    found = image(beams, 1, LENS, shape=(n, n))
    assert np.abs(found - wanted.T).max() < 2e-4 * wanted.max()
    assert np.abs(found - wanted).max() > 0.01


def test_defocus_above_zero_is_under_focus() -> None:
    # Scherzer's defocus, sqrt(1.5 Cs lambda), balances Cs: chi < 0 up to 6^1/4 Cs^-1/4 lambda^-3/4.
    wavelength, cs = wavelength_angstrom(300), 2.7e7
    scherzer = np.sqrt(1.5 * cs * wavelength)
    g = np.linspace(0.01, 1, 4000)
    chi = aberration_phase(np.stack([g, 0 * g], axis=1), Lens(scherzer, scherzer, cs_mm=2.7), 300)
    crossing = g[np.flatnonzero(np.diff(np.sign(np.sin(chi))))[0]]
    assert crossing == pytest.approx(6**0.25 * cs**-0.25 * wavelength**-0.75, rel=2e-3)
    assert np.all(chi[g < crossing] < 0)


def test_u_lies_along_its_azimuth() -> None:
    lens = Lens(3000.0, 2000.0, angle_deg=30.0, cs_mm=0.0)
    along = np.array([[np.cos(np.pi / 6), np.sin(np.pi / 6)]]) * 0.3
    across = np.array([[-np.sin(np.pi / 6), np.cos(np.pi / 6)]]) * 0.3
    scale = -np.pi * wavelength_angstrom(300) * 0.09
    assert aberration_phase(along, lens, 300)[0] == pytest.approx(scale * 3000)
    assert aberration_phase(across, lens, 300)[0] == pytest.approx(scale * 2000)


def test_focal_spread_is_the_exact_partial_coherence(beams: ExitBeams) -> None:
    # Every pair of beams beats with exp(-(pi lambda D (g1^2 - g2^2))^2 / 2).
    spread = 45.0
    lens = Lens(2580.0, 2420.0, 23.0, 2.7, focal_spread_angstrom=spread, b_factor_angstrom2=4.0)
    g2 = (beams.g_per_angstrom**2).sum(axis=1)
    psi = beams.psi[1] * np.exp(
        -1j * aberration_phase(beams.g_per_angstrom, lens, 300) - 4.0 * g2 / 4
    )
    ny, nx = alias_free_shape(beams)
    damping = np.exp(-((np.pi * wavelength_angstrom(300) * spread * (g2[:, None] - g2)) ** 2) / 2)
    pairs = psi[:, None] * psi.conj() * damping
    spectrum = np.zeros((ny, nx), np.complex128)
    np.add.at(
        spectrum,
        ((beams.k[:, None] - beams.k) % ny, (beams.h[:, None] - beams.h) % nx),
        pairs,
    )
    wanted = np.fft.ifft2(spectrum).real * nx * ny
    np.testing.assert_allclose(image(beams, 1, lens), wanted, atol=1e-6 * wanted.max())


def test_focal_spread_is_a_standard_deviation_as_abtem_is_not() -> None:
    # A weak beam: only the beat with the direct beam counts, where abTEM's envelope is exact.
    h = np.array([0, 5])
    beams = ExitBeams(
        h=h,
        k=np.array([0, 0]),
        psi=np.array([[1.0, 1e-4j]]),
        thicknesses_angstrom=np.array([4.7]),
        cell_angstrom=np.diag([9.4, 9.4, 4.7]),
        energy_kev=300.0,
        gpts=(64, 64),
        slices_per_period=4,
    )

    def beat(spread: float) -> float:
        picture = image(beams, 0, Lens(0.0, 0.0, cs_mm=0.0, focal_spread_angstrom=spread))
        return float(np.abs(np.fft.fft2(picture)[0, 5]))

    ctf = abtem.CTF(energy=300e3, focal_spread=np.sqrt(2) * 60.0, extent=9.4, gpts=64)
    envelope = float(np.abs(np.asarray(ctf._evaluate_kernel())[5, 0]))
    assert envelope < 0.9
    assert beat(60.0) / beat(0.0) == pytest.approx(envelope, rel=1e-4)


def test_image_of_the_whole_intensity(beams: ExitBeams) -> None:
    picture = image(beams, 1, LENS)
    assert picture.shape == alias_free_shape(beams)
    assert picture.mean() == pytest.approx(beams.intensities[1].sum(), rel=1e-6)
    coarse = image(beams, 1, LENS, shape=(20, 24))
    assert coarse.shape == (20, 24)
    full, kept = np.fft.fft2(picture) / picture.size, np.fft.fft2(coarse) / coarse.size
    np.testing.assert_allclose(kept[:9, :11], full[:9, :11], atol=1e-9)


def test_rows_are_y() -> None:
    beams = ExitBeams(
        h=np.array([0, 2]),
        k=np.array([0, 0]),
        psi=np.array([[1.0, 0.5]]),
        thicknesses_angstrom=np.array([4.7]),
        cell_angstrom=np.diag([9.4, 4.7, 4.7]),
        energy_kev=300.0,
        gpts=(64, 64),
        slices_per_period=4,
    )
    picture = image(beams, 0, Lens(0, 0), shape=(6, 12))
    assert np.ptp(picture, axis=0).max() < 1e-9
    assert np.ptp(picture, axis=1).min() > 1.0


def test_the_superlattice_is_there_and_as_square_as_its_vacancies(beams: ExitBeams) -> None:
    orders = zip(beams.h.tolist(), beams.k.tolist(), strict=True)
    strength = dict(zip(orders, beams.intensities[1], strict=True))
    assert strength[1, 0] == pytest.approx(strength[0, 1], rel=1e-3)
    assert strength[1, 0] > 1e-3


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"focal_spread_angstrom": -1.0}, "focal_spread_angstrom"),
        ({"b_factor_angstrom2": -0.1}, "b_factor_angstrom2"),
        ({"defocus_u_angstrom": float("nan")}, "defocus_u_angstrom"),
    ],
)
def test_a_lens_that_cannot_be(change: dict[str, float], field: str) -> None:
    settings = {"defocus_u_angstrom": 1.0, "defocus_v_angstrom": 1.0} | change
    with pytest.raises(InvalidInputError) as caught:
        Lens(**settings)
    assert caught.value.field == field


def test_thickness_index_out_of_range(beams: ExitBeams) -> None:
    with pytest.raises(InvalidInputError, match="give 0 to 1") as caught:
        image(beams, 2, LENS)
    assert caught.value.field == "thickness_index"
