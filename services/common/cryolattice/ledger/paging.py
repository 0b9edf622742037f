"""Pages of a listing: a token is the place in the order of creation where the next one begins."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from cryolattice.errors import InvalidInputError

_LONGEST_TOKEN = 18  # digits that surely fit into 64 bits


def page(
    connection: Connection,
    query: sa.Select[tuple[object, ...]],
    sequence: sa.Column[int],
    page_size: int,
    page_token: str,
) -> tuple[list[RowMapping], str]:
    """Return a page of rows, newest first, and the token of the next one; empty after the last.

    Raises
    ------
    InvalidInputError
        A negative size, or a token that is none.
    """
    if page_size < 0:
        raise InvalidInputError(
            f"page_size is {page_size}: it must not be negative", field="page_size"
        )
    size = min(page_size or 100, 1000)
    if page_token:
        if not page_token.isdecimal() or len(page_token) > _LONGEST_TOKEN:
            raise InvalidInputError(
                f"page_token {page_token!r} was not given out by this call", field="page_token"
            )
        query = query.where(sequence < int(page_token))
    rows = list(connection.execute(query.order_by(sequence.desc()).limit(size + 1)).mappings())
    more = len(rows) > size
    rows = rows[:size]
    return rows, str(rows[-1]["sequence"]) if more else ""
