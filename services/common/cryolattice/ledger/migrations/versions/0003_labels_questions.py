"""Labels and times of creation to filter by, and an index of who asks the same."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cryolattice_api.common.v1 import job_pb2

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns, filled from the jobs, and the index."""
    op.add_column("jobs", sa.Column("created_at", sa.Float, nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("labels", sa.JSON, nullable=False, server_default="{}"))
    jobs = sa.table(
        "jobs",
        sa.column("sequence", sa.BigInteger),
        sa.column("created_at", sa.Float),
        sa.column("labels", sa.JSON),
        sa.column("job", sa.LargeBinary),
    )
    connection = op.get_bind()
    for sequence, stored in connection.execute(sa.select(jobs.c.sequence, jobs.c.job)).all():
        job = job_pb2.Job.FromString(stored)
        connection.execute(
            sa.update(jobs)
            .where(jobs.c.sequence == sequence)
            .values(created_at=job.create_time.ToNanoseconds() / 1e9, labels=dict(job.labels))
        )
    op.create_index("jobs_by_dataset", "jobs", ["dataset_kind", "dataset_id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("jobs_by_dataset", "jobs")
    op.drop_column("jobs", "labels")
    op.drop_column("jobs", "created_at")
