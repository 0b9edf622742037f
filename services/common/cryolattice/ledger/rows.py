"""Jobs as rows of the database, and their events."""

from __future__ import annotations

import time
from dataclasses import dataclass

import sqlalchemy as sa
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy.engine import Connection, RowMapping

from cryolattice.errors import ConflictError, JobNotFoundError
from cryolattice.ledger.increments import JOB_SECONDS, Increments
from cryolattice.ledger.tables import EVENTS, JOBS
from cryolattice.ledger.totals import add_totals
from cryolattice.names import parse_resource, resource_name
from cryolattice_api.common.v1 import job_pb2

TERMINAL = frozenset(
    {job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED}
)


def now() -> Timestamp:
    """Return the present time."""
    stamp = Timestamp()
    stamp.GetCurrentTime()
    return stamp


def seconds(stamp: Timestamp) -> float:
    """Return a time in seconds since 1970."""
    return stamp.ToNanoseconds() / 1e9


@dataclass(frozen=True)
class JobRecord:
    """A job with what only the servers need to know."""

    job: job_pb2.Job
    service: str
    dataset_kind: str
    dataset_id: str
    lease_until: float
    traceparents: tuple[str, ...] = ()
    owner: str = ""
    read_at: float = 0.0

    @property
    def held(self) -> bool:
        """Whether somebody worked on it when it was read."""
        return self.job.state not in TERMINAL and self.lease_until > self.read_at

    @property
    def abandoned(self) -> bool:
        """Whether somebody began to work on it and no longer renews the lease."""
        begun = self.job.state not in {*TERMINAL, job_pb2.JOB_STATE_QUEUED}
        return begun and not self.held


def state_name(job: job_pb2.Job) -> str:
    """Return the state in a word, such as RUNNING."""
    return job_pb2.JobState.Name(job.state).removeprefix("JOB_STATE_")


def first(connection: Connection, query: sa.Select[tuple[object, ...]]) -> RowMapping | None:
    """Return the first row of a query, None where it has none."""
    return connection.execute(query).mappings().first()


def job_row(connection: Connection, name: str, *, lock: bool = False) -> RowMapping:
    """Return the row of a job, locked until the transaction ends where that is asked.

    Raises
    ------
    JobNotFoundError
        There is none of this name.
    """
    project, identifier = parse_resource(name, "jobs")
    query = sa.select(JOBS).where(JOBS.c.project == project, JOBS.c.id == identifier)
    # SQLite has one writer at a time anyway, and ignores this
    row = first(connection, query.with_for_update() if lock else query)
    if row is None:
        raise JobNotFoundError(
            f"no job {resource_name(project, 'jobs', identifier)}: "
            "'cryolattice jobs list' shows those there are",
            field="name",
        )
    return row


def require_etag(row: RowMapping, etag: str) -> None:
    """Raise `ConflictError` where the caller knows an earlier job; an empty etag knows nothing."""
    if etag and etag != str(row["version"]):
        raise ConflictError(
            f"the job has changed since etag {etag}, it has {row['version']}: read it again",
            field="etag",
        )


def present(connection: Connection) -> float:
    """Return the time in seconds since 1970 by the one clock of all who share the ledger.

    That is the database's: the hosts' may differ. SQLite has none of its own, and one host.
    """
    if connection.dialect.name == "sqlite":
        return time.time()
    return float(
        connection.execute(sa.select(sa.extract("epoch", sa.func.clock_timestamp()))).scalar_one()
    )


def job_of(row: RowMapping) -> job_pb2.Job:
    """Return the job that a row holds."""
    return job_pb2.Job.FromString(row["job"])


def job_record(row: RowMapping, read_at: float) -> JobRecord:
    """Return the job that a row holds, with what the servers know of it at this time."""
    return JobRecord(
        job=job_of(row),
        service=row["service"],
        dataset_kind=row["dataset_kind"],
        dataset_id=row["dataset_id"],
        lease_until=row["lease_until"],
        traceparents=tuple(row["traceparents"].split()),
        owner=row["owner"],
        read_at=read_at,
    )


def store_job(connection: Connection, row: RowMapping, job: job_pb2.Job, **columns: object) -> None:
    """Write a changed job, with columns that only the servers see, and add the event."""
    version = row["version"] + 1
    job.etag = str(version)
    job.update_time.CopyFrom(now())
    if job.state in TERMINAL:
        job.end_time.CopyFrom(job.update_time)
    connection.execute(
        sa.update(JOBS)
        .where(JOBS.c.sequence == row["sequence"])
        .values(
            state=job.state,
            version=version,
            updated_at=seconds(job.update_time),
            job=job.SerializeToString(deterministic=True),
            **columns,
        )
    )
    add_event(connection, row["sequence"], job)
    if job.state in TERMINAL:
        began = row["state"] != job_pb2.JOB_STATE_QUEUED
        add_totals(connection, job.kind, _ending(job, began=began))


def _ending(job: job_pb2.Job, *, began: bool) -> Increments:
    ended = Increments({("ended", state_name(job).lower()): 1})
    if began:
        taken = job.end_time.ToDatetime() - job.start_time.ToDatetime()
        JOB_SECONDS.observe(ended, max(0.0, taken.total_seconds()))
    return ended


def add_event(connection: Connection, sequence: int | None, job: job_pb2.Job) -> None:
    """Add the job as it is now to its events, without its spec, which never changes."""
    event = job_pb2.Job()
    event.CopyFrom(job)
    event.ClearField("spec")
    connection.execute(
        sa.insert(EVENTS).values(
            job_sequence=sequence, job=event.SerializeToString(deterministic=True)
        )
    )
