from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.candidates import equivalent_projections
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.orderings import enumerate_orderings
from cryolattice_modeler.parent_cif import read_parent_crystal
from cryolattice_modeler.structures import Model, build_models

MakeCif = Callable[..., str]
CLUSTERS = {"B1": "BH4", "N1": "NH2"}


def build(
    parent: ParentCrystal,
    supercell: tuple[int, int, int],
    *,
    zone_axes: str = "c",
    hydrogens: str = "mean",
    clusters: dict[str, str] | None = None,
    seed: int = 0,
    include_disordered: bool = True,
) -> list[Model]:
    return build_models(
        parent,
        supercell,
        enumerate_orderings(parent, supercell),
        zone_axes=zone_axes,  # type: ignore[arg-type]
        clusters=CLUSTERS if clusters is None else clusters,
        hydrogens=hydrogens,  # type: ignore[arg-type]
        seed=seed,
        include_disordered=include_disordered,
    )


@pytest.fixture(scope="module")
def models(cubic: ParentCrystal) -> list[Model]:
    return build(cubic, (2, 2, 1))


def composition(model: Model) -> dict[int, float]:
    return {
        int(z): float(model.occupancies[model.numbers == z].sum()) for z in np.unique(model.numbers)
    }


def test_every_model_has_the_right_atoms(models: list[Model]) -> None:
    assert len(models) == 36
    for model in models:
        assert composition(model) == pytest.approx({1: 4 * 6, 5: 4, 7: 4, 11: 8})
        assert np.all((model.occupancies > 0) & (model.occupancies <= 1))
        assert np.allclose(model.cell_angstrom, np.diag([9.4, 9.4, 4.7]))
        assert np.all(model.positions_angstrom >= 0)
        assert np.all(model.positions_angstrom < [9.4, 9.4, 4.7])
    assert sum(model.multiplicity for model in models[1:]) == 495
    assert len({model.model_id for model in models}) == 36


def test_vacant_sites_and_sodium_fill_the_face_centres(models: list[Model]) -> None:
    sodium_sites = {
        (i + x, j + y, z)
        for i in range(2)
        for j in range(2)
        for x, y, z in ((0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5))
    }
    for model in models[1:]:
        sodium = model.positions_angstrom[model.numbers == 11] / 4.7
        full = {tuple(float(x) for x in row) for row in np.round(sodium, 6)}
        empty = {tuple(float(x) for x in row) for row in np.round(model.vacant_sites, 6)}
        assert len(empty) == 4
        assert not full & empty
        assert full | empty == sodium_sites


def test_the_disordered_crystal_comes_first_with_mean_occupancies(models: list[Model]) -> None:
    model = models[0]
    assert (model.ordering_id, model.multiplicity) == ("disordered", 1)
    assert model.view_supercell == (2, 2, 1)
    assert np.allclose(model.occupancies[model.numbers == 11], 2 / 3)
    assert model.vacant_sites.shape == (0, 3)
    assert model.space_group == "Pm-3m"


def test_hydrogens_sit_at_their_bond_length(cubic: ParentCrystal) -> None:
    model = build(cubic, (2, 2, 1), hydrogens="random", seed=4)[7]
    cell = np.diag(model.cell_angstrom)
    hydrogen = model.positions_angstrom[model.numbers == 1]
    nearest = Counter[tuple[int, float]]()
    for position in hydrogen:
        delta = model.positions_angstrom - position
        gaps = np.linalg.norm(delta - np.rint(delta / cell) * cell, axis=1)
        centre = int(np.argmin(np.where(model.numbers == 1, np.inf, gaps)))
        nearest[int(model.numbers[centre]), round(float(gaps[centre]), 6)] += 1
    assert nearest == {(5, 1.22): 16, (7, 1.03): 8}
    assert np.all(model.occupancies == 1)


def test_random_orientations_depend_on_the_seed_and_the_model_only(cubic: ParentCrystal) -> None:
    first = build(cubic, (2, 2, 1), hydrogens="random", seed=4)
    again = build(cubic, (2, 2, 1), hydrogens="random", seed=4, include_disordered=False)
    other = build(cubic, (2, 2, 1), hydrogens="random", seed=5)
    by_id = {model.model_id: model for model in first}
    for model in again:
        assert np.array_equal(model.positions_angstrom, by_id[model.model_id].positions_angstrom)
    assert not np.array_equal(first[3].positions_angstrom, other[3].positions_angstrom)
    assert not np.array_equal(first[3].positions_angstrom[-30:], first[4].positions_angstrom[-30:])


def test_no_hydrogens(cubic: ParentCrystal) -> None:
    for model in build(cubic, (2, 2, 1), hydrogens="none"):
        assert 1 not in model.numbers


def test_views_along_other_axes_are_the_same_crystal_turned(cubic: ParentCrystal) -> None:
    models = build(cubic, (2, 2, 1), zone_axes="all", hydrogens="none")
    orderings = {o.ordering_id: o for o in enumerate_orderings(cubic, (2, 2, 1))}
    orders = {(0, 0, 1): [0, 1, 2], (1, 0, 0): [1, 2, 0], (0, 1, 0): [2, 0, 1]}
    assert {model.zone_axis for model in models} == set(orders)
    assert [model.ordering_id for model in models].count("disordered") == 1
    for model in models[1:]:
        order = orders[model.zone_axis]
        assert list(model.view_supercell) == [(2, 2, 1)[axis] for axis in order]
        assert np.allclose(np.diag(model.cell_angstrom), 4.7 * np.array(model.view_supercell))
        vacant = {tuple(row) for row in orderings[model.ordering_id].vacant[:, order]}
        assert {tuple(row) for row in model.vacant_sites} == vacant


def test_columns_tell_all_2x2x1_models_apart(models: list[Model]) -> None:
    assert equivalent_projections(models) == [[i] for i in range(36)]


def test_columns_group_views_that_project_alike(cubic: ParentCrystal) -> None:
    # Compared with the columns counted from the atoms, up to p4mm and translations.
    models = build(cubic, (1, 1, 2), hydrogens="none", zone_axes="all", include_disordered=True)
    groups = equivalent_projections(models)
    assert sorted(i for group in groups for i in group) == list(range(len(models)))
    for group in groups:
        areas = [np.prod(models[i].view_supercell[:2]) for i in group]
        totals = [Counter[float]() for _ in group]
        for counter, index in zip(totals, group, strict=True):
            model = models[index]
            sodium = model.numbers == 11
            plane = np.round(model.positions_angstrom[sodium][:, :2] / 4.7, 4)
            columns: dict[tuple[float, float], float] = {}
            for (x, y), weight in zip(plane, model.occupancies[sodium], strict=True):
                columns[x, y] = columns.get((x, y), 0) + weight / model.view_supercell[2]
            counter.update(round(value, 6) for value in columns.values())
        scaled = [
            {value: n / area for value, n in counter.items()}
            for counter, area in zip(totals, areas, strict=True)
        ]
        assert all(one == scaled[0] for one in scaled)


def test_shared_sites_and_two_sublattices(make_cif: MakeCif) -> None:
    atoms = [
        ("A", "Fe", 0, 0, 0, "0.25"),
        ("B", "Co", 0, 0, 0, "0.5"),
        ("C", "Na", 0.5, 0.5, 0.5, "0.5"),
    ]
    parent = read_parent_crystal(make_cif((3, 4, 5, 90, 90, 90), atoms, "P m m m"), "two.cif")
    models = build(parent, (2, 2, 1), clusters={}, hydrogens="none")
    for model in models:
        assert composition(model) == pytest.approx({26: 1, 27: 2, 11: 2})
        assert np.allclose(np.diag(model.cell_angstrom), [6, 8, 5])
    assert all(len(model.vacant_sites) == 3 for model in models[1:])
    assert sum(model.multiplicity for model in models[1:]) == 4 * 3 * 6


def test_an_in_plane_angle_is_kept(make_cif: MakeCif) -> None:
    text = make_cif((4, 4, 5, 90, 90, 120), [("A", "Na", 0, 0, 0, "0.5")], "P 6/m m m")
    parent = read_parent_crystal(text, "hexagonal.cif")
    model = build(parent, (2, 2, 1), clusters={}, hydrogens="none")[1]
    assert np.allclose(model.cell_angstrom, [[8, 0, 0], [-4, 4 * np.sqrt(3), 0], [0, 0, 5]])
    gaps = np.linalg.norm(model.positions_angstrom[0] - model.positions_angstrom[1])
    assert gaps == pytest.approx(4)


def test_mistakes(cubic: ParentCrystal) -> None:
    with pytest.raises(InvalidInputError, match="seed is -1"):
        build(cubic, (2, 2, 1), seed=-1)
    with pytest.raises(InvalidInputError, match="belongs to the supercell"):
        build_models(
            cubic,
            (2, 2, 1),
            enumerate_orderings(cubic, (2, 1, 1)),
            zone_axes="c",
            clusters={},
            hydrogens="none",
            seed=0,
            include_disordered=False,
        )


def test_a_crystal_with_nothing_to_order_is_one_model(make_cif: MakeCif) -> None:
    atoms = [("Cs1", "Cs", 0.0, 0.0, 0.0, 1.0), ("Cl1", "Cl", 0.5, 0.5, 0.5, 1.0)]
    text = make_cif((4.12, 4.12, 4.12, 90, 90, 90), atoms, "P m -3 m")
    parent = read_parent_crystal(text, "cscl.cif", require_disorder=False)
    options: dict[str, Any] = {"clusters": {}, "hydrogens": "none", "seed": 0}
    (model,) = build_models(
        parent, (1, 1, 2), [], zone_axes="c", include_disordered=True, **options
    )
    assert composition(model) == {17: 2.0, 55: 2.0}
    assert model.vacant_sites.size == 0
