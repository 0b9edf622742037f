"""Structures as CIF text: every atom in P1, or the asymmetric unit in the space group found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import gemmi
import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from cryolattice_modeler.symmetry import find_symmetry, second_origin, standard_operations

CifSymmetry = Literal["p1", "found"]


@dataclass(frozen=True, eq=False)
class Structure:
    """Atoms in a periodic cell.

    Attributes
    ----------
    name : str
        Of the data block.
    cell_angstrom : (3, 3) array
        Rows.
    numbers : (n,) int array
        Atomic numbers.
    fractional : (n, 3) array
    occupancies : (n,) array
    """

    name: str
    cell_angstrom: NDArray[np.float64]
    numbers: NDArray[np.int64]
    fractional: NDArray[np.float64]
    occupancies: NDArray[np.float64]


def structure_to_cif(
    structure: Structure, *, symmetry: CifSymmetry = "p1", comments: Sequence[str] = ()
) -> str:
    """Write a structure as a CIF.

    Parameters
    ----------
    structure : Structure
    symmetry : str
        ``"p1"`` keeps the cell and lists every atom; ``"found"`` takes the conventional cell of
        the structure's space group and lists the asymmetric unit with the operations. Of several
        settings that is spglib's standard (hexagonal axes, unique axis b), and of two origins the
        one on an inversion centre, which programs take where a file does not tell.
    comments : sequence of str
        Lines for the head of the file.

    Returns
    -------
    str
    """
    formula = _formula(structure)
    operations = ["x,y,z"]
    group = gemmi.SpaceGroup("P 1")
    if symmetry == "found":
        structure, found = _asymmetric_unit(structure)
        if found is not None:
            group = found
            operations = [op.triplet() for op in group.operations()]
    document = gemmi.cif.Document()
    block = document.add_new_block(structure.name)
    lengths = np.linalg.norm(structure.cell_angstrom, axis=1)
    unit = structure.cell_angstrom / lengths[:, None]
    angles = [np.degrees(np.arccos(unit[i] @ unit[j])) for i, j in ((1, 2), (0, 2), (0, 1))]
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    for name, value in zip(names, [*lengths, *angles], strict=True):
        block.set_pair(f"_cell_{name}", f"{value:.6f}")
    volume = abs(np.linalg.det(structure.cell_angstrom))
    block.set_pair("_cell_volume", f"{volume:.4f}")
    block.set_pair("_chemical_formula_sum", gemmi.cif.quote(formula))
    block.set_pair("_space_group_name_H-M_alt", gemmi.cif.quote(group.xhm()))
    block.set_pair("_space_group_name_Hall", gemmi.cif.quote(group.hall))
    block.set_pair("_space_group_IT_number", str(group.number))
    loop = block.init_loop("_space_group_symop_", ["operation_xyz"])
    for operation in operations:
        loop.add_row([f"'{operation.replace(',', ', ')}'"])
    loop = block.init_loop(
        "_atom_site_", ["label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy"]
    )
    counted: dict[str, int] = {}
    for number, position, weight in zip(
        structure.numbers, structure.fractional, structure.occupancies, strict=True
    ):
        symbol = chemical_symbols[int(number)]
        counted[symbol] = counted.get(symbol, 0) + 1
        x, y, z = (f"{value + 0.0:.6f}" for value in position)
        loop.add_row([f"{symbol}{counted[symbol]}", symbol, x, y, z, f"{weight:.6f}"])
    return "\n".join([*comments, str(document.as_string())])


def _formula(structure: Structure) -> str:
    """Return the smallest formula with whole numbers of atoms; else that of the cell."""
    totals: dict[str, float] = {}
    for number, weight in zip(structure.numbers, structure.occupancies, strict=True):
        symbol = chemical_symbols[int(number)]
        totals[symbol] = totals.get(symbol, 0.0) + float(weight)
    whole = {symbol: round(count) for symbol, count in totals.items()}
    if all(abs(totals[symbol] - count) < 1e-3 and count for symbol, count in whole.items()):
        divisor = math.gcd(*whole.values())
        totals = {symbol: count // divisor for symbol, count in whole.items()}
    # Hill's order: carbon and hydrogen first where there is carbon
    first = [symbol for symbol in ("C", "H") if "C" in totals and symbol in totals]
    order = [*first, *sorted(set(totals) - set(first))]
    counts = {symbol: f"{totals[symbol]:.4g}" for symbol in order}
    return " ".join(symbol + (count if count != "1" else "") for symbol, count in counts.items())


def _asymmetric_unit(structure: Structure) -> tuple[Structure, gemmi.SpaceGroup | None]:
    """Return the first atom of each orbit in the conventional cell, and its space group."""
    pairs = np.column_stack([structure.numbers, np.round(structure.occupancies, 6)])
    kinds, kind = np.unique(pairs, axis=0, return_inverse=True)
    own = structure.cell_angstrom, structure.fractional, kind.astype(np.int64)
    dataset = find_symmetry(*own)
    if dataset is not None and (hall := second_origin(dataset.hall_number)) != dataset.hall_number:
        dataset = find_symmetry(*own, hall_number=hall)
    if dataset is None:
        return structure, None
    group = gemmi.find_spacegroup_by_ops(gemmi.GroupOps(standard_operations(dataset.hall_number)))
    if group is None:
        return structure, None
    standard = Structure(
        structure.name,
        np.asarray(dataset.std_lattice),
        kinds[dataset.std_types, 0].astype(np.int64),
        np.asarray(dataset.std_positions) % 1.0,
        kinds[dataset.std_types, 1],
    )
    again = find_symmetry(
        standard.cell_angstrom, standard.fractional, np.asarray(dataset.std_types, dtype=np.int64)
    )
    if again is None:
        return structure, None
    first = np.unique(again.equivalent_atoms)
    return (
        Structure(
            structure.name,
            standard.cell_angstrom,
            standard.numbers[first],
            standard.fractional[first],
            standard.occupancies[first],
        ),
        group,
    )
