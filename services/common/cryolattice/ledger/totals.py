"""Sums over every job that ever ran, whichever process ran it and whether or not it is forgotten.

They are kept in the ledger because jobs run in child processes, on other machines and under batch
systems: no server sees them all, and none of those processes lives long enough to be scraped.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from cryolattice.ledger.increments import Key
from cryolattice.ledger.tables import TOTALS


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
