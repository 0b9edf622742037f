"""Jobs and their events in the database. Every change of a job is one event."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import sqlalchemy as sa
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy.engine import Connection, RowMapping

from cryolattice.errors import (
    ConflictError,
    JobNotActiveError,
    JobNotFoundError,
    RequestIdReusedError,
)
from cryolattice.ledger.database import open_database
from cryolattice.ledger.overview import Overview, read_overview
from cryolattice.ledger.paging import page
from cryolattice.ledger.tables import DATASETS, EVENTS, JOBS
from cryolattice.ledger.totals import (
    JOB_SECONDS,
    QUEUE_SECONDS,
    Increments,
    Key,
    add_totals,
)
from cryolattice.names import parse_resource, resource_name
from cryolattice_api.common.v1 import job_pb2

TERMINAL = frozenset(
    {job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED}
)
_RESUMABLE = frozenset({job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED})


def now() -> Timestamp:
    """Return the present time."""
    stamp = Timestamp()
    stamp.GetCurrentTime()
    return stamp


@dataclass(frozen=True)
class JobRecord:
    """A job with what only the servers need to know."""

    job: job_pb2.Job
    service: str
    dataset_kind: str
    dataset_id: str
    lease_until: float
    traceparents: tuple[str, ...] = ()

    @property
    def held(self) -> bool:
        """Whether somebody works on it."""
        return self.job.state not in TERMINAL and self.lease_until >= time.time()

    @property
    def abandoned(self) -> bool:
        """Whether somebody began to work on it and no longer renews the lease."""
        begun = self.job.state not in {*TERMINAL, job_pb2.JOB_STATE_QUEUED}
        return begun and not self.held


class Ledger:
    """Jobs, events and dataset names.

    Parameters
    ----------
    url : str
        SQLAlchemy URL.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_database(url)
        self._reading = self._engine.execution_options(read_only=True)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def create(self, record: JobRecord, *, request_id: str, request_sha256: str) -> JobRecord:
        """Store a new job, or return the one that the same request created before.

        Raises
        ------
        RequestIdReusedError
            The request id came with another body.
        """
        try:
            return self._create(record, request_id, request_sha256)
        except sa.exc.IntegrityError:
            # another server has just stored the same request: now it is found
            return self._create(record, request_id, request_sha256)

    def _create(self, record: JobRecord, request_id: str, request_sha256: str) -> JobRecord:
        project, identifier = parse_resource(record.job.name, "jobs")
        with self._engine.begin() as connection:
            if request_id:
                row = _first(
                    connection,
                    sa.select(JOBS).where(
                        JOBS.c.project == project, JOBS.c.request_id == request_id
                    ),
                )
                if row is not None:
                    if row["request_sha256"] != request_sha256:
                        raise RequestIdReusedError(
                            f"request_id {request_id} was used for another request: "
                            "make a new UUID for a new request",
                            field="request_id",
                        )
                    return _record(row)
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
                    queued_at=time.time(),
                    traceparents="\n".join(record.traceparents),
                    job=job.SerializeToString(deterministic=True),
                )
                .returning(JOBS.c.sequence)
            )
            _add_event(connection, sequence, job)
            if job.state in TERMINAL:
                add_totals(connection, job.kind, {("ended", "answered"): 1})
            return replace(record, job=job)

    def get(self, name: str) -> JobRecord:
        """Return a job.

        Raises
        ------
        JobNotFoundError
            There is none of this name.
        """
        with self._reading.connect() as connection:
            return _record(_row(connection, name))

    def list_jobs(
        self, project: str, page_size: int, page_token: str
    ) -> tuple[list[JobRecord], str]:
        """Return a page of a project's jobs, newest first, and the token of the next page."""
        with self._reading.connect() as connection:
            query = sa.select(JOBS).where(JOBS.c.project == project)
            rows, token = page(connection, query, JOBS.c.sequence, page_size, page_token)
            return [_record(row) for row in rows], token

    def update(
        self, name: str, change: Callable[[job_pb2.Job], None], *, attempt: int | None = None
    ) -> job_pb2.Job:
        """Change a job and add the event.

        Parameters
        ----------
        name : str
            The job.
        change : callable
            Changes the message in place.
        attempt : int, optional
            The attempt on whose behalf the change is made.

        Raises
        ------
        JobNotActiveError
            The job has ended: its last event stays the last.
        ConflictError
            A later attempt has taken the job over, or it waits for one.
        """
        with self._engine.begin() as connection:
            row = _row(connection, name, lock=True)
            job = _record(row).job
            if job.state in TERMINAL:
                raise JobNotActiveError(f"{name} has ended ({_state(job)}): it cannot change")
            if attempt is not None and job.attempt != attempt:
                raise ConflictError(f"{name} is at attempt {job.attempt}, not {attempt}")
            if attempt is not None and job.state == job_pb2.JOB_STATE_QUEUED:
                raise ConflictError(f"{name} was queued again: attempt {attempt} is over")
            change(job)
            _store(connection, row, job)
            return job

    def begin_attempt(self, name: str, owner: str, lease_seconds: float) -> job_pb2.Job:
        """Take a queued job on: a new attempt, whose lease must be renewed.

        Raises
        ------
        JobNotActiveError
            The job has ended or somebody works on it.
        """
        with self._engine.begin() as connection:
            row = _row(connection, name, lock=True)
            record = _record(row)
            job = record.job
            if job.state in TERMINAL or record.held:
                raise JobNotActiveError(f"{name} is {_state(job)}: it cannot be started")
            job.attempt += 1
            job.state = job_pb2.JOB_STATE_RUNNING
            job.state_message = "starting"
            job.start_time.CopyFrom(now())
            _store(connection, row, job, owner=owner, lease_until=time.time() + lease_seconds)
            if row["state"] == job_pb2.JOB_STATE_QUEUED:
                waited = Increments()
                QUEUE_SECONDS.observe(waited, max(0.0, time.time() - row["queued_at"]))
                add_totals(connection, job.kind, waited)
            return job

    def renew_lease(self, name: str, owner: str, lease_seconds: float) -> bool:
        """Prolong the owner's lease; return False where the job is no longer the owner's."""
        project, identifier = parse_resource(name, "jobs")
        with self._engine.begin() as connection:
            done = connection.execute(
                sa.update(JOBS)
                .where(
                    JOBS.c.project == project,
                    JOBS.c.id == identifier,
                    JOBS.c.owner == owner,
                    JOBS.c.state.not_in(TERMINAL),
                )
                .values(lease_until=time.time() + lease_seconds)
            )
            return done.rowcount == 1

    def cancel(self, name: str) -> job_pb2.Job:
        """Ask a job to stop; one that nobody works on is cancelled at once."""
        with self._engine.begin() as connection:
            row = _row(connection, name, lock=True)
            record = _record(row)
            job = record.job
            if job.state in TERMINAL:
                raise JobNotActiveError(f"{name} has ended ({_state(job)}): nothing to cancel")
            if job.state == job_pb2.JOB_STATE_CANCELLING and record.held:
                return job
            if not record.held:
                job.state = job_pb2.JOB_STATE_CANCELLED
                job.state_message = "cancelled"
            else:
                job.state = job_pb2.JOB_STATE_CANCELLING
                job.state_message = "waiting for its workers to stop"
            _store(connection, row, job)
            return job

    def requeue(self, name: str, traceparent: str = "") -> JobRecord:
        """Queue a failed, cancelled or abandoned job again.

        Parameters
        ----------
        name : str
            The job.
        traceparent : str, optional
            W3C trace context of the call that wants it.

        Raises
        ------
        JobNotActiveError
            It succeeded, or somebody works on it.
        """
        with self._engine.begin() as connection:
            row = _row(connection, name, lock=True)
            record = _record(row)
            job = record.job
            if job.state not in _RESUMABLE and not record.abandoned:
                raise JobNotActiveError(
                    f"{name} is {_state(job)}: only a failed, cancelled or abandoned job resumes"
                )
            job.state = job_pb2.JOB_STATE_QUEUED
            job.state_message = "queued again"
            job.ClearField("error")
            job.ClearField("end_time")
            job.ClearField("progress")
            traces = (*record.traceparents, traceparent) if traceparent else record.traceparents
            _store(
                connection,
                row,
                job,
                owner="",
                lease_until=0.0,
                queued_at=time.time(),
                traceparents="\n".join(traces),
            )
            return record

    def delete(self, name: str) -> None:
        """Forget an ended job and its events.

        Raises
        ------
        JobNotActiveError
            It has not ended.
        """
        with self._engine.begin() as connection:
            row = _row(connection, name, lock=True)
            job = _record(row).job
            if job.state not in TERMINAL:
                raise JobNotActiveError(f"{name} is {_state(job)}: cancel it before deleting it")
            connection.execute(sa.delete(EVENTS).where(EVENTS.c.job_sequence == row["sequence"]))
            connection.execute(sa.delete(JOBS).where(JOBS.c.sequence == row["sequence"]))

    def count(self, kind: str, increments: Mapping[Key, float]) -> None:
        """Add to the sums of a kind of job."""
        with self._engine.begin() as connection:
            add_totals(connection, kind, increments)

    def overview(self) -> Overview:
        """Return the state of all jobs in numbers."""
        with self._reading.connect() as connection:
            return read_overview(connection)

    def events(self, name: str, after: int) -> list[tuple[int, job_pb2.Job]]:
        """Return the events of a job after an event id, oldest first."""
        with self._reading.connect() as connection:
            sequence = _row(connection, name)["sequence"]
            rows = connection.execute(
                sa.select(EVENTS.c.id, EVENTS.c.job)
                .where(EVENTS.c.job_sequence == sequence, EVENTS.c.id > after)
                .order_by(EVENTS.c.id)
            )
            return [(row.id, job_pb2.Job.FromString(row.job)) for row in rows]

    def register_dataset(self, project: str, kind: str, identifier: str) -> None:
        """Give a committed dataset its name in a project; doing it again changes nothing."""
        if self.dataset_kind(project, identifier) is not None:
            return
        # another server may do the same at this moment
        with suppress(sa.exc.IntegrityError), self._engine.begin() as connection:
            connection.execute(
                sa.insert(DATASETS).values(project=project, id=identifier, kind=kind)
            )

    def dataset_kind(self, project: str, identifier: str) -> str | None:
        """Return the kind of a project's dataset, None where the project has none of this id."""
        with self._reading.connect() as connection:
            kind: str | None = connection.scalar(
                sa.select(DATASETS.c.kind).where(
                    DATASETS.c.project == project, DATASETS.c.id == identifier
                )
            )
            return kind

    def list_datasets(
        self, project: str, kind: str, page_size: int, page_token: str
    ) -> tuple[list[tuple[str, str]], str]:
        """Return a page of (kind, id), newest first, and the token of the next page."""
        with self._reading.connect() as connection:
            query = sa.select(DATASETS).where(DATASETS.c.project == project)
            if kind:
                query = query.where(DATASETS.c.kind == kind)
            rows, token = page(connection, query, DATASETS.c.sequence, page_size, page_token)
            return [(row["kind"], row["id"]) for row in rows], token


def _state(job: job_pb2.Job) -> str:
    return job_pb2.JobState.Name(job.state).removeprefix("JOB_STATE_")


def _first(connection: Connection, query: sa.Select[tuple[object, ...]]) -> RowMapping | None:
    return connection.execute(query).mappings().first()


def _row(connection: Connection, name: str, *, lock: bool = False) -> RowMapping:
    project, identifier = parse_resource(name, "jobs")
    query = sa.select(JOBS).where(JOBS.c.project == project, JOBS.c.id == identifier)
    # SQLite has one writer at a time anyway, and ignores this
    row = _first(connection, query.with_for_update() if lock else query)
    if row is None:
        raise JobNotFoundError(
            f"no job {resource_name(project, 'jobs', identifier)}: "
            "'cryolattice jobs list' shows those there are",
            field="name",
        )
    return row


def _record(row: RowMapping) -> JobRecord:
    return JobRecord(
        job=job_pb2.Job.FromString(row["job"]),
        service=row["service"],
        dataset_kind=row["dataset_kind"],
        dataset_id=row["dataset_id"],
        lease_until=row["lease_until"],
        traceparents=tuple(row["traceparents"].split()),
    )


def _store(connection: Connection, row: RowMapping, job: job_pb2.Job, **columns: object) -> None:
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
            job=job.SerializeToString(deterministic=True),
            **columns,
        )
    )
    _add_event(connection, row["sequence"], job)
    if job.state in TERMINAL:
        began = row["state"] != job_pb2.JOB_STATE_QUEUED
        add_totals(connection, job.kind, _ending(job, began=began))


def _ending(job: job_pb2.Job, *, began: bool) -> Increments:
    ended = Increments({("ended", _state(job).lower()): 1})
    if began:
        taken = job.end_time.ToDatetime() - job.start_time.ToDatetime()
        JOB_SECONDS.observe(ended, max(0.0, taken.total_seconds()))
    return ended


def _add_event(connection: Connection, sequence: int | None, job: job_pb2.Job) -> None:
    connection.execute(
        sa.insert(EVENTS).values(
            job_sequence=sequence, job=job.SerializeToString(deterministic=True)
        )
    )
