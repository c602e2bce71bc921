"""Packets of a source, one way for all: live ones as they come, files at their own pace."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
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

from recorder.onset import Arrival, steadied
from recorder.sources import Source, SourceFailed, open_source, reason
from storage.clock import US, Clock
from storage.settings import RecorderSettings

# A file with a hole in it: the segmenter ends the stretch there instead of sleeping through it.
LONGEST_WAIT_US = 10 * US
CODECS_VIDEO = {"h264", "hevc", "mpeg4", "av1", "vp9", "mjpeg", "mpeg2video"}
CODECS_AUDIO = {"aac", "mp3", "opus", "ac3", "pcm_alaw", "pcm_mulaw"}


@dataclass(frozen=True, slots=True)
class Streams:
    """What of a source is recorded."""

    video: VideoStream
    audio: AudioStream | None
    ignored: int  # streams of other kinds


class Feed:
    """An opened source. Only the thread that made it touches it: closing elsewhere crashes."""

    def __init__(self, source: Source, settings: RecorderSettings, clock: Clock) -> None:
        self.source = source
        self.settings = settings
        self.clock = clock
        self.container: InputContainer = open_source(source, settings)
        try:
            self.streams = _choose(self.container)
        except SourceFailed:
            self.container.close()
            raise

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
        return steadied(self._arriving(stop), self.streams.video.index)

    def _arriving(self, stop: threading.Event) -> Iterator[Arrival]:
        try:
            for packet in self.container.demux(self._wanted()):
                if stop.is_set():
                    return
                if packet.size:
                    yield Arrival(packet, self.clock.now_us(), camera_clock_us(packet))
        except (av.error.FFmpegError, OSError) as error:
            raise SourceFailed(reason(error)) from None
        raise SourceFailed("the stream ended")

    def _paced(self, stop: threading.Event) -> Iterator[Arrival]:
        """A file at its own pace; when looped, time goes on where the turn before ended."""
        start_us: int | None = None
        turn_s = Fraction(0)  # where this turn begins on the endless time line
        while True:
            first: Fraction | None = None
            end = Fraction(0)
            count = 0
            try:
                for packet in self.container.demux(self._wanted()):
                    if not packet.size:
                        continue
                    base = packet.time_base
                    when = packet.dts if packet.dts is not None else packet.pts
                    if when is None or base is None:
                        continue
                    if first is None:
                        first = when * base
                    at_s = when * base - first
                    end = max(end, at_s + Fraction(packet.duration or 0) * base)
                    shift = round((turn_s - first) / base)
                    packet.dts = when + shift
                    packet.pts = (packet.pts if packet.pts is not None else when) + shift
                    if start_us is None:
                        start_us = self.clock.monotonic_us()
                    due_us = start_us + int((turn_s + at_s) * US)
                    wait_us = min(due_us - self.clock.monotonic_us(), LONGEST_WAIT_US)
                    if stop.wait(max(0, wait_us) / US):
                        return
                    count += 1
                    yield Arrival(packet, self.clock.now_us(), None)
            except (av.error.FFmpegError, OSError) as error:
                raise SourceFailed(reason(error)) from None
            if not count or (self.source.loop and not end):
                raise SourceFailed("the file holds no picture that can be placed in time")
            if not self.source.loop:
                return
            turn_s += end
            try:
                # Not opened anew: the segmenter copies from these very streams.
                self.container.seek(0)
            except (av.error.FFmpegError, OSError) as error:
                raise SourceFailed(reason(error)) from None

    def _wanted(self) -> list[Stream]:
        audio = self.streams.audio
        return [self.streams.video] if audio is None else [self.streams.video, audio]

    def close(self) -> None:
        """Let go; called by the owning thread."""
        self.container.close()


def camera_clock_us(packet: Packet[Any]) -> int | None:
    """The producer reference time a camera's RTCP gave this packet, UTC microseconds.

    FFmpeg's AVProducerReferenceTime: int64 Unix microseconds, int32 flags.
    """
    if not packet.has_sidedata("prft"):
        return None
    data = bytes(packet.get_sidedata("prft"))
    wall_us, _flags = struct.unpack_from("<qi", data)
    return int(wall_us) if wall_us > 0 else None


def _choose(container: InputContainer) -> Streams:
    videos = list(container.streams.video)
    if not videos:
        raise SourceFailed("the source carries no video")
    video = videos[0]
    codec = video.codec_context.name
    if codec not in CODECS_VIDEO:
        raise SourceFailed(
            f"video codec {codec} does not fit into fragmented MP4; take the file in with"
            " `hindsight import`"
        )
    if not video.codec_context.width:
        raise SourceFailed("no picture parameters came (SPS/PPS missing)")
    audio = next((a for a in container.streams.audio if a.codec_context.name in CODECS_AUDIO), None)
    used = 1 if audio is None else 2
    return Streams(video, audio, len(container.streams) - used)
