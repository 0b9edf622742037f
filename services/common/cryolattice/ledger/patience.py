"""Waiting for a database that is away for a moment."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Concatenate, Protocol

import sqlalchemy as sa
import structlog

from cryolattice.errors import LedgerUnavailableError

log = structlog.get_logger()

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 2.0
# SQLite has one class of error for these and for what no waiting mends
_SQLITE_OUTAGES = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_CANTOPEN")


class Patient(Protocol):
    """Has a measure of patience."""

    @property
    def patience_seconds(self) -> float:
        """How long a call goes on trying."""


def patient[Owner: Patient, **Parameters, Result](
    method: Callable[Concatenate[Owner, Parameters], Result],
) -> Callable[Concatenate[Owner, Parameters], Result]:
    """Make a method try again while its database is away.

    The method must do the same when it is repeated: a lost connection does not tell whether the
    transaction was committed.

    Raises
    ------
    LedgerUnavailableError
        Patience has run out.
    """

    @functools.wraps(method)
    def persevere(owner: Owner, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        deadline = time.monotonic() + owner.patience_seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return method(owner, *args, **kwargs)
            except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
                if not _is_outage(error):
                    raise
                if time.monotonic() + pause > deadline:
                    raise LedgerUnavailableError(
                        f"the ledger does not answer ({_cause(error)}): try again when its "
                        "database is back",
                        field="CRYOLATTICE_LEDGER_URL",
                    ) from error
                log.warning("the ledger does not answer", error=_cause(error))
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    return persevere


def _is_outage(error: sa.exc.DBAPIError | sa.exc.TimeoutError) -> bool:
    if isinstance(error, sa.exc.TimeoutError):
        return True  # every connection waits for the database
    name = getattr(error.orig, "sqlite_errorname", None)
    if name is not None:
        return str(name).startswith(_SQLITE_OUTAGES)
    return error.connection_invalidated or isinstance(
        error, sa.exc.OperationalError | sa.exc.InterfaceError
    )


def _cause(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    lines = str(cause).splitlines()
    return lines[0] if lines else type(cause).__name__
