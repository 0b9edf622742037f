from __future__ import annotations

import numpy as np
import pytest

from cryolattice.errors import InvalidInputError
from cryolattice_simulator.beams import Structure, require_whole_periods
from cryolattice_simulator.slicing import choose_grid, grid_points, mid_slice_shift, slice_count
from tests.simulator.waves import exit_beams


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"energy_kev": 0}, "energy_kev", "0 keV"),
        ({"energy_kev": -300}, "energy_kev", "-300 keV"),
        ({"energy_kev": 300_000}, "energy_kev", "20 to 3000 keV"),
        ({"energy_kev": float("nan")}, "energy_kev", "above 0"),
        ({"thicknesses_angstrom": [0.0]}, "thickness_angstrom", "above 0"),
        ({"thicknesses_angstrom": [-4.7]}, "thickness_angstrom", "-4.7 angstrom"),
        ({"thicknesses_angstrom": []}, "thickness_angstrom", "at least one"),
        ({"thicknesses_angstrom": [170.4]}, "thickness_angstrom", "169.2 or 173.9"),
        ({"thicknesses_angstrom": [2.0]}, "thickness_angstrom", "use 4.7"),
        ({"thicknesses_angstrom": [9.4, 4.7]}, "thickness_angstrom", "sort"),
        ({"thicknesses_angstrom": [4.7, 4.7]}, "thickness_angstrom", "repeats"),
        ({"k_max_per_angstrom": 0}, "k_max_per_angstrom", "above 0"),
        ({"k_max_per_angstrom": 5.0}, "k_max_per_angstrom", "sampling below"),
        ({"sampling_angstrom": 0}, "sampling_angstrom", "above 0"),
        ({"slice_thickness_angstrom": -1}, "slice_thickness_angstrom", "above 0"),
        ({"parametrization": "doyle"}, "parametrization", "lobato or kirkland"),
        ({"debye_waller_b_angstrom2": {"Na": -1}}, "debye_waller_b_angstrom2", "0 or more"),
        ({"debye_waller_b_angstrom2": {"Xy": 1}}, "debye_waller_b_angstrom2", "no element"),
        ({"precision": "float16"}, "precision", "float32 or float64"),
    ],
)
def test_mistakes_are_named(
    heavy: Structure, change: dict[str, object], field: str, says: str
) -> None:
    settings = {"energy_kev": 300.0, "thicknesses_angstrom": [4.7]} | change
    with pytest.raises(InvalidInputError) as caught:
        exit_beams(heavy, **settings)
    assert caught.value.field == field
    assert says in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"cell_angstrom": np.diag([4.0, 4.0, 0.0])}, "cell_angstrom"),
        (
            {"cell_angstrom": np.array([[4.0, 0, 0], [0, 4, 0], [0.2, 0, 4]])},
            "cell_angstrom",
        ),
        ({"numbers": np.array([], dtype=int)}, "numbers"),
        ({"numbers": np.array([0])}, "numbers"),
        ({"positions_angstrom": np.array([[0.0, np.nan, 0.0]])}, "positions_angstrom"),
        ({"positions_angstrom": np.zeros((2, 3))}, "positions_angstrom"),
        ({"occupancies": np.array([0.0])}, "occupancies"),
        ({"occupancies": np.array([1.5])}, "occupancies"),
    ],
)
def test_structures_that_cannot_be(change: dict[str, np.ndarray], field: str) -> None:
    settings = {
        "cell_angstrom": np.eye(3) * 4,
        "numbers": np.array([11]),
        "positions_angstrom": np.zeros((1, 3)),
        "occupancies": np.ones(1),
    }
    with pytest.raises(InvalidInputError) as caught:
        Structure(**(settings | change))
    assert caught.value.field == field


def test_whole_periods_within_rounding() -> None:
    assert require_whole_periods([18.8, 169.2], 4.7).tolist() == [4, 36]
    assert require_whole_periods([169.2 + 1e-9, 300.8], 4.70).tolist() == [36, 64]


def test_slices_divide_the_period() -> None:
    assert slice_count(4.7, 1.2) == 4
    assert slice_count(4.7, 1.175) == 4
    assert slice_count(4.7, 2.4) == 2
    assert slice_count(4.7, 100.0) == 1


def test_the_grid_puts_heavy_atoms_on_its_points(heavy: Structure, crystal: Structure) -> None:
    for structure in (heavy, crystal):
        nx, ny = choose_grid(structure, 0.1)
        assert nx == ny
        assert nx >= 94
        fractions = structure.positions_angstrom[structure.numbers > 1, :2] / 9.4
        np.testing.assert_allclose(fractions * nx, np.rint(fractions * nx), atol=1e-9)
    # A third of the edge needs a multiple of three: 100 points would do without.
    assert grid_points(10.0, np.array([0.0, 10 / 3]), np.ones(2), 0.1) % 3 == 0


@pytest.mark.parametrize("offset", [0.0, 0.2, 0.5875, 1.0, 3.1])
def test_atoms_are_shifted_to_the_middle_of_slices(heavy: Structure, offset: float) -> None:
    z = heavy.positions_angstrom[:, 2] + offset
    shift = mid_slice_shift(z, heavy.numbers, 1.175)
    assert 0 <= shift < 1.175
    np.testing.assert_allclose(np.mod(z + shift, 1.175), 1.175 / 2, atol=1e-6)


def test_hydrogens_do_not_set_the_slices() -> None:
    z = np.array([0.0, 0.6, 0.7])
    assert mid_slice_shift(z, np.array([11, 1, 1]), 1.0) == pytest.approx(0.5)
    assert mid_slice_shift(z, np.array([1, 1, 1]), 1.0) != pytest.approx(0.5)
