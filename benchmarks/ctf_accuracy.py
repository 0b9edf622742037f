"""Errors and times of the lens fit on published spectra, and coverage of its intervals.

Usage: ``python benchmarks/ctf_accuracy.py [--spectra FOLDER] [--planted 100] [--seed 1]``.
FOLDER holds the power spectra of EMPIAR-10204 (``20170629_000NN_PS.mrc``), with which CTFFIND4's
values were published. Planted films are images of their own lens, contrast, dose and astigmatism.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import mrcfile
import numpy as np
from numpy.typing import NDArray

from cryolattice_analyzer.lens.ctf import CtfFit, fit_ctf, fit_ctf_spectrum
from cryolattice_analyzer.lens.transfer import electron_wavelength_angstrom

SPECTRA = Path(__file__).resolve().parents[2] / "shared/data/real/ctf"
PIXEL_ANGSTROM = 1.39955
PUBLISHED = {
    21: (10865.0, 10571.5, 79.1),
    22: (9839.2, 9586.4, 70.6),
    23: (10675.2, 10373.4, 71.8),
    25: (10655.4, 10389.3, 74.7),
    30: (9115.5, 8835.5, 76.6),
    36: (10072.0, 9705.7, 73.3),
}
NAMES = ("defocus_u_angstrom", "defocus_v_angstrom", "angle_deg")


def errors(fit: CtfFit, truth: tuple[float, float, float]) -> tuple[float, float, float]:
    """Mean defocus in percent, U - V in angstrom, angle in degrees."""
    u, v, angle = truth
    return (
        100 * ((fit.defocus_u_angstrom + fit.defocus_v_angstrom) / (u + v) - 1),
        fit.defocus_u_angstrom - fit.defocus_v_angstrom - (u - v),
        (fit.angle_deg - angle + 90) % 180 - 90,
    )


def holds(fit: CtfFit, truth: tuple[float, float, float]) -> list[bool]:
    """Whether each interval holds its value; angles are equal up to 180 degrees."""
    u, v, angle = truth
    nearest = fit.angle_deg + (angle - fit.angle_deg + 90) % 180 - 90
    limits = [fit.ci95[name] for name in NAMES]
    return [
        low <= value <= high for (low, high), value in zip(limits, (u, v, nearest), strict=True)
    ]


def planted_film(
    rng: np.random.Generator, size: int = 768, pixel_angstrom: float = 0.7
) -> tuple[NDArray[np.float64], float, float, tuple[float, float, float]]:
    """Return counts of a weak-phase film, energy, Cs, and U, V and angle."""
    energy, cs = float(rng.choice([120.0, 200.0, 300.0])), float(rng.choice([0.01, 1.2, 2.7]))
    mean, half = float(np.exp(rng.uniform(np.log(1500), np.log(14000)))), rng.uniform(30, 250)
    truth = (mean + half, mean - half, float(rng.uniform(-90, 90)))
    k = np.fft.fftfreq(size, pixel_angstrom)
    ky, kx = k[:, None], k[None, :]
    square, azimuth = kx**2 + ky**2, np.arctan2(ky, kx)
    defocus = mean + half * np.cos(2 * (azimuth - np.radians(truth[2])))
    wavelength = electron_wavelength_angstrom(energy)
    chi = np.pi * wavelength * square * (0.5 * cs * 1e7 * wavelength**2 * square - defocus)
    envelope = np.exp(-rng.uniform(2, 12) * square) / (1 + square / 0.3**2)
    transfer = np.sin(chi - np.arcsin(0.07)) * envelope
    contrast = np.fft.ifft2(np.fft.fft2(rng.normal(size=(size, size))) * transfer).real
    contrast *= rng.uniform(0.08, 0.2) / contrast.std()
    counts = float(np.exp(rng.uniform(np.log(4), np.log(60))))
    image = rng.poisson(np.maximum(counts * (1 + contrast), 0)).astype(np.float64)
    return image, energy, cs, truth


def published(folder: Path) -> None:
    print("spectrum   mean defocus    U - V     angle  seconds  intervals hold U, V, angle")
    for number, truth in PUBLISHED.items():
        power = np.squeeze(mrcfile.read(folder / f"20170629_000{number}_PS.mrc")).astype(float)
        step = 1 / (power.shape[0] * PIXEL_ANGSTROM)
        start = time.perf_counter()
        fit = fit_ctf_spectrum(
            power, (step, step), energy_kev=200, cs_mm=1.4, amplitude_contrast=0.10
        )
        seconds = time.perf_counter() - start
        mean, astigmatism, angle = errors(fit, truth)
        print(
            f"{number:8d}  {mean:+10.3f} %  {astigmatism:+6.1f} A  {angle:+6.2f} deg  "
            f"{seconds:7.2f}"
            f"  {', '.join('yes' if held else 'no' for held in holds(fit, truth))}"
        )


def planted(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    held, means, found, wrong = [], [], 0, 0
    start = time.perf_counter()
    for _ in range(count):
        image, energy, cs, truth = planted_film(rng)
        fit = fit_ctf(image, 0.7, energy_kev=energy, cs_mm=cs, amplitude_contrast=0.07)
        if not fit.found:
            continue
        found += 1
        mean, _, _ = errors(fit, truth)
        if abs(mean) > 3:
            wrong += 1
            continue
        means.append(mean)
        held.append(holds(fit, truth))
    seconds = (time.perf_counter() - start) / max(count, 1)
    print(
        f"planted films: {count}, {found} found, {wrong} of these on another ring, "
        f"{seconds:.2f} s each"
    )
    if held:
        u, v, angle = np.mean(held, axis=0)
        print(f"95 % intervals hold U {u:.1%}, V {v:.1%}, angle {angle:.1%} of the truths")
        print(f"mean defocus: bias {np.mean(means):+.3f} %, spread {np.std(means):.3f} %")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--spectra", type=Path, default=SPECTRA)
    parser.add_argument("--planted", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.spectra.is_dir():
        published(given.spectra)
    else:
        print(f"no spectra with published values in {given.spectra}: skipped")
    planted(given.planted, given.seed)


if __name__ == "__main__":
    main()
