"""Who works on a job: one owner at a time, for as long as it renews its lease.

Each beginning is a new attempt; what an earlier one still writes is refused. Of jobs with the same
question one is worked on at a time: the others find its answer.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from cryolattice.errors import ConflictError, JobNotActiveError, QuestionBusyError
from cryolattice.ledger.increments import QUEUE_SECONDS, Increments
from cryolattice.ledger.rows import (
    TERMINAL,
    job_of,
    job_record,
    job_row,
    now,
    present,
    state_name,
    store_job,
)
from cryolattice.ledger.tables import JOBS
from cryolattice.ledger.totals import add_totals
from cryolattice.names import parse_resource, resource_name
from cryolattice_api.common.v1 import job_pb2

_QUEUED = job_pb2.JOB_STATE_QUEUED


def begin_attempt(
    connection: Connection, name: str, owner: str, lease_seconds: float
) -> job_pb2.Job:
    """Take a job on that nobody works on; `Ledger.begin_attempt` tells the errors."""
    others = _same_question(connection, name, lock=True)
    row = job_row(connection, name, lock=True)
    # read behind the locks, which may have been waited for
    at = present(connection)
    record = job_record(row, at)
    job = record.job
    if record.held and row["owner"] == owner:
        return job  # asked again, for the answer got lost
    # one that is to be cancelled is not begun again, whoever was to stop it
    if job.state in {*TERMINAL, job_pb2.JOB_STATE_CANCELLING} or record.held:
        raise JobNotActiveError(f"{name} is {state_name(job)}: it cannot be started")
    for other in others:
        if other["lease_until"] > at:
            raise QuestionBusyError(f"{_name(other)} computes the same: wait for it")
    job.attempt += 1
    job.state = job_pb2.JOB_STATE_RUNNING
    job.state_message = "starting"
    job.start_time.CopyFrom(now())
    store_job(connection, row, job, owner=owner, lease_until=at + lease_seconds)
    if row["state"] == _QUEUED:
        waited = Increments()
        QUEUE_SECONDS.observe(waited, max(0.0, at - row["queued_at"]))
        add_totals(connection, job.kind, waited)
    return job


def busy_with(connection: Connection, name: str) -> str:
    """Return the name of a job that somebody works on and that asks the same; empty for none."""
    at = present(connection)
    for other in _same_question(connection, name):
        if other["lease_until"] > at:
            return _name(other)
    return ""


def renew(connection: Connection, name: str, owner: str, lease_seconds: float) -> bool:
    """Prolong the owner's lease; return False where the job is no longer the owner's."""
    project, identifier = parse_resource(name, "jobs")
    done = connection.execute(
        sa.update(JOBS)
        .where(
            JOBS.c.project == project,
            JOBS.c.id == identifier,
            JOBS.c.owner == owner,
            JOBS.c.state.not_in(TERMINAL),
        )
        .values(lease_until=present(connection) + lease_seconds)
    )
    return done.rowcount == 1


def release(connection: Connection, name: str, attempt: int, message: str) -> job_pb2.Job:
    """Give a job back to the queue; one that was to be cancelled is cancelled."""
    row = job_row(connection, name, lock=True)
    job = job_of(row)
    if job.state in TERMINAL:
        raise JobNotActiveError(f"{name} has ended ({state_name(job)}): it cannot change")
    if job.attempt != attempt or job.state == _QUEUED:
        raise ConflictError(f"{name} is no longer at attempt {attempt}")
    if job.state == job_pb2.JOB_STATE_CANCELLING:
        job.state, job.state_message = job_pb2.JOB_STATE_CANCELLED, "cancelled"
    else:
        job.state, job.state_message = _QUEUED, message
    store_job(connection, row, job, owner="", lease_until=0.0, queued_at=present(connection))
    return job


def adoptable(
    connection: Connection, kinds: Iterable[str], waited_seconds: float, limit: int
) -> list[job_pb2.Job]:
    """Return jobs that nobody works on: queued for a while, or begun by somebody who is gone."""
    at = present(connection)
    queued = sa.and_(JOBS.c.state == _QUEUED, JOBS.c.queued_at <= at - waited_seconds)
    left = sa.and_(JOBS.c.state.not_in({*TERMINAL, _QUEUED}), JOBS.c.lease_until < at)
    rows = connection.execute(
        sa.select(JOBS)
        .where(JOBS.c.kind.in_(list(kinds)), sa.or_(queued, left))
        .order_by(JOBS.c.sequence)
        .limit(limit)
    )
    return [job_of(row) for row in rows.mappings()]


def _same_question(connection: Connection, name: str, *, lock: bool = False) -> list[RowMapping]:
    """Return the other active jobs of the same dataset.

    With `lock` the job itself is locked too, all in one order: of two that begin at once one waits.
    """
    mine = job_row(connection, name)
    query = (
        sa.select(JOBS)
        .where(
            JOBS.c.dataset_kind == mine["dataset_kind"],
            JOBS.c.dataset_id == mine["dataset_id"],
            JOBS.c.state.not_in(TERMINAL),
        )
        .order_by(JOBS.c.sequence)
    )
    rows = connection.execute(query.with_for_update() if lock else query).mappings()
    return [row for row in rows if row["sequence"] != mine["sequence"]]


def _name(row: RowMapping) -> str:
    return resource_name(row["project"], "jobs", row["id"])
