"""Sums over all jobs, when a job was queued, and the traces of the calls that queued it."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the table and the columns."""
    op.create_table(
        "totals",
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("label", sa.String(32), primary_key=True),
        sa.Column("value", sa.Float, nullable=False),
    )
    # of jobs that wait already it is only known that they wait now
    now = sa.text(repr(time.time()))
    op.add_column("jobs", sa.Column("queued_at", sa.Float, nullable=False, server_default=now))
    op.add_column("jobs", sa.Column("traceparents", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("jobs", "traceparents")
    op.drop_column("jobs", "queued_at")
    op.drop_table("totals")
