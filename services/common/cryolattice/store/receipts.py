"""Receipts: what each finished tile of a dataset consists of."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import rfc8785

from cryolattice.errors import MissingChunkError
from cryolattice.store.array_store import ArrayStore, holds
from cryolattice.store.versions import component_versions

# reading and hashing an object overlap with waiting for the disk or the server
_THREADS = 4


class Receipt(NamedTuple):
    """The chunks of a finished tile, by their key below the dataset's root.

    Attributes
    ----------
    chunks : dict of str to str
        SHA-256 of each, as it was written.
    tags : dict of str to str
        Of each in the store.
    """

    chunks: dict[str, str]
    tags: dict[str, str]


class Receipts:
    """The receipts of one dataset; the first of a tile stands.

    Parameters
    ----------
    root : ArrayStore
        The store.
    prefix : str
        Of the dataset's keys.
    """

    def __init__(self, root: ArrayStore, prefix: str) -> None:
        self._root = root
        self._prefix = prefix

    def _key(self, tile: int) -> str:
        return f"{self._prefix}/receipts/{tile}.json"

    def put(self, tile: int, receipt: Receipt, *, attempt: int, seed: int) -> None:
        """Leave the receipt of a tile, with the run of the job and the versions that made it."""
        facts: dict[str, Any] = {"tile": tile, "attempt": attempt, "seed": seed}
        facts |= {"versions": component_versions(), **receipt._asdict()}
        self._root.put_new(self._key(tile), rfc8785.dumps(facts))

    def get(self, tile: int) -> Receipt | None:
        """Return what a finished tile consists of; None where it is not finished."""
        try:
            receipt = json.loads(self._root.get(self._key(tile)))
        except MissingChunkError:
            return None
        return Receipt(receipt["chunks"], receipt["tags"])

    def finished(self, tile_count: int) -> set[int]:
        """Return the tiles whose receipt holds; of the others, remove what is damaged."""
        stored = {key for key, _ in self._root.list(f"{self._prefix}/receipts/")}
        tiles = [tile for tile in range(tile_count) if self._key(tile) in stored]
        with ThreadPoolExecutor(_THREADS) as pool:
            held = pool.map(self._holds, tiles)
            return {tile for tile, holds in zip(tiles, held, strict=True) if holds}

    def _holds(self, tile: int) -> bool:
        try:
            receipt = self.get(tile)
        except (ValueError, KeyError):
            self._root.delete(self._key(tile))
            return False
        if receipt is None:
            return False
        chunks = {f"{self._prefix}/{name}": digest for name, digest in receipt.chunks.items()}
        damaged = [key for key, digest in chunks.items() if not holds(self._root, key, digest)]
        if damaged:
            # the receipt goes first: without it the tile is computed again, whatever happens next
            for key in (self._key(tile), *damaged):
                self._root.delete(key)
        return not damaged
