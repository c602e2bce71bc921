"""The supervisor: which camera in which capture process. It judges by outcome, may lose any."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection

from recorder import bookkeeping, service
from recorder.closing import adopt_leftovers
from recorder.lake_job import LakeJob
from recorder.nursery import Child, Nursery
from recorder.sealer import seal_if_due
from storage import clocks, events, register
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import HindsightError
from storage.events import EventKind
from storage.keeper import Keeper
from storage.vocabulary import Camera, GapCause

log = logging.getLogger(__name__)
REGISTER_EVERY_S = 3.0
TICK_S = 0.25
BEAT_LOST_S = 15.0  # a process that says nothing so long is wedged as a whole
START_GRACE_S = 30.0  # importing FFmpeg and opening the ledger on a busy machine
GRACE_S = 20.0  # after being told to stop
END_S = 8.0  # the same for a process with a camera that hangs: the others wait for it
CALM_S = 600.0  # a process lost so long after the one before is no series
TELL_EVERY_S = 5.0
HISTORY_US = 2 * 366 * 86_400 * US  # events and clock offsets are kept so long
KILL_S = 5.0  # what a killed process gets to be gone
RESPAWN_MOST_S = 30.0


@dataclass(slots=True)
class Capture:
    """One capture process and what was last heard from it."""

    cameras: list[Camera]
    process: Child
    heard: float
    listener: threading.Thread | None = None
    leaving: dict[int, int] = field(default_factory=dict)  # camera → when it was told to stop, UTC
    beat: dict[str, dict[str, object]] = field(default_factory=dict)
    hung: list[Camera] = field(default_factory=list)  # whose threads did not come back
    let_go_at: float | None = None

    def says(self, camera: Camera, word: str) -> object:
        """What was last heard of a camera; None when nothing was."""
        return self.beat.get(str(camera.id), {}).get(word)

    def order(self, word: str) -> None:
        """Tell it the number of a camera to let go of, or the plan of one to take on."""
        with suppress(OSError, ValueError):  # it just died: that is judged elsewhere
            self.process.stdin.write(f"{word}\n".encode())
            self.process.stdin.flush()

    def let_go(self) -> None:
        """Tell it to end."""
        self.let_go_at = time.monotonic()
        with suppress(OSError):
            self.process.stdin.close()

    @property
    def is_well(self) -> bool:
        """Whether it may take on one more camera."""
        return bool(self.beat) and self.let_go_at is None and not self.hung


@dataclass(slots=True)
class _History:
    """What happened to a camera's processes."""

    restarts: int = 0
    in_a_row: int = 0  # of these, those that came soon after one another
    lost_at: float = float("-inf")
    alone: bool = False
    not_before: float = 0.0
    cause: GapCause = GapCause.UNKNOWN


class Supervisor:
    """Records the chosen cameras (all enabled ones when None) until told to stop."""

    def __init__(
        self, directory: DataDirectory, chosen: Sequence[str] | None, nursery: Nursery
    ) -> None:
        self.directory = directory
        self.nursery = nursery
        self._lake = LakeJob(directory)
        self.keeper = Keeper(
            directory, also=[self._look_after, self._lake.look], deleted=self._lake.deleted
        )
        self.chosen = chosen
        self.captures: list[Capture] = []
        self.finished: set[int] = set()
        self._history: dict[int, _History] = {}
        self._wanted: dict[int, Camera] = {}
        self._unseals = False  # whether capture processes need what unseals and encrypts
        self._began_us: dict[int, int] = {}  # when a camera was taken on

    def run(
        self, stop: threading.Event, seconds: float | None, look: threading.Event | None = None
    ) -> None:
        """Until `stop` is set, the time is up, or every camera (files) came to its end. `look`
        asks for a look at the register at once."""
        look = look or threading.Event()
        end = None if seconds is None else time.monotonic() + seconds
        refreshed = told = -REGISTER_EVERY_S
        self._note_event(EventKind.RECORDER_STARTED)
        self.keeper.start()
        try:
            while not stop.is_set() and (end is None or time.monotonic() < end):
                if time.monotonic() - refreshed >= REGISTER_EVERY_S or look.is_set():
                    refreshed = time.monotonic()
                    look.clear()
                    self._follow_register()
                    if self._wanted and not set(self._wanted) - self.finished:
                        break
                self._judge()
                self._start_missing()
                if time.monotonic() - told >= TELL_EVERY_S:
                    told = time.monotonic()
                    service.tell(READY=1, WATCHDOG=1, STATUS=self._in_short())
                left = TICK_S if end is None else min(TICK_S, max(0.0, end - time.monotonic()))
                stop.wait(left)
        finally:
            service.tell(STOPPING=1, STATUS="closing segments")
            now_us = self.directory.clock.now_us()
            self._stop_all()
            self.keeper.close()
            self._lake.close()
            self._settle(now_us, bounded=seconds is not None and not stop.is_set())
            self._note_event(EventKind.RECORDER_STOPPED)

    def _in_short(self) -> str:
        recording = sum(
            bool(capture.says(camera, "recording"))
            for capture in self.captures
            for camera in capture.cameras
        )
        return f"recording {recording} of {len(self._wanted)} cameras"

    def _follow_register(self) -> None:
        try:
            self._refresh()
        except HindsightError as error:  # a busy ledger stops no recording; soon again
            log.error("the register cannot be read: %s", error)

    def _refresh(self) -> None:
        """Follow the register: cameras added, changed and disabled while we run. Only those that
        changed are interrupted."""
        with self.directory.ledger.read() as tx:
            if self.chosen is None:
                found = register.cameras(tx, enabled=True)
            else:
                found = register.find_cameras(tx, self.chosen)
            sealed = register.cameras_with_credentials(tx)
        wanted = {camera.id: camera for camera in found if camera.url and camera.enabled}
        encrypts = any(one.encrypts for one in self.directory.archive.volumes.values())
        self._unseals = encrypts or not sealed.isdisjoint(wanted)
        now_us = self.directory.clock.now_us()
        running = set()
        for capture in self.captures:
            for camera in capture.cameras:
                running.add(camera.id)
                now = wanted.get(camera.id)
                if (now is None or now.url != camera.url) and camera.id not in capture.leaving:
                    capture.leaving[camera.id] = now_us
                    capture.order(str(camera.id))
        for camera_id in set(self._wanted) - set(wanted) - running:
            self._end_expectation(self._wanted[camera_id], now_us)
        self.finished &= {
            camera_id
            for camera_id, camera in wanted.items()
            if camera_id in self._wanted and camera.url == self._wanted[camera_id].url
        }
        for camera_id in set(wanted) - set(self._wanted):
            self._began_us[camera_id] = now_us
        self._wanted = wanted

    def _part(self, capture: Capture) -> None:
        """Cameras that were told to stop and did are no longer this process's."""
        for camera in list(capture.cameras):
            if camera.id in capture.leaving and capture.says(camera, "ended"):
                self._parted(capture, camera)

    def _parted(self, capture: Capture, camera: Camera) -> None:
        told_us = capture.leaving.pop(camera.id)
        capture.cameras.remove(camera)
        if camera.id in self._wanted:
            self._past(camera).cause = GapCause.SHUTDOWN
        else:
            self._end_expectation(camera, told_us)

    def _start_missing(self) -> None:
        running = {camera.id for capture in self.captures for camera in capture.cameras}
        now = time.monotonic()
        due = [
            camera
            for camera in self._wanted.values()
            if camera.id not in running | self.finished and self._past(camera).not_before <= now
        ]
        together = [camera for camera in due if not self._past(camera).alone]
        size = self.directory.settings.recorder.cameras_per_process
        for capture in self.captures:  # processes that have room take on more, undisturbed
            while together and capture.is_well and self._has_room(capture, size):
                camera = together.pop(0)
                capture.cameras.append(camera)
                capture.beat.pop(str(camera.id), None)  # of an earlier time here
                capture.order(json.dumps(self._plan(camera)))
        groups = [together[i : i + size] for i in range(0, len(together), size)]
        groups += [[camera] for camera in due if self._past(camera).alone]
        for group in groups:
            self.captures.append(self._spawn(group))

    def _has_room(self, capture: Capture, size: int) -> bool:
        return len(capture.cameras) < size and not any(
            self._past(camera).alone for camera in capture.cameras
        )

    def _plan(self, camera: Camera) -> dict[str, object]:
        # Passwords stay in the ledger: the process unseals them itself.
        past = self._past(camera)
        return {"camera": camera.id, "restarts": past.restarts, "cause": past.cause.value}

    def _spawn(self, cameras: list[Camera]) -> Capture:
        plan = [self._plan(camera) for camera in cameras]
        process = self.nursery.spawn(self.directory.root, plan, unseals=self._unseals)
        capture = Capture(cameras, process, heard=time.monotonic())
        capture.listener = threading.Thread(target=self._listen, args=(capture,), daemon=True)
        capture.listener.start()
        return capture

    def _listen(self, capture: Capture) -> None:
        with capture.process.stdout as beats:
            for line in beats:
                try:
                    capture.beat = json.loads(line)
                except ValueError:
                    continue  # a library wrote to stdout
                capture.heard = time.monotonic()

    def _judge(self) -> None:
        """By outcome: who stopped saying anything, whose thread does not come back, who died."""
        settings = self.directory.settings.recorder
        patience = settings.open_timeout_s + 2 * settings.read_timeout_s + 10
        for capture in list(self.captures):
            ended = capture.process.has_ended()
            if ended and capture.listener is not None:
                capture.listener.join()  # its last words count
            for camera in capture.cameras:
                if capture.says(camera, "finished"):
                    self.finished.add(camera.id)
            self._part(capture)
            if ended:
                how = "hung" if capture.hung else "ended"
                self._lost(capture, how, blamed=capture.hung or None)
                continue
            now = time.monotonic()
            hung = [
                camera
                for camera in capture.cameras
                if float(str(capture.says(camera, "silent_s") or 0)) > patience
                and camera.id not in self.finished
            ]
            silent_s = now - capture.heard
            if silent_s > (BEAT_LOST_S if capture.beat else START_GRACE_S) or (
                capture.let_go_at is not None and now - capture.let_go_at > END_S
            ):
                capture.process.kill()  # judged again in the next tick
            elif hung and capture.let_go_at is None:
                # Its main thread is well: it closes the segments of all before it ends.
                capture.hung = hung
                capture.let_go()

    def _lost(self, capture: Capture, how: str, blamed: list[Camera] | None) -> None:
        """Start its cameras again. The one that hung it gets a process of its own; when nobody
        can be blamed, each gets one, so that one bad camera stops interrupting the others."""
        self.captures.remove(capture)
        capture.let_go()
        capture.process.close()
        now = time.monotonic()
        for camera in list(capture.cameras):
            if camera.id in self.finished:
                continue
            if camera.id in capture.leaving:
                self._parted(capture, camera)
                continue
            past = self._past(camera)
            past.restarts += 1
            past.in_a_row = past.in_a_row + 1 if now - past.lost_at < CALM_S else 1
            past.lost_at = now
            guilty = blamed is None or camera in blamed
            past.alone = past.alone or (guilty and len(capture.cameras) > 1)
            if guilty:
                wait_s = min(0.5 * (past.in_a_row - 1), RESPAWN_MOST_S)
                past.not_before = now + wait_s * random.uniform(0.8, 1.2)
            past.cause = GapCause.UNKNOWN
            if blamed and camera in blamed:
                past.cause = GapCause.STALLED
            log.warning("capture process of camera %s %s; starting it again", camera.slug, how)

    def _stop_all(self) -> None:
        """Close stdin, wait for the segments to be closed, kill what does not end."""
        for capture in self.captures:
            capture.let_go()
        end = time.monotonic() + GRACE_S
        for capture in self.captures:
            if not capture.process.has_ended(max(0.1, end - time.monotonic())):
                self._kill(capture)
            for camera in capture.cameras:
                if camera.id in capture.leaving and camera.id not in self._wanted:
                    self._end_expectation(camera, capture.leaving[camera.id])
        self.captures.clear()

    def _kill(self, capture: Capture) -> None:
        capture.process.kill()
        if not capture.process.has_ended(KILL_S):  # a disk that hangs lets no process end
            log.error("capture process %d does not end; its disk hangs", capture.process.pid)
            return
        for camera in capture.cameras:
            self._adopt(camera)

    def _adopt(self, camera: Camera) -> None:
        try:
            for volume in self.directory.archive.volumes.values():
                adopt_leftovers(self.directory, camera, volume)
        except (HindsightError, OSError) as error:  # the next start finds them
            log.error("camera %s: %s", camera.slug, error)

    def _settle(self, now_us: int, *, bounded: bool) -> None:
        """What is expected from now on: nothing after a bounded run, all of it after a signal."""
        for camera in self._wanted.values():
            if camera.id in self.finished:
                continue  # a file that came to its end: its station said so
            if bounded:
                self._end_expectation(camera, now_us)
            else:
                began_us = self._began_us.get(camera.id, now_us)
                self._note(camera, partial(
                    bookkeeping.paused, camera_id=camera.id, began_us=began_us, now_us=now_us
                ))  # fmt: skip

    def _end_expectation(self, camera: Camera, now_us: int) -> None:
        began_us = self._began_us.get(camera.id, now_us)
        self._note(camera, partial(
            bookkeeping.ended, camera_id=camera.id, began_us=began_us, now_us=now_us
        ))  # fmt: skip

    def _note(self, camera: Camera, entry: Callable[[Connection], None]) -> None:
        try:
            with self.directory.ledger.write() as tx:
                entry(tx)
        except HindsightError as error:  # the next start sees that no time is unexplained
            log.error("camera %s: %s", camera.slug, error)

    def _look_after(self) -> None:
        """What the keeper does about once a minute."""
        seal_if_due(self.directory)
        before_us = self.directory.clock.now_us() - HISTORY_US
        with self.directory.ledger.write() as tx:
            events.prune(tx, before_us)
            clocks.prune(tx, before_us)

    def _note_event(self, kind: EventKind) -> None:
        try:
            with self.directory.ledger.write() as tx:
                events.note(tx, kind, self.directory.clock.now_us())
        except HindsightError as error:
            log.error("%s is not noted: %s", kind.value, error)

    def _past(self, camera: Camera) -> _History:
        return self._history.setdefault(camera.id, _History())
