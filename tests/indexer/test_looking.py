"""Looking through segments: every picture that is due is decided about, whatever the file is."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from indexer.indexing import run
from indexer.looking import Looked, look_through
from indexer.novelty import Gate
from indexer.packets import packet_table
from indexer.sampling import samples
from indexer.succession import ensure_generation
from storage import generations, schema
from storage.clock import US
from storage.encryption import KEY_BYTES, Sealer
from storage.errors import DataLoss, HindsightError
from storage.looks import Decision, Look, Reason, read_looks, write_looks
from storage.media import Media, media_of
from storage.settings import IndexerSettings
from storage.vocabulary import Generation
from tests.indexer.clips import START_US, Archive, Clip, segment_of, steady, write_clip
from tests.indexer.street import SIZE, Street

Rgb = npt.NDArray[np.uint8]
RATE = 10  # pictures a second of a street
RED = (190, 30, 35)
EVERY = IndexerSettings(sensitivity=1, regions=0)
LOOKING = IndexerSettings(look_s=0.1)  # whatever the packets say
WALK_S = (20, 28)


def look(
    file: Path | Media,
    settings: IndexerSettings = EVERY,
    gate: Gate | None = None,
    *,
    start_us: int = START_US,
) -> list[Looked]:
    """All decisions about a file."""
    media = media_of(file)
    segment = segment_of(media.path, start_us=start_us)
    if media.is_encrypted:
        segment = replace(segment, size_bytes=media.size_bytes())
    return list(look_through(media, segment, settings, gate or Gate()))


def reasons(looked: Sequence[Looked]) -> Counter[Reason]:
    return Counter(one.look.reason for one in looked)


def is_whole(looked: Sequence[Looked], settings: IndexerSettings = EVERY) -> bool:
    """Ascending, never further apart than is due, and crops only where it says so."""
    at = [one.look.ts_us for one in looked]
    steps = np.diff(at)
    assert (steps > 0).all()
    assert steps.max(initial=0) <= round(settings.interval_s * US * 1.05)
    assert all(bool(one.crops) == (one.look.decision is Decision.EMBEDDED) for one in looked)
    return bool(at)


def by_reading(path: Path, interval_s: float = 2) -> list[tuple[int, int]]:
    return [(one.ts_us, one.pts) for one in samples(path, segment_of(path), interval_s)]


def times(looked: Iterable[Looked]) -> list[tuple[int, int]]:
    return [(one.look.ts_us, one.look.pts) for one in looked]


def street(
    seconds: int, *, noise: float = 0.6, walks: bool = False, seed: int = 1
) -> Iterator[Rgb]:
    """A street with a little noise; somebody small may walk through for eight seconds."""
    made = Street(noise=noise, seed=seed)
    pool = [made.picture() for _ in range(23)]
    for number in range(seconds * RATE):
        rgb = pool[number % len(pool)]
        at_s = number / RATE
        if walks and WALK_S[0] <= at_s < WALK_S[1]:
            x = 150 + round((at_s - WALK_S[0]) * 40)
            rgb = rgb.copy()
            rgb[220:260, x : x + 16] = RED
        yield rgb


def encode(path: Path, pictures: Iterable[Rgb], params: str, gop: int = 20) -> Path:
    """As a camera does, at RATE; `params` of x264."""
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.thread_count = 2
        stream.options = {
            "preset": "veryfast",
            "x264-params": f"scenecut=0:keyint={gop}:min-keyint={gop}:bframes=0:{params}",
        }
        for rgb in pictures:
            target.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        target.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def minutes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A minute of a quiet street, one with somebody in it, and one at constant bit rate."""
    folder = tmp_path_factory.mktemp("minutes")
    cbr = "bitrate=1500:vbv-maxrate=1500:vbv-bufsize=300:nal-hrd=cbr:filler=1"
    return {
        "quiet": encode(folder / "quiet.mp4", street(60), "crf=28"),
        "walk": encode(folder / "walk.mp4", street(60, walks=True), "crf=28"),
        "cbr": encode(folder / "cbr.mp4", street(60), cbr),
    }


# Files as they come.


@pytest.mark.parametrize(
    "clip",
    [
        Clip(steady(25, 9)),
        Clip(steady("30000/1001", 9), gop=250, b_frames=3),
        Clip(steady("24000/1001", 9), gop=60, b_frames=2, fragmented=True),
        Clip(steady(15, 9), gop=45, b_frames=2, codec="libx265"),
        Clip(steady(25, 9), gop=40, codec="mpeg4"),
        # Rate that varies: half a second dark, then many at once.
        Clip(tuple(Fraction(i * i % 7 + 40 * i, 1000) for i in range(220)), gop=33),
        Clip((*steady(25, 3), *(20 + at for at in steady(25, 3)))),
    ],
    ids=["plain", "b-frames", "fragmented", "h265", "mpeg4", "uneven", "hole"],
)
def test_decisions_are_about_the_pictures_that_reading_chooses(tmp_path: Path, clip: Clip) -> None:
    path = write_clip(tmp_path / "clip.mp4", clip)
    looked = look(path)
    assert times(looked) == by_reading(path)
    assert reasons(looked).total() == len(looked) > 2
    assert all(one.crops for one in looked)
    if clip.times[-1] < 20:
        assert is_whole(looked)


def test_open_gops_give_the_pictures_that_reading_gives(tmp_path: Path) -> None:
    params = "crf=28:open-gop=1:bframes=3:b-adapt=0"
    path = encode(tmp_path / "open.mp4", street(10), params, gop=35)
    looked = look(path, IndexerSettings(sensitivity=1, interval_s=0.7))
    assert times(looked) == by_reading(path, 0.7)
    assert is_whole(looked)


def test_a_gop_of_ten_minutes_is_decided_about_throughout(tmp_path: Path) -> None:
    clip = Clip(steady(5, 600), gop=100_000, size=(160, 90))
    path = write_clip(tmp_path / "long.mp4", clip)
    looked = look(path)
    assert times(looked) == [(START_US + 2 * i * US, 180_000 * i) for i in range(300)]
    assert is_whole(looked)


def test_an_avi_and_a_turned_video_are_read(tmp_path: Path, footage: Path) -> None:
    avi = footage / "bgslib_video.avi"
    looked = look(avi, LOOKING)
    assert times(looked) == by_reading(avi)
    assert is_whole(looked)
    upright = write_clip(tmp_path / "upright.mp4", Clip(steady(25, 6)))
    data = bytearray(upright.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # the matrix of version 0
    one, zero = (1 << 16).to_bytes(4, "big"), bytes(4)
    turned = [zero, one, zero, (-(1 << 16) & 0xFFFFFFFF).to_bytes(4, "big"), zero, zero]
    data[at : at + 24] = b"".join(turned)
    (path := tmp_path / "turned.mp4").write_bytes(data)
    assert packet_table(Media(path)) is None
    looked = look(path)
    assert [when for when, _ in times(looked)] == [START_US + s * US for s in (0, 2, 4)]
    assert {one.crops[0].rgb.shape for one in looked} == {(312, 176, 3)}


def test_a_size_that_changes_midway_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "changed.mp4"
    with av.open(str(path), "w") as target:
        out = None
        for number, size in enumerate([(320, 180), (640, 360)]):
            part = tmp_path / f"{number}.h264"
            with av.open(str(part), "w", format="h264") as source:
                stream = source.add_stream("libx264", rate=RATE)
                stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
                stream.options = {"x264-params": "keyint=10:bframes=0:repeat-headers=1"}
                for i in range(60):
                    rgb = np.full((size[1], size[0], 3), 60 + 2 * i, np.uint8)
                    source.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
                source.mux(stream.encode(None))
            with av.open(str(part)) as source:
                if out is None:
                    out = target.add_stream_from_template(source.streams.video[0])
                    out.time_base = Fraction(1, RATE)
                for i, packet in enumerate(source.demux(source.streams.video[0])):
                    if packet.size:
                        packet.stream = out
                        packet.time_base = Fraction(1, RATE)
                        packet.pts = packet.dts = 60 * number + i
                        target.mux(packet)
    looked = look(path)
    assert times(looked) == by_reading(path)
    assert is_whole(looked)
    sizes = [one.crops[0].rgb.shape[:2] for one in looked]
    assert set(sizes) == {(180, 320), (360, 640)}
    assert sizes == sorted(sizes)
    assert Reason.DAMAGED not in reasons(looked)


# Files that are damaged.


def test_a_file_that_is_gone_cut_or_of_an_unknown_codec_is_refused(
    tmp_path: Path, short_clip: Path
) -> None:
    path = tmp_path / "clip.mp4"
    whole = short_clip.read_bytes()
    path.write_bytes(whole)
    segment = segment_of(path)

    def refused(kind: type[HindsightError], words: str) -> None:
        with pytest.raises(kind, match=words):
            list(look_through(Media(path), segment, EVERY, Gate()))

    path.write_bytes(whole[:-7])
    refused(DataLoss, "its row says")
    path.unlink()
    refused(DataLoss, "cannot be opened")
    strange = whole.replace(b"avc1", b"xyz1")
    path.write_bytes(strange)
    refused(HindsightError, segment.id)
    path.write_bytes(random.Random(3).randbytes(len(whole)))
    refused(HindsightError, "cannot be read as video")


@pytest.mark.parametrize("fragmented", [False, True])
def test_footage_without_a_keyframe_is_no_reason_to_hang(tmp_path: Path, fragmented: bool) -> None:
    whole = write_clip(tmp_path / "clip.mp4", Clip(steady(25, 6), gop=1000))
    path = tmp_path / "none.mp4"
    flags = "frag_keyframe+empty_moov+default_base_moof"
    options = {"movflags": flags, "frag_duration": "1000000"} if fragmented else {}
    with av.open(str(whole)) as source, av.open(str(path), "w", options=options) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.size and not packet.is_keyframe:
                packet.stream = stream
                target.mux(packet)
    if fragmented:  # else nothing says which are keyframes, and all are taken for such
        assert packet_table(Media(path)) is None
    with pytest.raises(DataLoss, match="no picture that can be decoded"):
        look(path)


@pytest.mark.parametrize("how", ["zeros", "noise", "one byte"])
@pytest.mark.parametrize("gop", [25, 1000])
def test_damage_inside_costs_the_pictures_it_hits_and_is_counted(
    tmp_path: Path, how: str, gop: int
) -> None:
    path = write_clip(tmp_path / "clip.mp4", Clip(steady(25, 20), gop=gop, noise=12))
    due = by_reading(path)
    table = packet_table(Media(path))
    assert table is not None
    data, lot = bytearray(path.read_bytes()), random.Random(4)
    for number in range(125, 250):  # from the sixth second to the tenth
        at, size = int(table.offset[number]), int(table.size[number])
        if how == "zeros":
            data[at : at + size] = bytes(size)
        elif how == "noise":
            data[at : at + size] = lot.randbytes(size)
        else:
            data[at + 5 + lot.randrange(size - 5)] ^= 0x55
    path.write_bytes(data)
    looked = look(path)
    assert times(looked) == due
    assert is_whole(looked)
    bad = [one for one in looked if one.look.reason is Reason.DAMAGED]
    assert all(not one.crops and one.look.decision is Decision.SKIPPED for one in bad)
    if how != "one byte":
        hit = {START_US + s * US for s in (6, 8)}
        assert hit <= {one.look.ts_us for one in bad}
    if gop == 25:
        assert {one.look.ts_us for one in bad} <= {START_US + s * US for s in (6, 8, 10)}


def test_damage_in_a_file_that_must_be_read_is_counted_as_well(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", Clip(steady(25, 10)))
    assert packet_table(Media(path)) is None
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        keys = [bytes(packet) for packet in container.demux(video=0) if packet.is_keyframe]
    lot = random.Random(2)
    for key in (keys[2], keys[4]):
        at = data.index(key)  # its head stays, so that it goes on to be taken for a keyframe
        data[at + len(key) // 2 : at + len(key)] = lot.randbytes(len(key) - len(key) // 2)
    path.write_bytes(data)
    looked = look(path, EVERY)
    assert reasons(looked)[Reason.DAMAGED] == 2
    assert times(looked) == sorted(times(looked))


def test_a_segment_of_which_nothing_can_be_decoded_has_failed(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", Clip(steady(25, 6)))
    table = packet_table(Media(path))
    assert table is not None
    data = bytearray(path.read_bytes())
    begin = int(table.offset[0])
    end = int((table.offset + table.size).max())
    data[begin:end] = bytes(end - begin)
    path.write_bytes(data)
    with pytest.raises(DataLoss, match="no picture that can be decoded"):
        look(path)


def test_random_damage_never_loses_or_doubles_a_decision(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "clip.mp4", Clip(steady(25, 8), b_frames=2, gop=60)).read_bytes()
    due = by_reading(tmp_path / "clip.mp4")
    media_at = whole.index(b"mdat") + 4
    lot, outcomes = random.Random(5), Counter[str]()
    for number in range(40):
        data = bytearray(whole)
        for _ in range(1 + number % 9):
            at = lot.randrange(8, len(data))
            data[at] = lot.randrange(256)
        path = tmp_path / "damaged.mp4"
        path.write_bytes(data)
        try:
            looked = look(path)
        except HindsightError:
            outcomes["refused"] += 1
            continue
        outcomes["looked"] += 1
        at_us = [when for when, _ in times(looked)]
        assert at_us == sorted(set(at_us))
        if data[:media_at] == whole[:media_at] and packet_table(Media(path)) is not None:
            assert len(looked) >= len(due) - 1
    assert outcomes["looked"] > 20


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


def test_an_encrypted_file_is_decided_about_as_a_plain_one(
    tmp_path: Path, minutes: dict[str, Path]
) -> None:
    secret = bytes(range(KEY_BYTES))
    sealer, sealed = Sealer(secret), tmp_path / "sealed.mp4"
    plain = minutes["walk"].read_bytes()
    pieces = sealer.seal([plain], after_sync=False) + sealer.end()
    sealed.write_bytes(b"".join(pieces))
    media = Media(sealed, lambda: secret)
    settings = IndexerSettings(look_s=20)
    found = []
    for file in (minutes["walk"], media):
        path = media_of(file).path
        segment = replace(segment_of(minutes["walk"]), size_bytes=len(plain), id="one")
        assert path.is_file()
        found.append(list(look_through(media_of(file), segment, settings, Gate())))
    assert [one.look for one in found[0]] == [one.look for one in found[1]]
    # A changed record costs the pictures in it, and they are counted.
    data = bytearray(sealed.read_bytes())
    data[len(data) // 2] ^= 1
    sealed.write_bytes(data)
    segment = replace(segment_of(minutes["walk"]), size_bytes=len(plain), id="one")
    hit = list(look_through(media, segment, EVERY, Gate()))
    assert [one.look.ts_us for one in hit] == [one.look.ts_us for one in found[0]]
    assert 1 <= reasons(hit)[Reason.DAMAGED] <= len(hit) // 2


def test_a_changed_record_with_tables_of_an_encrypted_file_costs_only_what_it_hits(
    tmp_path: Path,
) -> None:
    clip = Clip(steady(25, 20), fragmented=True, noise=12)
    plain = write_clip(tmp_path / "plain.mp4", clip)
    whole, secret = plain.read_bytes(), bytes(range(KEY_BYTES))
    sealer, sealed = Sealer(secret), tmp_path / "sealed.mp4"
    sealed.write_bytes(b"".join(sealer.seal([whole], after_sync=False) + sealer.end()))
    # In the middle, where tables of a fragment lie.
    moof = whole.index(b"moof", len(whole) // 2)
    data = bytearray(sealed.read_bytes())
    data[moof + 100] ^= 1
    sealed.write_bytes(data)
    segment = replace(segment_of(plain), size_bytes=len(whole))
    looked = list(look_through(Media(sealed, lambda: secret), segment, EVERY, Gate()))
    due = by_reading(plain)
    assert set(times(looked)) <= set(due)
    assert len(looked) >= len(due) // 3
    assert times(looked)[0] == due[0]


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
