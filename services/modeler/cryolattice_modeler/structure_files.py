"""Crystals from files of other programs: CIF, POSCAR and extended XYZ, told apart by content."""

from __future__ import annotations

import io
import re
from fractions import Fraction

import ase
import ase.io
import numpy as np

from cryolattice.errors import UnreadableFileError
from cryolattice_modeler.cif import CifAtom, CifContent, read_cif
from cryolattice_modeler.occupancy import occupancy_fraction

_OCCUPANCY_ARRAYS = ("occupancy", "occupancies")


def read_structure(data: bytes | str, name: str) -> CifContent:
    """Read a crystal, whichever of the formats it is in.

    Parameters
    ----------
    data : bytes or str
        The file's content.
    name : str
        Name to show in messages.

    Returns
    -------
    CifContent
        POSCAR and extended XYZ list every atom, so that only the identity is among the operations;
        an ``occupancy`` column of extended XYZ holds partial occupancies.

    Raises
    ------
    UnreadableFileError
        If it is none of them, or one with a mistake in it.
    InvalidInputError
        If an occupancy is not above 0 and at most 1.
    """
    file_format = _format(data)
    if file_format == "cif":
        return read_cif(data, name)
    text = data.decode("utf-8", errors="replace") if isinstance(data, bytes) else data
    shown = "POSCAR" if file_format == "vasp" else "extended XYZ"
    try:
        read = ase.io.read(io.StringIO(text), format=file_format)
    except Exception as error:  # ASE's readers raise whatever a bad line leads to
        raise UnreadableFileError(
            f"{name}: not a valid {shown} file: {error}", field="parent"
        ) from error
    atoms = read if isinstance(read, ase.Atoms) else read[-1]
    if not len(atoms) or not np.all(atoms.pbc) or not abs(atoms.cell.volume) > 0:
        raise UnreadableFileError(
            f"{name}: the {shown} file describes no crystal: it takes atoms in a cell that is "
            "periodic along all three axes",
            field="parent",
        )
    return _content(atoms)


def _format(data: bytes | str) -> str:
    """Tell the format: a POSCAR has a number alone in its second line, XYZ in its first."""
    text = data.decode("latin-1") if isinstance(data, bytes) else data
    lines = [*text.splitlines()[:2], "", ""]
    if re.fullmatch(r"\s*\d+\s*", lines[0]) and "Lattice=" in lines[1]:
        return "extxyz"
    if re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)\s*", lines[1]) and not lines[0].startswith("data_"):
        return "vasp"
    return "cif"


def _content(atoms: ase.Atoms) -> CifContent:
    texts = ["1"] * len(atoms)
    for array in _OCCUPANCY_ARRAYS:
        if array in atoms.arrays:
            texts = [f"{value:.8g}" for value in atoms.arrays[array]]
    # a left-handed cell is written with all three axes reversed: the crystal stays its own image
    turn = 1.0 if np.linalg.det(atoms.cell.array) > 0 else -1.0
    listed = []
    for index, (symbol, position, text) in enumerate(
        zip(atoms.symbols, atoms.cell.scaled_positions(atoms.positions), texts, strict=True)
    ):
        label = f"{symbol}{index + 1}"
        share, tolerance = (
            occupancy_fraction(text, label=label) if text != "1" else (Fraction(1), 0.0)
        )
        x, y, z = (turn * float(value) for value in position)
        listed.append(CifAtom(label, symbol, symbol, (x, y, z), share, tolerance))
    upright = np.linalg.cholesky(atoms.cell.array @ atoms.cell.array.T)
    return CifContent(
        cell_angstrom=upright,
        rotations=np.eye(3, dtype=np.int64)[None],
        translations=np.zeros((1, 3)),
        space_group="",
        atoms=tuple(listed),
        warnings=(),
    )
