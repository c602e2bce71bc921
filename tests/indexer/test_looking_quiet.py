"""Quiet footage costs little and hides nobody; what was decided is kept and counted."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from indexer.indexing import run
from indexer.novelty import Gate
from indexer.packets import packet_table
from indexer.succession import ensure_generation
from storage import generations, schema
from storage.clock import US
from storage.looks import Decision, Look, Reason, read_looks, write_looks
from storage.media import Media
from storage.settings import IndexerSettings
from storage.vocabulary import Generation
from tests.indexer.clips import START_US, Archive
from tests.indexer.looked import LOOKING, is_whole, look, reasons
from tests.indexer.street import WALK_S

# Quiet footage.


def test_quiet_packets_are_not_decoded_but_looked_into_every_look_s(
    minutes: dict[str, Path],
) -> None:
    gate, settings = Gate(), IndexerSettings(look_s=10)
    look(minutes["quiet"], settings, gate)
    looked = look(minutes["quiet"], settings, gate, start_us=START_US + 60 * US)
    assert len(looked) == 30
    assert is_whole(looked)
    assert reasons(looked)[Reason.QUIET] >= 20
    quiet = [one.look for one in looked if one.look.reason is Reason.QUIET]
    assert all(one.bustle < 1 and one.quality == 0 for one in quiet)
    decoded = [one.look.ts_us for one in looked if one.look.reason is not Reason.QUIET]
    assert np.diff(decoded).max() <= 10 * US + 2.1 * US
    # A scene that is known gets no vector again, in whichever segment it is.
    assert not any(one.crops for one in looked)


def test_somebody_small_in_quiet_footage_is_found(minutes: dict[str, Path]) -> None:
    gate, settings = Gate(), IndexerSettings(look_s=600)
    look(minutes["quiet"], settings, gate)
    looked = look(minutes["walk"], settings, gate, start_us=START_US + 60 * US)
    assert reasons(looked)[Reason.QUIET] >= 10
    new = [one for one in looked if one.look.reason is Reason.NEW]
    assert new
    begin_us = START_US + 60 * US
    at_s = (new[0].look.ts_us - begin_us) / US
    assert WALK_S[0] <= at_s < WALK_S[1]
    x = 150 + round((at_s - WALK_S[0]) * 40)
    boxes = [crop.box for crop in new[0].crops if crop.box]
    assert any(
        bx <= x + 8 <= bx + bw and by <= 240 <= by + bh and bw * bh < 130 * 130
        for bx, by, bw, bh in boxes
    )
    assert new[0].look.regions == len(boxes)
    assert all(one.crops[0].rgb.flags.owndata for one in new if one.crops[0].box)


def test_a_constant_bit_rate_is_never_believed(minutes: dict[str, Path]) -> None:
    gate, settings = Gate(), IndexerSettings(look_s=600)
    for number in range(2):
        looked = look(minutes["cbr"], settings, gate, start_us=START_US + 60 * number * US)
        assert len(looked) == 30
        assert Reason.QUIET not in reasons(looked)


def test_a_scene_in_which_nothing_happens_is_indexed_at_every_heartbeat(
    minutes: dict[str, Path],
) -> None:
    gate, settings = Gate(), IndexerSettings(look_s=600, heartbeat_s=40)
    looked = [
        one
        for number in range(3)
        for one in look(minutes["quiet"], settings, gate, start_us=START_US + 60 * number * US)
    ]
    whole = [one.look for one in looked if one.crops]
    assert [one.reason for one in whole] == [Reason.FIRST, *[Reason.HEARTBEAT] * 4]
    assert [(one.ts_us - START_US) // US for one in whole] == [0, 40, 80, 120, 160]


def test_the_scene_is_known_across_segments_and_not_across_cameras(
    minutes: dict[str, Path],
) -> None:
    gate = Gate()
    first = look(minutes["quiet"], LOOKING, gate)
    assert first[0].look.reason is Reason.FIRST
    again = look(minutes["quiet"], LOOKING, gate, start_us=START_US + 60 * US)
    assert not any(one.crops for one in again)
    assert look(minutes["quiet"], LOOKING)[0].look.reason is Reason.FIRST


def test_by_the_table_and_by_reading_the_same_is_decided(
    tmp_path: Path, minutes: dict[str, Path]
) -> None:
    # Matroska has no tables that are read; its milliseconds hold ten pictures a second exactly.
    other = tmp_path / "walk.mkv"
    with av.open(str(minutes["walk"])) as source, av.open(str(other), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    assert packet_table(Media(other)) is None
    by_table, by_packets = look(minutes["walk"], LOOKING), look(other, LOOKING)
    facts = [
        [
            (one.look.ts_us, one.look.reason, one.look.regions, [crop.box for crop in one.crops])
            for one in way
        ]
        for way in (by_table, by_packets)
    ]
    assert facts[0] == facts[1]
    assert reasons(by_table)[Reason.NEW] >= 1


# What is kept of it.


def work_rows(archive: Archive) -> dict[str, tuple[int, int, int, str | None]]:
    w = schema.index_work.c
    with archive.directory.ledger.read() as tx:
        rows = tx.execute(select(w.segment_id, w.looked, w.damaged, w.frames, w.looks))
        return {row[0]: (row[1], row[2], row[3], row[4]) for row in rows}


def test_the_decisions_kept_are_those_counted_in_the_ledger(
    make_archive: Callable[..., Archive], minutes: dict[str, Path], tmp_path: Path
) -> None:
    archive = make_archive("look_s = 10\nnewest_first = false", gated=True)
    first = archive.put(minutes["quiet"])
    second = archive.put(minutes["walk"], START_US + 60 * US)
    damaged = tmp_path / "damaged.mp4"
    data = bytearray(minutes["quiet"].read_bytes())
    table = packet_table(Media(minutes["quiet"]))
    assert table is not None
    for number in (0, 200):  # the first keyframe, and another
        at, size = int(table.offset[number]), int(table.size[number])
        data[at : at + size] = bytes(size)
    damaged.write_bytes(data)
    third = archive.put(damaged, START_US + 7200 * US)
    lane = ensure_generation(archive.directory)
    tally = run(archive.directory, lane)
    assert tally.segments == 3
    counted = work_rows(archive)
    parts = sorted({row[3] for row in counted.values() if row[3]})
    kept = read_looks(archive.directory.lake, parts).to_pylist()
    assert [row["ts_us"] for row in kept] == sorted(row["ts_us"] for row in kept)
    for segment in (first, second, third):
        mine = [row for row in kept if row["segment_id"] == segment.id]
        looked, bad, frames, _ = counted[segment.id]
        assert looked == len(mine) == 30
        assert bad == sum(row["reason"] == "damaged" for row in mine)
        regions = sum(row["regions"] for row in mine)
        embedded = sum(row["decision"] == "embedded" for row in mine)
        assert regions <= frames <= regions + embedded
        assert (frames > 0) == (embedded > 0)
        only = read_looks(
            archive.directory.lake, parts, from_us=segment.start_us, to_us=segment.end_us
        )
        assert {row["segment_id"] for row in only.to_pylist()} == {segment.id}
    assert (tally.looked, tally.damaged) == (90, counted[third.id][1])
    assert counted[third.id][1] >= 1
    assert counted[first.id][1] == counted[second.id][1] == 0


def a_generation(archive: Archive) -> Generation:
    return ensure_generation(archive.directory).generation


def many_looks(camera_id: int, count: int) -> list[Look]:
    return [
        Look(
            camera_id, f"segment-{camera_id}-{i // 100}", START_US + i * US, i, Decision.SKIPPED,
            Reason.QUIET, 0.0, i % 7 / 10, 0, 0,
        )
        for i in range(count)
    ]  # fmt: skip


def test_what_another_camera_left_is_not_even_read(archive: Archive) -> None:
    generation, lake = a_generation(archive), archive.directory.lake
    with archive.directory.ledger.read() as tx:
        assert generations.generation(tx, generation.id)
    written = write_looks(lake, generation, many_looks(1, 4096) + many_looks(2, 4096))
    [part] = written
    meta = pq.ParquetFile(lake / part).metadata
    assert meta.num_row_groups == 2
    data = bytearray((lake / part).read_bytes())
    for number in range(meta.num_columns):
        column = meta.row_group(1).column(number)
        begin = column.dictionary_page_offset or column.data_page_offset
        data[begin : begin + column.total_compressed_size] = bytes(column.total_compressed_size)
    (lake / part).write_bytes(data)
    found = read_looks(lake, [part], camera_ids=[1])
    assert found.num_rows == 4096
    assert set(found.column("camera_id").to_pylist()) == {1}
    with pytest.raises((OSError, pa.ArrowException)):
        read_looks(lake, [part], camera_ids=[2])


def test_a_changed_byte_in_the_decisions_is_never_taken_for_truth(archive: Archive) -> None:
    generation, lake = a_generation(archive), archive.directory.lake
    [part] = write_looks(lake, generation, many_looks(1, 900))
    good, whole = read_looks(lake, [part]), (lake / part).read_bytes()
    meta = pq.ParquetFile(lake / part).metadata
    last = meta.row_group(0).column(meta.num_columns - 1)
    end = last.data_page_offset + last.total_compressed_size // 2
    lot, refused = random.Random(6), 0
    for _ in range(60):
        data = bytearray(whole)
        data[lot.randrange(4, end)] ^= 1 << lot.randrange(8)
        (lake / part).write_bytes(data)
        try:
            assert read_looks(lake, [part]).equals(good)
        except (OSError, pa.ArrowException):
            refused += 1
    assert refused > 30


def test_footage_that_is_indexed_anew_gets_its_vectors_again(minutes: dict[str, Path]) -> None:
    """Else what reconciling mends would come back without those who were in it."""
    gate = Gate()
    first = look(minutes["walk"], LOOKING, gate)
    look(minutes["quiet"], LOOKING, gate, start_us=START_US + 60 * US)
    again = look(minutes["walk"], LOOKING, gate)
    assert reasons(first)[Reason.NEW] >= 1
    assert reasons(again)[Reason.NEW] >= 1
    assert sum(len(one.crops) for one in again) >= sum(len(one.crops) for one in first) - 2
