"""From closed segments to rows that count: idempotent, leased, never blocked by a bad file."""

from __future__ import annotations

import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from indexer.batches import smaller_batch
from indexer.embedder import Embedder
from indexer.indexing import run
from indexer.pipeline import Worker
from indexer.succession import Lane, ensure_generation
from storage import generations, lake, segments
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import ResourceExhausted, Unavailable
from tests.indexer.clips import START_US, Archive, Clip, steady, write_clip


@dataclass
class HandClock:
    """A clock that stands still until it is moved."""

    now: int = START_US

    def now_us(self) -> int:
        return self.now

    def monotonic_us(self) -> int:
        return self.now


def rows(directory: DataDirectory) -> list[tuple[str, int, int]]:
    """(segment, pts, ts_us) of every row that counts in the active generation, sorted."""
    found = []
    with directory.ledger.read() as tx:
        generation = generations.active_generation(tx)
        assert generation is not None
        parts = generations.live_parts(tx, generation.id)
    for part, live in parts.items():
        table, vectors = lake.read_part(directory.lake, part, generation)
        assert np.linalg.norm(vectors.astype(np.float32), axis=1) == pytest.approx(1, abs=2e-3)
        for row in table.to_pylist():
            if row["segment_id"] in live:
                found.append((row["segment_id"], row["pts"], row["ts_us"]))
    return sorted(found)


def work_states(directory: DataDirectory) -> dict[str, str]:
    with directory.ledger.read() as tx:
        generation = generations.active_generation(tx)
        assert generation is not None
        return generations.indexed_segment_ids(tx, generation.id)


def failures(directory: DataDirectory, lane: Lane) -> dict[str, str]:
    with directory.ledger.read() as tx:
        return dict(generations.failures(tx, lane.generation.id))


def lane_of(archive: Archive) -> Lane:
    return ensure_generation(archive.directory)


def test_every_closed_segment_becomes_rows_with_exact_times(
    archive: Archive, short_clip: Path
) -> None:
    first, second = archive.put(short_clip), archive.put(short_clip, START_US + 60 * US)
    lane = lane_of(archive)
    tally = run(archive.directory, lane)
    assert (tally.segments, tally.pictures) == (2, 6)
    assert tally.video_us == first.duration_us + second.duration_us
    assert [(segment, ts_us) for segment, _, ts_us in rows(archive.directory)] == sorted(
        (segment.id, segment.start_us + s * US) for segment in (first, second) for s in (0, 2, 4)
    )


def test_running_again_does_nothing_and_new_footage_is_added(
    archive: Archive, short_clip: Path
) -> None:
    archive.put(short_clip)
    lane = lane_of(archive)
    run(archive.directory, lane)
    before = rows(archive.directory)
    assert run(archive.directory, lane).segments == 0
    assert rows(archive.directory) == before
    archive.put(short_clip, START_US + 60 * US)
    assert run(archive.directory, lane).segments == 1
    assert len(rows(archive.directory)) == 2 * len(before)


def test_batches_and_parts_are_filled_across_segments(archive: Archive, short_clip: Path) -> None:
    for i in range(5):
        archive.put(short_clip, START_US + i * 60 * US)
    run(archive.directory, lane_of(archive))
    assert len(list((archive.directory.lake / "frames").rglob("*.parquet"))) < 5


def test_each_day_has_its_own_part(archive: Archive, short_clip: Path) -> None:
    midnight_us = START_US // (86_400 * US) * 86_400 * US + 86_400 * US
    crossing = archive.put(short_clip, midnight_us - 3 * US)
    archive.put(short_clip, midnight_us + 60 * US)
    run(archive.directory, lane_of(archive))
    assert len({p.parent.name for p in (archive.directory.lake / "frames").rglob("*.parquet")}) == 2
    assert len([row for row in rows(archive.directory) if row[0] == crossing.id]) == 3


def test_only_the_cameras_asked_for_are_indexed(archive: Archive, short_clip: Path) -> None:
    archive.put(short_clip)
    lane = lane_of(archive)
    assert run(archive.directory, lane, camera_ids=[archive.camera.id + 1]).segments == 0
    assert run(archive.directory, lane, camera_ids=[archive.camera.id]).segments == 1


def test_bad_files_fail_with_a_reason_and_never_block_the_others(
    make_archive: Callable[..., Archive], short_clip: Path, tmp_path: Path
) -> None:
    clock = HandClock()
    archive = make_archive(clock=clock)
    empty, text, whole = tmp_path / "empty.mp4", tmp_path / "text.mp4", short_clip.read_bytes()
    empty.write_bytes(b"")
    text.write_text("this is a text file named .mp4")
    (headless := tmp_path / "headless.mp4").write_bytes(whole[: len(whole) // 2])
    bad = {
        archive.put(empty, START_US + 100 * US).id: "cannot be read as video",
        archive.put(text, START_US + 200 * US).id: "cannot be read as video",
        archive.put(headless, START_US + 300 * US).id: "cannot be read as video",
    }
    cut = archive.put(short_clip, START_US + 400 * US)
    archive.file(cut).write_bytes(whole[:-5])
    bad[cut.id] = "its row says"
    gone = archive.put(short_clip, START_US + 500 * US)
    archive.file(gone).unlink()
    bad[gone.id] = "is missing from volume main"
    archive.put(short_clip)
    lane = lane_of(archive)
    assert run(archive.directory, lane).segments == 1
    found = failures(archive.directory, lane)
    assert set(found) == set(bad)
    for key, reason in bad.items():
        assert reason in found[key]
    # Tried again after a while, but not for ever.
    tried = []
    for _ in range(6):
        clock.now += 3600 * US
        worker = Worker(archive.directory, progress=lambda segment: tried.append(segment.id))
        worker.work(lane)
    assert {tried.count(key) for key in bad} == {generations.MOST_ATTEMPTS - 1}


def test_a_claim_of_another_machine_is_left_alone_until_it_lapses(
    make_archive: Callable[..., Archive], short_clip: Path
) -> None:
    clock = HandClock()
    archive = make_archive(clock=clock)
    segment = archive.put(short_clip)
    lane = lane_of(archive)
    with archive.directory.ledger.write() as tx:
        generations.claim(
            tx, lane.generation.id, "elsewhere:1:x", among=[segment.id], now_us=clock.now,
            lease_us=120 * US,
        )  # fmt: skip
    assert run(archive.directory, lane).segments == 0
    clock.now += 121 * US
    assert run(archive.directory, lane).segments == 1


def test_rows_of_a_worker_that_lost_its_lease_do_not_count(
    make_archive: Callable[..., Archive], short_clip: Path
) -> None:
    clock = HandClock()
    archive = make_archive("lease_s = 10", clock)
    segment = archive.put(short_clip)
    lane = lane_of(archive)
    other = Worker(archive.directory)
    asked = 0

    def sleep_through_the_lease() -> bool:
        nonlocal asked
        asked += 1
        if asked == 3:  # in the middle of the segment: another worker takes it and finishes
            clock.now += 11 * US
            assert other.work(lane)
        return False

    slow = Worker(archive.directory, stop=sleep_through_the_lease)
    slow.work(lane)
    assert slow.tally.segments == 0
    assert other.tally.segments == 1
    assert [row[0] for row in rows(archive.directory)] == [segment.id] * 3


def test_a_failure_after_the_lease_was_lost_does_not_undo_what_another_did(
    make_archive: Callable[..., Archive], short_clip: Path
) -> None:
    clock = HandClock()
    archive = make_archive(clock=clock)
    segment = archive.put(short_clip)
    lane = lane_of(archive)
    run(archive.directory, lane)
    with archive.directory.ledger.write() as tx:
        generations.fail(
            tx, segment.id, lane.generation.id, "somebody else", "too late", retry_us=clock.now
        )
    assert work_states(archive.directory) == {segment.id: "done"}


def test_a_long_segment_keeps_its_lease_while_work_goes_on(
    make_archive: Callable[..., Archive], tmp_path: Path
) -> None:
    clock = HandClock()
    archive = make_archive("lease_s = 10\ninterval_s = 1", clock)
    archive.put(write_clip(tmp_path / "long.mp4", Clip(steady(5, 30), gop=5)))
    lane = lane_of(archive)
    other = Worker(archive.directory)

    def four_seconds_a_picture() -> bool:
        clock.now += 4 * US
        if work_states(archive.directory):  # ours has claimed it
            other.work(lane)
        return False

    slow = Worker(archive.directory, stop=four_seconds_a_picture)
    slow.work(lane)
    assert slow.tally.segments == 1
    assert other.tally.segments == 0


def test_a_stop_gives_claims_back_untouched_and_keeps_what_is_whole(
    archive: Archive, short_clip: Path
) -> None:
    for i in range(3):
        archive.put(short_clip, START_US + i * 60 * US)
    lane = lane_of(archive)
    asked = 0

    def in_the_second_segment() -> bool:
        nonlocal asked
        asked += 1
        return asked > 6

    worker = Worker(archive.directory, stop=in_the_second_segment)
    worker.work(lane)
    assert worker.tally.segments == 1
    assert list(work_states(archive.directory).values()) == ["done"]
    assert run(archive.directory, lane).segments == 2


def test_footage_on_an_absent_volume_waits_and_has_not_failed(
    archive: Archive, short_clip: Path
) -> None:
    archive.put(short_clip)
    lane = lane_of(archive)
    identity = archive.directory.archive.volume("main").root / ".volume.json"
    away = identity.rename(identity.with_name("away"))
    assert run(archive.directory, lane).segments == 0
    assert work_states(archive.directory) == {}
    away.rename(identity)
    assert run(archive.directory, lane).segments == 1


@pytest.mark.parametrize("damage", ["missing", "flipped byte", "cut short"])
def test_a_lost_part_of_the_lake_is_made_again(
    archive: Archive, short_clip: Path, damage: str
) -> None:
    archive.put(short_clip)
    lane = lane_of(archive)
    run(archive.directory, lane)
    before = rows(archive.directory)
    [part] = (archive.directory.lake / "frames").rglob("*.parquet")
    data = bytearray(part.read_bytes())
    part.unlink()
    if damage == "flipped byte":
        vectors = pq.ParquetFile(pa.BufferReader(bytes(data))).metadata.row_group(0)
        column = vectors.column(vectors.num_columns - 1)
        data[column.data_page_offset + column.total_compressed_size // 2] ^= 0x10
        part.write_bytes(data)
    elif damage == "cut short":
        part.write_bytes(data[:-20])
    assert run(archive.directory, lane).segments == 1
    assert rows(archive.directory) == before


def test_a_segment_that_kills_its_workers_is_given_up(
    make_archive: Callable[..., Archive], short_clip: Path
) -> None:
    clock = HandClock()
    archive = make_archive(clock=clock)
    deadly = archive.put(short_clip)
    lane = lane_of(archive)
    for number in range(generations.MOST_LAPSES):
        with archive.directory.ledger.write() as tx:
            [claimed] = generations.claim(
                tx, lane.generation.id, f"elsewhere:{number}:x", among=[deadly.id],
                now_us=clock.now, lease_us=US,
            )  # fmt: skip
        assert claimed.id == deadly.id
        clock.now += 2 * US
    assert run(archive.directory, lane).segments == 0
    assert "died each time" in failures(archive.directory, lane)[deadly.id]


def test_expired_footage_is_not_indexed_and_no_longer_counts(
    archive: Archive, short_clip: Path
) -> None:
    kept, expired = archive.put(short_clip), archive.put(short_clip, START_US + 60 * US)
    lane = lane_of(archive)
    run(archive.directory, lane)
    never = archive.put(short_clip, START_US + 120 * US)
    with archive.directory.ledger.write() as tx:
        segments.expire(tx, [expired.id, never.id], "class 3: 30 days", START_US)
    assert run(archive.directory, lane).segments == 0
    assert {row[0] for row in rows(archive.directory)} == {kept.id}


class Cramped(Embedder):
    """The default model on a machine where more than four pictures do not fit."""

    sizes: list[int]

    def embed_prepared(
        self, prepared: Sequence[torch.Tensor]
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        if len(prepared) > 4:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        self.sizes.append(len(prepared))
        return super().embed_prepared(prepared)


def test_out_of_memory_halves_the_batch_and_goes_on(
    make_archive: Callable[..., Archive], short_clip: Path
) -> None:
    archive = make_archive("interval_s = 0.2\nbatch = 16")
    archive.put(short_clip)
    lane = lane_of(archive)
    cramped = Cramped.__new__(Cramped)
    cramped.__dict__.update(lane.embedder.__dict__, sizes=[])
    assert run(archive.directory, Lane(lane.generation, cramped)).segments == 1
    assert max(cramped.sizes) == 4
    assert sum(cramped.sizes) == len(rows(archive.directory)) == 30


def test_memory_that_cannot_hold_one_picture_is_said_and_other_errors_are_not_hidden() -> None:
    assert smaller_batch("nano", 9, MemoryError()) == 4
    with pytest.raises(ResourceExhausted, match="one picture with model nano"):
        smaller_batch("nano", 1, MemoryError())
    with pytest.raises(Unavailable, match="shapes differ"):
        smaller_batch("nano", 8, RuntimeError("shapes differ"))


def test_memory_of_a_worker_stays_flat_over_many_segments(
    make_archive: Callable[..., Archive], tmp_path: Path
) -> None:
    archive = make_archive("interval_s = 0.1\nqueue_mb = 4")
    clip = write_clip(tmp_path / "clip.mp4", Clip(steady(25, 4), gop=25, size=(624, 352)))
    lane = lane_of(archive)
    held = []
    for round_number in range(3):
        for i in range(3):
            archive.put(clip, START_US + (3 * round_number + i) * 60 * US)
        assert run(archive.directory, lane).segments == 3
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        held.append(pages * resource.getpagesize())
    # 3 segments hold 150 pictures: 99 MB as they are decoded, 30 MB as the model takes them.
    assert held[2] - held[1] < 20 << 20  # from when all is loaded and warm
