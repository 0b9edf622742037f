"""Which views of which orderings are worth simulating, and which of them project alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.directions import Direction, directed_views, low_index_directions
from cryolattice_modeler.orderings import Ordering
from cryolattice_modeler.supercell import VACANCY, DisorderedSupercell
from cryolattice_modeler.view_keys import projection_key, view_key
from cryolattice_modeler.views import View, views

DISORDERED = "disordered"
"""Ordering id of the parent with its mean occupancies."""

LOW_INDEX = "low-index"
"""Chooses every direction with indices of at most 1."""

_DISORDERED_CODE = 255  # no element has it
_NOTHING_TO_ORDER = 16 * "0"  # projection key where there is one arrangement


class Projected(Protocol):
    """Anything that knows the key of its projected columns."""

    @property
    def projection_key(self) -> str:
        """Equal for what projects alike along the beam."""
        ...


@dataclass(frozen=True, eq=False)
class ViewedOrdering:
    """An ordering (None: the disordered parent) in a view, and what else looks the same."""

    ordering: Ordering | None
    view: View
    stands_for: tuple[tuple[str, tuple[int, int, int]], ...]

    @property
    def ordering_id(self) -> str:
        """The ordering's id, or `DISORDERED`."""
        return self.ordering.ordering_id if self.ordering else DISORDERED

    @property
    def view_id(self) -> str:
        """The ordering's id and the axis along the beam, such as ``o-0123456789-c``."""
        return f"{self.ordering_id}-{self.view.name}"

    @cached_property
    def projection_key(self) -> str:
        """Equal for views whose projected columns are the same up to in-plane symmetry."""
        if not self.view.layout.sublattices:
            return _NOTHING_TO_ORDER
        weights = site_weights(self.ordering, self.view.layout)
        return projection_key(self.view, np.array(list(weights.values())))


def distinct_views(
    layout: DisorderedSupercell,
    orderings: Iterable[Ordering],
    *,
    zone_axes: str | Sequence[Direction],
    include_disordered: bool,
) -> list[ViewedOrdering]:
    """List the views that differ when seen from the beam, without building their atoms.

    Parameters
    ----------
    layout : DisorderedSupercell
    orderings : iterable of Ordering
        Of that layout.
    zone_axes : str or sequence of (int, int, int)
        ``"c"``, ``"all"``, ``"low-index"`` for every direction with indices of at most 1, or
        directions in the parent's axes, each with those that the supercell's symmetry makes equal.
    include_disordered : bool

    Returns
    -------
    list of ViewedOrdering
        The disordered crystal first, then the orderings along c, a and b, or along the
        directions.
    """
    ordered = list(orderings)
    for ordering in ordered:
        if ordering.layout.supercell != layout.supercell:
            raise InvalidInputError(
                f"ordering {ordering.ordering_id} belongs to the supercell "
                f"{ordering.layout.supercell}, not to {layout.supercell}",
                field="supercell",
            )
    subjects: list[Ordering | None] = [None, *ordered] if include_disordered else [*ordered]
    found: dict[bytes, list[tuple[Ordering | None, View]]] = {}
    if isinstance(zone_axes, str) and zone_axes != LOW_INDEX:
        for view in views(layout, zone_axes):
            for subject in subjects:
                key = view_key(view, _codes(subject, layout))
                found.setdefault(key, []).append((subject, view))
    else:
        low = isinstance(zone_axes, str)
        chosen = low_index_directions(layout.parent) if isinstance(zone_axes, str) else zone_axes
        for directed in directed_views(layout, chosen, with_equals=not low):
            view = directed.view
            for subject in subjects:
                carried = directed.carried(subject)
                key = view_key(view, _codes(carried, view.layout))
                found.setdefault(key, []).append((carried, view))
    distinct = []
    for (first, view), *others in found.values():
        same = tuple((o.ordering_id if o else DISORDERED, v.zone_axis) for o, v in others)
        distinct.append(ViewedOrdering(first, view, same))
    return distinct


def equivalent_projections(models: Sequence[Projected]) -> list[list[int]]:
    """Group models that no picture along the beam can tell apart by its columns.

    Parameters
    ----------
    models : sequence of Model or ViewedOrdering

    Returns
    -------
    list of list of int
        Indices of the models with the same occupation of the columns along the beam, up to
        in-plane symmetry and translation, in order of first appearance.
    """
    groups: dict[str, list[int]] = {}
    for index, model in enumerate(models):
        groups.setdefault(model.projection_key, []).append(index)
    return list(groups.values())


def _codes(ordering: Ordering | None, layout: DisorderedSupercell) -> NDArray[np.uint8]:
    if ordering is None:
        return np.full(layout.site_count, _DISORDERED_CODE, dtype=np.uint8)
    return np.array([atomic_numbers.get(o, 0) for o in ordering.occupants], dtype=np.uint8)


def site_weights(
    ordering: Ordering | None, layout: DisorderedSupercell
) -> dict[str, NDArray[np.float64]]:
    """Return the occupation, 0 to 1, of every disordered site by each element.

    Parameters
    ----------
    ordering : Ordering or None
        None for the disordered crystal with its mean occupancies.
    layout : DisorderedSupercell

    Returns
    -------
    dict of str to (n,) array
    """
    symbols = sorted({s for lattice in layout.sublattices for s in lattice.species} - {VACANCY})
    weights = {symbol: np.zeros(layout.site_count) for symbol in symbols}
    if ordering is not None:
        for index, symbol in enumerate(ordering.occupants):
            if symbol != VACANCY:
                weights[symbol][index] = 1.0
        return weights
    for lattice in layout.sublattices:
        for symbol, share in zip(lattice.species, lattice.shares, strict=True):
            if symbol != VACANCY:
                weights[symbol][lattice.start : lattice.stop] = float(share)
    return weights
