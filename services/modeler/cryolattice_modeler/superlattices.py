"""Orderings in every supercell up to a size, each in the smallest cell that holds it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryolattice.errors import CompositionError, InvalidInputError, LimitExceededError
from cryolattice_modeler.counting import count_classes, total_orderings
from cryolattice_modeler.crystal import ParentCrystal
from cryolattice_modeler.orderings import MAX_CLASSES, Ordering, enumerate_orderings
from cryolattice_modeler.sublattices import (
    IntMatrix,
    in_primitive_cell,
    inequivalent_sublattices,
    primitive_axes,
)
from cryolattice_modeler.supercell import cells_for_composition, disordered_supercell

MAX_INDEX = 12


@dataclass(frozen=True, eq=False)
class Superlattice:
    """A supercell that no operation of the parent turns into another one of the list.

    Attributes
    ----------
    parent : ParentCrystal
        In its primitive cell.
    primitive_axes : (3, 3) array
        That cell's axes in units of the given one's.
    matrix : (3, 3) int array
        Rows are the supercell's axes in units of the primitive cell's.
    index : int
        Number of primitive cells.
    total, classes : int
        Orderings, and classes of them, those of smaller cells included.
    """

    parent: ParentCrystal
    primitive_axes: NDArray[np.float64]
    matrix: IntMatrix
    index: int
    total: int
    classes: int

    def orderings(self) -> Iterator[Ordering]:
        """Yield the classes of those orderings that no smaller supercell holds."""
        return enumerate_orderings(
            self.parent, self.matrix, limit=self.classes, primitive_only=True
        )


def superlattices(
    parent: ParentCrystal, up_to_index: int, *, limit: int | None = MAX_CLASSES
) -> list[Superlattice]:
    """List the inequivalent supercells that hold the parent's composition.

    Parameters
    ----------
    parent : ParentCrystal
    up_to_index : int
        Greatest number of primitive cells, 1 to 12.
    limit : int, optional
        Refuse more classes than this in all of them together.

    Returns
    -------
    list of Superlattice
        In order of their size. Taken together, the orderings of each are all orderings of the
        crystal with so many cells in their primitive cell, each once.

    Raises
    ------
    InvalidInputError
        If the index is out of range.
    CompositionError
        If no supercell up to this size holds the composition.
    LimitExceededError
        If there are more than `limit` classes.
    """
    if not 1 <= up_to_index <= MAX_INDEX:
        raise InvalidInputError(
            f"up_to_index is {up_to_index}: give a number of primitive cells from 1 to {MAX_INDEX}",
            field="up_to_index",
        )
    primitive, axes = in_primitive_cell(parent), primitive_axes(parent)
    step = cells_for_composition(primitive)
    if step > up_to_index:
        works = (
            f"take up_to_index {step} or more"
            if step <= MAX_INDEX
            else f"that is above the limit of {MAX_INDEX}, so write the occupancy as a fraction "
            "that smaller ones can meet, or name one supercell"
        )
        raise CompositionError(
            f"{parent.name}: no supercell of up to {up_to_index} primitive cells holds its "
            f"composition in whole atoms: it takes a multiple of {step} cells; {works}",
            field="up_to_index",
            metadata={"multiple_of_cells": str(step)},
        )
    found = []
    for index in range(step, up_to_index + 1, step):
        for matrix in inequivalent_sublattices(primitive, index):
            layout = disordered_supercell(primitive, matrix)
            found.append(
                Superlattice(
                    primitive, axes, matrix, index, total_orderings(layout), count_classes(layout)
                )
            )
            together = sum(item.classes for item in found)
            if limit is not None and together > limit:
                raise LimitExceededError(
                    f"the supercells of up to {index} primitive cells have more than {together:,} "
                    f"classes of orderings, above the limit of {limit:,}: take up_to_index "
                    f"{index - step} or raise the limit",
                    field="up_to_index",
                    metadata={"classes": str(together), "limit": str(limit)},
                )
    return found
