"""Rigid molecules and cluster ions on sites of a crystal."""

from __future__ import annotations

from collections.abc import Sequence

import ase
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.clusters import cluster_named
from cryolattice_modeler.symmetry import find_symmetry
from cryolattice_modeler.transforms.overlaps import CLOSEST_ANGSTROM, require_apart
from cryolattice_modeler.transforms.provenance import with_record

_SAME_ANGSTROM = 0.05


def cluster_atoms(name: str) -> ase.Atoms:
    """Return a cluster ion that is known by name as atoms, its centre first, at the origin."""
    cluster = cluster_named(name)
    places = np.vstack([np.zeros(3), cluster.directions * cluster.bond_angstrom])
    return ase.Atoms(cluster.centre + "H" * len(cluster.directions), positions=places)


def place_molecule(
    atoms: ase.Atoms,
    sites: Sequence[int],
    molecule: ase.Atoms | str,
    *,
    orientations: Rotation | None = None,
    seed: int = 0,
    closest_angstrom: float = CLOSEST_ANGSTROM,
) -> ase.Atoms:
    """Put a rigid molecule in the place of atoms.

    Parameters
    ----------
    atoms : ase.Atoms
    sites : sequence of int
        Atoms that become the molecule's first atom.
    molecule : ase.Atoms or str
        Its first atom is the one that comes to lie on the site; or the name of a cluster ion,
        ``"NH2"`` or ``"BH4"``.
    orientations : Rotation, optional
        One for all sites or one for each, of the molecule as it is given; without them, uniformly
        random ones.
    seed : int
        Of the random orientations.
    closest_angstrom : float
        Atoms of the molecule may come no nearer to others.

    Returns
    -------
    ase.Atoms
        Molecules have a number from 0 in the array ``molecule``; other atoms have -1.

    Raises
    ------
    InvalidInputError
        If a site is not there, or given twice; if orientations are as many as neither; if the
        molecule overlaps its neighbours: which atoms, and how near.
    """
    body = cluster_atoms(molecule) if isinstance(molecule, str) else molecule.copy()
    chosen = [int(site) for site in sites]
    if not len(body) or not chosen:
        raise InvalidInputError("name a molecule and its sites", field="sites")
    if len(set(chosen)) < len(chosen) or not 0 <= min(chosen) <= max(chosen) < len(atoms):
        raise InvalidInputError(
            f"sites are {chosen}: give numbers from 0 to {len(atoms) - 1}, each once", field="sites"
        )
    if seed < 0:
        raise InvalidInputError(f"seed is {seed}: give a whole number of at least 0", field="seed")
    turns = orientations
    if turns is None:
        turns = Rotation.random(len(chosen), rng=np.random.default_rng(seed))
    matrices = np.reshape(turns.as_matrix(), (-1, 3, 3))
    if len(matrices) not in (1, len(chosen)):
        raise InvalidInputError(
            f"{len(matrices)} orientations for {len(chosen)} sites: give one, or one for each",
            field="orientations",
        )
    matrices = np.broadcast_to(matrices, (len(chosen), 3, 3))
    result = atoms.copy()
    marks = result.arrays.pop("molecule", np.full(len(atoms), -1))
    first = int(marks.max(initial=-1)) + 1
    arms = body.positions[1:] - body.positions[0]
    numbers, places, owners = [], [], []
    for number, (site, matrix) in enumerate(zip(chosen, matrices, strict=True), first):
        result.numbers[site] = body.numbers[0]
        marks[site] = number
        numbers.append(body.numbers[1:])
        places.append(atoms.positions[site] + arms @ matrix.T)
        owners += [number] * len(arms)
    added = ase.Atoms(numbers=np.concatenate(numbers), positions=np.concatenate(places))
    for name in ("occupancy", "occupancies"):
        if name in result.arrays:
            added.arrays[name] = np.repeat(result.arrays[name][chosen], len(arms))
    # ASE's own table of occupancies, which the new atoms are not in: the array has them
    info = {key: value for key, value in result.info.items() if key != "occupancy"}
    result.arrays.pop("spacegroup_kinds", None)
    result += added
    result.info = info
    result.arrays["molecule"] = np.concatenate([marks, np.array(owners, dtype=marks.dtype)])
    require_apart(
        result,
        closest_angstrom,
        field="orientations",
        remedy="turn the molecule another way, or leave it out",
    )
    return with_record(
        result,
        "place_molecule",
        molecule=str(body.symbols),
        sites=chosen,
        **({"seed": seed} if orientations is None else {"rotations": matrices.tolist()}),
    )


def distinct_orientations(
    atoms: ase.Atoms, site: int, molecule: ase.Atoms | str, candidates: Rotation | None = None
) -> Rotation:
    """Choose those of a molecule's orientations on a site that symmetry does not make equal.

    Two orientations are one if an operation of the crystal that leaves the site where it is takes
    the molecule in one to the molecule in the other.

    Parameters
    ----------
    atoms : ase.Atoms
        The crystal without the molecule.
    site : int
    molecule : ase.Atoms or str
        As `place_molecule`.
    candidates : Rotation, optional
        The 24 turns of a cube about x, y and z unless given.

    Returns
    -------
    Rotation
        In the order of the candidates.

    Raises
    ------
    InvalidInputError
        If no symmetry is found, as for overlapping atoms.
    """
    body = cluster_atoms(molecule) if isinstance(molecule, str) else molecule
    turns = Rotation.create_group("O") if candidates is None else candidates
    arms = body.positions[1:] - body.positions[0]
    fixing = _site_operations(atoms, site)
    kept: list[int] = []
    known: list[NDArray[np.float64]] = []
    for index, matrix in enumerate(np.reshape(turns.as_matrix(), (-1, 3, 3))):
        pose = arms @ matrix.T
        if any(_same(pose, image, body.numbers[1:]) for image in known):
            continue
        kept.append(index)
        known += [pose @ operation.T for operation in fixing]
    return turns[kept]


def _site_operations(atoms: ase.Atoms, site: int) -> NDArray[np.float64]:
    """Return the rotations, along x, y, z, of the operations that leave a site in its place."""
    cell = np.asarray(atoms.cell)
    dataset = find_symmetry(cell, atoms.get_scaled_positions(), atoms.numbers)
    if dataset is None:
        raise InvalidInputError(
            "no symmetry can be found for the crystal: look for overlapping atoms", field="atoms"
        )
    place = atoms.get_scaled_positions()[site]
    gaps = dataset.rotations @ place + dataset.translations - place
    gaps = (gaps - np.rint(gaps)) @ cell
    fixing = dataset.rotations[np.linalg.norm(gaps, axis=1) < _SAME_ANGSTROM]
    return np.asarray(cell.T @ fixing @ np.linalg.inv(cell.T), dtype=np.float64)


def _same(one: NDArray[np.float64], other: NDArray[np.float64], numbers: NDArray[np.int64]) -> bool:
    distance = np.linalg.norm(one[:, None] - other[None], axis=-1)
    distance = np.where(numbers[:, None] == numbers[None], distance, np.inf)
    return bool(np.all(distance.min(axis=1, initial=np.inf) < _SAME_ANGSTROM))
