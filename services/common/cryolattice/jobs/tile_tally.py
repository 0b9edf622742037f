"""What becomes of finished tiles while others are still computed."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from cryolattice.jobs.context import JobContext
from cryolattice.jobs.tiles import Tile
from cryolattice.ledger.increments import Increments

# how often the ledger hears of progress
_TELL_SECONDS = 0.5


class TileTally:
    """Counts the tiles that are done, flushes their chunks, and tells the ledger.

    Several at once: a transaction for each would take as long as storing a small tile does.
    Flushing while others are computed spares the commit from waiting for the disk.

    Parameters
    ----------
    context : JobContext
        The job.
    reused, total : int
        Tiles that need not be computed, and all tiles.
    """

    def __init__(self, context: JobContext, reused: int, total: int) -> None:
        self._context = context
        self._reused = self._done = reused
        self._total = total
        self._increments = Increments()
        self._chunks: list[str] = []
        self._flushes: list[Future[None]] = []
        self._pool = ThreadPoolExecutor(1, "flush")
        context.progress(reused, total, "computing", reused=reused)
        self._told_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=error is None, cancel_futures=error is not None)
        if self._increments:
            self._context.count(self._increments)
        if error is None:
            # a file that could not be flushed may look clean when it is flushed again
            for flush in self._flushes:
                flush.result()

    def add(self, tile: Tile) -> None:
        """Count a tile; raise what ended it."""
        self._increments.add(tile.increments())
        if tile.failure is not None:
            raise tile.failure
        self._done += 1
        self._chunks.extend(tile.chunks)

    def tell(self) -> None:
        """Flush and record, twice a second at most; raise where the job is to stop."""
        if not self._increments or time.monotonic() - self._told_at < _TELL_SECONDS:
            return
        self._told_at = time.monotonic()
        self._flushes.append(self._pool.submit(self._context.output.persist, self._chunks))
        self._chunks = []  # the other list is being flushed
        self._context.progress(
            self._done,
            self._total,
            "computing",
            reused=self._reused,
            increments=self._increments,
        )
        self._increments.clear()
