"""Time multislice engines side by side: abTEM at its best, the fast engine, and FFTW alone.

    OMP_NUM_THREADS=1 python benchmarks/multislice.py [--rounds 9] [--together 32] [--sizes 64 96]

A candidate is an ordering of the 9.4 angstrom cell drawn at random, with mean hydrogens, 64 periods
of two slices, 16 exit planes, each imaged at 8 defoci. All contenders run in turn in one process on
one core, so many candidates in a row, as in a tile, that caches are warm; printed are
medians of processor time of a candidate with quartiles, and the ratios within each round. What all
candidates share (the potential of boron, nitrogen, hydrogen) neither engine computes again.

- abtem: crystal potential, exit planes, CTF ensemble, not lazy; FFTW plans measured
- fast: the same grid, slices, planes and images
- floor: the FFTs of both, in place and planned with patience, and nothing else
- best floor: the same by the fastest of FFTW's plans, out of place and with gaps between rows too
- screen: fast on 64 x 64 points, images on the smallest grid that holds beams to 1 1/angstrom
"""

from __future__ import annotations

import argparse
import statistics
import time
import timeit
from collections.abc import Callable, Sequence
from typing import Any

import abtem
import numpy as np
import pyfftw
from ase import Atoms
from numpy.typing import NDArray

from cryolattice_simulator.beams import Structure
from cryolattice_simulator.engines import Multislice
from cryolattice_simulator.engines.fast import FastEngine
from cryolattice_simulator.engines.images import ImageStack
from cryolattice_simulator.imaging import Lens

A = 4.70
PERIODS, PLANES, SLICES = 64, 16, 2
DEFOCI_ANGSTROM = np.linspace(300.0, 2400.0, 8)
ENERGY_KEV = 300.0
CS_MM = 2.7
FAST = FastEngine()


def candidates(count: int) -> list[Structure]:
    """Return orderings with four of twelve sodium sites empty, hydrogens spread over spheres."""
    rng = np.random.default_rng(5)
    i = np.arange(24) + 0.5
    polar, azimuth = np.arccos(1 - 2 * i / 24), np.pi * (1 + 5**0.5) * i
    sphere = np.stack(
        [np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)], axis=1
    )
    corners = np.array([(m, n, 0.0) for m in range(2) for n in range(2)])
    faces = np.array([(0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5)])
    sodium = (corners[:, None] + faces).reshape(-1, 3)
    fixed: list[tuple[int, NDArray[Any], float]] = []
    for corner in corners:
        for number, at, radius, hydrogens in (
            (5, corner, 1.22, 4),
            (7, corner + 0.5, 1.03, 2),
        ):
            fixed.append((number, at, 1.0))
            fixed += [(1, at + radius / A * point, hydrogens / 24) for point in sphere]
    found = []
    for _ in range(count):
        drawn = [(11, sodium[i], 1.0) for i in np.sort(rng.permutation(12)[:8])]
        numbers, places, weights = zip(*drawn, *fixed, strict=True)
        found.append(
            Structure(
                np.diag([2 * A, 2 * A, A]),
                np.array(numbers),
                A * np.array(places),
                np.array(weights),
            )
        )
    return found


def abtem_potential(structure: Structure, chosen: NDArray[np.bool_], n: int) -> NDArray[Any]:
    """Return the potential of the chosen atoms, shape (slices, n, n)."""
    total = np.zeros((SLICES, n, n), np.float32)
    for weight in np.unique(structure.occupancies[chosen]):
        mine = chosen & (structure.occupancies == weight)
        positions = structure.positions_angstrom[mine] + np.array([0, 0, A / 4])
        atoms = Atoms(structure.numbers[mine], positions, cell=structure.cell_angstrom, pbc=True)
        atoms.wrap()
        potential = abtem.Potential(
            atoms, gpts=n, slice_thickness=A / SLICES, projection="infinite"
        )
        total += np.float32(weight) * np.asarray(potential.build(lazy=False).array)
    return total


def abtem_run(structures: Sequence[Structure], n: int) -> Callable[[int], Any]:
    """Return abTEM's run of a candidate, images included."""
    each = PERIODS // PLANES * SLICES
    ctf = abtem.CTF(
        energy=ENERGY_KEV * 1e3,
        aberration_coefficients={
            "C30": CS_MM * 1e7,
            "C10": abtem.distributions.from_values(-DEFOCI_ANGSTROM),
        },
    )
    shared = abtem_potential(structures[0], structures[0].numbers != 11, n)

    def run(index: int) -> Any:
        structure = structures[index]
        unit = abtem.PotentialArray(
            shared + abtem_potential(structure, structure.numbers == 11, n),
            slice_thickness=(A / SLICES,) * SLICES,
            extent=(2 * A, 2 * A),
        )
        crystal = abtem.CrystalPotential(
            unit,
            repetitions=(1, 1, PERIODS),
            exit_planes=tuple(range(each - 1, PERIODS * SLICES, each)),  # type: ignore[arg-type]
        )
        waves: Any = abtem.PlaneWave(energy=ENERGY_KEV * 1e3).multislice(crystal, lazy=False)
        return waves.apply_ctf(ctf).intensity()

    return run


def fast_run(structures: Sequence[Structure], n: int, *, whole_band: bool) -> Callable[[int], Any]:
    """Return the fast engine's run; on the wave's grid or, not `whole_band`, on the smallest."""
    settings = Multislice(
        energy_kev=ENERGY_KEV,
        thicknesses_angstrom=[A * PERIODS / PLANES * (i + 1) for i in range(PLANES)],
        gpts=(n, n),
        k_max_per_angstrom=(1 / 3 - 0.01) * n / (2 * A) if whole_band else 1.0,
        slice_thickness_angstrom=2.4,
        device="cpu",
    )
    lenses = [Lens(float(d), float(d), cs_mm=CS_MM) for d in DEFOCI_ANGSTROM]
    # the same for all candidates, as are the propagator and the scattering factors
    first = FAST.exit_beams(structures[0], settings)
    stack = ImageStack(first, lenses, (n, n) if whole_band else None)
    images = stack.images(first.psi)
    # candidates one after the other, as a tile of a sweep takes them
    waves = FAST.many_exit_beams(structures, settings)

    def run(_index: int) -> Any:
        return stack.images(next(waves).psi, images)

    return run


def transform(points: int, direction: str, *, fastest: bool) -> Callable[[], Any]:
    """Return FFTW's transform: in place, or the fastest, out of place and with gaps too."""
    found: list[tuple[float, Callable[[], Any]]] = []
    # with 8 columns more, rows of 128 points do not share a few lines of the cache
    for columns in (points, points + 8) if fastest else (points,):
        here, there = (
            pyfftw.zeros_aligned((points, columns), "complex64")[:, :points] for _ in range(2)
        )
        for target in (here, there) if fastest else (here,):
            plan = pyfftw.FFTW(here, target, (0, 1), direction, ("FFTW_PATIENT",), threads=1)
            seconds = min(timeit.repeat(plan.execute, number=100, repeat=50))
            found.append((seconds, plan.execute))
    return min(found, key=lambda each: each[0])[1]


def floor(n: int, image_points: int, *, fastest: bool = False) -> Callable[[int], Any]:
    """Return the FFTs of one candidate and nothing else."""
    transforms = [
        (transform(points, f"FFTW_{direction}", fastest=fastest), count)
        for points, direction, count in (
            (n, "FORWARD", PERIODS * SLICES),
            (n, "BACKWARD", PERIODS * SLICES - 1),
            (image_points, "BACKWARD", PLANES * len(DEFOCI_ANGSTROM)),
        )
    ]

    def run(_index: int) -> None:
        for execute, count in transforms:
            for _ in range(count):
                execute()

    return run


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all contenders in turn and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 96, 128])
    parser.add_argument("--together", type=int, default=32, help="candidates in a row")
    options = parser.parse_args(arguments)
    # two turns to warm up, before and beside the others
    structures = candidates((options.rounds + 2) * options.together)
    # before anything is planned with patience: what is learnt there would help estimated plans
    contenders: dict[str, Callable[[int], Any]] = {
        f"fast {n}": fast_run(structures, n, whole_band=True) for n in options.sizes
    }
    contenders["screen 64"] = fast_run(structures, 64, whole_band=False)
    for run in contenders.values():
        for index in range(options.together):
            run(index)
    with abtem.config.set(
        {
            "device": "cpu",
            "precision": "float32",
            "fft": "fftw",
            "fftw.threads": 1,
            "fftw.planning_effort": "FFTW_MEASURE",
            "diagnostics.progress_bar": False,
        }
    ):
        for n in options.sizes:
            contenders[f"abtem {n}"] = abtem_run(structures, n)
            contenders[f"floor {n}"] = floor(n, n)
            contenders[f"best floor {n}"] = floor(n, n, fastest=True)
        contenders["screen floor 64"] = floor(64, 40)
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        for turn in range(1, options.rounds + 2):
            for name, run in contenders.items():
                start = time.process_time()
                for index in range(options.together):
                    run(turn * options.together + index)
                spent = (time.process_time() - start) / options.together
                if turn > 1:
                    seconds[name].append(spent)

    for name, values in seconds.items():
        low, _, high = statistics.quantiles(values, n=4)
        print(
            f"{name:16s} {1e3 * statistics.median(values):8.2f} ms "
            f"({1e3 * low:.2f} to {1e3 * high:.2f})"
        )

    def ratio(over: str, under: str) -> str:
        ratios = [a / b for a, b in zip(seconds[over], seconds[under], strict=True)]
        low, _, high = statistics.quantiles(ratios, n=4)
        return f"{statistics.median(ratios):6.2f} ({low:.2f} to {high:.2f})"

    for n in options.sizes:
        print(f"{n} x {n}: abtem / fast {ratio(f'abtem {n}', f'fast {n}')}")
        print(f"{n} x {n}: fast / floor {ratio(f'fast {n}', f'floor {n}')}")
        print(f"{n} x {n}: fast / best floor {ratio(f'fast {n}', f'best floor {n}')}")
    if 128 in options.sizes:
        print(f"abtem 128 / screen 64 {ratio('abtem 128', 'screen 64')}")


if __name__ == "__main__":
    main()
