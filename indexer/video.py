"""One media file opened for decoding: its packets and pictures by time, on one thread."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import av
from av.codec.context import ThreadType
from av.packet import Packet
from av.video.frame import VideoFrame

from indexer.shown import Shown
from storage.clock import US
from storage.errors import DataLoss, Invalid
from storage.media import Media, media_of
from storage.vocabulary import Segment
from storage.zones import Zone

if TYPE_CHECKING:
    from av.video.stream import VideoStream

    VideoPacket = Packet[VideoStream]

log = logging.getLogger(__name__)


class Video:
    """The video of a segment's file. Times are microseconds after its first picture.

    A picture's instant is `segment.start_us` + (pts − pts of the first picture) × time base. The
    first picture is that of the first packet, be it damaged or not: else damage would move time.
    """

    def __init__(self, file: Path | Media, segment: Segment, zones: Sequence[Zone] = ()) -> None:
        """Open; what the zones hide is hidden in its pictures. DataLoss: the file is gone or not
        as long as its row says. Invalid: no video."""
        self.segment = segment
        self._zones = zones
        media = media_of(file)
        check_size(media, segment)
        self._opened = ExitStack()
        try:
            source = self._opened.enter_context(media.for_ffmpeg())
            self._container = self._opened.enter_context(av.open(source, mode="r"))
        except (av.FFmpegError, OSError, UnicodeError) as error:
            self._opened.close()
            raise Invalid(
                "segment {segment} of {camera} cannot be read as video ({error});"
                " `hindsight check --level hash` tells whether its file is damaged",
                segment=segment.id, camera=segment.camera, error=_brief(error),
            ) from None  # fmt: skip
        if not self._container.streams.video:
            self._opened.close()
            raise Invalid(
                "segment {segment} of {camera} holds no video",
                segment=segment.id, camera=segment.camera,
            )  # fmt: skip
        self._stream = self._container.streams.video[0]
        if self._stream.codec_context is None:  # whatever PyAV's types say
            self._opened.close()
            raise Invalid(
                "segment {segment} of {camera} cannot be read as video ({error});"
                " `hindsight check --level hash` tells whether its file is damaged",
                segment=segment.id, camera=segment.camera, error="unknown codec",
            )  # fmt: skip
        self._codec = self._stream.codec_context
        self._codec.thread_type = ThreadType.NONE
        self._codec.thread_count = 1
        base = self._stream.time_base
        self._us = (base.numerator * US, base.denominator) if base else (1, 1)
        self.first_pts: int | None = None  # known once `packets` has begun at the beginning

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._opened.close()

    def packets(self) -> Iterator[VideoPacket]:
        """Packets from where the file is read, the first one a keyframe.

        Ends where the file can no longer be read: what was whole before still counts.
        """
        # Not by `stream.discard = nonkey`: it skips the composition offsets of what it skips,
        # so keyframes of MP4 with B-frames come with wrong PTS (FFmpeg 8.1).
        started = False
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.FFmpegError, OSError) as error:  # OSError: a changed record, encrypted
                log.warning(
                    "segment %s of %s cannot be read to its end: %s",
                    self.segment.id, self.segment.camera, _brief(error),
                )  # fmt: skip
                return
            if packet.size == 0 or _label(packet) is None:
                continue
            if self.first_pts is None:
                self.first_pts = _label(packet)
            started = started or self.is_key(packet)
            if started:
                yield packet

    def is_key(self, packet: VideoPacket) -> bool:
        """Whether decoding can begin here. AVI flags skipped pictures of a byte or two as well."""
        return packet.is_keyframe and packet.size > 8

    def seek_before(self, at_us: int) -> None:
        """Go to a keyframe at or before `at_us`, as well as the container can tell."""
        pts = (self.first_pts or 0) + at_us * self._us[1] // self._us[0]
        try:
            self._container.seek(pts, stream=self._stream, backward=True, any_frame=False)
        except (av.FFmpegError, OSError) as error:
            log.debug("segment %s cannot seek: %s", self.segment.id, _brief(error))
        self.reset()

    def rewind(self) -> None:
        """Go to the beginning."""
        self._container.seek(0, backward=True, any_frame=True)
        self.reset()

    def time_us(self, item: VideoPacket | VideoFrame) -> int:
        """When it is shown."""
        pts = _label(item)
        return self._after(0 if pts is None else pts)

    def decode_time_us(self, packet: VideoPacket) -> int:
        """No later packet is shown before this."""
        return self._after(packet.dts) if packet.dts is not None else self.time_us(packet)

    def decode(self, packet: VideoPacket | None) -> list[VideoFrame]:
        """Feed a packet; pictures that are ready, in order of showing. None: all that are left."""
        try:
            return list(self._codec.decode(packet))
        except av.EOFError:
            return []

    def reset(self) -> None:
        """Forget the pictures inside the decoder: the next packet must be a keyframe."""
        self._codec.flush_buffers()

    def keyframe(self, packet: VideoPacket) -> VideoFrame | None:
        """The picture of one keyframe packet, nothing else decoded; None if it is damaged."""
        self.reset()
        try:
            frames = [*self.decode(packet), *self.decode(None)]
        except av.FFmpegError as error:
            log.info("keyframe of segment %s is damaged: %s", self.segment.id, _brief(error))
            frames = []
        self.reset()
        at_us = self.time_us(packet)
        return next((frame for frame in frames if self.time_us(frame) >= at_us), None)

    def shown(self, frame: VideoFrame) -> Shown:
        """A decoded frame with its time: UTC microseconds, and pts in the file."""
        pts = _label(frame)
        return Shown(
            frame, self.segment.start_us + self.time_us(frame), 0 if pts is None else pts,
            key=bool(frame.key_frame), zones=self._zones,
        )  # fmt: skip

    def _after(self, pts: int) -> int:
        numerator, denominator = self._us
        return ((pts - (self.first_pts or 0)) * numerator * 2 + denominator) // (2 * denominator)


def check_size(media: Media, segment: Segment) -> None:
    """DataLoss when the file is gone or not as long as its row says."""
    try:
        size_bytes = media.path.stat().st_size
        if size_bytes != segment.size_bytes and media.is_encrypted:
            size_bytes = media.size_bytes()
    except OSError as error:
        raise DataLoss(
            "the file of segment {segment} ({camera}) cannot be opened ({error});"
            " `hindsight check` lists the damage",
            segment=segment.id, camera=segment.camera, error=error.strerror,
        ) from None  # fmt: skip
    if size_bytes != segment.size_bytes:
        raise DataLoss(
            "the file of segment {segment} ({camera}) has {found} bytes, its row says"
            " {expected}; `hindsight check` lists the damage",
            segment=segment.id, camera=segment.camera,
            found=size_bytes, expected=segment.size_bytes,
        )  # fmt: skip


def _label(item: VideoPacket | VideoFrame) -> int | None:
    """PTS; where a container has none (AVI), DTS."""
    return item.pts if item.pts is not None else item.dts


def _brief(error: Exception) -> str:
    """What FFmpeg says, without our paths."""
    return getattr(error, "strerror", None) or str(error)
