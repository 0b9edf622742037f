"""One tile on a worker of Ray, which imports neither the ledger nor a server for it."""

from __future__ import annotations

import resource
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import structlog
from google.protobuf.message import Message

from cryolattice.errors import CryolatticeError
from cryolattice.jobs.kinds import Inputs, TiledJob, load_function
from cryolattice.jobs.tile_watch import TileWatch
from cryolattice.jobs.tiles import Tile, compute_tile
from cryolattice.store.array_store import open_store
from cryolattice.store.traffic import TRAFFIC
from cryolattice.store.writer import DatasetWriter
from cryolattice.telemetry.tracing import mark_failed

log = structlog.get_logger()


@dataclass(frozen=True)
class TileTask:
    """What a worker is told of the job.

    Attributes
    ----------
    run : str
        ``module:function`` that makes the job's tiles of its spec.
    spec : callable
        Makes an empty message of the spec.
    spec_bytes : bytes
        The spec.
    store_url : str
        Where it reads and writes.
    dataset : (str, str, int, int)
        Kind, id, attempt and epoch of what it writes.
    watch : TileWatch
        How it logs.
    """

    run: str
    spec: Callable[[], Message]
    spec_bytes: bytes
    store_url: str
    dataset: tuple[str, str, int, int]
    watch: TileWatch

    def load(self) -> TiledJob:
        """Return the tiles; made once in a process."""
        return _load(self.run, self.spec, self.spec_bytes, self.store_url)


@lru_cache(maxsize=2)
def _load(run: str, spec: Callable[[], Message], spec_bytes: bytes, store_url: str) -> TiledJob:
    filled = spec()
    filled.ParseFromString(spec_bytes)
    tiled: TiledJob = load_function(run)(filled, Inputs(open_store(store_url)))
    return tiled


@lru_cache(maxsize=1)
def _writer(store_url: str, dataset: tuple[str, str, int, int]) -> DatasetWriter:
    # one for all tiles of a worker: it opens the arrays once
    return DatasetWriter(open_store(store_url), *dataset)


def compute_on_worker(task: TileTask, tile: int) -> Tile:
    """Compute, store and log one tile."""
    with task.watch.over(tile):
        done = _compute(task, tile)
        if done.failure is None:
            log.info(
                "tile computed",
                seconds=round(done.seconds, 3),
                candidates=done.candidates,
                # greatest so far of this process, in KiB on Linux
                peak_bytes=1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            )
        else:
            mark_failed(done.failure.reason)
            log.warning("tile failed", error=done.failure.message)
    return done


def _compute(task: TileTask, tile: int) -> Tile:
    before = TRAFFIC.count()
    try:
        tiled = task.load()
        writer = _writer(task.store_url, task.dataset)
    except CryolatticeError as error:
        return Tile(failure=error)
    done = compute_tile(tiled, writer, tile)
    moved = TRAFFIC.count() - before
    return replace(done, read_bytes=moved.read_bytes, written_bytes=moved.written_bytes)
