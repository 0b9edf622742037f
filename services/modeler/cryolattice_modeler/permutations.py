"""Symmetry of a supercell as permutations of its disordered sites, in whole numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import InvalidInputError
from cryolattice_modeler.crystal import ParentCrystal, separations_angstrom
from cryolattice_modeler.disorder import SAME_SITE_ANGSTROM
from cryolattice_modeler.supercell import DisorderedSupercell


@dataclass(frozen=True, eq=False)
class SiteAction:
    """How the parent's operations act on its disordered sites.

    Operation g takes the site s of the cell l to the site ``target[g, s]`` of the cell
    ``rotations[g] @ l + offset[g, s]``: whole numbers throughout.

    Attributes
    ----------
    rotations : (k, 3, 3) int array
    target : (k, s) int array
    offset : (k, s, 3) int array
    """

    rotations: NDArray[np.int64]
    target: NDArray[np.int64]
    offset: NDArray[np.int64]


def site_action(parent: ParentCrystal, parent_sites: Sequence[int]) -> SiteAction:
    """Work out where every operation of the parent takes the given sites.

    Parameters
    ----------
    parent : ParentCrystal
    parent_sites : sequence of int
        Whole orbits of the parent's sites.

    Returns
    -------
    SiteAction
    """
    positions = parent.fractional[list(parent_sites)]
    images = np.einsum("gij,sj->gsi", parent.rotations, positions) + parent.translations[:, None]
    target = np.empty(images.shape[:2], dtype=np.int64)
    # an ordered crystal has none of the sites
    for g, moved in enumerate(images if len(positions) else ()):
        gaps = separations_angstrom(positions, moved[:, None], parent.cell_angstrom)
        target[g] = np.argmin(gaps, axis=1)
        if np.any(gaps.min(axis=1) > SAME_SITE_ANGSTROM):
            raise InvalidInputError(
                f"{parent.name}: a symmetry operation moves a partially occupied site onto none: "
                "give the coordinates with more decimals",
                field="parent",
            )
    offset = np.rint(images - positions[target]).astype(np.int64)
    return SiteAction(parent.rotations, target, offset)


def compatible(rotations: NDArray[np.int64], supercell: Sequence[int]) -> NDArray[np.bool_]:
    """Tell which rotations map the supercell's lattice to itself.

    R keeps the lattice diag(m, n, p) Z^3 when R_ij s_j is a multiple of s_i for all i and j.

    Parameters
    ----------
    rotations : (k, 3, 3) int array
        In fractions of the parent cell.
    supercell : sequence of int

    Returns
    -------
    (k,) bool array
    """
    sizes = np.asarray(supercell, dtype=np.int64)
    return np.all((rotations * sizes[None, None, :]) % sizes[None, :, None] == 0, axis=(1, 2))


def permutation_blocks(layout: DisorderedSupercell) -> Iterator[NDArray[np.int64]]:
    """Yield the supercell's symmetry as permutations, one block for each compatible operation.

    The group is that of the operations of the parent which keep the supercell's lattice, times
    the parent's lattice translations modulo the supercell.

    Parameters
    ----------
    layout : DisorderedSupercell

    Yields
    ------
    (translations, n) int array
        Row by row where each site goes.
    """
    action = site_action(layout.parent, layout.parent_sites)
    sizes = np.asarray(layout.supercell)
    cells = layout.cells
    for g in np.flatnonzero(compatible(action.rotations, layout.supercell)):
        moved = cells @ action.rotations[g].T
        landed = moved[None, None] + action.offset[g][None, :, None] + cells[:, None, None, :]
        flat = np.ravel_multi_index(tuple(np.moveaxis(landed % sizes, -1, 0)), layout.supercell)
        sites = action.target[g][None, :, None] * layout.cell_count + flat
        yield sites.reshape(len(cells), -1)


def permutation_group(layout: DisorderedSupercell) -> NDArray[np.int32]:
    """Return the distinct permutations of the disordered sites, (order, n), sorted.

    Parameters
    ----------
    layout : DisorderedSupercell

    Returns
    -------
    (order, n) int32 array
    """
    blocks = [block.astype(np.int32) for block in permutation_blocks(layout)]
    return np.unique(np.concatenate(blocks), axis=0)


def translation_group(layout: DisorderedSupercell) -> NDArray[np.int32]:
    """Return the parent's translations as permutations (cells, n), the identity first.

    Parameters
    ----------
    layout : DisorderedSupercell

    Returns
    -------
    (cells, n) int32 array
        Of the primitive cells in the supercell.
    """
    pure = np.all(layout.parent.rotations == np.eye(3, dtype=np.int64), axis=(1, 2))
    kept = compatible(layout.parent.rotations, layout.supercell)
    blocks = [
        block.astype(np.int32)
        for block, is_translation in zip(permutation_blocks(layout), pure[kept], strict=True)
        if is_translation
    ]
    return np.unique(np.concatenate(blocks), axis=0)
