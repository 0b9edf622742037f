"""Tables of the ledger."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

METADATA = MetaData()

# SQLite counts up only a plain INTEGER key
_BIG = BigInteger().with_variant(Integer, "sqlite")

JOBS = Table(
    "jobs",
    METADATA,
    Column("sequence", _BIG, primary_key=True, autoincrement=True),
    Column("project", String(63), nullable=False),
    Column("id", String(63), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("service", String(32), nullable=False),
    Column("state", Integer, nullable=False),
    Column("dataset_kind", String(32), nullable=False),
    Column("dataset_id", String(63), nullable=False),
    Column("request_id", String(64), nullable=True),
    Column("request_sha256", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    # who works on it, and until when nobody else may: set by a replica that renews it
    Column("owner", String(128), nullable=False, default=""),
    Column("lease_until", Float, nullable=False, default=0.0),
    # seconds since 1970
    Column("queued_at", Float, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("labels", JSON, nullable=False),
    # W3C trace contexts of the calls that queued it, oldest first, one a line
    Column("traceparents", Text, nullable=False, default=""),
    Column("job", LargeBinary, nullable=False),
    Index("jobs_by_id", "project", "id", unique=True),
    Index("jobs_by_request", "project", "request_id", unique=True),
    Index("jobs_by_state", "state"),
    Index("jobs_by_dataset", "dataset_kind", "dataset_id"),
)

# without the spec: `jobs` has it once
EVENTS = Table(
    "job_events",
    METADATA,
    Column("id", _BIG, primary_key=True, autoincrement=True),
    Column("job_sequence", _BIG, ForeignKey("jobs.sequence", ondelete="CASCADE"), nullable=False),
    Column("job", LargeBinary, nullable=False),
    Index("events_by_job", "job_sequence", "id"),
)

DATASETS = Table(
    "datasets",
    METADATA,
    Column("sequence", _BIG, primary_key=True, autoincrement=True),
    Column("project", String(63), nullable=False),
    Column("id", String(63), nullable=False),
    Column("kind", String(32), nullable=False),
    # seconds since 1970
    Column("created_at", Float, nullable=False),
    Index("datasets_by_id", "project", "id", unique=True),
)

TOTALS = Table(
    "totals",
    METADATA,
    Column("kind", String(32), primary_key=True),
    Column("name", String(32), primary_key=True),
    Column("label", String(32), primary_key=True),
    Column("value", Float, nullable=False),
)
