"""What a stream may do while it is recorded: jump, change, fall silent, come late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av import Packet

from recorder.failing import RecordingFailed
from storage.clock import US
from storage.clocks import corrected
from storage.vocabulary import GapCause
from tests.recorder.stand import Stand, decoded_sizes, shifted
from tests.storage.media import House, new_house

Clips = Callable[..., Path]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = new_house(tmp_path / "data")
    made.directory.settings = made.directory.settings.model_validate(
        {"recorder": {"segment_s": 5, "fragment_s": 1}, "retention": {"free_floor_bytes": 0}}
    )
    yield made
    made.directory.close()


def at_once(_packet: Packet[Any]) -> int:
    return 0


def contiguous(stand: Stand) -> bool:
    return all(a.end_us == b.start_us for a, b in pairwise(stand.rows()))


@pytest.mark.parametrize("seconds", [3600.0, -1.0, 20.0])
def test_jump_of_the_stamps_alone_loses_no_time(house: House, clips: Clips, seconds: float) -> None:
    clip = clips("plain.mp4")
    stand = Stand(house, clip)
    stand.play(stand.packets(clip), at_once)
    stand.clock.monotonic += US // 10
    stand.play(shifted(stand.packets(clip), 4 + seconds), at_once)
    stand.end()
    rows = stand.rows()
    assert len(rows) == 2
    assert contiguous(stand)
    assert stand.gaps() == []
    assert sum(row.duration_us for row in rows) == 8 * US


def test_jump_after_silence_is_a_gap_as_long_as_the_silence(house: House, clips: Clips) -> None:
    clip = clips("plain.mp4")
    stand = Stand(house, clip)
    stand.play(stand.packets(clip), at_once)
    stand.clock.monotonic += 8 * US
    stand.play(shifted(stand.packets(clip), 12), at_once)
    stand.end()
    first, second, *_ = stand.rows()
    [gap] = stand.gaps()
    assert gap.cause is GapCause.PTS_JUMP
    assert (gap.start_us, gap.end_us) == (first.end_us, second.start_us)
    assert second.start_us - first.end_us == pytest.approx(8 * US, abs=US // 5)
    assert stand.unexplained() == []


def test_jump_between_keyframes_is_a_gap_until_the_next(house: House, clips: Clips) -> None:
    clip = clips("plain.mp4")
    stand = Stand(house, clip)
    stand.play(stand.packets(clip), at_once)
    broken = list(stand.packets(clip))[3:]
    stand.clock.monotonic += US // 10
    stand.play(shifted(iter(broken), 1000), at_once)
    stand.end()
    first, second = stand.rows()
    [gap] = stand.gaps()
    assert (gap.start_us, gap.end_us) == (first.end_us, second.start_us)
    assert second.start_us - first.end_us == pytest.approx(0.7 * US, abs=US // 100)


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_setting_the_machine_s_clock_begins_a_stretch_under_the_new_time(
    house: House, clips: Clips, seconds: int
) -> None:
    clip = clips("plain.mp4")
    stand = Stand(house, clip)
    stand.play(stand.packets(clip), at_once)
    stand.clock.monotonic += US // 10
    stand.clock.offset += seconds * US
    stand.play(shifted(stand.packets(clip), 4), at_once)
    stand.end()
    first, second = sorted(stand.rows(), key=lambda row: row.id)
    assert second.start_us - first.end_us == pytest.approx(seconds * US, abs=US // 10)
    assert abs(second.end_us - stand.clock.now_us()) < US // 5
    assert stand.gaps() == []  # between two readings of a clock no time passes
    assert stand.unexplained() == []
    with house.ledger.read() as tx:
        correction = corrected(tx, stand.camera.id, first.start_us + US, first.id)
    assert correction is not None
    assert correction.offset_us == pytest.approx(seconds * US, abs=US)
    assert "clock was set" in correction.reason


@pytest.mark.parametrize("wild_s", [3600, -3600])
def test_a_picture_said_to_be_shown_an_hour_from_when_it_is_sent_makes_no_hour(
    house: House, clips: Clips, wild_s: int
) -> None:
    clip = clips("plain.mp4")
    stand = Stand(house, clip)
    packets = list(stand.packets(clip))
    wild = [packet for packet in packets if packet.is_keyframe][2]
    assert wild.pts is not None
    wild.pts += round(wild_s / (wild.time_base or 1))
    stand.play(iter(packets), at_once)
    for turn in (1, 2):
        stand.clock.monotonic += US // 10
        stand.play(shifted(stand.packets(clip), 4 * turn), at_once)
    stand.end()
    for row in stand.rows():
        assert stand.began_us - US <= row.start_us <= row.end_us <= stand.clock.now_us() + US
        assert 0 < row.duration_us < 20 * US


def test_a_clock_set_by_half_a_century_leaves_no_gap_of_half_a_century(
    house: House, clips: Clips
) -> None:
    clip = clips("plain.mp4")
    stand = Stand(house, clip)
    stand.clock.offset = 400 * 86_400 * US
    stand.feed.steady.set()
    stand.play(stand.packets(clip), at_once)
    stand.clock.monotonic += US // 10
    stand.clock.offset = 1_795_000_000 * US
    stand.play(shifted(stand.packets(clip), 4), at_once)
    stand.end()
    assert all(gap.end_us is not None and gap.end_us - gap.start_us < US for gap in stand.gaps())
    assert stand.unexplained() == []


def test_small_corrections_of_the_machine_s_clock_cut_nothing(house: House, clips: Clips) -> None:
    clip = clips("plain.mp4")
    stand = Stand(house, clip)
    stand.play(stand.packets(clip), at_once)
    stand.clock.offset += US
    stand.clock.monotonic += US // 10
    stand.play(shifted(stand.packets(clip), 4), at_once)
    stand.end()
    assert contiguous(stand)
    assert stand.gaps() == []


def test_camera_that_changes_its_picture_begins_a_segment_that_says_so(
    house: House, tmp_path: Path
) -> None:
    small, large = tmp_path / "small.ts", tmp_path / "large.ts"
    make_stream(small, (160, 120), 0)
    make_stream(large, (320, 240), 20)
    stand = Stand(house, small)
    stand.play(stand.packets(small), at_once)
    stand.clock.monotonic += US // 10
    stand.play(stand.packets(large), at_once)
    stand.end()
    rows = stand.rows()
    assert [(row.width, row.height) for row in rows] == [(160, 120), (320, 240)]
    assert [decoded_sizes(house.file(row)) for row in rows] == [{(160, 120)}, {(320, 240)}]
    assert contiguous(stand)
    assert stand.gaps() == []


def test_late_sound_is_kept_with_the_pictures_it_accompanies(house: House, clips: Clips) -> None:
    clip = clips("long-sound.mp4", audio="aac", seconds=16)
    stand = Stand(house, clip)
    sent = [bytes(packet) for packet in stand.packets(clip) if not is_video(packet)]
    stand.play(stand.packets(clip), lambda packet: 0 if is_video(packet) else 300_000)
    stand.end()
    rows = stand.rows()
    assert len(rows) >= 3
    assert contiguous(stand)
    kept = []
    for row in rows:
        with av.open(str(house.file(row))) as container:
            times = []
            for packet in container.demux(audio=0):
                if packet.size:
                    kept.append(bytes(packet))
                    times.append(float((packet.pts or 0) * (packet.time_base or 0)))
        assert min(times) >= -0.01
        assert max(times) <= row.duration_us / US + 0.1
    assert kept == sent[-len(kept) :]
    assert len(kept) >= len(sent) - 2  # but for the encoder's priming before the first picture


@pytest.mark.parametrize("late_us", [0, 300_000, 900_000, 1_500_000])
def test_keyframes_only_and_sound_that_lags_make_no_crumbs(
    house: House, clips: Clips, late_us: int
) -> None:
    clip = clips("intra.mp4", audio="aac", seconds=16, gop=1)
    stand = Stand(house, clip)
    stand.play(stand.packets(clip), lambda packet: 0 if is_video(packet) else late_us)
    stand.end()
    rows = stand.rows()
    assert 3 <= len(rows) <= 5
    assert contiguous(stand)
    assert {row.audio_codec for row in rows[1:]} == {"aac"}


def test_silent_sound_track_holds_back_no_fragment(house: House, clips: Clips) -> None:
    clip = clips("long-sound.mp4", audio="aac", seconds=16)
    stand = Stand(house, clip)
    pictures = [packet for packet in stand.packets(clip) if is_video(packet)][:35]
    stand.play(iter(pictures), at_once)
    assert stand.fragments() >= 2  # of 3.5 s, in fragments of a second
    stand.end()


def test_sound_that_begins_late_gets_its_track_at_the_next_keyframe(
    house: House, clips: Clips
) -> None:
    clip = clips("long-sound.mp4", audio="aac", seconds=16)
    stand = Stand(house, clip)
    stand.play((p for p in stand.packets(clip) if is_video(p) or seconds(p) > 8.2), at_once)
    stand.end()
    rows = stand.rows()
    assert contiguous(stand)
    silent_s = sum(row.duration_us for row in rows if row.audio_codec is None) / US
    assert silent_s == pytest.approx(9.5, abs=1)
    assert rows[-1].audio_codec == "aac"


def test_sound_without_pictures_is_a_stall(house: House, clips: Clips) -> None:
    clip = clips("long-sound.mp4", audio="aac", seconds=16)
    stand = Stand(house, clip)
    stand.play((p for p in stand.packets(clip) if is_video(p)), at_once)
    late = [packet for packet in stand.packets(clip) if not is_video(packet)]
    with pytest.raises(RecordingFailed) as failed:
        stand.play(shifted(iter(late), 16), at_once)
    assert failed.value.cause is GapCause.STALLED
    stand.end()


def test_pictures_whose_time_stands_still_are_a_stall(house: House, clips: Clips) -> None:
    clip = clips("plain.mp4")
    stand = Stand(house, clip)
    stand.play(stand.packets(clip), at_once)
    frozen = (packet for _ in range(10) for packet in stand.packets(clip))
    with pytest.raises(RecordingFailed, match="time stands still"):
        stand.stand_still(frozen, 4 * 12_800)
    stand.end()
    assert stand.rows()


def test_a_gop_of_minutes_is_kept_in_fragments_and_cut_where_it_ends(
    house: House, clips: Clips
) -> None:
    clip = clips("endless-gop.mp4", gop=10_000, seconds=60)  # one keyframe, then none
    stand = Stand(house, clip)
    turns = (p for n in range(10) for p in shifted_without_keyframe(stand.packets(clip), n * 60))
    stand.play(turns, at_once)
    assert stand.fragments() >= 550  # of ten minutes: what a kill costs stays a second
    assert stand.progress.tape is not None
    assert stand.progress.tape.backlog_bytes < 1 << 20
    stand.play(shifted(stand.packets(clip), 600), at_once)
    stand.end()
    assert [round(row.duration_us / US) for row in stand.rows()] == [600, 60]
    assert contiguous(stand)
    assert stand.progress.gop_us == 600 * US


def test_a_minute_without_a_keyframe_is_a_stall(house: House, clips: Clips) -> None:
    clip = clips("endless-gop.mp4", gop=10_000, seconds=60)
    stand = Stand(house, clip)
    turns = (p for n in (1, 2) for p in shifted_without_keyframe(stand.packets(clip), n * 60))
    with pytest.raises(RecordingFailed, match="no keyframe") as failed:
        stand.play(turns, at_once)
    assert failed.value.cause is GapCause.STALLED
    assert not stand.segmenter.is_recording


def shifted_without_keyframe(packets: Iterator[Packet[Any]], by_s: float) -> Iterator[Packet[Any]]:
    """As they are when `by_s` is 0; else later, and without the keyframe they begin with."""
    yield from (p for p in shifted(packets, by_s) if not (by_s and p.is_keyframe))


def is_video(packet: Packet[Any]) -> bool:
    return packet.stream.type == "video"


def seconds(packet: Packet[Any]) -> float:
    return float((packet.pts or 0) * (packet.time_base or 0))


def make_stream(path: Path, size: tuple[int, int], first: int) -> None:
    """Two seconds of H.264 as a camera sends it: parameter sets before each keyframe."""
    with av.open(str(path), "w", format="mpegts") as target:
        video = target.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.gop_size, video.max_b_frames = 10, 0
        video.options = {"preset": "ultrafast", "threads": "1", "sc_threshold": "0"}
        for i in range(20):
            noise = np.random.default_rng(i).integers(0, 255, (size[1], size[0], 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(noise, format="rgb24")
            frame.pts, frame.time_base = first + i, Fraction(1, 10)
            target.mux(video.encode(frame))
        target.mux(video.encode(None))
