"""The segmenter: packets of one unbroken stretch of a stream → contiguous segments and rows."""

from __future__ import annotations

import errno
import logging
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from av import Packet
from ulid import ULID

from recorder.boundaries import next_boundary_us, should_cut
from recorder.closing import Shape, adopt_leftovers, previous_hash, segment_row
from recorder.onset import Arrival
from recorder.packets import Streams
from recorder.segment_file import SegmentFile
from recorder.wallclock import WallClock
from storage import segments, timeline
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import HindsightError, Unavailable
from storage.fragments import Facts
from storage.vocabulary import Camera, GapCause, Segment
from storage.volumes import Volume, segment_path

log = logging.getLogger(__name__)
# A hole between two pictures longer than this, or a step back beyond the second, is a jump.
JUMP_FORWARD_S = 5.0
JUMP_BACK_S = 0.5
KEYFRAME_WAIT_US = 60 * US  # pictures for so long without one to begin with: nothing is recorded
# Footage may reach so far beyond now (a source that sends a stock of it at once); what reaches
# further was recorded under a wrong clock, and nothing can be appended to it.
OVERHANG_US = 60 * US
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class RecordingFailed(Exception):
    """Recording of this stretch ended; `cause` names the gap that begins."""

    def __init__(self, cause: GapCause, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail


@dataclass(slots=True)
class Progress:
    """What arrived, for the supervisor and the state rows."""

    bytes: int = 0
    pictures: int = 0
    last_packet_us: int | None = None
    gop_us: int | None = None
    recorded_to_us: int | None = None


@dataclass(slots=True)
class _Open:
    file: SegmentFile
    facts: Facts
    volume: Volume
    relative: str
    boundary_us: int


class Segmenter:
    """Owns the open segment of a camera. One thread feeds it; `finish` may come from another
    thread under the station's lock."""

    def __init__(
        self, directory: DataDirectory, camera: Camera, streams: Streams, progress: Progress
    ) -> None:
        self.directory = directory
        self.camera = camera
        self.streams = streams
        self.progress = progress
        self._base: Fraction = streams.video.time_base or Fraction(1, 90_000)
        self.clock = WallClock(self._base, _recorded_to_us(directory, camera))
        self._open: _Open | None = None
        self._last_dts: int | None = None
        self._last_pts: int | None = None
        self._keyframe_pts: int | None = None
        self._waiting_since_us: int | None = None

    @property
    def is_recording(self) -> bool:
        """Whether a segment is open."""
        return self._open is not None

    @property
    def ahead_us(self) -> int:
        """How far beyond now the latest picture is placed."""
        if self._last_pts is None:
            return 0
        return self.clock.at_us(self._last_pts) - self.directory.clock.now_us()

    def feed(self, arrival: Arrival) -> None:
        """Take a packet. RecordingFailed when this stretch cannot go on; it is already closed."""
        packet = arrival.packet
        self.progress.bytes += packet.size
        self.progress.last_packet_us = arrival.arrival_us
        video = packet.stream_index == self.streams.video.index
        try:
            if video:
                self._video(arrival)
            elif self._open is not None and self.streams.audio is not None:
                self._open.file.write(packet, self.streams.audio)
        except OSError as error:
            self._disk_failed(error)

    def _video(self, arrival: Arrival) -> None:
        packet = arrival.packet
        pts = packet.pts if packet.pts is not None else packet.dts
        if pts is None:
            return  # never: the feed dates every packet
        self._check_jump(packet, pts)
        self._last_pts = pts
        self.clock.observe(pts, arrival.arrival_us, arrival.camera_us)
        self.progress.pictures += 1
        if packet.is_keyframe:
            if self._keyframe_pts is not None and pts > self._keyframe_pts:
                self.progress.gop_us = int((pts - self._keyframe_pts) * self._base * US)
            self._keyframe_pts = pts
            if self._open is not None and self._is_due(pts):
                self._close(pts)
            if self._open is None:
                self._begin(pts)
        if self._open is not None:
            self._open.file.write(packet, self.streams.video)
        else:
            self._wait_for_keyframe(arrival.arrival_us)

    def _wait_for_keyframe(self, now_us: int) -> None:
        if self._waiting_since_us is None:
            self._waiting_since_us = now_us
        if now_us - self._waiting_since_us > KEYFRAME_WAIT_US:
            raise RecordingFailed(
                GapCause.STALLED,
                f"pictures come, but no keyframe in {KEYFRAME_WAIT_US // US} s",
            )

    def _is_due(self, pts: int) -> bool:
        assert self._open is not None
        segment_s = self.directory.settings.recorder.segment_s
        return should_cut(
            self.clock.at_us(pts), self._open.facts.start_us, self._open.boundary_us,
            self.progress.gop_us, segment_s,
        )  # fmt: skip

    def _check_jump(self, packet: Packet[Any], pts: int) -> None:
        dts = packet.dts if packet.dts is not None else pts
        last, self._last_dts = self._last_dts, dts
        if last is None:
            return
        step_s = float((dts - last) * self._base)
        if step_s > JUMP_FORWARD_S or step_s < -JUMP_BACK_S:
            self.finish()
            raise RecordingFailed(
                GapCause.PTS_JUMP, f"the stream's time stamps jumped by {step_s:+.1f} s"
            )

    def _begin(self, pts: int) -> None:
        settings = self.directory.settings
        start_us = self.clock.at_us(pts)
        volume = self._volume()
        with self.directory.ledger.read() as tx:
            prev = previous_hash(tx, self.camera)
        segment_id = str(ULID())
        facts = Facts(
            segment=segment_id, camera=self.camera.slug, start_us=start_us, prev_sha256=prev,
            clock_source=self.clock.source, clock_error_us=self.clock.error_us, first_pts=pts,
            time_base=f"{self._base.numerator}/{self._base.denominator}",
            created_us=self.directory.clock.now_us(),
        )  # fmt: skip
        relative = segment_path(self.camera.slug, start_us, segment_id, "mp4")
        file = SegmentFile(
            volume.file(relative), facts, self.streams, pts, settings.recorder.fragment_s
        )
        boundary = next_boundary_us(start_us, settings.recorder.segment_s)
        self._open = _Open(file, facts, volume, relative, boundary)
        with self.directory.ledger.write() as tx:
            if timeline.open_expectation(tx, self.camera.id) is None:
                timeline.expect(tx, self.camera.id, start_us)
            timeline.close_gap(tx, self.camera.id, start_us)

    def _volume(self) -> Volume:
        """The volume for the next segment, verified; RecordingFailed when there is none."""
        try:
            volume = self.directory.archive.recording_volume()
        except Unavailable as error:
            raise RecordingFailed(GapCause.WRONG_VOLUME, str(error)) from None
        floor = self.directory.settings.retention.free_floor_bytes
        if volume.free_bytes() < floor:
            raise RecordingFailed(
                GapCause.DISK_FULL,
                f"volume {volume.name} has less than {floor} bytes free; free space or add one",
            )
        return volume

    def _close(self, next_pts: int | None) -> Segment:
        """Publish the open segment; its end is the next one's start, or its last picture's end."""
        assert self._open is not None
        opened, self._open = self._open, None
        file = opened.file
        end_pts = file.end_pts if next_pts is None else next_pts
        if next_pts is not None:
            self.clock.slew(next_pts)
        end_us = max(self.clock.at_us(end_pts), opened.facts.start_us)
        try:
            written = file.publish()
        except OSError as error:
            self._recover(opened)
            raise error
        duration_us = int((end_pts - file.first_pts) * self._base * US)
        row = segment_row(
            self.camera, opened.volume, opened.facts, self._shape(file, duration_us),
            path=opened.relative, end_us=end_us, duration_us=duration_us,
            size_bytes=written.size_bytes, sha256=written.sha256, recovered=False,
        )  # fmt: skip
        try:
            with self.directory.ledger.write() as tx:
                segments.insert_segment(tx, row)
        except HindsightError:  # a full disk, a busy ledger: the second try may find room
            self._recover(opened)
            raise
        self.progress.recorded_to_us = end_us
        return row

    def _shape(self, file: SegmentFile, duration_us: int) -> Shape:
        context = self.streams.video.codec_context
        audio = self.streams.audio
        fps = file.pictures * US / duration_us if duration_us else None
        return Shape(
            context.name, context.width, context.height,
            None if fps is None else round(fps, 3),
            None if audio is None else audio.codec_context.name,
        )  # fmt: skip

    def finish(self) -> None:
        """Close the open segment, if any: the stretch is over. Never raises for the disk."""
        if self._open is None:
            return
        try:
            self._close(None)
        except (HindsightError, OSError) as error:
            log.error("camera %s: closing failed (%s)", self.camera.slug, error)

    def _disk_failed(self, error: OSError) -> None:
        volume = None
        if self._open is not None:
            opened, self._open = self._open, None
            volume = opened.volume
            opened.file.abandon()
            self._recover(opened)
        cause = GapCause.DISK_FULL if error.errno in FULL else GapCause.UNKNOWN
        if cause is GapCause.UNKNOWN and volume is not None:
            try:
                volume.verify()
            except Unavailable:
                cause = GapCause.WRONG_VOLUME
        name = "the volume" if volume is None else f"volume {volume.name}"
        raise RecordingFailed(cause, f"{name} cannot be written: {error.strerror or error}")

    def _recover(self, opened: _Open) -> None:
        """Keep what is whole of a segment the disk refused to finish."""
        try:
            for row in adopt_leftovers(self.directory, self.camera):
                self.progress.recorded_to_us = row.end_us
        except (HindsightError, OSError) as error:
            log.error("camera %s: the rest of %s waits for the next start (%s)",
                      self.camera.slug, opened.relative, error)  # fmt: skip


def _recorded_to_us(directory: DataDirectory, camera: Camera) -> int:
    """End of the camera's newest footage; 0 without any, or when nothing can be appended to it."""
    now_us = directory.clock.now_us()
    with directory.ledger.read() as tx:
        before, _ = segments.neighbours(tx, camera.id, now_us + OVERHANG_US)
    if before is None or before.end_us > now_us + OVERHANG_US:
        return 0
    return before.end_us
