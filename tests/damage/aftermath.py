"""What must hold of an archive whatever befell it, beyond what `check` says."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import pairwise
from typing import Any

from storage import timeline
from storage.directory import DataDirectory
from storage.durable import UNUSABLE_SUFFIX
from storage.generations import generations, live_parts
from storage.vocabulary import Camera, Span


def faults(
    directory: DataDirectory, cameras: Sequence[Camera], checked: Mapping[str, Any]
) -> list[str]:
    """Each thing that does not hold, as a sentence. `checked`: what `hindsight check --json`
    printed; of a crash it may notice the files that were set aside, and nothing else."""
    found = [
        f"check: {one['what']}"
        for one in checked["findings"]
        if one["loss"] or not one.get("path", "").endswith(UNUSABLE_SUFFIX)
    ]
    for camera in cameras:
        found += [f"{camera.slug}: {fault}" for fault in _time(directory, camera)]
    found += _ledger(directory)
    found += _lake(directory)
    return found


def _time(directory: DataDirectory, camera: Camera) -> Iterator[str]:
    """Recorded + gaps = expected, and no instant is told twice."""
    with directory.ledger.read() as tx:
        until = Span(0, directory.clock.now_us())
        for hole in timeline.unexplained(tx, camera.id, until):
            yield f"{hole} is not explained"
        gaps = timeline.gaps(tx, camera_ids=[camera.id])
        kept = timeline.recorded(tx, camera.id, until) + timeline.deleted(tx, camera.id, until)
    missing = [Span(gap.start_us, gap.end_us or until.end_us) for gap in gaps]
    for both in timeline.intersect(missing, kept):
        if both.duration_us > timeline.JOIN_US:
            yield f"{both} is footage and a gap"
    for one, two in pairwise(sorted(missing, key=lambda gap: gap.start_us)):
        if one.end_us > two.start_us:
            yield f"gaps {one} and {two} overlap"
    if sum(gap.end_us is None for gap in gaps) > 1:
        yield "more than one gap has no end"


def _ledger(directory: DataDirectory) -> Iterator[str]:
    with closing(sqlite3.connect(directory.root / "ledger.db")) as db:
        for (said,) in db.execute("PRAGMA integrity_check"):
            if said != "ok":
                yield f"SQLite: {said}"
        for row in db.execute("PRAGMA foreign_key_check"):
            yield f"SQLite: a foreign key leads nowhere: {row}"
        rows = db.execute(
            "SELECT camera_id, start_us, end_us, id FROM segment ORDER BY camera_id, start_us"
        ).fetchall()
    by_camera = defaultdict(list)
    for camera_id, start_us, end_us, key in rows:
        by_camera[camera_id].append((start_us, end_us, key))
    for mine in by_camera.values():
        for one, two in pairwise(mine):
            if one[1] > two[0]:
                yield f"segment {one[2]} overlaps {two[2]} by {one[1] - two[0]} us"


def _lake(directory: DataDirectory) -> Iterator[str]:
    """Every part a finished row names is whole and has its rows; no part names a stranger."""
    if not directory.lake.exists():
        return
    from storage.lake import read_part  # with pyarrow

    with directory.ledger.read() as tx:
        for generation in generations(tx):
            for part, segments in live_parts(tx, generation.id).items():
                table, _ = read_part(directory.lake, part, generation)
                if missing := set(segments) - set(table["segment_id"].to_pylist()):
                    yield f"part {part} lacks rows of {sorted(missing)}"
    with closing(sqlite3.connect(directory.root / "ledger.db")) as db:
        known = {key for (key,) in db.execute("SELECT id FROM segment")}
    import pyarrow.parquet as pq

    for path in directory.lake.rglob("*.parquet"):
        named = set(pq.read_table(path, columns=["segment_id"], partitioning=None)[0].to_pylist())
        if strangers := named - known:
            yield f"part {path.name} names segments that are not in the ledger: {strangers}"
