"""Whole-numbered sublattices of a lattice: Hermite normal forms and the parent written in them."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from cryolattice_modeler.crystal import ParentCrystal, Site, canonical_position, triple

IntMatrix = NDArray[np.int64]


def hermite_normal_form(vectors: IntMatrix) -> IntMatrix:
    """Return the lower triangular basis of the lattice that vectors span.

    Parameters
    ----------
    vectors : (k, 3) int array
        Three or more, which do not all lie in a plane.

    Returns
    -------
    (3, 3) int array
        Rows (a, 0, 0), (b, c, 0), (d, e, f) with 0 <= b, d < a and 0 <= e < c: one for each
        lattice.
    """
    left = [[int(x) for x in vector] for vector in vectors]
    rows: list[list[int]] = []
    for column in (2, 1, 0):
        # Euclid's algorithm, until a single vector has anything in this column
        while True:
            usable = sorted((v for v in left if v[column]), key=lambda v: abs(v[column]))
            pivot = usable[0]
            if len(usable) == 1:
                break
            for vector in usable[1:]:
                factor = vector[column] // pivot[column]
                vector[:] = [x - factor * y for x, y in zip(vector, pivot, strict=True)]
        left = [vector for vector in left if vector is not pivot]
        rows.insert(0, pivot if pivot[column] > 0 else [-x for x in pivot])
    for place in (1, 2):
        for column in range(place - 1, -1, -1):
            factor = rows[place][column] // rows[column][column]
            rows[place] = [x - factor * y for x, y in zip(rows[place], rows[column], strict=True)]
    return np.array(rows, dtype=np.int64)


def cells_within(form: IntMatrix) -> IntMatrix:
    """Return one lattice point (cells, 3) for each coset of a sublattice, in C order.

    Parameters
    ----------
    form : (3, 3) int array
        A Hermite normal form.
    """
    return np.indices(tuple(np.diag(form))).reshape(3, -1).T.astype(np.int64)


def reduced(points: IntMatrix, form: IntMatrix) -> IntMatrix:
    """Move lattice points (..., 3) by vectors of the sublattice into `cells_within`."""
    moved = np.array(points, dtype=np.int64)
    for axis in (2, 1, 0):
        moved -= (moved[..., axis] // form[axis, axis])[..., None] * form[axis]
    return moved


def sublattices_of_index(index: int) -> list[IntMatrix]:
    """Return the Hermite normal forms of all sublattices with so many cells."""
    return [
        np.array([[a, 0, 0], [b, c, 0], [d, e, f]], dtype=np.int64)
        for a in range(index, 0, -1)
        if index % a == 0
        for c in range(index // a, 0, -1)
        if (index // a) % c == 0
        for f in (index // a // c,)
        for b in range(a)
        for d in range(a)
        for e in range(c)
    ]


def primitive_axes(parent: ParentCrystal) -> NDArray[np.float64]:
    """Return a basis (3, 3) of all translations of a crystal: rows, in units of its axes."""
    pure = np.all(parent.rotations == np.eye(3, dtype=np.int64), axis=(1, 2))
    shifts = parent.translations[pure]
    # there are as many translations modulo the cell as primitive cells in it, and their multiples
    # by that number are whole
    points = len(np.unique(np.round(shifts % 1.0, 4) % 1.0, axis=0))
    whole = np.rint(np.vstack([np.eye(3), shifts]) * points).astype(np.int64)
    return hermite_normal_form(whole) / points


def in_primitive_cell(parent: ParentCrystal) -> ParentCrystal:
    """Write a parent crystal in a primitive cell; its own one where that is primitive.

    Parameters
    ----------
    parent : ParentCrystal

    Returns
    -------
    ParentCrystal
    """
    axes = primitive_axes(parent)
    if np.linalg.det(axes) > 1 - 1e-6:
        return parent
    inverse = np.linalg.inv(axes)
    sites: dict[tuple[tuple[float, ...], tuple[tuple[str, Fraction], ...]], Site] = {}
    for site in parent.sites:
        position = canonical_position(np.array(site.fractional) @ inverse)
        place = tuple(round(x, 4) % 1.0 for x in position)
        sites.setdefault((place, site.occupants), carried(site, inverse, fractional=position))
    turned = np.einsum("ji,gjk,lk->gil", inverse, parent.rotations, axes)
    rotations, first = np.unique(np.rint(turned).astype(np.int64), axis=0, return_index=True)
    return dataclasses.replace(
        parent,
        cell_angstrom=_upright(axes @ parent.cell_angstrom),
        sites=tuple(sites[key] for key in sorted(sites)),
        rotations=rotations,
        translations=(parent.translations[first] @ inverse) % 1.0,
    )


def in_cell(parent: ParentCrystal, matrix: IntMatrix) -> ParentCrystal:
    """Write a parent crystal in a larger cell.

    Parameters
    ----------
    parent : ParentCrystal
    matrix : (3, 3) int array
        Rows are the new axes in units of the old ones; its determinant is above 0.

    Returns
    -------
    ParentCrystal
        With the operations that keep the new lattice, and every old translation.
    """
    basis = matrix
    size = round(float(np.linalg.det(basis)))
    adjugate = np.rint(np.linalg.inv(basis) * size).astype(np.int64)
    cells = cells_within(hermite_normal_form(basis))
    sites = []
    for site in parent.sites:
        for cell in cells:
            position = (np.array(site.fractional) + cell) @ adjugate / size
            place = canonical_position(position)
            sites.append(carried(site, adjugate / size, fractional=place))
    sites.sort(key=lambda s: (tuple(round(x, 4) for x in s.fractional), s.occupants, s.label))
    turned = np.einsum("ji,gjk,lk->gil", adjugate, parent.rotations, basis)
    keeps = np.all(turned % size == 0, axis=(1, 2))
    moved = (parent.translations[keeps][:, None] + cells) @ adjugate / size
    return dataclasses.replace(
        parent,
        cell_angstrom=_upright(basis @ parent.cell_angstrom),
        sites=tuple(sites),
        rotations=np.repeat(turned[keeps] // size, len(cells), axis=0),
        translations=(moved % 1.0).reshape(-1, 3),
    )


def carried(
    site: Site, change: NDArray[np.float64], *, fractional: tuple[float, float, float]
) -> Site:
    """Write a site and what is told from it in other axes: vectors are multiplied by `change`."""
    turned = [(e, triple(np.array(v) @ change)) for e, v in site.companions]
    way = None if site.to_middle is None else triple(np.array(site.to_middle) @ change)
    return dataclasses.replace(site, fractional=fractional, companions=tuple(turned), to_middle=way)


def _upright(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn a cell so that a lies along x and b in the xy plane."""
    upright: NDArray[np.float64] = np.linalg.cholesky(vectors @ vectors.T)
    upright[np.abs(upright) < 1e-9 * math.sqrt(np.trace(vectors @ vectors.T))] = 0.0
    return upright


def inequivalent_sublattices(parent: ParentCrystal, index: int) -> list[IntMatrix]:
    """Return one Hermite normal form for each class of sublattices under the parent's symmetry.

    Parameters
    ----------
    parent : ParentCrystal
        The sublattices are those of the lattice of its given cell.
    index : int
        Number of parent cells.

    Returns
    -------
    list of (3, 3) int array
        Rows in units of the parent's axes.
    """
    rotations = np.unique(parent.rotations, axis=0)
    seen: set[bytes] = set()
    found = []
    for form in sublattices_of_index(index):
        if form.tobytes() in seen:
            continue
        seen.update(hermite_normal_form(form @ rotation.T).tobytes() for rotation in rotations)
        found.append(form)
    return found
