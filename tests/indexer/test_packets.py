"""Tables of packets are what FFmpeg's demuxer gives, and pictures by them are the same pictures."""

from __future__ import annotations

import random
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.due import due
from indexer.packets import PacketDecoder, packet_table
from indexer.sampling import samples
from storage.clock import US
from storage.encryption import KEY_BYTES, Sealer
from storage.media import Media
from storage.volume_keys import VolumeKey
from tests.indexer.clips import Clip, segment_of, steady, write_clip

Row = tuple[int, int, int, bool]
CLIPS = {
    "plain": Clip(steady(25, 6)),
    "fragmented": Clip(steady(25, 6), fragmented=True),
    "b-frames": Clip(steady("30000/1001", 6), gop=40, b_frames=2),
    "fragmented b-frames": Clip(steady("24000/1001", 6), gop=40, b_frames=2, fragmented=True),
    "h265": Clip(steady(25, 6), codec="libx265", b_frames=2, gop=30),
    "fragmented h265": Clip(steady(25, 6), codec="libx265", gop=30, fragmented=True),
    "one gop": Clip(steady(15, 9), gop=1000),
}


def demuxed(path: Path) -> list[Row]:
    with av.open(str(path)) as container:
        packets = container.demux(container.streams.video[0])
        return [
            (packet.pts or 0, packet.dts or 0, packet.size, bool(packet.is_keyframe))
            for packet in packets
            if packet.size
        ]


def tabled(path: Path) -> list[Row] | None:
    table = packet_table(Media(path))
    if table is None:
        return None
    columns = (table.pts, table.dts, table.size, table.key)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("name", CLIPS)
def test_the_table_is_what_the_demuxer_gives(tmp_path: Path, name: str) -> None:
    path = write_clip(tmp_path / "clip.mp4", CLIPS[name])
    assert tabled(path) == demuxed(path)


def test_real_clips(footage: Path) -> None:
    for path in sorted(footage.glob("*.mp4")):
        assert tabled(path) == demuxed(path), path.name


def test_a_file_that_does_not_begin_at_zero(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.mp4", CLIPS["b-frames"])
    moved = tmp_path / "moved.mp4"
    with av.open(str(source)) as read, av.open(str(moved), "w") as write:
        stream = write.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.size and packet.pts is not None and packet.dts is not None:
                packet.pts += 90_000
                packet.dts += 90_000
                packet.stream = stream
                write.mux(packet)
    assert tabled(moved) in (None, demuxed(moved))


def test_other_files_are_left_to_the_demuxer(tmp_path: Path, footage: Path) -> None:
    assert packet_table(Media(footage / "bgslib_video.avi")) is None
    for junk in (b"", b"not a video", b"\0" * 5000, b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"):
        (tmp_path / "junk").write_bytes(junk)
        assert packet_table(Media(tmp_path / "junk")) is None
    mpeg4 = write_clip(tmp_path / "mpeg4.mp4", Clip(steady(25, 2), codec="mpeg4"))
    assert packet_table(Media(mpeg4)) is None


@pytest.mark.parametrize("name", ["plain", "fragmented", "fragmented b-frames"])
def test_a_cut_file_has_no_table(tmp_path: Path, name: str) -> None:
    whole = write_clip(tmp_path / "clip.mp4", CLIPS[name]).read_bytes()
    cut = tmp_path / "cut.mp4"
    chance = random.Random(1)
    for _ in range(60):
        cut.write_bytes(whole[: chance.randrange(len(whole))])
        table = packet_table(Media(cut))
        assert table is None or tabled(cut) == demuxed(cut)


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, bytes]]:
    """Files of which some bytes of the tables are to be damaged."""
    folder = tmp_path_factory.mktemp("heads")
    made = {}
    for name in ("plain", "fragmented b-frames"):
        path = write_clip(folder / f"{name}.mp4", CLIPS[name])
        made[name] = (path, path.read_bytes())
    return made


@given(
    name=st.sampled_from(["plain", "fragmented b-frames"]),
    share=st.floats(0, 1),
    value=st.integers(0, 255),
    wide=st.booleans(),
)
def test_damaged_tables_never_raise_and_never_point_outside_the_file(
    heads: dict[str, tuple[Path, bytes]], name: str, share: float, value: int, wide: bool
) -> None:
    path, whole = heads[name]
    box = whole.index(b"moof" if name.startswith("frag") else b"moov") - 4
    (length,) = struct.unpack_from(">I", whole, box)
    damaged = bytearray(whole)
    at = box + 8 + int(share * (length - 13))
    damaged[at : at + (4 if wide else 1)] = bytes([value]) * (4 if wide else 1)
    path.write_bytes(damaged)
    table = packet_table(Media(path))
    if table is not None:
        assert table.offset.min() >= 0
        assert (table.offset + table.size).max() <= len(whole)
        assert (np.diff(table.dts) > 0).all()


@pytest.mark.parametrize("name", CLIPS)
def test_pictures_by_the_table_are_those_by_reading(tmp_path: Path, name: str) -> None:
    path = write_clip(tmp_path / "clip.mp4", CLIPS[name])
    table = packet_table(Media(path))
    assert table is not None
    wanted = due(table.time_us(), table.key, round(0.7 * US))
    with PacketDecoder(Media(path), table) as decoder:
        frames = [decoder.picture(number) for number in wanted]
    shown = list(samples(path, segment_of(path), 0.7))
    assert [frame.pts for frame in frames if frame] == [one.pts for one in shown]
    for frame, one in zip(frames, shown, strict=True):
        assert frame is not None
        assert np.array_equal(frame.to_ndarray(format="rgb24"), one.rgb)


def test_a_damaged_picture_costs_itself_only(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", Clip(steady(25, 6), fragmented=True))
    table = packet_table(Media(path))
    assert table is not None
    keys = np.flatnonzero(table.key)
    data = bytearray(path.read_bytes())
    hit = int(table.offset[keys[2]])
    data[hit : hit + int(table.size[keys[2]])] = bytes(int(table.size[keys[2]]))
    path.write_bytes(data)
    good = 0
    with PacketDecoder(Media(path), table) as decoder:
        for number in keys.tolist():
            try:
                good += decoder.picture(number) is not None
            except av.FFmpegError:
                continue
    assert good == len(keys) - 1


def test_an_encrypted_file_has_the_same_table_and_pictures(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", Clip(steady(25, 4), gop=20, fragmented=True))
    secret = bytes(range(KEY_BYTES))
    sealer, sealed = Sealer(secret), tmp_path / "sealed.mp4"
    pieces = sealer.seal([path.read_bytes()], after_sync=False) + sealer.end()
    sealed.write_bytes(b"".join(pieces))
    (tmp_path / "volume.key").write_bytes(secret)
    media = Media(sealed, VolumeKey(tmp_path / "volume.key", "main").secret)
    plain, read = packet_table(Media(path)), packet_table(media)
    assert plain is not None
    assert read is not None
    assert np.array_equal(plain.offset, read.offset)
    with PacketDecoder(Media(path), plain) as one, PacketDecoder(media, read) as other:
        for number in np.flatnonzero(plain.key).tolist():
            a, b = one.picture(number), other.picture(number)
            assert a is not None
            assert b is not None
            assert np.array_equal(a.to_ndarray(), b.to_ndarray())


def test_times_are_rounded_as_everywhere(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", Clip(steady(Fraction(30000, 1001), 5), gop=10))
    table = packet_table(Media(path))
    assert table is not None
    by_reading = {one.pts: one.ts_us for one in samples(path, segment_of(path), 0.1)}
    start_us = segment_of(path).start_us
    by_table = dict(zip(table.pts.tolist(), (table.time_us() + start_us).tolist(), strict=True))
    assert by_reading.items() <= by_table.items()
