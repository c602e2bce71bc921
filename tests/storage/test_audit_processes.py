"""The audit chain under several processes, threads in each, and kill -9 in the middle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from storage import audit
from storage.ledger import Ledger
from storage.vocabulary import Actor

PROCESSES, THREADS, ROWS = 3, 3, 20

_WRITER = """
import os, sys, threading
from storage import audit
from storage.ledger import Ledger
from storage.vocabulary import Actor
ledger = Ledger(sys.argv[1])
def write(name, rows):
    for i in range(rows):
        ledger.write_together(
            lambda tx: audit.record(tx, Actor(name), "play", str(i), at_us=i)
        )
        os.write(1, f"{name} {i}\\n".encode())  # whole lines, whatever the other threads do
threads = [
    threading.Thread(target=write, args=(f"{sys.argv[2]}-{n}", int(sys.argv[4])))
    for n in range(int(sys.argv[3]))
]
[t.start() for t in threads]
[t.join() for t in threads]
"""


def writer(url: str, name: str, rows: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, url, name, str(THREADS), str(rows)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def made(tmp_path: Path) -> Ledger:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.migrate()
    return ledger


def test_writers_of_several_processes_make_no_hole_and_no_fork(tmp_path: Path) -> None:
    ledger = made(tmp_path)
    running = [writer(ledger.url, f"w{i}", ROWS) for i in range(PROCESSES)]
    for one in running:
        one.communicate(timeout=120)
        assert one.returncode == 0
    with ledger.read() as tx:
        assert list(audit.verify(tx)) == []
        found = audit.rows(tx)
    assert [row.seq for row in found] == list(range(1, PROCESSES * THREADS * ROWS + 1))
    for name in (f"w{i}-{n}" for i in range(PROCESSES) for n in range(THREADS)):
        assert [row.subject for row in found if row.actor == name] == [str(n) for n in range(ROWS)]
    ledger.close()


def test_a_writer_killed_leaves_a_whole_chain_with_every_row_it_was_told_of(tmp_path: Path) -> None:
    ledger = made(tmp_path)
    with writer(ledger.url, "w", 1_000_000) as running:
        assert running.stdout is not None
        told = [running.stdout.readline().split() for _ in range(25)]
        running.kill()
        left, _ = running.communicate(timeout=60)
    told += [line.split() for line in left.splitlines(keepends=True) if line.endswith("\n")]
    with ledger.read() as tx:
        assert list(audit.verify(tx)) == []
        there = {(row.actor, row.subject) for row in audit.rows(tx)}
    assert {(name, number) for name, number in told} <= there
    with ledger.write() as tx:  # and it goes on
        audit.record(tx, Actor("next"), "play", "gate", at_us=1)
    with ledger.read() as tx:
        assert list(audit.verify(tx)) == []
    ledger.close()
