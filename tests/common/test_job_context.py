from __future__ import annotations

import pytest

from cryolattice.errors import ConflictError, JobCancelledError
from cryolattice.jobs.context import JobContext
from cryolattice.jobs.kinds import Inputs
from cryolattice.ledger.ledger import Ledger
from cryolattice.ledger.rows import JobRecord
from cryolattice.store.array_store import ArrayStore
from cryolattice.store.writer import DatasetWriter
from cryolattice_api.common.v1 import job_pb2
from tests.waiting import until

NAME = "projects/p/jobs/j"


@pytest.fixture
def context(ledger: Ledger, root: ArrayStore) -> JobContext:
    job = job_pb2.Job(name=NAME, kind="models", state=job_pb2.JOB_STATE_QUEUED)
    ledger.create(JobRecord(job, "modeler", "models", "00", 0.0), request_id="", request_sha256="")
    begun = ledger.begin_attempt(NAME, "me", 30.0)
    return JobContext(ledger, begun, "me", Inputs(root), DatasetWriter(root, "models", "00"))


def test_progress_is_in_the_ledger(context: JobContext, ledger: Ledger) -> None:
    context.progress(2, 5, "working", reused=1)
    job = ledger.get(NAME).job
    assert (job.progress.succeeded, job.progress.tile_count, job.progress.reused) == (2, 5, 1)
    assert job.state_message == "working"
    context.finalize()
    assert ledger.get(NAME).job.state == job_pb2.JOB_STATE_FINALIZING


def test_a_cancelled_job_goes_no_further(context: JobContext, ledger: Ledger) -> None:
    context.progress(1, 5)
    ledger.cancel(NAME)
    events = ledger.events(NAME, 0)
    with pytest.raises(JobCancelledError):
        context.progress(2, 5)
    with pytest.raises(JobCancelledError):
        context.finalize()
    assert ledger.events(NAME, 0) == events


def test_stopping_says_why(context: JobContext) -> None:
    context.check_cancelled()
    context.stop("interrupted: told to end")
    for step in (context.check_cancelled, context.finalize, lambda: context.progress(1, 2)):
        with pytest.raises(JobCancelledError, match="told to end"):
            step()


def test_the_heartbeat_renews_the_lease_and_sees_a_cancel(
    context: JobContext, ledger: Ledger
) -> None:
    before = ledger.get(NAME).lease_until
    with context:
        until(lambda: ledger.get(NAME).lease_until > before)
        ledger.cancel(NAME)
        until(lambda: _stops(context))


def test_an_attempt_that_was_taken_over_cannot_write(context: JobContext, ledger: Ledger) -> None:
    ledger.renew_lease(NAME, "me", -1.0)
    ledger.begin_attempt(NAME, "you", 30.0)
    with pytest.raises(ConflictError):
        context.progress(1, 2)


def _stops(context: JobContext) -> bool:
    try:
        context.check_cancelled()
    except JobCancelledError:
        return True
    return False
