"""One open segment: packets muxed into fragmented MP4, handed to its tape fragment by fragment."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.error
from av import Packet
from av.container import OutputContainer
from av.stream import Stream

from recorder import adts
from recorder.packets import Streams, codec_name
from recorder.tape import Published, Tape
from storage.clock import US
from storage.fragments import Facts, facts_tags

# delay_moov: the header waits for the first fragment, so that edit lists are right with B-frames;
# skip_trailer: nothing is written that needs the end; frag_keyframe: a GOP is never split late.
MOVFLAGS = "frag_keyframe+empty_moov+default_base_moof+delay_moov+skip_trailer+use_metadata_tags"
PCM = {"pcm_alaw", "pcm_mulaw"}
# A track that falls silent must not hold back the other: FFmpeg would wait 10 s to interleave.
INTERLEAVE_US = US // 2
WRITE_BYTES = 64 << 10  # of what FFmpeg collects before it calls us
# A fragment is collected in memory, for every camera: it ends early when it is so large, but a
# stream of keyframes only must not make one of each picture.
FRAGMENT_BYTES, SHORTEST_FRAGMENT = 192 << 10, 1 / 8
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
        tape: Tape,
        facts: Facts,
        streams: Streams,
        first_pts: int,
        fragment_s: float,
        picture: Picture | None = None,
    ) -> None:
        self.tape = tape
        self.first_pts = first_pts
        self.end_pts = first_pts  # of the video, on the wire's time line
        self.pictures = 0
        self._fragment_s = fragment_s
        self._last_dts: dict[int, int] = {}
        self._step = 1  # ticks between the last two pictures, in order of decoding
        self._streams = streams
        self._base: Fraction = _base(streams.video)
        self._sound_base = self._base if streams.audio is None else _base(streams.audio)
        self._first_sound = round(first_pts * self._base / self._sound_base)
        try:
            self._open(facts, fragment_s, picture)
        except Exception as error:  # whatever the muxer raises: its tape has a file to let go of
            tape.give_up(error)
            raise

    def _open(self, facts: Facts, fragment_s: float, picture: Picture | None) -> None:
        # mp4 refuses G.711; QuickTime's flavour of the same boxes carries it.
        audio = self._streams.audio
        plain = audio is None or codec_name(audio) not in PCM
        self._output: OutputContainer = av.open(
            self.tape,
            "w",
            format="mp4" if plain else "mov",
            buffer_size=WRITE_BYTES,
            options={
                "movflags": MOVFLAGS,
                "frag_duration": str(int(fragment_s * US)),
                "frag_size": str(FRAGMENT_BYTES),
                "min_frag_duration": str(int(fragment_s * US * SHORTEST_FRAGMENT)),
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

    def write(self, packet: Packet[Any], source: Stream) -> bool:
        """Copy a packet, its times moved so that the first picture is at 0. Whether a fragment was
        handed over with it."""
        video = source.index == self._streams.video.index
        pts = packet.pts if packet.pts is not None else packet.dts
        dts = packet.dts if packet.dts is not None else pts
        if pts is None or dts is None:
            return False  # never: the feed dates every packet
        shift = self.first_pts if video else self._first_sound
        target = self._video if video else self._audio
        if video:
            self._count(packet, pts, dts)
        elif pts < shift or self._is_stray(pts):
            return False
        elif self._adts:
            packet = adts.bare(packet)
        dts -= shift
        if source.index in self._last_dts:  # of two packets of equal DTS the muxer refuses one
            dts = max(dts, self._last_dts[source.index] + 1)
        self._last_dts[source.index] = dts
        packet.dts = dts
        packet.pts = max(pts - shift, dts)
        packet.time_base = self._base if video else self._sound_base
        packet.stream = target
        before = self.tape.size_bytes
        self._output.mux(packet)
        if self.tape.size_bytes == before:
            return False
        self.tape.hand_over(self._fragment_s)  # the muxer writes whole fragments
        return True

    def _count(self, packet: Packet[Any], pts: int, dts: int) -> None:
        """The last picture lasts as it says, else as long as the one before it."""
        last = self._last_dts.get(packet.stream_index)
        if last is not None:
            self._step = max(1, dts - self.first_pts - last)
        self.pictures += 1
        self.end_pts = max(self.end_pts, pts + (packet.duration or self._step))

    def _is_stray(self, pts: int) -> bool:
        return abs(pts * self._sound_base - self.end_pts * self._base) > STRAY_SOUND_S

    def publish(self, then: Published) -> str:
        """End the file and have it published, then `then` called by the disk's thread. Its SHA-256.

        FFmpegError when the muxer cannot end it; what is whole is kept.
        """
        try:
            self._output.close()
        except BaseException as error:
            self.tape.give_up(error if isinstance(error, Exception) else OSError("interrupted"))
            raise
        self.tape.publish(then)
        return self.tape.sha256

    def abandon(self, error: Exception) -> None:
        """Stop writing for `error`; what is whole is kept."""
        self.tape.give_up(error)
        with suppress(av.error.FFmpegError, OSError, ValueError):
            self._output.close()  # what it still flushes goes nowhere


def _base(stream: Stream) -> Fraction:
    return stream.time_base or Fraction(1, 90_000)
