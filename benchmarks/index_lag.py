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
    report("index_lag_worst", max(lags), "s", "limit segment length + 5 s", SEGMENT_S + 5)


def _lags_s(data: Path) -> list[float]:
    """Per segment: instant it became searchable − instant of its first picture."""
    directory = open_directory(data)
    work, segment = schema.index_work.c, schema.segment.c
    query = select(segment.start_us, work.done_us).join_from(
        schema.segment, schema.index_work, segment.id == work.segment_id, isouter=True
    )
    end = time.monotonic() + 60
    while True:
        with directory.ledger.read() as tx:
            rows = tx.execute(query).all()
        if rows and all(done is not None for _, done in rows):
            break
        if time.monotonic() > end:
            raise SystemExit("segments were not indexed within a minute of the end")
        time.sleep(0.2)
    directory.close()
    return [(done - start) / US for start, done in rows]
