"""The picture a segment showed at an instant: exact for evidence, by keyframe for thumbnails."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.video.frame import VideoFrame

from indexer.shown import Rgb, Shown
from indexer.video import Video
from storage.errors import DataLoss
from storage.media import Media
from storage.reading import Footage
from storage.vocabulary import Segment
from storage.zones import Zone

if TYPE_CHECKING:
    from indexer.video import VideoPacket


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture and when it was shown."""

    rgb: Rgb  # (height, width, 3) uint8, upright
    ts_us: int  # UTC microseconds
    pts: int  # in the file, in units of its time base


def picture_of(footage: Footage, at_us: int, *, always_masked: bool = False) -> Picture:
    """As `picture_at`, as whoever asked for the footage may see it; `always_masked`: as everybody
    may."""
    hidden = footage.zones if footage.is_masked or always_masked else ()
    return picture_at(footage.under_mask, footage.segment, at_us, hidden)


def masked_pictures(footage: Footage, start_us: int, end_us: int) -> Generator[Shown, None, None]:
    """All pictures of [start, end), UTC, with what privacy zones hide filled; first the one that
    is on screen at the start. Damage costs the pictures it hits."""
    segment = footage.segment
    begin_us, stop_us = max(0, start_us - segment.start_us), end_us - segment.start_us
    with Video(footage.under_mask, segment, footage.zones) as video:
        before: VideoFrame | None = None  # on screen at the start, as far as decoded
        for packet in chain(_packets_until(video, begin_us, stop_us), [None]):
            try:
                frames = video.decode(packet)
            except av.FFmpegError:
                continue
            for frame in frames:
                at = video.time_us(frame)
                if at <= begin_us:
                    before = frame
                    continue
                if before is not None:
                    yield video.shown(before)
                    before = None
                if at < stop_us:
                    yield video.shown(frame)
        if before is not None:
            yield video.shown(before)


def picture_at(
    file: Path | Media, segment: Segment, at_us: int, zones: Sequence[Zone] = ()
) -> Picture:
    """The picture shown at `at_us`: the last one whose time is at or before it.

    An instant before the first picture gives the first, one after the last gives the last;
    `Picture.ts_us` says which it is. DataLoss: the file is missing, cut short, or damaged
    there. Invalid: it is not video. What `zones` hide is filled.
    """
    wanted_us = max(0, at_us - segment.start_us)
    with Video(file, segment, zones) as video:
        shown: VideoFrame | None = None
        for packet in chain(_packets_until(video, wanted_us, wanted_us + 1), [None]):
            try:
                frames = video.decode(packet)
            except av.FFmpegError as error:
                raise _damaged(video) from error
            for frame in frames:
                at = video.time_us(frame)
                if at <= wanted_us and (shown is None or at > video.time_us(shown)):
                    shown = frame
        if shown is None:
            raise _damaged(video)
        return _picture(video.shown(shown))


def keyframe_near(file: Path | Media, segment: Segment, at_us: int) -> Picture:
    """The keyframe at or before `at_us`: one picture is decoded. Errors as `picture_at`.

    Exact where `at_us` is the time of an indexed keyframe, up to one GOP early elsewhere.
    """
    wanted_us = max(0, at_us - segment.start_us)
    with Video(file, segment) as video:
        before = [
            packet
            for packet in _packets_until(video, wanted_us, wanted_us + 1)
            if video.is_key(packet) and video.time_us(packet) <= wanted_us
        ]
        for packet in reversed(before):
            if frame := video.keyframe(packet):
                return _picture(video.shown(frame))
        raise _damaged(video)


def _picture(shown: Shown) -> Picture:
    return Picture(shown.rgb, shown.ts_us, shown.pts)


def _packets_until(video: Video, wanted_us: int, end_us: int) -> Iterator[VideoPacket]:
    """All that must be decoded for the pictures from the one at `wanted_us` to before `end_us`,
    from a keyframe at or before it."""
    for packet in _packets_from_before(video, wanted_us):
        if video.decode_time_us(packet) >= end_us:
            return
        yield packet


def _packets_from_before(video: Video, wanted_us: int) -> Iterator[VideoPacket]:
    if next(video.packets(), None) is None:  # also learns when the first picture is
        return iter(())
    video.seek_before(wanted_us)
    packets = video.packets()
    landed = next(packets, None)
    if landed is not None and video.time_us(landed) <= wanted_us:
        return chain([landed], packets)
    # The container has no index, or a wrong one: find the keyframe by reading, not decoding.
    video.rewind()
    nearest_us = 0
    for packet in video.packets():
        if video.decode_time_us(packet) > wanted_us:
            break
        if video.is_key(packet) and nearest_us < video.time_us(packet) <= wanted_us:
            nearest_us = video.time_us(packet)
    video.rewind()
    packets = video.packets()
    start = next((p for p in packets if video.is_key(p) and video.time_us(p) == nearest_us), None)
    return iter(()) if start is None else chain([start], packets)


def _damaged(video: Video) -> DataLoss:
    return DataLoss(
        "segment {segment} of {camera} has no picture that can be decoded at that time;"
        " `hindsight check --level hash` tells whether its file is damaged",
        segment=video.segment.id, camera=video.segment.camera,
    )  # fmt: skip
