"""Times to order by, and events without the spec of their job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op
from google.protobuf.timestamp_pb2 import Timestamp

from cryolattice_api.common.v1 import job_pb2

revision = "0004"
down_revision = "0003"

_BATCH = 500

_JOBS = sa.table(
    "jobs",
    sa.column("sequence", sa.BigInteger),
    sa.column("dataset_kind", sa.String),
    sa.column("dataset_id", sa.String),
    sa.column("updated_at", sa.Float),
    sa.column("job", sa.LargeBinary),
)
_EVENTS = sa.table("job_events", sa.column("id", sa.BigInteger), sa.column("job", sa.LargeBinary))
_DATASETS = sa.table(
    "datasets",
    sa.column("sequence", sa.BigInteger),
    sa.column("kind", sa.String),
    sa.column("id", sa.String),
    sa.column("created_at", sa.Float),
)


def upgrade() -> None:
    """Add the columns, filled as far as the jobs tell, and shorten the events."""
    op.add_column("jobs", sa.Column("updated_at", sa.Float, nullable=False, server_default="0"))
    op.add_column("datasets", sa.Column("created_at", sa.Float, nullable=False, server_default="0"))
    committed: dict[tuple[str, str], float] = {}
    for row, job in _stored(_JOBS, _JOBS.c.sequence):
        _set(_JOBS, _JOBS.c.sequence == row.sequence, updated_at=_seconds(job.update_time))
        if job.state == job_pb2.JOB_STATE_SUCCEEDED:
            dataset, ended = (row.dataset_kind, row.dataset_id), _seconds(job.end_time)
            committed[dataset] = min(ended, committed.get(dataset, ended))
    # of an uploaded file it is only known between which others it came
    latest = 0.0
    datasets = op.get_bind().execute(sa.select(_DATASETS).order_by(_DATASETS.c.sequence)).all()
    for row in datasets:
        created = committed.get((row.kind, row.id), latest)
        latest = max(latest, created)
        _set(_DATASETS, _DATASETS.c.sequence == row.sequence, created_at=created)
    for row, job in _stored(_EVENTS, _EVENTS.c.id):
        if job.HasField("spec"):
            job.ClearField("spec")
            shorter = job.SerializeToString(deterministic=True)
            _set(_EVENTS, _EVENTS.c.id == row.id, job=shorter)


def downgrade() -> None:
    """Drop the columns; the events stay as they are."""
    op.drop_column("datasets", "created_at")
    op.drop_column("jobs", "updated_at")


def _seconds(stamp: Timestamp) -> float:
    return stamp.ToNanoseconds() / 1e9


def _set(table: sa.TableClause, which: sa.ColumnElement[bool], **values: object) -> None:
    op.get_bind().execute(sa.update(table).where(which).values(**values))


def _stored(
    table: sa.TableClause, key: sa.ColumnClause[int]
) -> Iterator[tuple[sa.Row[Any], job_pb2.Job]]:
    """Yield the rows and their jobs, some at a time: a spec may have megabytes."""
    last = -1
    while True:
        query = sa.select(table).where(key > last).order_by(key).limit(_BATCH)
        rows = op.get_bind().execute(query).all()
        for row in rows:
            yield row, job_pb2.Job.FromString(row.job)
        if len(rows) < _BATCH:
            return
        last = getattr(rows[-1], key.name)
