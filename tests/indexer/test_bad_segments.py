"""Footage that cannot be looked at, or only in part: counted, with its reason, blocking nobody."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from indexer.indexing import run
from indexer.packets import packet_table
from indexer.pipeline import Worker
from indexer.succession import ensure_generation
from storage import generations, schema
from storage.clock import US
from storage.i18n import use_language
from storage.looks import read_looks
from storage.media import Media
from tests.indexer.clips import START_US, Archive, Clip, steady, write_clip


def without_keyframes(whole: bytes, numbers: slice, path: Path) -> bytes:
    """Zeros where these keyframes of a clip are; `path` holds it whole."""
    table = packet_table(Media(path))
    assert table is not None
    data = bytearray(whole)
    for key in np.flatnonzero(table.key)[numbers]:
        start, size = int(table.offset[key]), int(table.size[key])
        data[start : start + size] = bytes(size)
    return bytes(data)


def with_bytes(whole: bytes, after: bytes, skip: int, value: bytes) -> bytes:
    """`value` so many bytes after the last `after`."""
    at = whole.rindex(after) + skip
    return whole[:at] + value + whole[at + len(value) :]


def reasons(archive: Archive) -> dict[str, str]:
    """Segment → why it failed."""
    with archive.directory.ledger.read() as tx:
        generation = generations.active_generation(tx)
        assert generation is not None
        return dict(generations.failures(tx, generation.id))


def works(archive: Archive) -> dict[str, tuple[str, int, int, str | None]]:
    """Segment → state, pictures that were due, damaged ones, detail."""
    w = schema.index_work.c
    with archive.directory.ledger.read() as tx:
        query = select(w.segment_id, w.state, w.looked, w.damaged, w.detail)
        return {row[0]: (row[1], row[2], row[3], row[4]) for row in tx.execute(query)}


@pytest.fixture
def damaged(archive: Archive, short_clip: Path) -> Callable[[bytes], str]:
    """Put a segment whose file became something else of the same length since it was closed."""
    at_us = START_US + 600 * US

    def put(data: bytes) -> str:
        nonlocal at_us
        segment = archive.put(short_clip, at_us)
        at_us += 60 * US
        assert len(data) == segment.size_bytes
        archive.file(segment).write_bytes(data)
        return segment.id

    return put


def test_a_damaged_gop_costs_its_pictures_and_is_counted(
    archive: Archive, short_clip: Path, damaged: Callable[[bytes], str]
) -> None:
    hit = damaged(without_keyframes(short_clip.read_bytes(), slice(2, 3), short_clip))
    whole = archive.put(short_clip)
    tally = run(archive.directory, ensure_generation(archive.directory))
    assert (tally.segments, tally.looked, tally.pictures, tally.damaged) == (2, 6, 5, 1)
    assert works(archive) == {
        whole.id: ("done", 3, 0, None),
        hit: ("done", 3, 1, "1 of 3 pictures are damaged"),
    }
    looks = [str(p) for p in (archive.directory.lake / "looks").rglob("*.parquet")]
    table = read_looks(archive.directory.lake, looks)
    assert table.column("reason").to_pylist().count("damaged") == 1


@pytest.mark.parametrize("kind", ["no keyframe left", "unknown codec", "noise"])
def test_what_cannot_be_decoded_fails_with_a_reason_and_blocks_nobody(
    archive: Archive, short_clip: Path, damaged: Callable[[bytes], str], kind: str
) -> None:
    whole = short_clip.read_bytes()
    data = {
        "no keyframe left": without_keyframes(whole, slice(None), short_clip),
        "unknown codec": with_bytes(whole, b"avc1", 0, b"zz9z"),
        "noise": np.random.default_rng(1).bytes(len(whole)),
    }[kind]
    bad = damaged(data)
    good = archive.put(short_clip)
    tally = run(archive.directory, ensure_generation(archive.directory))
    assert tally.segments == 1
    assert reasons(archive).keys() == {bad}
    assert "segment " + bad in reasons(archive)[bad]
    assert works(archive)[good.id][0] == "done"


def test_a_file_that_marks_no_keyframe_is_read_from_its_start(
    archive: Archive, short_clip: Path, damaged: Callable[[bytes], str]
) -> None:
    damaged(with_bytes(short_clip.read_bytes(), b"stss", 8, struct.pack(">I", 0)))
    tally = run(archive.directory, ensure_generation(archive.directory))
    assert (tally.segments, tally.pictures) == (1, 3)


def test_a_resolution_that_changes_inside_loses_nothing(archive: Archive, tmp_path: Path) -> None:
    before = write_clip(tmp_path / "before.ts", Clip(steady(25, 4)))
    later = tuple(at + 4 for at in steady(25, 4))
    after = write_clip(tmp_path / "after.ts", Clip(later, size=(480, 272)))
    both = tmp_path / "both.ts"
    both.write_bytes(before.read_bytes() + after.read_bytes())
    archive.put(both)
    tally = run(archive.directory, ensure_generation(archive.directory))
    assert (tally.segments, tally.looked, tally.pictures, tally.damaged) == (1, 4, 4, 0)


def test_reasons_are_english_in_the_ledger_whoever_runs_it(
    archive: Archive, short_clip: Path, damaged: Callable[[bytes], str]
) -> None:
    hit = damaged(without_keyframes(short_clip.read_bytes(), slice(2, 3), short_clip))
    gone = archive.put(short_clip)
    archive.file(gone).unlink()
    use_language("zh")
    try:
        run(archive.directory, ensure_generation(archive.directory))
    finally:
        use_language("en")
    assert works(archive)[hit][3] == "1 of 3 pictures are damaged"
    assert "is missing from volume main" in reasons(archive)[gone.id]


def test_a_volume_that_goes_away_during_the_work_costs_its_segments_no_attempt(
    archive: Archive, short_clip: Path
) -> None:
    for i in range(3):
        archive.put(short_clip, START_US + i * 60 * US)
    lane = ensure_generation(archive.directory)
    root = archive.directory.archive.volume("main").root
    away = root.with_name("away")
    asked = 0

    def unmount_in_the_first_segment() -> bool:
        nonlocal asked
        asked += 1
        if asked == 2:
            root.rename(away)
        return False

    worker = Worker(archive.directory, stop=unmount_in_the_first_segment)
    worker.work(lane)
    assert worker.tally.segments == 1  # it was open
    assert [state for state, *_ in works(archive).values()] == ["done"]
    away.rename(root)
    assert run(archive.directory, lane).segments == 2
