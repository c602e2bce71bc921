"""The ledger: one SQLAlchemy engine over SQLite (default) or PostgreSQL, and its migrations."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from storage.errors import Conflict, DataLoss, ResourceExhausted, Unavailable
from storage.group_commit import GroupCommit, T

MIGRATIONS = Path(__file__).parent / "migrations"
CONNECTIONS = 16
_DAMAGE = ("malformed", "not a database", "Could not decode to UTF-8")  # what SQLite says of it
BUSY_TIMEOUT_MS = 30_000  # writers of several processes queue; none holds the lock for long


class Ledger:
    """Facts about custody. `read` and `write` are the only ways in; a write is one transaction."""

    def __init__(
        self, url: str, *, on_full: Callable[[], object] | None = None,
        connections: int = CONNECTIONS,
    ) -> None:  # fmt: skip
        """At most so many `connections` at once: as many as threads that come, and some more."""
        self.url = url
        self.on_full = on_full  # frees space when the disk is full, so that a retry commits
        try:
            self.engine: Engine = create_engine(url, pool_size=connections, max_overflow=0)
        except Exception as error:  # SQLAlchemy raises many kinds for a URL it cannot use
            raise Unavailable(
                "ledger {url} cannot be used: {error}; mend [ledger] url in hindsight.toml",
                url=_redacted(url), error=error,
            ) from None  # fmt: skip
        self._together = GroupCommit(self.write)
        self._sqlite = self.engine.dialect.name == "sqlite"
        if self._sqlite:
            event.listen(self.engine, "connect", _sqlite_connect)
            event.listen(self.engine, "begin", _sqlite_begin)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection with one consistent snapshot."""
        with self._translated(), self.engine.connect() as connection:
            if not self._sqlite:  # by default PostgreSQL looks anew at every statement
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: committed when the block ends well, rolled back otherwise."""
        with self._translated(), self.engine.connect() as connection:
            writing = connection.execution_options(hindsight_write=True)
            with writing.begin():
                yield writing

    def write_together(self, work: Callable[[Connection], T]) -> T:
        """`work` in a transaction that other threads' may share; committed when it returns.

        Not inside `read()` or `write()`: whoever waits for the leader holding a connection may
        hold the one that the leader waits for.
        """
        return self._together.write(work)

    def is_new(self) -> bool:
        """Whether nothing was ever kept here: no schema, or not even a file."""
        database = self.engine.url.database
        if self._sqlite and database and not Path(database).exists():
            return True  # asking would make the file
        with self.read() as tx:
            return _revision(tx) is None

    def migrate(self) -> None:
        """Bring the schema to this version. Conflict if the ledger is of a later one."""
        with self.read() as tx:
            if self._is_current(tx):
                return
        # Imported only when there is something to do: it takes 14 MB in every process.
        from alembic import command
        from alembic.config import Config

        with self.write() as tx:  # the first of several processes migrates, the others wait
            if self._is_current(tx):
                return
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = tx
            command.upgrade(config, "head")

    def _is_current(self, tx: Connection) -> bool:
        """Whether the schema is this version's. Conflict when this version does not know it."""
        found, known = _revision(tx), _revisions()
        if found is not None and found not in known:
            raise Conflict(
                "ledger {url} was written by another version (revision {revision});"
                " use that version of Hindsight, nothing was changed",
                url=_redacted(self.url), revision=found,
            )  # fmt: skip
        return found == known[-1]

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeout as error:
            raise Unavailable(
                "ledger {url} is busy: no connection came free; nothing was changed, try again",
                url=_redacted(self.url),
            ) from error
        except (OperationalError, DBAPIError) as error:
            text = str(error.orig)
            url = _redacted(self.url)
            if "disk is full" in text or "No space left" in text:
                if self.on_full:
                    self.on_full()
                raise ResourceExhausted(
                    "ledger {url} cannot grow: the disk is full; free space, then try again",
                    url=url,
                ) from error
            if any(sign in text for sign in _DAMAGE):
                raise DataLoss(
                    "ledger {url} is damaged ({error}); restore it from your backup, or move it"
                    " away and run `hindsight rebuild --adopt`",
                    url=url, error=text,
                ) from error  # fmt: skip
            if isinstance(error, OperationalError):
                raise Unavailable(
                    "ledger {url} does not answer: {error}; nothing was changed, try again",
                    url=url, error=text,
                ) from error  # fmt: skip
            raise


def _revisions() -> list[str]:
    """Of this version, in order: the steps are numbered, and their files named after them."""
    return sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _revision(tx: Connection) -> str | None:
    """The schema's revision, None before the first. Alembic keeps it in a table of one row."""
    if not inspect(tx).has_table("alembic_version"):
        return None
    found: str | None = tx.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


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
    _into_wal(cursor)
    cursor.execute("PRAGMA synchronous=FULL")  # a committed audit row survives power loss
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _into_wal(cursor: sqlite3.Cursor) -> None:
    # SQLite does not queue for this one switch, whatever busy_timeout says: of several
    # processes that open a new ledger at the same instant, some are told "locked" at once.
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _sqlite_begin(connection: Connection) -> None:
    # A writer takes its lock at once: upgrading a read lock later fails under concurrency.
    writing = connection.get_execution_options().get("hindsight_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
