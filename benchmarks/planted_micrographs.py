"""Micrographs with planted truth: simulated, with the answers in ``truth.json``.

Run ``python benchmarks/planted_micrographs.py OUT --count 12 --seed 1``. It shares no code with the
services, so that an error there cannot hide here. The chain, in order:

1. *Ordered*: abTEM exit wave (Lobato, 1.175 A slices, 300 kV) of the 9.4 x 9.4 A column, NH2 and
   BH4 turned at random in every layer, the wave averaged over draws, beams kept to 1 1/A.
   *Disordered*: a field of 128 x 128 cells that never repeats, a third of the Na missing at
   random, hydrogens in their orientational mean, 2.35 A slices.
2. Beams fade with dose: amplitude times the mean over the exposure of exp(-D / 2 Dc); what is
   lost vanishes. The direct beam does not fade.
3. The lattice is strained, rotated and shifted and ends at straight edges; beyond them is vacuum.
   An amorphous film of 0.05 rad lies over the whole field.
4. Lens: defocus > 0 under focus, U at ``angle_deg`` from +x towards +y (rows), Cs, focal spread as
   a standard deviation (images averaged over it), exp(-B k^2 / 4) on the wave.
5. Detector: exp(-0.6 px^2 k^2) on the expected counts, Poisson. ``dose`` is the mean count of the
   field per square angstrom.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import mrcfile
import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.interpolate import interp1d
from scipy.ndimage import map_coordinates

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.planted_waves import (
    A_ANGSTROM,
    BAND_LIMIT_PER_ANGSTROM,
    DISORDERED_CELLS,
    DISORDERED_GRID,
    ENERGY_EV,
    MAX_LAYERS,
    NA_SITES,
    WAVELENGTH_ANGSTROM,
    Site,
    disordered_wave,
    ordered_beams,
    ordering_classes,
)

# Critical doses at 98 K (e/A^2) over spacing (A): linear in 1/d between and beyond, at least 1.
CRITICAL_DOSES = ((4.7, 29.0), (3.323, 24.61), (2.35, 19.55), (2.102, 17.02))
OVERSAMPLING = 2


@dataclass(frozen=True)
class PlantedSpec:
    """What is planted in one micrograph; lengths in angstrom, angles in degrees."""

    kind: Literal["ordered", "disordered"] = "ordered"
    vacant_sites: tuple[Site, ...] = ()
    thickness_angstrom: float = 169.2
    defocus_u_angstrom: float = 2580.0
    defocus_v_angstrom: float = 2420.0
    angle_deg: float = 20.0
    rotation_deg: float = 12.0
    strain_a: float = 0.0
    strain_b: float = 0.0
    gamma_deg: float = 90.0
    dose_e_per_angstrom2: float = 22.0
    cs_mm: float = 2.7
    focal_spread_angstrom: float = 30.0
    b_factor_angstrom2: float = 8.0
    film_phase_rms: float = 0.05
    pixel_size_angstrom: float = 0.5
    pixels: int = 1024
    draws: int = 8
    # Points of abTEM's grid over 9.4 A. At 56 the wave is some 4 % from the converged one (128), as
    # if the atoms had a Debye-Waller factor of 0.2 A^2; examples/na2nh2bh4 was made so.
    grid: int = 56


def fade(k_per_angstrom: NDArray[np.float64], dose_e_per_angstrom2: float) -> NDArray[np.float64]:
    """Mean over the exposure of exp(-D / 2 Dc(k)); 1 for the direct beam."""
    spacing, doses = np.array(CRITICAL_DOSES).T
    line = interp1d(1 / spacing, doses, fill_value="extrapolate")
    critical = np.maximum(line(k_per_angstrom), 1.0)
    x = dose_e_per_angstrom2 / (2 * critical)
    return np.where(k_per_angstrom < 1e-9, 1.0, -np.expm1(-x) / x)


def _lattice_vectors(spec: PlantedSpec, a0: float) -> NDArray[np.float64]:
    """Columns are the field's a and b vectors in (x, y)."""
    angles = np.radians([spec.rotation_deg, spec.rotation_deg + spec.gamma_deg])
    lengths = a0 * np.array([1 + spec.strain_a, 1 + spec.strain_b])
    return np.array([lengths * np.cos(angles), lengths * np.sin(angles)])


def _edges(
    x: NDArray[np.float64], size: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], list[dict[str, float]]]:
    """Crystal mask (y, x) with two or three straight edges, 1.5 A soft; covers 45 to 80 %."""
    for _ in range(1000):
        mask = np.ones((x.size, x.size))
        edges = []
        start = rng.uniform(0, 2 * np.pi)
        for i in range(int(rng.integers(2, 4))):
            azimuth = start + i * rng.uniform(1.4, 2.2)
            distance = rng.uniform(0.15, 0.5) * size
            d = (
                distance
                - (x[None, :] - size / 2) * np.cos(azimuth)
                - (x[:, None] - size / 2) * np.sin(azimuth)
            )
            mask *= 1 / (1 + np.exp(-np.clip(d / 1.5, -50, 50)))
            edges.append(
                {"azimuth_deg": float(np.degrees(azimuth)), "distance_angstrom": float(distance)}
            )
        if 0.45 < mask.mean() < 0.8:
            return mask, edges
    raise RuntimeError("no placement of the edges covers the wanted part of the field")


def _film_phase(n: int, px: float, rms: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Phase of an amorphous carbon-like film: white noise times a Lorentzian form factor."""
    k = np.fft.fftfreq(n, px)
    k2 = k[:, None] ** 2 + k[None, :] ** 2
    noise = fft.fft2(rng.normal(size=(n, n)))
    noise *= np.where(k2 <= BAND_LIMIT_PER_ANGSTROM**2, 1 / (1 + k2 / 0.35**2), 0)
    noise[0, 0] = 0
    phase = fft.ifft2(noise).real
    return np.asarray(phase * rms / phase.std())


def _expected_image(wave: NDArray[np.complex64], spec: PlantedSpec) -> NDArray[np.float64]:
    """Image (pixels, pixels) of the oversampled wave after lens and detector."""
    n, px = wave.shape[0], spec.pixel_size_angstrom / OVERSAMPLING
    k = np.fft.fftfreq(n, px)
    ky, kx = k[:, None], k[None, :]
    k2 = ky**2 + kx**2
    mean = (spec.defocus_u_angstrom + spec.defocus_v_angstrom) / 2
    half_difference = (spec.defocus_u_angstrom - spec.defocus_v_angstrom) / 2
    azimuth = np.arctan2(ky, kx) - np.radians(spec.angle_deg)
    defocus = mean + half_difference * np.cos(2 * azimuth)
    chi = -np.pi * WAVELENGTH_ANGSTROM * k2 * defocus
    chi += np.pi / 2 * spec.cs_mm * 1e7 * WAVELENGTH_ANGSTROM**3 * k2**2
    transfer = np.exp(-1j * chi - spec.b_factor_angstrom2 * k2 / 4).astype(np.complex64)
    transfer[k2 > BAND_LIMIT_PER_ANGSTROM**2] = 0
    spectrum = fft.fft2(wave) * transfer
    image = np.zeros((n, n))
    nodes, weights = np.polynomial.hermite_e.hermegauss(7)
    for node, weight in zip(nodes, weights / weights.sum(), strict=True):
        shift = np.pi * WAVELENGTH_ANGSTROM * spec.focal_spread_angstrom * node
        image += weight * np.abs(fft.ifft2(spectrum * np.exp(1j * np.float32(shift) * k2))) ** 2
    blurred = fft.ifft2(fft.fft2(image) * np.exp(-0.6 * spec.pixel_size_angstrom**2 * k2)).real
    return np.asarray(blurred[::OVERSAMPLING, ::OVERSAMPLING])


def plant(
    spec: PlantedSpec, seed: int, cache_dir: Path | None = None
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Make one micrograph.

    Parameters
    ----------
    spec : PlantedSpec
        What to plant.
    seed : int
        Of shift, edges, film, disorder and shot noise.
    cache_dir : Path, optional
        Where exit waves of orderings are kept between runs.

    Returns
    -------
    counts : ndarray of float32, shape (pixels, pixels)
        Electrons per pixel, (y, x).
    truth : dict
        The specification and what was drawn from the seed.
    """
    rng = np.random.default_rng(seed)
    n = spec.pixels * OVERSAMPLING
    x = np.arange(n) * spec.pixel_size_angstrom / OVERSAMPLING
    size = spec.pixels * spec.pixel_size_angstrom
    layers = round(spec.thickness_angstrom / A_ANGSTROM)
    if abs(layers * A_ANGSTROM - spec.thickness_angstrom) > 1e-6 or not 1 <= layers <= MAX_LAYERS:
        raise ValueError(f"thickness {spec.thickness_angstrom} A is not 1 to {MAX_LAYERS} layers")
    if spec.kind == "ordered":
        hk, psi = ordered_beams(spec.vacant_sites, spec.draws, spec.grid, cache_dir)
        cell = _lattice_vectors(spec, 2 * A_ANGSTROM)
        g = hk @ np.linalg.inv(cell)  # (nb, 2) in (x, y)
        amplitude = psi[layers - 1] * fade(
            np.hypot(*hk.T) / (2 * A_ANGSTROM), spec.dose_e_per_angstrom2
        )
        shift = cell @ rng.random(2)
        amplitude = amplitude * np.exp(-2j * np.pi * (g @ shift))
        rows = np.exp(2j * np.pi * x[:, None] * g[None, :, 1]) * amplitude
        columns = np.exp(2j * np.pi * x[:, None] * g[None, :, 0])
        crystal = (rows.astype(np.complex64)) @ columns.astype(np.complex64).T
        mask, edges = _edges(x, size, rng)
    else:
        wave_k = disordered_wave(layers, rng)
        k = np.fft.fftfreq(DISORDERED_GRID, DISORDERED_CELLS * A_ANGSTROM / DISORDERED_GRID)
        wave_k *= fade(np.hypot(k[:, None], k[None, :]), spec.dose_e_per_angstrom2)
        box = fft.ifft2(wave_k)
        cell = _lattice_vectors(spec, A_ANGSTROM)
        # The box lies around the centre of the field; the crystal ends where the box ends.
        shift = np.full(2, size / 2) + rng.uniform(-2.0, 2.0, 2) * A_ANGSTROM
        inverse = np.linalg.inv(cell)
        dx, dy = x[None, :] - shift[0], x[:, None] - shift[1]
        u = inverse[0, 0] * dx + inverse[0, 1] * dy + DISORDERED_CELLS / 2
        v = inverse[1, 0] * dx + inverse[1, 1] * dy + DISORDERED_CELLS / 2
        at = np.stack([u, v]) * (DISORDERED_GRID / DISORDERED_CELLS)
        crystal = np.empty((n, n), np.complex64)
        crystal.real = map_coordinates(box.real, at, order=3, mode="grid-wrap")
        crystal.imag = map_coordinates(box.imag, at, order=3, mode="grid-wrap")
        mask, edges = _edges(x, size, rng)
        for w in (u, v):
            inside = np.minimum(w, DISORDERED_CELLS - w) * A_ANGSTROM - 4.0
            mask *= 1 / (1 + np.exp(-np.clip(inside / 1.5, -50, 50)))
    film = _film_phase(n, spec.pixel_size_angstrom / OVERSAMPLING, spec.film_phase_rms, rng)
    wave = ((1 + mask * (crystal - 1)) * np.exp(1j * film)).astype(np.complex64)
    image = np.maximum(_expected_image(wave, spec), 0)
    expected = image * (spec.dose_e_per_angstrom2 * spec.pixel_size_angstrom**2 / image.mean())
    counts = rng.poisson(expected).astype(np.float32)
    lengths = np.hypot(*cell)
    truth = asdict(spec) | {
        "seed": seed,
        "energy_kev": ENERGY_EV / 1e3,
        "defocus_angstrom": (spec.defocus_u_angstrom + spec.defocus_v_angstrom) / 2,
        "astigmatism_angstrom": spec.defocus_u_angstrom - spec.defocus_v_angstrom,
        "a_angstrom": float(lengths[0]),
        "b_angstrom": float(lengths[1]),
        "origin_xy_angstrom": [float(s) for s in shift],
        "crystal_fraction": float(mask.mean()),
        "edges": edges,
    }
    return counts, truth


def random_spec(index: int, rng: np.random.Generator) -> PlantedSpec:
    """Draw a specification: of every 6, one disordered, one at 5 and one at 1 to 2 e/A^2."""
    classes = ordering_classes()
    chosen = classes[int(rng.integers(len(classes)))]
    member = chosen[int(rng.integers(len(chosen)))]
    step = (4.7, 18.8)[int(rng.integers(2))]
    layers = int(rng.integers(int(np.ceil(37.6 / step - 1e-9)), int(260 / step + 1e-9) + 1))
    defocus, astigmatism = rng.uniform(1500, 6000), rng.uniform(0, 400)
    slot = index % 6
    dose = {2: 5.0, 5: float(round(rng.uniform(1, 2), 2))}.get(slot, 22.0)
    disordered = slot == 3
    return PlantedSpec(
        kind="disordered" if disordered else "ordered",
        vacant_sites=() if disordered else tuple(NA_SITES[i] for i in member),
        thickness_angstrom=round(layers * step, 3),
        defocus_u_angstrom=round(float(defocus + astigmatism / 2), 1),
        defocus_v_angstrom=round(float(defocus - astigmatism / 2), 1),
        angle_deg=round(float(rng.uniform(-90, 90)), 2),
        rotation_deg=round(float(rng.uniform(-45, 45)), 3),
        strain_a=round(float(rng.uniform(-0.015, 0.015)), 5),
        strain_b=round(float(rng.uniform(-0.015, 0.015)), 5),
        gamma_deg=round(float(rng.uniform(89.3, 90.7)), 3),
        dose_e_per_angstrom2=dose,
    )


def write(out: Path, name: str, counts: NDArray[np.float32], pixel_size_angstrom: float) -> None:
    with mrcfile.new(out / f"{name}.mrc", overwrite=True) as file:
        file.set_data(counts)
        file.voxel_size = pixel_size_angstrom


def main() -> None:
    parser = argparse.ArgumentParser(description="Write micrographs with planted truth.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cache", type=Path, help="exit waves; default OUT/cache")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    truths: dict[str, Any] = {}
    for index in range(arguments.count):
        start = time.perf_counter()
        rng = np.random.default_rng([arguments.seed, index])
        spec = random_spec(index, rng)
        counts, truth = plant(spec, int(rng.integers(2**31)), arguments.cache or out / "cache")
        name = f"planted_{arguments.seed:03d}_{index:03d}"
        write(out, name, counts, spec.pixel_size_angstrom)
        truths[name] = truth
        (out / "truth.json").write_text(json.dumps(truths, indent=1))
        print(
            f"{name}: {spec.kind}, {spec.thickness_angstrom} A thick, "
            f"{spec.dose_e_per_angstrom2} e/A^2, {time.perf_counter() - start:.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
