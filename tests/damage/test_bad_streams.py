"""Streams that misbehave: each gets its cause, none takes another with it, the log stays short."""

from __future__ import annotations

import os
import random
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.vocabulary import Camera
from tests.servers.bad_camera import CLOCK, BadCamera, Clip, Visit
from tests.servers.clips import make_clip
from tests.servers.recording import Recording, decoded, until


@pytest.fixture
def server() -> Iterator[BadCamera]:
    made = BadCamera()
    yield made
    made.close()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Recording]:
    """An archive to record into: whatever misbehaves shares a process with a good camera."""
    one = Recording(tmp_path / "data", per_process=16)
    yield one
    one.close()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return Clip.of(make_clip(tmp_path_factory.mktemp("clip") / "plain.mp4"))


def said(made: Recording, camera: Camera) -> str:
    return " | ".join(gap.detail or "" for gap in made.gaps(camera))


def settled(made: Recording, camera: Camera, segments: int = 2) -> None:
    """It records, whatever was before."""
    until(lambda: len(made.segments(camera)) >= segments, 40, f"{camera.slug} records")


def test_streams_that_break_off_are_told_apart_and_the_good_one_goes_on(
    made: Recording, server: BadCamera, clip: Clip, tmp_path: Path
) -> None:
    def garbage(visit: Visit) -> None:
        if visit.number == 0:
            visit.play(2)
            noise = random.Random(1)
            while not visit.is_gone():
                visit.raw(noise.randbytes(4096))
        visit.play()

    def hangs_up(visit: Visit) -> None:
        visit.play(2.5)  # again and again

    def falls_silent(visit: Visit) -> None:
        visit.play(3)
        while visit.number == 0 and not visit.is_gone():
            visit.wait(0.2)
        visit.play()

    def sends_nothing(visit: Visit) -> None:
        while not visit.is_gone():
            visit.wait(0.2)

    def without_sets(visit: Visit) -> None:
        """Neither announced nor sent, until the camera is told to behave."""

        def change(_n: int, ticks: int, nals: list[bytes]) -> tuple[int, list[bytes]]:
            bare = [nal for nal in nals if not clip.is_set(nal)]
            return ticks, nals if visit.number > 1 else bare  # our reader came, and FFmpeg

        visit.play(change=change)

    half_open = socket.create_server(("127.0.0.1", 0))  # takes connections, never says a word
    cameras = {
        "garbage": made.add("garbage", server.add("garbage", clip, garbage)),
        "hangs-up": made.add("hangs-up", server.add("hangs-up", clip, hangs_up)),
        "silent": made.add("silent", server.add("silent", clip, falls_silent)),
        "nothing": made.add("nothing", server.add("nothing", clip, sends_nothing)),
        "no-sets": made.add("no-sets", server.add("no-sets", clip, without_sets, sets=False)),
        "half-open": made.add("half-open", f"rtsp://127.0.0.1:{half_open.getsockname()[1]}/x"),
        "good": made.add("good", f"{make_clip(tmp_path / 'good.mp4').as_uri()}?loop=1"),
    }
    made.start()
    until(lambda: made.segments(cameras["good"]), 30, "the good one records")
    process = made.capture_of(cameras["good"])
    for name in ("garbage", "silent", "no-sets"):
        settled(made, cameras[name])
    until(lambda: server.visits("hangs-up") >= 3, 30, "it came again")
    for name in ("nothing", "half-open"):
        until(lambda n=name: made.gaps(cameras[n]), 30, f"{name} is noted")  # type: ignore[misc]
    assert made.capture_of(cameras["good"]) == process
    assert made.stop() == 0
    half_open.close()

    good = made.verify(cameras["good"])
    assert made.contiguous(good)
    assert made.causes(cameras["good"]) == {"shutdown"}
    for name in ("garbage", "silent", "hangs-up"):
        made.verify(cameras[name])
        assert "stalled" in made.causes(cameras[name]), (name, said(made, cameras[name]))
    made.verify(cameras["no-sets"])
    for name in ("nothing", "half-open", "no-sets"):
        assert "connect_failed" in made.causes(cameras[name]), (name, said(made, cameras[name]))
    assert "no picture came" in said(made, cameras["nothing"])
    assert "nothing came in time" in said(made, cameras["half-open"])
    lines = made.log.read_text().splitlines()
    assert len(lines) < 20 * len(cameras), "the log is flooded"
    assert not any("Traceback" in line for line in lines)


def test_time_stamps_that_jump_repeat_or_stand_lose_nothing(
    made: Recording, server: BadCamera, clip: Clip
) -> None:
    def jumps(visit: Visit) -> None:
        visit.play(3)
        visit.base_ticks += 3600 * CLOCK  # an hour ahead
        visit.play(3)
        visit.base_ticks -= 2 * 3600 * CLOCK  # and two back
        visit.play()

    def repeats(visit: Visit) -> None:
        """Two pictures in a row with one time."""

        def change(n: int, ticks: int, nals: list[bytes]) -> tuple[int, list[bytes]]:
            return ticks - (CLOCK // 10 if n % 7 == 3 else 0), nals

        visit.play(change=change)

    def wraps(visit: Visit) -> None:
        """RTP time is 32 bits: it begins again after 13 hours."""
        visit.base_ticks = 2**32 - 4 * CLOCK
        visit.play()

    cameras = {
        name: made.add(name, server.add(name, clip, script))
        for name, script in {"jumps": jumps, "repeats": repeats, "wraps": wraps}.items()
    }
    made.start()
    settled(made, cameras["jumps"], 4)
    for name in ("repeats", "wraps"):
        settled(made, cameras[name], 3)
    assert made.stop() == 0
    for name in ("repeats", "wraps"):
        assert made.contiguous(made.verify(cameras[name])), name
        assert made.causes(cameras[name]) == {"shutdown"}, said(made, cameras[name])
        assert server.visits(name) == 1
    made.verify(cameras["jumps"])
    assert made.causes(cameras["jumps"]) <= {"shutdown", "pts_jump"}
    assert server.visits("jumps") == 1  # no connection was lost over it
    missing_s = sum((g.end_us or g.start_us) - g.start_us for g in made.gaps(cameras["jumps"])
                    if g.cause == "pts_jump") / 1e6  # fmt: skip
    assert missing_s < 2.5  # up to the next keyframe, twice


def test_another_picture_and_another_codec_begin_a_segment_that_says_so(
    made: Recording, server: BadCamera, clip: Clip, tmp_path: Path
) -> None:
    h265 = Clip.of(make_clip(tmp_path / "h265.mp4", codec="libx265"))

    def restarts(visit: Visit) -> None:
        visit.play(3 if visit.number == 0 else 1e9)

    camera = made.add(
        "restarts", server.add("restarts", lambda n: clip if n == 0 else h265, restarts)
    )
    made.start()
    until(lambda: {row.codec for row in made.segments(camera)} == {"h264", "hevc"}, 40, "both")
    assert made.stop() == 0
    rows = made.verify(camera)
    assert [row.codec for row in rows] == sorted(row.codec or "" for row in rows)
    assert all(decoded(made.file(row)) for row in rows)


def test_loss_of_every_packet_for_a_while_is_a_gap_on_udp(
    made: Recording, server: BadCamera, clip: Clip
) -> None:
    def loses(visit: Visit) -> None:
        visit.play(4)
        visit.wait(4)
        visit.base_ticks += 4 * CLOCK
        visit.play()

    camera = made.add("loses", server.add("loses", clip, loses) + "?transport=udp")
    made.start()
    until(lambda: made.segments(camera), 30, "it records")
    until(lambda: "stalled" in made.causes(camera), 20, "the loss is noted")
    settled(made, camera, 3)
    assert made.stop() == 0
    made.verify(camera)


def test_a_process_that_libavformat_aborts_is_replaced(
    made: Recording, server: BadCamera, clip: Clip
) -> None:
    """What an assertion in there does is abort()."""
    cameras = [made.add(f"one-{n}", server.add(f"one-{n}", clip, Visit.play)) for n in range(2)]
    made.start()
    for camera in cameras:
        until(lambda c=camera: made.open_file(c), 20, "all record")  # type: ignore[misc]
    time_us = time.time_ns() // 1000
    os.kill(made.capture_of(cameras[0]), signal.SIGABRT)
    for camera in cameras:
        until(
            lambda c=camera: any(row.start_us > time_us for row in made.segments(c)), 40,
            f"{camera.slug} goes on",
        )  # type: ignore[misc]  # fmt: skip
    assert made.stop() == 0
    for camera in cameras:
        made.verify(camera)
        assert "unknown" in made.causes(camera)
