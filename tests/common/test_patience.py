"""A database that is away for a moment."""

from __future__ import annotations

import sqlite3
import threading
import time

import pytest
import sqlalchemy as sa

from cryolattice.errors import InvalidInputError, LedgerUnavailableError
from cryolattice.ledger import patience
from cryolattice.ledger.ledger import Ledger
from cryolattice.settings import Settings
from tests.servers import postgresql


def _impatient_database(settings: Settings, patience_seconds: float) -> Ledger:
    """Open a ledger whose database itself waits for nobody."""
    ledger = Ledger(settings.ledger_url, patience_seconds=patience_seconds)
    with ledger._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 1")
    return ledger


def test_a_locked_ledger_is_waited_for(settings: Settings) -> None:
    hasty = _impatient_database(settings, 0.1)
    patient = _impatient_database(settings, 30.0)
    blocker = sqlite3.connect(settings.home / "ledger.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailableError, match="database is locked") as caught:
        hasty.register_dataset("p", "models", "1")
    assert caught.value.field == "CRYOLATTICE_LEDGER_URL"
    registered = threading.Thread(target=patient.register_dataset, args=("p", "models", "1"))
    registered.start()
    time.sleep(0.5)
    assert registered.is_alive()
    blocker.execute("ROLLBACK")
    registered.join()
    assert patient.dataset_kind("p", "1") == "models"
    for ledger in (hasty, patient):
        ledger.close()
    blocker.close()


class _Owner:
    patience_seconds = 20.0

    def __init__(self) -> None:
        self.calls = 0

    @patience.patient
    def ask(self, error: Exception) -> int:
        """Fail once."""
        self.calls += 1
        if self.calls == 1:
            raise error
        return self.calls


def test_other_errors_are_not_tried_again() -> None:
    for error in (
        sa.exc.IntegrityError("INSERT", {}, Exception("duplicate")),
        InvalidInputError("no"),
    ):
        owner = _Owner()
        with pytest.raises(type(error)):
            owner.ask(error)
        assert owner.calls == 1


@pytest.mark.parametrize(
    "error",
    [
        sa.exc.OperationalError("SELECT", {}, Exception("server closed")),
        sa.exc.TimeoutError("QueuePool limit of size 5 overflow 10 reached"),
    ],
)
def test_a_broken_connection_is_tried_again(error: Exception) -> None:
    began = time.monotonic()
    assert _Owner().ask(error) == 2
    assert time.monotonic() - began < 5


def test_a_killed_database_is_waited_for() -> None:
    with postgresql() as server:
        ledger = Ledger(server.new_url(), patience_seconds=60)
        ledger.register_dataset("p", "models", "1")
        server.kill()
        restart = threading.Timer(1.0, server.start)
        restart.start()
        assert ledger.dataset_kind("p", "1") == "models"
        restart.join()
        ledger.close()
