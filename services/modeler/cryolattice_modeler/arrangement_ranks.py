"""Arrangements of occupants as consecutive whole numbers, and back.

An arrangement puts given numbers of each occupant on the sites of each sublattice. Choosing the
sites of one occupant is a combination; combinations are ranked in the combinatorial number system
(Knuth, The Art of Computer Programming 4A, 7.2.1.3), and the ranks of successive choices are the
digits of a mixed-radix number. All arrangements are then 0 ... total - 1 without a gap, which lets
a bit for each of them remember what has been seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryolattice_modeler.supercell import DisorderedSupercell

Placement = list[NDArray[np.int64]]
"""For each layer the sites it occupies: (rows, sites) arrays of indices, in any order."""


@dataclass(frozen=True, eq=False)
class _Layer:
    """One occupant of one sublattice, chosen among the sites that earlier layers left."""

    start: int
    free: int
    chosen: int
    code: int
    earlier: tuple[int, ...]
    binomials: NDArray[np.int64]  # [site, chosen so far] = C(site, chosen so far)

    @property
    def radix(self) -> int:
        return math.comb(self.free, self.chosen)


class ArrangementRanks:
    """Numbers every arrangement of a supercell.

    Parameters
    ----------
    layout : DisorderedSupercell
        Its total number of arrangements must stay below 2^62.
    """

    def __init__(self, layout: DisorderedSupercell) -> None:
        self._site_count = layout.site_count
        self._layers: list[_Layer] = []
        for sublattice in layout.sublattices:
            free = sublattice.stop - sublattice.start
            earlier: tuple[int, ...] = ()
            for code, count in enumerate(sublattice.counts):
                if code == 0:
                    continue  # the commonest occupant takes what is left
                table = [[math.comb(n, k) for k in range(count + 1)] for n in range(free)]
                binomials = np.array(table, dtype=np.int64)
                self._layers.append(_Layer(sublattice.start, free, count, code, earlier, binomials))
                earlier = (*earlier, len(self._layers) - 1)
                free -= count
        self.total = math.prod(layer.radix for layer in self._layers)

    def rank(self, placement: Placement) -> NDArray[np.int64]:
        """Return the number of each arrangement.

        Parameters
        ----------
        placement : list of (rows, sites) int arrays
            One array a layer.

        Returns
        -------
        (rows,) int array
        """
        total = np.zeros(len(placement[0]), dtype=np.int64)
        for layer, sites in zip(self._layers, placement, strict=True):
            relative = sites - layer.start
            for before in layer.earlier:
                relative -= (placement[before][:, None, :] < sites[:, :, None]).sum(axis=2)
            relative.sort(axis=1)
            digit = layer.binomials[relative, np.arange(1, layer.chosen + 1)].sum(axis=1)
            total = total * layer.radix + digit
        return total

    def place(self, ranks: NDArray[np.int64]) -> Placement:
        """Return the arrangements with the given numbers; the inverse of `rank`.

        Parameters
        ----------
        ranks : (rows,) int array

        Returns
        -------
        list of (rows, sites) int arrays
        """
        digits: list[NDArray[np.int64]] = []
        rest = ranks.astype(np.int64)
        for layer in reversed(self._layers):
            digits.append(rest % layer.radix)
            rest = rest // layer.radix
        placement: Placement = []
        for layer, digit in zip(self._layers, reversed(digits), strict=True):
            sites = _combination(layer, digit)
            if layer.earlier:
                taken = np.sort(
                    np.concatenate([placement[i] for i in layer.earlier], axis=1), axis=1
                )
                for column in (taken - layer.start).T:
                    sites += column[:, None] <= sites
            placement.append(sites + layer.start)
        return placement

    def codes(self, placement: Placement) -> NDArray[np.uint8]:
        """Write arrangements out as the occupant's code on every site.

        Parameters
        ----------
        placement : list of (rows, sites) int arrays

        Returns
        -------
        (rows, n) uint8 array
            Indices into each sublattice's `species`.
        """
        written = np.zeros((len(placement[0]), self._site_count), dtype=np.uint8)
        for layer, sites in zip(self._layers, placement, strict=True):
            np.put_along_axis(written, sites, np.uint8(layer.code), axis=1)
        return written


def _combination(layer: _Layer, digit: NDArray[np.int64]) -> NDArray[np.int64]:
    """Greedy decoding: the largest site whose binomial does not exceed what is left."""
    sites = np.empty((len(digit), layer.chosen), dtype=np.int64)
    rest = digit.copy()
    for k in range(layer.chosen, 0, -1):
        column = layer.binomials[:, k]
        sites[:, k - 1] = np.searchsorted(column, rest, side="right") - 1
        rest -= column[sites[:, k - 1]]
    return sites
