"""Requests for a contact sheet, from message to files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cryolattice_api.modeler.v1 import modeler_pb2
from cryolattice_modeler.enumeration import asked_superlattices, class_limit, read_parent
from cryolattice_modeler.enumeration import supercell_size as size_of

if TYPE_CHECKING:
    from cryolattice_modeler.contact_sheet import Section
    from cryolattice_modeler.crystal import ParentCrystal
    from cryolattice_modeler.superlattices import Superlattice

# matplotlib, gemmi and scipy are imported where they are used: the server starts without them


def draw(request: modeler_pb2.DrawOrderingsRequest) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a contact sheet of all classes.

    Raises
    ------
    CryolatticeError
        At the call, as `enumerate_orderings` and `superlattices`.
    """
    from cryolattice_modeler.contact_sheet import draw_contact_sheet  # noqa: PLC0415

    limit = class_limit(request)
    parent = read_parent(request.parent_crystal)
    if request.up_to_index:
        found = asked_superlattices(parent, request, limit=limit)
        sections = [_section(place, item) for place, item in enumerate(found)]
        listed = sum(section.count for section in sections)
        title = f"up to {request.up_to_index} primitive cells: {_count(listed, 'class')}"
    else:
        section = _supercell(parent, request, limit)
        sections, title = [section], section.heading
    return draw_contact_sheet(f"{parent.name}, {title}", sections)


def _supercell(
    parent: ParentCrystal, request: modeler_pb2.DrawOrderingsRequest, limit: int
) -> Section:
    from cryolattice_modeler.contact_sheet import Section  # noqa: PLC0415
    from cryolattice_modeler.counting import count_classes, total_orderings  # noqa: PLC0415
    from cryolattice_modeler.orderings import enumerate_orderings  # noqa: PLC0415
    from cryolattice_modeler.supercell import disordered_supercell  # noqa: PLC0415

    size = size_of(request.supercell)
    layout = disordered_supercell(parent, size)
    total, classes = total_orderings(layout), count_classes(layout)
    if np.ndim(size) == 1:
        cells, shape = layout.cell_count, f"{' × '.join(map(str, size))} cells"
    else:
        cells, shape = round(float(np.linalg.det(size))), f"axes {_axes(np.array(size))}"
    heading = f"{shape}: {_count(total, 'ordering')} in {_count(classes, 'class')}"
    return Section(layout, cells, heading, classes, enumerate_orderings(parent, size, limit=limit))


def _section(place: int, item: Superlattice) -> Section:
    from cryolattice_modeler.contact_sheet import Section  # noqa: PLC0415
    from cryolattice_modeler.supercell import disordered_supercell  # noqa: PLC0415

    orderings = list(item.orderings())
    heading = (
        f"supercell {place}, {_count(item.index, 'primitive cell')}, axes "
        f"{_axes(item.matrix @ item.primitive_axes)}: {_count(len(orderings), 'class')} that no "
        "smaller one holds"
    )
    layout = disordered_supercell(item.parent, item.matrix)
    return Section(layout, item.index, heading, len(orderings), orderings)


def _axes(axes: np.ndarray) -> str:
    return "   ".join(" ".join(f"{x:g}" for x in row) for row in np.round(axes, 6) + 0.0)


def _count(number: int, what: str) -> str:
    plural = "es" if what.endswith("s") else "s"
    return f"{number:,} {what}{'' if number == 1 else plural}"
