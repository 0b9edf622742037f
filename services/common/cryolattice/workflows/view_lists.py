"""What a supercell's orderings look like along the beam, and which look alike."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryolattice.client.connection import Connection
from cryolattice.errors import InvalidInputError
from cryolattice.workflows.orderings import SupercellSize
from cryolattice.workflows.steps import read_crystal, supercell_message
from cryolattice_api.modeler.v1 import modeler_pb2

ZONE_AXES = {
    "c": modeler_pb2.ZONE_AXES_C,
    "all": modeler_pb2.ZONE_AXES_ALL,
    "low-index": modeler_pb2.ZONE_AXES_LOW_INDEX,
}
_GREATEST_INDEX = 9


def beam_fields(along: str) -> dict[str, Any]:
    """Return the fields of a request that say along what the beam goes.

    Parameters
    ----------
    along : str
        ``"c"``, ``"all"``, ``"low-index"``, or directions of the parent's lattice such as
        ``"1 1 0"`` or ``"1,1,0; 1,-1,2"``.

    Raises
    ------
    InvalidInputError
        It is none of these.
    """
    if along in ZONE_AXES:
        return {"zone_axes": ZONE_AXES[along]}
    directions = []
    for part in along.split(";"):
        indices = [word for word in re.split(r"[\s,]+", part.strip(" []()")) if word]
        if len(indices) != 3 or not all(re.fullmatch(r"[+-]?\d", word) for word in indices):
            raise InvalidInputError(
                f"zone_axes is {along!r}: write c, all, low-index, or three whole numbers of "
                f"at most {_GREATEST_INDEX} such as 1,1,0",
                field="zone_axes",
            )
        u, v, w = (int(word) for word in indices)
        directions.append(modeler_pb2.Direction(u=u, v=v, w=w))
    return {"directions": directions}


def compare_views(
    lab: Connection,
    parent: Path,
    supercell: SupercellSize,
    *,
    along: str = "c",
    k_max_per_angstrom: float = 0.0,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Return the views of a supercell's orderings that differ, and the groups that look alike.

    Parameters
    ----------
    lab : Connection
    parent : Path
        CIF of the parent crystal.
    supercell : three ints, or three rows of three ints
        Parent cells along each axis, or the supercell's axes in units of the parent's.
    along : str
        As `beam_fields`.
    k_max_per_angstrom : float
        Add kinematic structure factors up to this spatial frequency; 0 for none.
    on_progress : callable, optional
        Is called with how many of how many are there.

    Returns
    -------
    dict
        ``along``, ``candidates``, ``distinct``, ``projections``, ``patterns`` (counts), ``list``
        of the views, ``project_alike`` and ``homometric`` (groups of ids of more than one view).

    Raises
    ------
    CryolatticeError
        What is wrong with the crystal, the supercell or the directions.
    """
    request = modeler_pb2.EnumerateViewsRequest(
        parent_crystal=read_crystal(parent),
        supercell=supercell_message(supercell),
        k_max_per_angstrom=k_max_per_angstrom,
        **beam_fields(along),
    )
    counts = modeler_pb2.ViewCounts()
    views: list[dict[str, Any]] = []
    for response in lab.stream(lab.modeler.EnumerateViews, request):
        if response.HasField("counts"):
            counts = response.counts
            continue
        views.append(_document(response.view))
        if on_progress is not None:
            on_progress(len(views), counts.views)
    return {
        "along": along,
        "candidates": counts.candidates,
        "distinct": counts.views,
        "projections": counts.projections,
        "patterns": counts.patterns,
        "list": views,
        "project_alike": _groups(views, "projection"),
        "homometric": _groups(views, "pattern"),
    }


def _groups(views: list[dict[str, Any]], name: str) -> list[list[str]]:
    groups: dict[int, list[str]] = {}
    for view in views:
        groups.setdefault(view[name], []).append(view["id"])
    return [group for group in groups.values() if len(group) > 1]


def _document(view: modeler_pb2.View) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": view.id,
        "ordering_id": view.ordering_id,
        "zone_axis": _axis(view.zone_axis),
        "supercell": [view.supercell.a, view.supercell.b, view.supercell.c],
        "lengths_angstrom": list(view.lengths_angstrom),
        "gamma_deg": view.gamma_deg,
        "vacant_sites": [[site.x, site.y, site.z] for site in view.vacant_sites],
        "projection": view.projection,
        "pattern": view.pattern,
        "stands_for": [
            {"ordering_id": other.ordering_id, "zone_axis": _axis(other.zone_axis)}
            for other in view.stands_for
        ],
    }
    if view.reflections:
        document["reflections"] = [
            {
                "hk": [r.h, r.k],
                "k_per_angstrom": r.k_per_angstrom,
                "amplitude_angstrom": r.amplitude_angstrom,
                "phase_deg": r.phase_deg,
            }
            for r in view.reflections
        ]
    return document


def _axis(direction: modeler_pb2.Direction) -> list[int]:
    return [direction.u, direction.v, direction.w]
