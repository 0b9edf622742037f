"""The fast engine against abTEM, against Bloch waves and against itself."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy import linalg

from cryolattice.errors import InvalidInputError
from cryolattice_simulator.beams import (
    Structure,
    interaction_per_volt_angstrom,
    wavelength_angstrom,
)
from cryolattice_simulator.engines import Multislice, choose_engine, engine_named
from cryolattice_simulator.engines.fast import FastEngine, beams_of_batch
from cryolattice_simulator.engines.grids import Grid, aperture, frequencies
from cryolattice_simulator.engines.images import ImageStack
from cryolattice_simulator.engines.slices import potential_slices
from cryolattice_simulator.engines.workspaces import (
    BatchWorkspace,
    FftwWorkspace,
    gpu,
    waves_together,
)
from cryolattice_simulator.imaging import Lens, image

FAST = FastEngine()


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def real_space(spectrum: np.ndarray) -> np.ndarray:
    return np.fft.ifft2(spectrum, norm="forward")


def random_case(seed: int) -> tuple[Structure, Multislice]:
    """A crystal of three to nine atoms anywhere in an orthogonal cell, some of them at random."""
    rng = np.random.default_rng(seed)
    cell = np.diag(rng.uniform([3.0, 3.0, 2.0], [9.0, 9.0, 6.0]))
    count = int(rng.integers(3, 10))
    structure = Structure(
        cell,
        rng.choice([1, 5, 7, 8, 11, 14, 22, 38, 50, 79], count),
        rng.random((count, 3)) @ cell,
        rng.choice([0.3, 0.7, 1.0], count),
        rng.random(count) < 0.3,
    )
    asked = Multislice(
        energy_kev=(80.0, 300.0)[seed % 2],
        thicknesses_angstrom=cell[2, 2] * np.array([1, 7, 30]),
        sampling_angstrom=0.12,
        slice_thickness_angstrom=float(rng.uniform(0.8, 3.0)),
        parametrization=("lobato", "kirkland")[seed // 2 % 2],
        debye_waller_b_angstrom2=float(rng.choice([0.0, 0.8])),
        beam_tilt_mrad=(0.0, 0.0) if seed % 3 else (3.0, -5.0),
    )
    return structure, asked


def propagation_error(seed: int) -> float:
    structure, asked = random_case(seed)
    plan = FAST.plan(structure, asked)
    slices = FAST.period_slices(structure, plan)
    wanted = real_space(engine_named("abtem").propagate(slices, plan))
    return relative(real_space(FAST.propagate(slices, plan)), wanted)


@pytest.mark.parametrize("seed", range(4))
def test_abtem_propagates_the_same_slices_alike(seed: int) -> None:
    assert propagation_error(seed) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 124))
def test_abtem_propagates_many_more_slices_alike(seed: int) -> None:
    assert propagation_error(seed) < 1e-5


def without_pixel_factor(potential: np.ndarray) -> np.ndarray:
    """Take back abTEM's division by sin(k) / k, k in cycles a pixel, meant for bilinear atoms."""
    k = np.hypot(*np.meshgrid(*map(np.fft.fftfreq, potential.shape[-2:]), indexing="ij"))
    factor = np.sinc(k / np.pi)
    return np.fft.ifft2(np.fft.fft2(potential) * factor).real


@pytest.mark.parametrize("parametrization", ["lobato", "kirkland"])
def test_potential_is_abtems_for_atoms_on_grid_points(
    heavy: Structure, parametrization: str
) -> None:
    asked = Multislice(
        300.0,
        [4.7],
        gpts=(64, 64),
        parametrization=parametrization,
        debye_waller_b_angstrom2={"Na": 0.5},
        precision="float64",
    )
    plan = FAST.plan(heavy, asked)
    abtem = engine_named("abtem").period_slices(heavy, plan)
    found = FAST.period_slices(heavy, plan)
    assert relative(found, without_pixel_factor(abtem)) < 1e-5
    # the factor itself is one of the grid, and vanishes with it
    assert relative(found, abtem) > 1e-4


def test_between_grid_points_abtem_approaches_on_finer_grids(heavy: Structure) -> None:
    moved = replace(
        heavy, positions_angstrom=heavy.positions_angstrom + np.array([0.031, 0.047, 0.0])
    )
    wanted = FAST.exit_beams(
        moved, Multislice(300.0, [18.8], gpts=(256, 256), k_max_per_angstrom=1)
    )
    errors = []
    for n in (64, 128, 256):
        asked = Multislice(300.0, [18.8], gpts=(n, n), k_max_per_angstrom=1)
        errors.append(relative(engine_named("abtem").exit_beams(moved, asked).psi, wanted.psi))
        if n == 128:
            ours = relative(FAST.exit_beams(moved, asked).psi, wanted.psi)
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert ours < errors[1] / 5


def test_exact_phases_need_no_grid_points(heavy: Structure) -> None:
    shift = np.array([0.0311, -0.0473])
    moved = replace(heavy, positions_angstrom=heavy.positions_angstrom + np.append(shift, 0.0))
    asked = Multislice(300.0, [18.8, 75.2], gpts=(96, 96), precision="float64")
    beams = FAST.exit_beams(heavy, asked)
    wanted = beams.psi * np.exp(-2j * np.pi * (beams.g_per_angstrom @ shift))
    assert relative(FAST.exit_beams(moved, asked).psi, wanted) < 1e-3


def test_bloch_waves_of_a_thick_crystal() -> None:
    # exp(i z A) of the projected crystal: A_gg = -pi lambda g^2, A_gh = sigma V_(g - h) / c.
    cell = np.diag([4.0, 5.0, 0.25])
    structure = Structure(
        cell,
        np.array([14, 8, 11]),
        np.array([[0.3, 0.2, 0.1], [1.9, 3.1, 0.1], [3.3, 1.7, 0.1]]),
        np.full(3, 0.25 / 4.0),
    )
    thickness = 240.0
    asked = Multislice(
        200.0,
        [thickness],
        gpts=(32, 40),
        debye_waller_b_angstrom2=1.5,
        precision="float64",
    )
    plan = FAST.plan(structure, asked)
    grid = Grid.of(plan.gpts, cell)
    chosen = aperture(grid) == 1
    h, k = (np.rint(frequencies(grid)[chosen][:, i] * cell[i, i]).astype(int) for i in (0, 1))
    v = np.fft.fft2(FAST.period_slices(structure, plan)[0], norm="forward")
    between = v[(h[:, None] - h) % 32, (k[:, None] - k) % 40]
    inside = (abs(h[:, None] - h) < 16) & (abs(k[:, None] - k) < 20)
    matrix = interaction_per_volt_angstrom(200.0) / 0.25 * np.where(inside, between, 0)
    g2 = (frequencies(grid)[chosen] ** 2).sum(axis=-1)
    matrix -= np.diag(np.pi * wavelength_angstrom(200.0) * g2)
    values, vectors = linalg.eigh(matrix)
    direct = np.flatnonzero((h == 0) & (k == 0))[0]
    wanted = vectors @ (np.exp(1j * thickness * values) * vectors[direct].conj())
    found = FAST.propagate(FAST.period_slices(structure, plan), plan)[0][chosen]
    assert np.abs(found[direct]) < 0.95, "a thick crystal"
    assert relative(found, wanted) < 2e-3


def test_nothing_is_lost_within_the_band_limit(heavy: Structure) -> None:
    asked = Multislice(300.0, [75.2], gpts=(128, 128), debye_waller_b_angstrom2=1.0)
    plan = FAST.plan(heavy, asked)
    psi = FAST.propagate(FAST.period_slices(heavy, plan), plan)
    assert (np.abs(psi) ** 2).sum() == pytest.approx(1, abs=1e-4)


def test_an_oblique_cell_is_its_orthogonal_supercell() -> None:
    a, c = 4.2, 3.0
    hexagonal = np.array([[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, c]])
    atoms = np.array([[0.1, 0.3, 0.5], [0.45, 0.8, 2.0]])
    one = Structure(hexagonal, np.array([14, 38]), atoms, np.ones(2))
    two = Structure(
        np.diag([a, a * np.sqrt(3), c]),
        np.tile([14, 38], 2),
        np.concatenate([atoms, atoms + hexagonal[0] + hexagonal[1]]),
        np.ones(4),
    )
    asked = Multislice(300.0, [30.0, 90.0], precision="float64", beam_tilt_mrad=(2.0, 4.0))
    small = FAST.exit_beams(one, replace(asked, gpts=(72, 72)))
    large = FAST.exit_beams(two, replace(asked, gpts=(72, 126)))
    where = {tuple(np.round(g, 6) + 0.0): i for i, g in enumerate(large.g_per_angstrom)}
    places = [where[tuple(np.round(g, 6) + 0.0)] for g in small.g_per_angstrom]
    assert len(places) > 40
    assert relative(small.psi, large.psi[:, places]) < 2e-3
    choice = choose_engine("fast", one, asked)
    assert choice.engine.name == "fast"
    with pytest.raises(InvalidInputError, match="abTEM needs a cell"):
        choose_engine("abtem", one, asked)


def test_a_batch_gives_what_single_candidates_give(crystal: Structure) -> None:
    # The path of a GPU, with numpy in place of CuPy.
    rng = np.random.default_rng(3)
    candidates = [
        replace(
            crystal, occupancies=crystal.occupancies * np.where(kept, 1, 0.5), random_sites=None
        )
        for kept in rng.random((3, crystal.numbers.size)) < 0.5
    ]
    fewer = np.arange(crystal.numbers.size) != 3
    candidates.append(
        Structure(
            crystal.cell_angstrom,
            crystal.numbers[fewer],
            crystal.positions_angstrom[fewer],
            crystal.occupancies[fewer],
        )
    )
    asked = Multislice(300.0, [18.8, 37.6], gpts=(64, 64), device="cpu")
    plan = FAST.plan(crystal, asked)
    work = BatchWorkspace(np, len(candidates), plan.gpts, plan.complex_dtype)
    together = list(beams_of_batch(potential_slices(candidates, plan), plan, work, work))
    for candidate, beams in zip(candidates, together, strict=True):
        alone = FAST.exit_beams(candidate, asked)
        np.testing.assert_array_equal(beams.h, alone.h)
        assert relative(beams.psi, alone.psi) < 5e-6
    assert relative(together[0].psi, together[1].psi) > 1e-2


@pytest.mark.parametrize("points", [40, 64, 96, 128])
def test_a_candidate_gets_the_same_bits_alone_and_beside_others(
    crystal: Structure, points: int
) -> None:
    candidates = [
        replace(crystal, positions_angstrom=crystal.positions_angstrom + 0.1 * i)
        for i in range(waves_together((points, points)) + 1)
    ]
    asked = Multislice(
        300.0, [4.7, 28.2], gpts=(points, points), device="cpu", k_max_per_angstrom=0.7
    )
    for candidate, beams in zip(candidates, FAST.many_exit_beams(candidates, asked), strict=True):
        np.testing.assert_array_equal(beams.psi, FAST.exit_beams(candidate, asked).psi)


@pytest.mark.parametrize("gpts", [(40, 64), (45, 63), (130, 96), (96, 150)])
@pytest.mark.parametrize("greatest", [None, (9, 13), (60, 60)])
def test_fftw_workspaces_transform_as_numpy_does(
    gpts: tuple[int, int], greatest: tuple[int, int] | None
) -> None:
    rng = np.random.default_rng(3)
    waves = rng.normal(size=(2, *gpts)) + 1j * rng.normal(size=(2, *gpts))
    work = FftwWorkspace(gpts, "complex64", greatest, batch=2)
    work.wave[...] = waves * work.carrier
    work.forward()
    h, k = work.layout.orders
    wanted = np.fft.fft2(waves)
    assert relative(work.band, wanted[:, h, k]) < 1e-5
    assert relative(work.spectrum.reshape(2, -1)[:, work.layout.places(h, k)], work.band) == 0
    # back, without what lies beyond the greatest orders
    signed = [np.rint(np.fft.fftfreq(n) * n) for n in gpts]
    limits = gpts if greatest is None else greatest
    within = np.logical_and.outer(*(np.abs(o) <= c for o, c in zip(signed, limits, strict=True)))
    kept = np.where(within, wanted, 0)
    work.band[...] = kept[:, h, k]
    work.backward()
    assert relative(work.wave / work.carrier, np.fft.ifft2(kept, norm="forward")) < 1e-5


def test_frozen_phonons_average_to_the_debye_waller_wave() -> None:
    # The mean over displacements of a thin crystal's wave is the wave of the damped potential.
    structure = Structure(
        np.diag([5.0, 5.0, 2.5]), np.array([11]), np.array([[1.3, 2.0, 1.0]]), np.ones(1)
    )
    asked = Multislice(300.0, [10.0], gpts=(64, 64), debye_waller_b_angstrom2=6.0)
    damped = FAST.exit_beams(structure, asked)
    drawn = [FAST.exit_beams(structure, replace(asked, phonon_seed=(7, i))).psi for i in range(150)]
    assert relative(np.mean(drawn, axis=0)[:, 1:], damped.psi[:, 1:]) < 0.06
    still = FAST.exit_beams(structure, replace(asked, debye_waller_b_angstrom2=0.0)).psi
    assert relative(still[:, 1:], damped.psi[:, 1:]) > 0.15
    again = FAST.exit_beams(structure, replace(asked, phonon_seed=(7, 0))).psi
    np.testing.assert_array_equal(again, drawn[0])
    plan = FAST.plan(structure, replace(asked, phonon_seed=4))
    slices = FAST.period_slices(structure, plan)
    assert slices.shape == (plan.all_slices, 64, 64)
    wanted = engine_named("abtem").propagate(slices, plan)
    assert relative(FAST.propagate(slices, plan), wanted) < 1e-5


def test_what_fast_cannot_do_goes_to_abtem_with_a_reason(heavy: Structure) -> None:
    asked = Multislice(300.0, [4.7], gpts=(48, 48))
    for change, reason in (
        ({"projection": "finite"}, "wholly into their slices: abTEM answers instead"),
        ({"parametrization": "peng"}, "no peng potentials: abTEM answers instead"),
    ):
        choice = choose_engine("auto", heavy, replace(asked, **change))
        assert choice.engine.name == "abtem"
        assert reason in choice.reason
        beams = choice.engine.exit_beams(heavy, replace(asked, **change))
        plain = FAST.exit_beams(heavy, asked)
        assert 1e-5 < relative(beams.psi, plain.psi) < 0.05
    assert choose_engine("auto", heavy, asked).reason == ""
    with pytest.raises(InvalidInputError, match="phonon seed"):
        choose_engine(
            "auto", heavy, replace(asked, projection="finite", debye_waller_b_angstrom2=1.0)
        )
    with pytest.raises(InvalidInputError, match="choose auto, fast or abtem") as caught:
        choose_engine("slow", heavy, asked)
    assert caught.value.field == "engine"


def test_images_of_many_lenses_are_those_of_each(crystal: Structure) -> None:
    asked = Multislice(300.0, [18.8, 75.2], gpts=(64, 64), k_max_per_angstrom=0.8, device="cpu")
    beams = FAST.exit_beams(crystal, asked)
    lenses = [
        Lens(900.0, 700.0, angle_deg=30.0),
        Lens(-400.0, -400.0, b_factor_angstrom2=3.0),
        Lens(900.0, 900.0, aperture_mrad=6.0),
        Lens(2000.0, 1900.0, focal_spread_angstrom=60.0),
        *(Lens(100.0 * i, 100.0 * i) for i in range(4)),
    ]
    images = ImageStack(beams, lenses).images(beams.psi)
    for plane in range(2):
        for lens, found in zip(lenses, images[plane], strict=True):
            assert relative(found.T, image(beams, plane, lens)) < 1e-5


def test_a_gpu_that_is_not_there(heavy: Structure) -> None:
    if gpu() is not None:
        pytest.skip("there is a GPU")
    with pytest.raises(InvalidInputError, match="no GPU or no CuPy") as caught:
        FAST.exit_beams(heavy, Multislice(300.0, [4.7], gpts=(32, 32), device="gpu"))
    assert caught.value.field == "device"


def test_the_fast_engine_does_not_import_abtem() -> None:
    code = (
        "import sys, numpy as np\n"
        "from cryolattice_simulator.beams import Structure\n"
        "from cryolattice_simulator.engines import Multislice, engine_named\n"
        "s = Structure(np.eye(3) * 4, np.array([11]), np.zeros((1, 3)), np.ones(1))\n"
        "engine_named('fast').exit_beams(s, Multislice(300.0, [8.0]))\n"
        "print(sorted({'abtem', 'dask', 'numba', 'ray', 'cupy'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_slices_of_several_crystals_are_those_of_each(crystal: Structure, heavy: Structure) -> None:
    plan = FAST.plan(crystal, Multislice(300.0, [4.7], gpts=(48, 48), device="cpu"))
    both = potential_slices([crystal, heavy], plan)
    for together, alone in zip(both, (crystal, heavy), strict=True):
        assert relative(together, FAST.period_slices(alone, plan)) < 2e-6
