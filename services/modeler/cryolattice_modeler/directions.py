"""Views along any direction of the parent's lattice.

The crystal is rewritten in axes whose third is the beam and whose first two lie across it: then
the view along the new c axis is the view along the direction, and nothing else need know of it.
Directions that the parent's symmetry makes equal share one such setting, so that their views can be
compared; the ordering is carried into it by the operation.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.orderings import Ordering
from cryolattice_modeler.permutations import compatible
from cryolattice_modeler.sublattices import in_cell
from cryolattice_modeler.supercell import DisorderedSupercell, disordered_supercell
from cryolattice_modeler.views import Frame, View

Direction = tuple[int, int, int]

LOWEST_INDICES = 1
_PERPENDICULAR = 1e-3  # cosine: 0.06 degrees
_REACH = 6  # greatest index of the translations across the beam
_GREATEST_INDEX = 9
_SAME = 1e-4


@dataclass(frozen=True, eq=False)
class DirectedView:
    """A view along a direction, and where its sites are in the layout that was asked about.

    Attributes
    ----------
    view : View
        Along the third axis of `view.layout`, which is in the setting of the direction.
    home : (n,) int array
        For every disordered site of `view.layout` the site of the original layout that it repeats.
    """

    view: View
    home: NDArray[np.int64]

    def carried(self, ordering: Ordering | None) -> Ordering | None:
        """Rewrite an ordering of the original layout in the setting of the direction."""
        if ordering is None:
            return None
        occupants = tuple(ordering.occupants[site] for site in self.home)
        return replace(ordering, occupants=occupants, layout=self.view.layout)


def validate_direction(direction: Sequence[int]) -> Direction:
    """Return the direction in lowest terms, its first index that is not 0 positive.

    Raises
    ------
    InvalidInputError
        If it is not three whole numbers of at most 9, not all 0.
    """
    indices = [int(index) for index in direction]
    shown = " ".join(str(index) for index in indices)
    if len(indices) != 3 or indices != list(direction) or not any(indices):
        raise InvalidInputError(
            f"zone axis is [{shown}]: give three whole numbers that are not all 0, such as 1 1 0",
            field="directions",
        )
    divisor = math.gcd(*indices) * (1 if next(i for i in indices if i) > 0 else -1)
    u, v, w = (index // divisor for index in indices)
    if max(abs(u), abs(v), abs(w)) > _GREATEST_INDEX:
        raise InvalidInputError(
            f"zone axis is [{shown}]: give indices of at most {_GREATEST_INDEX}",
            field="directions",
        )
    return u, v, w


def low_index_directions(parent: ParentCrystal) -> list[Direction]:
    """Return the directions with indices of at most 1 that have a lattice plane across them."""
    steps = range(-LOWEST_INDICES, LOWEST_INDICES + 1)
    every = {validate_direction(d) for d in itertools.product(steps, repeat=3) if any(d)}
    ordered = sorted(every, key=lambda d: (sum(map(abs, d)), list(map(abs, d)), [-i for i in d]))
    return [d for d in ordered if _across(parent, d) is not None]


def directed_views(
    layout: DisorderedSupercell, directions: Sequence[Direction], *, with_equals: bool
) -> list[DirectedView]:
    """Return the views along directions.

    Parameters
    ----------
    layout : DisorderedSupercell
    directions : sequence of (int, int, int)
        In the parent's axes; opposite ones are one.
    with_equals : bool
        Add the directions that the supercell's own symmetry makes equal to a given one: a class of
        orderings shows its members along each of them.

    Returns
    -------
    list of DirectedView

    Raises
    ------
    InvalidInputError
        If a direction is all zeros, or no lattice plane lies across it.
    """
    wanted = list(dict.fromkeys(validate_direction(d) for d in directions))
    if with_equals:
        rotations = layout.parent.rotations
        own = rotations[compatible(rotations, layout.supercell)]
        wanted = list(
            dict.fromkeys(
                validate_direction(image)
                for d in wanted
                for image in [list(d), *sorted(((own @ d).tolist()), reverse=True)]
            )
        )
    settings: list[_Setting] = []
    found = []
    for direction in wanted:
        for setting in settings:
            g = _carrying(layout.parent, setting.direction, direction)
            if g is not None:
                break
        else:
            setting, g = _setting(layout.parent, direction), _identity(layout.parent)
            settings.append(setting)
        found.append(_directed(layout, direction, setting, g))
    return found


def _across(parent: ParentCrystal, direction: Direction) -> NDArray[np.int64] | None:
    """Return the two shortest translations across a direction, in units of the parent's axes."""
    beam = np.array(direction) @ parent.cell_angstrom
    steps = np.array(list(itertools.product(range(-_REACH, _REACH + 1), repeat=3)))
    vectors = steps @ parent.cell_angstrom
    lengths = np.linalg.norm(vectors, axis=1)
    cosines = np.abs(vectors @ beam) / np.maximum(lengths, _SAME) / np.linalg.norm(beam)
    chosen = np.flatnonzero((lengths > _SAME) & (cosines < _PERPENDICULAR))
    # of equally long ones the one along the earlier axis
    chosen = chosen[np.lexsort((*-steps[chosen].T[::-1], np.round(lengths[chosen], 6)))]
    if not len(chosen):
        return None
    a = chosen[0]
    aside = np.linalg.norm(np.cross(vectors[a], vectors[chosen]), axis=1) > _SAME
    # an obtuse angle where there is a choice, as in a hexagonal cell
    fits = [
        i
        for i in chosen[aside]
        if vectors[a] @ vectors[i] < _SAME and np.cross(vectors[a], vectors[i]) @ beam > 0
    ]
    return steps[[a, fits[0]]] if fits else None


@dataclass(frozen=True, eq=False)
class _Setting:
    """A direction's axes (rows, in units of the parent's) and the crystal in them."""

    direction: Direction
    axes: NDArray[np.int64]
    parent: ParentCrystal
    frames: list[Frame]


def _setting(parent: ParentCrystal, direction: Direction) -> _Setting:
    across = _across(parent, direction)
    if across is None:
        shown = " ".join(str(index) for index in direction)
        raise InvalidInputError(
            f"no lattice plane of {parent.name} lies across its direction [{shown}]: a view needs "
            "two short translations perpendicular to the beam; choose another zone axis",
            field="directions",
        )
    axes = np.array([*across, direction], dtype=np.int64)
    return _Setting(direction, axes, in_cell(parent, axes), [])


def _identity(parent: ParentCrystal) -> int:
    same = np.all(parent.rotations == np.eye(3, dtype=np.int64), axis=(1, 2))
    still = np.all(np.abs(parent.translations) < _SAME, axis=1)
    return int(np.flatnonzero(same & still)[0])


def _carrying(parent: ParentCrystal, start: Direction, end: Direction) -> int | None:
    """Return an operation that takes one direction to another; a turn rather than a mirror."""
    images = parent.rotations @ np.array(start)
    hits = np.flatnonzero(np.all(images == end, axis=1) | np.all(images == -np.array(end), axis=1))
    if not len(hits):
        return None
    turns = np.round(np.linalg.det(parent.rotations[hits])) > 0
    return int(hits[np.argmax(turns)])


def _directed(
    layout: DisorderedSupercell, direction: Direction, setting: _Setting, g: int
) -> DirectedView:
    rotation, translation = layout.parent.rotations[g], layout.parent.translations[g]
    sizes = np.array(layout.supercell)
    carried = setting.axes @ rotation.T
    m, n, p = (int(np.lcm.reduce(sizes // np.gcd(sizes, row))) for row in carried)
    own = disordered_supercell(setting.parent, (m, n, p))
    places = own.fractional @ carried + translation
    home = _indices(layout, places)
    name = "".join(str(index) for index in direction)
    if not setting.frames:
        setting.frames.append(Frame(name, (0, 1, 2), own))
    source = np.arange(own.site_count).reshape(-1, m, n, p)
    view = View(name, (0, 1, 2), (m, n, p), own, setting.frames[0], source, direction)
    return DirectedView(view, home)


def _indices(layout: DisorderedSupercell, places: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the disordered sites at places in units of the parent's axes."""
    offsets = layout.parent.fractional[list(layout.parent_sites)]
    gaps = places[:, None] - offsets[None]
    cells = np.rint(gaps)
    site = np.argmin(np.abs(gaps - cells).max(axis=-1), axis=1)
    cell = cells[np.arange(len(places)), site].astype(np.int64) % layout.supercell
    return np.asarray(
        site * layout.cell_count + np.ravel_multi_index(tuple(cell.T), layout.supercell),
        dtype=np.int64,
    )
