"""Kinematic structure factors of views, and the views that they cannot tell apart.

Kinematically a diffraction pattern shows |F(hk)| alone. Structures with the same set of |F| are
homometric (Patterson, Phys. Rev. 65 (1944) 195); an image tells them apart by its phases.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import gemmi
import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.candidates import ViewedOrdering, site_weights
from cryolattice_modeler.views import View

_TOLERANCE = 1e-6  # of F(000)
_BIN = 1e-9  # of the mean of |F|^4, whose rounding is some 1e-15
_SAME_METRIC = 0.01
_ORDERS = 4
_MAX_ORDERS = 100_000


class ProjectedAtoms(NamedTuple):
    """Atoms of a view, seen along the beam.

    Attributes
    ----------
    elements : list of str
    positions : (n, 2) array
        In units of the view's parent axes.
    occupancies : (n,) array
    """

    elements: list[str]
    positions: NDArray[np.float64]
    occupancies: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StructureFactors:
    """Reflections of a view.

    Attributes
    ----------
    hk : (n, 2) int array
        Orders on the view's supercell.
    k_per_angstrom : (n,) array
    factors_angstrom : (n,) complex array
        For one parent cell.
    """

    hk: NDArray[np.int64]
    k_per_angstrom: NDArray[np.float64]
    factors_angstrom: NDArray[np.complex128]


def projected_atoms(item: ViewedOrdering) -> ProjectedAtoms:
    """Return every atom of a view's supercell but the hydrogens that clusters would add."""
    view, layout = item.view, item.view.layout
    elements: list[str] = []
    places: list[NDArray[np.float64]] = []
    shares: list[NDArray[np.float64]] = []
    for site in layout.parent.sites:
        if site.is_disordered:
            continue
        for symbol, share in site.occupants:
            elements += [symbol] * layout.cell_count
            places.append(np.array(site.fractional) + layout.cells)
            shares.append(np.full(layout.cell_count, float(share)))
    for symbol, weight in site_weights(item.ordering, layout).items():
        filled = weight > 0
        elements += [symbol] * int(filled.sum())
        places.append(layout.fractional[filled])
        shares.append(weight[filled])
    filled_by = site_weights(item.ordering, layout).values()
    taken = np.sum([*filled_by, np.zeros(layout.site_count)], axis=0)
    companions, positions, weights, _ = layout.companions(taken)
    elements += companions
    places.append(positions)
    shares.append(weights)
    return ProjectedAtoms(
        elements, view.turn(np.concatenate(places))[:, :2], np.concatenate(shares)
    )


def structure_factors(item: ViewedOrdering, k_max_per_angstrom: float) -> StructureFactors:
    """Return the kinematic structure factors of a view, one of each pair h k and -h -k.

    Electron scattering factors are those of the International Tables (vol. C, table 4.3.2.2) for
    neutral atoms at rest. F(-h -k) is the conjugate.

    Parameters
    ----------
    item : ViewedOrdering
    k_max_per_angstrom : float

    Returns
    -------
    StructureFactors
        By increasing spatial frequency.

    Raises
    ------
    InvalidInputError
        If `k_max_per_angstrom` is not positive or asks for more than 100,000 reflections.
    """
    if not 0 < k_max_per_angstrom < np.inf:
        raise InvalidInputError(
            f"k_max is {k_max_per_angstrom:g} 1/angstrom: give a positive number such as 0.75",
            field="k_max_per_angstrom",
        )
    view = item.view
    cells = np.array(view.supercell[:2])
    metric = _plane_metric(view)
    limits = np.floor(k_max_per_angstrom * np.sqrt(np.diag(metric)) * cells).astype(int)
    if np.prod(2.0 * limits + 1) > _MAX_ORDERS:
        raise InvalidInputError(
            f"k_max {k_max_per_angstrom:g} 1/angstrom asks for more than {_MAX_ORDERS:,} "
            "reflections: take a smaller one",
            field="k_max_per_angstrom",
        )
    hk = np.array(list(itertools.product(*(range(-n, n + 1) for n in limits))), dtype=np.int64)
    hk = hk[(hk[:, 0] > 0) | ((hk[:, 0] == 0) & (hk[:, 1] >= 0))]
    orders = hk / cells
    k = np.sqrt(np.einsum("gi,ij,gj->g", orders, np.linalg.inv(metric), orders))
    chosen = np.flatnonzero(k <= k_max_per_angstrom)
    chosen = chosen[np.lexsort((-hk[chosen, 1], -hk[chosen, 0], np.round(k[chosen], 9)))]
    hk, orders, k = hk[chosen], orders[chosen], k[chosen]
    atoms = projected_atoms(item)
    kinds = sorted(set(atoms.elements))
    scattering = np.array(
        [[gemmi.Element(kind).c4322.calculate_sf((q / 2) ** 2) for q in k] for kind in kinds]
    )
    which = np.array([kinds.index(element) for element in atoms.elements])
    waves = np.exp(2j * np.pi * (orders @ atoms.positions.T)) * atoms.occupancies
    factors = (waves * scattering[which].T).sum(axis=1) / view.layout.cell_count
    return StructureFactors(hk, k, factors)


def homometric_groups(items: Sequence[ViewedOrdering]) -> list[list[int]]:
    """Group views that have one set of |F(hk)|, up to a turn or mirror of the plane lattice.

    Atoms scatter with their atomic number times their occupancy: with one power for each element,
    agreement holds for any scattering factors almost surely. Views that project alike are in one
    group.

    Parameters
    ----------
    items : sequence of ViewedOrdering

    Returns
    -------
    list of list of int
        Indices into `items`, in order of first appearance.
    """
    by_projection: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        by_projection.setdefault(item.projection_key, []).append(index)
    patterns: dict[View, _Pattern] = {}
    known: dict[tuple[str, int], list[tuple[NDArray[np.float64], list[int]]]] = {}
    groups: list[list[int]] = []
    for members in by_projection.values():
        item = items[members[0]]
        if item.view not in patterns:
            patterns[item.view] = _Pattern(item.view)
        moduli = patterns[item.view].moduli(projected_atoms(item))
        # what no turn changes finds the few candidates; its rounding may fall to either side
        invariant = float((moduli[0] ** 4).mean())
        slot = int(invariant / _BIN)
        near = [
            entry
            for step in (-1, 0, 1)
            for entry in known.get((item.view.frame.name, slot + step), [])
        ]
        match = next(
            (g for first, g in near if np.abs(moduli - first).max(axis=1).min() <= _TOLERANCE), None
        )
        if match is None:
            match = []
            groups.append(match)
            known.setdefault((item.view.frame.name, slot), []).append((moduli[0], match))
        match.extend(members)
    return sorted(sorted(group) for group in groups)


class _Pattern:
    """The orders at which views of one kind are compared, and how turns permute them."""

    def __init__(self, view: View) -> None:
        edge = int(np.lcm.reduce(np.array(view.supercell[:2])))
        turns = _plane_operations(_plane_metric(view))
        steps = range(-_ORDERS * edge, _ORDERS * edge + 1)
        square = np.array(list(itertools.product(steps, steps)), dtype=np.int64)
        # closed under the turns: a hexagonal one leaves the square
        closed = np.unique(np.concatenate([square @ turn for turn in turns]), axis=0)
        place = {tuple(order): i for i, order in enumerate(closed.tolist())}
        self._orders = closed / edge
        self._images = np.array(
            [[place[tuple(order)] for order in (closed @ turn).tolist()] for turn in turns]
        )

    def moduli(self, atoms: ProjectedAtoms) -> NDArray[np.float64]:
        """Return |F| over F(000), (turns, orders), the identity first."""
        powers = atoms.occupancies * [atomic_numbers[element] for element in atoms.elements]
        waves = np.exp(2j * np.pi * (self._orders @ atoms.positions.T))
        moduli = np.abs(waves @ powers) / powers.sum()
        return np.asarray(moduli[self._images], dtype=np.float64)


def _plane_metric(view: View) -> NDArray[np.float64]:
    """Return the metric of the view's parent cell in projection, angstrom^2."""
    plane = view.layout.parent.cell_angstrom[list(view.order[:2])]
    return np.asarray(plane @ plane.T, dtype=np.float64)


def _plane_operations(metric: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """List the turns and mirrors x' = W x that keep a plane lattice, the identity first."""
    found = []
    for entries in itertools.product(range(-2, 3), repeat=4):
        turn = np.array(entries, dtype=np.int64).reshape(2, 2)
        if abs(int(turn[0, 0] * turn[1, 1] - turn[0, 1] * turn[1, 0])) != 1:
            continue
        if np.abs(turn.T @ metric @ turn - metric).max() <= _SAME_METRIC * metric.max():
            found.append(turn)
    return sorted(found, key=lambda turn: not np.array_equal(turn, np.eye(2)))
