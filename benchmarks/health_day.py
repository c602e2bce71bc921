"""What the health desk costs: completeness of 200 cameras, and how they stand now.

A segment a minute; `HEALTH_DAYS` says how many days of them (3: ten minutes less than 30). The peer
is what was done before, and what one would write first: each camera's rows read, one after another.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TypeVar

from sqlalchemy import Connection

from benchmarks.big_month import DAY_US, fill_days
from benchmarks.report import report
from storage import generations, status, timeline
from storage.camera_states import states
from storage.completeness import Record, completeness
from storage.directory import DataDirectory, init_directory
from storage.footage_hours import FootageHours
from storage.register import cameras
from storage.segments import KEPT, newest_end_us
from storage.standings import newest_indexed_us
from storage.vocabulary import Camera, Span

DAYS = int(os.environ.get("HEALTH_DAYS", "3"))
TIMES = 10
T = TypeVar("T")
_INDEXED = """
INSERT INTO index_work (segment_id, generation_id, state, worker, attempts, frames, done_us)
SELECT id, 1, 'done', 'w', 1, 1, end_us FROM segment
WHERE start_us >= (SELECT max(start_us) - 86400000000 FROM segment)
"""
_GAPS = """
INSERT INTO gap (camera_id, start_us, end_us, cause)
SELECT camera_id, start_us, end_us, 'stalled' FROM segment WHERE {some};
DELETE FROM segment WHERE {some};
"""


def main() -> None:
    """A day and all of them: the first time ever, by a process that just began, and again."""
    with TemporaryDirectory(prefix="hindsight-bench-") as folder:
        directory, _ = init_directory(Path(folder) / "data")
        now_us = directory.clock.now_us()
        fill_days(directory, DAYS, now_us)
        _befall(directory)
        with directory.ledger.read() as tx:
            known = cameras(tx)
        spans = {
            "day": Span(now_us - DAY_US, now_us),
            "month": Span(now_us - DAYS * DAY_US, now_us),
        }
        _measure(directory, known, spans, now_us)
        _now(directory, known, now_us)
        directory.close()


def _measure(
    directory: DataDirectory, known: list[Camera], spans: dict[str, Span], now_us: int
) -> None:
    kept = directory.cache / "recorded"
    for name, span in spans.items():
        with directory.ledger.read() as tx:
            plain_s, plain = _timed(lambda: _plain(tx, known, span, now_us))  # noqa: B023
            peer = f"each of {len(known)} cameras' rows, {span.duration_us // DAY_US} days"
            shutil.rmtree(kept, ignore_errors=True)
            first_s, record = _timed(lambda: _ours(tx, FootageHours(kept), known, span, now_us))  # noqa: B023
            begun_s, _ = _timed(lambda: _ours(tx, FootageHours(kept), known, span, now_us))  # noqa: B023
            hours = FootageHours(kept)
            again = [
                _timed(lambda: _ours(tx, hours, known, span, now_us))[0]  # noqa: B023
                for _ in range(TIMES)
            ]
        for key, (due_us, missing_us) in plain.items():
            mine = record.by_camera[key]
            # What the edge of the span leaves of a hole may be shorter than what counts as one.
            if mine.missing_us != missing_us or abs(mine.due_us - due_us) > 2 * timeline.JOIN_US:
                raise SystemExit(f"{name}: camera {key} is not as its rows say")
        report(f"health_{name}_first", first_s * 1000, "ms", peer, plain_s * 1000)
        report(f"health_{name}_begun", begun_s * 1000, "ms", peer, plain_s * 1000)
        report(f"health_{name}_again", median(again) * 1000, "ms", peer, plain_s * 1000)


def _now(directory: DataDirectory, known: list[Camera], now_us: int) -> None:
    plain_s, _ = _timed(lambda: _plain_overview(directory, known, now_us))
    status.camera_overview(directory)
    again = [_timed(lambda: status.camera_overview(directory))[0] for _ in range(TIMES)]
    report(
        "health_overview", median(again) * 1000, "ms",
        "camera by camera, and a walk of all index work", plain_s * 1000,
    )  # fmt: skip


def _ours(
    tx: Connection, hours: FootageHours, known: list[Camera], span: Span, now_us: int
) -> Record:
    return completeness(tx, hours, {one.id: span for one in known}, {}, now_us)


def _plain(
    tx: Connection, known: list[Camera], span: Span, now_us: int
) -> dict[int, tuple[int, int]]:
    """Camera → (due, missing), from its rows."""
    past = Span(span.start_us, min(span.end_us, now_us))
    found = {}
    for one in known:
        have = timeline.recorded(tx, one.id, past) + timeline.deleted(tx, one.id, past)
        holes = [
            hole
            for hole in timeline.subtract(timeline.expected(tx, one.id, past), have)
            if hole.duration_us > timeline.JOIN_US
        ]
        missing_us = timeline.total_us(holes)
        rounded = timeline.subtract(timeline.expected(tx, one.id, past), have + holes)
        found[one.id] = (timeline.total_us(have + rounded) + missing_us, missing_us)
    return found


def _plain_overview(directory: DataDirectory, known: list[Camera], now_us: int) -> None:
    with directory.ledger.read() as tx:
        said, open_us = states(tx), status.longest_open_us(directory)
        active = generations.active_generation(tx)
        if active is not None:
            newest_indexed_us(tx, active.id)
        for one in known:
            today = status.today(one, now_us)
            past = Span(today.start_us, now_us)
            newest_end_us(tx, one.id, KEPT)
            settled = status.settled_span(tx, one, said.get(one.id), past, now_us, open_us)
            kept = timeline.recorded(tx, one.id, past)
            timeline.subtract(timeline.expected(tx, one.id, settled), kept)
            timeline.deleted(tx, one.id, settled)


def _befall(directory: DataDirectory) -> None:
    """A segment in 500 is a gap, and the last day is indexed."""
    with directory.ledger.write() as tx:
        generations.add_generation(
            tx, model="m", checkpoint=None, weights_hash="w", preprocess_hash="p", dimension=4,
            meaningful=True, state="active", at_us=1,
        )  # fmt: skip
    raw = sqlite3.connect(directory.root / "ledger.db")
    raw.execute("PRAGMA busy_timeout=30000")
    raw.executescript(_GAPS.format(some="rowid % 499 = 0"))
    with raw:
        raw.execute(_INDEXED)
    raw.close()


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    done = work()
    return time.perf_counter() - began, done
