"""Footage that is kept and not indexed, by the ten minutes in which segments begin, held against
the ledger's versions.

Of a slot it keeps, by camera, what the active generation has not done: next to nothing where the
index keeps up. Nothing here is true by itself: a slot whose version moved is read again
(storage.footage_changes says what moves it), and <data>/cache/backlog.npz can be deleted.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, and_, case, func, or_, select

from storage import schema
from storage.clock import US
from storage.directory import DataDirectory
from storage.durable import write_file
from storage.errors import HindsightError
from storage.footage_changes import SLOT_US, oldest_start_us
from storage.generations import active_generation
from storage.ledger import Ledger
from storage.per_directory import PerDirectory
from storage.search_tables import footage_change
from storage.segments import KEPT
from storage.vocabulary import Generation

HOUR_SLOTS = 6
CATCH_UP_S = 0.5
BUDGET_S = 0.5  # of a question, for reading what was never read; the answer says what is left
SAVE_SLOTS = 144  # read since the file was written, or a tenth of them: it is written anew
Ints = npt.NDArray[np.int64]
log = logging.getLogger(__name__)
_c = footage_change.c
_s = schema.segment.c
_w = schema.index_work.c


@dataclass(frozen=True, slots=True)
class Backlog:
    """Kept footage that a generation has not indexed."""

    segments: int = 0
    us: int = 0  # of footage, microseconds
    failed: int = 0  # of the segments: tried, and could not be; the others wait

    @property
    def hours(self) -> float:
        """Footage-hours."""
        return self.us / US / 3600

    def __add__(self, other: Backlog) -> Backlog:
        return Backlog(
            self.segments + other.segments, self.us + other.us, self.failed + other.failed
        )


@dataclass(frozen=True, slots=True)
class Backlogs:
    """Of all cameras."""

    by_camera: dict[int, Backlog]  # of those that have one
    unread_hours: int  # of footage, there was no time to look at them: there may be more

    def of(self, camera_id: int) -> Backlog:
        """Of one camera."""
        return self.by_camera.get(camera_id, NONE)

    def total(self, camera_ids: Iterable[int]) -> Backlog:
        """Of these together."""
        return sum(map(self.of, camera_ids), NONE)


@dataclass(frozen=True)
class _Slots:
    """What was read."""

    about: str  # the generation, as JSON
    numbers: Ints  # (s,) sorted: slots
    versions: Ints  # (s,) at which each was read; -1: never
    rows: Ints  # (n, 5): slot, camera, segments, microseconds, failed

    def at(self, numbers: Ints) -> Ints:
        """The versions at which these slots were read."""
        found = np.full(len(numbers), -1, dtype=np.int64)
        if len(self.numbers):
            place = np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)
            known = self.numbers[place] == numbers
            found[known] = self.versions[place[known]]
        return found

    def with_read(self, numbers: Ints, read: dict[int, int], rows: Ints) -> _Slots:
        """Of these slots and no others; `read`: slot → version, of those that `rows` are of."""
        if not read and np.array_equal(numbers, self.numbers):
            return self
        versions = self.at(numbers)
        versions[np.searchsorted(numbers, list(read))] = list(read.values())
        mine = self.rows[:, 0]
        stay = np.isin(mine, numbers) & ~np.isin(mine, np.array(list(read), dtype=np.int64))
        return _Slots(self.about, numbers, versions, np.concatenate((self.rows[stay], rows)))

    @cached_property
    def by_camera(self) -> dict[int, Backlog]:
        """Sums; a number of 53 bits holds 285 years of footage."""
        if not len(self.rows):
            return {}
        keys, at = np.unique(self.rows[:, 1], return_inverse=True)
        segments, us, failed = (
            np.bincount(at, weights=self.rows[:, column]).astype(np.int64).tolist()
            for column in (2, 3, 4)
        )
        return {
            key: Backlog(*some)
            for key, *some in zip(keys.tolist(), segments, us, failed, strict=True)
        }


class IndexBacklog:
    """The backlog of one ledger. Safe across threads; `file` None: in memory only."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._slots = _nothing("")
        self._unsaved = 0
        self._lock = threading.Lock()

    def behind(
        self, tx: Connection, generation: Generation, *, budget_s: float | None = None
    ) -> Backlogs:
        """What this generation has not indexed of all that is kept.

        `budget_s`: reading ends after so long, the newest first; what was read is kept, so that the
        next question gets on.
        """
        numbers, versions = _versions(tx)
        about = _about(generation)
        with self._lock:
            if self._slots.about != about:
                self._slots, self._unsaved = self._load(about), 0
            known = self._slots
        before = known.at(numbers)
        stale = np.flatnonzero(before != versions)[::-1].tolist()
        began, read, rows = time.monotonic(), dict[int, int](), [_ROWS]
        for place in stale:
            if budget_s is not None and read and time.monotonic() - began > budget_s:
                break
            number = int(numbers[place])
            read[number] = int(versions[place])
            rows.append(_read(tx, generation.id, number))
        with self._lock:
            if self._slots.about == about:  # what others read meanwhile stays
                known = self._slots
            found = known.with_read(numbers, read, np.concatenate(rows))
            self._slots, self._unsaved = found, self._unsaved + len(read)
            save = self._unsaved >= max(SAVE_SLOTS, len(numbers) // 10)
            self._unsaved = 0 if save else self._unsaved
        if save:
            self._save(found)
        unread = int(((found.versions != versions) & (found.versions == before)).sum())
        return Backlogs(found.by_camera, -(-unread // HOUR_SLOTS))

    def catch_up(self, ledger: Ledger) -> None:
        """Read what was never read of the generation that answers, a little at a time; returns
        when done."""
        unread = 1
        while unread:
            with ledger.read() as tx:  # short: a long one keeps SQLite's log from shrinking
                active = active_generation(tx)
                if active is None:
                    return
                unread = self.behind(tx, active, budget_s=CATCH_UP_S).unread_hours
            time.sleep(CATCH_UP_S if unread else 0)  # questions come first
        self._save(self._slots)

    def _load(self, about: str) -> _Slots:
        """What a process before this one read of a generation."""
        if self._file is None or not self._file.is_file():
            return _nothing(about)
        try:
            with np.load(BytesIO(self._file.read_bytes()), allow_pickle=False) as file:
                if str(file["about"]) == about:
                    return _Slots(about, file["numbers"], file["versions"], file["rows"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            log.info("%s is read anew from the ledger: %s", self._file.name, error)
        return _nothing(about)

    def _save(self, slots: _Slots) -> None:
        if self._file is None:
            return
        target = BytesIO()
        np.savez(
            target, about=np.array(slots.about), numbers=slots.numbers, versions=slots.versions,
            rows=slots.rows,
        )  # fmt: skip
        try:
            write_file(self._file, target.getvalue())
        except (HindsightError, OSError) as error:
            log.info("%s is not kept for the next process: %s", self._file.name, error)


def _about(generation: Generation) -> str:
    return json.dumps([generation.id, generation.model, generation.number, generation.weights_hash])


def _versions(tx: Connection) -> tuple[Ints, Ints]:
    """(slots, their versions) from the oldest kept segment on; read before the rows: those are
    newer at most."""
    oldest_us = oldest_start_us(tx)
    if oldest_us is None:
        return _NUMBERS, _NUMBERS
    query = (
        select(_c.slot, func.sum(_c.version))
        .where(_c.slot >= oldest_us // SLOT_US)
        .group_by(_c.slot)
        .order_by(_c.slot)
    )
    found = _numbers(tx.execute(query).all(), 2)
    return found[:, 0], found[:, 1]


def _read(tx: Connection, generation_id: int, number: int) -> Ints:
    """Rows of a slot."""
    mine = and_(_w.segment_id == _s.id, _w.generation_id == generation_id)
    query = (
        select(
            _s.camera_id, func.count(), func.sum(_s.end_us - _s.start_us),
            func.sum(case((_w.state == "failed", 1), else_=0)),
        )
        .select_from(schema.segment)
        .outerjoin(schema.index_work, mine)
        .where(
            _s.state == "closed", KEPT,  # by the index of starts by state
            _s.start_us >= number * SLOT_US, _s.start_us < (number + 1) * SLOT_US,
            or_(_w.state.is_(None), _w.state != "done"),
        )
        .group_by(_s.camera_id)
    )  # fmt: skip
    return _numbers([(number, *row) for row in tx.execute(query)], 5)


def _numbers(rows: Sequence[Sequence[int]], columns: int) -> Ints:
    return np.array([list(map(int, row)) for row in rows], dtype=np.int64).reshape(-1, columns)


def _nothing(about: str) -> _Slots:
    return _Slots(about, _NUMBERS, _NUMBERS, _ROWS)


backlog_of = PerDirectory(lambda directory: IndexBacklog(directory.cache / "backlog.npz"))


def index_backlog(directory: DataDirectory) -> Backlogs | None:
    """Of the generation that answers, in about BUDGET_S; None: nothing was indexed yet."""
    with directory.ledger.read() as tx:
        active = active_generation(tx)
        if active is None:
            return None
        return backlog_of(directory).behind(tx, active, budget_s=BUDGET_S)


NONE = Backlog()
_NUMBERS: Ints = np.zeros(0, dtype=np.int64)
_ROWS: Ints = np.zeros((0, 5), dtype=np.int64)
