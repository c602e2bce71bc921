"""From a picture on the wire to searchable, while recording: limit segment length + 5 s."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from sqlalchemy import select

from benchmarks.house import clips, house
from benchmarks.report import report
from storage import schema
from storage.clock import US
from storage.directory import open_directory

SEGMENT_S = 10
RECORD_S = 45
CAMERAS = 4


def main() -> None:
    """Record CAMERAS for RECORD_S with `index --follow` beside; the worst picture counts."""
    with house(f"[recorder]\nsegment_s = {SEGMENT_S}\n") as made:
        folder = made.root / "scenes"
        folder.mkdir()
        usable = [c for c in clips(folder) if c.suffix == ".mp4" and c.stat().st_size > 100_000]
        for number, clip in enumerate(usable[:CAMERAS]):
            made.run("camera", "add", f"camera-{number}", f"file:{clip.absolute()}?loop=1")
        follower = subprocess.Popen(made.argv("index", "--follow"))
        try:
            made.run("record", "--for", str(RECORD_S))
            lags = _lags_s(made.root / "data")
        finally:
            follower.terminate()
            follower.wait()
    lag_s, length_s = max(lags, key=lambda one: one[0] - one[1])
    report("index_lag_worst", lag_s, "s", "limit: its segment's length + 5 s", length_s + 5)


def _lags_s(data: Path) -> list[tuple[float, float]]:
    """Per segment: (searchable − instant of its first picture, its length), seconds."""
    directory = open_directory(data)
    work, segment = schema.index_work.c, schema.segment.c
    query = select(segment.start_us, segment.end_us, work.done_us).join_from(
        schema.segment, schema.index_work, segment.id == work.segment_id, isouter=True
    )
    end = time.monotonic() + 60
    while True:
        with directory.ledger.read() as tx:
            rows = tx.execute(query).all()
        if rows and all(done is not None for _, _, done in rows):
            break
        if time.monotonic() > end:
            raise SystemExit("segments were not indexed within a minute of the end")
        time.sleep(0.2)
    directory.close()
    return [((done - start) / US, (end - start) / US) for start, end, done in rows]
