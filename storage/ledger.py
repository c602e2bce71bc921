"""The ledger: one SQLAlchemy engine over SQLite (default) or PostgreSQL, and its migrations."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from storage.errors import Conflict, DataLoss, ResourceExhausted, Unavailable

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_MS = 30_000  # writers of several processes queue; none holds the lock for long


class Ledger:
    """Facts about custody. `read` and `write` are the only ways in; a write is one transaction."""

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self.engine: Engine = create_engine(url)
        except Exception as error:  # SQLAlchemy raises many kinds for a URL it cannot use
            raise Unavailable(
                "ledger {url} cannot be used: {error}; mend [ledger] url in hindsight.toml",
                url=_redacted(url), error=error,
            ) from None  # fmt: skip
        self._sqlite = self.engine.dialect.name == "sqlite"
        if self._sqlite:
            event.listen(self.engine, "connect", _sqlite_connect)
            event.listen(self.engine, "begin", _sqlite_begin)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection with one consistent snapshot."""
        with self._translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: committed when the block ends well, rolled back otherwise."""
        with self._translated(), self.engine.connect() as connection:
            writing = connection.execution_options(hindsight_write=True)
            with writing.begin():
                yield writing

    def migrate(self) -> None:
        """Bring the schema to this version. Conflict if the ledger is of a later one."""
        with self._translated(), self.engine.connect() as connection:
            script = ScriptDirectory.from_config(self._alembic())
            found = MigrationContext.configure(connection).get_current_revision()
            connection.rollback()
            if found == script.get_current_head():
                return
            known = {revision.revision for revision in script.walk_revisions()}
            if found is not None and found not in known:
                raise Conflict(
                    "ledger {url} was written by another version (revision {revision});"
                    " use that version of Hindsight, nothing was changed",
                    url=_redacted(self.url), revision=found,
                )  # fmt: skip
            config = self._alembic()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()

    def _alembic(self) -> Config:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        return config

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, DBAPIError) as error:
            text = str(error.orig)
            url = _redacted(self.url)
            if "disk is full" in text or "No space left" in text:
                raise ResourceExhausted(
                    "ledger {url} cannot grow: the disk is full; free space, then try again",
                    url=url,
                ) from error
            if "malformed" in text or "not a database" in text:
                raise DataLoss(
                    "ledger {url} is damaged ({error}); restore it or run `hindsight rebuild`",
                    url=url, error=text,
                ) from error  # fmt: skip
            if isinstance(error, OperationalError):
                raise Unavailable(
                    "ledger {url} does not answer: {error}; nothing was changed, try again",
                    url=url, error=text,
                ) from error  # fmt: skip
            raise


def _redacted(url: str) -> str:
    """A database URL fit for messages."""
    from sqlalchemy.engine import make_url

    try:
        return make_url(url).render_as_string(hide_password=True)
    except Exception:  # an URL too broken to parse must still give a message
        return "(unreadable URL)"


def _sqlite_connect(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see _sqlite_begin
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # a committed audit row survives power loss
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    # A writer takes its lock at once: upgrading a read lock later fails under concurrency.
    writing = connection.get_execution_options().get("hindsight_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
