from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.clusters import (
    CLUSTERS,
    mean_hydrogens,
    random_hydrogens,
    suggest_clusters,
    validate_clusters,
)
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.parent_cif import read_parent_crystal

MakeCif = Callable[..., str]


def angles_deg(directions: np.ndarray) -> np.ndarray:
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    pairs = np.triu_indices(len(unit), 1)
    return np.degrees(np.arccos((unit @ unit.T)[pairs]))


def test_geometry_of_the_ions() -> None:
    assert np.allclose(np.linalg.norm(CLUSTERS["NH2"].directions, axis=1), 1)
    assert np.allclose(angles_deg(CLUSTERS["NH2"].directions), 104)
    assert np.allclose(angles_deg(CLUSTERS["BH4"].directions), np.degrees(np.arccos(-1 / 3)))
    assert CLUSTERS["NH2"].bond_angstrom == 1.03
    assert CLUSTERS["BH4"].bond_angstrom == 1.22


@pytest.mark.parametrize("name", ["NH2", "BH4"])
def test_mean_scatters_like_a_spherical_shell(name: str) -> None:
    cluster = CLUSTERS[name]
    offsets, weights = mean_hydrogens(cluster)
    assert np.allclose(np.linalg.norm(offsets, axis=1), cluster.bond_angstrom)
    assert weights.sum() == pytest.approx(len(cluster.directions))
    assert np.all((weights > 0) & (weights <= 1))
    directions = np.random.default_rng(1).normal(size=(200, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for k_per_angstrom, tolerance in ((0.3, 1e-4), (0.5, 1e-3), (0.75, 2e-2)):
        phases = np.exp(2j * np.pi * k_per_angstrom * directions @ offsets.T)
        mean = phases @ weights / weights.sum()
        assert np.allclose(
            mean, np.sinc(2 * k_per_angstrom * cluster.bond_angstrom), atol=tolerance
        )


@pytest.mark.parametrize("name", ["NH2", "BH4"])
def test_random_turns_are_rigid_uniform_and_seeded(name: str) -> None:
    cluster = CLUSTERS[name]
    turned = random_hydrogens(cluster, 4000, np.random.default_rng(3))
    assert turned.shape == (4000, len(cluster.directions), 3)
    assert np.allclose(np.linalg.norm(turned, axis=2), cluster.bond_angstrom)
    for one in turned[:20]:
        assert np.allclose(angles_deg(one), angles_deg(cluster.directions))
    first = turned[:, 0] / cluster.bond_angstrom
    # Uniform on the sphere: zero mean and second moment 1/3, within five standard errors.
    assert np.all(np.abs(first.mean(axis=0)) < 5 * np.sqrt(1 / 3 / 4000))
    assert np.all(np.abs((first**2).mean(axis=0) - 1 / 3) < 5 * np.sqrt(4 / 45 / 4000))
    again = random_hydrogens(cluster, 4000, np.random.default_rng(3))
    assert np.array_equal(turned, again)
    assert not np.array_equal(turned, random_hydrogens(cluster, 4000, np.random.default_rng(4)))


def test_suggests_clusters_for_bare_centres(cubic: ParentCrystal) -> None:
    assert suggest_clusters(cubic) == {"B1": "BH4", "N1": "NH2"}


def test_suggests_nothing_where_the_hydrogens_are_there(make_cif: MakeCif) -> None:
    atoms = [
        ("N1", "N", 0, 0, 0, "1"),
        ("H1", "H", 0.2, 0, 0, "0.5"),
        ("B1", "B", 0.5, 0.5, 0.5, "1"),
        ("Na1", "Na", 0.5, 0.5, 0, "0.5"),
    ]
    parent = read_parent_crystal(make_cif((5, 5, 5, 90, 90, 90), atoms), "amide.cif")
    assert suggest_clusters(parent) == {"B1": "BH4"}


def test_clusters_need_room(make_cif: MakeCif) -> None:
    atoms = [("N1", "N", 0, 0, 0, "1"), ("Na1", "Na", 0.3, 0, 0, "0.5")]
    tight = read_parent_crystal(make_cif((5, 5, 5, 90, 90, 90), atoms), "tight.cif")
    message = r"NH2 on site N1.*within 0\.47 angstrom of Na1"
    with pytest.raises(InvalidInputError, match=message) as caught:
        validate_clusters(tight, {"N1": "NH2"}, "mean")
    assert caught.value.field == "clusters"
    assert validate_clusters(tight, {"N1": "NH2"}, "none") == {}
    assert suggest_clusters(tight) == {}
    # two ions, 2.2 angstrom apart: bare, but 1.03 + 1.22 leaves nothing between them
    atoms = [
        ("N1", "N", 0, 0, 0, "1"),
        ("B1", "B", 0.44, 0, 0, "1"),
        ("A", "K", 0.7, 0.5, 0.5, "0.5"),
    ]
    pair = read_parent_crystal(make_cif((5, 5, 5, 90, 90, 90), atoms), "pair.cif")
    with pytest.raises(InvalidInputError, match=r"0\.00 angstrom of hydrogens of BH4 on B1"):
        validate_clusters(pair, {"N1": "NH2", "B1": "BH4"}, "random")
    assert suggest_clusters(pair) == {}


@pytest.mark.parametrize(
    ("clusters", "hydrogens", "message"),
    [
        ({"B1": "CH4"}, "mean", "'CH4' is unknown: choose from NH2, BH4"),
        ({"B9": "BH4"}, "mean", "'B9'.*choose from B1, N1, Na1"),
        ({"N1": "BH4"}, "mean", "needs a fully occupied B site and this one holds N"),
        ({"Na1": "BH4"}, "mean", "fully occupied B site"),
        ({}, "some", "'some': choose from mean, random, none"),
    ],
)
def test_mistakes_are_named(
    cubic: ParentCrystal, clusters: dict[str, str], hydrogens: str, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        validate_clusters(cubic, clusters, hydrogens)
