"""The pictures of a span of one camera, decoded one after the other, with the wall clock's time."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.codec.context import ThreadType
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream

from storage.clock import US
from storage.errors import DataLoss
from storage.masking import masked
from storage.media import Media
from storage.vocabulary import Segment, Span
from storage.volumes import Archive
from storage.zones import Zone

Rgb = npt.NDArray[np.uint8]  # (height, width, 3)
LARGEST_OVERLAP_US = US  # jitter of a camera's clock; more is another recording of the same time
LEAST_STEP_US = 1000  # between two pictures where clocks overlap
HD_LINES = 720  # from here on, colours nobody names are those of BT.709
_COLOURS = {1: Colorspace.ITU709, 5: Colorspace.ITU601, 6: Colorspace.ITU601}  # H.273
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shown:
    """A decoded picture: upright, privacy zones hidden already."""

    at_us: int  # UTC as recorded
    rgb: Rgb
    aspect: float  # width of a pixel, its height being 1
    segment: Segment


@dataclass(frozen=True, slots=True)
class Source:
    """What of one camera is to be shown: its segments by start, and the zones of each."""

    archive: Archive
    segments: tuple[Segment, ...]
    zones: Mapping[str, Sequence[Zone]]  # by segment

    def pictures(self, span: Span) -> Iterator[Shown]:
        """The picture on screen when the span begins, then every one in it, by time.

        A picture that cannot be decoded is left out; DataLoss when a file cannot be read at all.
        """
        before: tuple[Segment, int, VideoFrame, float] | None = None
        last_us = -1
        for segment in self.segments:
            if segment.start_us >= span.end_us or segment.end_us <= span.start_us:
                continue
            for at_us, frame, aspect in _frames(self.archive.media(segment), segment, span):
                if at_us <= last_us:
                    if last_us - at_us > LARGEST_OVERLAP_US:
                        continue  # the same time, recorded twice
                    at_us = last_us + LEAST_STEP_US
                if at_us >= span.end_us:
                    break
                last_us = at_us
                if at_us <= span.start_us:
                    before = (segment, at_us, frame, aspect)
                    continue
                if before is not None:
                    yield self._shown(*before)
                    before = None
                yield self._shown(segment, at_us, frame, aspect)
        if before is not None:
            yield self._shown(*before)

    def _shown(self, segment: Segment, at_us: int, frame: VideoFrame, aspect: float) -> Shown:
        colours = _COLOURS.get(
            frame.colorspace, Colorspace.ITU709 if frame.height >= HD_LINES else Colorspace.ITU601
        )
        rgb: Any = frame.reformat(format="rgb24", src_colorspace=colours).to_ndarray()
        if frame.rotation % 360:
            rgb = np.ascontiguousarray(np.rot90(rgb, frame.rotation // 90))
            aspect = 1 / aspect if frame.rotation % 180 else aspect
        return Shown(at_us, masked(rgb, self.zones.get(segment.id, ())), aspect, segment)


def _frames(media: Media, segment: Segment, span: Span) -> Iterator[tuple[int, VideoFrame, float]]:
    """(UTC, frame, pixel aspect) by time, from a keyframe at or before the span on."""
    try:
        with media.for_ffmpeg() as source, av.open(source, mode="r") as container:
            yield from _decoded(container, container.streams.video[0], segment, span)
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise DataLoss(
            "segment {segment} ({camera}) cannot be read as video ({error}); nothing was made,"
            " `hindsight check --level hash` tells whether its file is damaged",
            segment=segment.id, camera=segment.camera,
            error=getattr(error, "strerror", None) or error,
        ) from None  # fmt: skip


def _decoded(
    container: InputContainer, stream: VideoStream, segment: Segment, span: Span
) -> Iterator[tuple[int, VideoFrame, float]]:
    stream.codec_context.thread_type = ThreadType.NONE  # recorders have the other cores
    stream.codec_context.thread_count = 1
    base = stream.time_base
    if base is None:
        return
    first = next((p for p in container.demux(stream) if p.size and _label(p) is not None), None)
    if first is None:
        return
    first_pts = _label(first) or 0

    def utc(pts: int) -> int:
        return segment.start_us + round((pts - first_pts) * base * US)

    container.seek(0, backward=True, any_frame=True)
    behind_us = span.start_us - segment.start_us
    if behind_us > 0:
        wanted = first_pts + int(behind_us / US / base)
        container.seek(wanted, stream=stream, backward=True)
        landed = next((p for p in container.demux(stream) if p.size), None)
        pts = None if landed is None else _label(landed)
        # An index may be missing or wrong: then all is decoded from the beginning.
        if pts is None or utc(pts) > span.start_us:
            container.seek(0, backward=True, any_frame=True)
        else:
            container.seek(wanted, stream=stream, backward=True)
    stream.codec_context.flush_buffers()
    ratio = stream.sample_aspect_ratio
    started = False
    for packet in container.demux(stream):
        started = started or packet.is_keyframe
        if packet.size and (not started or packet.is_discard):
            continue
        try:
            frames = stream.codec_context.decode(packet if packet.size else None)
        except av.EOFError:
            return
        except av.error.FFmpegError as error:
            log.warning("segment %s: a picture cannot be decoded: %s", segment.id, error.strerror)
            continue
        for frame in frames:
            pts = _label(frame)
            if pts is None:
                continue
            if utc(pts) >= span.end_us:
                return
            yield utc(pts), frame, float(ratio) if ratio else 1.0


def _label(item: Any) -> int | None:
    """PTS; where a container has none (AVI), DTS."""
    found: int | None = item.dts if item.pts is None else item.pts
    return found
