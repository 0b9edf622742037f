"""Jobs and their events in the database. Every change of a job is one event."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

import sqlalchemy as sa

from cryolattice.errors import ConflictError, JobNotActiveError
from cryolattice.ledger import changes, leases
from cryolattice.ledger.database import open_database
from cryolattice.ledger.filters import job_filter
from cryolattice.ledger.increments import Key
from cryolattice.ledger.orders import DATASET_FIELDS, JOB_FIELDS, parse_order
from cryolattice.ledger.overview import Overview, read_overview
from cryolattice.ledger.paging import page
from cryolattice.ledger.patience import patient
from cryolattice.ledger.rows import (
    JobRecord,
    job_record,
    job_row,
    present,
)
from cryolattice.ledger.tables import DATASETS, EVENTS, JOBS
from cryolattice.ledger.totals import add_totals
from cryolattice.names import parse_resource
from cryolattice_api.common.v1 import job_pb2


class Ledger:
    """Jobs, events and dataset names.

    Every call tries again while the database is away, then raises `LedgerUnavailableError`.

    Parameters
    ----------
    url : str
        SQLAlchemy URL.
    patience_seconds : float
        How long a call tries: little where a client waits, much where hours of work are at stake.
    """

    def __init__(self, url: str, *, patience_seconds: float = 5.0) -> None:
        self.patience_seconds = patience_seconds
        self._engine = open_database(url)
        self._reading = self._engine.execution_options(read_only=True)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    @patient
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
            # another server has just stored the same request, or this one did so before its
            # connection broke: now it is found
            if not request_id:
                return self.get(record.job.name)
            return self._create(record, request_id, request_sha256)

    def _create(self, record: JobRecord, request_id: str, request_sha256: str) -> JobRecord:
        with self._engine.begin() as connection:
            return changes.create(connection, record, request_id, request_sha256)

    @patient
    def get(self, name: str) -> JobRecord:
        """Return a job.

        Raises
        ------
        JobNotFoundError
            There is none of this name.
        """
        with self._reading.connect() as connection:
            return job_record(job_row(connection, name), present(connection))

    @patient
    def list_jobs(
        self,
        project: str,
        page_size: int,
        page_token: str,
        filter_text: str = "",
        order_by: str = "",
    ) -> tuple[list[JobRecord], str]:
        """Return a page of a project's jobs, newest first, and the token of the next page.

        Raises
        ------
        InvalidInputError
            A filter, order, size or token that cannot be read.
        """
        order = parse_order(order_by, JOB_FIELDS, JOBS.c.sequence)
        query = sa.select(JOBS).where(JOBS.c.project == project, job_filter(filter_text))
        with self._reading.connect() as connection:
            rows, token = page(connection, query, order, page_size, page_token)
            at = present(connection)
            return [job_record(row, at) for row in rows], token

    @patient
    def update(
        self,
        name: str,
        change: Callable[[job_pb2.Job], None],
        *,
        attempt: int | None = None,
        increments: Mapping[Key, float] | None = None,
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
        increments : mapping, optional
            What is added to the sums of its kind: twice, should the connection break at the commit.

        Raises
        ------
        JobNotActiveError
            The job has ended: its last event stays the last.
        ConflictError
            A later attempt has taken the job over, or it waits for one.
        """
        with self._engine.begin() as connection:
            job = changes.change(connection, name, change, attempt)
            add_totals(connection, job.kind, increments or {})
            return job

    def say_why_queued(self, name: str, message: str) -> None:
        """Say in a queued job what it waits for; one that does not wait any more is left alone."""

        def change(job: job_pb2.Job) -> None:
            if job.state != job_pb2.JOB_STATE_QUEUED or job.state_message == message:
                raise ConflictError(f"{name} need not wait")
            job.state_message = message

        with suppress(ConflictError, JobNotActiveError):
            self.update(name, change)

    @patient
    def begin_attempt(self, name: str, owner: str, lease_seconds: float) -> job_pb2.Job:
        """Take a job on that nobody works on: a new attempt, whose lease must be renewed.

        Raises
        ------
        JobNotActiveError
            The job has ended or is to be cancelled, or somebody works on it.
        QuestionBusyError
            Somebody works on another job that asks the same.
        """
        with self._engine.begin() as connection:
            return leases.begin_attempt(connection, name, owner, lease_seconds)

    @patient
    def busy_with(self, name: str) -> str:
        """Return the name of a job that somebody works on and that asks the same, or nothing."""
        with self._reading.connect() as connection:
            return leases.busy_with(connection, name)

    @patient
    def renew_lease(self, name: str, owner: str, lease_seconds: float) -> bool:
        """Prolong the owner's lease; return False where the job is no longer the owner's."""
        with self._engine.begin() as connection:
            return leases.renew(connection, name, owner, lease_seconds)

    @patient
    def release(self, name: str, attempt: int, message: str) -> job_pb2.Job:
        """Give a job back to the queue, for whoever takes it on next.

        Raises
        ------
        JobNotActiveError
            The job has ended.
        ConflictError
            It is no longer at this attempt.
        """
        with self._engine.begin() as connection:
            return leases.release(connection, name, attempt, message)

    @patient
    def adoptable(
        self, kinds: Iterable[str], waited_seconds: float, limit: int
    ) -> list[job_pb2.Job]:
        """Return the oldest jobs that nobody works on.

        Parameters
        ----------
        kinds : iterable of str
            Only these kinds.
        waited_seconds : float
            Queued jobs wait so long for whoever created them.
        limit : int
            At most so many.
        """
        with self._reading.connect() as connection:
            return leases.adoptable(connection, kinds, waited_seconds, limit)

    @patient
    def questions(self) -> set[tuple[str, str]]:
        """Return kind and id of the datasets of all jobs that have not succeeded."""
        with self._reading.connect() as connection:
            rows = connection.execute(
                sa.select(JOBS.c.dataset_kind, JOBS.c.dataset_id).where(
                    JOBS.c.state != job_pb2.JOB_STATE_SUCCEEDED
                )
            )
            return {(row.dataset_kind, row.dataset_id) for row in rows}

    @patient
    def versions(self, names: Sequence[str]) -> dict[str, int]:
        """Return how often each of these jobs has changed; those that are gone are left out."""
        by_key = {parse_resource(name, "jobs"): name for name in names}
        with self._reading.connect() as connection:
            rows = connection.execute(
                sa.select(JOBS.c.project, JOBS.c.id, JOBS.c.version).where(
                    sa.tuple_(JOBS.c.project, JOBS.c.id).in_(list(by_key))
                )
            )
            return {by_key[row.project, row.id]: row.version for row in rows}

    @patient
    def cancel(self, name: str, etag: str = "") -> job_pb2.Job:
        """Ask a job to stop; one that nobody works on is cancelled at once.

        Raises
        ------
        JobNotActiveError
            It has ended.
        ConflictError
            An etag was given and the job has changed since.
        """
        with self._engine.begin() as connection:
            return changes.cancel(connection, name, etag)

    @patient
    def requeue(self, name: str, traceparent: str = "", etag: str = "") -> JobRecord:
        """Queue a job again that failed, was cancelled, or that nobody works on.

        Parameters
        ----------
        name : str
            The job.
        traceparent : str, optional
            W3C trace context of the call that wants it.
        etag : str, optional
            The job as the caller knows it.

        Raises
        ------
        JobNotActiveError
            It succeeded, or somebody works on it.
        ConflictError
            An etag was given and the job has changed since.
        """
        with self._engine.begin() as connection:
            return changes.requeue(connection, name, traceparent, etag)

    @patient
    def delete(self, name: str, etag: str = "") -> None:
        """Forget an ended job and its events.

        Raises
        ------
        JobNotActiveError
            It has not ended.
        ConflictError
            An etag was given and the job has changed since.
        """
        with self._engine.begin() as connection:
            changes.delete(connection, name, etag)

    @patient
    def count(self, kind: str, increments: Mapping[Key, float]) -> None:
        """Add to the sums of a kind of job: twice, should the connection break at the commit."""
        with self._engine.begin() as connection:
            add_totals(connection, kind, increments)

    @patient
    def overview(self) -> Overview:
        """Return the state of all jobs in numbers."""
        with self._reading.connect() as connection:
            return read_overview(connection)

    @patient
    def events(self, name: str, after: int) -> list[tuple[int, job_pb2.Job]]:
        """Return the events of a job after an event id, oldest first."""
        with self._reading.connect() as connection:
            sequence = job_row(connection, name)["sequence"]
            rows = connection.execute(
                sa.select(EVENTS.c.id, EVENTS.c.job)
                .where(EVENTS.c.job_sequence == sequence, EVENTS.c.id > after)
                .order_by(EVENTS.c.id)
            )
            return [(row.id, job_pb2.Job.FromString(row.job)) for row in rows]

    @patient
    def register_dataset(
        self, project: str, kind: str, identifier: str, created_at: float | None = None
    ) -> None:
        """Give a committed dataset its name in a project; doing it again changes nothing.

        Parameters
        ----------
        project, kind, identifier : str
        created_at : float, optional
            When it was committed, seconds since 1970; now unless given.
        """
        created = time.time() if created_at is None else created_at
        if self.dataset_kind(project, identifier) is not None:
            return
        # another server may do the same at this moment
        with suppress(sa.exc.IntegrityError), self._engine.begin() as connection:
            connection.execute(
                sa.insert(DATASETS).values(
                    project=project, id=identifier, kind=kind, created_at=created
                )
            )

    @patient
    def dataset_kind(self, project: str, identifier: str) -> str | None:
        """Return the kind of a project's dataset, None where the project has none of this id."""
        with self._reading.connect() as connection:
            kind: str | None = connection.scalar(
                sa.select(DATASETS.c.kind).where(
                    DATASETS.c.project == project, DATASETS.c.id == identifier
                )
            )
            return kind

    @patient
    def list_datasets(
        self, project: str, kind: str, page_size: int, page_token: str, order_by: str = ""
    ) -> tuple[list[tuple[str, str]], str]:
        """Return a page of (kind, id), newest first, and the token of the next page.

        Raises
        ------
        InvalidInputError
            An order, size or token that cannot be read.
        """
        order = parse_order(order_by, DATASET_FIELDS, DATASETS.c.sequence)
        with self._reading.connect() as connection:
            query = sa.select(DATASETS).where(DATASETS.c.project == project)
            if kind:
                query = query.where(DATASETS.c.kind == kind)
            rows, token = page(connection, query, order, page_size, page_token)
            return [(row["kind"], row["id"]) for row in rows], token
