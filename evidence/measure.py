"""Measures a media file by reading it from end to end: what its pictures really cover."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer

from evidence.pieces import BUFFER_BYTES, PIECE_FRAGMENTS, pieces
from storage.clock import US
from storage.errors import DataLoss


class Picture(NamedTuple):
    """A video packet, times in units of its stream's time base."""

    pts: int  # DTS where the container knows no PTS (AVI)
    duration: int  # 0 when the container does not say
    keyframe: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """The video of a file. `first_pts` is that of the first picture shown, in `time_base`."""

    first_pts: int
    time_base: Fraction  # seconds
    duration_us: int  # from the first picture to the end of the last one
    frame_us: int  # how long a picture stands: the mean, or the last one if that is longer
    pictures: int


def measure(
    path: Path, tick: Callable[[int], None] | None = None, *, fragments: int = PIECE_FRAGMENTS
) -> Measured:
    """Read every packet, so many fragments at a time; memory stays flat. DataLoss when the file
    cannot be read as video.

    `tick` is told how many bytes were passed over.
    """
    try:
        return _measure(path, tick, fragments)
    except av.error.FFmpegError as error:
        raise DataLoss(
            "{file} cannot be read as video ({error}); nothing was exported",
            file=path.name, error=error.strerror,
        ) from None  # fmt: skip


def _measure(path: Path, tick: Callable[[int], None] | None, fragments: int) -> Measured:
    count = first = last = end = last_duration = 0
    time_base = Fraction(1)
    for piece in pieces(path, fragments):
        whole = str(path) if piece is None else piece
        with av.open(whole, "r", buffer_size=BUFFER_BYTES) as source:
            if source.streams.video:
                time_base = source.streams.video[0].time_base or time_base
            for picture in _pictures(source, tick):
                count += 1
                first = picture.pts if count == 1 else min(first, picture.pts)
                end = max(end, picture.pts + picture.duration) if count > 1 else picture.pts
                if count == 1 or picture.pts >= last:
                    last, last_duration = picture.pts, picture.duration
    if count == 0:
        raise DataLoss("{file} holds no picture; nothing was exported", file=path.name)
    step = Fraction(last - first, count - 1) if count > 1 else Fraction(last_duration)
    if end <= last:  # nothing says how long the last picture stands
        end = last + max(round(step), last_duration)
    frame = max(step, Fraction(last_duration))
    duration_us, frame_us = (round(length * time_base * US) for length in (end - first, frame))
    return Measured(first, time_base, duration_us, frame_us, count)


def keyframe_at_or_before(path: Path, pts: int) -> int | None:
    """PTS of the last keyframe shown at or before `pts`, else of the first one; None without any.

    FFmpegError as FFmpeg gives it.
    """
    best: int | None = None
    with av.open(str(path)) as source:
        for picture in _pictures(source):
            if picture.keyframe and (best is None or picture.pts <= pts):
                best = picture.pts
            elif picture.keyframe:
                break
    return best


def _pictures(
    source: InputContainer, tick: Callable[[int], None] | None = None
) -> Iterator[Picture]:
    """Of the first video stream, in decoding order."""
    if not source.streams.video:
        return
    for packet in source.demux(source.streams.video[0]):
        pts = packet.dts if packet.pts is None else packet.pts
        if packet.size and pts is not None and not packet.is_discard:
            yield Picture(pts, packet.duration or 0, packet.is_keyframe)
        if tick is not None:
            tick(packet.size)
