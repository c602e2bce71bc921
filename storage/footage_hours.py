"""What was recorded, by the UTC hour in which segments begin, held against the ledger's versions.

Of an hour it keeps *islands*: spans of footage of one camera without a hole of more than JOIN_US,
one or two a camera, where the ledger has sixty rows. Those of tombstones are kept apart. Nothing
here is true by itself: an hour whose version moved is read again (storage.footage_changes says what
moves it), and all of <data>/cache/recorded can be deleted.
"""

from __future__ import annotations

import logging
import threading
import time
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, CursorResult, Executable, func, select

from storage import schema
from storage.clock import US
from storage.durable import write_file
from storage.errors import HindsightError
from storage.ledger import Ledger
from storage.newest import among
from storage.per_directory import PerDirectory
from storage.search_tables import footage_change
from storage.segments import KEPT, LONG, LONG_US, overlapping
from storage.timeline import JOIN_US

HOUR_US = 3600 * US
DAY_HOURS = 24
SLOTS = 6  # of footage_change in an hour
MOST_HOURS = 24 * 100  # in memory: a tenth of a megabyte a day of 200 cameras
CATCH_UP_S = 0.5
SAVE_HOURS = 6
SUFFIX = ".npz"
EPOCH = date(1970, 1, 1)
Ints = npt.NDArray[np.int64]
log = logging.getLogger(__name__)
_s = schema.segment.c
_c = footage_change.c


@dataclass(frozen=True, slots=True)
class Islands:
    """Spans by camera and start; a camera's touch nowhere."""

    camera: Ints
    start: Ints  # UTC microseconds
    end: Ints

    def of(self, camera_id: int) -> list[tuple[int, int]]:
        """(start, end) of one camera, in order."""
        first, last = np.searchsorted(self.camera, [camera_id, camera_id + 1])
        return list(zip(self.start[first:last].tolist(), self.end[first:last].tolist(),
                        strict=True))  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Hour:
    version: int
    kept: Islands
    gone: Islands


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was recorded in a span."""

    kept: Islands
    gone: Islands  # and deleted since
    unread: tuple[tuple[int, int], ...]  # spans whose rows there was no time to read


def islands(camera: Ints, start: Ints, end: Ints) -> Islands:
    """Of spans in any order; holes of up to JOIN_US are closed."""
    kept = np.flatnonzero(end > start)
    if not len(kept):
        return EMPTY
    order = kept[np.lexsort((start[kept], camera[kept]))]
    camera, start, end = camera[order], start[order], end[order]
    base, width = int(start.min()), int(end.max() - start.min()) + JOIN_US + 1
    rank = np.cumsum(np.concatenate(([0], np.diff(camera) != 0)))
    begins, ends = rank * width + (start - base), rank * width + (end - base)
    reach = np.maximum.accumulate(ends)
    first = np.flatnonzero(np.concatenate(([True], begins[1:] > reach[:-1] + JOIN_US)))
    return Islands(camera[first], start[first], np.maximum.reduceat(end, first))


def joined(some: list[Islands]) -> Islands:
    """All of them, made one where they are close enough."""
    each = [EMPTY, *some]
    return islands(
        np.concatenate([one.camera for one in each]),
        np.concatenate([one.start for one in each]),
        np.concatenate([one.end for one in each]),
    )


class FootageHours:
    """The hours of one ledger. Safe across threads; `folder` None: in memory only."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._kept: OrderedDict[int, _Hour] = OrderedDict()
        self._looked: set[int] = set()  # days whose file was looked for
        self._lock = threading.Lock()

    def recorded(
        self, tx: Connection, from_us: int, to_us: int, *, budget_s: float | None = None
    ) -> Recorded:
        """What all cameras recorded in [from_us, to_us), not cut to it.

        `budget_s`: reading rows ends after so long, the newest hours first; what was read is kept,
        so that the next question gets on.
        """
        first, last = (from_us - LONG_US) // HOUR_US, -(-to_us // HOUR_US)
        versions = _versions(tx, first, last)
        with self._lock:
            for day in {number // DAY_HOURS for number in range(first, last)} - self._looked:
                self._load(day)
            stale = [
                number for number in range(last - 1, first - 1, -1)
                if (have := self._kept.get(number)) is None
                or have.version != versions.get(number, 0)
            ]  # fmt: skip
        began, fresh = time.monotonic(), 0
        for some in _runs(stale, versions):
            if budget_s is not None and fresh and time.monotonic() - began > budget_s:
                break
            read = _read(tx, some, versions)
            fresh += len(some)
            with self._lock:
                self._kept |= read
        unread = tuple(
            (number * HOUR_US, (number + 1) * HOUR_US) for number in sorted(stale[fresh:])
        )
        missing = set(stale[fresh:])
        with self._lock:
            found = []
            for number in range(first, last):
                if number not in missing and number in self._kept:
                    self._kept.move_to_end(number)
                    found.append(self._kept[number])
            while len(self._kept) > max(MOST_HOURS, last - first):
                dropped, _ = self._kept.popitem(last=False)
                self._looked.discard(dropped // DAY_HOURS)
        self._save(Counter(number // DAY_HOURS for number in stale[:fresh]), last - 1)
        long = _long(tx, from_us)
        return Recorded(
            joined([one.kept for one in found] + [long[0]]),
            joined([one.gone for one in found] + [long[1]]),
            unread,
        )

    def catch_up(self, ledger: Ledger, from_us: int, to_us: int) -> None:
        """Read what was never read of [from_us, to_us), a little at a time; returns when done."""
        unread: tuple[tuple[int, int], ...] | None = None
        while unread is None or unread:
            with ledger.read() as tx:  # short: a long one keeps SQLite's log from shrinking
                unread = self.recorded(tx, from_us, to_us, budget_s=CATCH_UP_S).unread
            time.sleep(CATCH_UP_S)  # questions come first

    def _path(self, day: int) -> Path | None:
        name = (EPOCH + timedelta(days=day)).isoformat() + SUFFIX
        return None if self._folder is None else self._folder / name

    def _load(self, day: int) -> None:
        """What a process before this one read of a day; whoever asks holds the lock."""
        self._looked.add(day)
        path = self._path(day)
        if path is None or not path.is_file():
            return
        try:
            with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as file:
                hours, numbers = file["hours"], file["islands"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            log.info("%s is read anew from the ledger: %s", path.name, error)
            return
        for number, version in hours.tolist():
            mine = numbers[numbers[:, 0] == number]
            kept, gone = (
                Islands(*(np.ascontiguousarray(part[:, i]) for i in (2, 3, 4)))
                for part in (mine[mine[:, 1] == 0], mine[mine[:, 1] == 1])
            )
            self._kept.setdefault(number, _Hour(version, kept, gone))

    def _save(self, read: Counter[int], newest: int) -> None:
        """Write days of which hours were read: the last one, which changes by the second, only
        when they were many."""
        for day, count in sorted(read.items()):
            path = self._path(day)
            if path is None or (newest // DAY_HOURS == day and count < SAVE_HOURS):
                continue
            numbers = range(day * DAY_HOURS, (day + 1) * DAY_HOURS)
            with self._lock:
                known = [(number, self._kept[number]) for number in numbers if number in self._kept]
            hours = np.array([(number, one.version) for number, one in known], dtype=np.int64)
            rows = [
                np.column_stack(
                    (np.full_like(part.camera, number), np.full_like(part.camera, kind),
                     part.camera, part.start, part.end)
                )
                for number, one in known
                for kind, part in enumerate((one.kept, one.gone))
            ]  # fmt: skip
            target = BytesIO()
            np.savez_compressed(target, hours=hours, islands=np.concatenate(rows))
            try:
                write_file(path, target.getvalue())
            except (HindsightError, OSError) as error:
                log.info("%s is not kept for the next process: %s", path.name, error)


def _versions(tx: Connection, first: int, last: int) -> dict[int, int]:
    """Hour → version, of [first, last); read before the rows: those are newer at most."""
    query = (
        select(_c.slot, func.sum(_c.version))
        .where(_c.slot >= first * SLOTS, _c.slot < last * SLOTS)
        .group_by(_c.slot)
    )
    found: dict[int, int] = {}
    for slot, version in tx.execute(query):
        found[slot // SLOTS] = found.get(slot // SLOTS, 0) + int(version)
    return found


def _runs(stale: list[int], versions: Mapping[int, int]) -> Iterator[range]:
    """Hours to be read together, the newest first: each alone, or all in a row in which the ledger
    knows of no footage."""
    at = 0
    while at < len(stale):
        last = first = stale[at]
        at += 1
        if last not in versions:
            while at < len(stale) and stale[at] == first - 1 and stale[at] not in versions:
                first, at = stale[at], at + 1
        yield range(first, last + 1)


def _read(tx: Connection, numbers: range, versions: Mapping[int, int]) -> dict[int, _Hour]:
    found = []
    for state in ("closed", "expired"):  # by the index of starts by state
        query = select(_s.camera_id, _s.start_us, _s.end_us).where(
            _s.state == state, _s.start_us >= numbers[0] * HOUR_US,
            _s.start_us < (numbers[-1] + 1) * HOUR_US,
        )  # fmt: skip
        rows = _numbers(tx, query, 3)
        hour = rows[:, 1] // HOUR_US
        parts = {number: rows[hour == number] for number in np.unique(hour).tolist()}
        found.append(
            {number: islands(one[:, 0], one[:, 1], one[:, 2]) for number, one in parts.items()}
        )
    kept, gone = found
    return {
        number: _Hour(versions.get(number, 0), kept.get(number, EMPTY), gone.get(number, EMPTY))
        for number in numbers
    }


def recorded_by(tx: Connection, camera_ids: Collection[int], from_us: int, to_us: int) -> Recorded:
    """As `FootageHours.recorded`, of a few cameras alone, from their rows."""
    mine = select(_s.camera_id, _s.start_us, _s.end_us).where(among(_s.camera_id, camera_ids))
    kept, gone = (
        _numbers(tx, overlapping(mine.where(state), from_us, to_us), 3) for state in (KEPT, ~KEPT)
    )
    return Recorded(
        islands(kept[:, 0], kept[:, 1], kept[:, 2]), islands(gone[:, 0], gone[:, 1], gone[:, 2]), ()
    )


def _numbers(tx: Connection, query: Executable, columns: int) -> Ints:
    """Rows of numbers as they leave the driver: an hour of 200 cameras has 12,000."""
    found = tx.execute(query)
    rows = found.cursor.fetchall() if isinstance(found, CursorResult) and found.cursor else []
    return np.array(rows, dtype=np.int64).reshape(-1, columns)


def _long(tx: Connection, from_us: int) -> tuple[Islands, Islands]:
    """What begins more than LONG_US before `from_us` and ends after it: imports."""
    query = select(_s.camera_id, _s.start_us, _s.end_us, KEPT).where(
        _s.start_us < from_us - LONG_US, _s.end_us > from_us, LONG
    )
    rows = _numbers(tx, query, 4)
    kept, gone = rows[rows[:, 3] == 1], rows[rows[:, 3] == 0]
    return (
        islands(kept[:, 0], kept[:, 1], kept[:, 2]),
        islands(gone[:, 0], gone[:, 1], gone[:, 2]),
    )


hours_of = PerDirectory(lambda directory: FootageHours(directory.cache / "recorded"))


EMPTY = Islands(*(np.zeros(0, dtype=np.int64) for _ in range(3)))
