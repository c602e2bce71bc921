"""Ten million segments of 200 cameras in the ledger: entering one more, and one camera's day.

LEDGER_ROWS makes it smaller. The ledger takes about a kilobyte a row under the temporary folder.
"""

from __future__ import annotations

import os
import random
import time
from dataclasses import replace
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

from benchmarks.big_ledger import CAMERAS, SEGMENT_US, fill
from benchmarks.report import report
from storage.clock import US
from storage.directory import DataDirectory, init_directory
from storage.promises import DAY_US
from storage.segments import insert_segment, neighbours, segment_at, segments

ROWS = int(os.environ.get("LEDGER_ROWS", "10000000"))
ENTERED, A_TRANSACTION = 4000, 4  # rows; a capture process closes a few together
ASKED = 200
LIMIT_MS = 50.0


def main() -> None:
    """Entering beside so many rows against entering into an empty ledger; questions of a day."""
    with TemporaryDirectory(prefix="hindsight-bench-") as folder:
        empty, _ = init_directory(Path(folder) / "empty")
        now_us = empty.clock.now_us()
        fill(empty, CAMERAS, now_us)
        empty_rate = _enter(empty, now_us)
        empty.close()
        directory, _ = init_directory(Path(folder) / "data")
        fill(directory, ROWS, now_us)
        rate = _enter(directory, now_us)
        days_ms = _ask_days(directory, now_us)
        instants_ms = _ask_instants(directory, now_us)
        directory.close()
    report("ledger_insert", rate, "rows/s", "into an empty ledger", empty_rate)
    for name, each in (("ledger_camera_day", days_ms), ("ledger_instant", instants_ms)):
        cut = quantiles(each, n=20)
        report(f"{name}_p50", cut[9], "ms", "limit", LIMIT_MS)
        report(f"{name}_p95", cut[18], "ms", "limit", LIMIT_MS)


def _enter(directory: DataDirectory, now_us: int) -> float:
    """Rows a second, entered as recording does."""
    with directory.ledger.read() as tx:
        first = segments(tx, from_us=now_us - SEGMENT_US, limit=A_TRANSACTION)
    began = time.monotonic()
    for number in range(0, ENTERED, A_TRANSACTION):
        with directory.ledger.write() as tx:
            for place, model in enumerate(first):
                key = number + place
                start_us = now_us + number * US
                insert_segment(
                    tx,
                    replace(
                        model, id=f"Z{key:025d}", path=f"new/{key}", sha256=f"{key:064x}",
                        start_us=start_us, end_us=start_us + US,
                    ),
                )  # fmt: skip
    return ENTERED / (time.monotonic() - began)


def _ask_days(directory: DataDirectory, now_us: int) -> list[float]:
    """Milliseconds for `segments` of a random camera and day, rows made into facts and all."""
    dice, past_us = random.Random(1), ROWS // CAMERAS * SEGMENT_US
    took = []
    for _ in range(ASKED):
        from_us = now_us - dice.randrange(min(past_us, DAY_US), past_us + 1)
        began = time.monotonic()
        with directory.ledger.read() as tx:
            segments(tx, camera_ids=[dice.randint(1, CAMERAS)], from_us=from_us,
                     to_us=from_us + DAY_US)  # fmt: skip
        took.append((time.monotonic() - began) * 1000)
    return took


def _ask_instants(directory: DataDirectory, now_us: int) -> list[float]:
    """Milliseconds for what a player asks: the segment at an instant and its neighbours."""
    dice, past_us = random.Random(2), ROWS // CAMERAS * SEGMENT_US
    took = []
    for _ in range(ASKED):
        at_us, key = now_us - dice.randrange(1, past_us), dice.randint(1, CAMERAS)
        began = time.monotonic()
        with directory.ledger.read() as tx:
            segment_at(tx, key, at_us)
            neighbours(tx, key, at_us)
        took.append((time.monotonic() - began) * 1000)
    return took
