"""The audit chain: looks written a second, how long one waits, and a million rows walked.

Eight threads write looks as playback does, against the same with a commit each; the walk is that
of `hindsight audit verify`, against its limit. AUDIT_ROWS makes it smaller.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, insert

from benchmarks.report import report
from storage import audit, schema
from storage.audit_digest import COLUMNS, GENESIS, digest_of
from storage.audit_heads import heads, marks_of
from storage.audit_walk import verify
from storage.clock import rfc3339
from storage.directory import DataDirectory, init_directory
from storage.sealing import sign_audit
from storage.vocabulary import Actor

ROWS = int(os.environ.get("AUDIT_ROWS", "1000000"))
THREADS, EACH = 8, 1000
WANTED_PER_S = 1000.0
WAIT_LIMIT_MS = 50.0
LIMIT_S = 20.0  # of 10^6 rows
ACTOR = Actor("li.wei", "C-1", "theft of a bicycle")
DETAIL = '{"from":"2026-11-18T08:00:00.000000Z","to":"2026-11-18T08:15:00.000000Z"}'
PAGE = 10_000


def main() -> None:
    """Writing first, into a new chain; then the walk."""
    with TemporaryDirectory(prefix="hindsight-bench-") as folder:
        alone, _ = init_directory(Path(folder) / "alone")
        alone_rate, alone_ms = _looks(alone, lambda look: _each_its_commit(alone, look))
        alone.close()
        directory, _ = init_directory(Path(folder) / "data")
        rate, waited_ms = _looks(directory, directory.ledger.write_together)
        report("audit_looks", rate, "looks/s", "wanted", WANTED_PER_S)
        report("audit_looks_together", rate, "looks/s", "a commit each", alone_rate)
        p95, alone_p95 = quantiles(waited_ms, n=20)[18], quantiles(alone_ms, n=20)[18]
        report("audit_look_waits_p95", p95, "ms", "limit", WAIT_LIMIT_MS)
        report("audit_look_waits_p95_together", p95, "ms", "a commit each", alone_p95)
        _fill(directory, ROWS)
        sign_audit(directory, ACTOR)
        took_s, rows = _walk(directory)
        directory.close()
    report("audit_verify", rows / took_s, "rows/s", "needed", 1e6 / LIMIT_S)
    report("audit_verify_million", took_s * 1e6 / rows, "s", "limit", LIMIT_S)


def _each_its_commit(directory: DataDirectory, look: Callable[[Connection], int]) -> int:
    with directory.ledger.write() as tx:
        return look(tx)


def _looks(
    directory: DataDirectory, write: Callable[[Callable[[Connection], int]], int]
) -> tuple[float, list[float]]:
    """Looks a second, and how many milliseconds each waited until it was committed."""
    waited_ms: list[float] = []
    now_us = directory.clock.now_us()

    def look(tx: Connection) -> int:
        detail = {"from": rfc3339(now_us), "to": rfc3339(now_us + 900_000_000)}
        return audit.record(tx, ACTOR, "play", "gate", at_us=now_us, detail=detail)

    def thread() -> None:
        for _ in range(EACH):
            began = time.monotonic()
            write(look)
            waited_ms.append((time.monotonic() - began) * 1000)

    threads = [threading.Thread(target=thread) for _ in range(THREADS)]
    began = time.monotonic()
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return THREADS * EACH / (time.monotonic() - began), waited_ms


def _fill(directory: DataDirectory, rows: int) -> None:
    """Rows like those, up to so many."""
    with directory.ledger.read() as tx:
        seq, prev = audit.head(tx) or (0, GENESIS)
    while seq < rows:
        page: list[dict[str, object]] = []
        for number in range(seq + 1, min(seq + PAGE, rows) + 1):
            values = (
                number, 1_795_000_000_000_000 + number, "li.wei", "C-1", "theft of a bicycle",
                "play", "gate", DETAIL, prev,
            )  # fmt: skip
            prev = digest_of(values)
            page.append(dict(zip(COLUMNS, (*values, prev), strict=True)))
        with directory.ledger.write() as tx:
            tx.execute(insert(schema.audit), page)
        seq = number


def _walk(directory: DataDirectory) -> tuple[float, int]:
    """Seconds for all rows against a signed head, and how many there are."""
    began = time.monotonic()
    with directory.ledger.read() as tx:
        breaks = list(verify(tx, None, marks_of(heads(tx))))
        newest = audit.head(tx)
    took_s = time.monotonic() - began
    if breaks or newest is None:
        raise SystemExit(f"a chain that nobody touched is said to be broken: {breaks[:3]}")
    return took_s, newest[0]
