"""Exit waves of crystals with planted truth, and the orderings to choose from.

Shares no code with the services: see `planted_micrographs.py`, which makes images of these waves.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import abtem
import numpy as np
from abtem.core.energy import energy2sigma
from abtem.parametrizations import LobatoParametrization
from ase import Atoms
from numpy.typing import NDArray
from scipy import fft

Site = tuple[float, float, float]

A_ANGSTROM = 4.70
ENERGY_EV = 300e3
WAVELENGTH_ANGSTROM = 0.0196875
BAND_LIMIT_PER_ANGSTROM = 1.0
MAX_LAYERS = 56
DISORDERED_CELLS = 128
# Coarse, like the grid of the ordered waves, and with every site on a point.
DISORDERED_GRID = 1792
# The 12 Na sites of the 2 x 2 x 1 supercell in units of the parent's axes, beam along c.
NA_SITES: tuple[Site, ...] = tuple(
    (i + x, j + y, z)
    for x, y, z in ((0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5))
    for i in range(2)
    for j in range(2)
)


def ordering_classes() -> list[list[tuple[int, ...]]]:
    """Sort the 495 ways to remove 4 of the 12 Na sites into classes, by brute force.

    The group is p4m (the parent seen along c) times the translations of the 2 x 2 supercell; the
    mirror through the layer maps every site onto itself.
    """
    index = {site: i for i, site in enumerate(NA_SITES)}
    maps = set()
    for m in ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0)):
        for mirror in (1, -1):
            for tx in range(2):
                for ty in range(2):
                    maps.add(
                        tuple(
                            index[
                                (
                                    (mirror * (m[0] * x + m[1] * y) + tx) % 2,
                                    (m[2] * x + m[3] * y + ty) % 2,
                                    z,
                                )
                            ]
                            for x, y, z in NA_SITES
                        )
                    )
    classes: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for subset in combinations(range(12), 4):
        images = [tuple(sorted(p[i] for i in subset)) for p in maps]
        classes.setdefault(min(images), []).append(subset)
    return [classes[key] for key in sorted(classes)]


def _random_rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    q = rng.normal(size=4)
    w, x, y, z = q / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _cluster_hydrogens() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Hydrogens of NH2 (N-H 1.03 A, 104 deg) and BH4 (tetrahedron, B-H 1.22 A)."""
    half = np.radians(104.0) / 2
    nh2 = 1.03 * np.array([[np.sin(half), 0, np.cos(half)], [-np.sin(half), 0, np.cos(half)]])
    bh4 = 1.22 / np.sqrt(3) * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], float)
    return nh2, bh4


def _draw_column(vacant: tuple[Site, ...], layers: int, rng: np.random.Generator) -> Any:
    nh2, bh4 = _cluster_hydrogens()
    numbers: list[int] = []
    positions: list[NDArray[np.float64]] = []
    empty = {(round(x % 2, 3), round(y % 2, 3), round(z % 1, 3)) for x, y, z in vacant}
    if len(empty & set(NA_SITES)) != len(vacant):
        raise ValueError(f"vacant sites {vacant} are not distinct Na sites of the 2 x 2 x 1 cell")
    for layer in range(layers):
        base = np.array([0, 0, layer * A_ANGSTROM])
        for site in NA_SITES:
            if site not in empty:
                numbers.append(11)
                positions.append(base + A_ANGSTROM * np.array(site))
        for i in range(2):
            for j in range(2):
                boron = base + A_ANGSTROM * np.array([i, j, 0.0])
                nitrogen = base + A_ANGSTROM * np.array([i + 0.5, j + 0.5, 0.5])
                for z, centre, arms in ((5, boron, bh4), (7, nitrogen, nh2)):
                    numbers += [z] + [1] * len(arms)
                    positions.append(centre)
                    positions += list(centre + arms @ _random_rotation(rng).T)
    atoms = Atoms(
        numbers, np.array(positions), cell=[2 * A_ANGSTROM, 2 * A_ANGSTROM, layers * A_ANGSTROM]
    )
    atoms.pbc = True
    atoms.positions[:, 2] += 1.5 * 1.175  # heavy atoms to mid-slice
    atoms.positions %= atoms.cell.lengths()
    return atoms


def ordered_beams(
    vacant: tuple[Site, ...], draws: int, n: int, cache_dir: Path | None
) -> tuple[NDArray[np.int64], NDArray[np.complex64]]:
    """Beams (nb, 2) of orders h, k and mean wave (MAX_LAYERS, nb) after each 4.7 A layer."""
    key = hashlib.sha256(repr((sorted(vacant), draws, n, MAX_LAYERS)).encode()).hexdigest()[:16]
    path = None if cache_dir is None else cache_dir / f"beams-{key}.npz"
    if path is not None and path.exists():
        with np.load(path) as stored:
            return stored["hk"], stored["psi"]
    abtem.config.set({"fftw.planning_effort": "FFTW_ESTIMATE", "diagnostics.progress_bar": False})
    orders = np.rint(np.fft.fftfreq(n) * n).astype(int)
    h, k = np.meshgrid(orders, orders, indexing="ij")
    inside = h**2 + k**2 <= (BAND_LIMIT_PER_ANGSTROM * 2 * A_ANGSTROM) ** 2
    planes = tuple(range(3, 4 * MAX_LAYERS, 4))
    # Each column's orientations come from its own seed, so that the wave is the same in every run.
    total = np.zeros((MAX_LAYERS, int(inside.sum())), np.complex128)
    rng = np.random.default_rng(int(key, 16))
    for _ in range(draws):
        potential = abtem.Potential(
            _draw_column(vacant, MAX_LAYERS, rng),
            gpts=n,
            slice_thickness=1.175,
            parametrization="lobato",
            exit_planes=planes,
        )
        wanted = A_ANGSTROM * np.arange(1, MAX_LAYERS + 1)
        if not np.allclose(np.asarray(potential.exit_thicknesses), wanted):
            raise RuntimeError("exit planes are not where they were asked for")
        waves: Any = abtem.PlaneWave(energy=ENERGY_EV).multislice(potential, lazy=False)
        total += (np.fft.fft2(np.asarray(waves.array)) / n**2)[:, inside]
    hk = np.stack([h[inside], k[inside]], axis=1)
    psi = (total / draws).astype(np.complex64)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(f".{os.getpid()}.npz")
        np.savez(scratch, hk=hk, psi=psi)
        scratch.replace(path)
    return hk, psi


@cache
def _disordered_planes(n: int) -> tuple[NDArray[np.float32], ...]:
    """Projected-potential transforms (V A^3) of one Na and of the mean BH4 and NH2 on the field."""
    k = np.fft.fftfreq(n, DISORDERED_CELLS * A_ANGSTROM / n)
    q = np.hypot(k[:, None], k[None, : n // 2 + 1])
    lobato: Any = LobatoParametrization()

    def projected(symbol: str) -> NDArray[np.float64]:
        f = lobato.projected_scattering_factor(symbol)(np.asarray(q.ravel() ** 2))
        return np.asarray(f, float).reshape(q.shape)

    hydrogen = projected("H")
    bh4 = projected("B") + 4 * hydrogen * np.sinc(2 * q * 1.22)
    nh2 = projected("N") + 2 * hydrogen * np.sinc(2 * q * 1.03)
    return tuple(v.astype(np.float32) for v in (projected("Na"), bh4, nh2))


def disordered_wave(layers: int, rng: np.random.Generator) -> NDArray[np.complex64]:
    """Exit wave (x, y) of a field that never repeats, on DISORDERED_GRID pixels."""
    n, size = DISORDERED_GRID, DISORDERED_CELLS * A_ANGSTROM
    step = n // DISORDERED_CELLS
    half = step // 2  # every site lies on a grid point
    na, bh4, nh2 = _disordered_planes(n)
    sigma = energy2sigma(ENERGY_EV)
    k = np.fft.fftfreq(n, size / n).astype(np.float32)
    k2 = k[:, None] ** 2 + k[None, :] ** 2
    cut = (2 / 3 * 0.5 * n / size) ** 2
    propagator = np.exp(-1j * np.pi * WAVELENGTH_ANGSTROM * 2.35 * k2).astype(np.complex64)
    propagator[k2 > cut] = 0
    wave_k = np.zeros((n, n), np.complex64)
    wave_k[0, 0] = n * n
    shape = (DISORDERED_CELLS, DISORDERED_CELLS)
    for _ in range(layers):
        # z = 0: B at the corner, Na at the centre; z = 1/2: N at the centre, Na on the edges.
        for cluster, at, sodium in (
            (bh4, (0, 0), ((half, half),)),
            (nh2, (half, half), ((half, 0), (0, half))),
        ):
            clusters = np.zeros((n, n), np.float32)
            clusters[at[0] :: step, at[1] :: step] = 1
            atoms = np.zeros((n, n), np.float32)
            for x, y in sodium:
                atoms[x::step, y::step] = rng.random(shape) < 2 / 3
            v_k = fft.rfft2(clusters) * cluster + fft.rfft2(atoms) * na
            v = fft.irfft2(v_k, s=(n, n)) * (n / size) ** 2
            wave = fft.ifft2(wave_k) * np.exp(1j * np.float32(sigma) * v)
            wave_k = fft.fft2(wave, overwrite_x=True) * propagator
    wave_k[k2 > BAND_LIMIT_PER_ANGSTROM**2] = 0
    return wave_k
