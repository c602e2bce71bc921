"""The playable cut: one MP4 per camera where that can be, on the wall clock, honest where not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import pytest

from storage.clock import US, parse_time

START_US = parse_time("2026-11-18T13:00:00Z")


def cuts(house: Any, out: Path, from_s: float, to_s: float) -> tuple[list[dict], list[dict]]:  # type: ignore[type-arg]
    """(playable, not playable) of the only camera, as the manifest says."""
    house.export(out, from_s, to_s)
    [camera] = json.loads((out / "data/manifest.json").read_text())["cameras"]
    return camera["playable"], camera["not_playable"]


def instants(path: Path) -> list[float]:
    """When each decoded picture is shown, seconds on the player's clock."""
    with av.open(str(path)) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]


def starts_s(one: dict) -> float:  # type: ignore[type-arg]
    """Where the file begins, seconds after START_US."""
    return (parse_time(one["start"]) - START_US) / US


@pytest.mark.parametrize("bframes", [0, 2])
def test_the_cut_runs_from_the_keyframe_before_to_the_end(
    house: Any, tmp_path: Path, bframes: int
) -> None:
    for at_s in (0, 4, 8):
        house.segment(at_s=at_s, bframes=bframes)
    [one], refused = cuts(house, tmp_path / "out", 2.35, 9.5)
    assert refused == []
    assert starts_s(one) == 2.0
    shown = instants(tmp_path / "out" / one["file"])
    assert shown[0] == 0
    assert shown == pytest.approx([i / 10 for i in range(len(shown))], abs=1e-3)
    assert starts_s(one) + shown[-1] + 0.1 >= 9.5
    assert starts_s(one) + shown[-1] < 10
    assert one["derivative"] is True
    assert "stream copy" in one["recipe"]
    assert len(one["originals"]) == 3


def test_the_name_says_camera_and_time(house: Any, tmp_path: Path) -> None:
    house.segment("北门 2号")
    [one], _ = cuts(house, tmp_path / "out", 1, 3)
    assert one["file"] == "data/playable/北门-2号_20261118T130001.000Z_20261118T130003.000Z.mp4"


def test_a_short_gap_holds_the_last_picture_and_says_so(house: Any, tmp_path: Path) -> None:
    house.segment(at_s=0)
    house.segment(at_s=7)
    [one], _ = cuts(house, tmp_path / "out", 0, 11)
    shown = instants(tmp_path / "out" / one["file"])
    assert shown == pytest.approx([i / 10 for i in (*range(40), *range(70, 110))], abs=1e-3)
    [held] = one["held_pictures"]
    assert held["duration_s"] == pytest.approx(3, abs=0.001)


def test_a_long_gap_begins_another_file(house: Any, tmp_path: Path) -> None:
    house.segment(at_s=0)
    house.segment(at_s=30)
    made, _ = cuts(house, tmp_path / "out", 0, 34)
    assert [starts_s(one) for one in made] == [0, 30]
    assert [one["held_pictures"] for one in made] == [[], []]


def test_a_change_of_resolution_begins_another_file(house: Any, tmp_path: Path) -> None:
    house.segment(at_s=0)
    house.segment(at_s=4, size=(96, 64))
    house.segment(at_s=8, size=(96, 64))
    made, _ = cuts(house, tmp_path / "out", 0, 12)
    assert [len(one["originals"]) for one in made] == [1, 2]


def test_clocks_that_overlap_a_little_stay_one_file(house: Any, tmp_path: Path) -> None:
    for at_s in (0, 3.9, 7.95):
        house.segment(at_s=at_s)
    [one], _ = cuts(house, tmp_path / "out", 0, 11)
    shown = instants(tmp_path / "out" / one["file"])
    assert shown == sorted(set(shown))


def test_the_same_time_recorded_twice_is_two_files(house: Any, tmp_path: Path) -> None:
    house.segment(at_s=0)
    house.segment(at_s=0)
    made, _ = cuts(house, tmp_path / "out", 0, 4)
    assert len({one["file"] for one in made}) == 2


def test_sound_that_mp4_holds_is_kept(house: Any, tmp_path: Path) -> None:
    for at_s in (0, 4):
        house.segment(at_s=at_s, audio="aac")
    [one], _ = cuts(house, tmp_path / "out", 2, 7)
    assert (one["audio"], one["audio_left_out"]) == ("aac", None)
    with av.open(str(tmp_path / "out" / one["file"])) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        samples = sum(frame.samples for frame in container.decode(audio=0))
    assert samples / 8000 == pytest.approx(5, abs=0.3)


def test_sound_that_mp4_cannot_hold_is_left_out_and_said(house: Any, tmp_path: Path) -> None:
    house.segment(audio="pcm_alaw")
    [one], _ = cuts(house, tmp_path / "out", 0, 4)
    assert (one["audio"], one["audio_left_out"]) == (None, "pcm_alaw")
    assert len(instants(tmp_path / "out" / one["file"])) == 40


def test_broadcast_aac_and_h264_from_a_transport_stream(house: Any, tmp_path: Path) -> None:
    house.segment(container="ts", audio="aac", origin="import")
    [one], refused = cuts(house, tmp_path / "out", 1, 3)
    assert refused == []
    assert one["audio"] == "aac"
    assert len(instants(tmp_path / "out" / one["file"])) == 20


def test_mpeg4_from_avi(house: Any, tmp_path: Path) -> None:
    house.segment(container="avi", codec="mpeg4", origin="import")
    [one], _ = cuts(house, tmp_path / "out", 1, 3)
    assert len(instants(tmp_path / "out" / one["file"])) == 20


def test_h265_is_tagged_as_every_player_expects(house: Any, tmp_path: Path) -> None:
    house.segment(codec="libx265")
    [one], _ = cuts(house, tmp_path / "out", 1, 3)
    with av.open(str(tmp_path / "out" / one["file"])) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


def test_a_codec_mp4_cannot_hold_is_skipped_and_said(house: Any, tmp_path: Path) -> None:
    segment = house.segment(container="avi", codec="msmpeg4v2", origin="import")
    made, [refused] = cuts(house, tmp_path / "out", 0, 4)
    assert made == []
    assert (refused["reason"], refused["detail"]) == ("codec", "msmpeg4v2")
    assert refused["originals"] == [{"id": segment.id, "sha256": segment.sha256}]
    assert not list((tmp_path / "out/data/playable").iterdir())
    assert "msmpeg4v2" in (tmp_path / "out/data/report.html").read_text()


def test_slow_cameras_are_measured_by_their_own_pictures(house: Any, tmp_path: Path) -> None:
    house.segment(at_s=0, length_s=10, fps=1)
    house.segment(at_s=10.5, length_s=10, fps=1)
    [one], _ = cuts(house, tmp_path / "out", 3, 15)
    assert one["duration_s"] == pytest.approx(15.5, abs=1)


def test_real_footage_is_exported_and_cut(house: Any, footage: Path, tmp_path: Path) -> None:
    """Long GOPs, odd frame rates, AVI: whatever is kept can be handed over."""
    names = ("tfl_jamcam_625_201707211410.mp4", "intel_bottle-detection.mp4",
             "bgslib_video.avi", "bgslib_video02.avi")  # fmt: skip
    for number, name in enumerate(names):
        house.adopt(footage / name, at_s=number * 300)
    made, refused = cuts(house, tmp_path / "out", 0, 1200)
    assert [one["reason"] for one in refused] == ["codec"]  # MS-MPEG4
    assert len(made) == 3
    for one in made:
        shown = instants(tmp_path / "out" / one["file"])
        assert shown[-1] - shown[0] == pytest.approx(one["duration_s"], abs=0.2)
