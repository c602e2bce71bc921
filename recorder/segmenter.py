"""The segmenter: packets of a stream → contiguous segments, their rows, and gaps between them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import av.error
from av import Packet
from sqlalchemy import Connection
from ulid import ULID

from recorder import bookkeeping
from recorder.boundaries import next_boundary_us, should_cut
from recorder.chronicle import Chronicle
from recorder.clocksetting import clock_was_set
from recorder.closing import SUFFIX, closed_row
from recorder.disk import Disk, Disks
from recorder.failing import RecordingFailed
from recorder.landing import Landing
from recorder.onset import Arrival
from recorder.packets import Feed, codec_name
from recorder.parameters import Parameters, picture_size
from recorder.progress import Progress
from recorder.scribe import Scribe
from recorder.segment_file import Picture, SegmentFile
from recorder.tape import FollowsFailed, Tape
from recorder.wallclock import SET_US, WallClock, floor_us
from storage import clocks, timeline
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import HindsightError
from storage.events import EventKind
from storage.fragments import Facts
from storage.vocabulary import Camera, GapCause
from storage.volumes import segment_path

log = logging.getLogger(__name__)
# A hole between two pictures longer than this, or a step back beyond the second, is a jump.
JUMP_FORWARD_S = 5.0
JUMP_BACK_S = 0.5
SHOWN_LATE_S = 5.0  # a picture that claims to be shown so long after it was sent does not know
LONG_GOP_US = 10 * US
SILENCE_US = US  # pictures that came closer than this lost no time, whatever their stamps say
KEYFRAME_WAIT_US = 60 * US  # pictures for so long without one to begin with: nothing is recorded
# At a cut, sound of before it may still be under way; it is waited for so long. While none comes,
# a segment gets no sound track: an empty one would keep FFmpeg from writing fragments.
SOUND_WAIT_US = US
SOUND_AGAIN = 10  # packets of sound without a track: at the next keyframe there is one
SOUND_WAIT_BYTES = 16 << 20


@dataclass(slots=True)
class _Open:
    file: SegmentFile
    facts: Facts
    disk: Disk
    relative: str
    boundary_us: int
    has_sound: bool
    unheard: int = 0  # packets of sound that came all the same


@dataclass(slots=True)
class _Cut:
    """A keyframe that ends the open segment, if there is one, and what came since."""

    pts: int
    since_us: int
    picture: Picture | None
    held: list[Packet[Any]] = field(default_factory=list)
    bytes: int = 0


class Segmenter:
    """Owns the open segment of a camera. One thread feeds it; `finish` may come from another
    thread under the station's lock."""

    def __init__(
        self,
        directory: DataDirectory,
        camera: Camera,
        feed: Feed,
        progress: Progress,
        scribe: Scribe,
        disks: Disks,
        chronicle: Chronicle,
    ) -> None:
        self.directory = directory
        self.disks = disks
        self.chronicle = chronicle
        self.landing = Landing(camera, progress, scribe)
        self.camera = camera
        self.streams = feed.streams
        self.progress = progress
        self.scribe = scribe
        self.steady = feed.steady
        self._base: Fraction = self.streams.video.time_base or Fraction(1, 90_000)
        # In ticks: fractions are too dear for every picture of every camera.
        self._jump_forward = int(JUMP_FORWARD_S / self._base)
        self._jump_back = int(JUMP_BACK_S / self._base)
        self._shown_late = int(SHOWN_LATE_S / self._base)
        self.clock = self._new_clock()
        self._parameters = Parameters(self.streams.video)
        self._picture: Picture | None = None
        self._open: _Open | None = None
        self._cut: _Cut | None = None
        self._last_dts: int | None = None
        self._last_pts: int | None = None
        self._last_arrival_us = self.steady.now_us()
        self._moved_us = self._last_arrival_us  # when time stamps last advanced
        self._heard_us: int | None = None  # arrival of the last sound
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
        return self.clock.at_us(self._last_pts) - self.steady.now_us()

    def feed(self, arrival: Arrival) -> None:
        """Take a packet. RecordingFailed when this stretch cannot go on."""
        if self.progress.failure is not None and (failure := self.progress.settle()):
            self._drop()
            raise failure
        self.progress.bytes += arrival.packet.size
        self.progress.last_packet_us = arrival.arrival_us
        self._judge(arrival)
        if arrival.packet.stream_index == self.streams.video.index:
            self._video(arrival)
        else:
            self._sound(arrival)
        if self._cut is not None and arrival.arrival_us - self._cut.since_us > SOUND_WAIT_US:
            self._turn()

    def finish(self) -> None:
        """End the open segment, if any: the stretch is over."""
        try:
            if self._cut is not None:
                self._turn()
            if self._open is not None:
                self._close(None)
        except (HindsightError, av.error.FFmpegError, RecordingFailed) as error:
            log.error("camera %s: closing failed (%s)", self.camera.slug, error)

    def _judge(self, arrival: Arrival) -> None:
        """By outcome: bytes alone are no recording."""
        patience_us = int(self.directory.settings.recorder.read_timeout_s * US)
        if arrival.arrival_us - self._last_arrival_us > patience_us + SILENCE_US:
            if arrival.packet.stream_index != self.streams.video.index:
                raise RecordingFailed(GapCause.STALLED, "sound comes, but no picture")
        elif self._last_arrival_us - self._moved_us > patience_us:
            raise RecordingFailed(GapCause.STALLED, "pictures come, but their time stands still")

    def _video(self, arrival: Arrival) -> None:
        packet = arrival.packet
        pts = packet.pts if packet.pts is not None else packet.dts
        if pts is None:
            return  # never: the feed dates every packet
        dts = packet.dts if packet.dts is not None else pts
        if abs(pts - dts) > self._shown_late:
            packet.pts = pts = dts
        if self._last_dts is not None:
            step = dts - self._last_dts
            if step > self._jump_forward or step < -self._jump_back:
                self._break(float(step * self._base), arrival)
        if self._last_dts is None or dts != self._last_dts:
            self._moved_us = arrival.arrival_us
        self._last_dts, self._last_pts = dts, pts
        self._last_arrival_us = arrival.arrival_us
        self.clock.observe(pts, dts, arrival.arrival_us, arrival.camera_us, exact=arrival.exact)
        self.progress.pictures += 1
        if packet.is_keyframe:
            self._keyframe(arrival, pts)
        if self._cut is not None:
            self._hold(packet)
        elif self._open is not None:
            if self._open.file.write(packet, self.streams.video):
                self._see_backlog(self._open.file.tape)
        else:
            self._wait_for_keyframe(arrival.arrival_us)

    def _see_backlog(self, tape: Tape) -> None:
        settings = self.directory.settings.recorder
        if tape.backlog_bytes <= settings.buffer_bytes and tape.backlog_s <= settings.buffer_s:
            return
        raise RecordingFailed(
            GapCause.DISK_SLOW,
            f"volume {tape.disk.volume.name} is too slow: {tape.backlog_bytes / 1e6:.1f} MB wait"
            f" for it since {tape.backlog_s:.0f} s",
        )

    def _keyframe(self, arrival: Arrival, pts: int) -> None:
        if self._keyframe_pts is not None and pts > self._keyframe_pts:
            self.progress.gop_us = int((pts - self._keyframe_pts) * self._base * US)
            if self.progress.gop_us > LONG_GOP_US:
                gop_s = f"{self.progress.gop_us / US:.0f} s"
                self.chronicle.happened(EventKind.GOP_LONG, gop_s)
        self._keyframe_pts = pts
        if step_us := self.steady.step_us():
            self.chronicle.happened(EventKind.CLOCK_SET, f"{step_us / US:+.1f} s")
        extradata, set_us = self._parameters.changed(arrival.packet), self.steady.slip_us
        must = extradata is not None or abs(set_us) > SET_US
        if self._cut is not None and must:
            self._turn()
        if extradata is not None:
            self._picture = self._changed(extradata, arrival.packet)
        if abs(set_us) > SET_US:
            self._clock_was_set(pts, set_us)
        elif self.clock.is_astray:
            self._go_astray(pts)
        if self._cut is None and (self._open is None or must or self._is_due(pts)):
            self._cut = _Cut(pts, arrival.arrival_us, self._picture)
            if self.streams.audio is None or (self._open is not None and not self._hears()):
                self._turn()

    def _sound(self, arrival: Arrival) -> None:
        """Sound belongs to the segment whose pictures it accompanies, however late it comes."""
        audio, packet = self.streams.audio, arrival.packet
        ticks = packet.pts if packet.pts is not None else packet.dts
        if audio is None or ticks is None:
            return
        self._heard_us = arrival.arrival_us
        base = audio.time_base or Fraction(1, 90_000)
        if self._cut is not None and ticks * base >= self._cut.pts * self._base:
            self._hold(packet)
            if self._cut is not None:
                self._turn()
        elif self._open is not None and self._open.has_sound:
            self._open.file.write(packet, audio)
        elif self._open is not None:
            self._open.unheard += 1

    def _hears(self) -> bool:
        """Whether sound comes, as far as the last second tells."""
        return self._heard_us is not None and self._last_arrival_us - self._heard_us < US

    def _hold(self, packet: Packet[Any]) -> None:
        assert self._cut is not None
        self._cut.held.append(packet)
        self._cut.bytes += packet.size
        if self._cut.bytes > SOUND_WAIT_BYTES:
            self._turn()

    def _turn(self) -> None:
        """From the open segment, if there is one, to the next, at the cut."""
        assert self._cut is not None
        cut, self._cut = self._cut, None
        if self._open is not None:
            self._close(cut.pts)
        opened = self._begin(cut.pts, cut.picture, has_sound=self._hears())
        for packet in cut.held:
            video = packet.stream_index == self.streams.video.index
            source = self.streams.video if video else self.streams.audio
            if source is not None:
                opened.file.write(packet, source)

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
        if self._open.unheard >= SOUND_AGAIN:
            return True
        segment_s = self.directory.settings.recorder.segment_s
        return should_cut(
            self.clock.at_us(pts), self._open.facts.start_us, self._open.boundary_us,
            self.progress.gop_us, segment_s,
        )  # fmt: skip

    def _break(self, step_s: float, arrival: Arrival) -> None:
        """The time stamps jumped: another stretch begins. Time is missing only where none came."""
        self.finish()
        silent_us = arrival.arrival_us - self._last_arrival_us
        missing_us = silent_us if silent_us > SILENCE_US else 0
        cause = GapCause.PTS_JUMP
        detail = f"time stamps jumped by {step_s:+.1f} s after {silent_us / US:.1f} s of silence"
        log.warning("camera %s: %s", self.camera.slug, detail)
        self._begin_gap(cause, detail)
        begins_us = None
        if self.progress.recorded_to_us is not None:
            begins_us = self.progress.recorded_to_us + missing_us
        self.clock = self._new_clock(begins_us)
        self._keyframe_pts = None

    def _clock_was_set(self, pts: int, set_us: int) -> None:
        """The machine's clock was set while we ran: from here on it is believed again. What it
        dated before gets a correction, and no time is missing between the two."""
        self.finish()
        log.warning("camera %s: the recorder's clock was set by %+.1f s", self.camera.slug,
                    set_us / US)  # fmt: skip
        begins_us = self.clock.at_us(pts) + set_us
        clock_was_set(self.camera, self.progress, self.scribe, self.steady, begins_us)
        self.clock = self._new_clock(begins_us)
        self.clock.observe(pts, pts, self.steady.now_us(), None)

    def _go_astray(self, pts: int) -> None:
        """The camera's stamps run so wrong that no slewing follows them: another stretch."""
        self.finish()
        detail = f"time stamps ran {self.clock.behind_us / US:+.0f} s away from the clock"
        log.warning("camera %s: %s", self.camera.slug, detail)
        self._begin_gap(GapCause.PTS_JUMP, detail)
        self.clock = self._new_clock()
        self.clock.observe(pts, pts, self.steady.now_us(), None)

    def _new_clock(self, begins_us: int | None = None) -> WallClock:
        floor = floor_us(self.progress.recorded_to_us, self.steady.now_us())
        return WallClock(self._base, steady=self.steady, not_before_us=floor, begins_us=begins_us)

    def _changed(self, extradata: bytes, packet: Packet[Any]) -> Picture | None:
        size = picture_size(codec_name(self.streams.video), extradata, bytes(packet))
        if size is None:
            return self._picture
        log.warning("camera %s changed its picture to %d×%d", self.camera.slug, *size)
        self.chronicle.happened(EventKind.PICTURE_CHANGED, f"{size[0]}×{size[1]}")
        return Picture(extradata, *size)

    def _begin_gap(self, cause: GapCause, detail: str) -> None:
        start_us = self.progress.recorded_to_us
        if start_us is None:
            return  # nothing was recorded yet: the time before the first picture is its own matter
        camera_id = self.camera.id
        self.scribe.enter(lambda tx: timeline.open_gap(tx, camera_id, start_us, cause, detail))

    def _begin(self, pts: int, picture: Picture | None, *, has_sound: bool) -> _Open:
        settings, before = self.directory.settings, self.progress.tape
        on_its_way = before is not None and not before.is_settled
        reserve_bytes = self.progress.reserve_bytes(settings.recorder.segment_s)
        disk = self.disks.choose(
            reserve_bytes, before.disk if before is not None and on_its_way else None
        )
        start_us = self.clock.at_us(pts)
        segment_id = str(ULID())
        facts = Facts(
            segment=segment_id, camera=self.camera.slug, start_us=start_us,
            prev_sha256=self.progress.chain, clock_source=self.clock.source,
            clock_error_us=self.clock.error_us, first_pts=pts,
            time_base=f"{self._base.numerator}/{self._base.denominator}",
            created_us=self.directory.clock.now_us(),
        )  # fmt: skip
        relative = segment_path(self.camera.slug, start_us, segment_id, SUFFIX.lstrip("."))
        streams = self.streams if has_sound else replace(self.streams, audio=None)
        tape = Tape(disk, disk.volume.root / relative, reserve_bytes, self.landing.lost, before)
        self.progress.tape = tape
        file = SegmentFile(tape, facts, streams, pts, settings.recorder.fragment_s, picture)
        boundary = next_boundary_us(start_us, settings.recorder.segment_s)
        opened = self._open = _Open(file, facts, disk, relative, boundary, has_sound)
        self._waiting_since_us = None
        taken_on_us = self.progress.taken_on_us

        self.scribe.enter(lambda tx: bookkeeping.began(tx, self.camera.id, start_us, taken_on_us))
        return opened

    def _close(self, next_pts: int | None) -> None:
        """End the open segment: where the next one starts, or with its last picture."""
        assert self._open is not None
        opened, self._open = self._open, None
        file = opened.file
        end_pts = file.end_pts if next_pts is None else next_pts
        if next_pts is not None:
            self.clock.slew(next_pts)
        end_us = max(self.clock.at_us(end_pts), opened.facts.start_us)
        duration_us = int((end_pts - file.first_pts) * self._base * US)
        camera, pictures = self.camera, file.pictures

        def published(size_bytes: int, sha256: str) -> None:
            self.landing.keep(
                closed_row(
                    camera, opened.disk.volume, opened.relative, opened.facts,
                    (size_bytes, sha256), end_us=end_us, duration_us=duration_us,
                    pictures=pictures,
                )
            )  # fmt: skip

        self.progress.recorded_to_us = file.tape.ends_us = end_us
        self.progress.chain = file.publish(published)
        if duration_us > US:
            self.progress.bytes_per_s = file.tape.size_bytes * US / duration_us
        self._note_offset()

    def _note_offset(self) -> None:
        """How far the camera's clock is off goes into its history."""
        offset_us, followed = self.clock.camera_offset_us, self.clock.follows_camera
        self.progress.clock_offset_us = offset_us
        if offset_us is not None:
            camera_id, now_us = self.camera.id, self.steady.now_us()

            def entry(tx: Connection) -> None:
                clocks.note_offset(tx, camera_id, now_us, offset_us, followed)

            self.scribe.enter(entry)

    def _drop(self) -> None:
        """What is open goes nowhere any more: the segment before it did not get to the disk."""
        opened, self._open, self._cut = self._open, None, None
        if opened is not None:
            opened.file.abandon(FollowsFailed())
