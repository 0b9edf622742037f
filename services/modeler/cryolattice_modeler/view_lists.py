"""The list of views that a request asks for, as messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cryolattice.errors import InvalidInputError, LimitExceededError
from cryolattice_api.common.v1 import crystal_pb2
from cryolattice_api.modeler.v1 import modeler_pb2
from cryolattice_modeler.enumeration import read_parent, supercell_size
from cryolattice_modeler.jobs import beam_directions

if TYPE_CHECKING:
    from cryolattice_modeler.candidates import ViewedOrdering

CLASS_LIMIT = 20_000


@dataclass(frozen=True, eq=False)
class ViewList:
    """Views with the group of each.

    Attributes
    ----------
    counts : ViewCounts
    views : list of ViewedOrdering
    projections, patterns : list of int
        Of each view the number of its group.
    k_max_per_angstrom : float
        Of the structure factors; 0 for none.
    """

    counts: modeler_pb2.ViewCounts
    views: list[ViewedOrdering]
    projections: list[int]
    patterns: list[int]
    k_max_per_angstrom: float

    def message(self, index: int) -> modeler_pb2.View:
        """Return one view."""
        from cryolattice_modeler.orderings import sorted_rows  # noqa: PLC0415
        from cryolattice_modeler.structure_factors import structure_factors  # noqa: PLC0415
        from cryolattice_modeler.structures import cell_along_beam  # noqa: PLC0415

        item = self.views[index]
        view, ordering = item.view, item.ordering
        if ordering is None:
            raise ValueError("a list of views holds orderings alone")
        cell = cell_along_beam(view)
        a, b, c = (float(length) for length in np.linalg.norm(cell, axis=1))
        m, n, p = view.supercell
        message = modeler_pb2.View(
            id=item.view_id,
            ordering_id=item.ordering_id,
            zone_axis=_direction(view.zone_axis),
            supercell=crystal_pb2.Supercell(a=m, b=n, c=p),
            lengths_angstrom=[a, b, c],
            gamma_deg=float(np.degrees(np.arccos(cell[0] @ cell[1] / (a * b)))),
            vacant_sites=[
                crystal_pb2.Site(x=x, y=y, z=z)
                for x, y, z in sorted_rows(view.turn(ordering.vacant))
            ],
            projection=self.projections[index],
            pattern=self.patterns[index],
            stands_for=[
                modeler_pb2.ViewName(ordering_id=identifier, zone_axis=_direction(axis))
                for identifier, axis in item.stands_for
            ],
        )
        if self.k_max_per_angstrom:
            found = structure_factors(item, self.k_max_per_angstrom)
            message.reflections.extend(
                modeler_pb2.Reflection(
                    h=int(h),
                    k=int(k),
                    k_per_angstrom=float(frequency),
                    amplitude_angstrom=float(abs(factor)),
                    phase_deg=float(np.degrees(np.angle(factor))),
                )
                for (h, k), frequency, factor in zip(
                    found.hk, found.k_per_angstrom, found.factors_angstrom, strict=True
                )
            )
        return message


def compare(request: modeler_pb2.EnumerateViewsRequest) -> ViewList:
    """Enumerate the orderings and compare their views.

    Raises
    ------
    CryolatticeError
        What is wrong with the crystal, the supercell or the directions.
    LimitExceededError
        If there are more than 20,000 classes.
    """
    from cryolattice_modeler.candidates import (  # noqa: PLC0415
        distinct_views,
        equivalent_projections,
    )
    from cryolattice_modeler.counting import count_orderings  # noqa: PLC0415
    from cryolattice_modeler.orderings import enumerate_orderings  # noqa: PLC0415
    from cryolattice_modeler.structure_factors import homometric_groups  # noqa: PLC0415
    from cryolattice_modeler.supercell import disordered_supercell, in_supercell  # noqa: PLC0415

    request.zone_axes = request.zone_axes or modeler_pb2.ZONE_AXES_C
    k_max = request.k_max_per_angstrom
    if not 0 <= k_max < np.inf:
        raise InvalidInputError(
            f"k_max is {k_max:g} 1/angstrom: give a positive number such as 0.75",
            field="k_max_per_angstrom",
        )
    beam = beam_directions(request)
    parent = read_parent(request.parent_crystal)
    parent, sizes = in_supercell(parent, supercell_size(request.supercell))
    layout = disordered_supercell(parent, sizes)
    _, classes = count_orderings(parent, sizes)
    if classes > CLASS_LIMIT:
        raise LimitExceededError(
            f"the supercell has {classes:,} inequivalent orderings, above the limit of "
            f"{CLASS_LIMIT:,} for views: take a smaller supercell",
            field="supercell",
        )
    views = distinct_views(
        layout, enumerate_orderings(parent, sizes), zone_axes=beam, include_disordered=False
    )
    projections = equivalent_projections(views)
    patterns = homometric_groups(views)
    counts = modeler_pb2.ViewCounts(
        classes=classes,
        candidates=len(views) + sum(len(item.stands_for) for item in views),
        views=len(views),
        projections=len(projections),
        patterns=len(patterns),
    )
    return ViewList(counts, views, _numbers(projections), _numbers(patterns), k_max)


def _numbers(groups: list[list[int]]) -> list[int]:
    number = {index: place for place, group in enumerate(groups) for index in group}
    return [number[index] for index in range(len(number))]


def _direction(axis: tuple[int, int, int]) -> modeler_pb2.Direction:
    u, v, w = axis
    return modeler_pb2.Direction(u=u, v=v, w=w)
