"""Which pictures are indexed: right at every rate, cheap where keyframes allow, by time."""

from __future__ import annotations

import random
import wave
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from indexer.sampling import samples
from indexer.shown import Shown
from indexer.video import Video
from storage.clock import US
from storage.errors import DataLoss, Invalid
from tests.indexer.clips import Clip, number_in, segment_of, steady, write_clip

INTERVAL_S = 2.0
RATES = ["12.5", "15.02", "24000/1001", "25", "30000/1001"]


def sampled(path: Path, interval_s: float = INTERVAL_S) -> list[Shown]:
    return list(samples(path, segment_of(path), interval_s))


def times_s(found: list[Shown], path: Path) -> list[float]:
    return [(sample.ts_us - segment_of(path).start_us) / US for sample in found]


def assert_each_is_the_picture_of_its_time(found: list[Shown], path: Path, clip: Clip) -> None:
    for sample, at_s in zip(found, times_s(found, path), strict=True):
        assert clip.times[number_in(sample.rgb)] == pytest.approx(at_s, abs=2e-5)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("gop_s", [1, 10])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_samples_are_the_interval_apart_at_every_rate(
    tmp_path: Path, rate: str, gop_s: int, b_frames: int
) -> None:
    frames = round(gop_s * Fraction(rate))
    clip = Clip(steady(rate, 21), gop=frames, b_frames=b_frames)
    path = write_clip(tmp_path / "clip.mp4", clip)
    found = sampled(path)
    times = times_s(found, path)
    assert times[0] == 0
    assert max(b - a for a, b in pairwise(times)) <= INTERVAL_S * 1.05
    assert len(times) <= 14
    assert 21 - times[-1] <= INTERVAL_S * 1.05
    assert_each_is_the_picture_of_its_time(found, path, clip)


def test_only_keyframes_are_decoded_while_they_come_often_enough(tmp_path: Path) -> None:
    # 60 pictures at 29.97 fps are 2.002 s: a hair late, not worth decoding the whole GOP.
    clip = Clip(steady("30000/1001", 20), gop=60, b_frames=2)
    path = write_clip(tmp_path / "clip.mp4", clip)
    found = sampled(path)
    assert [number_in(sample.rgb) % 60 for sample in found] == [0] * 10


def test_keyframes_more_often_than_the_interval_are_passed_over(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", Clip(steady(25, 12), gop=5))
    assert times_s(sampled(path), path) == pytest.approx([0, 2, 4, 6, 8, 10], abs=0.2)


def test_a_long_interval_takes_few_pictures(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", Clip(steady(25, 30), gop=25))
    assert times_s(sampled(path, 10), path) == pytest.approx([0, 10, 20])


def test_an_interval_below_the_picture_rate_takes_every_picture(tmp_path: Path) -> None:
    clip = Clip(steady(5, 6), gop=10)
    path = write_clip(tmp_path / "clip.mp4", clip)
    assert [number_in(sample.rgb) for sample in sampled(path, 0.1)] == list(range(30))


def test_variable_rate_is_sampled_by_time(tmp_path: Path) -> None:
    rng = random.Random(3)
    at, times = Fraction(0), []
    while at < 30:
        times.append(at)
        at += Fraction(rng.choice([20, 33, 40, 40, 80, 700]), 1000)
    clip = Clip(tuple(times), gop=400, b_frames=1)
    path = write_clip(tmp_path / "clip.mp4", clip)
    found = sampled(path)
    assert_each_is_the_picture_of_its_time(found, path, clip)
    assert max(b - a for a, b in pairwise(times_s(found, path))) <= INTERVAL_S * 1.05


def test_a_hole_in_the_pictures_is_crossed(tmp_path: Path) -> None:
    times = (*steady(25, 3), *(20 + t for t in steady(25, 3)))
    path = write_clip(tmp_path / "clip.mp4", Clip(times, gop=500))
    assert times_s(sampled(path), path) == pytest.approx([0, 2, 2.96, 20, 22])


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("fragmented.mp4", Clip(steady(25, 9), gop=50, b_frames=2, fragmented=True)),
        ("hevc.mp4", Clip(steady(25, 9), gop=250, codec="libx265", b_frames=2)),
        ("asp.avi", Clip(steady(25, 9), gop=50, codec="mpeg4")),
        ("divx.avi", Clip(steady(25, 9), gop=250, codec="msmpeg4v2")),
        ("broadcast.ts", Clip(steady(25, 9), gop=50, b_frames=2)),
    ],
)
def test_every_container_and_codec_gives_the_right_pictures(
    tmp_path: Path, name: str, clip: Clip
) -> None:
    path = write_clip(tmp_path / name, clip)
    found = sampled(path)
    assert times_s(found, path) == pytest.approx([0, 2, 4, 6, 8], abs=1e-4)
    assert_each_is_the_picture_of_its_time(found, path, clip)


def test_pts_in_the_file_are_exact(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", Clip(steady("30000/1001", 9), b_frames=2))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        base = stream.time_base
        known = {frame.pts: frame.to_ndarray(format="rgb24") for frame in container.decode(stream)}
    start_us = segment_of(path).start_us
    for sample in sampled(path):
        assert np.array_equal(sample.rgb, known[sample.pts])
        assert base is not None
        assert abs(sample.ts_us - start_us - float(sample.pts * base) * US) <= 1


def test_damage_inside_costs_only_the_pictures_it_hits(tmp_path: Path) -> None:
    clip = Clip(steady(25, 20), gop=50, noise=20)
    path = write_clip(tmp_path / "clip.mp4", clip)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        keys = [p.pos for p in container.demux(video=0) if p.size and p.is_keyframe]
    assert keys[4] is not None
    data[keys[4] : keys[4] + 400] = b"\xff" * 400
    path.write_bytes(data)
    times = times_s(sampled(path), path)
    assert times[:4] == pytest.approx([0, 2, 4, 6])
    assert times[-4:] == pytest.approx([12, 14, 16, 18])


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", Invalid), (b"this is a text file named .mp4\n" * 50, Invalid)],
    ids=["zero bytes", "text"],
)
def test_what_is_not_video_is_refused(
    tmp_path: Path, content: bytes, error: type[Exception]
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(error, match="cannot be read as video"):
        sampled(path)


def test_sound_without_pictures_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(8000)
        target.writeframes(b"\0\0" * 8000)
    with pytest.raises(Invalid, match="no video"):
        sampled(path)


def test_a_file_cut_short_after_it_was_closed_is_found_before_decoding(short_clip: Path) -> None:
    segment = segment_of(short_clip)
    cut = short_clip.with_name("cut.mp4")
    cut.write_bytes(short_clip.read_bytes()[:-1000])
    with pytest.raises(DataLoss, match="its row says"):
        list(samples(cut, segment, INTERVAL_S))
    with pytest.raises(DataLoss, match="cannot be opened"):
        list(samples(short_clip.with_name("gone.mp4"), segment, INTERVAL_S))


def test_real_footage_is_sampled_at_the_pictures_players_show(footage: Path) -> None:
    clips = ["tfl_jamcam_625_201707211410.mp4", "bgslib_video.avi", "bgslib_video02.avi",
             "smartcity_video8_640x320.mp4", "intel_preview_classroom.mp4"]  # fmt: skip
    for name in clips:
        path = footage / name
        found = sampled(path)
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            known = {f.pts: f.to_ndarray(format="rgb24") for f in container.decode(stream)}
        assert all(np.array_equal(sample.rgb, known[sample.pts]) for sample in found), name
        times = times_s(found, path)
        assert max((b - a for a, b in pairwise(times)), default=0) <= INTERVAL_S * 1.05, name


def test_keyframe_pts_survive_passing_over_other_packets(tmp_path: Path) -> None:
    """FFmpeg's own discarding of non-keyframes loses composition offsets; ours must not."""
    path = write_clip(tmp_path / "clip.mp4", Clip(steady(25, 8), gop=50, b_frames=2))
    with Video(path, segment_of(path)) as video:
        keys = [video.time_us(packet) for packet in video.packets() if video.is_key(packet)]
    assert keys == [0, 2 * US, 4 * US, 6 * US]
