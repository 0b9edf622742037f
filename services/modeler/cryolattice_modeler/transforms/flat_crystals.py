"""A finite flat crystal: some layers thick, with edges and steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import ase
import numpy as np

from cryolattice.errors import InvalidInputError, LimitExceededError
from cryolattice_modeler.transforms.provenance import with_record
from cryolattice_modeler.transforms.repeats import molecule_heads, repeated

MAX_ATOMS = 2_000_000


@dataclass(frozen=True)
class Terrace:
    """A straight line across the crystal, beyond which it is thinner.

    Attributes
    ----------
    angle_deg : float
        Of the line's normal, from x towards y; it points outwards.
    distance_angstrom : float
        Of the line from the middle of the crystal.
    layers : int
        Periods along z that are left beyond the line; 0 for an edge.
    """

    angle_deg: float
    distance_angstrom: float
    layers: int = 0


def flat_crystal(
    atoms: ase.Atoms,
    repeats: tuple[int, int],
    layers: int,
    *,
    terraces: Sequence[Terrace] = (),
    vacuum_angstrom: float = 10.0,
) -> ase.Atoms:
    """Cut a finite crystal, flat across the beam, out of an infinite one.

    A cluster ion or molecule (array ``molecule``, as `place_molecule` marks it) stays or goes as a
    whole, by its first atom.

    Parameters
    ----------
    atoms : ase.Atoms
        One period, c along z.
    repeats : (int, int)
        Periods along a and b before it is cut.
    layers : int
        Periods along z where it is thickest.
    terraces : sequence of Terrace
        Edges and steps.
    vacuum_angstrom : float
        Around it, on every side.

    Returns
    -------
    ase.Atoms
        Not periodic; the array ``layer`` counts from 0 where the beam enters.

    Raises
    ------
    InvalidInputError
        If a number is not positive, the beam is not along c, or nothing is left.
    LimitExceededError
        If it would have more than 2,000,000 atoms.
    """
    m, n = repeats
    if min(m, n, layers) < 1 or not vacuum_angstrom >= 0:
        raise InvalidInputError(
            f"repeats {m} {n}, layers {layers} and vacuum {vacuum_angstrom:g} angstrom: give whole "
            "numbers of at least 1, and a vacuum of at least 0",
            field="layers" if layers < 1 else "repeats",
        )
    if np.abs(np.asarray(atoms.cell)[2, :2]).max() > 1e-6:
        raise InvalidInputError(
            "the structure's c axis is not along z, the beam: build it in a view along the beam",
            field="atoms",
        )
    if len(atoms) * m * n * layers > MAX_ATOMS:
        raise LimitExceededError(
            f"{m} x {n} x {layers} periods hold {len(atoms) * m * n * layers:,} atoms, above the "
            f"limit of {MAX_ATOMS:,}: take fewer",
            field="repeats",
        )
    crystal = repeated(atoms, (m, n, layers))
    copies = np.arange(m * n * layers)
    layer = np.repeat(copies % layers, len(atoms))
    places = crystal.positions[molecule_heads(crystal), :2]
    places = places - (np.array([m, n]) @ np.asarray(atoms.cell)[:2, :2]) / 2
    kept = np.ones(len(crystal), dtype=np.bool_)
    for terrace in terraces:
        angle = math.radians(terrace.angle_deg)
        beyond = places @ [math.cos(angle), math.sin(angle)] > terrace.distance_angstrom + 1e-6
        kept &= ~beyond | (layer < terrace.layers)
    if not kept.any():
        raise InvalidInputError(
            "the terraces leave nothing of the crystal: move them outwards", field="terraces"
        )
    crystal.arrays["layer"] = layer
    crystal = crystal[kept]
    low, high = crystal.positions.min(axis=0), crystal.positions.max(axis=0)
    crystal.positions += vacuum_angstrom - low
    crystal.set_cell(np.diag(np.maximum(high - low + 2 * vacuum_angstrom, 1e-3)))
    crystal.pbc = False
    return with_record(
        crystal,
        "flat_crystal",
        repeats=[m, n],
        layers=layers,
        terraces=[asdict(terrace) for terrace in terraces],
        vacuum_angstrom=vacuum_angstrom,
    )
