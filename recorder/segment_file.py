"""One open segment: fragmented MP4 written once, in place, hashed while written."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av import Packet
from av.container import OutputContainer
from av.stream import Stream

from recorder import adts
from recorder.packets import Streams, codec_name
from storage.clock import US
from storage.durable import HashingFile
from storage.fragments import Facts, facts_tags

# delay_moov: the header waits for the first fragment, so that edit lists are right with B-frames;
# skip_trailer: nothing is written that needs the end; frag_keyframe: a GOP is never split late.
MOVFLAGS = "frag_keyframe+empty_moov+default_base_moof+delay_moov+skip_trailer+use_metadata_tags"
PCM = {"pcm_alaw", "pcm_mulaw"}
# A track that falls silent must not hold back the other: FFmpeg would wait 10 s to interleave.
INTERLEAVE_US = US // 2
STRAY_SOUND_S = 10  # sound so far from the picture is of another time


@dataclass(frozen=True, slots=True)
class Picture:
    """What a camera changed while it ran: the new decoder configuration and picture size."""

    extradata: bytes
    width: int
    height: int


class SegmentFile:
    """Between the first keyframe and the cut. Not thread-safe; its station locks."""

    def __init__(
        self,
        path: Path,
        facts: Facts,
        streams: Streams,
        first_pts: int,
        fragment_s: float,
        picture: Picture | None = None,
    ) -> None:
        self.path = path
        self.first_pts = first_pts
        self.end_pts = first_pts  # of the video, on the wire's time line
        self.pictures = 0
        self._last_dts: dict[int, int] = {}
        self._step = 1  # ticks between the last two pictures, in order of decoding
        self._streams = streams
        self._base: Fraction = _base(streams.video)
        self._file = HashingFile(path)
        try:
            self._open(facts, fragment_s, picture)
        except BaseException:  # nothing was written yet: no footage is lost
            self._file.discard()
            raise

    def _open(self, facts: Facts, fragment_s: float, picture: Picture | None) -> None:
        # mp4 refuses G.711; QuickTime's flavour of the same boxes carries it.
        audio = self._streams.audio
        plain = audio is None or codec_name(audio) not in PCM
        self._output: OutputContainer = av.open(
            self._file,
            "w",
            format="mp4" if plain else "mov",
            options={
                "movflags": MOVFLAGS,
                "frag_duration": str(int(fragment_s * US)),
                # A stream of keyframes only would make a fragment of each picture.
                "min_frag_duration": str(int(fragment_s * US / 2)),
                "max_interleave_delta": str(INTERLEAVE_US),
            },
        )
        self._output.metadata.update(facts_tags(facts))
        self._video: Any = self._output.add_stream_from_template(self._streams.video, opaque=True)
        if codec_name(self._streams.video) == "hevc":
            # hvc1, which some players like better, makes FFmpeg drop parameter sets from the
            # stream; nothing of what a camera sent is dropped (invariant 11).
            self._video.codec_context.codec_tag = "hev1"
        if picture is not None:
            context = self._video.codec_context
            context.extradata = picture.extradata
            context.width, context.height = picture.width, picture.height
        self._audio: Any = None
        self._adts = False
        if audio is not None:
            self._audio = self._output.add_stream_from_template(audio, opaque=True)
            self._adts = adts.is_needed(audio)
            if self._adts:
                self._audio.codec_context.extradata = adts.configuration(audio)

    def write(self, packet: Packet[Any], source: Stream) -> None:
        """Copy a packet, its times moved so that the first picture is at 0. OSError: the disk."""
        video = source.index == self._streams.video.index
        pts = packet.pts if packet.pts is not None else packet.dts
        dts = packet.dts if packet.dts is not None else pts
        if pts is None or dts is None:
            return  # never: the feed dates every packet
        shift = self._first_in(source)
        target = self._video if video else self._audio
        if video:
            self._count(packet, pts, dts)
        elif pts < shift or self._is_stray(pts, source):
            return
        elif self._adts:
            packet = adts.bare(packet)
        dts -= shift
        if source.index in self._last_dts:  # of two packets of equal DTS the muxer refuses one
            dts = max(dts, self._last_dts[source.index] + 1)
        self._last_dts[source.index] = dts
        packet.dts = dts
        packet.pts = max(pts - shift, dts)
        packet.time_base = _base(source)
        packet.stream = target
        before = self._file.size_bytes
        self._output.mux(packet)
        if self._file.size_bytes != before:
            self._file.sync()  # the muxer writes whole fragments: each one outlives a power cut

    def _count(self, packet: Packet[Any], pts: int, dts: int) -> None:
        """The last picture lasts as it says, else as long as the one before it."""
        last = self._last_dts.get(packet.stream_index)
        if last is not None:
            self._step = max(1, dts - self.first_pts - last)
        self.pictures += 1
        self.end_pts = max(self.end_pts, pts + (packet.duration or self._step))

    def _first_in(self, source: Stream) -> int:
        if source.index == self._streams.video.index:
            return self.first_pts
        return round(self.first_pts * self._base / _base(source))

    def _is_stray(self, pts: int, source: Stream) -> bool:
        return abs(pts * _base(source) - self.end_pts * self._base) > STRAY_SOUND_S

    @property
    def size_bytes(self) -> int:
        """Bytes written so far."""
        return self._file.size_bytes

    @property
    def open_path(self) -> Path:
        """The unfinished file, for recovery."""
        return self._file.open_path

    def publish(self) -> tuple[int, str]:
        """Flush, fsync, rename: (size in bytes, SHA-256). OSError leaves the open file as it is."""
        try:
            self._output.close()
            return self._file.publish()
        except BaseException:  # whatever it was, the bytes on disk stay
            self._file.abandon()
            raise

    def abandon(self) -> None:
        """Stop writing; the open file stays for recovery."""
        self._file.abandon()
        # Flushing into the closed file must fail; what is on disk stays.
        with suppress(av.error.FFmpegError, OSError, ValueError):
            self._output.close()


def _base(stream: Stream) -> Fraction:
    return stream.time_base or Fraction(1, 90_000)
