"""Models in formats that other programs read: CIF text and ASE atoms."""

from __future__ import annotations

import ase
import numpy as np

from cryolattice_modeler.structure_cif import Structure, structure_to_cif
from cryolattice_modeler.structures import Model


def model_to_atoms(model: Model) -> ase.Atoms:
    """Return the model as ASE atoms, periodic along all axes.

    Parameters
    ----------
    model : Model

    Returns
    -------
    ase.Atoms
        The weights are the per-atom array ``occupancies``; the ids are in ``info``.
    """
    atoms = ase.Atoms(
        numbers=model.numbers,
        positions=model.positions_angstrom,
        cell=model.cell_angstrom,
        pbc=True,
        info={"model_id": model.model_id, "ordering_id": model.ordering_id},
    )
    atoms.arrays["occupancies"] = np.array(model.occupancies, dtype=np.float64)
    return atoms


def model_to_cif(model: Model) -> str:
    """Return the model as a CIF in P1, with its identity and its empty sites as comments.

    Parameters
    ----------
    model : Model

    Returns
    -------
    str
    """
    structure = Structure(
        name=model.model_id,
        cell_angstrom=model.cell_angstrom,
        numbers=model.numbers,
        fractional=model.positions_angstrom @ np.linalg.inv(model.cell_angstrom),
        occupancies=model.occupancies,
    )
    return structure_to_cif(structure, comments=_header(model))


def _header(model: Model) -> list[str]:
    axes = " ".join(str(n) for n in model.zone_axis)
    shape = " x ".join(str(n) for n in model.view_supercell)
    lines = [
        f"# Cryolattice model {model.model_id}",
        f"# ordering {model.ordering_id}, one of {model.multiplicity} equivalent ones, space group "
        f"{model.space_group}",
        f"# beam along the third axis; in the supercell's own axes it is [{axes}]",
        f"# {shape} parent cells; {len(model.vacant_sites)} vacant sites, in units of the parent's "
        "axes:",
    ]
    lines += ["#   " + " ".join(f"{x:.5g}" for x in site) for site in model.vacant_sites]
    return lines
