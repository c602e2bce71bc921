"""Looking through segments: every picture that is due is decided about, whatever the file is."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from indexer.looking import look_through
from indexer.novelty import Gate
from indexer.packets import packet_table
from storage.clock import US
from storage.encryption import KEY_BYTES, Sealer
from storage.errors import DataLoss, HindsightError
from storage.looks import Decision, Reason
from storage.media import Media, media_of
from storage.settings import IndexerSettings
from tests.indexer.clips import START_US, Clip, segment_of, steady, write_clip
from tests.indexer.looked import EVERY, LOOKING, by_reading, is_whole, look, reasons, times
from tests.indexer.street import RATE, encode, street

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
