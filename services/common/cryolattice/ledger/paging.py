"""Pages of a listing: a token is the place in its order where the next one begins."""

from __future__ import annotations

import base64
import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from cryolattice.errors import InvalidInputError
from cryolattice.ledger.orders import Order


def page(
    connection: Connection,
    query: sa.Select[tuple[object, ...]],
    order: Order,
    page_size: int,
    page_token: str,
) -> tuple[list[RowMapping], str]:
    """Return a page of rows and the token of the next one; empty after the last.

    Rows that come or go meanwhile shift no others from one page to another.

    Raises
    ------
    InvalidInputError
        A negative size, or a token that is none or of another order.
    """
    if page_size < 0:
        raise InvalidInputError(
            f"page_size is {page_size}: it must not be negative", field="page_size"
        )
    size = min(page_size or 100, 1000)
    if page_token:
        query = query.where(order.after(_place(page_token, order)))
    rows = list(connection.execute(query.order_by(*order.clauses).limit(size + 1)).mappings())
    more = len(rows) > size
    rows = rows[:size]
    return rows, _token(order, rows[-1]) if more else ""


def _token(order: Order, row: RowMapping) -> str:
    place = json.dumps([order.text, *order.values(dict(row))])
    return base64.urlsafe_b64encode(place.encode()).decode()


def _place(token: str, order: Order) -> list[Any]:
    place: list[Any]
    kinds = [column.type.python_type for column, _ in order.columns]
    try:
        text, *place = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (ValueError, TypeError) as error:
        raise _foreign(token) from error
    if text != order.text:
        raise InvalidInputError(
            "page_token is of a listing in another order: give the order_by of the page before, "
            "or begin again without a token",
            field="page_token",
        )
    if [type(value) for value in place] != kinds or any(
        isinstance(value, int) and not -(2**63) < value < 2**63 for value in place
    ):
        raise _foreign(token)
    return place


def _foreign(token: str) -> InvalidInputError:
    return InvalidInputError(
        f"page_token {token!r} was not given out by this call", field="page_token"
    )
