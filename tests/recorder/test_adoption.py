"""What a kill left behind is found, and says no more than is so."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from sqlalchemy import delete

from recorder.closing import adopt_leftovers
from storage import schema
from storage.durable import OPEN_SUFFIX
from storage.fragments import Layout, facts_tags, read_facts, scan
from storage.holes import PAGE, without_holes
from storage.media import Media
from storage.vocabulary import Segment
from tests.recorder.shift import Shift
from tests.recorder.test_segmenter import make_stream
from tests.storage.media import DAY_US, START_US, House


def forget(house: House, row: Segment) -> None:
    with house.ledger.write() as tx:
        tx.execute(delete(schema.segment).where(schema.segment.c.id == row.id))


def test_segment_whose_row_was_lost_ends_where_the_next_begins(
    house: House, tmp_path: Path
) -> None:
    house.directory.settings = house.directory.settings.model_validate(
        {
            "recorder": {"segment_s": 5, "fragment_s": 1},
            "retention": {"free_floor_bytes": 0},
        }
    )
    clip = tmp_path / "small.ts"
    make_stream(clip, (160, 120), 0)
    shift = Shift(house, (clip, clip), rate_ppm=-400)  # so that each segment ends 2 ms early
    shift.pictures(80)
    shift.settle()
    shift.word("ledger busy")
    shift.pictures(80)
    shift.process_lost(3, torn_bytes=0)
    rows = sorted(house.rows(), key=lambda row: row.start_us)
    assert [row.recovered for row in rows] == [False, True, True]
    assert all(one.end_us == two.start_us for one, two in pairwise(rows))


def test_unfinished_file_of_a_volume_that_was_away_for_days_is_adopted(house: House) -> None:
    row = house.segment("gate", START_US)
    path = house.file(row)
    path.rename(path.with_name(path.name + OPEN_SUFFIX))
    forget(house, row)
    newer = house.segment("gate", START_US + 9 * DAY_US)
    house.file(newer).unlink()  # it lies on another volume
    house.file(newer).parent.rmdir()
    house.file(newer).parent.parent.rmdir()
    volume = house.directory.archive.volume("main")
    [adopted] = adopt_leftovers(house.directory, house.camera(), volume)
    assert (adopted.id, adopted.sha256) == (row.id, row.sha256)


def test_published_file_of_the_day_before_gets_its_row(house: House) -> None:
    row = house.segment("gate", START_US)
    forget(house, row)
    house.segment("gate", START_US + DAY_US)
    volume = house.directory.archive.volume("main")
    assert [found.id for found in adopt_leftovers(house.directory, house.camera(), volume)] == [
        row.id
    ]


def torn(house: House, row: Segment, fragment: int) -> Layout:
    """The segment's file as power loss leaves it: noise for pictures, unfinished, and a page of
    zeros in one of its fragments. How it lay before."""
    path = house.file(row)
    facts = read_facts(path, scan(path))
    assert facts is not None
    pictures = np.random.default_rng(1).integers(0, 256, (75, 120, 160, 3), np.uint8)
    with av.open(str(path), "w", format="mp4", options={
        "movflags": "frag_keyframe+empty_moov+default_base_moof+use_metadata_tags"
    }) as out:  # fmt: skip
        out.metadata.update(facts_tags(facts))
        stream = out.add_stream(
            "libx264", rate=25, options={"g": "25", "bf": "0", "sc_threshold": "0"}
        )
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for picture in pictures:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())
    layout = scan(path)
    hole = -(-layout.fragments[fragment].offset // PAGE) * PAGE + PAGE
    assert hole + PAGE < layout.fragments[fragment].offset + layout.fragments[fragment].size_bytes
    data = bytearray(path.read_bytes())
    data[hole : hole + PAGE] = bytes(PAGE)
    path.with_name(path.name + OPEN_SUFFIX).write_bytes(data)
    path.unlink()
    forget(house, row)
    return layout


@pytest.mark.parametrize("fragment", [0, 1, 2])
def test_a_file_with_a_hole_is_whole_up_to_it(house: House, fragment: int) -> None:
    row = house.segment("gate", START_US)
    before = torn(house, row, fragment)
    assert len(before.fragments) == 3
    volume = house.directory.archive.volume("main")
    adopted = adopt_leftovers(house.directory, house.camera(), volume)
    if fragment == 0:
        assert adopted == []  # nothing of it is whole
        return
    [found] = adopted
    assert found.size_bytes == before.fragments[fragment].offset
    assert found.duration_us == fragment * 1_000_000


def test_a_muted_microphone_is_no_hole(tmp_path: Path) -> None:
    """G.711 of zeros, page after page, between pictures."""
    path = tmp_path / "muted.mp4"
    frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
    with av.open(str(path), "w", format="mov", options={
        "movflags": "frag_keyframe+empty_moov+default_base_moof"
    }) as out:  # fmt: skip
        video = out.add_stream("libx264", rate=5, options={"g": "5", "bf": "0"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = out.add_stream("pcm_mulaw", rate=16000, layout="mono")
        for second in range(4):
            for _ in range(5):
                out.mux(video.encode(frame))
            packet = av.Packet(bytes(16000))
            packet.pts = packet.dts = second * 16000
            packet.time_base, packet.stream = Fraction(1, 16000), sound
            out.mux(packet)
        out.mux(video.encode())
    layout = scan(path)
    assert len(layout.fragments) >= 3
    assert bytes(2 * PAGE) in path.read_bytes()
    assert without_holes(layout, Media(path)) == layout
