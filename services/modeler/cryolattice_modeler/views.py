"""Views of a crystal along the beam: which axes can be looked along, and which views look alike.

A view has the axes (a, b, c) of the crystal permuted cyclically so that its third axis lies along
the beam. Patterns of occupants on the disordered sites are compared as *infinite* crystals: each
is cut down to its smallest periods (the same number of cells along both in-plane axes, which every
in-plane operation keeps), and the smallest of its images under the parent's operations that keep
the beam's line is the key. Two views with one key are one picture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError, LimitExceededError
from cryolattice_modeler.permutations import SiteAction, compatible, site_action
from cryolattice_modeler.supercell import DisorderedSupercell

ZoneAxes = Literal["c", "all"]
ZONE_AXES: tuple[str, ...] = get_args(ZoneAxes)

_CYCLIC = {"c": (0, 1, 2), "a": (1, 2, 0), "b": (2, 0, 1)}
_PERPENDICULAR_TOLERANCE = 1e-3  # cosine: 0.06 degrees
_DENSITY_STEPS = 1_000_000
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
        _require_comparable(layout, len(sites) * edge**3)
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


def view_key(view: View, codes: NDArray[np.uint8]) -> bytes:
    """Return a key that two views share exactly when they are the same crystal seen from the beam.

    Parameters
    ----------
    view : View
    codes : (n,) uint8 array
        A code for the occupant of every disordered site of the layout.

    Returns
    -------
    bytes
    """
    cut = _smallest_beam_period(_smallest_plane_period(codes[view.source]))
    q, p = cut.shape[1], cut.shape[3]
    cache = view.frame._spatial
    if (q, p) not in cache:
        action = _beam_action(view.frame)
        _require_comparable(view.layout, len(action.rotations) * (q * q * p) ** 2 * len(cut))
        cache[q, p] = _images(action, (q, q, p))
    least: bytes = min(row.tobytes() for row in cut.ravel()[cache[q, p]])
    return f"{view.frame.name} {q} {p} ".encode() + least


def projection_key(view: View, densities: NDArray[np.float64]) -> str:
    """Return a key that views share exactly when their projected columns are the same.

    Parameters
    ----------
    view : View
    densities : (element, n) array
        Occupation of every disordered site of the layout by each element.

    Returns
    -------
    str
        Sixteen hexadecimal digits: sites summed along the beam, per parent cell, up to in-plane
        symmetry and translation.
    """
    columns, column_of_site = view.frame.columns
    steps = np.rint(densities[:, view.source].mean(axis=-1) * _DENSITY_STEPS).astype(np.int64)
    plane = np.zeros((len(steps), len(columns), *steps.shape[2:]), dtype=np.int64)
    for site, (column, (i, j)) in enumerate(column_of_site):
        plane[:, column] += np.roll(steps[:, site], (int(i), int(j)), axis=(1, 2))
    # One whole number for each column says what all elements do there.
    values, coded = np.unique(plane.reshape(len(steps), -1), axis=1, return_inverse=True)
    pattern = coded.reshape(plane.shape[1:]).astype(np.uint16)[..., None]
    cut = _smallest_plane_period(pattern)
    q = cut.shape[1]
    cache = view.frame._planar
    if q not in cache:
        cache[q] = _plane_images(view.frame, columns, q)
    least = min(row.tobytes() for row in cut.ravel()[cache[q]])
    text = f"{view.frame.name} {q} ".encode() + values.tobytes() + least
    return hashlib.sha256(text).hexdigest()[:16]


def _smallest_plane_period[T: np.generic](pattern: NDArray[T]) -> NDArray[T]:
    """Cut a (site, m, n, p) pattern to the least q x q cells in the plane that repeat it."""
    m, n = pattern.shape[1:3]
    full = int(np.lcm(m, n))
    if m != full or n != full:
        pattern = np.tile(pattern, (1, full // m, full // n, 1))
    for q in range(1, full):
        if full % q == 0 and all(
            np.array_equal(pattern, np.roll(pattern, q, axis=axis)) for axis in (1, 2)
        ):
            return np.ascontiguousarray(pattern[:, :q, :q])
    return pattern


def _smallest_beam_period[T: np.generic](pattern: NDArray[T]) -> NDArray[T]:
    full = pattern.shape[3]
    for p in range(1, full):
        if full % p == 0 and np.array_equal(pattern, np.roll(pattern, p, axis=3)):
            return np.ascontiguousarray(pattern[..., :p])
    return pattern


def _require_comparable(layout: DisorderedSupercell, entries: int) -> None:
    if entries > _MAX_TABLE_ENTRIES:
        m, n, p = layout.supercell
        raise LimitExceededError(
            f"views of the supercell {m} {n} {p} repeat together only after too many cells to be "
            "compared: take sizes of which one is a multiple of the others, such as 2 2 1 or 4 2 1",
            field="supercell",
        )


def _beam_action(frame: Frame) -> SiteAction:
    """Return the parent's operations that keep the beam's line, in the frame's axes."""
    action = site_action(frame.layout.parent, frame.layout.parent_sites)
    order = list(frame.order)
    rotations = action.rotations[:, order][:, :, order]
    keep = (
        np.all(rotations[:, :2, 2] == 0, axis=1)
        & np.all(rotations[:, 2, :2] == 0, axis=1)
        & (np.abs(rotations[:, 2, 2]) == 1)
    )
    return SiteAction(rotations[keep], action.target[keep], action.offset[keep][..., order])


def _images(action: SiteAction, sizes: Sequence[int]) -> NDArray[np.int32]:
    """Return permutations (images, sites x cells) of a periodic pattern, translations included."""
    shape = tuple(sizes)
    cells = np.indices(shape).reshape(len(shape), -1).T
    blocks = []
    for rotation, target, offset in zip(
        action.rotations, action.target, action.offset, strict=True
    ):
        moved = cells @ rotation.T
        landed = moved[None, None] + offset[None, :, None] + cells[:, None, None, :]
        flat = np.ravel_multi_index(tuple(np.moveaxis(landed % np.array(shape), -1, 0)), shape)
        blocks.append(
            (target[None, :, None] * len(cells) + flat).reshape(len(cells), -1).astype(np.int32)
        )
    return np.unique(np.concatenate(blocks), axis=0)


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


def _plane_images(frame: Frame, columns: NDArray[np.float64], q: int) -> NDArray[np.int32]:
    """Return the in-plane images of columns: the beam-keeping operations, projected."""
    parent, order = frame.layout.parent, list(frame.order)
    rotations = parent.rotations[:, order][:, :, order]
    keep = np.all(rotations[:, :2, 2] == 0, axis=1) & np.all(rotations[:, 2, :2] == 0, axis=1)
    planar = rotations[keep][:, :2, :2]
    images = np.einsum("gij,cj->gci", planar, columns)
    images = images + parent.translations[keep][:, order][:, None, :2]
    gaps = images[:, :, None, :] - columns[None, None, :, :]
    target = np.argmin(np.abs(gaps - np.rint(gaps)).max(axis=-1), axis=2)
    offset = np.rint(images - columns[target]).astype(np.int64)
    return _images(SiteAction(planar, target, offset), (q, q))
