"""Views of a crystal along the beam: which axes can be looked along.

A view has the axes (a, b, c) of the crystal permuted cyclically so that its third axis lies along
the beam.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError, LimitExceededError
from cryolattice_modeler.permutations import compatible, site_action
from cryolattice_modeler.supercell import DisorderedSupercell

ZoneAxes = Literal["c", "all"]
ZONE_AXES: tuple[str, ...] = get_args(ZoneAxes)

_CYCLIC = {"c": (0, 1, 2), "a": (1, 2, 0), "b": (2, 0, 1)}
_PERPENDICULAR_TOLERANCE = 1e-3  # cosine: 0.06 degrees
_MAX_TABLE_ENTRIES = 50_000_000


@dataclass(frozen=True, eq=False)
class Frame:
    """Axes in which the patterns of all views along equivalent directions are compared.

    Attributes
    ----------
    name : str
        The crystal axis along the beam.
    order : tuple of int
        ``order[i]`` is the crystal axis that becomes axis i of the frame.
    layout : DisorderedSupercell
    """

    name: str
    order: tuple[int, int, int]
    layout: DisorderedSupercell
    _spatial: dict[tuple[int, int], NDArray[np.int32]] = field(default_factory=dict, repr=False)
    _planar: dict[int, NDArray[np.int32]] = field(default_factory=dict, repr=False)

    @cached_property
    def columns(self) -> tuple[NDArray[np.float64], list[tuple[int, NDArray[np.int64]]]]:
        """Distinct in-plane positions of the disordered sites, and each site's column.

        A site lies at ``columns[column] + offset`` with a whole-numbered offset.
        """
        return _columns(self)


@dataclass(frozen=True, eq=False)
class View:
    """A choice of axes with the third along the beam.

    Attributes
    ----------
    name : str
        The crystal axis along the beam: ``"c"``, ``"a"`` or ``"b"``.
    order : tuple of int
        ``order[i]`` is the crystal axis that becomes axis i of the view.
    supercell : tuple of int
        Parent cells along the view's axes.
    layout : DisorderedSupercell
    frame : Frame
        Where the view is compared with others.
    source : (site, m, n, p) int array
        Which disordered site of the layout stands at each place of the frame.
    direction : tuple of int, optional
        Direction of the beam in the axes of the crystal as it was given, if the layout is in
        others.
    """

    name: str
    order: tuple[int, int, int]
    supercell: tuple[int, int, int]
    layout: DisorderedSupercell
    frame: Frame
    source: NDArray[np.int64]
    direction: tuple[int, int, int] | None = None

    @property
    def zone_axis(self) -> tuple[int, int, int]:
        """Direction of the beam in the supercell's own axes, or the `direction`."""
        if self.direction is not None:
            return self.direction
        x, y, z = (int(axis == self.order[2]) for axis in range(3))
        return x, y, z

    def turn(self, fractional: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rewrite coordinates (n, 3) along the crystal's axes as those along the view's."""
        return fractional[:, list(self.order)]


def views(layout: DisorderedSupercell, zone_axes: str) -> tuple[View, ...]:
    """Return the views to look along.

    ``"c"`` is the parent's c axis along the beam. Where the supercell's symmetry carries c onto a
    or b (a cubic supercell of a cubic parent), an ordering may lie with any of them along the
    beam, so those views are included too. ``"all"`` is all three axes of the supercell.

    Parameters
    ----------
    layout : DisorderedSupercell
    zone_axes : str
        ``"c"`` or ``"all"``.

    Returns
    -------
    tuple of View

    Raises
    ------
    InvalidInputError
        If `zone_axes` is unknown, or a beam axis is not perpendicular to the plane of the others.
    """
    if zone_axes not in ZONE_AXES:
        raise InvalidInputError(
            f"zone_axes is {zone_axes!r}: choose from {', '.join(ZONE_AXES)}", field="zone_axes"
        )
    rotations = layout.parent.rotations
    within = rotations[compatible(rotations, layout.supercell)]
    frames: list[Frame] = []
    chosen = []
    for name, order in _CYCLIC.items():
        if zone_axes != "all" and not _carries(within, order[2], 2).any():
            continue
        _require_perpendicular(layout, name, order)
        m, n, p = (layout.supercell[axis] for axis in order)
        frame, source = _compared_in(frames, Frame(name, order, layout))
        chosen.append(View(name, order, (m, n, p), layout, frame, source))
    return tuple(chosen)


def _carries(rotations: NDArray[np.int64], start: int, end: int) -> NDArray[np.bool_]:
    """Tell which rotations take one crystal axis onto another, up to its sign."""
    return np.all(np.abs(rotations[:, :, start]) == np.eye(3, dtype=np.int64)[end], axis=1)


def _compared_in(frames: list[Frame], own: Frame) -> tuple[Frame, NDArray[np.int64]]:
    """Choose the frame to compare a view in, and say which site stands where in it.

    A view along an axis that the parent's symmetry carries onto the beam axis of an earlier frame
    is carried over; otherwise it gets its own frame, which is added to the list.
    """
    layout, sizes = own.layout, np.array(own.layout.supercell)
    sites = np.arange(layout.site_count).reshape(-1, *layout.supercell)
    action = site_action(layout.parent, layout.parent_sites)
    for frame in frames:
        found = np.flatnonzero(_carries(action.rotations, own.order[2], frame.order[2]))
        if not len(found):
            continue
        g = found[0]
        # A cube of the least common multiple repeats the supercell whichever way it is turned.
        edge = int(np.lcm.reduce(sizes))
        require_comparable(layout, len(sites) * edge**3)
        cells = np.indices((edge, edge, edge)).reshape(3, -1).T
        source = np.empty((len(sites), edge, edge, edge), dtype=np.int64)
        for site, target in enumerate(action.target[g]):
            landed = (cells @ action.rotations[g].T + action.offset[g, site]) % edge
            source[target][tuple(landed.T)] = sites[site][tuple((cells % sizes).T)]
        return frame, source.transpose(0, *(1 + axis for axis in frame.order))
    frames.append(own)
    return own, sites.transpose(0, *(1 + axis for axis in own.order))


def _require_perpendicular(
    layout: DisorderedSupercell, name: str, order: tuple[int, int, int]
) -> None:
    vectors = layout.parent.cell_angstrom[list(order)]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit[:2] @ unit[2]
    if np.max(np.abs(cosines)) > _PERPENDICULAR_TOLERANCE:
        angles = ", ".join(f"{np.degrees(np.arccos(c)):.2f}" for c in cosines)
        raise InvalidInputError(
            f"the {name} axis of {layout.parent.name} makes angles of {angles} degrees with the "
            "other two: a view along the beam needs 90 degrees; "
            + (
                "give the parent in a setting with c perpendicular to a and b"
                if name == "c"
                else "look along c only (zone_axes c)"
            ),
            field="zone_axes",
        )


def require_comparable(layout: DisorderedSupercell, entries: int) -> None:
    """Refuse a table of images of so many entries with `LimitExceededError`."""
    if entries > _MAX_TABLE_ENTRIES:
        m, n, p = layout.supercell
        raise LimitExceededError(
            f"views of the supercell {m} {n} {p} repeat together only after too many cells to be "
            "compared: take sizes of which one is a multiple of the others, such as 2 2 1 or 4 2 1",
            field="supercell",
        )


def _columns(
    frame: Frame,
) -> tuple[NDArray[np.float64], list[tuple[int, NDArray[np.int64]]]]:
    fractional = frame.layout.parent.fractional[list(frame.layout.parent_sites)]
    positions = fractional[:, list(frame.order[:2])]
    columns: list[NDArray[np.float64]] = []
    column_of_site = []
    for position in positions:
        deltas = [position - known for known in columns]
        match = next((i for i, d in enumerate(deltas) if np.allclose(d, np.rint(d), atol=1e-3)), -1)
        if match < 0:
            columns.append(position)
            match, delta = len(columns) - 1, np.zeros(2)
        else:
            delta = deltas[match]
        column_of_site.append((match, np.rint(delta).astype(np.int64)))
    return np.array(columns), column_of_site
