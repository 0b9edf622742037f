"""Whether a driver that was submitted elsewhere has the store and the ledger of its server."""

from __future__ import annotations

import shlex

import sqlalchemy as sa

from cryolattice.errors import PreconditionError
from cryolattice.settings import Settings

_SAID = "this driver has another "


def shown_ledger(url: str) -> str:
    """Return the ledger's URL without its password."""
    return sa.make_url(url).render_as_string(hide_password=True)


def driver_options(settings: Settings) -> str:
    """Return the options, for a shell, that tell a driver where its server has store and ledger."""
    ledger = shown_ledger(settings.ledger_url)
    return f"--store {shlex.quote(settings.store_url)} --ledger {shlex.quote(ledger)}"


def require_same_store(settings: Settings, servers: str) -> None:
    """Raise `PreconditionError` unless the store is the server's, which datasets are named after.

    `servers` is empty where nobody submitted the driver.
    """
    if servers and settings.store_url.rstrip("/") != servers.rstrip("/"):
        raise _another("store", settings.store_url, servers)


def another_ledger(settings: Settings, servers: str) -> PreconditionError:
    """Return the error of a driver whose ledger does not know its job.

    Only that tells: a database may have several addresses.
    """
    return _another("ledger", shown_ledger(settings.ledger_url), servers)


def _another(what: str, own: str, servers: str) -> PreconditionError:
    variable = f"CRYOLATTICE_{what.upper()}_URL"
    return PreconditionError(
        f"{_SAID}{what}, {own}, than the server that submitted it, {servers}: set {variable} alike "
        "in the environments of the server and of the Ray head, then resume the job",
        field=variable,
    )


def refusal(printed: str) -> PreconditionError | None:
    """Return the error of `require_same_store` or `another_ledger` in what a driver printed."""
    for line in printed.splitlines():
        _, said, rest = line.partition(f"error: {_SAID}")
        if said:
            return PreconditionError(
                _SAID + rest, field=f"CRYOLATTICE_{rest.partition(',')[0].upper()}_URL"
            )
    return None
