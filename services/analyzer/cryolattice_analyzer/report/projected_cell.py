"""A model seen along the beam: its columns, what fills them, and where atoms are missing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import gemmi
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cryolattice.store.reader import DatasetReader

DISORDERED = "disordered"
"""Name of the parent with its mean occupancies among the models."""

_SAME_PLACE = 0.02
_FULL = 1 - 1e-6


@dataclass(frozen=True)
class ModelAtoms:
    """The atoms of one model but hydrogen.

    Attributes
    ----------
    position : ndarray, shape (n, 3)
        In units of the parent's axes in the view, the third along the beam.
    species : list of str
        Element, or the ion that it is the centre of.
    occupancy : ndarray, shape (n,)
    power : ndarray, shape (n,)
        Atomic number times occupancy.
    edges : ndarray, shape (3, 3)
        Rows: the parent's axes in the view, angstrom.
    supercell : tuple of int
    """

    position: NDArray[np.float64]
    species: list[str]
    occupancy: NDArray[np.float64]
    power: NDArray[np.float64]
    edges: NDArray[np.float64]
    supercell: tuple[int, int, int]


@dataclass(frozen=True)
class Column:
    """Sites of one species above each other.

    Attributes
    ----------
    x, y : float
        In units of the parent's axes, within the supercell.
    species : str
    filled, vacant : float
        Atoms that are there (a sum of occupancies), and ordered vacancies.
    sites : int
    """

    x: float
    y: float
    species: str
    filled: float
    vacant: int
    sites: int


class Models:
    """The models of a dataset, read once.

    Parameters
    ----------
    reader : DatasetReader
        Of kind ``models``.
    """

    def __init__(self, reader: DatasetReader) -> None:
        self.records: list[dict[str, Any]] = reader.json("models.json")
        names = ("atom_start", "number", "occupancy", "position", "cell")
        self._arrays = {name: reader.array(name) for name in names}
        self._ions = _ions(reader.manifest.spec.get("clusters", {}))
        self._as_given = reader.manifest.spec["selection"] == "SELECTION_ORTHOGONAL"
        self._cif: str = reader.manifest.spec["parent_crystal"]["cif"]

    def index(self, ordering_id: str, zone_axis: list[int] | None = None) -> int | None:
        """Return which record an ordering has in a view."""
        for i, record in enumerate(self.records):
            if record["ordering_id"] == ordering_id and zone_axis in (None, record["zone_axis"]):
                return i
        return None

    def atoms(self, index: int) -> ModelAtoms:
        """Return the atoms of one record."""
        start = self._arrays["atom_start"]
        stop = int(start[index + 1]) if index + 1 < len(start) else len(self._arrays["number"])
        part = slice(int(start[index]), stop)
        heavy = self._arrays["number"][part] > 1
        number = self._arrays["number"][part][heavy]
        occupancy = self._arrays["occupancy"][part][heavy].astype(float)
        supercell = self.records[index]["view_supercell"]
        edges = self._arrays["cell"][index] / np.asarray(supercell)[:, None]
        return ModelAtoms(
            position=self._arrays["position"][part][heavy] @ np.linalg.inv(edges),
            species=[self._species(gemmi.Element(int(n)).name) for n in number],
            occupancy=occupancy,
            power=number * occupancy,
            edges=edges,
            supercell=(supercell[0], supercell[1], supercell[2]),
        )

    def _species(self, element: str) -> str:
        return self._ions.get(element, element)

    @cached_property
    def _parent_sites(self) -> Iterable[gemmi.SmallStructure.Site]:
        block = gemmi.cif.read_string(self._cif).sole_block()
        return gemmi.make_small_structure_from_block(block).sites

    @cached_property
    def mobile(self) -> frozenset[str]:
        """The species of which the parent's sites are partly empty."""
        if self._as_given:
            atoms = self.atoms(0)
            partly = zip(atoms.species, atoms.occupancy, strict=True)
            return frozenset(species for species, share in partly if share < _FULL)
        return frozenset(
            self._species(site.element.name) for site in self._parent_sites if site.occ < _FULL
        )

    def vacancies(self, index: int) -> list[str]:
        """Name what is missing at each vacant site: what the parent has there; empty if unknown."""
        record = self.records[index]
        if len(self.mobile) == 1:
            return [*self.mobile] * len(record["vacant_sites"])
        mean = self.index(DISORDERED, record["zone_axis"])
        if mean is None:
            return [""] * len(record["vacant_sites"])
        atoms = self.atoms(mean)
        found = []
        for site in record["vacant_sites"]:
            apart = atoms.position - np.asarray(site)
            apart -= np.rint(apart)
            found.append(atoms.species[int(np.argmin((apart**2).sum(axis=1)))])
        return found


def _ions(clusters: dict[str, str]) -> dict[str, str]:
    """Return ions by the element at their centre."""
    centres = ((re.match(r"[A-Z][a-z]?", ion), ion) for ion in clusters.values())
    return {match.group(): ion for match, ion in centres if match}


def columns(
    atoms: ModelAtoms, vacant_sites: list[list[float]], vacancies: list[str]
) -> list[Column]:
    """Gather atoms and vacancies, whose species are given, that lie above each other."""
    size = np.asarray(atoms.supercell[:2])
    places: dict[tuple[float, float, str], list[float]] = {}

    def add(position: NDArray[np.float64], species: str, filled: float, vacant: int) -> None:
        x, y = position[:2] % size
        for (px, py, kind), count in places.items():
            apart = (np.array([x - px, y - py]) + size / 2) % size - size / 2
            if kind == species and float(np.abs(apart).max()) < _SAME_PLACE:
                count[0] += filled
                count[1] += vacant
                count[2] += 1
                return
        places[(float(x), float(y), species)] = [filled, vacant, 1]

    for position, species, share in zip(
        atoms.position, atoms.species, atoms.occupancy, strict=True
    ):
        add(position, species, float(share), 0)
    for site, species in zip(vacant_sites, vacancies, strict=True):
        add(np.asarray(site), species, 0.0, 1)
    return [
        Column(x, y, species, filled, int(vacant), int(sites))
        for (x, y, species), (filled, vacant, sites) in places.items()
    ]


def vacant_neighbours(
    atoms: ModelAtoms, vacant_sites: list[list[float]], mobile: str
) -> dict[str, tuple[list[int], int]]:
    """Count the vacancies among the nearest sites around each atom of the other species.

    Parameters
    ----------
    atoms : ModelAtoms
    vacant_sites : list
        Of the species `mobile`.
    mobile : str

    Returns
    -------
    dict
        By species: vacant neighbours of each of its atoms, most first; and how many sites of
        `mobile` are nearest to one.
    """
    occupied = [p for p, s in zip(atoms.position, atoms.species, strict=True) if s == mobile]
    sites = np.array([*occupied, *vacant_sites]).reshape(-1, 3)
    empty = np.arange(len(sites)) >= len(occupied)
    size = np.asarray(atoms.supercell, dtype=float)
    images = np.array(np.meshgrid(*[[-1, 0, 1]] * 3)).T.reshape(-1, 3) * size
    result: dict[str, tuple[list[int], int]] = {}
    for species in dict.fromkeys(atoms.species):
        if species == mobile or not len(sites):
            continue
        counts, coordination = [], 0
        for position, name in zip(atoms.position, atoms.species, strict=True):
            if name != species:
                continue
            apart = (sites[:, None] + images[None] - position) @ atoms.edges
            distance = np.linalg.norm(apart, axis=2)
            near = distance < distance.min() + 0.1
            counts.append(int((near & empty[:, None]).sum()))
            coordination = int(near.sum())
        result[species] = (sorted(counts, reverse=True), coordination)
    return result
