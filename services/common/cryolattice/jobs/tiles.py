"""A tile of a job: how it is computed and stored, and what it counts."""

from __future__ import annotations

import time
from dataclasses import dataclass

from cryolattice.errors import CryolatticeError
from cryolattice.jobs.kinds import TiledJob, all_tiles
from cryolattice.ledger.increments import CANDIDATE_SECONDS, TILE_SECONDS, Increments
from cryolattice.store.writer import DatasetWriter


@dataclass(frozen=True)
class Tile:
    """What there is to say of a tile: how much it was, or the user's mistake that ended it.

    `chunks` are the keys of its chunks below the dataset's root.
    """

    candidates: int = 0
    seconds: float = 0.0
    read_bytes: int = 0
    written_bytes: int = 0
    failure: CryolatticeError | None = None
    chunks: tuple[str, ...] = ()

    def increments(self) -> Increments:
        """Return what it adds to the sums of its kind of job."""
        sums = Increments({("tiles", "failed" if self.failure else "computed"): 1})
        sums["store_bytes", "read"] += self.read_bytes
        sums["store_bytes", "written"] += self.written_bytes
        if self.failure is None:
            TILE_SECONDS.observe(sums, self.seconds)
            CANDIDATE_SECONDS.observe(sums, self.seconds / self.candidates, self.candidates)
        return sums


def compute_tile(tiled: TiledJob, writer: DatasetWriter, tile: int) -> Tile:
    """Compute and store one tile, and leave its receipt.

    Parameters
    ----------
    tiled : TiledJob
    writer : DatasetWriter
        That writes nothing but tiles.
    tile : int

    Returns
    -------
    Tile
        Without the bytes that it moved.
    """
    start, stop = all_tiles(tiled.rounds)[tile]
    try:
        began = time.perf_counter()
        first_rows = {array.name: array.first_row for array in tiled.arrays}
        parts = tiled.compute(start, stop, writer.read_part)
        placed = {name: (start - first_rows[name], values) for name, values in parts.items()}
        chunks = writer.write_tile(tile, placed)
        seconds = time.perf_counter() - began
    except CryolatticeError as error:
        return Tile(failure=error)
    return Tile(stop - start, seconds, chunks=tuple(chunks))
