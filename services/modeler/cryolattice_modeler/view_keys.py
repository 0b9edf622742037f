"""Keys by which views of a crystal are compared: two views with one key are one picture.

Patterns of occupants on the disordered sites are compared as *infinite* crystals: each is cut down
to its smallest periods (the same number of cells along both in-plane axes, which every in-plane
operation keeps), and the smallest of its images under the parent's operations that keep the beam's
line is the key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cryolattice_modeler.permutations import SiteAction, site_action
from cryolattice_modeler.views import Frame, View, require_comparable

_DENSITY_STEPS = 1_000_000


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
        require_comparable(view.layout, len(action.rotations) * (q * q * p) ** 2 * len(cut))
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
