"""What a CIF says, checked: cell, symmetry operations and the atoms of the asymmetric unit."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

import gemmi
import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import UnreadableFileError
from cryolattice_modeler.cif_symmetry import check_metric, symmetry_operations
from cryolattice_modeler.occupancy import occupancy_fraction

CELL_TAGS = (
    "_cell_length_a",
    "_cell_length_b",
    "_cell_length_c",
    "_cell_angle_alpha",
    "_cell_angle_beta",
    "_cell_angle_gamma",
)
COORDINATE_TAGS = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")


# Rows for a vacancy or a dummy atom hold nothing.
_NO_ATOM = re.compile(r"(va|vac|vacancy|du|dum|dummy)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class CifAtom:
    """One row of the atom list.

    Attributes
    ----------
    label, type_symbol, element : str
        Label, species as written (``Sn2+``) and the bare element (``Sn``).
    fractional : tuple of float
        Position in fractions of the cell, as written.
    occupancy : Fraction
        The fraction recognised from the decimals.
    occupancy_tolerance : float
        How far off the quoted value may be by rounding or by its uncertainty.
    assembly, group : str
        Its disorder assembly and group; no group for an atom that is always there.
    """

    label: str
    type_symbol: str
    element: str
    fractional: tuple[float, float, float]
    occupancy: Fraction
    occupancy_tolerance: float
    assembly: str = ""
    group: str = ""


@dataclass(frozen=True, eq=False)
class CifContent:
    """The part of a CIF that describes the crystal.

    Attributes
    ----------
    cell_angstrom : (3, 3) array
        Rows a, b, c; a along x, b in the xy plane.
    rotations : (k, 3, 3) int array
    translations : (k, 3) array
        The operations x' = R x + t in fractions of the cell.
    space_group : str
        As declared by the file; empty when only operations are listed.
    atoms : tuple of CifAtom
    warnings : tuple of str
    open_axes : tuple of int
        Along which nothing repeats: those of a layer's height, or of a box around a molecule.
    """

    cell_angstrom: NDArray[np.float64]
    rotations: NDArray[np.int64]
    translations: NDArray[np.float64]
    space_group: str
    atoms: tuple[CifAtom, ...]
    warnings: tuple[str, ...]
    open_axes: tuple[int, ...] = ()


def read_cif(data: bytes | str, name: str) -> CifContent:
    """Parse a CIF and check that it describes a crystal.

    Parameters
    ----------
    data : bytes or str
        The file's content.
    name : str
        Name to show in messages.

    Returns
    -------
    CifContent
        From the first data block that lists atoms.

    Raises
    ------
    UnreadableFileError
        If the syntax is broken (with the line), or a tag is missing or holds no number.
    InvalidInputError
        If an occupancy is not above 0 and at most 1.
    """
    block = _block_with_atoms(_parse(data, name), name)
    _require_tags(block, name)
    small = gemmi.make_small_structure_from_block(block)
    _check_cell(block, name)
    cell = np.asarray(small.cell.orth.mat.tolist(), dtype=np.float64).T
    rotations, translations = symmetry_operations(block, small, name)
    check_metric(cell, rotations, small.cell.parameters, name)
    conflict = str(small.check_spacegroup()).strip().replace("\n", "; ")
    warnings = (f"{name}: symmetry as listed in the file is inconsistent: {conflict}",)
    return CifContent(
        cell_angstrom=cell,
        rotations=rotations,
        translations=translations,
        space_group=small.spacegroup_hm or "",
        atoms=_atoms(block, name),
        warnings=warnings if conflict else (),
    )


def _parse(data: bytes | str, name: str) -> gemmi.cif.Document:
    if isinstance(data, bytes):
        if b"\0" in data:
            raise UnreadableFileError(
                f"{name} is a binary file, not a CIF: give the crystal as a CIF text file",
                field="parent",
            )
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("latin-1")  # old files hold names of authors in it
    else:
        text = data
    if not text.strip():
        raise UnreadableFileError(f"{name} is empty: give a CIF with a crystal", field="parent")
    try:
        return gemmi.cif.read_string(text)
    except (ValueError, RuntimeError) as error:
        # gemmi says "string:LINE:COLUMN(OFFSET): what" or "string:LINE in data_x: what".
        found = re.match(r"\w+:(\d+)(?::(\d+)\(\d+\))?:?\s*(.*)\Z", str(error), re.DOTALL)
        where, what = (f", line {found[1]}", found[3]) if found else ("", str(error))
        if found and found[2]:
            where += f", column {int(found[2]) + 1}"
        raise UnreadableFileError(
            f"{name}{where}: not a valid CIF: {what.strip()}", field="parent"
        ) from error


def _block_with_atoms(document: gemmi.cif.Document, name: str) -> gemmi.cif.Block:
    for block in document:
        if any(len(block.find_values(tag)) for tag in COORDINATE_TAGS):
            return block
    raise UnreadableFileError(
        f"{name} lists no atoms: {', '.join(COORDINATE_TAGS)} are missing", field="parent"
    )


def _require_tags(block: gemmi.cif.Block, name: str) -> None:
    missing = [tag for tag in CELL_TAGS if block.find_value(tag) is None]
    missing += [tag for tag in COORDINATE_TAGS if not len(block.find_values(tag))]
    if missing:
        raise UnreadableFileError(
            f"{name}, data_{block.name}: {', '.join(missing)} missing: add the value"
            + ("s" if len(missing) > 1 else ""),
            field="parent",
        )


def _check_cell(block: gemmi.cif.Block, name: str) -> None:
    values = []
    for tag in CELL_TAGS:
        text = block.find_value(tag)
        value = gemmi.cif.as_number(text)
        upper = 180.0 if "angle" in tag else math.inf
        if not 0.0 < value < upper:
            unit = "degrees between 0 and 180" if "angle" in tag else "angstrom above 0"
            raise UnreadableFileError(
                f"{name}, data_{block.name}: {tag} is {text}: give a number of {unit}",
                field="parent",
            )
        values.append(value)
    if not gemmi.UnitCell(*values).volume > 1e-3 * values[0] * values[1] * values[2]:
        raise UnreadableFileError(
            f"{name}, data_{block.name}: the cell angles {values[3]:g}, {values[4]:g}, "
            f"{values[5]:g} degrees enclose no volume: correct them",
            field="parent",
        )


def _atoms(block: gemmi.cif.Block, name: str) -> tuple[CifAtom, ...]:
    columns = {
        tag: list(block.find_values(tag))
        for tag in (
            *COORDINATE_TAGS,
            "_atom_site_label",
            "_atom_site_type_symbol",
            "_atom_site_occupancy",
            "_atom_site_calc_flag",
            "_atom_site_disorder_assembly",
            "_atom_site_disorder_group",
        )
    }
    atoms = []
    for row in range(len(columns[COORDINATE_TAGS[0]])):
        cells = {tag: gemmi.cif.as_string(v[row]) for tag, v in columns.items() if v}
        label = cells.get("_atom_site_label", "") or f"number {row + 1}"
        type_symbol = cells.get("_atom_site_type_symbol", "") or label
        if _NO_ATOM.match(type_symbol) or cells.get("_atom_site_calc_flag") == "dum":
            continue
        fractional = []
        for tag in COORDINATE_TAGS:
            value = gemmi.cif.as_number(cells[tag])
            if not math.isfinite(value):
                raise UnreadableFileError(
                    f"{name}, data_{block.name}: atom {label}: {tag} is {cells[tag] or 'unknown'}: "
                    "write a decimal number, in fractions of the cell",
                    field="parent",
                )
            fractional.append(value)
        occupancy_text = cells.get("_atom_site_occupancy", "")
        occupancy, tolerance = occupancy_fraction(occupancy_text or "1", label=label)
        atoms.append(
            CifAtom(
                label=label,
                type_symbol=type_symbol,
                element=_element(type_symbol, label, name),
                fractional=(fractional[0], fractional[1], fractional[2]),
                occupancy=occupancy,
                occupancy_tolerance=tolerance,
                assembly=cells.get("_atom_site_disorder_assembly", ""),
                group=cells.get("_atom_site_disorder_group", "").removeprefix("0"),
            )
        )
    if not atoms:
        raise UnreadableFileError(
            f"{name}, data_{block.name}: the list holds no atoms, only vacancies or dummies",
            field="parent",
        )
    return tuple(atoms)


def _element(type_symbol: str, label: str, name: str) -> str:
    letters = re.match(r"[A-Za-z]+", type_symbol)
    symbol = letters[0] if letters else ""
    for length in (2, 1):  # labels such as "NaA" or "Ow1" start with the element
        if len(symbol) >= length:
            element = gemmi.Element(symbol[:length].capitalize())
            if element.atomic_number > 0:
                return "H" if element.atomic_number == 1 else str(element.name)
    raise UnreadableFileError(
        f"{name}: atom {label}: {type_symbol!r} names no chemical element: correct "
        "_atom_site_type_symbol",
        field="parent",
    )
