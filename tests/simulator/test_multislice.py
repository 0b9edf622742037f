from __future__ import annotations

import abtem
import numpy as np
import pytest
from ase import Atoms

from cryolattice_simulator.beams import ExitBeams, Structure
from cryolattice_simulator.orders import beam_orders
from tests.simulator.waves import exit_beams

THICKNESSES = (18.8, 75.2)


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def run(structure: Structure, **options) -> ExitBeams:
    settings = {"energy_kev": 300.0, "thicknesses_angstrom": THICKNESSES, "gpts": (64, 64)}
    return exit_beams(structure, **(settings | options))


def moved(structure: Structure, shift: tuple[float, float, float]) -> Structure:
    return Structure(
        structure.cell_angstrom,
        structure.numbers,
        structure.positions_angstrom + np.array(shift),
        structure.occupancies,
    )


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_agrees_with_a_plain_abtem_script(heavy: Structure, precision: str) -> None:
    # The whole crystal atom by atom, one potential, no repetition, planes counted by hand.
    periods, slices, n = 16, 4, 64
    atoms = Atoms(heavy.numbers, heavy.positions_angstrom, cell=heavy.cell_angstrom, pbc=True)
    atoms = atoms * (1, 1, periods)
    atoms.positions[:, 2] += 4.7 / slices / 2
    with abtem.config.set({"precision": precision, "diagnostics.progress_bar": False}):
        potential = abtem.Potential(
            atoms,
            gpts=n,
            slice_thickness=4.7 / slices,
            parametrization="lobato",
            exit_planes=(4 * slices - 1, periods * slices - 1),
        )
        waves = abtem.PlaneWave(energy=300e3).multislice(potential, lazy=False)
    script = np.fft.fft2(np.asarray(waves.array, dtype=np.complex128)) / n**2

    beams = run(heavy, engine="abtem", precision=precision)
    assert beams.psi.dtype == (np.complex64 if precision == "float32" else np.complex128)
    assert beams.slices_per_period == slices
    assert relative(beams.psi, script[:, beams.h, beams.k]) < 1e-5

    # The same in real space, from the stated Fourier convention; abTEM's arrays are (x, y).
    wide = run(heavy, engine="abtem", precision=precision, k_max_per_angstrom=2.2)
    x = np.arange(n) / n
    phase = np.exp(2j * np.pi * (wide.h[:, None] * x[5] + wide.k[:, None] * x[None, :]))
    line = np.asarray(waves.array)[1, 5, :]
    assert np.abs(wide.psi[1] @ phase - line).max() < 0.02


def test_direct_beam_first_and_all_beams_inside_the_limit(heavy: Structure) -> None:
    beams = run(heavy)
    g = np.hypot(*beams.g_per_angstrom.T)
    assert (beams.h[0], beams.k[0]) == (0, 0)
    assert g.max() <= 1.0
    assert np.all(np.diff(g) >= -1e-12)
    assert g.size == sum(
        (h / 9.4) ** 2 + (k / 9.4) ** 2 <= 1 for h in range(-10, 11) for k in range(-10, 11)
    )
    h, k = beam_orders(np.diag([4.7, 9.4, 4.7]), 0.22)
    assert set(zip(h.tolist(), k.tolist(), strict=True)) == {
        *((0, j) for j in (-2, -1, 0, 1, 2)),
        *((i, 0) for i in (-1, 1)),
    }


def test_no_intensity_is_lost_or_made(heavy: Structure) -> None:
    beams = run(heavy, gpts=(128, 128), k_max_per_angstrom=4.3)
    np.testing.assert_allclose(beams.intensities.sum(axis=1), 1, atol=2e-3)
    coarse = run(heavy, gpts=(128, 128), k_max_per_angstrom=1.0).intensities.sum(axis=1)
    assert np.all((coarse < 1) & (coarse > 0.95))


def test_thin_light_crystal_scatters_kinematically() -> None:
    # One period of hydrogen: psi_g = i sigma V_g, with V_g from the form factor and the phase.
    at = np.array([[2.0, 1.0, 0.5], [0.5, 3.0, 0.5]])
    structure = Structure(np.diag([6.0, 8.0, 1.0]), np.array([1, 1]), at, np.array([0.02, 0.01]))
    beams = exit_beams(
        structure, energy_kev=300, thicknesses_angstrom=[1.0], gpts=(96, 128), precision="float64"
    )
    g = beams.g_per_angstrom
    form = abtem.parametrizations.LobatoParametrization().projected_scattering_factor("H")
    phases = np.exp(-2j * np.pi * g @ at[:, :2].T) @ structure.occupancies
    v_g = form((g**2).sum(axis=1)) * phases / 48.0
    sigma = abtem.core.energy.energy2sigma(300e3)
    # After the last slice abTEM still propagates to its end.
    slab = np.exp(-1j * np.pi * 0.0196875 * 1.0 * (g**2).sum(axis=1))
    assert relative(beams.psi[0, 1:], (1j * sigma * v_g * slab)[1:]) < 5e-3
    assert beams.psi[0, 0] == pytest.approx(1, abs=1e-3)


def test_thin_limit_approaches_the_entrance_wave(heavy: Structure) -> None:
    faint = Structure(
        heavy.cell_angstrom,
        heavy.numbers,
        heavy.positions_angstrom,
        np.full(heavy.numbers.size, 1e-4),
    )
    beams = run(faint)
    assert beams.psi[0, 0] == pytest.approx(1, abs=1e-2)
    assert np.abs(beams.psi[0, 1:]).max() < 1e-4


def test_a_shift_of_the_crystal_shows_in_the_phases(heavy: Structure) -> None:
    step = 9.4 / 64
    shift = (7 * step, -3 * step, 0.0)
    beams, shifted = run(heavy), run(moved(heavy, shift))
    wanted = beams.psi * np.exp(-2j * np.pi * (beams.g_per_angstrom @ np.array(shift[:2])))
    assert relative(shifted.psi, wanted) < 2e-5


@pytest.mark.parametrize("offset", [-1e-9, 0.0, 1e-9, 0.3, 1.175 / 2])
def test_height_of_the_crystal_in_its_cell_does_not_matter(heavy: Structure, offset: float) -> None:
    # Atoms on the border between two slices would fall to one side or the other by rounding.
    assert relative(run(moved(heavy, (0, 0, offset))).psi, run(heavy).psi) < 1e-5


def test_weights_add_up(heavy: Structure) -> None:
    twice = Structure(
        heavy.cell_angstrom,
        np.concatenate([heavy.numbers, heavy.numbers]),
        np.concatenate([heavy.positions_angstrom, heavy.positions_angstrom]),
        np.repeat([0.25, 0.75], heavy.numbers.size),
    )
    assert relative(run(twice).psi, run(heavy).psi) < 1e-5


def test_a_period_twice_as_long_is_the_same_crystal(heavy: Structure) -> None:
    double = Structure(
        heavy.cell_angstrom * np.array([1, 1, 2]),
        np.concatenate([heavy.numbers, heavy.numbers]),
        np.concatenate(
            [heavy.positions_angstrom, heavy.positions_angstrom + np.array([0, 0, 4.7])]
        ),
        np.ones(2 * heavy.numbers.size),
    )
    assert relative(run(double).psi, run(heavy).psi) < 1e-5


def test_every_thickness_is_the_one_asked_for(crystal: Structure) -> None:
    series = run(crystal, thicknesses_angstrom=[4.7, 18.8, 75.2])
    np.testing.assert_allclose(series.thicknesses_angstrom, [4.7, 18.8, 75.2])
    for i, thickness in enumerate((4.7, 18.8, 75.2)):
        alone = run(crystal, thicknesses_angstrom=[thickness])
        assert alone.psi.shape == (1, series.h.size)
        assert relative(alone.psi[0], series.psi[i]) < 1e-6


def test_the_same_bits_every_time(crystal: Structure) -> None:
    assert run(crystal).psi.tobytes() == run(crystal).psi.tobytes()


def test_default_grid_and_slices_are_converged(crystal: Structure) -> None:
    thickness = (169.2,)
    options = {"energy_kev": 300.0, "thicknesses_angstrom": thickness}
    default = exit_beams(crystal, **options)
    fine = exit_beams(crystal, gpts=(192, 192), slice_thickness_angstrom=0.6, **options)
    error = np.linalg.norm(default.psi - fine.psi) / np.linalg.norm(fine.psi)
    assert error < 0.01
    coarse = exit_beams(crystal, sampling_angstrom=0.2, **options)
    assert np.linalg.norm(coarse.psi - fine.psi) / np.linalg.norm(fine.psi) > 0.05


def test_debye_waller_factor_weakens_by_element() -> None:
    structure = Structure(
        np.diag([6.0, 6.0, 2.0]), np.array([1]), np.array([[0.0, 0.0, 1.0]]), np.array([0.01])
    )
    options = {"energy_kev": 300.0, "thicknesses_angstrom": [2.0], "gpts": (96, 96)}
    still = exit_beams(structure, precision="float64", **options)
    moving = exit_beams(
        structure, debye_waller_b_angstrom2={"H": 2.0}, precision="float64", **options
    )
    other = exit_beams(
        structure, debye_waller_b_angstrom2={"Na": 2.0}, precision="float64", **options
    )
    g2 = (still.g_per_angstrom**2).sum(axis=1)
    ratio = (moving.psi / still.psi)[0, 1:]
    np.testing.assert_allclose(ratio, np.exp(-2.0 * g2 / 4)[1:], rtol=2e-3)
    np.testing.assert_array_equal(other.psi, still.psi)


def test_sites_filled_at_random_scatter_diffusely() -> None:
    """The coherent wave of random vacancies is the mean over draws."""
    a, layers, cells, draws = 4.7, 16, 3, 4
    rng = np.random.default_rng(0)
    corners = np.array([[0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5]]) * a

    def beams(positions: np.ndarray, occupancy: float, random: bool, size: int, period: int):  # type: ignore[no-untyped-def, type-arg]
        structure = Structure(
            np.diag([a * size, a * size, a * period]),
            np.full(len(positions), 11),
            positions,
            np.full(len(positions), occupancy),
            np.full(len(positions), random),
        )
        return exit_beams(
            structure,
            energy_kev=300,
            thicknesses_angstrom=[layers * a],
            gpts=(48 * size, 48 * size),
            slice_thickness_angstrom=2.4,
        )

    coherent = 1 - beams(corners, 2 / 3, True, 1, 1).intensities.sum()
    of_mean_potential = 1 - beams(corners, 2 / 3, False, 1, 1).intensities.sum()
    grid = np.stack(np.meshgrid(*map(np.arange, (cells, cells, layers)), indexing="ij"), -1)
    sites = (grid.reshape(-1, 1, 3) * a + corners).reshape(-1, 3)
    waves = []
    for _ in range(draws):
        drawn = beams(sites[rng.random(len(sites)) < 2 / 3], 1.0, False, cells, layers)
        parent = (drawn.h % cells == 0) & (drawn.k % cells == 0)
        waves.append(drawn.psi[0, parent])
    lost = 1 - (np.abs(np.mean(waves, axis=0)) ** 2).sum()
    # the loss beyond k_max is common to all; a fifth is what so few draws leave uncertain
    assert coherent - of_mean_potential == pytest.approx(lost - of_mean_potential, rel=0.2)
    assert coherent > 1.5 * of_mean_potential


def test_a_period_of_one_slice_has_its_planes_where_they_were_asked_for() -> None:
    at = np.array([[1.0, 1.0, 0.5], [2.5, 3.0, 0.5]])
    structure = Structure(np.diag([4.0, 4.0, 2.0]), np.array([11, 5]), at, np.ones(2))
    settings = {"energy_kev": 300.0, "sampling_angstrom": 0.2, "slice_thickness_angstrom": 2.4}
    series = exit_beams(structure, thicknesses_angstrom=[4.0, 10.0], **settings)
    for plane, thickness in enumerate((4.0, 10.0)):
        alone = exit_beams(structure, thicknesses_angstrom=[thickness], **settings)
        assert relative(series.psi[plane], alone.psi[0]) < 1e-6
