"""Orders of a listing, in the language of AIP-132: ``kind, create_time desc``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from cryolattice.errors import InvalidInputError
from cryolattice.ledger.tables import DATASETS, JOBS

JOB_FIELDS: Mapping[str, sa.Column[Any]] = {
    "create_time": JOBS.c.created_at,
    "update_time": JOBS.c.updated_at,
    "kind": JOBS.c.kind,
    "state": JOBS.c.state,
}
DATASET_FIELDS: Mapping[str, sa.Column[Any]] = {
    "create_time": DATASETS.c.created_at,
    "kind": DATASETS.c.kind,
}


@dataclass(frozen=True)
class Order:
    """Columns by which rows are ordered, the first above the others; no two rows are alike in all.

    Attributes
    ----------
    columns : tuple of (Column, bool)
        Whether the greatest comes first.
    """

    columns: tuple[tuple[sa.Column[Any], bool], ...]

    @property
    def clauses(self) -> list[sa.ColumnElement[Any]]:
        """What a query is ordered by."""
        return [column.desc() if falls else column.asc() for column, falls in self.columns]

    @property
    def text(self) -> str:
        """The order in words that are the same for the same order."""
        return ", ".join(f"{column.name}{' desc' * falls}" for column, falls in self.columns)

    def values(self, row: Mapping[str, Any]) -> list[Any]:
        """Return a row's place in the order."""
        return [row[column.name] for column, _ in self.columns]

    def after(self, place: list[Any]) -> sa.ColumnElement[bool]:
        """Return the condition that a row comes behind a place."""
        behind: list[sa.ColumnElement[bool]] = []
        alike: list[sa.ColumnElement[bool]] = []
        for (column, falls), value in zip(self.columns, place, strict=True):
            behind.append(sa.and_(*alike, column < value if falls else column > value))
            alike.append(column == value)
        return sa.or_(*behind)


def parse_order(text: str, fields: Mapping[str, sa.Column[Any]], sequence: sa.Column[int]) -> Order:
    """Return the order that ``order_by`` means; rows alike in it, or all, come newest first.

    Parameters
    ----------
    text : str
        Fields joined by commas, each with `` desc`` where the greatest comes first.
    fields : mapping of str to Column
        What may be ordered by.
    sequence : Column
        Grows with each row.

    Raises
    ------
    InvalidInputError
        A field is not among `fields`, is named twice, or is followed by something else.
    """
    columns: list[tuple[sa.Column[Any], bool]] = []
    for term in text.split(",") if text.strip() else []:
        name, *rest = term.split()[:3] or [""]
        if name not in fields or rest not in ([], ["desc"]):
            raise InvalidInputError(
                f"order_by: cannot order by {term.strip()!r}: name {', '.join(fields)}, joined by "
                "commas, each with ' desc' where the greatest comes first",
                field="order_by",
            )
        if any(column is fields[name] for column, _ in columns):
            raise InvalidInputError(
                f"order_by names {name} twice: name each field once", field="order_by"
            )
        columns.append((fields[name], bool(rest)))
    return Order((*columns, (sequence, True)))
