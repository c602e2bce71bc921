"""Sound beside the picture, the sender's clock, and when things came."""

from __future__ import annotations

import heapq
import itertools
import statistics
import struct
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import pytest

from recorder.onset import Arrival
from recorder.rtsp.reader import Reader
from recorder.rtsp.session import BeyondUs
from recorder.wallclock import SteadyClock
from storage.clock import US, SystemClock
from tests.servers.bad_camera import CLOCK, NTP_EPOCH_S, BadCamera, Clip, Script, Visit
from tests.servers.clips import make_clip

AUDIO_SOURCE = 0x55667788


@dataclass
class Sound:
    """Frames, each of them another, and how they are described."""

    frames: list[bytes]
    rate: int
    samples: int  # of a packet
    payload: int
    lines: str
    head: Callable[[bytes], bytes] = lambda frame: b""

    def packet(self, number: int, origin: int) -> bytes:
        frame = self.frames[number]
        stamp = (origin + number * self.samples) & 0xFFFFFFFF
        head = struct.pack(">BBHII", 0x80, 0x80 | self.payload, number + 65530 & 0xFFFF, stamp,
                           AUDIO_SOURCE)  # fmt: skip
        return head + self.head(frame) + frame

    def report(self, number: int, origin: int, at_s: float) -> bytes:
        ntp_s = at_s + NTP_EPOCH_S
        stamp = (origin + number * self.samples) & 0xFFFFFFFF
        return struct.pack(">BBHIIIIII", 0x80, 200, 6, AUDIO_SOURCE, int(ntp_s),
                           int(ntp_s % 1 * 2**32), stamp, 0, 0)  # fmt: skip


def g711(kind: str = "PCMA") -> Sound:
    frames = [struct.pack(">I", n) * 40 for n in range(3000)]  # 20 ms
    payload = 8 if kind == "PCMA" else 0
    return Sound(frames, 8000, 160, payload, f"m=audio 0 RTP/AVP {payload}\r\na=control:sound\r\n")


def aac() -> Sound:
    encoder = av.CodecContext.create("aac", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 16000, "mono", "fltp"
    encoder.time_base = Fraction(1, 16000)
    encoder.open()
    noise = np.random.default_rng(1)
    frames = []
    for n in range(400):
        wave = noise.normal(0, 0.2, (1, 1024)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16000, n * 1024, Fraction(1, 16000)
        frames += [bytes(packet) for packet in encoder.encode(frame)]
    assert len(set(frames)) == len(frames)
    config = bytes(encoder.extradata or b"").hex()
    lines = (
        "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/16000/1\r\n"
        "a=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;SizeLength=13;IndexLength=3;"
        f"IndexDeltaLength=3;config={config}\r\na=control:sound\r\n"
    )
    return Sound(frames, 16000, 1024, 97, lines,
                 lambda frame: struct.pack(">HH", 16, len(frame) << 3))  # fmt: skip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return Clip.of(make_clip(tmp_path_factory.mktemp("clip") / "plain.mp4"))


@pytest.fixture(scope="module")
def sounds() -> dict[str, Sound]:
    return {"aac": aac(), "pcma": g711("PCMA"), "pcmu": g711("PCMU")}


def with_sound(
    sound: Sound, *, late_s: float = 0.0, reported: bool = False, begins_s: float = 0.3,
    offset_s: float = 0.0, origin: int = 2**32 - 9000, pause_s: float = 0.05,
    jumps_s: float | None = None,
) -> Script:  # fmt: skip
    """Pictures and sound, the latter sent `late_s` after its instant. Reports follow after the
    first second; the sound's clock is `offset_s` ahead of the picture's. It begins `pause_s` after
    it said so. The time of the pictures jumps by an hour at `jumps_s`."""

    def script(visit: Visit) -> None:
        pictures = ((ticks / CLOCK, 0, 0, ticks, nals) for ticks, nals in visit.clip.looped())
        first = int(begins_s * sound.rate / sound.samples)
        tones = ((n * sound.samples / sound.rate + late_s, 1, n, 0, list[bytes]())
                 for n in range(first, len(sound.frames)))  # fmt: skip
        visit.wait(pause_s)
        began, wall = time.monotonic(), time.time()
        told = 0
        for due, kind, number, ticks, nals in heapq.merge(pictures, tones):
            visit.wait(max(0.0, began + due - time.monotonic()))
            if kind == 1:
                visit.packet(2, sound.packet(number, origin))
            else:
                if jumps_s is not None and due >= jumps_s > due - 0.1:
                    visit.base_ticks += 3600 * CLOCK
                visit.unit(ticks, nals)
            if reported and due >= 1 + told and kind == 1:
                told += 1
                ticks = int(due * CLOCK)
                visit.report(ticks, wall + due)
                at_s = number * sound.samples / sound.rate
                visit.packet(3, sound.report(number, origin, wall + at_s + offset_s))

    return script


def read(url: str, seconds: float) -> tuple[list[Arrival], tuple[str, int] | None]:
    """What comes in so many seconds; codec and rate of the sound."""
    reader = Reader(url, 5, 3, SteadyClock(SystemClock()))
    end = time.monotonic() + seconds
    arrivals = []
    with closing(reader):
        for arrival in reader.arrivals(threading.Event()):
            arrivals.append(arrival)
            if time.monotonic() > end:
                break
        sound = reader.container.streams.audio
        codec = (sound[0].codec_context.name, sound[0].codec_context.sample_rate) if sound else None
    return arrivals, codec


def errors_s(arrivals: list[Arrival], sound: Sound) -> list[float]:
    """Of each frame of sound: where it is on the picture's line minus where it belongs."""
    numbers = {frame: number for number, frame in enumerate(sound.frames)}
    return [
        float((a.packet.pts or 0) * (a.packet.time_base or 0))
        - numbers[bytes(a.packet)] * sound.samples / sound.rate
        for a in arrivals
        if a.packet.stream_index == 1
    ]


@pytest.mark.parametrize("kind", ["aac", "pcma", "pcmu"])
def test_sound_is_placed_as_it_arrives_where_no_clock_is_told(
    server: BadCamera, clip: Clip, sounds: dict[str, Sound], kind: str
) -> None:
    sound = sounds[kind]
    url = server.add("sound", clip, with_sound(sound), more=sound.lines)
    arrivals, codec = read(url, 1.2)
    names = {"aac": "aac", "pcma": "pcm_alaw", "pcmu": "pcm_mulaw"}
    assert codec == (names[kind], sound.rate)
    errors = errors_s(arrivals, sound)
    assert len(errors) > 8
    assert max(map(abs, errors)) < 0.05
    steps = {a.packet.duration for a in arrivals if a.packet.stream_index == 1}
    assert steps == {sound.samples}


def test_a_picture_that_comes_with_the_answer_to_play_is_not_dated_by_what_follows(
    server: BadCamera, clip: Clip, sounds: dict[str, Sound]
) -> None:
    """The sound would be placed a picture too early."""
    sound = sounds["pcma"]
    for n in range(3):
        url = server.add(f"{n}", clip, with_sound(sound, pause_s=0), more=sound.lines)
        arrivals, _ = read(url, 0.6)
        assert max(map(abs, errors_s(arrivals, sound))) < 0.05


@pytest.mark.parametrize("late_s", [0.3, -0.25])
def test_sound_is_placed_by_the_clock_of_the_camera(
    server: BadCamera, clip: Clip, sounds: dict[str, Sound], late_s: float
) -> None:
    """It comes late, or the pictures do."""
    sound = sounds["pcma"]
    script = with_sound(sound, late_s=late_s, reported=True, begins_s=0.5)
    arrivals, _ = read(server.add("sound", clip, script, more=sound.lines), 2)
    errors = errors_s(arrivals, sound)
    assert abs(errors[0] - late_s) < 0.05  # as it arrived, until the clock was told
    assert max(map(abs, errors[-10:])) < 0.05


def test_clocks_that_have_nothing_in_common_place_no_sound(
    server: BadCamera, clip: Clip, sounds: dict[str, Sound]
) -> None:
    sound = sounds["pcma"]
    script = with_sound(sound, reported=True, offset_s=3600)
    arrivals, _ = read(server.add("sound", clip, script, more=sound.lines), 2)
    assert max(map(abs, errors_s(arrivals, sound))) < 0.05


@pytest.mark.parametrize("reported", [False, True])
def test_sound_goes_with_pictures_whose_time_jumps(
    server: BadCamera, clip: Clip, sounds: dict[str, Sound], reported: bool
) -> None:
    sound = sounds["pcma"]
    script = with_sound(sound, reported=reported, jumps_s=1.5)
    arrivals, _ = read(server.add("jumps", clip, script, more=sound.lines), 3)
    errors = errors_s(arrivals, sound)
    assert abs(errors[0]) < 0.05
    assert all(abs(error - 3600) < 0.15 for error in errors[-20:])


def test_frames_of_aac_are_found_together_and_in_pieces(
    server: BadCamera, clip: Clip, sounds: dict[str, Sound]
) -> None:
    sound = sounds["aac"]

    def pieces(visit: Visit) -> None:
        """Sequence numbers run on whatever is sent."""
        visit.unit(*clip.units[0])
        sequence = 0
        for number in range(0, 60, 4):
            stamp = 5000 + number * 1024
            three, one = sound.frames[number : number + 3], sound.frames[number + 3]
            sizes = b"".join(struct.pack(">H", len(frame) << 3) for frame in three)
            parts = [(stamp, struct.pack(">H", 48) + sizes + b"".join(three), 0x80),
                     (stamp + 3072, sound.head(one) + one[:50], 0),
                     (stamp + 3072, sound.head(one) + one[50:], 0x80)]  # fmt: skip
            for when, payload, mark in parts:
                head = struct.pack(">BBHII", 0x80, mark | 97, sequence, when, AUDIO_SOURCE)
                visit.packet(2, head + payload)
                sequence += 1
            visit.wait(0.02)
        visit.wait(5)

    with closing(Reader(server.add("sound", clip, pieces, more=sound.lines), 5, 1,
                        SteadyClock(SystemClock()))) as reader:  # fmt: skip
        arrivals = list(itertools.islice(reader.arrivals(threading.Event()), 61))
    tones = [a for a in arrivals if a.packet.stream_index == 1]
    assert [bytes(a.packet) for a in tones] == sound.frames[:60]
    begin = tones[0].packet.pts or 0
    assert [(a.packet.pts or 0) - begin for a in tones] == [n * 1024 for n in range(60)]


@pytest.mark.parametrize(
    "lines",
    ["m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MP4A-LATM/16000\r\na=control:sound\r\n",
     "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\na=control:sound\r\n",
     "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/16000\r\n"
     "a=fmtp:97 mode=AAC-lbr;sizelength=6;indexlength=2;indexdeltalength=2\r\n"],
    ids=["latm", "opus", "aac-lbr"],
)  # fmt: skip
def test_sound_we_do_not_unpack_is_left_to_ffmpeg(
    server: BadCamera, clip: Clip, lines: str
) -> None:
    with pytest.raises(BeyondUs):
        Reader(server.add("sound", clip, Visit.play, more=lines), 5, 3,
               SteadyClock(SystemClock()))  # fmt: skip


def test_reports_say_what_the_cameras_clock_showed(server: BadCamera, clip: Clip) -> None:
    began_s = 1_750_000_000.25

    def script(visit: Visit) -> None:
        def change(number: int, ticks: int, nals: list[bytes]) -> tuple[int, list[bytes]]:
            if number == 5:
                visit.report(ticks - 9000, began_s + (ticks - 9000) / CLOCK)
            if number == 15:  # a clock that was lost says so with zeros
                visit.report(ticks, -NTP_EPOCH_S)
            return ticks, nals

        visit.play(pace=5, change=change)

    reader = Reader(server.add("clock", clip, script), 5, 3, SteadyClock(SystemClock()))
    with closing(reader):
        arrivals = list(itertools.islice(reader.arrivals(threading.Event()), 25))
    told = [a.camera_us for a in arrivals]
    assert told[0] is None
    assert told[-1] is not None
    for number, camera_us in enumerate(told):
        assert camera_us is None or abs(camera_us - (began_s + number / 10) * US) < 1000


def test_a_clock_of_zeros_is_no_clock(server: BadCamera, clip: Clip) -> None:
    def script(visit: Visit) -> None:
        def change(_n: int, ticks: int, nals: list[bytes]) -> tuple[int, list[bytes]]:
            visit.report(ticks, -NTP_EPOCH_S)
            return ticks, nals

        visit.play(pace=5, change=change)

    reader = Reader(server.add("zeros", clip, script), 5, 3, SteadyClock(SystemClock()))
    with closing(reader):
        arrivals = list(itertools.islice(reader.arrivals(threading.Event()), 15))
    assert {arrival.camera_us for arrival in arrivals} == {None}


def test_arrivals_are_exact_once_a_second_and_receiver_reports_are_sent(
    server: BadCamera, clip: Clip
) -> None:
    """A picture every 40 ms, for as long as it takes for a report of ours to come."""
    sent: dict[int, float] = {}
    visits: list[Visit] = []

    def script(visit: Visit) -> None:
        visits.append(visit)
        visit.packet(1, b"")  # of no consequence
        began = time.monotonic()
        for number, (_, nals) in enumerate(visit.clip.looped()):
            visit.wait(max(0.0, began + number * 0.04 - time.monotonic()))
            sent[number * 3600] = time.time()
            visit.unit(number * 3600, nals)
            if number == 30:
                visit.report(number * 3600, time.time())

    arrivals, _ = read(server.add("steady", clip, script, listens=True), 6.6)
    assert [a.packet.pts for a in arrivals] == [3600 * n for n in range(len(arrivals))]
    late = [a for a in arrivals if (a.packet.pts or 0) > 4 * CLOCK]
    exact = [a for a in late if a.exact]
    waits = [a.arrival_us / US - sent[a.packet.pts or 0] for a in exact]
    assert len(exact) >= 2
    assert len(exact) < len(late) / 2  # it naps
    assert -0.005 < min(waits) < 0.05
    assert statistics.median(waits) < 0.1
    assert all(a.arrival_us / US - sent[a.packet.pts or 0] > -0.005 for a in arrivals)

    [(channel, report)] = visits[0].heard[:1]
    flags, kind, length, _, source, lost, highest, _, heard, since = struct.unpack_from(
        ">BBHIIIIIII", report
    )
    assert (channel, flags, kind, length, source, lost) == (1, 0x81, 201, 7, 0x11223344, 0)
    assert 0 < highest <= visits[0].sequence
    assert heard
    assert 2 < since / 65536 < 8
    assert (report[32], report[33], len(report) % 4) == (0x81, 202, 0)
    assert len(report) == 32 + 4 * (1 + int.from_bytes(report[34:36], "big"))


def test_a_goodbye_of_the_sound_alone_does_not_end_the_pictures(
    server: BadCamera, clip: Clip, sounds: dict[str, Sound]
) -> None:
    """FFmpeg ends when every stream said it."""
    sound = sounds["pcma"]

    def script(visit: Visit) -> None:
        visit.play(1, pace=5)
        visit.packet(2, sound.packet(0, 0))
        visit.packet(3, struct.pack(">BBHI", 0x81, 203, 1, AUDIO_SOURCE))
        visit.play(pace=5)

    reader = Reader(server.add("bye", clip, script, more=sound.lines), 5, 3,
                    SteadyClock(SystemClock()))  # fmt: skip
    with closing(reader):
        assert len(list(itertools.islice(reader.arrivals(threading.Event()), 25))) == 25


def test_reading_ends_soon_after_it_is_told_to(server: BadCamera, clip: Clip) -> None:
    """Also while nothing comes."""

    def script(visit: Visit) -> None:
        visit.play(0.5)
        visit.wait(20)

    stop = threading.Event()
    reader = Reader(server.add("stop", clip, script), 5, 15, SteadyClock(SystemClock()))
    told: list[float] = []

    def tell() -> None:
        told.append(time.monotonic())
        stop.set()

    with closing(reader):
        timer = threading.Timer(0.8, tell)
        timer.start()
        assert list(reader.arrivals(stop))
        timer.join()
    assert 0 < time.monotonic() - told[0] < 1.5
