"""Whole cameras, read from a real server: what they send comes out, and nothing else."""

from __future__ import annotations

import itertools
import struct
import threading
from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from recorder.onset import Arrival
from recorder.packets import Feed
from recorder.rtsp.reader import Reader
from recorder.rtsp.session import BeyondUs
from recorder.rtsp.wire import WireBroken
from recorder.sources import source_of
from recorder.wallclock import SteadyClock
from storage.clock import SystemClock
from storage.settings import RecorderSettings
from tests.servers.bad_camera import CLOCK, BadCamera, Clip, Reply, Request, Script, Visit
from tests.servers.clips import make_clip

Clips = Callable[[str], Clip]
START = b"\0\0\0\1"
WAYS: dict[str, tuple[str, dict[str, str]]] = {
    "plain": ("libx264", {"bf": "0"}),
    "slices": ("libx264", {"bf": "0", "slices": "4"}),
    "h265": ("libx265", {"x265-params": "log-level=none:pools=1:bframes=0:slices=2"}),
    "b-frames": ("libx264", {"bf": "2", "b-adapt": "0", "weightp": "0"}),
    "h265-b-frames": ("libx265", {"x265-params": "log-level=none:pools=1:bframes=2:b-adapt=0"}),
}


def encoded(path: Path, way: str, seconds: int = 4) -> Path:
    """Noise, so that every slice needs several packets."""
    codec, options = WAYS[way]
    noise = np.random.default_rng(1)
    with av.open(str(path), "w") as target:
        video = target.add_stream(codec, rate=10)
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = 160, 144, "yuv420p"
        video.gop_size = 10
        video.options = {**options, "preset": "veryfast", "threads": "1", "sc_threshold": "0"}
        for i in range(seconds * 10):
            picture = noise.integers(0, 255, (144, 160, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 10)
            target.mux(video.encode(frame))
        target.mux(video.encode(None))
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    """Clips by the way they are encoded, each made once."""
    folder = tmp_path_factory.mktemp("ways")
    known: dict[str, Clip] = {}

    def clip(way: str) -> Clip:
        if way not in known:
            known[way] = Clip.of(encoded(folder / f"{way}.mp4", way))
        return known[way]

    return clip


def reader_of(url: str, read_timeout_s: float = 3) -> Reader:
    return Reader(url, 5, read_timeout_s, SteadyClock(SystemClock()))


def taken(reader: Reader, count: int) -> list[Arrival]:
    """The first pictures and sounds."""
    return list(itertools.islice(reader.arrivals(threading.Event()), count))


def read(url: str, count: int) -> list[Arrival]:
    with closing(reader_of(url)) as reader:
        return taken(reader, count)


def data_of(nals: list[bytes]) -> bytes:
    return b"".join(START + nal for nal in nals)


def is_in_a_row(got: list[bytes], sent: list[bytes]) -> bool:
    """Whether they are whole access units of the looped clip, none of them missing."""
    if any(one not in sent for one in got):
        return False
    start = sent.index(got[0])
    return got == [sent[(start + i) % len(sent)] for i in range(len(got))]


def fast(visit: Visit) -> None:
    visit.play(pace=5)


def marking(*, every: bool = False, none: bool = False) -> Script:
    def script(visit: Visit) -> None:
        visit.marks, visit.marks_all = not none, every
        visit.play(pace=5)

    return script


@pytest.mark.parametrize("way", ["plain", "slices", "h265"])
@pytest.mark.parametrize("marks", ["last", "none"])
def test_pictures_come_out_as_they_were_sent(
    server: BadCamera, made: Clips, way: str, marks: str
) -> None:
    clip = made(way)
    slices = [nal for nal in clip.units[1][1] if not clip.is_set(nal)]
    assert len(slices) == {"plain": 1, "slices": 4, "h265": 2}[way]
    url = server.add("camera", clip, marking(none=marks == "none"))
    arrivals = read(url, 25)
    assert [bytes(a.packet) for a in arrivals] == [data_of(nals) for _, nals in clip.units[:25]]
    assert [a.packet.pts for a in arrivals] == [ticks for ticks, _ in clip.units[:25]]
    assert [i for i, a in enumerate(arrivals) if a.packet.is_keyframe] == [0, 10, 20]


@pytest.mark.parametrize("way", ["slices", "h265"])
def test_a_camera_that_marks_every_slice_gives_whole_pictures(
    server: BadCamera, made: Clips, way: str
) -> None:
    """Tried with several beginnings: how the first packets fall into reads differs."""
    clip = made(way)
    sent = [data_of(nals) for _, nals in clip.units]
    for n in range(2):
        got = [bytes(a.packet) for a in read(server.add(f"{n}", clip, marking(every=True)), 25)]
        assert is_in_a_row(got, sent)


@pytest.mark.parametrize("way", ["slices", "h265"])
def test_a_camera_that_marks_every_slice_and_begins_in_a_burst_gives_whole_pictures(
    server: BadCamera, made: Clips, way: str
) -> None:
    """As one does that sends what it has of the running GOP at once."""
    clip = made(way)

    def bursts(visit: Visit) -> None:
        visit.marks_all = True
        visit.play(0.6, pace=1000)
        visit.play(pace=5)

    sent = [data_of(nals) for _, nals in clip.units]
    got = [bytes(a.packet) for a in read(server.add("bursts", clip, bursts), 7)]
    assert all(one in sent for one in got)


def without_sets(visit: Visit) -> None:
    clip = visit.clip
    visit.play(pace=5, change=lambda _n, t, nals: (t, [n for n in nals if not clip.is_set(n)]))


@pytest.mark.parametrize("way", ["plain", "h265"])
@pytest.mark.parametrize("where", ["sdp", "band"])
def test_parameter_sets_are_found_wherever_they_are(
    server: BadCamera, made: Clips, way: str, where: str
) -> None:
    script = without_sets if where == "sdp" else fast
    url = server.add("camera", made(way), script, sets=where == "sdp")
    with closing(reader_of(url)) as reader:
        [stream] = reader.container.streams.video
        assert (stream.codec_context.width, stream.codec_context.height) == (160, 144)
        assert stream.codec_context.extradata
        assert taken(reader, 2)[0].packet.is_keyframe


def from_picture(number: int) -> Script:
    """Plays from there on, at its own pace."""

    def script(visit: Visit) -> None:
        begin = visit.clip.units[number][0]
        for ticks, nals in itertools.islice(visit.clip.looped(), number, None):
            visit.wait(0 if ticks == begin else 0.1)
            visit.unit(ticks, nals)

    return script


@pytest.mark.parametrize("sets", [True, False], ids=["sdp", "band"])
def test_a_camera_that_is_joined_within_a_gop_is_read(
    server: BadCamera, made: Clips, sets: bool
) -> None:
    """Its next keyframe, with it its parameter sets, comes 0.7 s later."""
    url = server.add("joined", made("plain"), from_picture(3), sets=sets)
    settings = RecorderSettings(read_timeout_s=3)
    feed = Feed(source_of(url, None, settings), settings, SteadyClock(SystemClock()))
    with closing(feed):
        arrivals = list(itertools.islice(feed.packets(threading.Event()), 12))
    assert feed.streams.video.codec_context.width == 160
    assert any(arrival.packet.is_keyframe for arrival in arrivals)


def test_a_camera_that_takes_its_time_to_begin_is_waited_for(
    server: BadCamera, made: Clips
) -> None:
    def slow(visit: Visit) -> None:
        visit.wait(2.5)
        visit.play()

    with closing(reader_of(server.add("slow", made("plain"), slow), 8)) as reader:
        assert taken(reader, 1)[0].packet.is_keyframe


@pytest.mark.parametrize("way", ["b-frames", "h265-b-frames"])
def test_a_camera_with_pictures_out_of_order_is_left_to_ffmpeg(
    server: BadCamera, made: Clips, way: str
) -> None:
    with pytest.raises(BeyondUs):
        reader_of(server.add("b", made(way), fast))


METADATA = (
    "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\na=control:meta\r\n"
)


def test_metadata_is_not_asked_for(server: BadCamera, made: Clips) -> None:
    url = server.add("onvif", made("plain"), fast, more=METADATA)
    settings = RecorderSettings()
    feed = Feed(source_of(url, None, settings), settings, SteadyClock(SystemClock()))
    with closing(feed):
        assert [r.url[-5:] for r in server.asked("onvif") if r.verb == "SETUP"] == ["video"]


def test_packets_before_the_answer_to_play_are_not_lost(server: BadCamera, made: Clips) -> None:
    clip = made("plain")
    nals = [nal for nal in clip.units[0][1] if len(nal) < 60_000]
    ahead = b""
    for number, nal in enumerate(nals):
        kind = 96 | (0x80 if number == len(nals) - 1 else 0)
        packet = struct.pack(">BBHII", 0x80, kind, number, 123_456, 0x11223344) + nal
        ahead += b"$\0" + struct.pack(">H", len(packet)) + packet

    def answer(request: Request, reply: Reply) -> None:
        if request.verb == "PLAY":
            reply.ahead = ahead

    def script(visit: Visit) -> None:
        visit.sequence = len(nals)
        for ticks, units in itertools.islice(clip.looped(), 1, None):
            visit.wait(0.02)
            visit.unit(ticks, units)

    arrivals = read(server.add("eager", clip, script, answer=answer), 12)
    assert [bytes(a.packet) for a in arrivals] == [data_of(n) for _, n in clip.units[:12]]


def test_the_last_pictures_before_a_goodbye_are_kept(server: BadCamera, made: Clips) -> None:
    def leaves(visit: Visit) -> None:
        visit.play(1.45, pace=5)  # 15 pictures
        visit.packet(1, struct.pack(">BBHI", 0x81, 203, 1, 0x11223344))
        visit.wait(10)

    got: list[Arrival] = []
    with closing(reader_of(server.add("leaves", made("plain"), leaves))) as reader:
        arrivals = reader.arrivals(threading.Event())
        with pytest.raises(WireBroken, match="the camera ended the stream"):
            got.extend(arrivals)
    assert len(got) == 15


def test_a_camera_that_hangs_up_or_falls_silent_is_told_apart(
    server: BadCamera, made: Clips
) -> None:
    def silent(visit: Visit) -> None:
        visit.play(1, pace=5)
        while not visit.is_gone():  # it lives, and has nothing to show
            visit.report(0, 1.7e9)
            visit.wait(0.05)

    url = server.add("ends", made("plain"), lambda visit: visit.play(1, pace=5))
    with closing(reader_of(url, 1)) as reader, pytest.raises(WireBroken, match="ended"):
        taken(reader, 1000)
    url = server.add("silent", made("plain"), silent)
    with closing(reader_of(url, 1)) as reader, pytest.raises(TimeoutError):
        taken(reader, 1000)


@pytest.mark.parametrize("head", [b"\x00", b"\x1e", b"\x1f"])
def test_a_packet_of_no_known_kind_costs_nothing_but_itself(
    server: BadCamera, made: Clips, head: bytes
) -> None:
    """RFC 6184, 5.2: kinds 0, 30 and 31 are reserved."""
    clip = made("plain")

    def odd(visit: Visit) -> None:
        visit.play(1.05, pace=5)
        visit.rtp(visit.base_ticks, head + b"whatever", False)
        visit.play(pace=5)

    arrivals = read(server.add("odd", clip, odd), 20)
    got = [bytes(a.packet).replace(START + head + b"whatever", b"") for a in arrivals]
    sent = [data_of(nals) for _, nals in clip.units]
    assert got == sent[:11] + sent[:9]


def test_what_is_no_picture_of_a_mount_does_not_hide_the_pictures(
    server: BadCamera, made: Clips
) -> None:
    """Packets of another payload type on the same channel, more than a megabyte of them."""
    clip = made("plain")

    def mixed(visit: Visit) -> None:
        other = struct.pack(">BBHII", 0x80, 100, 7, 9, 0x55) + b"$\0\0\x0c" * 300

        def change(_n: int, ticks: int, nals: list[bytes]) -> tuple[int, list[bytes]]:
            for _ in range(60):
                visit.packet(0, other)
            return ticks, nals

        visit.play(pace=5, change=change)

    got = [bytes(a.packet) for a in read(server.add("mixed", clip, mixed), 20)]
    assert got == [data_of(nals) for _, nals in clip.units[:20]]


def test_the_clip_of_the_old_kind_is_read_too(server: BadCamera, tmp_path: Path) -> None:
    clip = Clip.of(make_clip(tmp_path / "plain.mp4"))
    arrivals = read(server.add("plain", clip, fast), 12)
    assert [bytes(a.packet) for a in arrivals] == [data_of(n) for _, n in clip.units[:12]]
    assert arrivals[1].packet.time_base == Fraction(1, CLOCK)
