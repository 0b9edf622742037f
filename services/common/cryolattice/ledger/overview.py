"""The whole ledger in a few numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from cryolattice.ledger.increments import Key
from cryolattice.ledger.rows import present
from cryolattice.ledger.tables import JOBS
from cryolattice.ledger.totals import read_totals
from cryolattice_api.common.v1 import job_pb2

_QUEUED = job_pb2.JOB_STATE_QUEUED
ACTIVE = (
    _QUEUED,
    job_pb2.JOB_STATE_WAITING_FOR_RESOURCES,
    job_pb2.JOB_STATE_RUNNING,
    job_pb2.JOB_STATE_FINALIZING,
    job_pb2.JOB_STATE_CANCELLING,
)


@dataclass(frozen=True)
class Overview:
    """The state of all jobs at one time.

    Attributes
    ----------
    time : float
        When, in seconds since 1970.
    active : mapping
        Number of jobs that have not ended, by kind and state; those that nobody works on any more
        are not among them.
    abandoned : mapping
        Number of jobs whose worker is gone, by kind.
    queued_since : mapping
        When the job that has waited longest was queued, by kind.
    totals : mapping
        Sums since the ledger was made, by kind.
    """

    time: float
    active: Mapping[tuple[str, int], int]
    abandoned: Mapping[str, int]
    queued_since: Mapping[str, float]
    totals: Mapping[str, Mapping[Key, float]]


def read_overview(connection: Connection) -> Overview:
    """Count; ended jobs, of which there may be many, are not looked at."""
    now = present(connection)
    lost = sa.and_(JOBS.c.state != _QUEUED, JOBS.c.lease_until < now).label("lost")
    rows = connection.execute(
        sa.select(JOBS.c.kind, JOBS.c.state, lost, sa.func.count(), sa.func.min(JOBS.c.queued_at))
        .where(JOBS.c.state.in_(ACTIVE))
        .group_by(JOBS.c.kind, JOBS.c.state, lost)
    )
    active: dict[tuple[str, int], int] = {}
    abandoned: dict[str, int] = {}
    since: dict[str, float] = {}
    for kind, state, is_lost, count, queued_at in rows:
        if is_lost:
            abandoned[kind] = abandoned.get(kind, 0) + count
            continue
        active[kind, state] = count
        if state == _QUEUED:
            since[kind] = queued_at
    return Overview(now, active, abandoned, since, read_totals(connection))
