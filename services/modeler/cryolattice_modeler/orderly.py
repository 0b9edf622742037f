"""Arrangements up to symmetry, one after the other, without remembering what has been seen.

Orderly generation (Read, Annals of Discrete Mathematics 2 (1978) 107): of each orbit of k-subsets
the member whose complement is the greatest binary number (bit i for site i) stands for it. Taking
the lowest site away from such a complement leaves one that is greatest in its own orbit, so that
each is reached once by adding sites downwards, and whatever is not greatest is dropped at once with
all that would come of it. Several occupants are placed in turn, each up to the symmetry that the
earlier ones leave.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Nodes of the search tree looked at together, and images computed at once: they bound the memory.
_NODES_AT_ONCE = 8192
_IMAGES_AT_ONCE = 65536
_TABLE_BYTES = 2**25
_WORD = 64


@dataclass(frozen=True)
class Layer:
    """One occupant to be placed.

    Attributes
    ----------
    start, stop : int
        Range of the sites it may take, as far as earlier layers left them free.
    chosen : int
        How many it takes.
    code : int
        What is written on them; above 0.
    """

    start: int
    stop: int
    chosen: int
    code: int


@dataclass(frozen=True, eq=False)
class Arrangements:
    """Representatives of some classes.

    Attributes
    ----------
    codes : (rows, n) uint8 array
        The occupant's code on every site; 0 where no layer put one.
    multiplicities : (rows,) int array
        Members of each class.
    """

    codes: NDArray[np.uint8]
    multiplicities: NDArray[np.int64]


def canonical_arrangements(
    layers: Sequence[Layer],
    group: NDArray[np.int32],
    start: NDArray[np.uint8] | None = None,
    *,
    blocks: NDArray[np.int64] | None = None,
) -> Iterator[Arrangements]:
    """Yield one arrangement of each class, in batches, in a fixed order.

    Parameters
    ----------
    layers : sequence of Layer
    group : (order, n) int array
        The distinct permutations of a group: where each site goes.
    start : (n,) uint8 array, optional
        Codes of one of the arrangements: those before it are passed over, without being made.
    blocks : (n,) int array, optional
        Sites with the same number from 0 exclude each other: at most one of them is taken.

    Yields
    ------
    Arrangements
        In rising order of (the first layer's sites as a binary number, the second's, ...), of which
        each is the least of its class.
    """
    codes = np.zeros(group.shape[1], dtype=np.uint8)
    if blocks is None:
        blocks = np.full(len(codes), -1)
    for rows, stabilisers in _fill(list(layers), group, codes, start, blocks):
        yield Arrangements(rows, len(group) // stabilisers)


def _fill(
    layers: list[Layer],
    group: NDArray[np.int32],
    codes: NDArray[np.uint8],
    start: NDArray[np.uint8] | None,
    blocks: NDArray[np.int64],
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    if not layers:
        yield codes[None], np.array([len(group)])
        return
    layer, *rest = layers
    closed = (codes > 0) | ((blocks >= 0) & np.isin(blocks, blocks[codes > 0]))
    free = layer.start + np.flatnonzero(~closed[layer.start : layer.stop])
    place = np.full(len(codes), -1)
    place[free] = np.arange(len(free))
    first = None if start is None else start[free] == layer.code
    for subsets, fixing in _canonical_subsets(
        place[group[:, free]], layer.chosen, first, blocks[free]
    ):
        written = np.repeat(codes[None], len(subsets), axis=0)
        inside = written[:, free]
        inside[subsets] = layer.code
        written[:, free] = inside
        if not rest:
            yield written, fixing.sum(axis=0)
            continue
        for subset, row, kept in zip(subsets, written, fixing.T, strict=True):
            begins = first is not None and np.array_equal(subset, first)
            yield from _fill(rest, group[kept], row, start if begins else None, blocks)


def _canonical_subsets(
    group: NDArray[np.int64],
    chosen: int,
    first: NDArray[np.bool_] | None,
    blocks: NDArray[np.int64],
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield (rows, n) members and (order, rows) operations that keep each subset."""
    sites = group.shape[1]
    left_out = sites - chosen
    if left_out < 0:
        return
    images = _Images(group)
    exclusive = blocks[None, :] == np.unique(blocks[blocks >= 0])[:, None]
    bits = np.zeros((sites, images.words), dtype=np.uint64)
    number = np.arange(sites)
    bits[number, number // _WORD] = np.uint64(1) << (number % _WORD).astype(np.uint64)
    greatest = None if first is None else np.bitwise_or.reduce(bits[~first], axis=0, initial=0)
    root = (np.zeros((1, images.words), dtype=np.uint64), np.array([sites]), 0)
    stack = [root]
    while stack:
        masks, lowest, size = stack.pop()
        if size == left_out:
            subsets = _outside(masks, number)
            allowed = _one_in_each(subsets, exclusive)
            if allowed.any():
                yield subsets[allowed], images.equal(masks[allowed])
            continue
        # the next site lies below the lowest one, and leaves room for those that follow
        room = lowest - (left_out - size - 1)
        parent = np.repeat(np.arange(len(masks)), room)
        step = np.arange(len(parent)) - np.repeat(np.cumsum(room) - room, room)
        added = lowest[parent] - 1 - step
        grown = masks[parent] | bits[added]
        if greatest is not None:
            # all that comes of a greater number is greater still, and has been before
            kept = np.flatnonzero(~_exceed(grown, greatest))
            grown, added = grown[kept], added[kept]
        if len(exclusive):
            # what lies above the lowest site left out is chosen for good
            kept = np.flatnonzero(
                _one_in_each(_outside(grown, number) & (number > added[:, None]), exclusive)
            )
            grown, added = grown[kept], added[kept]
        kept = images.greatest(grown)
        grown, added = grown[kept], added[kept]
        parts = range(0, len(grown), _NODES_AT_ONCE)
        stack += [
            (grown[i : i + _NODES_AT_ONCE], added[i : i + _NODES_AT_ONCE], size + 1)
            for i in reversed(parts)
        ]


def _outside(masks: NDArray[np.uint64], number: NDArray[np.int64]) -> NDArray[np.bool_]:
    shifted = masks[:, number // _WORD] >> (number % _WORD).astype(np.uint64)
    return np.asarray(shifted & np.uint64(1) == 0, dtype=np.bool_)


def _one_in_each(subsets: NDArray[np.bool_], exclusive: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which subsets (rows, n) have at most one site in each block (blocks, n)."""
    counted = subsets.astype(np.float32) @ exclusive.T.astype(np.float32)
    return np.asarray(np.all(counted < 1.5, axis=1), dtype=np.bool_)


def _exceed(masks: NDArray[np.uint64], bound: NDArray[np.uint64]) -> NDArray[np.bool_]:
    greater, equal = np.zeros(len(masks), dtype=np.bool_), np.ones(len(masks), dtype=np.bool_)
    for word in reversed(range(len(bound))):
        greater |= equal & (masks[:, word] > bound[word])
        equal &= masks[:, word] == bound[word]
    return greater


class _Images:
    """Images of subsets, as binary numbers, through tables for a few sites at a time."""

    def __init__(self, group: NDArray[np.int64]) -> None:
        order, sites = group.shape
        self.words = max(1, -(-sites // _WORD))
        self._order = order
        self._width = next(
            width
            for width in (8, 4, 2, 1)
            if order * -(-sites // width) * 2**width * self.words * 8 <= _TABLE_BYTES or width == 1
        )
        chunks = -(-sites // self._width)
        table = np.zeros((self.words, chunks, order, 2**self._width), dtype=np.uint64)
        operations = np.arange(order)
        for site in range(sites):
            chunk, place = divmod(site, self._width)
            using = np.flatnonzero(np.arange(2**self._width) >> place & 1)
            target = group[:, site]
            bit = np.uint64(1) << (target % _WORD).astype(np.uint64)
            table[(target // _WORD)[:, None], chunk, operations[:, None], using[None, :]] |= bit[
                :, None
            ]
        self._table = table

    def greatest(self, masks: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return which subsets no operation turns into a greater number."""
        alive = np.arange(len(masks))
        if self._order == 1:
            return alive
        start = 0
        while start < self._order and len(alive):
            stop = start + max(1, _IMAGES_AT_ONCE // len(alive))
            greater, _ = self._compared(masks[alive], start, stop)
            alive = alive[~greater.any(axis=0)]
            start = stop
        return alive

    def equal(self, masks: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which operations (order, rows) keep each subset."""
        found = np.empty((self._order, len(masks)), dtype=np.bool_)
        step = max(1, _IMAGES_AT_ONCE // len(masks))
        for start in range(0, self._order, step):
            _, found[start : start + step] = self._compared(masks, start, start + step)
        return found

    def _compared(
        self, masks: NDArray[np.uint64], start: int, stop: int
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether images under some operations are greater than, and equal to, the subsets."""
        per_word, ones = _WORD // self._width, np.uint64(2**self._width - 1)
        keys = [
            (masks[:, c // per_word] >> np.uint64(c % per_word * self._width) & ones).astype(
                np.intp
            )
            for c in range(self._table.shape[1])
        ]
        shape = (min(stop, self._order) - start, len(masks))
        greater, equal = np.zeros(shape, dtype=np.bool_), np.ones(shape, dtype=np.bool_)
        for word in reversed(range(self.words)):
            image = np.zeros(shape, dtype=np.uint64)
            for chunk, key in enumerate(keys):
                image |= self._table[word, chunk, start:stop].take(key, axis=1)
            greater |= equal & (image > masks[:, word])
            equal &= image == masks[:, word]
        return greater, equal
