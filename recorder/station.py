"""One camera in a capture process: connect, record, on failure note the gap, wait, again."""

from __future__ import annotations

import logging
import random
import threading
from contextlib import ExitStack
from functools import partial

from recorder import bookkeeping
from recorder.chronicle import Chronicle
from recorder.clocksetting import clock_was_set
from recorder.closing import adopt_leftovers
from recorder.disk import Disk, Disks
from recorder.failing import RecordingFailed
from recorder.packets import Feed
from recorder.progress import Progress
from recorder.rtsp.session import BeyondUs
from recorder.scribe import Scribe
from recorder.segmenter import Segmenter
from recorder.sources import SourceFailed, source_of
from recorder.wallclock import SET_US, SteadyClock
from storage import register, segments, timeline
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import Conflict, HindsightError
from storage.events import EventKind
from storage.logs import redact
from storage.vocabulary import Camera, CameraState, GapCause, Span

log = logging.getLogger(__name__)
FIRST_WAIT_S = 0.5
STATE_EVERY_US = 2 * US
LOCK_WAIT_S = 0.25
DRAIN_S = 10.0  # what disk and ledger get to take the last of it; later it is adopted
ADOPT_S = 30.0  # what taking in leftovers may take; a slow disk goes on with it meanwhile
SETTLED_PICTURES = 50  # a connection that brought so many was a good one
AHEAD_US = 10 * US  # what a web server may send before it is made to wait


class Station(threading.Thread):
    """Records a camera until `stop` is set. `step_us` tells when it last came back from FFmpeg.

    A lock per camera keeps it to one process: one whose supervisor was killed may still be closing
    its segment when the next wants to adopt it.
    """

    def __init__(
        self,
        directory: DataDirectory,
        camera: Camera,
        scribe: Scribe,
        disks: Disks,
        *,
        restarts: int = 0,
        cause_before: GapCause = GapCause.UNKNOWN,
    ) -> None:
        super().__init__(name=f"station {camera.slug}", daemon=True)
        self.directory = directory
        self.camera = camera
        self.scribe = scribe
        self.disks = disks
        self.stop = threading.Event()
        self.restarts = restarts
        self.cause_before = cause_before
        self.steady = SteadyClock(directory.clock)
        self.chronicle = Chronicle(camera, scribe, directory.clock)
        self.progress = Progress(taken_on_us=self.steady.now_us())
        self.step_us = directory.clock.monotonic_us()
        self.finished = False  # a file that is not looped came to its end
        self._lock = threading.Lock()  # guards the segmenter against `finish` from outside
        self._segmenter: Segmenter | None = None
        self._held = ExitStack()  # the lock of this camera
        self._state = ("connecting", directory.clock.now_us())
        self._error: str | None = None
        self._cause: GapCause | None = None
        self._state_said_us = 0  # monotonic
        self._rate = _Rate()
        self._by_ffmpeg = False  # our own reader met what it does not understand

    @property
    def is_recording(self) -> bool:
        """Whether pictures are being kept."""
        return self._state[0] == "recording"

    def run(self) -> None:
        """Until told to stop; nothing that goes wrong with this camera ends the thread."""
        while not self.stop.is_set():
            try:
                with ExitStack() as self._held:
                    self._held.enter_context(self.directory.exclusive(f"capture-{self.camera.id}"))
                    self._work()
                    self._drain()
                return
            except Conflict:
                self._error = "another capture process still closes a segment of this camera"
                self._say("connecting")
                self._wait(LOCK_WAIT_S)

    def _work(self) -> None:
        wait_s = FIRST_WAIT_S
        self._take_on()
        while not self.stop.is_set():
            pictures = self.progress.pictures
            try:
                self._record()
            except SourceFailed as failure:
                got = self.progress.pictures > pictures
                cause = GapCause.STALLED if got else GapCause.CONNECT_FAILED
                self._failed(cause, str(failure))
            except BeyondUs:  # seen at last: its pictures are out of order
                self._by_ffmpeg = True
                self._failed(GapCause.UNKNOWN, "its stream is of a kind that FFmpeg has to read")
            except RecordingFailed as failure:
                self._failed(failure.cause, failure.detail)
            except Exception as error:  # a muxer that refuses a packet, a defect of ours: this
                # stretch is over, and never silently; the next one gets its chance.
                log.debug("camera %s", self.camera.slug, exc_info=True)
                self._failed(GapCause.UNKNOWN, str(error) or type(error).__name__)
            if self.finished or self.stop.is_set():
                break
            if self.progress.pictures > pictures + SETTLED_PICTURES:
                wait_s = FIRST_WAIT_S
            self._wait(wait_s * random.uniform(0.8, 1.2))
            wait_s = min(wait_s * 2, self.directory.settings.recorder.backoff_s)
        if self.finished:
            self._end_of_file()
        self._say("stopped", force=True)

    def _drain(self) -> None:
        """See that all is on disk and in the ledger, or said to be lost."""
        self.disks.drain(DRAIN_S)
        self._settle()
        self.scribe.drain(DRAIN_S)

    def _settle(self) -> None:
        """Footage that was handed over and that its disk did not take is a gap."""
        logical_us = self.progress.recorded_to_us
        failure = self.progress.settle()
        if failure is None:
            return
        log.warning("camera %s: %s: %s", self.camera.slug, failure.cause.value, failure.detail)
        start_us = self.progress.recorded_to_us or self.progress.taken_on_us
        if logical_us is not None and logical_us > start_us:
            lost, cause, detail = Span(start_us, logical_us), failure.cause, failure.detail
            self.scribe.enter(partial(
                bookkeeping.unwritten, camera_id=self.camera.id, lost=lost, cause=cause,
                detail=detail,
            ))  # fmt: skip

    def _wait(self, seconds: float) -> None:
        """Until told to stop, saying meanwhile that this thread is well."""
        end_us = self.directory.clock.monotonic_us() + int(seconds * US)
        while not self.stop.is_set():
            self._mark()
            left_us = end_us - self.step_us
            if left_us <= 0:
                return
            self._say(self._state[0])  # a state settles by being said
            self.stop.wait(min(1.0, left_us / US))

    def leave(self) -> None:
        """Give up this thread, which hangs in FFmpeg; its segment is closed for it."""
        if self._lock.acquire(timeout=LOCK_WAIT_S):  # else it hangs in the muxer: to be adopted
            try:
                self._finish()
            finally:
                self._lock.release()
        self._say("stopped", force=True)
        self._drain()
        self._held.close()

    def _finish(self) -> None:
        if self._segmenter is not None:
            self._segmenter.finish()
            self._segmenter = None

    def _take_on(self) -> None:
        """Adopt what a kill left, and see that the time since is a gap."""
        self._adopt()
        self.chronicle.begin(has_begun=self.progress.recorded_to_us is not None)
        if self.restarts:
            self.chronicle.happened(EventKind.PROCESS_RESTARTED)
        camera_id, now_us, cause = self.camera.id, self.progress.taken_on_us, self.cause_before
        again = self.restarts > 0
        self.scribe.enter(
            lambda tx: bookkeeping.taken_on(tx, camera_id, now_us, cause, again=again)
        )

    def _adopt(self) -> None:
        """What a kill left is taken in by the disks' threads; nobody waits for a slow one long."""
        waiting = [threading.Event() for _ in self.disks.all]
        for disk, done in zip(self.disks.all, waiting, strict=True):
            disk.submit(partial(self._adopt_on, disk, done))
        end_us = self.directory.clock.monotonic_us() + int(ADOPT_S * US)
        for done in waiting:
            while not (done.wait(1.0) or self.stop.is_set() or self.step_us > end_us):
                self._mark()
        self.progress.left_behind = False
        try:
            with self.directory.ledger.read() as tx:
                newest = segments.last_segment(tx, self.camera.id, "live")
                now_us = self.directory.clock.now_us()
                ends_us = bookkeeping.recorded_to_us(tx, self.camera.id, now_us)
        except HindsightError as error:  # a busy ledger: the chain begins anew
            log.error("camera %s: %s", self.camera.slug, error)
        else:
            self.progress.start_after(None if newest is None else newest.sha256, ends_us)

    def _adopt_on(self, disk: Disk, done: threading.Event) -> None:
        try:
            adopt_leftovers(self.directory, self.camera, disk.volume)
        except (HindsightError, OSError) as error:  # a busy ledger: the next start finds them
            log.error("camera %s: %s", self.camera.slug, error)
        done.set()

    def _record(self) -> None:
        self._settle()
        segment_s = self.directory.settings.recorder.segment_s
        self.disks.choose(self.progress.reserve_bytes(segment_s))  # else why ask the camera
        if self.progress.left_behind:  # a disk is back: what waits there comes before what follows
            self.scribe.drain(DRAIN_S)
            self._adopt()
        with self.directory.ledger.read() as tx:
            secret = register.credentials_of(tx, self.camera.id, self.directory.vault)
        settings = self.directory.settings.recorder
        source = source_of(self.camera.url or "", secret, settings)
        self._mark()
        if self._state[0] != "stalled":
            self._say("connecting", force=True)
        if abs(self.steady.slip_us) > SET_US:
            begins_us = self.directory.clock.now_us()
            clock_was_set(self.camera, self.progress, self.scribe, self.steady, begins_us)
        feed = Feed(source, settings, self.steady, by_ffmpeg=self._by_ffmpeg)
        self._by_ffmpeg = feed.by_ffmpeg
        try:
            self._mark()
            with self._lock:
                self._segmenter = Segmenter(
                    self.directory, self.camera, feed, self.progress, self.scribe, self.disks,
                    self.chronicle,
                )  # fmt: skip
            for arrival in feed.packets(self.stop):
                with self._lock:
                    if self._segmenter is None:
                        return  # finished from outside
                    self._segmenter.feed(arrival)
                    recording = self._segmenter.is_recording
                    ahead_us = self._segmenter.ahead_us if source.pulled else 0
                self._mark()
                self._rate.add(arrival.packet.size, self.progress.pictures, self.step_us)
                if recording and self._is_due("recording"):
                    self._say("recording")
                if ahead_us > AHEAD_US:
                    self._wait((ahead_us - AHEAD_US) / US)
            self.finished = source.file is not None and not self.stop.is_set()
        finally:
            with self._lock:
                self._finish()
            feed.close()

    def _failed(self, cause: GapCause, detail: str) -> None:
        """The gap begins where the footage ends; where the camera was taken on when there never
        was any."""
        if self.stop.is_set():
            return  # what is expected from here on is the supervisor's to say
        if failure := self.progress.settle():  # the disk had given up before
            cause, detail = failure.cause, failure.detail
        detail = redact(detail)
        log.warning("camera %s: %s: %s", self.camera.slug, cause.value, detail)
        self._error, self._cause = detail, cause
        if cause is GapCause.DISK_SLOW:
            self.chronicle.happened(EventKind.DISK_SLOW, detail)
        camera_id, taken_on_us = self.camera.id, self.progress.taken_on_us
        recorded_to_us = self.progress.recorded_to_us
        self.scribe.enter(
            lambda tx: bookkeeping.failed(
                tx, camera_id, cause, detail, taken_on_us=taken_on_us,
                recorded_to_us=recorded_to_us,
            )
        )  # fmt: skip
        self._say("stalled" if recorded_to_us else "connecting", force=True)

    def _end_of_file(self) -> None:
        self.disks.drain(DRAIN_S)
        self._settle()
        end_us = self.progress.recorded_to_us or self.directory.clock.now_us()
        self.scribe.enter(lambda tx: timeline.end_expectation(tx, self.camera.id, end_us))

    def _mark(self) -> None:
        self.step_us = self.directory.clock.monotonic_us()

    def _is_due(self, state: str) -> bool:
        """Whether there is anything to say, as of the last step: asked for every packet."""
        return self._state[0] != state or self.step_us - self._state_said_us >= STATE_EVERY_US

    def _say(self, state: str, *, force: bool = False) -> None:
        """Have the state row written, every STATE_EVERY_US or at once when the state changed."""
        now_us, monotonic_us = self.directory.clock.now_us(), self.directory.clock.monotonic_us()
        if state == "recording":
            self._error = self._cause = None
        changed = state != self._state[0]
        if changed:
            self._state = (state, now_us)
        if not (changed or force or monotonic_us - self._state_said_us >= STATE_EVERY_US):
            return
        self._state_said_us = monotonic_us
        self.chronicle.is_now(state, self._cause, self._error)
        gop_us = self.progress.gop_us
        self.scribe.say(
            CameraState(
                camera_id=self.camera.id, state=state, since_us=self._state[1], alive_us=now_us,
                last_packet_us=self.progress.last_packet_us, bitrate_bps=self._rate.bits_per_s,
                fps=self._rate.pictures_per_s, gop_s=None if gop_us is None else gop_us / US,
                restarts=self.restarts, error=self._error,
                clock_offset_us=self.progress.clock_offset_us,
                backlog_us=self.progress.backlog_us,
            ),
            now=changed or force,
        )  # fmt: skip


class _Rate:
    """Bits and pictures per second over the last ten seconds or so."""

    WINDOW_US = 10 * US

    def __init__(self) -> None:
        self._start: tuple[int, int] | None = None  # (time, pictures) where the window began
        self._bytes = 0
        self.bits_per_s: float | None = None
        self.pictures_per_s: float | None = None

    def add(self, size: int, pictures: int, now_us: int) -> None:
        """A packet of `size` bytes; `pictures` so far."""
        if self._start is None:
            self._start = (now_us, pictures)
        self._bytes += size
        span_us = now_us - self._start[0]
        if span_us >= self.WINDOW_US or (self.bits_per_s is None and span_us >= US):
            self.bits_per_s = self._bytes * 8 * US / span_us
            self.pictures_per_s = (pictures - self._start[1]) * US / span_us
            if span_us >= self.WINDOW_US:
                self._start, self._bytes = (now_us, pictures), 0
