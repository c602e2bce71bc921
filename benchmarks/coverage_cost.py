"""What the coverage statement of an answer costs, against reading every row of the ledger for it.

A million segments of a minute, all indexed; `COVERAGE_ROWS` says how many. Each ends some
milliseconds before the next begins, as cameras do it, so that no two are one span.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.big_ledger import fill
from benchmarks.report import report
from search.coverage import Coverage, coverage
from search.footage import Footage
from storage import generations, register
from storage.clock import US
from storage.directory import DataDirectory, init_directory
from storage.vocabulary import Generation
from tests.search.plain_coverage import plain_coverage

ROWS = int(os.environ.get("COVERAGE_ROWS", "1000000"))
TIMES = 20
GAPS = 100_000
QUESTIONS: dict[str, dict[str, Any]] = {
    "all": {"between": None},
    "time_of_day": {"between": (8 * 60, 20 * 60 + 33)},
}
_INDEXED = """
INSERT INTO index_work (segment_id, generation_id, state, worker, attempts, frames, part, done_us)
SELECT id, 1, 'done', 'w', 1, 1, 'frames/model=m/gen=1/day=' ||
    strftime('%Y-%m-%d', start_us / 1000000, 'unixepoch') || '/part-' || (start_us / 1800000000), 1
FROM segment
"""


def main() -> None:
    """Each question the first time, again, after a change, and by a process that just began."""
    with TemporaryDirectory(prefix="hindsight-bench-") as folder:
        directory, _ = init_directory(Path(folder) / "data")
        fill(directory, ROWS, directory.clock.now_us())
        with directory.ledger.write() as tx:
            made = generations.add_generation(
                tx, model="m", checkpoint=None, weights_hash="w", preprocess_hash="p",
                dimension=4, meaningful=True, state="active", at_us=1,
            )  # fmt: skip
        _change(directory, "UPDATE segment SET end_us = end_us - 1000 * (1 + rowid % 7)")
        _change(directory, _INDEXED)
        kept = Footage(directory.cache / "footage")
        asked = _Asked(directory, made)
        first_s, _ = asked.timed(kept, QUESTIONS["all"])
        for name, question in QUESTIONS.items():
            began = time.perf_counter()
            plain = asked.plain(question)
            plain_s = time.perf_counter() - began
            again = [asked.timed(kept, question) for _ in range(TIMES)]
            changed = [asked.after_a_change(kept, question, number) for number in range(TIMES)]
            begun = [
                asked.timed(Footage(directory.cache / "footage"), question) for _ in range(TIMES)
            ]
            if any(stated != plain for _, stated in [*again, *changed, *begun]):
                raise SystemExit(f"{name}: not what the plain reading says")
            peer = f"every row of {ROWS:,} segments read, {name}"
            for how, each in (("again", again), ("changed", changed), ("one_shot", begun)):
                spent = median(took for took, _ in each)
                report(f"coverage_{name}_{how}", spent * 1000, "ms", peer, plain_s * 1000)
        report("coverage_first", first_s, "s", "every row read", plain_s)
        _gaps(directory)
        spent = median(asked.timed(kept, QUESTIONS["all"])[0] for _ in range(5))
        report("coverage_many_gaps", spent * 1000, "ms", f"limit: {GAPS:,} gaps named", 1000)
        directory.close()


class _Asked:
    """Asks about all cameras and all time."""

    def __init__(self, directory: DataDirectory, generation: Generation) -> None:
        self._directory, self._generation = directory, generation
        self._now_us = directory.clock.now_us()
        with directory.ledger.read() as tx:
            self._cameras = register.find_cameras(tx, (), ())

    def plain(self, question: dict[str, Any]) -> Coverage:
        return self._say(plain_coverage, question)

    def timed(self, footage: Footage, question: dict[str, Any]) -> tuple[float, Coverage]:
        began = time.perf_counter()
        stated = self._say(coverage, {**question, "footage": footage})
        return time.perf_counter() - began, stated

    def after_a_change(
        self, footage: Footage, question: dict[str, Any], number: int
    ) -> tuple[float, Coverage]:
        """A segment's rows moved to another part: the answer stays, its ten minutes are read."""
        newest = "SELECT id FROM segment ORDER BY start_us DESC LIMIT 1"
        _change(
            self._directory,
            f"UPDATE index_work SET part = part || '{number}' WHERE segment_id = ({newest})",
        )
        return self.timed(footage, question)

    def _say(self, how: Callable[..., Coverage], question: dict[str, Any]) -> Coverage:
        with self._directory.ledger.read() as tx:
            return how(
                tx, self._cameras, self._generation, from_us=None, to_us=None,
                now_us=self._now_us, **question,
            )  # fmt: skip


def _change(directory: DataDirectory, statement: str) -> None:
    raw = sqlite3.connect(directory.root / "ledger.db")
    raw.execute("PRAGMA busy_timeout=30000")
    with raw:
        raw.execute(statement)
    raw.close()


def _gaps(directory: DataDirectory) -> None:
    """Gaps of a second, round the cameras."""
    raw = sqlite3.connect(directory.root / "ledger.db")
    (end_us,) = raw.execute("SELECT max(end_us) FROM segment").fetchone()
    cameras = [key for (key,) in raw.execute("SELECT id FROM camera")]
    with raw:
        raw.executemany(
            "INSERT INTO gap (camera_id, start_us, end_us, cause) VALUES (?, ?, ?, 'stalled')",
            (
                (cameras[n % len(cameras)], end_us - (n + 2) * US, end_us - (n + 1) * US)
                for n in range(GAPS)
            ),
        )
    raw.close()
