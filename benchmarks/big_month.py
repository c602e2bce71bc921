"""A ledger of many days of very many cameras, made from one day of them: for measurements."""

from __future__ import annotations

import sqlite3

from benchmarks.big_ledger import CAMERAS, COLUMNS, fill
from storage.clock import US
from storage.directory import DataDirectory

DAY_US = 86_400 * US
MINUTES = 1440
_MOVED = {
    "id": "printf('%02d', :ago) || substr(id, 3)",
    "start_us": "start_us - :ago * 86400000000",
    "end_us": "end_us - :ago * 86400000000",
    "created_us": "created_us - :ago * 86400000000",
    "path": "printf('%02d/', :ago) || path",
    "sha256": "printf('%02d', :ago) || substr(sha256, 3)",
}
_SLOTS = """
INSERT INTO footage_change (slot, writer, version)
SELECT start_us / 600000000, 0, count(*) FROM segment GROUP BY start_us / 600000000
ON CONFLICT (slot, writer) DO UPDATE SET version = excluded.version
"""


def fill_days(directory: DataDirectory, days: int, end_us: int, cameras: int = CAMERAS) -> None:
    """A segment a minute of each camera for so many days up to `end_us`, and when they were due.

    The day is made as a recorder would have left it; the days before are its rows, moved. Indexes
    and triggers are put back when all rows are in: it takes a fifth of the time.
    """
    fill(directory, cameras * MINUTES, end_us, cameras)
    raw = sqlite3.connect(directory.root / "ledger.db")
    raw.execute("PRAGMA synchronous=OFF")  # only while it is made
    raw.execute("PRAGMA cache_size=-1000000")
    put_back = [
        (name, kind, text)
        for name, kind, text in raw.execute(
            "SELECT name, type, sql FROM sqlite_master WHERE tbl_name = 'segment'"
            " AND type IN ('index', 'trigger') AND sql IS NOT NULL"
        )
    ]
    for name, kind, _ in put_back:
        raw.execute(f"DROP {kind} {name}")
    names = ", ".join(COLUMNS)
    values = ", ".join(_MOVED.get(name, name) for name in COLUMNS)
    first = raw.execute("SELECT min(rowid), max(rowid) FROM segment").fetchone()
    for ago in range(1, days):
        with raw:
            raw.execute(
                f"INSERT INTO segment ({names}) SELECT {values} FROM segment"
                f" WHERE rowid BETWEEN {first[0]} AND {first[1]}",
                {"ago": ago},
            )
    for _, _, text in put_back:
        raw.execute(text)
    with raw:
        raw.execute(_SLOTS)
        raw.execute(
            "INSERT INTO expectation (camera_id, start_us) SELECT id, :from FROM camera",
            {"from": end_us - days * DAY_US},
        )
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
