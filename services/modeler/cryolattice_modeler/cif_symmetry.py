"""The symmetry operations that a CIF lists, or that the name or number of its space group means."""

from __future__ import annotations

import math
import re

import gemmi
import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import UnreadableFileError
from cryolattice_modeler.symmetry import full_symbols

OPERATION_TAGS = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")
NAME_TAGS = ("_space_group_name_H-M_alt", "_symmetry_space_group_name_H-M")
HALL_TAGS = ("_space_group_name_Hall", "_symmetry_space_group_name_Hall")
NUMBER_TAGS = ("_space_group_IT_number", "_symmetry_Int_Tables_number")
# How far the cell may depart from the metric that its symmetry operations need.
_METRIC_TOLERANCE = 0.01
_MOST_OPERATIONS = 192
# How databases write origins and axes behind a name.
_SUFFIXES = {"S": "1", "Z": "2", "H": "H", "R": "R"}


def symmetry_operations(
    block: gemmi.cif.Block, small: gemmi.SmallStructure, name: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the operations x' = R x + t of a data block.

    They are those listed; else those of the Hall symbol, the Hermann-Mauguin symbol (short, full,
    or with a setting) or the number in the International Tables.

    Parameters
    ----------
    block : gemmi.cif.Block
    small : gemmi.SmallStructure
        What gemmi makes of it.
    name : str
        For messages.

    Returns
    -------
    rotations : (k, 3, 3) int array
    translations : (k, 3) array

    Raises
    ------
    UnreadableFileError
        If there are none, they are no group, or a symbol or number means none or several.
    """
    listed = [str(text) for text in small.symops]
    operations = [_operation(text, name) for text in listed]
    if not operations:
        operations = list(_space_group(block, small, name).operations())
    rotations = np.array([op.rot for op in operations]) / gemmi.Op.DEN
    translations = np.array([op.tran for op in operations]) / gemmi.Op.DEN
    whole = np.rint(rotations).astype(np.int64)
    _require_group(whole, translations, name)
    return whole, translations


def _operation(text: str, name: str) -> gemmi.Op:
    try:
        return gemmi.Op(text)
    except (ValueError, RuntimeError) as error:
        raise UnreadableFileError(
            f"{name}: symmetry operation {text!r} cannot be read: {error}; write it like "
            "'-x, y+1/2, -z'",
            field="parent",
        ) from error


def _space_group(
    block: gemmi.cif.Block, small: gemmi.SmallStructure, name: str
) -> gemmi.SpaceGroup:
    hall, symbol, number = (_told(block, tags) for tags in (HALL_TAGS, NAME_TAGS, NUMBER_TAGS))
    if hall:
        try:
            operations = gemmi.symops_from_hall(hall)
        except (ValueError, RuntimeError):
            operations = None  # the other tags may say it
        found = operations and gemmi.find_spacegroup_by_ops(operations)
        if found:
            return found
    alpha, _, gamma = small.cell.parameters[3:]
    found = _named(symbol, alpha, gamma) if symbol else None
    if found is None and number:
        if not re.fullmatch(r"\d+", number) or not 1 <= int(number) <= 230:
            raise UnreadableFileError(
                f"{name}: the number of the space group is {number}: give one from 1 to 230",
                field="parent",
            )
        reference = gemmi.find_spacegroup_by_number(int(number))
        symbol = reference.hm
        found = _named(symbol, alpha, gamma)
    if found is None:
        shown = f"does not know the space group {symbol!r}" if symbol else "gives no symmetry"
        what = f"{name}: Cryolattice {shown}" if symbol else f"{name} {shown}"
        raise UnreadableFileError(
            f"{what}: add {OPERATION_TAGS[0]} (only 'x,y,z' if every atom is listed), "
            f"{NAME_TAGS[0]} or {NUMBER_TAGS[0]}",
            field="parent",
        )
    if found.ext in ("1", "2") and not re.search(r"(:\s*[12]|\s[SZ])\s*\Z", symbol):
        raise UnreadableFileError(
            f"{name}: space group {found.hm} has two customary origins, and the file does not say "
            f"which: write {found.hm}:1 or {found.hm}:2 in {NAME_TAGS[0]}, or list the operations",
            field="parent",
        )
    return found


def _told(block: gemmi.cif.Block, tags: tuple[str, ...]) -> str:
    for tag in tags:
        text = block.find_value(tag)
        if text is not None and gemmi.cif.as_string(text).strip():
            return str(gemmi.cif.as_string(text)).strip()
    return ""


def _named(symbol: str, alpha: float, gamma: float) -> gemmi.SpaceGroup | None:
    """Find a space group by its short or full symbol; the cell decides between hexagonal axes."""
    suffix = re.fullmatch(r"(.*\S)\s+([SZHR])", symbol)
    if suffix:
        symbol = f"{suffix[1]}:{_SUFFIXES[suffix[2]]}"
    found = gemmi.find_spacegroup_by_name(symbol, alpha, gamma)
    if found is None:
        hall = full_symbols().get(re.sub(r"\s|_", "", symbol))
        found = gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(hall)) if hall else None
    return found


def _require_group(
    rotations: NDArray[np.int64], translations: NDArray[np.float64], name: str
) -> None:
    if len(rotations) > _MOST_OPERATIONS:
        raise UnreadableFileError(
            f"{name} lists {len(rotations)} symmetry operations, more than any space group has: "
            "correct them",
            field="parent",
        )
    known = _keys(rotations, translations)
    products = np.einsum("gij,hjk->ghik", rotations, rotations)
    shifts = np.einsum("gij,hj->ghi", rotations, translations) + translations[:, None]
    identity = _keys(np.eye(3, dtype=np.int64), np.zeros(3))
    closed = bool(np.isin(identity, known).all() and np.isin(_keys(products, shifts), known).all())
    if not closed:
        raise UnreadableFileError(
            f"{name}: the {len(rotations)} symmetry operations are no group: one is missing or "
            "wrong (the identity 'x, y, z' belongs to them, and every product of two)",
            field="parent",
        )


def _keys(rotations: NDArray[np.int64], translations: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return one whole number for each operation (..., 3, 3), (..., 3), modulo the lattice."""
    shifts = np.rint(translations * gemmi.Op.DEN).astype(np.int64) % gemmi.Op.DEN
    # entries of a rotation beyond +-3 come from operations that are no group
    entries = np.clip(rotations + 3, 0, 6).reshape(*rotations.shape[:-2], 9)
    base = gemmi.Op.DEN ** np.arange(3) * 7**9
    return np.asarray(entries @ 7 ** np.arange(9) + shifts @ base, dtype=np.int64)


def check_metric(
    cell: NDArray[np.float64],
    rotations: NDArray[np.int64],
    parameters: tuple[float, ...],
    name: str,
) -> None:
    """Refuse a cell (3, 3), rows in angstrom, that its rotations do not keep.

    Raises
    ------
    UnreadableFileError
        If a length or an angle changes by more than 1 %.
    """
    metric = cell @ cell.T
    turned = np.einsum("kji,jl,klm->kim", rotations, metric, rotations)
    scale = np.sqrt(np.outer(np.diag(metric), np.diag(metric)))
    if np.max(np.abs(turned - metric) / scale) > _METRIC_TOLERANCE:
        shown = " ".join(f"{value:g}" for value in parameters if math.isfinite(value))
        raise UnreadableFileError(
            f"{name}: the cell {shown} (angstrom, degrees) does not have the symmetry that the "
            "file lists: correct the cell or the symmetry operations",
            field="parent",
        )
