"""Cameras that test our own reader, through `hindsight record`: what is kept is what was sent."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import pytest

from storage.vocabulary import Camera
from tests.recorder.test_rtsp_reader import encoded
from tests.recorder.test_rtsp_sound import Sound, g711, with_sound
from tests.servers.bad_camera import BadCamera, Clip, Script, Visit
from tests.servers.clips import hash_of, make_clip, picture_hashes, pictures
from tests.servers.recording import Recording, until

NAMES = ("slices", "marks", "no-marks", "h265", "sound", "late-sound", "late-pictures")


@dataclass
class Road:
    """What was recorded, and from whom."""

    recording: Recording
    cameras: dict[str, Camera]
    sent: dict[str, list[str]]  # hashes of the access units of a clip, by camera
    server: BadCamera
    sound: Sound

    def kept(self, name: str) -> list[str]:
        rows = self.recording.segments(self.cameras[name])
        return [one for row in rows for one in picture_hashes(self.recording.file(row))]

    def said(self, name: str) -> str:
        return " | ".join(
            f"{gap.cause}: {gap.detail}" for gap in self.recording.gaps(self.cameras[name])
        )


def marking(*, every: bool = False, none: bool = False) -> Script:
    def script(visit: Visit) -> None:
        visit.marks, visit.marks_all = not none, every
        visit.play()

    return script


def hashes(clip: Clip) -> list[str]:
    return [hash_of(pictures(iter(nals), clip.codec)) for _, nals in clip.units]


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    folder = tmp_path_factory.mktemp("rtsp")
    server = BadCamera()
    clips = {way: Clip.of(encoded(folder / f"{way}.mp4", way))
             for way in ("plain", "slices", "h265", "b-frames")}  # fmt: skip
    sound = g711()

    def turns(visit: Visit) -> None:
        """Its pictures come out of order only after a while."""
        if visit.number == 0:
            visit.play(4)
            visit.clip = clips["b-frames"]
        visit.play()

    small = Clip.of(make_clip(folder / "small.mp4", seconds=4))

    def resized(visit: Visit) -> None:
        """Somebody sets another resolution while it plays."""
        visit.play(3.95)
        visit.clip = small
        visit.play()

    told: dict[str, tuple[str, Script, str]] = {
        "slices": ("slices", Visit.play, ""),
        "marks": ("slices", marking(every=True), ""),
        "no-marks": ("slices", marking(none=True), ""),
        "h265": ("h265", Visit.play, ""),
        "sound": ("plain", with_sound(sound), sound.lines),
        "late-sound": ("plain", with_sound(sound, late_s=0.4, reported=True), sound.lines),
        "late-pictures": (
            "plain", with_sound(sound, late_s=-0.3, reported=True, begins_s=1), sound.lines,
        ),
        "b-frames": ("b-frames", Visit.play, ""),
        "resized": ("plain", resized, ""),
    }  # fmt: skip
    recording = Recording(folder / "data", per_process=16)
    cameras = {
        name: recording.add(name, server.add(name, clips[way], script, more=more))
        for name, (way, script, more) in told.items()
    }
    cameras["turns"] = recording.add(
        "turns", server.add("turns", lambda n: clips["plain" if n == 0 else "b-frames"], turns)
    )
    sent = {name: hashes(clips[way]) for name, (way, _, _) in told.items()}
    sent["small"] = hashes(small)
    recording.start()
    try:
        until(
            lambda: all(len(recording.segments(camera)) >= 2 or name == "marks"
                        for name, camera in cameras.items())
            and server.visits("turns") > 1
            and len(recording.segments(cameras["turns"])) >= 3,
            45, "every camera has two segments",
        )  # fmt: skip
        assert recording.stop() == 0
        yield Road(recording, cameras, sent, server, sound)
    finally:
        recording.close()
        server.close()


def is_whole(kept: list[str], sent: list[str]) -> bool:
    if not kept or kept[0] not in sent:
        return False
    start = sent.index(kept[0])
    return kept == [sent[(start + i) % len(sent)] for i in range(len(kept))]


@pytest.mark.parametrize("name", [*NAMES, "b-frames"])
def test_what_is_kept_is_what_was_sent(road: Road, name: str) -> None:
    rows = road.recording.verify(road.cameras[name])
    assert road.recording.contiguous(rows), road.said(name)
    assert is_whole(road.kept(name), road.sent[name])


@pytest.mark.parametrize("name", NAMES)
def test_nothing_was_lost_after_the_first_connection(road: Road, name: str) -> None:
    assert road.server.visits(name) == 1, road.said(name)
    assert road.recording.causes(road.cameras[name]) <= {"shutdown"}, road.said(name)


def test_pictures_out_of_order_are_read_by_ffmpeg(road: Road) -> None:
    """The second visit is FFmpeg's; nobody calls that an outage."""
    assert road.server.visits("b-frames") == 2
    assert road.recording.causes(road.cameras["b-frames"]) <= {"shutdown"}


def test_pictures_that_come_out_of_order_at_last_are_recorded(road: Road) -> None:
    camera = road.cameras["turns"]
    road.recording.verify(camera)
    assert road.server.visits("turns") == 2, road.said("turns")
    kept = road.kept("turns")
    assert set(kept) <= set(road.sent["sound"]) | set(road.sent["b-frames"])
    assert set(kept) & set(road.sent["b-frames"])
    assert "FFmpeg has to read" in road.said("turns")


def test_another_size_of_picture_is_recorded_without_a_new_connection(road: Road) -> None:
    """A new connection would begin with the large picture again."""
    rows = road.recording.verify(road.cameras["resized"])
    assert [row.height for row in rows] == sorted((row.height or 0 for row in rows), reverse=True)
    assert {(row.width, row.height) for row in rows} == {(160, 144), (160, 120)}
    kept, big = road.kept("resized"), road.sent["resized"]
    assert kept[:40] == big
    assert is_whole(kept[40:], road.sent["small"])


@pytest.mark.parametrize("name", ["sound", "late-sound", "late-pictures"])
def test_sound_is_kept_whole(road: Road, name: str) -> None:
    rows = road.recording.segments(road.cameras[name])
    numbers = {frame: number for number, frame in enumerate(road.sound.frames)}
    kept = [numbers[data] for row in rows for data, _ in _tones(road.recording.file(row))]
    assert len(kept) > 200
    assert kept == sorted(set(kept))
    lost = [(a, b) for a, b in itertools.pairwise(kept) if b != a + 1]
    assert sum(b - a - 1 for a, b in lost) <= 25, lost  # what moved back over the picture
    if name == "sound":
        assert not lost


@pytest.mark.parametrize("name", ["sound", "late-sound", "late-pictures"])
def test_sound_lies_beside_its_picture_in_the_file(road: Road, name: str) -> None:
    """By the second segment the clocks are known. The clip repeats every four seconds."""
    file = road.recording.file(road.recording.segments(road.cameras[name])[1])
    numbers = {frame: number for number, frame in enumerate(road.sound.frames)}
    with av.open(str(file)) as container:
        times = [
            float((p.pts or 0) * (p.time_base or 0)) for p in container.demux(video=0) if p.size
        ]
    begins = road.sent[name].index(picture_hashes(file)[0]) / 10 - times[0]
    sound = [numbers[data] / 50 - at for data, at in _tones(file)]
    assert all(abs((one - begins + 2) % 4 - 2) < 0.06 for one in sound)


def _tones(file: Path) -> list[tuple[bytes, float]]:
    """Each 20 ms of sound and where it stands."""
    with av.open(str(file)) as container:
        return [
            (bytes(packet)[at : at + 160],
             float((packet.pts or 0) * (packet.time_base or 0)) + at / 8000)
            for packet in container.demux(audio=0)
            for at in range(0, packet.size, 160)
        ]  # fmt: skip
