"""One camera in a capture process: connect, record, on failure note the gap, wait, again."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from contextlib import ExitStack

from recorder.closing import adopt_leftovers
from recorder.packets import Feed
from recorder.segmenter import Progress, RecordingFailed, Segmenter
from recorder.sources import SourceFailed, source_of
from storage import camera_states, register, segments, timeline
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import Conflict, HindsightError
from storage.logs import redact
from storage.vocabulary import Camera, CameraState, GapCause

log = logging.getLogger(__name__)
FIRST_WAIT_S = 0.5
STATE_EVERY_US = 2 * US
LOCK_WAIT_S = 0.25
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
        *,
        restarts: int = 0,
        cause_before: GapCause = GapCause.UNKNOWN,
    ) -> None:
        super().__init__(name=f"station {camera.slug}", daemon=True)
        self.directory = directory
        self.camera = camera
        self.stop = threading.Event()
        self.restarts = restarts
        self.cause_before = cause_before
        self.progress = Progress()
        self.step_us = directory.clock.monotonic_us()
        self.finished = False  # a file that is not looped came to its end
        self._lock = threading.Lock()  # guards the segmenter against `finish` from outside
        self._segmenter: Segmenter | None = None
        self._held = ExitStack()  # the lock of this camera
        self._state = ("connecting", directory.clock.now_us())
        self._error: str | None = None
        self._state_written_us = 0
        self._rate = _Rate()

    def run(self) -> None:
        """Until told to stop; nothing that goes wrong with this camera ends the thread."""
        while not self.stop.is_set():
            try:
                with ExitStack() as self._held:
                    self._held.enter_context(self.directory.exclusive(f"capture-{self.camera.id}"))
                    self._work()
                return
            except Conflict:
                self._error = "another capture process still closes a segment of this camera"
                self._say("connecting")
                self._wait(LOCK_WAIT_S)

    def _work(self) -> None:
        wait_s = FIRST_WAIT_S
        self._guarded(self._take_on)
        while not self.stop.is_set():
            began_us = self.directory.clock.now_us()
            pictures = self.progress.pictures
            try:
                self._record()
            except SourceFailed as failure:
                got = self.progress.pictures > pictures
                cause = GapCause.STALLED if got else GapCause.CONNECT_FAILED
                self._failed(cause, str(failure), began_us)
            except RecordingFailed as failure:
                self._failed(failure.cause, failure.detail, began_us)
            except Exception as error:  # a busy ledger, a muxer that refuses a packet, a defect of
                # ours: this stretch is over, and never silently; the next one gets its chance.
                log.debug("camera %s", self.camera.slug, exc_info=True)
                self._failed(GapCause.UNKNOWN, str(error) or type(error).__name__, began_us)
            if self.finished or self.stop.is_set():
                break
            if self.progress.pictures > pictures + 50:
                wait_s = FIRST_WAIT_S
            self._wait(wait_s * random.uniform(0.8, 1.2))
            wait_s = min(wait_s * 2, self.directory.settings.recorder.backoff_s)
        if self.finished:
            self._guarded(self._end_of_file)
        self._say("stopped", force=True)

    def _wait(self, seconds: float) -> None:
        """Until told to stop, saying meanwhile that this thread is well."""
        end_us = self.directory.clock.monotonic_us() + int(seconds * US)
        while not self.stop.is_set():
            self._mark()
            left_us = end_us - self.step_us
            if left_us <= 0:
                return
            self.stop.wait(min(1.0, left_us / US))

    def leave(self) -> None:
        """Give up this thread, which hangs in FFmpeg; its segment is closed for it."""
        self.finish()
        self._say("stopped", force=True)
        self._held.close()

    def finish(self) -> None:
        """Close the open segment; from the main thread when this one hangs in FFmpeg."""
        with self._lock:
            if self._segmenter is not None:
                self._segmenter.finish()
                self._segmenter = None

    def _take_on(self) -> None:
        """Adopt what a kill left, and see that the time since is a gap."""
        adopt_leftovers(self.directory, self.camera)
        with self.directory.ledger.write() as tx:
            now_us = self.directory.clock.now_us()
            since = timeline.open_expectation(tx, self.camera.id)
            if since is None and not self.restarts:
                return  # expected from its first picture on, or from a first failure
            if since is None:  # a process was lost before it could say either
                timeline.expect(tx, self.camera.id, now_us)
                since = now_us
            running = timeline.gaps(tx, camera_ids=[self.camera.id], from_us=now_us)
            if any(gap.end_us is None for gap in running):
                return
            newest, _ = segments.neighbours(tx, self.camera.id, now_us)
            start_us = since if newest is None else max(since, newest.end_us)
            timeline.open_gap(tx, self.camera.id, start_us, self.cause_before)

    def _record(self) -> None:
        with self.directory.ledger.read() as tx:
            secret = register.credentials_of(tx, self.camera.id, self.directory.vault())
        settings = self.directory.settings.recorder
        source = source_of(self.camera.url or "", secret, settings)
        self._mark()
        if self._state[0] != "stalled":
            self._say("connecting", force=True)
        feed = Feed(source, settings, self.directory.clock)
        try:
            self._mark()
            with self._lock:
                self._segmenter = Segmenter(
                    self.directory, self.camera, feed.streams, self.progress
                )
            for arrival in feed.packets(self.stop):
                self._mark()
                with self._lock:
                    if self._segmenter is None:
                        return  # finished from outside
                    self._segmenter.feed(arrival)
                    recording, ahead_us = self._segmenter.is_recording, self._segmenter.ahead_us
                self._rate.add(arrival.packet.size, self.progress.pictures, self.step_us)
                if recording:
                    self._say("recording")
                if source.pulled and ahead_us > AHEAD_US:
                    self._wait((ahead_us - AHEAD_US) / US)
            self.finished = source.file is not None and not self.stop.is_set()
        finally:
            self.finish()
            feed.close()

    def _failed(self, cause: GapCause, detail: str, began_us: int) -> None:
        """The gap begins where the footage ends; at the attempt when there never was any."""
        if self.stop.is_set():
            return  # what is expected from here on is the supervisor's to say
        detail = redact(detail)
        log.warning("camera %s: %s: %s", self.camera.slug, cause.value, detail)
        self._error = detail

        def note() -> None:
            with self.directory.ledger.write() as tx:
                if timeline.open_expectation(tx, self.camera.id) is None:
                    timeline.expect(tx, self.camera.id, began_us)
                start_us = self.progress.recorded_to_us or began_us
                timeline.open_gap(tx, self.camera.id, start_us, cause, detail)

        self._guarded(note)
        self._say("stalled" if self.progress.recorded_to_us else "connecting", force=True)

    def _end_of_file(self) -> None:
        with self.directory.ledger.write() as tx:
            end_us = self.progress.recorded_to_us or self.directory.clock.now_us()
            timeline.end_expectation(tx, self.camera.id, end_us)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Bookkeeping that may fail (a full disk, a busy ledger) without ending the thread."""
        try:
            work()
        except (HindsightError, OSError) as error:
            log.error("camera %s: %s", self.camera.slug, error)

    def _mark(self) -> None:
        self.step_us = self.directory.clock.monotonic_us()

    def _say(self, state: str, *, force: bool = False) -> None:
        """Write the state row, at most every STATE_EVERY_US unless the state changed."""
        now_us = self.directory.clock.now_us()
        if state == "recording":
            self._error = None
        changed = state != self._state[0]
        if changed:
            self._state = (state, now_us)
        if not (changed or force or now_us - self._state_written_us >= STATE_EVERY_US):
            return
        self._state_written_us = now_us
        gop_us = self.progress.gop_us
        row = CameraState(
            camera_id=self.camera.id, state=state, since_us=self._state[1], alive_us=now_us,
            last_packet_us=self.progress.last_packet_us, bitrate_bps=self._rate.bits_per_s,
            fps=self._rate.pictures_per_s, gop_s=None if gop_us is None else gop_us / US,
            restarts=self.restarts, error=self._error,
        )  # fmt: skip

        def write() -> None:
            with self.directory.ledger.write() as tx:
                camera_states.set_state(tx, row)

        self._guarded(write)


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
