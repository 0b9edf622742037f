from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_analyzer.imaging.micrograph import read_micrograph
from cryolattice_analyzer.lens.ctf import CtfFit, fit_ctf, fit_ctf_spectrum
from tests.analyzer.planted_spectra import PIXEL_ANGSTROM, planted_spectrum

REAL = Path(__file__).resolve().parents[3] / "shared/data/real"
WAVELENGTH = 0.0196875


def film_image(
    u: float,
    v: float,
    angle_deg: float,
    *,
    signal: float = 0.12,
    counts: float = 5.5,
    size: int = 768,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Counts of a weak-phase film, 0.5 A/px, 300 kV, Cs 2.7 mm."""
    rng = np.random.default_rng(seed)
    k = np.fft.fftfreq(size, 0.5)
    ky, kx = k[:, None], k[None, :]
    square = kx**2 + ky**2
    turn = 2 * (np.arctan2(ky, kx) - np.radians(angle_deg))
    defocus = (u + v) / 2 + (u - v) / 2 * np.cos(turn)
    chi = -np.pi * WAVELENGTH * square * defocus + np.pi / 2 * 2.7e7 * WAVELENGTH**3 * square**2
    envelope = np.exp(-3 * square) / (1 + square / 0.35**2)
    spectrum = np.fft.fft2(rng.normal(size=(size, size))) * np.sin(chi) * envelope
    contrast = np.fft.ifft2(spectrum).real
    contrast *= signal / contrast.std()
    return rng.poisson(np.maximum(counts * (1 + contrast), 0)).astype(float)


def fit(image: NDArray[np.float64], **options: object) -> CtfFit:
    return fit_ctf(image, 0.5, energy_kev=300, cs_mm=2.7, amplitude_contrast=0.0, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("u", "v", "angle"), [(2580, 2420, 23), (4300, 3900, -60), (1500, 1350, 80), (9000, 8800, 5)]
)
def test_planted_lens_is_found(u: float, v: float, angle: float) -> None:
    result = fit(film_image(u, v, angle))
    assert result.found
    assert (result.defocus_u_angstrom + result.defocus_v_angstrom) / 2 == pytest.approx(
        (u + v) / 2, rel=0.01, abs=15
    )
    assert result.defocus_u_angstrom - result.defocus_v_angstrom == pytest.approx(u - v, abs=50)
    assert abs((result.angle_deg - angle + 90) % 180 - 90) < 8
    low, high = result.ci95["defocus_u_angstrom"]
    assert low < result.defocus_u_angstrom < high
    assert result.fit_resolution_angstrom < 4
    scores = [option.score for option in result.alternatives]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("seed", range(3))
def test_noise_has_no_rings(seed: int) -> None:
    image = np.random.default_rng(seed).poisson(5.5, (512, 512)).astype(float)
    result = fit(image)
    assert not result.found
    assert np.isnan(result.defocus_u_angstrom)


def test_crystal_beside_the_film_is_left_out() -> None:
    image = film_image(3300, 3100, 40)
    yy, xx = np.mgrid[: image.shape[0], : image.shape[1]] * 0.5
    crystal = xx < 190
    spots = np.array([[0.21, 0.04], [-0.04, 0.21], [0.17, 0.25]])
    for gx, gy in spots:
        image += crystal * 4 * (1 + np.cos(2 * np.pi * (gx * xx + gy * yy)))
    result = fit(image, film=xx > 200, spots_per_angstrom=spots)
    assert result.found
    assert (result.defocus_u_angstrom + result.defocus_v_angstrom) / 2 == pytest.approx(
        3200, abs=40
    )


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"amplitude_contrast": 1.5}, "amplitude_contrast"),
        ({"defocus_range_angstrom": (900.0, 300.0)}, "defocus_range"),
        ({"energy_kev": -1.0}, "energy_kev"),
        ({"resolution_angstrom": (3.0, 30.0)}, "resolution"),
        ({"resolution_angstrom": (2.0, 1.0)}, "resolution"),
    ],
)
def test_impossible_values(options: dict[str, object], field: str) -> None:
    given = {"energy_kev": 300.0, "cs_mm": 2.7} | options
    with pytest.raises(InvalidInputError) as caught:
        fit_ctf_spectrum(np.ones((128, 128)), (0.01, 0.01), **given)  # type: ignore[arg-type]
    assert caught.value.field == field


@pytest.mark.real_data
@pytest.mark.skipif(not REAL.exists(), reason="third-party spectra are not here")
@pytest.mark.parametrize(
    ("number", "u", "v", "angle"),
    [
        (21, 10865.0, 10571.5, 79.1),
        (22, 9839.2, 9586.4, 70.6),
        (23, 10675.2, 10373.4, 71.8),
        (25, 10655.4, 10389.3, 74.7),
        (30, 9115.5, 8835.5, 76.6),
        (36, 10072.0, 9705.7, 73.3),
    ],
)
def test_published_values_of_real_spectra(number: int, u: float, v: float, angle: float) -> None:
    import mrcfile

    power = np.squeeze(mrcfile.read(REAL / f"ctf/20170629_000{number}_PS.mrc")).astype(float)
    step = 1 / (512 * 1.39955)
    result = fit_ctf_spectrum(
        power, (step, step), energy_kev=200, cs_mm=1.4, amplitude_contrast=0.10
    )
    assert result.found
    assert (result.defocus_u_angstrom + result.defocus_v_angstrom) / (u + v) == pytest.approx(
        1, abs=0.003
    )
    assert result.defocus_u_angstrom - result.defocus_v_angstrom == pytest.approx(u - v, abs=50)
    assert abs((result.angle_deg - angle + 90) % 180 - 90) < 3
    low, high = result.ci95["defocus_u_angstrom"]
    assert low < u < high


@pytest.mark.real_data
@pytest.mark.skipif(not REAL.exists(), reason="third-party images are not here")
def test_rings_of_a_carbon_film() -> None:
    path = REAL / "ctf/pyCTF_example_image.tif"
    image = read_micrograph(path.read_bytes(), path.name, pixel_size_angstrom=1.48)
    result = fit_ctf(image.counts, 1.48, energy_kev=200, cs_mm=1.3)
    assert result.found
    assert 4820 < result.lens.defocus_angstrom < 4840
    assert result.fit_resolution_angstrom < 3.3


@pytest.mark.real_data
@pytest.mark.skipif(not REAL.exists(), reason="third-party images are not here")
def test_fringes_of_a_hologram_are_no_rings() -> None:
    path = REAL / "lattice/holo_130V.hdf5"
    image = read_micrograph(path.read_bytes(), path.name)
    result = fit_ctf(image.counts, image.pixel_size_angstrom, energy_kev=300, cs_mm=2.7)
    assert not result.found


def test_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(5)
    held = []
    for seed in range(8):
        mean, half, angle = rng.uniform(7000, 15000), rng.uniform(60, 200), rng.uniform(-80, 80)
        power = planted_spectrum(mean + half, mean - half, angle, seed)
        step = 1 / (512 * PIXEL_ANGSTROM)
        result = fit_ctf_spectrum(
            power, (step, step), energy_kev=200, cs_mm=1.4, amplitude_contrast=0.1
        )
        assert result.lens.defocus_angstrom == pytest.approx(mean, rel=0.003)
        pair = (mean + half, mean - half)
        limits = [result.ci95[name] for name in ("defocus_u_angstrom", "defocus_v_angstrom")]
        held += [low < x < high for (low, high), x in zip(limits, pair, strict=True)]
        low, high = result.ci95["angle_deg"]
        nearest = result.angle_deg + (angle - result.angle_deg + 90) % 180 - 90
        held.append(low < nearest < high)
    # 23 of 24 are expected; fewer than 19 come once in 500 times if the intervals are right
    assert sum(held) >= 19


def test_wrong_spherical_aberration_shifts_the_outer_rings_alone() -> None:
    power = planted_spectrum(10200, 9900, 30, 3)
    step = 1 / (512 * PIXEL_ANGSTROM)
    given = {"energy_kev": 200, "cs_mm": 1.6, "amplitude_contrast": 0.1}
    usual = fit_ctf_spectrum(power, (step, step), **given)  # type: ignore[arg-type]
    outer = fit_ctf_spectrum(power, (step, step), resolution_angstrom=(30, 3), **given)  # type: ignore[arg-type]
    assert usual.lens.defocus_angstrom == pytest.approx(10050, rel=0.005)
    assert abs(outer.lens.defocus_angstrom - 10050) > abs(usual.lens.defocus_angstrom - 10050)
