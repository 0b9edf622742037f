"""What the views of a crystal's models look like in the plane of the image."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from cryolattice_api.common.v1.crystal_pb2 import PlaneCell

_SAME_CELL = 0.005


def plane_supercell(records: list[dict[str, Any]]) -> tuple[int, int]:
    """Smallest square supercell that holds every view, whichever way it is turned."""
    sizes = {size for record in records for size in record["view_supercell"][:2]}
    size = math.lcm(*sizes)
    return size, size


def plane_cells(records: list[dict[str, Any]]) -> list[PlaneCell]:
    """Return the parent's plane cells that differ."""
    return distinct_cells(PlaneCell(**record["plane_cell"]) for record in records)


def distinct_cells(given: Iterable[PlaneCell]) -> list[PlaneCell]:
    """Leave out cells that are the same as an earlier one."""
    cells: list[PlaneCell] = []
    for cell in given:
        if not any(_same(cell, other) for other in cells):
            cells.append(cell)
    return cells


def _same(one: PlaneCell, other: PlaneCell) -> bool:
    return (
        math.isclose(one.a_angstrom, other.a_angstrom, rel_tol=_SAME_CELL)
        and math.isclose(one.b_angstrom, other.b_angstrom, rel_tol=_SAME_CELL)
        and math.isclose(one.gamma_deg, other.gamma_deg, abs_tol=0.3)
    )
