"""Packets of a source, one way for all: live ones as they come, files at their own pace."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.error
from av import Packet
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from recorder.onset import Arrival, steadied, time_base
from recorder.rtsp.reader import Reader
from recorder.rtsp.session import BeyondUs
from recorder.sources import Source, SourceFailed, open_source, reason, told
from recorder.wallclock import SteadyClock
from storage.clock import US
from storage.settings import RecorderSettings

# A file with a hole in it: the segmenter ends the stretch there instead of sleeping through it.
LONGEST_WAIT_US = 10 * US
# How long a nap is, and how much may come meanwhile: a fraction of what any kernel buffers.
NAP_S, NAP_BYTES = 0.15, 64 << 10
AWAKE_S = 3.0  # no nap while a stream begins
WAITED_S, UNSURE_S = 0.0005, 2.0
CODECS_VIDEO = {"h264", "hevc", "mpeg4", "av1", "vp9", "mjpeg", "mpeg2video"}
CODECS_AUDIO = {"aac", "mp3", "opus", "ac3", "pcm_alaw", "pcm_mulaw"}


@dataclass(frozen=True, slots=True)
class Streams:
    """What of a source is recorded."""

    video: VideoStream
    audio: AudioStream | None


class Feed:
    """An opened source. Only the thread that made it touches it: closing elsewhere crashes."""

    def __init__(
        self,
        source: Source,
        settings: RecorderSettings,
        steady: SteadyClock,
        *,
        by_ffmpeg: bool = False,
    ) -> None:
        """`steady`: what arrivals are told by, over all connections of a camera. `by_ffmpeg`: have
        FFmpeg read what we would read ourselves."""
        self.source = source
        self.settings = settings
        self.steady = steady
        may_read = source.is_plain_rtsp and not by_ffmpeg
        self._reader = self._read() if may_read else None
        self.by_ffmpeg = self._reader is None  # to be remembered: it cost a connection to find out
        self._opened = ExitStack()
        if self._reader is not None:
            self.container = self._reader.container
            self._opened.callback(self._reader.close)
        else:
            self.container, self._opened = open_source(source, settings)
        try:
            self.streams = _choose(self.container)
        except SourceFailed:
            self._opened.close()
            raise

    def _read(self) -> Reader | None:
        """Our own reader; None when it does not understand the camera."""
        timeouts = self.settings.open_timeout_s, self.settings.read_timeout_s
        with told():
            try:
                return Reader(self.source.url, *timeouts, self.steady)
            except BeyondUs:
                return None

    def packets(self, stop: threading.Event) -> Iterator[Arrival]:
        """Every non-empty packet of the chosen streams, until the end.

        SourceFailed when a live stream ends or stalls: for a camera, an end is a failure. A file
        that is not looped simply ends.
        """
        if self.source.file is None:
            yield from self._live(stop)
        else:
            yield from self._paced(stop)

    def _live(self, stop: threading.Event) -> Iterator[Arrival]:
        is_ours = self._reader is not None
        return steadied(self._arriving(stop), self.streams.video.index, are_dated=is_ours)

    def _arriving(self, stop: threading.Event) -> Iterator[Arrival]:
        if self._reader is not None:
            with told():
                yield from self._reader.arrivals(stop)
            raise SourceFailed("the stream ended")
        nap = _Nap(self.source, self.settings)
        try:
            for packet in self.container.demux(self._wanted()):
                if stop.is_set():
                    return
                if packet.size:
                    exact = nap.has_waited()
                    yield Arrival(packet, self.steady.now_us(), camera_clock_us(packet), exact)
                    nap.take(packet.size, stop)
        except (av.error.FFmpegError, OSError) as error:
            raise SourceFailed(reason(error)) from None
        raise SourceFailed("the stream ended")

    def _paced(self, stop: threading.Event) -> Iterator[Arrival]:
        """A file at its own pace; when looped, time goes on where the turn before ended."""
        pace = _Pace(self.steady, stop)
        yield from self._turn(self.container, pace)
        if not pace.end_s and not stop.is_set():
            raise SourceFailed("the file holds no picture")
        while self.source.loop and not stop.is_set():
            pace.turn()
            # Opened anew, for not every file can be wound back; the first container stays open,
            # because the segmenter copies the parameters of its streams.
            container, opened = open_source(self.source, self.settings)
            with opened:
                yield from self._turn(container, pace)

    def _turn(self, container: InputContainer, pace: _Pace) -> Iterator[Arrival]:
        """The packets of one way through the file."""
        wanted = [container.streams[stream.index] for stream in self._wanted()]
        try:
            for packet in container.demux(wanted):
                if packet.size:
                    pace.place(packet)
                    if not pace.wait(packet):
                        return
                    yield Arrival(packet, pace.shown_us(packet), None)
        except (av.error.FFmpegError, OSError) as error:
            raise SourceFailed(reason(error)) from None

    def _wanted(self) -> list[Stream]:
        audio = self.streams.audio
        return [self.streams.video] if audio is None else [self.streams.video, audio]

    def close(self) -> None:
        """Let go; called by the owning thread."""
        self._opened.close()


class _Nap:
    """After a read that had to wait, wait some more: the kernel collects what comes meanwhile, and
    it is read in one go. That saves half of what recording a stream costs. A packet whose read did
    not wait came at some time before: it tells nothing of the clock.
    """

    def __init__(self, source: Source, settings: RecorderSettings) -> None:
        # What is lost when nobody reads, or comes from somewhere else than a socket, is read at
        # once.
        self._may = (
            source.url.startswith(("rtsp:", "rtsps:", "rtmp:", "rtmps:"))
            and source.options.get("rtsp_transport") != "udp"
            and not source.pulled
        )
        self._began = self._read = self._exact = time.monotonic()
        self._bytes = 0
        self._waited = False

    def has_waited(self) -> bool:
        """Whether the packet just read is one that was waited for, so came just now."""
        now = time.monotonic()
        self._waited = now - self._read > WAITED_S
        # Where no read ever waits, what is read is as good as it gets.
        exact = self._waited or now - self._exact > UNSURE_S
        if exact:
            self._exact = now
        return exact

    def take(self, size: int, stop: threading.Event) -> None:
        """Nap, if that is in order."""
        self._bytes += size
        now = time.monotonic()
        if self._may and self._waited and now - self._began > AWAKE_S:
            per_s = self._bytes / (now - self._began)
            stop.wait(min(NAP_S, NAP_BYTES / per_s))
        self._read = time.monotonic()


class _Pace:
    """Places the packets of a file on one endless time line, and waits until they are due."""

    def __init__(self, clock: SteadyClock, stop: threading.Event) -> None:
        self._clock = clock
        self._stop = stop
        self._began_us: int | None = None
        self._turn_s = Fraction(0)  # where this turn begins
        self._first_s: Fraction | None = None  # what the file calls its begin
        self._next: dict[int, int] = {}  # stream → where an undated packet would stand, in ticks
        self.end_s = Fraction(0)  # of this turn, from its begin

    def turn(self) -> None:
        """The file begins again."""
        self._turn_s += self.end_s
        self._first_s, self.end_s = None, Fraction(0)
        self._next.clear()

    def place(self, packet: Packet[Any]) -> None:
        """Move the packet's times onto the endless line."""
        base, stream = time_base(packet), packet.stream_index
        when = packet.dts if packet.dts is not None else packet.pts
        if when is None:
            when = self._next.get(stream, 0)
        self._next[stream] = when + max(1, packet.duration or 0)
        if self._first_s is None:
            self._first_s = when * base
        self.end_s = max(self.end_s, self._next[stream] * base - self._first_s)
        shift = round((self._turn_s - self._first_s) / base)
        packet.pts = (packet.pts if packet.pts is not None else when) + shift
        packet.dts = when + shift

    def wait(self, packet: Packet[Any]) -> bool:
        """Until the packet is due; False when told to stop meanwhile."""
        now_us = self._clock.now_us()
        at_us = int((packet.dts or 0) * time_base(packet) * US)
        if self._began_us is None:
            self._began_us = now_us - at_us
        wait_us = self._began_us + at_us - now_us
        if wait_us > LONGEST_WAIT_US:  # go on from there at the pace of before
            self._began_us -= wait_us - LONGEST_WAIT_US
        return not self._stop.wait(max(0, min(wait_us, LONGEST_WAIT_US)) / US)

    def shown_us(self, packet: Packet[Any]) -> int:
        """The instant of a packet: we are the camera here, so it is known exactly."""
        assert self._began_us is not None
        return self._began_us + int((packet.pts or 0) * time_base(packet) * US)


def camera_clock_us(packet: Packet[Any]) -> int | None:
    """The producer reference time a camera's RTCP gave this packet, UTC microseconds.

    FFmpeg's AVProducerReferenceTime: int64 Unix microseconds, int32 flags.
    """
    if not packet.has_sidedata("prft"):
        return None
    data = bytes(packet.get_sidedata("prft"))
    wall_us, _flags = struct.unpack_from("<qi", data)
    return int(wall_us) if wall_us > 0 else None


def codec_name(stream: Stream) -> str:
    """What FFmpeg calls the codec, not the decoder it chose for it."""
    return stream.codec_context.codec.canonical_name


def _choose(container: InputContainer) -> Streams:
    videos = list(container.streams.video)
    if not videos:
        raise SourceFailed("the source carries no video")
    video = videos[0]
    codec = codec_name(video)
    if codec not in CODECS_VIDEO:
        raise SourceFailed(
            f"video codec {codec} does not fit into fragmented MP4; take the file in with"
            " `hindsight import`"
        )
    if not video.codec_context.width:
        raise SourceFailed(
            "no picture came that can be understood: SPS/PPS are missing, or all of it"
        )
    audio = next((a for a in container.streams.audio if codec_name(a) in CODECS_AUDIO), None)
    return Streams(video, audio)
