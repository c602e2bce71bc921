"""The ledger under several processes: writers queue, nothing is lost, a reader sees one moment."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.pool import QueuePool

from storage import audit, schema
from storage.errors import Conflict, DataLoss, Unavailable
from storage.ledger import Ledger
from storage.vocabulary import Actor
from tests.storage.media import START_US, House

ROWS, PROCESSES = 40, 4
_WRITER = """
import sys
from storage import audit
from storage.ledger import Ledger
from storage.vocabulary import Actor
ledger = Ledger(sys.argv[1])
ledger.migrate()
for i in range(int(sys.argv[3])):
    with ledger.write() as tx:
        audit.record(tx, Actor(sys.argv[2]), "search", str(i), at_us=i)
"""


def write_from_processes(url: str, rows: int) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", _WRITER, url, f"writer-{i}", str(rows)])
        for i in range(PROCESSES)
    ]
    assert [process.wait(60) for process in running] == [0] * PROCESSES


def test_processes_that_migrate_and_write_at_once_make_one_chain(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    write_from_processes(url, ROWS)
    ledger = Ledger(url)
    with ledger.read() as tx:
        assert [row.seq for row in audit.rows(tx)] == list(range(1, ROWS * PROCESSES + 1))
        assert list(audit.verify(tx)) == []
        for i in range(PROCESSES):
            said = [row.subject for row in audit.rows(tx, actor=f"writer-{i}")]
            assert said == [str(n) for n in range(ROWS)]
    ledger.close()


_OPENER = """
import sys
from storage.ledger import Ledger
for line in sys.stdin:
    with Ledger(line.strip()).read():
        print("in", flush=True)
"""


def test_processes_that_open_a_new_ledger_at_the_same_instant_all_get_in(tmp_path: Path) -> None:
    with ExitStack() as running:  # closes their input and waits, whatever fails
        openers = [
            running.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", _OPENER], text=True,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                )
            )
            for _ in range(PROCESSES)
        ]  # fmt: skip
        for i in range(30):
            for opener in openers:
                assert opener.stdin is not None
                opener.stdin.write(f"sqlite:///{tmp_path / str(i)}.db\n")
                opener.stdin.flush()
            for opener in openers:
                assert opener.stdout is not None
                assert opener.stdout.readline() == "in\n"


def test_a_block_that_fails_writes_nothing(house: House) -> None:
    def interrupted() -> None:
        with house.ledger.write() as tx:
            audit.record(tx, Actor("eve"), "search", "x", at_us=START_US)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    with house.ledger.read() as tx:
        assert audit.rows(tx, actor="eve") == []


def test_a_reader_sees_one_moment(house: House) -> None:
    count = select(text("count(*)")).select_from(schema.audit)
    with house.ledger.read() as tx:
        before = tx.execute(count).scalar_one()
        with house.ledger.write() as other:
            audit.record(other, Actor("eve"), "search", "x", at_us=START_US)
        assert tx.execute(count).scalar_one() == before
    with house.ledger.read() as tx:
        assert tx.execute(count).scalar_one() == before + 1


def test_a_commit_is_on_the_disk_and_references_hold(house: House) -> None:
    with house.ledger.read() as tx:
        assert tx.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert tx.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert tx.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_file_that_is_no_ledger_is_damage(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is not a database" * 100)
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    with pytest.raises(DataLoss, match="damaged"):
        ledger.migrate()
    ledger.close()


def test_a_ledger_that_cannot_be_reached_is_unavailable(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'no' / 'ledger.db'}")
    with pytest.raises(Unavailable):
        ledger.migrate()
    ledger.close()
    with pytest.raises(Unavailable, match=r"\[ledger\] url"):
        Ledger("nonsense")


def test_a_ledger_without_a_free_connection_is_unavailable(house: House) -> None:
    ledger = house.directory.ledger
    pool = ledger.engine.pool
    assert isinstance(pool, QueuePool)
    pool._timeout = 0.01
    with ExitStack() as stack:
        for _ in range(pool.size() + pool._max_overflow):
            stack.enter_context(ledger.read())
        with pytest.raises(Unavailable, match="no connection came free"):
            stack.enter_context(ledger.read())


def test_a_text_that_is_none_is_called_damage_not_a_busy_ledger(house: House) -> None:
    with house.ledger.write() as tx:
        tx.execute(text("UPDATE audit SET subject = CAST(x'ff' AS TEXT)"))
    with pytest.raises(DataLoss, match="is damaged"), house.ledger.read() as tx:
        audit.rows(tx)


def test_a_password_in_a_ledger_url_is_not_repeated() -> None:
    with pytest.raises(Unavailable) as refused:
        Ledger("nosuchdb://eve:hunter2@host/db")
    assert "hunter2" not in str(refused.value)


def test_a_ledger_of_a_later_version_is_left_alone(house: House) -> None:
    with house.ledger.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Conflict, match="9999"):
        house.ledger.migrate()
