"""What callers do to a job: create, change, cancel, queue again, delete.

`Ledger` tells the errors of each; `leases` says who may work on a job.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cryolattice.errors import ConflictError, JobNotActiveError, RequestIdReusedError
from cryolattice.ledger.rows import (
    TERMINAL,
    JobRecord,
    add_event,
    first,
    job_of,
    job_record,
    job_row,
    now,
    present,
    require_etag,
    seconds,
    state_name,
    store_job,
)
from cryolattice.ledger.tables import EVENTS, JOBS
from cryolattice.ledger.totals import add_totals
from cryolattice.names import parse_resource
from cryolattice_api.common.v1 import job_pb2

_RESUMABLE = frozenset({job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED})


def create(
    connection: Connection, record: JobRecord, request_id: str, request_sha256: str
) -> JobRecord:
    """Store a new job, or return the one that the same request created before."""
    project, identifier = parse_resource(record.job.name, "jobs")
    if request_id:
        row = first(
            connection,
            sa.select(JOBS).where(JOBS.c.project == project, JOBS.c.request_id == request_id),
        )
        if row is not None:
            if row["request_sha256"] != request_sha256:
                raise RequestIdReusedError(
                    f"request_id {request_id} was used for another request: "
                    "make a new UUID for a new request",
                    field="request_id",
                )
            return job_record(row, present(connection))
    job = job_pb2.Job()
    job.CopyFrom(record.job)
    job.etag = "1"
    job.create_time.CopyFrom(now())
    job.update_time.CopyFrom(job.create_time)
    if job.state in TERMINAL:
        job.end_time.CopyFrom(job.create_time)
    sequence = connection.scalar(
        sa.insert(JOBS)
        .values(
            project=project,
            id=identifier,
            kind=job.kind,
            service=record.service,
            state=job.state,
            dataset_kind=record.dataset_kind,
            dataset_id=record.dataset_id,
            request_id=request_id or None,
            request_sha256=request_sha256,
            version=1,
            owner="",
            lease_until=0.0,
            queued_at=present(connection),
            created_at=seconds(job.create_time),
            updated_at=seconds(job.update_time),
            labels=dict(job.labels),
            traceparents="\n".join(record.traceparents),
            job=job.SerializeToString(deterministic=True),
        )
        .returning(JOBS.c.sequence)
    )
    add_event(connection, sequence, job)
    if job.state in TERMINAL:
        add_totals(connection, job.kind, {("ended", "answered"): 1})
    return replace(record, job=job)


def change(
    connection: Connection,
    name: str,
    how: Callable[[job_pb2.Job], None],
    attempt: int | None,
) -> job_pb2.Job:
    """Change a job in place and add the event, on behalf of an attempt where one is given."""
    row = job_row(connection, name, lock=True)
    job = job_of(row)
    if job.state in TERMINAL:
        raise JobNotActiveError(f"{name} has ended ({state_name(job)}): it cannot change")
    if attempt is not None and job.attempt != attempt:
        raise ConflictError(f"{name} is at attempt {job.attempt}, not {attempt}")
    if attempt is not None and job.state == job_pb2.JOB_STATE_QUEUED:
        raise ConflictError(f"{name} was queued again: attempt {attempt} is over")
    how(job)
    store_job(connection, row, job)
    return job


def cancel(connection: Connection, name: str, etag: str) -> job_pb2.Job:
    """Ask a job to stop; one that nobody works on is cancelled at once."""
    row = job_row(connection, name, lock=True)
    record = job_record(row, present(connection))
    job = record.job
    require_etag(row, etag)
    if job.state in TERMINAL:
        raise JobNotActiveError(f"{name} has ended ({state_name(job)}): nothing to cancel")
    if job.state == job_pb2.JOB_STATE_CANCELLING and record.held:
        return job
    if not record.held:
        job.state = job_pb2.JOB_STATE_CANCELLED
        job.state_message = "cancelled"
    else:
        job.state = job_pb2.JOB_STATE_CANCELLING
        job.state_message = "waiting for its workers to stop"
    store_job(connection, row, job)
    return job


def requeue(connection: Connection, name: str, traceparent: str, etag: str) -> JobRecord:
    """Queue a job again that failed, was cancelled, or that nobody works on."""
    row = job_row(connection, name, lock=True)
    record = job_record(row, present(connection))
    job = record.job
    require_etag(row, etag)
    if job.state not in _RESUMABLE and (job.state in TERMINAL or record.held):
        raise JobNotActiveError(
            f"{name} is {state_name(job)}: only a job that failed, was cancelled, or that "
            "nobody works on resumes"
        )
    job.state = job_pb2.JOB_STATE_QUEUED
    job.state_message = "queued again"
    job.ClearField("error")
    job.ClearField("end_time")
    job.ClearField("progress")
    traces = (*record.traceparents, traceparent) if traceparent else record.traceparents
    store_job(
        connection,
        row,
        job,
        owner="",
        lease_until=0.0,
        queued_at=present(connection),
        traceparents="\n".join(traces),
    )
    return record


def delete(connection: Connection, name: str, etag: str) -> None:
    """Forget an ended job and its events."""
    row = job_row(connection, name, lock=True)
    require_etag(row, etag)
    job = job_of(row)
    if job.state not in TERMINAL:
        raise JobNotActiveError(f"{name} is {state_name(job)}: cancel it before deleting it")
    connection.execute(sa.delete(EVENTS).where(EVENTS.c.job_sequence == row["sequence"]))
    connection.execute(sa.delete(JOBS).where(JOBS.c.sequence == row["sequence"]))
