"""Sites that exclude each other: split positions, and the places of disorder groups.

Every position is a site of its own, with the share of the cells in which it is taken. Sites of
which at most one can be taken share a *middle*, the mean of their positions: it is the same for
each of them whatever the cell, and symmetry carries middles to middles.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.disorder import OpenSite

SPLIT_SITE_ANGSTROM = 1.0
"""Partial atoms nearer than this, yet apart, exclude each other: no two atoms other than hydrogen
are bound at so short a distance."""

CLOSEST_ANGSTROM = 0.5
"""Other atoms may come no nearer."""


Edges = list[tuple[int, int, NDArray[np.float64]]]


def exclude_each_other(
    sites: list[OpenSite], edges: Edges, cell: NDArray[np.float64], name: str
) -> None:
    """Set the middles of sites that exclude each other, and check what they add up to.

    Parameters
    ----------
    sites : list of OpenSite
        Changed in place.
    edges : list of (int, int, (3,) array)
        Pairs of which one at most is taken, and the way from the first to the second, in fractions
        of the cell; those that are too near to each other are found here.
    cell : (3, 3) array
    name : str

    Raises
    ------
    InvalidInputError
        If occupancies of such sites add up to more than 1, or a chain of them has no end.
    """
    ways: list[list[tuple[int, NDArray[np.float64]]]] = [[] for _ in sites]
    for first, second, way in [*edges, *_too_near(sites, cell, name)]:
        ways[first].append((second, way))
        ways[second].append((first, -way))
    seen: set[int] = set()
    for root in range(len(sites)):
        if root in seen or not ways[root]:
            continue
        places = {root: sites[root].position}
        queue = [root]
        while queue:
            here = queue.pop()
            for other, way in ways[here]:
                place = places[here] + way
                if other not in places:
                    places[other] = place
                    queue.append(other)
                elif np.abs(places[other] - place).max() > 0.1:
                    raise InvalidInputError(
                        f"{name}: partially occupied positions of {_labels(sites, places)} follow "
                        "one another without end, each too near to the next, so that they are no "
                        "separate split sites: merge them into mean positions",
                        field="parent",
                    )
        seen |= set(places)
        _check_total([sites[index] for index in places], name)
        middle = np.mean(list(places.values()), axis=0)
        for index, place in places.items():
            sites[index].to_middle = middle - place


def _check_total(members: list[OpenSite], name: str) -> None:
    total = sum((site.share for site in members), Fraction(0))
    tolerance = sum(site.tolerance for site in members)
    if total > 1 and float(total) - 1 > tolerance:
        listed = ", ".join(sorted({site.label for site in members}))
        raise InvalidInputError(
            f"{name}: at most one of the split positions of {listed} can be taken, but their "
            f"occupancies add up to {float(total):g}, above 1: correct them, or give independent "
            "disorder an assembly of its own (_atom_site_disorder_assembly)",
            field="parent",
        )


def _too_near(sites: list[OpenSite], cell: NDArray[np.float64], name: str) -> Edges:
    """Find partial sites that cannot both be taken; refuse others that overlap."""
    found: Edges = []
    positions = np.array([site.position for site in sites]).reshape(-1, 3)
    reaches = np.array([_reach(site, cell) for site in sites])
    for first, one in enumerate(sites):
        delta = positions[first + 1 :] - one.position
        delta -= np.rint(delta)
        gaps = np.linalg.norm(delta @ cell, axis=1) - reaches[first] - reaches[first + 1 :]
        for index in np.flatnonzero(gaps < SPLIT_SITE_ANGSTROM):
            other = sites[first + 1 + int(index)]
            gap = _gap(one, other, delta[index], cell)
            if gap >= SPLIT_SITE_ANGSTROM:
                continue
            within = float(one.share + other.share) <= 1 + one.tolerance + other.tolerance
            if within:
                found.append((first, first + 1 + int(index), delta[index]))
            elif gap < CLOSEST_ANGSTROM:
                raise InvalidInputError(
                    f"{name}: {one.label} and {other.label} come within {gap:.2f} angstrom of each "
                    f"other, and are occupied to {float(one.share):g} and {float(other.share):g}: "
                    "split positions may add up to 1 at most, and other atoms need at least "
                    f"{CLOSEST_ANGSTROM:g} angstrom; correct the coordinates or the occupancies",
                    field="parent",
                )
    return found


def _points(site: OpenSite) -> NDArray[np.float64]:
    """Return the atoms that a site brings, from its position, without partial hydrogens."""
    solid = site.share == 1 or any(atom.element != "H" for atom in site.atoms)
    own = [np.zeros(3)] if solid else []
    rest = [offset for atom, offset in site.companions if atom.element != "H"]
    return np.array([*own, *rest]).reshape(-1, 3)


def _reach(site: OpenSite, cell: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(_points(site) @ cell, axis=1).max(initial=0.0))


def _gap(
    one: OpenSite, other: OpenSite, way: NDArray[np.float64], cell: NDArray[np.float64]
) -> float:
    """Return how near heavy atoms of two sites come; infinity where one has none."""
    delta = _points(other)[None] + way - _points(one)[:, None]
    return float(np.linalg.norm(delta @ cell, axis=-1).min(initial=np.inf))


def _labels(sites: list[OpenSite], places: dict[int, NDArray[np.float64]]) -> str:
    return ", ".join(sorted({sites[index].label for index in places}))
