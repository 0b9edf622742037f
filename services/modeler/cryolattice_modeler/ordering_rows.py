"""All classes of orderings as rows of arrays, a part at a time, from any row on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from cryolattice_modeler.canonical_frame import CanonicalFrame, canonical_frame
from cryolattice_modeler.orderings import named_group, occupant_layers, ordering_digest
from cryolattice_modeler.orderly import canonical_arrangements
from cryolattice_modeler.supercell import VACANCY, DisorderedSupercell

_ID_DIGITS = 16


@dataclass(frozen=True, eq=False)
class OrderingRows:
    """Some classes, one a row.

    Attributes
    ----------
    ids : (rows,) uint64 array
        The first sixteen hexadecimal digits of what `Ordering.ordering_id` has the first ten of:
        among millions, ten are not enough to tell all apart.
    multiplicities : (rows,) int32 array
    numbers : (rows, n) uint8 array
        Atomic number on every site, in the order of `OrderingTable.positions_angstrom`; 0 where
        it is vacant.
    """

    ids: NDArray[np.uint64]
    multiplicities: NDArray[np.int32]
    numbers: NDArray[np.uint8]


@dataclass(frozen=True)
class OrderingTable:
    """The classes of one supercell, in the order of `enumerate_orderings`."""

    layout: DisorderedSupercell

    @cached_property
    def _frame(self) -> CanonicalFrame:
        return canonical_frame(self.layout)

    @cached_property
    def _species(self) -> list[tuple[str, ...]]:
        parts = self._frame.sublattices
        return [part.species for part in parts for _ in range(part.start, part.stop)]

    @cached_property
    def _numbers(self) -> NDArray[np.uint8]:
        """Atomic number by site and code."""
        numbers = np.zeros((len(self._species), max(map(len, self._species))), dtype=np.uint8)
        for site, species in enumerate(self._species):
            for code, symbol in enumerate(species):
                numbers[site, code] = 0 if symbol == VACANCY else atomic_numbers[symbol]
        return numbers

    @property
    def positions_angstrom(self) -> NDArray[np.float64]:
        """The sites, (n, 3)."""
        inside = self.layout.fractional[np.argsort(self._frame.place)]
        return inside @ self.layout.parent.cell_angstrom

    def parts(self, size: int, behind: NDArray[np.uint8] | None = None) -> Iterator[OrderingRows]:
        """Yield rows, `size` at a time and what is left over at the end.

        Parameters
        ----------
        size : int
        behind : (n,) uint8 array, optional
            Numbers of a row: begin with the next one. With the first of all unless given.

        Yields
        ------
        OrderingRows
        """
        start = None
        if behind is not None:
            start = np.argmax(self._numbers == behind[:, None], axis=1).astype(np.uint8)
        group = named_group(self.layout, self._frame)
        codes = np.empty((0, len(self._species)), dtype=np.uint8)
        multiplicities = np.empty(0, dtype=np.int64)
        skipped = 0 if behind is None else 1
        for batch in canonical_arrangements(
            occupant_layers(self._frame), group, start, blocks=self._frame.blocks
        ):
            codes = np.concatenate([codes, batch.codes[skipped:]])
            multiplicities = np.concatenate([multiplicities, batch.multiplicities[skipped:]])
            skipped = 0
            while len(codes) >= size:
                yield self._rows(codes[:size], multiplicities[:size])
                codes, multiplicities = codes[size:], multiplicities[size:]
        if len(codes):
            yield self._rows(codes, multiplicities)

    def _rows(self, codes: NDArray[np.uint8], multiplicities: NDArray[np.int64]) -> OrderingRows:
        digests = (
            ordering_digest(
                self._frame,
                [species[code] for species, code in zip(self._species, row, strict=True)],
            )
            for row in codes.tolist()
        )
        return OrderingRows(
            np.array([int(digest[:_ID_DIGITS], 16) for digest in digests], dtype=np.uint64),
            multiplicities.astype(np.int32),
            self._numbers[np.arange(codes.shape[1]), codes],
        )
