"""Rigid cluster ions: hydrogens that a file leaves out because they point every way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.crystal import ParentCrystal

# scipy is imported where it is used: the server checks specs without it

HydrogenMode = Literal["mean", "random", "none"]
HYDROGEN_MODES: tuple[str, ...] = get_args(HydrogenMode)

BARE_NEIGHBOUR_ANGSTROM = 2.0
"""A boron or nitrogen without an atom this near is taken for the centre of a cluster ion."""

CLOSEST_ANGSTROM = 0.5
"""Room that a cluster's hydrogens need to its neighbours."""

# Exact for polynomials to this degree: the shell's mean phase is right to 5e-4 at 0.5 1/angstrom
# and 1e-2 at 0.75 1/angstrom for a bond of 1.22 angstrom.
_LEBEDEV_DEGREE = 11


@dataclass(frozen=True, eq=False)
class Cluster:
    """A central atom with rigidly bound hydrogens.

    Attributes
    ----------
    name : str
    centre : str
        Element at the centre.
    bond_angstrom : float
        Distance of every hydrogen from the centre.
    directions : (n, 3) array
        Unit vectors to the hydrogens, in the cluster's own frame.
    """

    name: str
    centre: str
    bond_angstrom: float
    directions: NDArray[np.float64]


def _bent(angle_deg: float) -> NDArray[np.float64]:
    half = math.radians(angle_deg / 2.0)
    return np.array([[math.sin(half), 0.0, math.cos(half)], [-math.sin(half), 0.0, math.cos(half)]])


def _tetrahedron() -> NDArray[np.float64]:
    corners = np.array([[1.0, 1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])
    return corners / math.sqrt(3.0)


CLUSTERS: Mapping[str, Cluster] = MappingProxyType(
    {
        "NH2": Cluster("NH2", "N", 1.03, _bent(104.0)),
        "BH4": Cluster("BH4", "B", 1.22, _tetrahedron()),
    }
)
"""The cluster ions known by name."""


def cluster_named(name: str) -> Cluster:
    """Return the cluster ion of that name.

    Raises
    ------
    InvalidInputError
        If there is none.
    """
    if name not in CLUSTERS:
        raise InvalidInputError(
            f"cluster {name!r} is unknown: choose from {', '.join(CLUSTERS)}", field="clusters"
        )
    return CLUSTERS[name]


def suggest_clusters(parent: ParentCrystal) -> dict[str, str]:
    """Suggest cluster ions for bare boron and nitrogen sites.

    A fully occupied B or N site without any atom, hydrogen included, within 2 angstrom, and with
    room for the hydrogens, is taken for the centre of BH4 or NH2. It is a guess from
    the missing bonds (a nitride ion looks the same), so the caller should tell the user what was
    assumed.

    Parameters
    ----------
    parent : ParentCrystal

    Returns
    -------
    dict of str to str
        Name of the cluster for the label of each such site.
    """
    by_centre = {cluster.centre: cluster.name for cluster in CLUSTERS.values()}
    bare: dict[int, Cluster] = {}
    for index, site in enumerate(parent.sites):
        element = site.occupants[0][0]
        if site.is_partial or element not in by_centre:
            continue
        if _nearest_angstrom(parent, index) >= BARE_NEIGHBOUR_ANGSTROM:
            bare[index] = CLUSTERS[by_centre[element]]
    return {
        parent.sites[index].label: cluster.name
        for index, cluster in bare.items()
        if _least_room(parent, index, bare)[1] >= CLOSEST_ANGSTROM
    }


def _nearest_angstrom(parent: ParentCrystal, index: int) -> float:
    return float(_distances_angstrom(parent, index).min())


def _distances_angstrom(parent: ParentCrystal, index: int) -> NDArray[np.float64]:
    """Return how near each site, or another image of the same one, comes to a site."""
    shifts = np.indices((5, 5, 5)).reshape(3, -1).T - 2
    delta = parent.fractional[:, None, :] + shifts[None] - parent.fractional[index]
    distances = np.linalg.norm(delta @ parent.cell_angstrom, axis=-1)
    distances[index, np.all(shifts == 0, axis=1)] = np.inf
    return np.asarray(distances.min(axis=1), dtype=np.float64)


def validate_clusters(
    parent: ParentCrystal, clusters: Mapping[str, str], hydrogens: str
) -> dict[int, Cluster]:
    """Return which cluster sits on which of the parent's sites.

    Parameters
    ----------
    parent : ParentCrystal
    clusters : mapping of str to str
        Cluster name by site label.
    hydrogens : str
        ``"mean"``, ``"random"`` or ``"none"``.

    Returns
    -------
    dict of int to Cluster
        By index of the parent's sites; empty for ``"none"``.

    Raises
    ------
    InvalidInputError
        If a label, a cluster's name or the mode is unknown, a cluster is put on another element
        than its centre, or on a partially occupied site, or its hydrogens can touch a neighbour.
    """
    if hydrogens not in HYDROGEN_MODES:
        raise InvalidInputError(
            f"hydrogens is {hydrogens!r}: choose from {', '.join(HYDROGEN_MODES)}",
            field="hydrogens",
        )
    placed: dict[int, Cluster] = {}
    for label, name in clusters.items():
        cluster = cluster_named(name)
        members = [i for i, site in enumerate(parent.sites) if site.label == label]
        if not members:
            known = ", ".join(sorted({site.label for site in parent.sites}))
            raise InvalidInputError(
                f"cluster {name} is meant for site {label!r}, which {parent.name} does not have: "
                f"choose from {known}",
                field="clusters",
            )
        for index in members:
            site = parent.sites[index]
            if site.is_partial or site.occupants[0][0] != cluster.centre:
                shown = "+".join(symbol for symbol, _ in site.occupants)
                raise InvalidInputError(
                    f"cluster {name} is meant for site {label}, but it needs a fully occupied "
                    f"{cluster.centre} site and this one holds {shown}",
                    field="clusters",
                )
            placed[index] = cluster
    if hydrogens == "none":
        return {}
    for index in placed:
        _require_room(parent, index, placed)
    return placed


def _require_room(parent: ParentCrystal, index: int, placed: Mapping[int, Cluster]) -> None:
    """Refuse a cluster whose hydrogens can touch a neighbour, or its hydrogens, as they turn."""
    other, gap = _least_room(parent, index, placed)
    if gap >= CLOSEST_ANGSTROM:
        return
    whose = f"hydrogens of {placed[other].name} on " if other in placed else ""
    raise InvalidInputError(
        f"cluster {placed[index].name} on site {parent.sites[index].label}: its hydrogens can come "
        f"within {max(gap, 0.0):.2f} angstrom of {whose}{parent.sites[other].label}; at least "
        f"{CLOSEST_ANGSTROM:g} is needed: place no cluster there",
        field="clusters",
    )


def _least_room(
    parent: ParentCrystal, index: int, placed: Mapping[int, Cluster]
) -> tuple[int, float]:
    """Return the neighbour that a cluster's hydrogens come nearest to, and how near, angstrom."""
    reach = [
        placed[other].bond_angstrom if other in placed else 0.0
        for other in range(len(parent.sites))
    ]
    gaps = _distances_angstrom(parent, index) - placed[index].bond_angstrom - reach
    return int(np.argmin(gaps)), float(gaps.min())


@cache
def _shell() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.integrate import lebedev_rule  # noqa: PLC0415

    points, weights = lebedev_rule(_LEBEDEV_DEGREE)
    return np.ascontiguousarray(points.T), weights / weights.sum()


def mean_hydrogens(cluster: Cluster) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the cluster's hydrogens averaged over every orientation.

    The sphere is replaced by the 50 points of a Lebedev rule, which has cubic symmetry and is
    exact for polynomials up to degree 11 (Lebedev, USSR Comput. Math. Math. Phys. 16 (1976) 10).

    Parameters
    ----------
    cluster : Cluster

    Returns
    -------
    offsets_angstrom : (50, 3) array
        From the centre.
    weights : (50,) array
        They add up to the number of hydrogens.
    """
    points, weights = _shell()
    return points * cluster.bond_angstrom, weights * len(cluster.directions)


def random_hydrogens(cluster: Cluster, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the hydrogens of clusters that are turned at random, each by itself.

    Parameters
    ----------
    cluster : Cluster
    count : int
        Number of clusters.
    rng : numpy.random.Generator
        Rotations are uniform over all orientations.

    Returns
    -------
    (count, hydrogens, 3) array
        Offsets from the centre in angstrom.
    """
    from scipy.spatial.transform import Rotation  # noqa: PLC0415

    turns = Rotation.random(count, rng=rng).as_matrix()
    hydrogens: NDArray[np.float64] = np.einsum("cij,hj->chi", turns, cluster.directions)
    return hydrogens * cluster.bond_angstrom
