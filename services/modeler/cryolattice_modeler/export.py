"""Models in formats that other programs read: CIF text and ASE atoms."""

from __future__ import annotations

import ase
import gemmi
import numpy as np
from ase.data import chemical_symbols

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
    document = gemmi.cif.Document()
    block = document.add_new_block(model.model_id)
    cell = _cell_parameters(model)
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    for name, value in zip(names, cell, strict=True):
        block.set_pair(f"_cell_{name}", f"{value:.6f}")
    block.set_pair("_space_group_name_H-M_alt", gemmi.cif.quote("P 1"))
    block.set_pair("_space_group_IT_number", "1")
    block.init_loop("_space_group_symop_", ["operation_xyz"]).add_row([gemmi.cif.quote("x,y,z")])
    loop = block.init_loop(
        "_atom_site_", ["label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy"]
    )
    fractional = model.positions_angstrom @ np.linalg.inv(model.cell_angstrom)
    counted: dict[str, int] = {}
    for number, position, weight in zip(model.numbers, fractional, model.occupancies, strict=True):
        symbol = chemical_symbols[int(number)]
        counted[symbol] = counted.get(symbol, 0) + 1
        x, y, z = (f"{value + 0.0:.6f}" for value in position)
        loop.add_row([f"{symbol}{counted[symbol]}", symbol, x, y, z, f"{weight:.6f}"])
    return "\n".join([*_header(model), str(document.as_string())])


def _cell_parameters(model: Model) -> list[float]:
    """Lengths in angstrom, then angles in degrees."""
    lengths = np.linalg.norm(model.cell_angstrom, axis=1)
    unit = model.cell_angstrom / lengths[:, None]
    angles = [np.degrees(np.arccos(unit[i] @ unit[j])) for i, j in ((1, 2), (0, 2), (0, 1))]
    return [*(float(x) for x in lengths), *(float(x) for x in angles)]


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
