"""The tiles of one job on Ray: a bounded number in flight, each leaving its own receipt."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from google.protobuf.message import Message

from cryolattice.errors import InternalError, RayUnavailableError
from cryolattice.jobs.context import JobContext
from cryolattice.jobs.kinds import JobKind, all_tiles
from cryolattice.jobs.local_ray import init_ray, lent_address
from cryolattice.jobs.tile_queue import TileQueue
from cryolattice.jobs.tile_tally import TileTally
from cryolattice.jobs.tile_watch import TileWatch
from cryolattice.jobs.tile_worker import TileTask, compute_on_worker
from cryolattice.jobs.tiles import Tile
from cryolattice.settings import Settings
from cryolattice.telemetry.tracing import current_traceparent, environment
from cryolattice_api.common.v1 import job_pb2

if TYPE_CHECKING:
    import ray

log = structlog.get_logger()

_WAIT_SECONDS = 0.5
# how often the cluster is asked for its nodes
_ROOM_SECONDS = 1.0


def run_tiles(context: JobContext, kind: JobKind, spec: Message, settings: Settings) -> int:
    """Compute every tile that has no receipt, then finish the dataset; return the tile count.

    Raises
    ------
    JobCancelledError
        Somebody asked the job to stop.
    CryolatticeError
        A tile failed.
    """
    output = context.output
    watch = TileWatch(
        settings, context.name, kind.name, context.attempt, current_traceparent(), environment()
    )
    task = TileTask(
        kind.run,
        kind.spec,
        spec.SerializeToString(deterministic=True),
        settings.store_url,
        (output.kind, output.id, output.attempt, output.epoch),
        watch,
    )
    tiled = task.load()
    output.create_arrays(tiled.attributes, tiled.arrays)
    total = len(all_tiles(tiled.rounds))
    finished = output.finished(total)
    reused = len(finished)
    context.progress(
        reused, total, "starting Ray", reused=reused, state=job_pb2.JOB_STATE_WAITING_FOR_RESOURCES
    )
    context.count({("tiles", "reused"): reused})
    if reused < total:
        queue = TileQueue(tiled.rounds, finished)
        with _connected() as ray_module, TileTally(context, reused, total) as tally:
            _compute_tiles(ray_module, context, task, queue, tally, tiled.worker_peak_bytes)
    context.progress(
        total, total, "checking and committing", reused=reused, state=job_pb2.JOB_STATE_FINALIZING
    )
    tiled.finish(output)
    return total


@contextmanager
def _connected() -> Iterator[Any]:
    """Yield Ray, connected."""
    import ray  # noqa: PLC0415 - heavy

    started_here = not ray.is_initialized()
    if started_here:
        _connect(ray)
    try:
        yield ray
    finally:
        if started_here:
            ray.shutdown()


def _compute_tiles(
    ray_module: Any,
    context: JobContext,
    task: TileTask,
    queue: TileQueue,
    tally: TileTally,
    worker_peak_bytes: int,
) -> None:
    remote = ray_module.remote(num_cpus=1, max_retries=5)(compute_on_worker)
    looked_at = -math.inf
    running: dict[ray.ObjectRef[Any], int] = {}
    while running or queue:
        # asked again: a cluster grows while more tasks wait than it has cores
        if time.monotonic() - looked_at > _ROOM_SECONDS:
            looked_at = time.monotonic()
            room = _room(ray_module.nodes(), worker_peak_bytes)
            sized = remote.options(memory=room.tile_bytes)
        while len(running) < room.in_flight and (tile := queue.pop()) is not None:
            running[sized.remote(task, tile)] = tile
        finished, _ = ray_module.wait(list(running), num_returns=1, timeout=_WAIT_SECONDS)
        for reference in finished:
            tally.add(_outcome(ray_module, reference))
            queue.end(running.pop(reference))
        context.check_cancelled()
        tally.tell()


@dataclass(frozen=True)
class _Room:
    """How many tiles may be in flight, and the memory that Ray sets aside for each."""

    in_flight: int
    tile_bytes: int


def _room(nodes: Iterable[Mapping[str, Any]], worker_peak_bytes: int) -> _Room:
    """Return the room in a cluster: twice as many tiles as run at a time, so that no core waits.

    A tile that is estimated to need more than the largest node has gets that node for itself.
    """
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    computing = [resources for resources in alive if resources.get("CPU", 0) >= 1]
    # nodes without cores compute nothing; those that compute may be yet to come
    most = max((int(resources.get("memory", 0)) for resources in computing), default=0)
    tile_bytes = min(worker_peak_bytes, most) if most else worker_peak_bytes
    at_a_time = sum(
        min(int(resources["CPU"]), int(resources.get("memory", 0)) // tile_bytes)
        for resources in computing
    )
    return _Room(2 * max(1, at_a_time), tile_bytes)


def _connect(ray_module: Any) -> None:
    lent = lent_address()
    if lent:
        try:
            init_ray(ray_module, lent)
        except (ConnectionError, RuntimeError) as error:
            log.warning("the server's Ray cannot be used; another is started", error=str(error))
        else:
            return
    address = os.environ.get("RAY_ADDRESS")
    try:
        try:
            init_ray(ray_module, address)
        except ConnectionAbortedError:
            # a head that has just started may fail to make the driver's process there
            init_ray(ray_module, address)
    except (ConnectionError, RuntimeError) as error:
        if not address:
            raise
        raise RayUnavailableError(
            f"the Ray cluster at {address} cannot be used ({str(error).strip().splitlines()[-1]}): "
            "see that it runs and that RAY_AUTH_TOKEN is its token, then resume the job",
            field="RAY_ADDRESS",
        ) from error
    except Exception as error:
        # Ray has no class for it
        if "timed out during startup" not in str(error):
            raise
        raise RayUnavailableError(
            "Ray did not start within the 30 s that it gives itself: this machine is very busy. "
            "Resume the job when it is less so, or set RAY_ADDRESS to a cluster",
            field="RAY_ADDRESS",
        ) from error


def _outcome(ray_module: Any, reference: Any) -> Tile:
    try:
        outcome: Tile = ray_module.get(reference)
    except ray_module.exceptions.RayError as error:
        cause = getattr(error, "cause", None) or error
        return Tile(
            failure=InternalError(f"a tile failed on its worker: {type(cause).__name__}: {cause}")
        )
    return outcome
