"""Writes pictures as H.264 in MP4 on the wall clock, and reads the file back against them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.packet import Packet
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from evidence.redaction_hiding import Hidden, is_hidden
from evidence.redaction_pictures import Rgb
from storage.clock import US
from storage.errors import DataLoss
from storage.i18n import N_, tr

TICKS = 90_000  # a second
# One thread: equal pictures give equal bytes. Not so with x264's macroblock tree, which reads
# memory that nobody wrote (x264 165, MALLOC_PERTURB_ shows it); and no B-frames: what is read
# comes in order.
CODEC = "libx264"
OPTIONS = {"preset": "veryfast", "crf": "18", "threads": "1", "bf": "0", "a53cc": "0",
           "udu_sei": "0", "mbtree": "0"}  # fmt: skip
GOP = 50
BT709 = 1  # H.273


@dataclass(slots=True)
class Film:
    """What was written; times are microseconds after the file's beginning."""

    path: Path
    size: tuple[int, int]  # width and height of the coded picture
    offsets_us: list[int] = field(default_factory=list)
    hidden: list[Hidden] = field(default_factory=list)
    duration_us: int = 0

    @property
    def pictures(self) -> int:
        """How many."""
        return len(self.offsets_us)


class Filming:
    """Encodes one picture after the other. OSError when the disk refuses."""

    def __init__(
        self, path: Path, width: int, height: int, fps: float, aspect: float, comment: str
    ) -> None:
        """`comment` stands in the file: what it was made from."""
        # What 4:2:0 cannot hold is filled up by a line of the edge.
        self.film = Film(path, (width + width % 2, height + height % 2))
        self._target = av.open(
            str(path), "w", format="mp4",
            options={"movflags": "faststart", "fflags": "+bitexact"},
        )  # fmt: skip
        self._target.metadata["comment"] = comment
        rate = Fraction(fps).limit_denominator(1000) if 0.1 <= fps <= 240 else Fraction(25)
        stream = self._target.add_stream(CODEC, rate=rate, options=OPTIONS)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = self.film.size
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
        stream.codec_context.gop_size = GOP
        stream.codec_context.sample_aspect_ratio = Fraction(aspect).limit_denominator(1000)
        stream.codec_context.flags |= 1 << 23  # AV_CODEC_FLAG_BITEXACT
        for name in ("colorspace", "color_primaries", "color_trc"):
            setattr(stream.codec_context, name, BT709)
        stream.codec_context.color_range = ColorRange.MPEG
        self._stream = stream
        self._waiting: deque[int] = deque()  # lengths of pictures that the encoder still holds
        self._held: tuple[av.VideoFrame, int] | None = None
        self._reformat = VideoReformatter()

    def __enter__(self) -> Filming:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if kind is not None:
            try:
                self._target.close()
            except av.error.FFmpegError:
                return  # the first error is told

    def add(self, picture: Rgb, offset_us: int, hidden: Hidden) -> None:
        """The picture seen from `offset_us` on; offsets grow."""
        width, height = self.film.size
        padded = np.pad(
            picture,
            ((0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0)),
            mode="edge",
        )
        # A new frame out of bare pixels: what the source's frame carried stays behind.
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24")
        coded = self._reformat.reformat(frame, format="yuv420p", dst_colorspace=Colorspace.ITU709)
        coded.pts, coded.time_base = _ticks(offset_us), Fraction(1, TICKS)
        self._flush(offset_us)
        self._held = (coded, offset_us)
        self.film.offsets_us.append(offset_us)
        self.film.hidden.append(hidden)

    def finish(self, end_us: int) -> Film:
        """The last picture is seen until `end_us`; close the file."""
        self._flush(end_us)
        self._mux(self._stream.encode(None))
        self._target.close()
        self.film.duration_us = end_us
        return self.film

    def _flush(self, until_us: int) -> None:
        if self._held is not None:
            frame, since_us = self._held
            self._waiting.append(max(1, _ticks(until_us) - _ticks(since_us)))
            self._mux(self._stream.encode(frame))
            self._held = None

    def _mux(self, packets: list[Packet[Any]]) -> None:
        for packet in packets:
            packet.duration = self._waiting.popleft()
            self._target.mux(packet)


def require_true(film: Film, tick: Any = None) -> int:
    """Read the file back: every picture there, at its time, and what was hidden is flat.

    Returns the measured duration. DataLoss says what is not so; nothing may be published then.
    """
    count = end = 0
    with av.open(str(film.path)) as source:
        stream = source.streams.video[0]
        stream.codec_context.thread_count = 1
        for packet in source.demux(stream):
            if packet.size and packet.pts is not None:
                end = max(end, packet.pts + (packet.duration or 0))
            for frame in packet.decode():
                if count >= film.pictures or abs((frame.pts or 0) - _ticks(
                    film.offsets_us[count]
                )) > 1:  # fmt: skip
                    raise _untrue(N_("a picture is not at its time"))
                decoded: Any = frame.reformat(
                    format="rgb24", src_colorspace=Colorspace.ITU709
                ).to_ndarray()
                if not is_hidden(decoded, film.hidden[count]):
                    raise _untrue(N_("what is to be hidden shows in picture {number}"), count + 1)
                count += 1
                if tick is not None:
                    tick(film.offsets_us[count - 1])
    if count != film.pictures:
        raise _untrue(N_("pictures are missing"))
    if abs(end - _ticks(film.duration_us)) > 2:
        raise _untrue(N_("it is not as long as it must be"))
    return round(end * US / TICKS)


def _ticks(us: int) -> int:
    return round(us * TICKS / US)


def _untrue(what: str, number: int = 0) -> DataLoss:
    return DataLoss(
        "the copy was made and reads back otherwise: {what}; nothing was published",
        what=tr(what, number=number),
    )
