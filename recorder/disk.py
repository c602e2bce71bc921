"""The disk threads of a capture process: one per volume, the only ones in it that touch it.

A camera's thread hands over whole fragments and goes on receiving: a disk that is slow, hangs or
refuses keeps no camera from its source. What waits is bounded, in seconds and in bytes, per
camera; beyond that the stretch ends with a gap `disk_slow`. Everything a thread does is done in
the order it was handed over.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from recorder.failing import RecordingFailed, refused
from storage.directory import DataDirectory
from storage.errors import DataLoss, HindsightError, Unavailable
from storage.vocabulary import GapCause
from storage.volumes import Volume

log = logging.getLogger(__name__)
LOOK_EVERY_S = 2.0  # how often a volume's identity and free bytes are looked at
FIRST_LOOK_S = 3.0  # how long the first segment waits for that
STUCK_S = 5.0  # one thing the disk was asked to do takes so long: no new segment begins there
SHUNNED_S = 30.0  # a volume that refused to write is the last choice for so long


@dataclass(frozen=True, slots=True)
class Look:
    """What was last seen of a volume."""

    at_s: float  # monotonic
    free_bytes: int
    trouble: str | None  # why it is not to be written to


class Disk(threading.Thread):
    """One volume's thread."""

    def __init__(self, directory: DataDirectory, volume: Volume) -> None:
        super().__init__(name=f"disk {volume.name}", daemon=True)
        self.volume = volume
        self.floor_bytes = directory.settings.floor_bytes(volume.name)
        self.refuses: str | None = None  # why its keeper lets no segment begin here
        self._changed = threading.Condition()
        self._queue: deque[Callable[[], None]] = deque()
        self._look: Look | None = None
        self._busy_since: float | None = None
        self._refused_at = float("-inf")
        self.start()

    def submit(self, work: Callable[[], None]) -> None:
        """Have `work` done after all that was handed over before. It must not raise."""
        with self._changed:
            self._queue.append(work)
            self._changed.notify_all()

    def drain(self, seconds: float) -> bool:
        """Wait until what was handed over before is done; False when it is not by then."""
        done = threading.Event()
        self.submit(done.set)
        return done.wait(seconds)

    @property
    def stuck_s(self) -> float:
        """How long what it does now has lasted, seconds."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def has_refused(self) -> None:
        """It did not take what it was given: others are tried first for a while."""
        self._refused_at = time.monotonic()
        self._look = None

    @property
    def is_shunned(self) -> bool:
        """Whether it refused lately."""
        return time.monotonic() - self._refused_at < SHUNNED_S

    def unfit(self, reserve_bytes: int) -> RecordingFailed | None:
        """Why no segment of so many bytes may begin here now; None when it may. Never blocks long:
        it only waits for the very first look."""
        if self._look is None:
            with self._changed:
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._look is not None, FIRST_LOOK_S)
        look, name = self._look, self.volume.name
        if self.stuck_s > STUCK_S or look is None:
            return RecordingFailed(
                GapCause.DISK_SLOW, f"volume {name} does not answer; it is tried again"
            )
        if look.trouble is not None:
            return RecordingFailed(GapCause.WRONG_VOLUME, look.trouble)
        if self.refuses is not None:
            return RecordingFailed(GapCause.DISK_FULL, self.refuses)
        return no_room(self.volume, look.free_bytes, self.floor_bytes, reserve_bytes)

    @property
    def free_bytes(self) -> int:
        """As last seen."""
        return 0 if self._look is None else self._look.free_bytes

    def run(self) -> None:
        """Until the process ends."""
        while True:
            with self._changed:
                self._busy_since = None
                self._changed.notify_all()
                while not self._queue and (left_s := self._look_in_s()) > 0:
                    self._changed.wait(left_s)
                self._busy_since = time.monotonic()
                work = self._queue.popleft() if self._queue else None
            if work is not None:
                try:
                    work()
                except Exception:  # a defect of ours in one camera's work; others wait for theirs
                    log.exception("volume %s: work for it failed", self.volume.name)
            if self._look_in_s() <= 0:
                self._see()

    def _look_in_s(self) -> float:
        look = self._look
        return 0.0 if look is None else look.at_s + LOOK_EVERY_S - time.monotonic()

    def _see(self) -> None:
        try:
            self.volume.verify_writable()
            free, trouble = self.volume.free_bytes(), None
        except (HindsightError, OSError) as error:
            free, trouble = 0, str(error)
        self._look = Look(time.monotonic(), free, trouble)


class Disks:
    """All volumes of a capture process."""

    def __init__(self, directory: DataDirectory) -> None:
        self.all = [Disk(directory, volume) for volume in directory.archive.volumes.values()]

    def choose(self, reserve_bytes: int, stay_on: Disk | None = None) -> Disk:
        """Where the next segment goes: the fit volume with most free bytes, those that refused
        lately last. RecordingFailed when none is fit. `stay_on`: this one if it is fit, because
        the segment before, whose hash the next one names, is still on its way there."""
        complaints: list[RecordingFailed] = []
        fit: list[Disk] = []
        for disk in self.all:
            if complaint := disk.unfit(reserve_bytes):
                complaints.append(complaint)
            else:
                fit.append(disk)
        if not fit:
            slow = [disk for disk in self.all if disk is stay_on and disk.stuck_s > STUCK_S]
            if slow:
                return slow[0]  # memory bears it; when it does not, the stretch ends
            raise complaints[0]
        if stay_on in fit:
            return stay_on
        return max(fit, key=lambda disk: (not disk.is_shunned, disk.free_bytes))

    def refuse(self, reasons: Mapping[str, str | None]) -> None:
        """What the keeper of the volumes says: volume → why nothing may begin there."""
        for disk in self.all:
            disk.refuses = reasons.get(disk.volume.name)

    def drain(self, seconds: float) -> bool:
        """Wait until all is on disk; False when something is not after `seconds`."""
        end = time.monotonic() + seconds
        return all(disk.drain(max(0.0, end - time.monotonic())) for disk in self.all)


def no_room(
    volume: Volume, free_bytes: int, floor_bytes: int, reserve_bytes: int
) -> RecordingFailed | None:
    """Whether a segment of `reserve_bytes` would leave less than `floor_bytes` free."""
    if free_bytes >= floor_bytes + reserve_bytes:
        return None
    return RecordingFailed(
        GapCause.DISK_FULL,
        f"volume {volume.name} has {free_bytes / 1e6:.1f} MB free; {floor_bytes / 1e6:.1f} MB are"
        f" to stay free and {reserve_bytes / 1e6:.1f} MB are needed for the next segment",
    )


def judged(error: Exception, volume: Volume) -> RecordingFailed:
    """What it means that a volume did not take what it was given; it may be looked at."""
    if isinstance(error, RecordingFailed):
        return error
    if isinstance(error, Unavailable | DataLoss):  # DataLoss: its key is lost
        return RecordingFailed(GapCause.WRONG_VOLUME, str(error))
    if isinstance(error, OSError):
        return refused(error, volume)
    return RecordingFailed(GapCause.UNKNOWN, f"volume {volume.name}: {error}")
