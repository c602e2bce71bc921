"""The keeper: while recording, runs retention, watches the room on each volume, and scrubs.

keeper = Keeper(directory)
keeper.start()
…
keeper.close()
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from storage import events
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import Conflict, HindsightError
from storage.events import EventKind
from storage.making_room import make_room
from storage.retention import retain
from storage.scrub import Scrubber
from storage.vocabulary import Actor
from storage.volume_states import (
    VolumeState,
    footage_bytes,
    headroom_bytes,
    measure,
    set_volume_state,
)
from storage.volumes import Volume

ACTOR = Actor("hindsight record")
WATCH_S = 5.0  # a disk filled by others is noticed within so long
ALSO_S = 60.0
SLICE_S = 1.0  # of scrubbing
BUSIEST = 20  # a job that takes long is done again after so many times as long, at the earliest
SETTLE_US = 10 * US  # some file systems show freed blocks late: no second deletion meanwhile
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Job:
    """Something done again and again."""

    name: str
    work: Callable[[], None]
    every_s: float
    busiest: float  # at most 1/so much of the time
    due_us: int  # on the monotonic clock


@dataclass(slots=True)
class _Known:
    """What was last found of a volume."""

    footage: int = 0
    headroom: int = 0
    refuses: str | None = None
    deleted_us: int | None = None  # when footage last went early or for room, monotonic


class Keeper(threading.Thread):
    """A thread of `hindsight record`. Nothing ends it but `close`.

    `also` are run about once a minute, `deleted` after footage was deleted. A job that another
    process is at is left out this time.
    """

    def __init__(
        self,
        directory: DataDirectory,
        *,
        also: Sequence[Callable[[], None]] = (),
        deleted: Callable[[], None] = lambda: None,
        stop: threading.Event | None = None,
    ) -> None:
        super().__init__(name="keeper", daemon=True)  # a disk that hangs must not keep a process
        self._directory = directory
        self._stopped = stop or threading.Event()
        self._deleted = deleted
        self._known: dict[str, _Known] = {}
        self._scrubber = Scrubber(directory)
        retention = directory.settings.retention
        now_us = directory.clock.monotonic_us()
        self._jobs = [
            _Job("watch", self.watch, WATCH_S, BUSIEST, now_us + int(WATCH_S * US)),
            _Job("retention", self.keep, retention.every_s, BUSIEST, now_us),
            *(
                _Job(f"hook {number}", hook, ALSO_S, 1, now_us)
                for number, hook in enumerate(also, 1)
            ),
        ]
        if retention.scrub_share > 0:
            share = 1 / retention.scrub_share
            self._jobs.append(_Job("scrub", self.scrub, 0, share, now_us + int(ALSO_S * US)))

    def run(self) -> None:
        """Until `close`."""
        while not self._stopped.wait(self.step()):
            pass

    def close(self, timeout_s: float = 2.0) -> None:
        """Ask it to end and wait a little; a disk that hangs is left behind."""
        self._stopped.set()
        if self.is_alive():
            self.join(timeout_s)

    def step(self) -> float:
        """Do what is due; returns how many seconds nothing will be."""
        clock = self._directory.clock
        for job in self._jobs:
            began_us = clock.monotonic_us()
            if began_us < job.due_us or self._stopped.is_set():
                continue
            try:
                job.work()
            except Conflict as busy:  # another process is at it
                log.info("%s left out: %s", job.name, busy)
            except (HindsightError, OSError, SQLAlchemyError) as error:
                log.error("%s failed and is tried again: %s", job.name, error)
            except Exception:  # a defect in one job must not end the others unseen
                log.exception("%s failed and is tried again", job.name)
            now_us = clock.monotonic_us()
            rest_us = int((now_us - began_us) * (job.busiest - 1))
            job.due_us = max(began_us + int(job.every_s * US), now_us + rest_us, now_us + 1)
        nearest_us = min(job.due_us for job in self._jobs)
        return max(0.05, (nearest_us - clock.monotonic_us()) / US)

    def keep(self) -> None:
        """One retention pass, then each volume measured, given room, and its state noted."""
        try:
            with self._failure_told():
                expired = retain(self._directory, ACTOR, routine=True).expired
            if expired:
                self._deleted()
        except Conflict as busy:  # a person's pass: the volumes want looking after all the same
            log.info("retention left out: %s", busy)
        for volume in self._directory.archive.volumes.values():
            known = self._known.setdefault(volume.name, _Known())
            with self._directory.ledger.read() as tx:
                known.footage = footage_bytes(tx, volume.name)
            try:
                known.headroom = headroom_bytes(self._directory, volume)
            except OSError as error:
                log.error("volume %s cannot be measured: %s", volume.name, error)
            self._attend(volume, known)

    @contextmanager
    def _failure_told(self) -> Iterator[None]:
        """What went before a deletion failed, whatever failed, is to leave the lake as well."""
        try:
            yield
        except Conflict:
            raise
        except Exception:
            self._deleted()
            raise

    def watch(self) -> None:
        """Only ask each disk how full it is; make room and note the state when that matters."""
        for volume in self._directory.archive.volumes.values():
            if known := self._known.get(volume.name):
                self._attend(volume, known, cheap=True)

    def scrub(self) -> None:
        """Verify a slice of the footage."""
        result = self._scrubber.go_on(SLICE_S)
        for finding in result.findings:
            log.error("scrub: %s", finding.what("en"))

    def _attend(self, volume: Volume, known: _Known, *, cheap: bool = False) -> None:
        """Make room when less than a segment of every camera would fit, and note the state."""
        refuses: str | None = None
        free: int | None = None
        try:
            volume.verify()
            room = measure(self._directory, volume, known.footage)
            free = room.free_bytes
            if room.room_bytes < max(1, known.headroom // 2):
                refuses = self._make_room(volume, known)
                free = volume.free_bytes()
        except Conflict as busy:  # another process deletes: what is refused stays refused
            log.info("making room left out: %s", busy)
            refuses = known.refuses
        except HindsightError as error:
            refuses = str(error)
        except OSError as error:
            refuses = f"volume {volume.name} cannot be read: {error}"
        changed = refuses != known.refuses
        if refuses is not None and changed:
            log.error("nothing is recorded: %s", refuses)
        known.refuses = refuses
        if cheap and not changed:
            return
        state = VolumeState(
            volume.name, self._directory.clock.now_us(), known.footage, free, refuses
        )
        with self._directory.ledger.write() as tx:
            set_volume_state(tx, state)
            if changed:
                events.note(tx, _told(state), state.at_us, volume=volume.name, detail=refuses)

    def _make_room(self, volume: Volume, known: _Known) -> str | None:
        now_us = self._directory.clock.monotonic_us()
        if known.deleted_us is not None and now_us - known.deleted_us < SETTLE_US:
            return known.refuses
        with self._failure_told():
            made = make_room(
                self._directory, ACTOR, volume.name, known.headroom, footage=known.footage
            )
        if made.result.expired:
            known.footage -= made.result.expired_bytes
            known.deleted_us = self._directory.clock.monotonic_us()
            self._deleted()
        # Some room is enough to go on: it is short only when not even that could be freed.
        return made.refuses if made.room_bytes < max(1, known.headroom // 2) else None


def _told(state: VolumeState) -> EventKind:
    """What it means for people that a volume began or ceased to refuse."""
    if state.refuses is None:
        return EventKind.VOLUME_TAKES_AGAIN
    absent = state.free_bytes is None
    return EventKind.VOLUME_ABSENT if absent else EventKind.VOLUME_REFUSES
