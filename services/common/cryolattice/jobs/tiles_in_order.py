"""The tiles of a job one after the other, in this process."""

from __future__ import annotations

from cryolattice.jobs.context import JobContext
from cryolattice.jobs.kinds import TiledJob, all_tiles
from cryolattice.jobs.tiles import compute_tile
from cryolattice.store.writer import DatasetWriter
from cryolattice_api.common.v1 import job_pb2


def run_in_order(context: JobContext, tiled: TiledJob) -> int:
    """Compute every tile that has no receipt in this process; return the tile count.

    Raises
    ------
    JobCancelledError
        Somebody asked the job to stop.
    CryolatticeError
        A tile failed.
    """
    output = context.output
    output.create_arrays(tiled.attributes, tiled.arrays)
    total = len(all_tiles(tiled.rounds))
    finished = output.finished(total)
    done = reused = len(finished)
    context.count({("tiles", "reused"): reused})
    context.progress(done, total, "computing", reused=reused)
    writer = DatasetWriter(output.root, output.kind, output.id, output.attempt, output.epoch)
    for tile in range(total):
        if tile in finished:
            continue
        outcome = compute_tile(tiled, writer, tile)
        if outcome.failure is not None:
            context.count(outcome.increments())
            raise outcome.failure
        done += 1
        increments = outcome.increments()
        context.progress(done, total, "computing", reused=reused, increments=increments)
    context.progress(
        total, total, "checking and committing", reused=reused, state=job_pb2.JOB_STATE_FINALIZING
    )
    tiled.finish(output)
    return total
