"""Jobs, events and datasets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "jobs",
        sa.Column("sequence", _BIG, primary_key=True, autoincrement=True),
        sa.Column("project", sa.String(63), nullable=False),
        sa.Column("id", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("service", sa.String(32), nullable=False),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("dataset_kind", sa.String(32), nullable=False),
        sa.Column("dataset_id", sa.String(63), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=True),
        sa.Column("request_sha256", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("lease_until", sa.Float, nullable=False),
        sa.Column("job", sa.LargeBinary, nullable=False),
    )
    op.create_index("jobs_by_id", "jobs", ["project", "id"], unique=True)
    op.create_index("jobs_by_request", "jobs", ["project", "request_id"], unique=True)
    op.create_index("jobs_by_state", "jobs", ["state"])
    op.create_table(
        "job_events",
        sa.Column("id", _BIG, primary_key=True, autoincrement=True),
        sa.Column(
            "job_sequence",
            _BIG,
            sa.ForeignKey("jobs.sequence", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("job", sa.LargeBinary, nullable=False),
    )
    op.create_index("events_by_job", "job_events", ["job_sequence", "id"])
    op.create_table(
        "datasets",
        sa.Column("sequence", _BIG, primary_key=True, autoincrement=True),
        sa.Column("project", sa.String(63), nullable=False),
        sa.Column("id", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
    )
    op.create_index("datasets_by_id", "datasets", ["project", "id"], unique=True)


def downgrade() -> None:
    """Drop the tables."""
    for table in ("datasets", "job_events", "jobs"):
        op.drop_table(table)
