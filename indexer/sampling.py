"""Which pictures of a segment are due, found by reading it: by PTS, keyframes first.

While keyframes come at least every `interval_s`, only keyframes are decoded. Where they are
sparser, the GOP is decoded forward to the instant that is due, and no further.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.video.frame import VideoFrame

from indexer.shown import Shown
from indexer.video import Video, log
from storage.clock import US
from storage.errors import DataLoss
from storage.media import Media
from storage.vocabulary import Segment
from storage.zones import Zone

if TYPE_CHECKING:
    from indexer.video import VideoPacket

# A keyframe this much late, in parts of the interval, still saves decoding its whole GOP:
# 60 pictures at 29.97 fps are 2.002 s, and a live camera's keyframes jitter.
SLACK = 0.05


def samples(
    file: Path | Media,
    segment: Segment,
    interval_s: float,
    lost: Callable[[int, int], None] = lambda _at_us, _pts: None,
    zones: Sequence[Zone] = (),
) -> Generator[Shown, None, None]:
    """Pictures of a segment, ascending in time, at most `interval_s` (+ 5 %) apart.

    `lost` is told of keyframes that were due and cannot be decoded: UTC microseconds and pts.

    DataLoss or Invalid when the file is missing, cut short, not video, or holds no picture that
    can be decoded. Damage inside costs the pictures it hits, not the rest.
    """
    found = False
    with Video(file, segment, zones) as video:
        for frame in _Chooser(video, round(interval_s * US), lost).frames():
            found = True
            yield video.shown(frame)
    if not found:
        raise nothing_decoded(segment)


def nothing_decoded(segment: Segment) -> DataLoss:
    """The error for a segment of which not one picture can be had."""
    return DataLoss(
        "segment {segment} of {camera} holds no picture that can be decoded;"
        " `hindsight check --level hash` tells whether its file is damaged",
        segment=segment.id, camera=segment.camera,
    )  # fmt: skip


class _Chooser:
    """Walks through the packets once; holds those of the current GOP until it is clear whether
    they must be decoded. Times are microseconds after the first picture."""

    def __init__(self, video: Video, interval_us: int, lost: Callable[[int, int], None]) -> None:
        self._video = video
        self._lost = lost
        self._interval_us = interval_us
        self._reach_us = round(interval_us * (1 + SLACK))
        self._last_us = -1 - self._reach_us  # of the sample before: the first picture is due
        self._keyframe: VideoPacket | None = (
            None  # of the current GOP, while not taken or passed over
        )
        self._waiting: deque[VideoPacket] = deque()  # of the current GOP, not yet decoded
        self._ready: deque[VideoFrame] = deque()  # decoded, not yet looked at
        self._shown: VideoFrame | None = None  # latest looked at in this GOP
        self._drained = False

    def frames(self) -> Iterator[VideoFrame]:
        """The chosen pictures."""
        end_us = 0
        for packet in self._video.packets():
            at_us = self._video.time_us(packet)
            end_us = max(end_us, at_us)
            if self._video.is_key(packet):
                yield from self._due_before(at_us, whole_gop=True)
                self._begin(packet)
            else:
                self._waiting.append(packet)
            yield from self._due_before(self._video.decode_time_us(packet), whole_gop=False)
        yield from self._due_before(end_us, whole_gop=True)

    def _begin(self, keyframe: VideoPacket) -> None:
        self._keyframe = keyframe
        self._waiting.clear()
        self._waiting.append(keyframe)
        self._ready.clear()
        self._shown = None
        self._drained = False
        self._video.reset()

    def _due_before(self, next_us: int, *, whole_gop: bool) -> Iterator[VideoFrame]:
        """What must be sampled when the next keyframe comes at `next_us` or later."""
        while next_us - self._last_us > self._reach_us:
            frame = self._take_keyframe() or self._decode_to_due(whole_gop=whole_gop)
            if frame is None:
                return
            self._last_us = self._video.time_us(frame)
            yield frame

    def _take_keyframe(self) -> VideoFrame | None:
        if self._keyframe is None:
            return None
        packet, self._keyframe = self._keyframe, None
        if self._video.time_us(packet) <= self._last_us:
            return None
        frame = self._video.keyframe(packet)
        if frame is None or frame.is_corrupt:  # what a decoder made up is not what happened
            frame = None
            at_us = self._video.segment.start_us + self._video.time_us(packet)
            self._lost(at_us, packet.pts if packet.pts is not None else packet.dts or 0)
        return frame

    def _decode_to_due(self, *, whole_gop: bool) -> VideoFrame | None:
        """The picture nearest to when the next sample is due; None if it is not here (yet)."""
        due_us = self._last_us + self._interval_us
        while True:
            while self._ready:
                frame = self._ready[0]
                at_us = self._video.time_us(frame)
                newer = self._newer()
                if newer is not None and at_us > due_us and not self._nearer(at_us, newer, due_us):
                    return newer
                self._ready.popleft()
                if self._shown is None or at_us > self._video.time_us(self._shown):
                    self._shown = frame
                if at_us > due_us:
                    return frame
            if not self._decode_more(whole_gop=whole_gop):
                return self._newer() if whole_gop else None

    def _nearer(self, at_us: int, newer: VideoFrame, due_us: int) -> bool:
        """Whether the picture after the due instant is better than the one before it.

        At 23.976 fps the one before is 40 ms early, the one after 2 ms late.
        """
        early_us = due_us - self._video.time_us(newer)
        return at_us - due_us < early_us and at_us <= self._last_us + self._reach_us

    def _newer(self) -> VideoFrame | None:
        """The latest picture looked at, unless it was sampled already."""
        if self._shown is not None and self._video.time_us(self._shown) > self._last_us:
            return self._shown
        return None

    def _decode_more(self, *, whole_gop: bool) -> bool:
        try:
            if self._waiting:
                self._ready.extend(self._video.decode(self._waiting.popleft()))
                return True
            if whole_gop and not self._drained:
                self._drained = True
                self._ready.extend(self._video.decode(None))
                return True
        except av.FFmpegError as error:
            segment = self._video.segment
            log.info("a picture of segment %s is damaged: %s", segment.id, error.strerror)
            return bool(self._waiting)
        return False
