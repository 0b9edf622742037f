from __future__ import annotations

import numpy as np
import pytest

from cryolattice.errors import InternalError, StoreUnavailableError
from cryolattice.jobs.context import JobContext
from cryolattice.jobs.kinds import Inputs
from cryolattice.jobs.tile_tally import TileTally
from cryolattice.jobs.tiles import Tile
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import JobRecord
from cryolattice.store.array_store import ArrayStore
from cryolattice.store.writer import DatasetWriter
from cryolattice_api.common.v1 import job_pb2

NAME = "projects/p/jobs/j"


@pytest.fixture
def context(ledger: Ledger, root: ArrayStore) -> JobContext:
    job = job_pb2.Job(name=NAME, kind="sweep", state=job_pb2.JOB_STATE_QUEUED)
    ledger.create(JobRecord(job, "simulator", "beams", "00", 0.0), request_id="", request_sha256="")
    begun = ledger.begin_attempt(NAME, "me", 30.0)
    output = DatasetWriter(root, "beams", "00")
    for name in "abc":
        output.add_array(name, np.arange(3), ("x",))
    return JobContext(ledger, begun, "me", Inputs(root), output)


def _tile(*chunks: str) -> Tile:
    return Tile(candidates=2, seconds=0.5, chunks=tuple(f"data.zarr/{name}/c/0" for name in chunks))


def _counted(ledger: Ledger, label: str) -> float:
    return ledger.overview().totals["sweep"].get(("tiles", label), 0.0)


def test_tiles_are_told_together_and_none_is_forgotten(context: JobContext, ledger: Ledger) -> None:
    with TileTally(context, 1, 4) as tally:
        before = len(ledger.events(NAME, 0))
        for name in "abc":
            tally.add(_tile(name))
            tally.tell()
        assert len(ledger.events(NAME, 0)) == before, "not one by one"
        tally._told_at -= 1  # a second later
        tally.tell()
        progress = ledger.get(NAME).job.progress
        assert (progress.succeeded, progress.tile_count, progress.reused) == (4, 4, 1)
        assert _counted(ledger, "computed") == 3
        tally.add(_tile("a"))
    assert _counted(ledger, "computed") == 4


def test_a_failed_tile_is_counted_with_those_before(context: JobContext, ledger: Ledger) -> None:
    with pytest.raises(InternalError), TileTally(context, 0, 4) as tally:  # noqa: PT012
        tally.add(_tile("a"))
        tally.add(Tile(failure=InternalError("broken")))
    assert (_counted(ledger, "computed"), _counted(ledger, "failed")) == (1, 1)


def test_chunks_that_cannot_be_flushed_fail_the_job(context: JobContext) -> None:
    with pytest.raises(StoreUnavailableError), TileTally(context, 0, 4) as tally:  # noqa: PT012
        tally.add(_tile("lost"))
        tally._told_at -= 1
        tally.tell()
