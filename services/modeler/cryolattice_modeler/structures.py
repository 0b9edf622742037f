"""Atomic models for the simulation: orderings seen along the beam, with their hydrogens."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.candidates import ViewedOrdering, distinct_views, site_weights
from cryolattice_modeler.clusters import (
    Cluster,
    HydrogenMode,
    mean_hydrogens,
    random_hydrogens,
    validate_clusters,
)
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.directions import Direction
from cryolattice_modeler.orderings import Ordering, sorted_rows
from cryolattice_modeler.supercell import disordered_supercell
from cryolattice_modeler.supercell_sizes import SupercellSize
from cryolattice_modeler.views import View


@dataclass(frozen=True, eq=False)
class Model:
    """One structure, seen along one axis.

    Attributes
    ----------
    model_id : str
        The ordering's id and the axis along the beam, such as ``o-0123456789-c``.
    ordering_id : str
        ``"disordered"`` for the parent with its mean occupancies.
    multiplicity : int
        Orderings in the class; 1 for the disordered crystal.
    zone_axis : tuple of int
        Beam direction in the supercell's own axes.
    view_supercell : tuple of int
        Parent cells along the view's axes; the third is along the beam.
    cell_angstrom : (3, 3) array
        Rows; a along x, b in the xy plane, c (the beam) along z.
    numbers : (n,) int array
        Atomic numbers.
    positions_angstrom : (n, 3) array
        Inside the cell.
    occupancies : (n,) array
        Weights in (0, 1]: of partially occupied sites, and of an orientational mean.
    vacant_sites : (k, 3) array
        Empty sites in units of the parent's axes, in the setting of the view (third axis along
        the beam, origin on the parent's origin), 0 <= x < m; sorted.
    space_group : str
        Of the ordered sites; clusters do not count.
    projection_key : str
        Equal for models whose projected columns are the same up to in-plane symmetry.
    stands_for : tuple of (str, tuple of int)
        Ordering ids and zone axes of further views that are this same crystal seen from the beam.
    labels : tuple of str
        Of each atom's site in the file; hydrogens of a cluster have that of its centre.
    molecules : (n,) int array
        Number of the cluster that an atom belongs to, its centre first; -1 for none.
    transforms : tuple of dict
        What has been done to it since, step after step.
    """

    model_id: str
    ordering_id: str
    multiplicity: int
    zone_axis: tuple[int, int, int]
    view_supercell: tuple[int, int, int]
    cell_angstrom: NDArray[np.float64]
    numbers: NDArray[np.int64]
    positions_angstrom: NDArray[np.float64]
    occupancies: NDArray[np.float64]
    vacant_sites: NDArray[np.float64]
    space_group: str
    projection_key: str
    stands_for: tuple[tuple[str, tuple[int, int, int]], ...]
    labels: tuple[str, ...]
    molecules: NDArray[np.int64]
    transforms: tuple[dict[str, Any], ...] = ()


def build_models(
    parent: ParentCrystal,
    supercell: SupercellSize,
    orderings: Iterable[Ordering],
    *,
    zone_axes: str | Sequence[Direction],
    clusters: Mapping[str, str],
    hydrogens: HydrogenMode,
    seed: int,
    include_disordered: bool,
) -> list[Model]:
    """Build every distinct model: orderings, seen along the chosen axes.

    Parameters
    ----------
    parent : ParentCrystal
    supercell : three ints, or a (3, 3) matrix of ints
        As `disordered_supercell` takes it.
    orderings : iterable of Ordering
        Of the same parent and supercell.
    zone_axes : str or sequence of (int, int, int)
        ``"c"``: the parent's c axis along the beam (with the axes that are equivalent to it in
        this supercell); ``"all"``: all three; ``"low-index"`` and directions as
        `distinct_views` takes them.
    clusters : mapping of str to str
        Cluster ion by site label, such as ``{"B1": "BH4", "N1": "NH2"}``.
    hydrogens : str
        ``"mean"`` over all orientations, ``"random"`` for each cluster, or ``"none"``.
    seed : int
        Of the random orientations, at least 0. A model's orientations depend on the seed and its
        id only.
    include_disordered : bool
        Add the parent with its mean occupancies, as first model.

    Returns
    -------
    list of Model
        Views that look the same from the beam are built once; `Model.stands_for` names the rest.

    Raises
    ------
    InvalidInputError
        If an option is not as described, or a beam axis is not perpendicular to the plane.
    """
    return list(
        iter_models(
            parent,
            distinct_views(
                disordered_supercell(parent, supercell, require_disorder=False),
                orderings,
                zone_axes=zone_axes,
                include_disordered=include_disordered,
            ),
            clusters=clusters,
            hydrogens=hydrogens,
            seed=seed,
        )
    )


def iter_models(
    parent: ParentCrystal,
    viewed: Iterable[ViewedOrdering],
    *,
    clusters: Mapping[str, str],
    hydrogens: HydrogenMode,
    seed: int,
) -> Iterator[Model]:
    """Yield the models of given views one at a time; arguments as for `build_models`."""
    validate_clusters(parent, clusters, hydrogens)
    if seed < 0:
        raise InvalidInputError(f"seed is {seed}: give a whole number of at least 0", field="seed")
    return (_model(item, clusters, hydrogens, seed) for item in viewed)


def _model(
    item: ViewedOrdering, clusters: Mapping[str, str], hydrogens: HydrogenMode, seed: int
) -> Model:
    ordering, view = item.ordering, item.view
    layout = view.layout
    parent = layout.parent  # in the setting of the view's direction
    placed = validate_clusters(parent, clusters, hydrogens)
    model_id = item.view_id
    cell = cell_along_beam(view)
    atoms = _Atoms()
    cells = layout.cells.astype(np.float64)
    entropy = int.from_bytes(hashlib.sha256(model_id.encode()).digest()[:8], "big")
    rng = np.random.default_rng([seed, entropy])
    to_angstrom = cell / np.array(view.supercell)[:, None]
    for index, site in enumerate(parent.sites):
        if site.is_disordered:
            continue
        centres = view.turn(np.array(site.fractional) + cells) @ to_angstrom
        ions = atoms.new_molecules(len(centres)) if index in placed else None
        for symbol, share in site.occupants:
            shares = np.full(len(centres), float(share))
            atoms.add(symbol, centres, shares, [site.label] * len(centres), ions)
        if ions is not None:
            places, shares = _hydrogens(placed[index], centres, hydrogens, rng)
            each = len(places) // len(centres)
            labels = [site.label] * len(places)
            atoms.add("H", places, shares, labels, np.repeat(ions, each))
    weights = site_weights(ordering, layout)
    positions = view.turn(layout.fractional) @ to_angstrom
    site_labels = [s.label for s in layout.sublattices for _ in range(s.start, s.stop)]
    for symbol, weight in weights.items():
        taken = np.flatnonzero(weight > 0)
        atoms.add(symbol, positions[taken], weight[taken], [site_labels[i] for i in taken])
    filled = np.sum([*weights.values(), np.zeros(layout.site_count)], axis=0)
    elements, companions, shares, homes = layout.companions(filled)
    at = view.turn(companions) @ to_angstrom
    for symbol in sorted(set(elements)):
        chosen = [i for i, element in enumerate(elements) if element == symbol]
        atoms.add(symbol, at[chosen], shares[chosen], [site_labels[homes[i]] for i in chosen])
    vacant = ordering.vacant if ordering else np.empty((0, 3))
    return Model(
        model_id=model_id,
        ordering_id=item.ordering_id,
        multiplicity=ordering.multiplicity if ordering else 1,
        zone_axis=view.zone_axis,
        view_supercell=view.supercell,
        cell_angstrom=cell,
        numbers=np.concatenate(atoms.numbers),
        positions_angstrom=atoms.wrapped(cell),
        occupancies=np.concatenate(atoms.weights),
        vacant_sites=sorted_rows(view.turn(vacant)),
        space_group=ordering.space_group if ordering else parent.space_group,
        projection_key=item.projection_key,
        stands_for=item.stands_for,
        labels=tuple(atoms.labels),
        molecules=np.concatenate(atoms.molecules),
    )


def cell_along_beam(view: View) -> NDArray[np.float64]:
    """Return the view's supercell with a along x, b in the xy plane and c along z."""
    a, b, c = view.layout.parent.cell_angstrom[list(view.order)] * np.array(view.supercell)[:, None]
    length = float(np.linalg.norm(a))
    along = float(a @ b) / length
    across = float(np.sqrt(b @ b - along**2))
    along = 0.0 if abs(along) < 1e-9 * length else along
    return np.array(
        [[length, 0.0, 0.0], [along, across, 0.0], [0.0, 0.0, float(np.linalg.norm(c))]]
    )


def _hydrogens(
    cluster: Cluster,
    centres: NDArray[np.float64],
    hydrogens: HydrogenMode,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return positions and weights of the hydrogens, centre after centre."""
    if hydrogens == "mean":
        offsets, weights = mean_hydrogens(cluster)
        places = centres[:, None, :] + offsets
        return places.reshape(-1, 3), np.tile(weights, len(centres))
    places = centres[:, None, :] + random_hydrogens(cluster, len(centres), rng)
    return places.reshape(-1, 3), np.ones(places.shape[0] * places.shape[1])


class _Atoms:
    """Collects atoms."""

    def __init__(self) -> None:
        self.numbers: list[NDArray[np.int64]] = []
        self.weights: list[NDArray[np.float64]] = []
        self.labels: list[str] = []
        self.molecules: list[NDArray[np.int64]] = []
        self._positions: list[NDArray[np.float64]] = []
        self._molecule_count = 0

    def new_molecules(self, count: int) -> NDArray[np.int64]:
        self._molecule_count += count
        return np.arange(self._molecule_count - count, self._molecule_count)

    def add(
        self,
        symbol: str,
        positions: NDArray[np.float64],
        weights: NDArray[np.float64],
        labels: list[str],
        molecules: NDArray[np.int64] | None = None,
    ) -> None:
        self.numbers.append(np.full(len(positions), atomic_numbers[symbol], dtype=np.int64))
        self.weights.append(weights)
        self.labels += labels
        none = np.full(len(positions), -1)
        self.molecules.append(none if molecules is None else molecules)
        self._positions.append(positions)

    def wrapped(self, cell: NDArray[np.float64]) -> NDArray[np.float64]:
        fractional = np.concatenate(self._positions) @ np.linalg.inv(cell)
        fractional -= np.floor(fractional + 1e-9)  # -1e-17 stays at 0
        return np.asarray(np.maximum(fractional, 0.0) @ cell, dtype=np.float64)
