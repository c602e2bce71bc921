"""One retention pass over a million due rows: rows a second, memory, and how long others wait.

The files of all but REAL_FILES rows are not there, as when a disk was emptied by hand.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.big_ledger import fill
from benchmarks.report import report
from storage.clock import US
from storage.directory import DataDirectory, init_directory
from storage.promises import DAY_US
from storage.retention import AT_ONCE, retain
from storage.segments import insert_segment, segments
from storage.vocabulary import Actor

ROWS = int(os.environ.get("RETENTION_ROWS", "1000000"))
REAL_FILES = 2000
WRITE_EVERY_S = 0.05


def main() -> None:
    """The pass with a writer beside it, then the same number of plain UPDATEs."""
    with TemporaryDirectory(prefix="hindsight-bench-") as folder:
        directory, _ = init_directory(Path(folder) / "data")
        fill(directory, ROWS, directory.clock.now_us() - 60 * DAY_US)
        _files(directory)
        peer_s = _plain(directory.root / "ledger.db", Path(folder) / "peer.db")
        Path("/proc/self/clear_refs").write_text("5")  # the peak from here on
        before_kb = _peak_kb()
        waits, stop = [0.0], threading.Event()
        writer = threading.Thread(target=_write, args=(directory, stop, waits))
        writer.start()
        began = time.monotonic()
        result = retain(directory, Actor("benchmark"))
        took_s = time.monotonic() - began
        stop.set()
        writer.join()
        grown_kb = _peak_kb() - before_kb
        directory.close()
    if result.expired != ROWS or result.removed != ROWS:
        raise SystemExit(f"only {result.expired} expired, {result.removed} removed")
    report("retention_rows", ROWS / took_s, "rows/s", "plain UPDATEs of as many rows in sqlite3",
           ROWS / peer_s)  # fmt: skip
    report("retention_memory", grown_kb / 1000, "MB", "limit: MB the pass may grow by", 100)
    report("retention_wait", max(waits), "s", "limit: a recorder's longest wait to enter a row", 1)


def _peak_kb() -> int:
    """Most memory this process has held."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) if found else 0


def _files(directory: DataDirectory) -> None:
    """The oldest rows have a small file each."""
    with directory.ledger.read() as tx:
        for row in segments(tx, limit=REAL_FILES):
            path = directory.archive.volume(row.volume).file(row.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"footage")


def _write(directory: DataDirectory, stop: threading.Event, waits: list[float]) -> None:
    """A recorder beside it: a row every WRITE_EVERY_S; how long each took."""
    with directory.ledger.read() as tx:
        (model,) = segments(tx, limit=1)
    number = 0
    while not stop.wait(WRITE_EVERY_S):
        number += 1
        now_us = directory.clock.now_us()
        row = replace(
            model, id=f"Z{number:025d}", path=f"new/{number}", start_us=now_us - 60 * US,
            end_us=now_us, created_us=now_us,
        )  # fmt: skip
        began = time.monotonic()
        with directory.ledger.write() as tx:
            insert_segment(tx, row)
        waits.append(time.monotonic() - began)


def _plain(ledger: Path, copy: Path) -> float:
    """Seconds for one UPDATE a row, as many a transaction as retention makes."""
    source, target = sqlite3.connect(ledger), sqlite3.connect(copy)
    source.backup(target)
    source.close()
    target.execute("PRAGMA journal_mode=WAL")
    target.execute("PRAGMA synchronous=FULL")
    ids = target.execute("SELECT id FROM segment ORDER BY start_us")
    began = time.monotonic()
    while page := ids.fetchmany(AT_ONCE):
        with target:
            target.executemany(
                "UPDATE segment SET state = 'expired', expired_us = 1, expired_rule = 'x',"
                " unlinked_us = 1 WHERE id = ?", page,
            )  # fmt: skip
    took_s = time.monotonic() - began
    target.close()
    copy.unlink()
    return took_s
