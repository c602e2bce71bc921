"""One open segment: fragmented MP4 written once, in place, hashed while written."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av import Packet
from av.audio.stream import AudioStream
from av.stream import Stream

from recorder.packets import Streams
from storage.clock import US
from storage.durable import HashingFile
from storage.fragments import Facts, facts_tags

# delay_moov: the header waits for the first fragment, so that edit lists are right with B-frames;
# skip_trailer: nothing is written that needs the end; frag_keyframe: a GOP is never split late.
MOVFLAGS = "frag_keyframe+empty_moov+default_base_moof+delay_moov+skip_trailer+use_metadata_tags"
PCM = {"pcm_alaw", "pcm_mulaw"}


@dataclass(frozen=True, slots=True)
class Written:
    """A published file."""

    path: Path
    size_bytes: int
    sha256: str


class SegmentFile:
    """Between the first keyframe and the cut. Not thread-safe; its station locks."""

    def __init__(
        self, path: Path, facts: Facts, streams: Streams, first_pts: int, fragment_s: float
    ) -> None:
        self.path = path
        self.first_pts = first_pts
        self.last_dts: dict[int, int] = {}
        self.end_pts = first_pts  # of the video, on the wire's time line
        self.pictures = 0
        self._file = HashingFile(path)
        try:
            # mp4 refuses G.711; QuickTime's flavour of the same boxes carries it.
            audio = streams.audio
            plain = audio is None or audio.codec_context.name not in PCM
            self._output = av.open(
                self._file,
                "w",
                format="mp4" if plain else "mov",
                options={"movflags": MOVFLAGS, "frag_duration": str(int(fragment_s * US))},
            )
            self._output.metadata.update(facts_tags(facts))
            self._video_base: Fraction = _base(streams.video)
            self._video = _copy_of(self._output, streams.video)
            self._video_index = streams.video.index
            self._audio = None if audio is None else _copy_of(self._output, audio)
            # MPEG-TS carries AAC in ADTS frames and no configuration; MP4 wants the reverse.
            self._adts = (
                audio is not None
                and audio.codec_context.name == "aac"
                and not audio.codec_context.extradata
            )
            if self._adts and audio is not None and self._audio is not None:
                self._audio.codec_context.extradata = audio_config(audio)
        except BaseException:  # nothing was written yet: no footage is lost
            self._file.discard()
            raise

    def write(self, packet: Packet[Any], source: Stream) -> None:
        """Copy a packet, its times moved so that the first picture is at 0. OSError: the disk."""
        video = source.index == self._video_index
        target = self._video if video else self._audio
        if target is None:
            return
        base = _base(source)
        shift = self.first_pts if video else round(self.first_pts * self._video_base / base)
        pts = packet.pts
        dts = packet.dts if packet.dts is not None else pts
        if dts is None:
            return
        if pts is None:
            pts = dts
        if not video and pts < shift:
            return  # sound of before the first picture
        if video:
            self.pictures += 1
            self.end_pts = max(self.end_pts, pts + max(packet.duration or 0, 1))
        if self._adts and not video:
            packet = _without_adts(packet)
        packet.pts = pts - shift
        # Two packets of equal DTS make the muxer refuse the second.
        packet.dts = max(dts - shift, self.last_dts.get(source.index, dts - shift - 1) + 1)
        packet.pts = max(packet.pts, packet.dts) if video else packet.pts
        self.last_dts[source.index] = packet.dts
        packet.time_base = base
        packet.stream = target
        before = self._file.size_bytes
        self._output.mux(packet)
        if self._file.size_bytes != before:
            self._file.sync()  # the muxer writes whole fragments: each one outlives a power cut

    @property
    def size_bytes(self) -> int:
        """Bytes written so far."""
        return self._file.size_bytes

    @property
    def open_path(self) -> Path:
        """The unfinished file, for recovery."""
        return self._file.open_path

    def publish(self) -> Written:
        """Flush, fsync, rename. OSError from the disk leaves the open file for recovery."""
        try:
            self._output.close()
            size, digest = self._file.publish()
        except BaseException:  # whatever it was, the bytes on disk stay
            self._file.abandon()
            raise
        return Written(self.path, size, digest)

    def abandon(self) -> None:
        """Stop writing; the open file stays for recovery."""
        self._file.abandon()
        # Flushing into the closed file must fail; what is on disk stays.
        with suppress(av.error.FFmpegError, OSError, ValueError):
            self._output.close()


def _copy_of(output: Any, stream: Stream) -> Any:
    copy = output.add_stream_from_template(stream, opaque=True)
    if stream.type == "video" and stream.codec_context.name == "hevc":
        copy.codec_context.codec_tag = "hvc1"  # what players ask for; parameter sets stay in band
    return copy


def _base(stream: Stream) -> Fraction:
    return stream.time_base or Fraction(1, 90_000)


AAC_RATES = (
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
)  # fmt: skip
AAC_PROFILES = {"Main": 1, "LC": 2, "SSR": 3, "LTP": 4}


def audio_config(stream: AudioStream) -> bytes:
    """AudioSpecificConfig (ISO 14496-3, 1.6.2.1) of an AAC stream that came in ADTS frames."""
    context = stream.codec_context
    kind = AAC_PROFILES.get(str(context.profile), 2)
    rate = AAC_RATES.index(context.sample_rate) if context.sample_rate in AAC_RATES else 4
    channels = context.channels
    return bytes([(kind << 3) | (rate >> 1), ((rate & 1) << 7) | (channels << 3)])


def _without_adts(packet: Packet[Any]) -> Packet[Any]:
    """The raw AAC frame: MP4 keeps the header's facts in its own."""
    data = bytes(packet)
    if len(data) < 9 or data[0] != 0xFF or data[1] & 0xF0 != 0xF0:
        return packet
    bare = Packet(data[7 if data[1] & 1 else 9 :])
    bare.duration = packet.duration
    return bare
