"""Names of the disordered sites that do not depend on how a crystal was written down.

The crystal itself offers frames: shortest primitive axes, with the origin on an atom of its rarest
kind. Those in which the list of atoms reads least are one another's images under the space group.
Of these the one is taken in which the supercell's lattice has the greatest Hermite normal form.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryolattice_modeler.crystal import ParentCrystal, Site
from cryolattice_modeler.sublattices import (
    IntMatrix,
    cells_within,
    hermite_normal_form,
    primitive_axes,
    reduced,
)
from cryolattice_modeler.supercell import DisorderedSupercell, Sublattice
from cryolattice_modeler.symmetry import reduced_axes

# Lengths that differ by less are equal; so are fractional coordinates.
_LENGTH_TOLERANCE_ANGSTROM = 0.02
_POSITION_TOLERANCE = 2e-3
# Bins of a coordinate, such that common fractions lie in the middle of theirs.
_BINS = 48


@dataclass(frozen=True, eq=False)
class CanonicalFrame:
    """The supercell's disordered sites under their own names.

    Attributes
    ----------
    place : (n,) int array
        Number in the frame of every site of the layout. Sublattice by sublattice.
    sublattices : tuple of Sublattice
        In the frame's order, with its ranges.
    description : str
        Which sites are ordered and with what, without lengths: strain keeps it.
    blocks : (n,) int array
        Of the sites by their numbers here, as `DisorderedSupercell.blocks`.
    """

    place: NDArray[np.int64]
    sublattices: tuple[Sublattice, ...]
    description: str
    blocks: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Frame:
    """Primitive axes (rows, in the parent's) and an origin, in fractions of the parent's cell."""

    axes: NDArray[np.float64]
    origin: NDArray[np.float64]


def canonical_frame(layout: DisorderedSupercell) -> CanonicalFrame:
    """Find the frame of a supercell.

    Parameters
    ----------
    layout : DisorderedSupercell

    Returns
    -------
    CanonicalFrame
    """
    parent = layout.parent
    edges = np.diag(layout.supercell)
    forms = []
    for frame in _least_frames(parent):
        inverse = np.linalg.inv(frame.axes)
        form = hermite_normal_form(np.rint(edges @ inverse).astype(np.int64))
        forms.append((tuple(np.diag(form)), tuple(-form[[1, 2, 2], [0, 0, 1]]), frame, form))
    *_, frame, form = max(forms, key=lambda item: item[:2])
    return _named(layout, frame, form)


def _named(layout: DisorderedSupercell, frame: _Frame, form: IntMatrix) -> CanonicalFrame:
    inverse = np.linalg.inv(frame.axes)
    positions = (layout.fractional - frame.origin) @ inverse
    whole = np.floor(positions + _POSITION_TOLERANCE)
    inside = positions - whole
    bins = _bins(inside)
    cells = reduced(whole.astype(np.int64), form)
    order = np.ravel_multi_index(tuple(cells.T), tuple(np.diag(form)))

    ranked = []
    for sublattice in layout.sublattices:
        members = np.arange(sublattice.start, sublattice.stop)
        sites = sorted({tuple(row) for row in bins[members].tolist()})
        shares = [
            [s, str(share)] for s, share in zip(sublattice.species, sublattice.shares, strict=True)
        ]
        ranked.append((sites, shares, sublattice, members))
    ranked.sort(key=lambda item: item[:2])

    place = np.empty(layout.site_count, dtype=np.int64)
    sublattices, texts, start = [], [], 0
    for sites, _, sublattice, members in ranked:
        within = members[np.lexsort((order[members], *bins[members].T[::-1]))]
        place[within] = np.arange(start, start + len(within))
        stop = start + len(within)
        sublattices.append(
            Sublattice(
                sublattice.label,
                start,
                stop,
                sublattice.species,
                sublattice.counts,
                sublattice.shares,
            )
        )
        per_site = len(cells_within(form))
        texts += [
            [f"{max(x, 0.0) + 1e-6:.3f}" for x in inside[within[i * per_site]]]
            for i in range(len(sites))
        ]
        start = stop
    diagonal = np.array_equal(form, np.diag(np.diag(form)))
    size = [int(n) for n in np.diag(form)] if diagonal else form.tolist()
    description: list[Any] = [size, texts, [shares for _, shares, *_ in ranked]]
    groups = sorted(
        [element for element, _ in layout.parent.sites[index].companions]
        for index in layout.parent_sites
        if layout.parent.sites[index].companions
    )
    if groups:
        description.append(groups)
    blocks = np.empty_like(layout.blocks)
    blocks[place] = layout.blocks
    text = json.dumps(description, separators=(",", ":"))
    return CanonicalFrame(place, tuple(sublattices), text, blocks)


def _bins(inside: NDArray[np.float64]) -> NDArray[np.int64]:
    bins: NDArray[np.int64] = np.floor(inside * _BINS + 0.5).astype(np.int64) % _BINS
    return bins


def _least_frames(parent: ParentCrystal) -> list[_Frame]:
    kinds = sorted({_kind(site) for site in parent.sites})
    kind = np.array([kinds.index(_kind(site)) for site in parent.sites])
    counts = np.bincount(kind)
    anchor = int(np.argmin(counts))
    primitive = primitive_axes(parent)
    origins = parent.fractional[kind == anchor]
    frames = [
        _Frame(axes, origin)
        for axes in _shortest_axes(primitive, parent.cell_angstrom)
        for origin in origins
    ]
    rows = []
    for frame in frames:
        inside = (parent.fractional - frame.origin) @ np.linalg.inv(frame.axes)
        inside -= np.floor(inside + _POSITION_TOLERANCE)
        bins = _bins(inside)
        listed = np.lexsort((*bins.T[::-1], kind))
        rows.append(np.concatenate([bins[listed].ravel(), inside[listed].ravel()]))
    return [frames[i] for i in _least(np.array(rows), _POSITION_TOLERANCE)]


def _least(rows: NDArray[np.float64], tolerance: float) -> NDArray[np.int64]:
    """Return which rows come first in lexicographic order, equals included."""
    alive = np.arange(len(rows))
    for column in range(rows.shape[1]):
        values = rows[alive, column]
        alive = alive[values <= values.min() + tolerance]
        if len(alive) == 1:
            break
    return alive


def _kind(site: Site) -> tuple[tuple[str, str], ...]:
    return tuple((symbol, str(share)) for symbol, share in site.occupants)


def _shortest_axes(
    primitive: NDArray[np.float64], cell_angstrom: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Return the right-handed bases of shortest vectors whose angles come first."""
    reduced_cell = reduced_axes(primitive @ cell_angstrom)
    steps = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    vectors = steps @ reduced_cell
    lengths = np.linalg.norm(vectors, axis=1)
    wanted = np.sort(np.linalg.norm(reduced_cell, axis=1))
    choices = [vectors[np.abs(lengths - length) < _LENGTH_TOLERANCE_ANGSTROM] for length in wanted]
    volume = abs(np.linalg.det(reduced_cell))
    bases = [
        basis
        for basis in map(np.array, itertools.product(*choices))
        if abs(np.linalg.det(basis) - volume) < 1e-3 * volume
    ]
    angles = []
    for basis in bases:
        unit = basis / np.linalg.norm(basis, axis=1, keepdims=True)
        cosines = [unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]]
        angles.append([float(np.abs(cosines).sum()), *cosines])
    first = _least(np.array(angles), 1e-3)
    inverse = np.linalg.inv(cell_angstrom)
    return [bases[i] @ inverse for i in first]
