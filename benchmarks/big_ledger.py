"""A ledger of very many segment rows, made for measurements; their files are not there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import islice

from storage import schema
from storage.clock import US
from storage.directory import DataDirectory
from storage.register import add_camera

CAMERAS = 200
SEGMENT_US = 60 * US
AT_ONCE = 50_000  # rows of a transaction while it is made
COLUMNS = [column.name for column in schema.segment.c]


def fill(directory: DataDirectory, rows: int, end_us: int, cameras: int = CAMERAS) -> None:
    """A minute each, round the cameras, up to `end_us`: as a recorder would have left them."""
    with directory.ledger.write() as tx:
        keys = [
            add_camera(tx, name=f"camera {n:03d}", url=f"rtsp://10.0.0.1/{n}", created_us=0).id
            for n in range(cameras)
        ]
    minutes = -(-rows // cameras)
    start_us = end_us - minutes * SEGMENT_US
    raw = sqlite3.connect(directory.root / "ledger.db")
    raw.execute("PRAGMA synchronous=OFF")  # only while it is made
    raw.execute("PRAGMA cache_size=-500000")
    marks = ", ".join("?" * len(COLUMNS))
    statement = f"INSERT INTO segment ({', '.join(COLUMNS)}) VALUES ({marks})"
    coming = _rows(rows, keys, start_us)
    while some := list(islice(coming, AT_ONCE)):  # all at once would write everything twice
        with raw:
            raw.executemany(statement, some)
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()


def _rows(rows: int, keys: list[int], start_us: int) -> Iterator[tuple[object, ...]]:
    for number in range(rows):
        minute, place = divmod(number, len(keys))
        begin_us = start_us + minute * SEGMENT_US + place * 1000
        facts = {
            "id": f"{number:026d}", "camera_id": keys[place], "start_us": begin_us,
            "end_us": begin_us + SEGMENT_US, "duration_us": SEGMENT_US, "size_bytes": 30_000_000,
            "sha256": f"{number * 2654435761 % (1 << 256):064x}",
            "prev_sha256": f"{(number - len(keys)) * 2654435761 % (1 << 256):064x}",
            "container": "mp4", "codec": "h264", "width": 1920, "height": 1080, "fps": 25.0,
            "volume": "main", "path": path_of(number, place, begin_us), "state": "closed",
            "clock_source": "rtcp", "clock_error_us": 40_000, "recovered": 0, "origin": "live",
            "first_pts": 0, "time_base": "1/90000", "created_us": begin_us,
        }  # fmt: skip
        yield tuple(facts.get(name) for name in COLUMNS)


def path_of(number: int, place: int, begin_us: int) -> str:
    """Where a row says its file lies."""
    hours = begin_us // (3600 * US)
    return f"camera-{place:03d}/{hours // 24}/{hours % 24:02d}/{number:026d}.mp4"
