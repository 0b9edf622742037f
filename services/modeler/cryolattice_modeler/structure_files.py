"""Crystals from files of other programs, through ASE.

CIF, POSCAR, XYZ and PDB are told apart by their content, other formats by the file's name.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path, PurePath

import ase
import numpy as np

from cryolattice.errors import InvalidInputError, UnreadableFileError
from cryolattice_modeler.cif import CifAtom, CifContent, read_cif
from cryolattice_modeler.occupancy import occupancy_fraction

_OCCUPANCY_ARRAYS = ("occupancy", "occupancies")
_TOLD_BY_CONTENT = {"vasp": "POSCAR", "extxyz": "extended XYZ", "proteindatabank": "PDB"}
# text formats with a cell whose readers in ASE open no other file; by extension or whole name
_TOLD_BY_NAME = {
    ".ascii": "v-sim",
    ".cell": "castep-cell",
    ".cfg": "cfg",
    ".cube": "cube",
    ".gen": "gen",
    ".gro": "gromacs",
    ".res": "res",
    ".struct": "struct",
    ".xsf": "xsf",
    ".xtl": "mustem",
    "geometry.in": "aims",
}
_BOX_EDGES = 3
_PERIODIC_AXES = 2
# room above and below a layer whose file has no third axis
_LAYER_MARGIN_ANGSTROM = 3.0
# a PDB of a molecule has a cell of 1 angstrom
_LEAST_VOLUME_PER_ATOM = 1.0


def told_by_name(name: str) -> str:
    """Return ASE's name of the format of a file of this name; empty where it does not tell."""
    path = PurePath(name.lower())
    return _TOLD_BY_NAME.get(path.name, _TOLD_BY_NAME.get(path.suffix, ""))


def told_by_content(data: bytes | str) -> str:
    """Return ASE's name of the format; empty where the content does not tell.

    A POSCAR has a number alone in its second line, XYZ in its first, with an atom in its third.
    """
    text = data.decode("latin-1") if isinstance(data, bytes) else data
    lines = [*text.splitlines()[:3], "", "", ""]
    if re.fullmatch(r"\s*\d+\s*", lines[0]) and (
        "Lattice=" in lines[1] or re.match(r"\s*[A-Z][a-z]?\d*\s+[-+.\d]", lines[2])
    ):
        return "extxyz"
    if re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)\s*", lines[1]) and not lines[0].startswith("data_"):
        return "vasp"
    if re.search(r"^(CRYST1|ATOM  |HETATM)[ \d]", text, re.MULTILINE) and "_atom_site" not in text:
        return "proteindatabank"
    return ""


def read_structure(
    data: bytes | str, name: str, *, file_format: str = "", box_angstrom: Sequence[float] = ()
) -> CifContent:
    """Read a crystal, whichever of the formats it is in.

    Parameters
    ----------
    data : bytes or str
        The file's content.
    name : str
        Name to show in messages.
    file_format : str
        ASE's name of the format, where the content does not tell; by default as `told_by_name`.
    box_angstrom : sequence of float
        Edges of a box in whose middle the atoms are put, instead of the file's cell.

    Returns
    -------
    CifContent
        Formats but CIF list every atom, so that only the identity is among the operations; an
        ``occupancy`` column of extended XYZ holds partial occupancies.

    Raises
    ------
    UnreadableFileError
        If it is none of them, or one with a mistake in it.
    InvalidInputError
        If an occupancy is not above 0 and at most 1; if there is no cell, or the box is too small.
    """
    known = told_by_content(data) or file_format or told_by_name(name)
    if not known:
        if len(box_angstrom):
            raise InvalidInputError(
                f"{name}: a CIF has its own cell, so that there can be no other: leave it out",
                field="cell",
            )
        return read_cif(data, name)
    atoms = _read(data, name, known)
    if not len(box_angstrom):
        _complete_cell(atoms, name)
        return _content(atoms)
    own = atoms.cell.cellpar() if atoms.cell.rank == len(atoms.cell) else None
    _put_into_box(atoms, name, box_angstrom)
    if own is None:
        return _content(atoms)
    shown = f"{_lengths(own[:3])} angstrom, {own[3]:g} {own[4]:g} {own[5]:g} degrees"
    warning = (
        f"{name}: its own cell ({shown}) is not used: its {len(atoms)} atoms stand alone in the "
        "box given, without repeats"
    )
    return replace(_content(atoms), warnings=(warning,))


def _read(data: bytes | str, name: str, file_format: str) -> ase.Atoms:
    if file_format not in _TOLD_BY_CONTENT and file_format not in _TOLD_BY_NAME.values():
        raise InvalidInputError(
            f"{name}: the format {file_format!r} is not read: give a CIF, POSCAR, extended XYZ or "
            "PDB",
            field="format",
        )
    import ase.io  # noqa: PLC0415 - as long as all the rest, and CIFs do without it

    raw = data if isinstance(data, bytes) else data.encode()
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # some of ASE's readers want a file
            path = Path(folder) / "structure"
            path.write_bytes(raw)
            read = ase.io.read(path, format=file_format)
    except Exception as error:  # ASE's readers raise whatever a bad line leads to
        shown = _TOLD_BY_CONTENT.get(file_format, file_format)
        said = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableFileError(
            f"{name}: not a valid {shown} file: {said}", field="parent"
        ) from error
    atoms = read if isinstance(read, ase.Atoms) else read[-1]
    if not len(atoms):
        raise UnreadableFileError(f"{name}: lists no atoms", field="parent")
    return atoms


def _put_into_box(atoms: ase.Atoms, name: str, box_angstrom: Sequence[float]) -> None:
    edges = np.asarray(box_angstrom, dtype=np.float64)
    if edges.shape != (_BOX_EDGES,) or not np.all(np.isfinite(edges) & (edges > 0)):
        shown = " ".join(f"{edge:g}" for edge in box_angstrom)
        raise InvalidInputError(
            f"cell is {shown} angstrom: give three positive edges of an orthogonal box",
            field="cell",
        )
    spans = np.ptp(atoms.positions, axis=0)
    if np.any(spans > edges):
        raise InvalidInputError(
            f"{name}: the atoms span {_lengths(spans)} angstrom, more than the cell of "
            f"{_lengths(edges)}: give a larger one",
            field="cell",
        )
    middle = (atoms.positions.max(axis=0) + atoms.positions.min(axis=0)) / 2
    atoms.set_cell(edges)
    atoms.positions += edges / 2 - middle
    atoms.pbc = False


def _complete_cell(atoms: ase.Atoms, name: str) -> None:
    """Give a layer, periodic along two axes, a third one; refuse what has no cell."""
    spans = np.ptp(atoms.positions, axis=0)
    vectors = atoms.cell.array
    given = np.linalg.norm(vectors, axis=1) > 0
    if given.tolist() == [True, True, False] and not vectors[:2, 2].any():
        height = spans[2] + 2 * _LAYER_MARGIN_ANGSTROM
        atoms.set_cell([*vectors[:2], [0.0, 0.0, height]])
        atoms.positions[:, 2] += _LAYER_MARGIN_ANGSTROM - atoms.positions[:, 2].min()
        atoms.pbc = (True, True, False)
        return
    volume = abs(atoms.cell.volume)
    if volume < _LEAST_VOLUME_PER_ATOM * len(atoms) or np.count_nonzero(atoms.pbc) < _PERIODIC_AXES:
        raise UnreadableFileError(
            f"{name}: describes no crystal, periodic along all three axes or two of them: its "
            f"{len(atoms)} atoms span {_lengths(spans)} angstrom; to simulate them as they are, "
            "give a box with --cell A B C, its edges in angstrom",
            field="cell",
        )


def _lengths(values: np.ndarray) -> str:
    return " x ".join(f"{value:.4g}" for value in values)


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
        open_axes=tuple(int(axis) for axis in np.flatnonzero(~atoms.pbc)),
    )
