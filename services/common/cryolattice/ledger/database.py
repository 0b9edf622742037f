"""The ledger's database: SQLite in a file, or PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from cryolattice.errors import InvalidInputError, PreconditionError

_HEAD = "0004"
_UPGRADE_LOCK = 0x63727931  # any number that only this program uses


def open_database(url: str) -> Engine:
    """Return an engine on an up-to-date schema.

    Raises
    ------
    InvalidInputError
        The URL cannot be used.
    PreconditionError
        The database cannot be opened, or was made by a later version.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise InvalidInputError(
            f"ledger URL is {url!r}: write sqlite:///FILE or postgresql+psycopg://...",
            field="CRYOLATTICE_LEDGER_URL",
        ) from error
    try:
        if parsed.get_backend_name() == "sqlite":
            engine = _open_sqlite(parsed)
        else:
            engine = sa.create_engine(parsed, pool_pre_ping=True)
        with engine.begin() as connection:
            if _revision(connection) != _HEAD:
                _wait_for_upgrades(connection)
                _upgrade(connection)
    except ModuleNotFoundError as error:
        raise PreconditionError(
            f"the ledger {parsed.render_as_string()} needs the package {error.name}: "
            "pip install 'cryolattice[postgresql]'",
            field="CRYOLATTICE_LEDGER_URL",
        ) from error
    except sa.exc.NoSuchModuleError as error:
        raise InvalidInputError(
            f"ledger URL is {parsed.render_as_string()!r}: write sqlite:///FILE or "
            "postgresql+psycopg://...",
            field="CRYOLATTICE_LEDGER_URL",
        ) from error
    except (OSError, sa.exc.DBAPIError) as error:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        raise PreconditionError(
            f"the ledger {parsed.render_as_string()} cannot be opened ({cause}): set "
            "CRYOLATTICE_HOME to a folder you may write to, or CRYOLATTICE_LEDGER_URL",
            field="CRYOLATTICE_LEDGER_URL",
        ) from error
    return engine


def _open_sqlite(url: sa.URL) -> Engine:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        # pysqlite's own BEGIN is deferred: two writers then fail with "database is locked"
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA synchronous=NORMAL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("read_only", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _revision(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found


def _wait_for_upgrades(connection: Connection) -> None:
    """Let one of several servers that start at once make the tables, and the rest find them."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_UPGRADE_LOCK)))


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - only a new or old database needs it
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "cryolattice.ledger:migrations")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise PreconditionError(
            f"the ledger was made by a later version of Cryolattice ({error}): update this one",
            field="CRYOLATTICE_LEDGER_URL",
        ) from error
