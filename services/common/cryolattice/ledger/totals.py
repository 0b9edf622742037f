"""Sums over every job that ever ran, whichever process ran it and whether or not it is forgotten.

They are kept in the ledger because jobs run in child processes, on other machines and under batch
systems: no server sees them all, and none of those processes lives long enough to be scraped.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from cryolattice.ledger.tables import TOTALS

# name of the sum, and what it is a sum of: a state, a direction, the upper bound of a bucket
Key = tuple[str, str]


class Increments(defaultdict[Key, float]):
    """What is to be added to the sums of one kind of job."""

    def __init__(self, values: Mapping[Key, float] | None = None) -> None:
        super().__init__(float, values or {})

    def add(self, others: Mapping[Key, float]) -> None:
        """Add what is to be added besides."""
        for key, value in others.items():
            self[key] += value


@dataclass(frozen=True)
class Distribution:
    """A quantity of which a histogram is kept.

    Attributes
    ----------
    name : str
        Name of the sums.
    bounds : tuple of float
        Inclusive upper bounds of the buckets, increasing; one without a bound follows.
    """

    name: str
    bounds: tuple[float, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Label of each bucket."""
        return (*(f"{bound:g}" for bound in self.bounds), "+Inf")

    def observe(self, into: Increments, value: float, weight: int = 1) -> None:
        """Add `weight` observations of `value`."""
        into[self.name, self.labels[bisect_left(self.bounds, value)]] += weight
        into[self.name, "sum"] += value * weight


QUEUE_SECONDS = Distribution("queue_seconds", (0.1, 0.5, 2, 10, 60, 300, 1800, 7200, 86400))
JOB_SECONDS = Distribution("job_seconds", (0.3, 1, 3, 10, 30, 100, 300, 1000, 3600, 14400, 86400))
TILE_SECONDS = Distribution("tile_seconds", (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000))
CANDIDATE_SECONDS = Distribution(
    "candidate_seconds", (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
)


def add_totals(connection: Connection, kind: str, increments: Mapping[Key, float]) -> None:
    """Add to the sums of a kind of job."""
    if not increments:
        return
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    row = insert(TOTALS)
    connection.execute(
        row.on_conflict_do_update(
            index_elements=["kind", "name", "label"],
            set_={"value": TOTALS.c.value + row.excluded.value},
        ),
        # in one order for all writers: two of them never wait for each other
        [
            {"kind": kind, "name": name, "label": label, "value": value}
            for (name, label), value in sorted(increments.items())
        ],
    )


def read_totals(connection: Connection) -> dict[str, dict[Key, float]]:
    """Return the sums by kind of job."""
    found: dict[str, dict[Key, float]] = {}
    for row in connection.execute(sa.select(TOTALS)):
        found.setdefault(row.kind, {})[row.name, row.label] = row.value
    return found
