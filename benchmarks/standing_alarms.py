"""Standing queries on real clips: how often they fire for what is not there, what the search of the
day is worth, and what a look costs.

The clips of shared/footage are imported one after the other, as if recorded within an hour, and
each is looked at as it becomes indexed. A firing is wrong when its clip does not hold what was
asked (`queries.jsonl`), or when no clip does (`absent_things`). Beside it: the same looks without
the search of the day.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field

from sqlalchemy import select, update

from benchmarks.absent_things import FAR, NEAR
from benchmarks.house import SHARED_FOOTAGE, House, clips, house
from benchmarks.report import report
from search.engine import Engine
from search.query import Part, Query
from search.standing_answers import Answering
from storage import generations, register, schema
from storage.clock import US, SystemClock, rfc3339
from storage.directory import DataDirectory, open_directory
from storage.standing_queries import NewFootage, StandingQuery

APART_US = 30 * US
INDEXED_US = 5 * US  # after its end
THRESHOLD = 0.6
THRESHOLDS = (0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass
class Asked:
    """A standing query, the clips that hold it, and where it fired."""

    text: str
    clips: frozenset[str]
    fired: dict[str, float] = field(default_factory=dict)  # clip → score
    alone: set[str] = field(default_factory=set)  # without the search of the day

    def at(self, threshold: float) -> set[str]:
        """Where it fires from this score on."""
        return {clip for clip, score in self.fired.items() if score >= threshold}


def main() -> None:
    """Import, index, look; two lines of counts and one of time."""
    if not SHARED_FOOTAGE.is_dir():
        print("standing_alarms needs the real clips beside the checkout")  # noqa: T201
        return
    with house() as made:
        _import(made)
        made.run("index")
        directory = open_directory(made.root / "data")
        try:
            measure(directory)
        finally:
            directory.close()


def measure(directory: DataDirectory) -> None:
    """Look at every clip as it becomes done."""
    every = _asked()
    looks, took_s = _look(directory, every)
    absent = [one for one in every if not one.clips]
    held = [one for one in every if one.clips]
    for threshold in THRESHOLDS:
        claimed = sum(bool(one.at(threshold)) for one in absent) / len(absent)
        found = sum(bool(one.at(threshold) & one.clips) for one in held) / len(held)
        elsewhere = sum(len(one.at(threshold) - one.clips) for one in held)
        print(  # noqa: T201
            f"threshold {threshold}: {claimed:.1%} of {len(absent)} absent things fired,"
            f" {found:.1%} of {len(held)} held ones, and these at {elsewhere} other clips"
        )
    report(
        "standing_absent_fired", sum(bool(one.fired) for one in absent) / len(absent), "share",
        "without the search of the day", sum(bool(one.alone) for one in absent) / len(absent),
    )  # fmt: skip
    elsewhere = sum(len(one.at(THRESHOLD) - one.clips) for one in held)
    report(
        "standing_elsewhere_fired", elsewhere, "clips", "without the search of the day",
        sum(len(one.alone - one.clips) for one in held),
    )  # fmt: skip
    report(
        "standing_held_fired", sum(bool(one.at(THRESHOLD) & one.clips) for one in held) / len(held),
        "share", "without the search of the day",
        sum(bool(one.alone & one.clips) for one in held) / len(held),
    )  # fmt: skip
    report("standing_look", 1000 * took_s / looks, "ms a query", "limit", 50)


def _import(made: House) -> None:
    start_us = SystemClock().now_us() - 7200 * US
    folder = made.root / "scenes"
    folder.mkdir()
    for clip in clips(folder):
        camera = "jam" if clip.name.startswith("tfl") else clip.stem.replace("_", "-")
        made.run("import", str(clip), "--camera", camera, "--start", rfc3339(start_us))
        (found,) = made.json("segments", "--from", rfc3339(start_us - US))
        start_us += round(found["duration_s"] * US) + APART_US


def _asked() -> list[Asked]:
    lines = (SHARED_FOOTAGE / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    held = [Asked(one[lang], frozenset(one["clips"])) for one in found for lang in ("en", "zh")]
    return held + [Asked(text, frozenset()) for pair in (*NEAR, *FAR) for text in pair]


def _look(directory: DataDirectory, every: list[Asked]) -> tuple[int, float]:
    """Fills in where each fired; returns looks, each of one query, and how long they took."""
    s, w = schema.segment.c, schema.index_work.c
    with directory.ledger.read() as tx:
        rows = tx.execute(
            select(s.id, s.camera_id, s.start_us, s.end_us, s.original_name).order_by(s.start_us)
        ).all()
        generation = generations.active_generation(tx)
        cameras = {camera.id: camera.slug for camera in register.cameras(tx)}
    assert generation is not None
    with directory.ledger.write() as tx:
        tx.execute(update(schema.index_work).values(state="claimed", done_us=None))
    engine = Engine(directory)
    answering = Answering(directory, lambda: engine, lambda: False)
    asked = [(one, Query(parts=(Part(text=one.text),))) for one in every]
    took_s = 0.0
    for row in rows:
        done_us = row.end_us + INDEXED_US
        with directory.ledger.write() as tx:
            values = {"state": "done", "done_us": done_us}
            tx.execute(update(schema.index_work).where(w.segment_id == row.id).values(**values))
        new = [NewFootage(row.id, row.camera_id, row.start_us, row.end_us, done_us, None)]
        begun_s = time.perf_counter()
        for one, query in asked:
            standing = _standing(rows[0].start_us - US)
            for _, noticed in answering.noticed(standing, query, generation, cameras, new, None):
                if noticed:
                    one.alone.add(row.original_name)
                scores = [each.score for each in noticed if each.score is not None]
                if scores:
                    one.fired[row.original_name] = max(scores)
        took_s += time.perf_counter() - begun_s
    return len(rows) * len(asked), took_s


def _standing(created_us: int) -> StandingQuery:
    return StandingQuery(
        0, "", "", "", "", created_us, created_us, THRESHOLD, None, None, created_us, None, None,
        None,
    )  # fmt: skip
