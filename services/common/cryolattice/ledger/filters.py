"""Filters of a listing of jobs, in the language of AIP-160 as far as jobs need it.

``state = RUNNING AND kind != "report" AND labels.sample = "A 3"``, and
``create_time > "2026-01-31T12:00:00Z"``.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from cryolattice.errors import InvalidInputError
from cryolattice.ledger.tables import JOBS
from cryolattice_api.common.v1 import job_pb2

_TERM = re.compile(
    r"""\s*(?P<field>[a-z_]+(?:\.[A-Za-z0-9_-]+)?)
        \s*(?P<sign><=|>=|!=|=|<|>)
        \s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s"]+))\s*""",
    re.VERBOSE,
)
_SIGNS: dict[str, Callable[[Any, Any], sa.ColumnElement[bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_EQUAL = ("=", "!=")


def job_filter(text: str) -> sa.ColumnElement[bool]:
    """Return the condition on the jobs' table that a filter means; an empty one holds always.

    Raises
    ------
    InvalidInputError
        Not comparisons joined by AND, an unknown field, or a value that it cannot have.
    """
    conditions: list[sa.ColumnElement[bool]] = [sa.true()]
    position = 0
    while text.strip():
        term = _TERM.match(text, position)
        if term is None:
            raise _mistake(text[position:].strip() or text)
        conditions.append(_condition(term))
        position = term.end()
        if position == len(text):
            break
        if not text.startswith("AND ", position):
            raise _mistake(text[position:])
        position += len("AND ")
    return sa.and_(*conditions)


def _condition(term: re.Match[str]) -> sa.ColumnElement[bool]:
    field, sign = term["field"], term["sign"]
    value = term["bare"] if term["quoted"] is None else re.sub(r"\\(.)", r"\1", term["quoted"])
    compare = _SIGNS[sign]
    if field == "create_time":
        return compare(JOBS.c.created_at, _seconds(value))
    if sign not in _EQUAL:
        raise _mistake(term.group().strip())
    if field == "state":
        return compare(JOBS.c.state, _state(value))
    if field == "kind":
        return compare(JOBS.c.kind, value)
    head, _, label = field.partition(".")
    if head == "labels" and label:
        # a job without the label is unlike every value
        return compare(sa.func.coalesce(JOBS.c.labels[label].as_string(), ""), value)
    raise _mistake(term.group().strip())


def _state(name: str) -> int:
    try:
        return job_pb2.JobState.Value(f"JOB_STATE_{name.removeprefix('JOB_STATE_')}")
    except ValueError:
        names = ", ".join(known.removeprefix("JOB_STATE_") for known in job_pb2.JobState.keys()[1:])
        raise InvalidInputError(
            f"filter: a job is never {name!r}: its state is one of {names}", field="filter"
        ) from None


def _seconds(value: str) -> float:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise InvalidInputError(
            f'filter: {value!r} is no time: write it as "2026-01-31T12:00:00Z"', field="filter"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _mistake(where: str) -> InvalidInputError:
    return InvalidInputError(
        f"filter: cannot read {where!r}: join comparisons by AND, such as state = RUNNING, "
        'kind != "report", labels.sample = "A3", create_time > "2026-01-31T12:00:00Z"',
        field="filter",
    )
