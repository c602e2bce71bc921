"""The picture at an instant is exactly the one that was shown."""

from __future__ import annotations

import random
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from indexer.pictures import keyframe_near, picture_at
from indexer.sampling import samples
from storage.clock import US
from storage.errors import DataLoss, Invalid
from tests.indexer.clips import Clip, number_in, segment_of, steady, write_clip

CLIPS = {
    "plain.mp4": Clip(steady("30000/1001", 12), gop=60, b_frames=2),
    "long-gop.mp4": Clip(steady(25, 12), gop=250, b_frames=3),
    "fragmented.mp4": Clip(steady("15.02", 12), gop=30, b_frames=2, fragmented=True),
    "hevc.mp4": Clip(steady(25, 8), gop=50, codec="libx265", b_frames=2),
    "asp.avi": Clip(steady(25, 8), gop=50, codec="mpeg4"),
    "divx.avi": Clip(steady(25, 8), gop=100, codec="msmpeg4v2"),
    "broadcast.ts": Clip(steady(25, 12), gop=50, b_frames=2),
    "variable.mp4": Clip(
        tuple(Fraction(n, 25) for n in range(200) if n % 7 and not 60 < n < 110), gop=40, b_frames=1
    ),
}


@pytest.mark.parametrize("name", CLIPS)
def test_every_instant_gives_the_picture_shown_then(tmp_path: Path, name: str) -> None:
    clip = CLIPS[name]
    path = write_clip(tmp_path / name, clip)
    segment = segment_of(path)
    first = clip.times[0]
    shown_us = [round((at - first) * US) for at in clip.times]
    rng = random.Random(7)
    for number in [0, 1, len(shown_us) - 1, *rng.sample(range(len(shown_us)), 9)]:
        for late_us in (0, 15, 9000):
            at_us = shown_us[number] + 2 + late_us  # containers round to their time base
            picture = picture_at(path, segment, segment.start_us + at_us)
            wanted = max(i for i, us in enumerate(shown_us) if us <= at_us)
            assert number_in(picture.rgb) == wanted
            assert abs(picture.ts_us - segment.start_us - shown_us[wanted]) <= 20


def test_outside_the_segment_the_nearest_end_is_given(short_clip: Path) -> None:
    segment = segment_of(short_clip)
    before = picture_at(short_clip, segment, segment.start_us - 5 * US)
    assert (number_in(before.rgb), before.ts_us) == (0, segment.start_us)
    after = picture_at(short_clip, segment, segment.end_us + 5 * US)
    assert (number_in(after.rgb), after.ts_us) == (149, segment.start_us + 149 * US // 25)


def test_a_sample_comes_back_as_the_same_picture(footage: Path) -> None:
    for name in ("bgslib_video02.avi", "intel_bottle-detection.mp4"):
        path = footage / name
        segment = segment_of(path)
        for sample in list(samples(path, segment, 5.0)):
            picture = picture_at(path, segment, sample.ts_us)
            assert picture.pts == sample.pts, name
            assert (picture.rgb == sample.rgb).all(), name


@pytest.mark.parametrize("name", ["plain.mp4", "asp.avi", "broadcast.ts", "fragmented.mp4"])
def test_the_keyframe_before_an_instant_is_found(tmp_path: Path, name: str) -> None:
    clip = CLIPS[name]
    path = write_clip(tmp_path / name, clip)
    segment = segment_of(path)
    for at_s in (0, 1.5, 3.3, 7.9):
        picture = keyframe_near(path, segment, segment.start_us + round(at_s * US))
        number = number_in(picture.rgb)
        assert number % clip.gop == 0
        assert 0 <= at_s - clip.times[number] <= clip.gop / 15 + 0.1


def test_a_clip_filmed_sideways_is_given_upright(short_clip: Path, tmp_path: Path) -> None:
    data = bytearray(short_clip.read_bytes())
    matrix = data.find(b"tkhd") + 44
    quarter_clockwise = (0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    data[matrix : matrix + 36] = struct.pack(">9i", *quarter_clockwise)
    path = tmp_path / "phone.mp4"
    path.write_bytes(data)
    segment = segment_of(path)
    lying = picture_at(short_clip, segment_of(short_clip), segment.start_us).rgb
    assert (picture_at(path, segment, segment.start_us).rgb == np.rot90(lying, -1)).all()


def test_damage_is_said_not_shown(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", Clip(steady(25, 4), gop=50, noise=20))
    segment = segment_of(path)
    data = bytearray(path.read_bytes())
    start = data.find(b"mdat") + 4
    data[start : start + len(data) // 3] = b"\x00" * (len(data) // 3)
    path.write_bytes(data)
    with pytest.raises(DataLoss, match="no picture that can be decoded"):
        picture_at(path, segment, segment.start_us + US)
    path.write_bytes(b"\x00" * segment.size_bytes)
    with pytest.raises(Invalid, match="cannot be read as video"):
        keyframe_near(path, segment, segment.start_us)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_files_are_closed_again(short_clip: Path) -> None:
    segment = segment_of(short_clip)
    before = open_files()
    for _ in range(20):
        picture_at(short_clip, segment, segment.start_us + US)
        next(samples(short_clip, segment, 1.0))
    assert open_files() <= before + 1
