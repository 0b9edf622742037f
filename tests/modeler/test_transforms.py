"""Each function from a structure to a structure, against what must come out."""

from __future__ import annotations

import json
import math

import ase
import numpy as np
import pytest
from ase.build import bulk
from ase.geometry import get_distances
from scipy.spatial.transform import Rotation

from cryolattice.errors import InvalidInputError, LimitExceededError
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.transforms import (
    Terrace,
    antiphase_domains,
    displaced,
    distinct_orientations,
    flat_crystal,
    frozen_phonons,
    mean_square_from_b,
    pbcm_rivals,
    place_molecule,
    require_apart,
    strained,
    tilted,
    twin,
)


@pytest.fixture
def salt() -> ase.Atoms:
    return bulk("NaCl", "rocksalt", a=5.64, cubic=True)


@pytest.fixture
def perovskite() -> ase.Atoms:
    """The example's frame: B, N and three Na."""
    places = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)]
    return ase.Atoms("BNNa3", scaled_positions=places, cell=[4.7] * 3, pbc=True)


def steps(atoms: ase.Atoms) -> list[str]:
    json.dumps(atoms.info["transforms"])
    return [step["name"] for step in atoms.info["transforms"]]


def test_steps_are_recorded_one_after_the_other(salt: ase.Atoms) -> None:
    strain = np.diag([0.01, 0, 0])
    once = strained(salt, strain)
    twice = displaced(once, {"Na": 0.01, "Cl": 0.02}, seed=3)
    assert "transforms" not in salt.info
    assert steps(once) == ["strained"]
    assert steps(twice) == ["strained", "displaced"]
    assert twice.info["transforms"][1]["seed"] == 3


def test_mean_square_displacements_are_those_asked_for(salt: ase.Atoms) -> None:
    crystal = salt.repeat((10, 10, 10))
    moved = displaced(crystal, {"Na": 0.01, "Cl": mean_square_from_b(2.0)}, seed=1)
    assert mean_square_from_b(8 * math.pi**2) == pytest.approx(1)
    for element, expected in (("Na", 0.01), ("Cl", 2 / (8 * math.pi**2))):
        chosen = crystal.symbols == element
        square = ((moved.positions - crystal.positions)[chosen] ** 2).mean()
        # 12,000 deviates: a standard error of 1.3 %
        assert square == pytest.approx(expected, rel=0.05)
    again = displaced(crystal, {"Na": 0.01, "Cl": mean_square_from_b(2.0)}, seed=1)
    assert np.array_equal(moved.positions, again.positions)


def test_anisotropic_displacements_follow_the_axes_of_the_cell() -> None:
    # along c of an oblique cell alone: U33 times the square of |c*| |c|
    cell = ase.cell.Cell.fromcellpar([4, 5, 6, 90, 110, 90])
    crystal = ase.Atoms("Na", cell=cell, pbc=True).repeat((15, 15, 15))
    u = np.zeros((3, 3))
    u[2, 2] = 0.02
    moves = displaced(crystal, {"Na": u}, seed=0).positions - crystal.positions
    along = np.asarray(cell)[2] / 6
    assert np.allclose(moves, np.outer(moves @ along, along), atol=1e-9)
    expected = 0.02 * (6 * np.linalg.norm(np.asarray(cell.reciprocal())[2])) ** 2
    assert ((moves @ along) ** 2).mean() == pytest.approx(expected, rel=0.1)


def test_frozen_phonons_are_the_same_whatever_their_number(salt: ase.Atoms) -> None:
    u = {"Na": 0.01, "Cl": 0.01}
    few = list(frozen_phonons(salt, u, count=2, seed=7))
    many = list(frozen_phonons(salt, u, count=4, seed=7))
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(few, many, strict=False))
    assert not np.allclose(many[0].positions, many[1].positions)
    assert [a.info["transforms"][0]["configuration"] for a in many] == [0, 1, 2, 3]


def test_strain(salt: ase.Atoms) -> None:
    stretched = strained(salt, [[0.02, 0.01, 0], [0.01, 0, 0], [0, 0, -0.01]])
    assert np.allclose(stretched.get_scaled_positions(), salt.get_scaled_positions())
    a, b, c, _, _, gamma = stretched.cell.cellpar()
    assert a == pytest.approx(5.64 * math.hypot(1.02, 0.01))
    assert c == pytest.approx(5.64 * 0.99)
    # the shear component is half the change of the angle
    assert gamma == pytest.approx(90 - math.degrees(0.02), abs=0.02)
    assert b == pytest.approx(5.64 * math.hypot(1, 0.01))


def test_a_tilt_shears_what_repeats_and_turns_what_does_not(salt: ase.Atoms) -> None:
    sheared = tilted(salt, about_y_deg=1.0)
    assert np.allclose(np.asarray(sheared.cell)[:2], np.asarray(salt.cell)[:2])
    assert np.asarray(sheared.cell)[2, 0] == pytest.approx(5.64 * math.tan(math.radians(1)))
    finite = salt.copy()
    finite.pbc = False
    turned = tilted(finite, about_x_deg=2.0)
    assert np.allclose(turned.get_all_distances(), finite.get_all_distances())
    high, low = np.argmax(finite.positions[:, 2]), np.argmin(finite.positions[:, 2])
    moved = turned.positions - finite.positions
    assert moved[high, 1] < moved[low, 1], "about x, what is high moves to -y"


def test_a_tilted_flake_keeps_its_margins(salt: ase.Atoms) -> None:
    flake = tilted(flat_crystal(salt, (20, 2), 1, vacuum_angstrom=3), about_y_deg=5)
    assert np.ptp(flake.positions[:, 2]) > 12
    assert flake.positions.min(axis=0) == pytest.approx([3, 3, 3])
    edges = np.diag(np.asarray(flake.cell))
    assert edges - flake.positions.max(axis=0) == pytest.approx([3, 3, 3])


def test_a_flat_crystal_with_an_edge_and_a_step(salt: ase.Atoms) -> None:
    whole = flat_crystal(salt, (6, 6), 3, vacuum_angstrom=5)
    assert len(whole) == 8 * 6 * 6 * 3
    assert not whole.pbc.any()
    assert np.allclose(whole.positions.min(axis=0), 5)
    cut = flat_crystal(salt, (6, 6), 3, terraces=[Terrace(0, 5.0), Terrace(90, 2.0, layers=1)])
    x, y, z = (cut.positions - cut.positions.min(axis=0)).T
    assert x.max() == pytest.approx(3 * 5.64 + 2.82)  # 16.92 + 5 from its start: 19.74 is a plane
    beyond = y > 3 * 5.64 + 2.0
    assert beyond.any()
    assert z[beyond].max() < 5.64 < z[~beyond].max()
    assert set(cut.arrays["layer"][beyond]) == {0}


def test_molecules_are_not_cut(perovskite: ase.Atoms) -> None:
    filled = place_molecule(perovskite, [0], "BH4", seed=4)
    flat = flat_crystal(filled, (3, 3), 2, terraces=[Terrace(45, 3.0)])
    _, sizes = np.unique(flat.arrays["molecule"][flat.arrays["molecule"] >= 0], return_counts=True)
    assert set(sizes) == {5}
    assert len(sizes) < 18


def test_an_antiphase_boundary() -> None:
    # one Na every other place: shifted by half a period two of them meet
    chain = ase.Atoms("Na", cell=[8, 4, 4], pbc=True)
    joined = antiphase_domains(chain, (0.5, 0, 0), widths=(2, 3))
    assert np.allclose(np.sort(joined.positions[:, 0]), [0, 8, 20, 28, 36])
    assert joined.cell.lengths() == pytest.approx([40, 4, 4])
    assert len(antiphase_domains(chain, (0, 0, 0), widths=(1, 1))) == 2


def test_a_twin_is_the_ordering_and_its_mirror_image() -> None:
    pair = ase.Atoms("NaCl", positions=[(0, 0, 0), (1.5, 1, 0)], cell=[6, 6, 6], pbc=True)
    joined = twin(pair, np.diag([1, -1, 1]), widths=(1, 1))
    assert np.allclose(joined.positions, [(0, 0, 0), (1.5, 1, 0), (6, 0, 0), (7.5, 5, 0)])
    with pytest.raises(InvalidInputError, match="keeps the lengths"):
        twin(ase.Atoms("Na", cell=[4, 5, 6], pbc=True), [[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    mirrored = ase.Atoms("Na", positions=[(0.1, 0, 0)], cell=[6, 6, 6], pbc=True)
    with pytest.raises(InvalidInputError, match=r"Na 0.*Na 1.*0\.20 angstrom apart"):
        twin(mirrored, np.diag([-1, 1, 1]), widths=(1, 1))


def test_clusters_at_random_and_as_given(perovskite: ase.Atoms) -> None:
    filled = place_molecule(perovskite, [1], "NH2", seed=5)
    assert str(filled.symbols) == "BNNa3H2"
    hydrogens = filled.positions[-2:] - perovskite.positions[1]
    assert np.linalg.norm(hydrogens, axis=1) == pytest.approx([1.03, 1.03])
    assert hydrogens[0] @ hydrogens[1] == pytest.approx(1.03**2 * math.cos(math.radians(104)))
    assert filled.arrays["molecule"].tolist() == [-1, 0, -1, -1, -1, 0, 0]
    both = place_molecule(filled, [0], "BH4", seed=6)
    assert sorted(set(both.arrays["molecule"])) == [-1, 0, 1]
    assert steps(both) == ["place_molecule", "place_molecule"]
    turn = Rotation.from_euler("z", 90, degrees=True)
    given = place_molecule(perovskite, [1], "NH2", orientations=turn)
    assert np.allclose(given.positions[-2:, 0], perovskite.positions[1, 0])
    # any molecule: carbon monoxide by its oxygen
    oxide = place_molecule(perovskite, [0], ase.Atoms("OC", [(0, 0, 0), (0, 0, 1.13)]), seed=0)
    assert oxide.symbols[0] == "O"


def test_molecules_take_the_occupancy_of_their_site(perovskite: ase.Atoms) -> None:
    perovskite.arrays["occupancy"] = np.array([1, 0.5, 1, 1, 1])
    filled = place_molecule(perovskite, [0, 1], "NH2", seed=1)
    assert filled.arrays["occupancy"].tolist() == [1, 0.5, 1, 1, 1, 1, 1, 0.5, 0.5]


def test_distinct_orientations_on_a_cubic_site(perovskite: ase.Atoms) -> None:
    # m-3m: the two ways a tetrahedron fits into a cube are mirror images
    assert len(distinct_orientations(perovskite, 0, "BH4")) == 1
    # NH2 along an axis, its plane along another: one by symmetry
    assert len(distinct_orientations(perovskite, 1, "NH2")) == 1
    # 4/mmm, with c the odd axis: up, or aside with the plane across c or along it
    longer = perovskite.copy()
    longer.set_cell([4.7, 4.7, 5.2], scale_atoms=True)
    assert len(distinct_orientations(longer, 1, "NH2")) == 3
    # without symmetry all poses of a bent ion differ: its twofold axis leaves 12 of 24
    lonely = ase.Atoms(
        "NLiBeC", [(0, 0, 0), (2, 0.3, 0.1), (0.7, 2.5, 0.2), (0.3, 1, 3)], cell=[5, 6, 7], pbc=True
    )
    assert len(distinct_orientations(lonely, 0, "NH2")) == 12


def test_the_pbcm_rivals(cubic: ParentCrystal) -> None:
    rivals = pbcm_rivals(cubic)
    assert {atoms.info["space_group"] for atoms in rivals} == {"P4/mmm", "Pmma"}
    for atoms in rivals:
        assert str(atoms.symbols.formula.convert("metal")) == "Na8B4N4"
        assert atoms.cell.cellpar() == pytest.approx([6.538, 6.496, 9.851, 90, 90, 90])
        places = atoms.get_scaled_positions()
        # a mirror across c, a glide b across a, a glide c across b, wherever they lie
        for signs, shift, free in (
            ([1, 1, -1], [0, 0, 0], 2),
            ([-1, 1, 1], [0, 0.5, 0], 0),
            ([1, -1, 1], [0, 0, 0.5], 1),
        ):
            assert any(
                same_atoms(atoms, places * signs + shift + np.eye(3)[free] * step / 4)
                for step in range(4)
            )


def same_atoms(atoms: ase.Atoms, fractional: np.ndarray) -> bool:
    _, gaps = get_distances(
        fractional @ np.asarray(atoms.cell), atoms.positions, cell=atoms.cell, pbc=True
    )
    gaps = np.where(atoms.numbers[:, None] == atoms.numbers[None], gaps, np.inf)
    return bool(np.all(gaps.min(axis=1) < 0.01))


def test_overlaps_are_named(perovskite: ase.Atoms) -> None:
    assert require_apart(perovskite) is perovskite
    near = perovskite.copy()
    near.positions[3] = [4.6, 0, 0]  # across the border from B
    with pytest.raises(
        InvalidInputError, match=r"B 0 .* and Na 3 .* 0\.10 angstrom apart"
    ) as caught:
        require_apart(near)
    assert caught.value.field == "atoms"
    near.arrays["occupancy"] = np.array([0.5, 1, 1, 0.5, 1])
    assert require_apart(near) is near, "half an atom each may share a place"
    long = ase.Atoms("NH", [(0, 0, 0), (0, 0, 2.3)])
    with pytest.raises(InvalidInputError, match=r"Na 2 .* and H 5 .* 0\.05 angstrom") as caught:
        place_molecule(
            perovskite, [1], long, orientations=Rotation.from_euler("x", 180, degrees=True)
        )
    assert caught.value.field == "orientations"


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda a: displaced(a, {"Na": 0.01}, seed=0), "mean_square_angstrom2"),
        (lambda a: displaced(a, {"Na": 0.01, "Cl": -1}, seed=0), "mean_square_angstrom2"),
        (lambda a: displaced(a, {"Na": 0.01, "Cl": [1, 2]}, seed=0), "mean_square_angstrom2"),
        (lambda a: displaced(a, {"Na": 0.01, "Cl": 0.01}, seed=-1), "seed"),
        (lambda a: frozen_phonons(a, {"Na": 0.1, "Cl": 0.1}, count=0, seed=0), "count"),
        (lambda a: strained(a, [[0, 0.1, 0], [0, 0, 0], [0, 0, 0]]), "strain"),
        (lambda a: tilted(a, about_x_deg=20), "about_x_deg"),
        (lambda a: tilted(a, about_y_deg=math.nan), "about_y_deg"),
        (lambda a: flat_crystal(a, (2, 2), 0), "layers"),
        (lambda a: flat_crystal(a, (2, 2), 1, terraces=[Terrace(0, -99)]), "terraces"),
        (lambda a: antiphase_domains(a, (0.5, 0, 0), axis=3), "axis"),
        (lambda a: antiphase_domains(a, (0.5, 0, 0), widths=(0, 1)), "widths"),
        (lambda a: place_molecule(a, [99], "NH2"), "sites"),
        (lambda a: place_molecule(a, [0], "XY3"), "clusters"),
    ],
)
def test_bad_arguments_are_named(salt: ase.Atoms, call: object, field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        call(salt)  # type: ignore[operator]
    assert caught.value.field == field


def test_a_crystal_without_end_is_refused(salt: ase.Atoms) -> None:
    with pytest.raises(LimitExceededError):
        flat_crystal(salt, (1000, 1000), 100)
