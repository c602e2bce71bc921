"""What is kept and indexed, by day, as of the ledger's versions: in memory, and on disk beside.

Nothing here is true by itself: before a day is used, its version is held against the ledger's, and
slots that moved are read again. All of <data>/cache/footage can be deleted.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection

from search.footage_day import (
    NOTHING,
    DayDamaged,
    FootageDay,
    part_hash,
    read_back,
    written,
)
from search.span_arrays import Ints
from storage.clock import utc_day
from storage.durable import remove_empty_folders, remove_file, write_file
from storage.errors import HindsightError
from storage.footage_changes import day_versions, footage, oldest_start_us, slot_versions
from storage.vocabulary import Generation

log = logging.getLogger(__name__)
MEMORY_BYTES = 256 << 20  # days beyond are read from their files again
SAVE_SLOTS = 6  # a file is written anew when so many of its slots are stale: an hour
MOST_WITHOUT = 8  # days kept as they are without parts that could not be read
SUFFIX = ".footage"
EPOCH = date(1970, 1, 1)
_Key = tuple[int, int]  # generation (0: none), day


class Footage:
    """The days of one ledger. Safe across threads; `folder` None: in memory only."""

    def __init__(self, folder: Path | None = None, *, memory_bytes: int = MEMORY_BYTES) -> None:
        self._folder = folder
        self._memory_bytes = memory_bytes
        self._kept: OrderedDict[_Key, FootageDay] = OrderedDict()
        self._saved: dict[_Key, dict[int, int]] = {}  # versions of the slots of its file
        self._without: OrderedDict[tuple[_Key, int, bytes], FootageDay] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """What it holds in memory, about."""
        return self._held

    def days(
        self,
        tx: Connection,
        generation: Generation | None,
        first_day: int,
        last_day: int | None,
        more: Iterable[int] = (),
        unread: Collection[str] = (),
    ) -> list[FootageDay]:
        """The days from first to last, and `more` before them, oldest first; empty ones left out.

        `unread`: lake parts whose segments do not count as indexed.
        """
        versions = day_versions(tx, first_day, last_day)
        for number in more:
            versions |= day_versions(tx, number, number)
        hashes = np.array(sorted(map(part_hash, unread)), dtype=np.int64)
        found = []
        for number in sorted(versions):
            day = self._day(tx, generation, number, versions[number])
            if len(hashes):
                day = self._day_without(tx, generation, number, day, unread, hashes)
            found.append(day)
        return [day for day in found if len(day.recorded)]

    def _day(
        self, tx: Connection, generation: Generation | None, number: int, version: int
    ) -> FootageDay:
        key = (0 if generation is None else generation.id, number)
        with self._lock:
            day = self._kept.get(key)
            if day is not None:
                self._kept.move_to_end(key)
        if day is None:
            day = self._load(generation, number)
            if day is not None:
                self._saved[key] = day.slot_versions
        if day is None or day.version != version:
            before = NOTHING if day is None else day
            versions = slot_versions(tx, number)
            stale = before.stale(versions)
            rows = footage(tx, key[0] or None, stale)
            day = before.replaced(stale, versions, rows)
            self._save(tx, generation, number, day)
        self._keep(key, day)
        return day

    def _day_without(
        self,
        tx: Connection,
        generation: Generation | None,
        number: int,
        day: FootageDay,
        unread: Collection[str],
        hashes: Ints,
    ) -> FootageDay:
        """As if what the index has of some lake parts were not there."""
        slots = day.slots_of_parts(hashes)
        if not slots or generation is None:
            return day
        key = ((generation.id, number), day.version, hashes.tobytes())
        found = self._without.get(key)
        if found is None:
            rows = footage(tx, generation.id, slots)
            found = day.replaced(slots, day.slot_versions, rows, unread)
            with self._lock:
                self._without[key] = found
                while len(self._without) > MOST_WITHOUT:
                    self._without.popitem(last=False)
        return found

    def _keep(self, key: _Key, day: FootageDay) -> None:
        with self._lock:
            before = self._kept.pop(key, None)
            self._kept[key] = day
            if before is day:
                return
            self._held += day.size_bytes - (0 if before is None else before.size_bytes)
            while self._held > self._memory_bytes and len(self._kept) > 1:
                _, gone = self._kept.popitem(last=False)
                self._held -= gone.size_bytes

    def _about(self, generation: Generation | None, number: int) -> dict[str, Any]:
        """What a file of a day says it is of."""
        made = None if generation is None else [
            generation.id, generation.model, generation.number, generation.weights_hash,
        ]  # fmt: skip
        return {"day": number, "generation": made}

    def _path(self, key: _Key) -> Path:
        assert self._folder is not None
        return (
            self._folder / str(key[0]) / f"{(EPOCH + timedelta(days=key[1])).isoformat()}{SUFFIX}"
        )

    def _load(self, generation: Generation | None, number: int) -> FootageDay | None:
        if self._folder is None:
            return None
        path = self._path((0 if generation is None else generation.id, number))
        try:
            return read_back(path.read_bytes(), self._about(generation, number))
        except FileNotFoundError:
            return None
        except (OSError, DayDamaged, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("%s cannot be used (%s) and is made again", path, error)
            return None

    def _save(
        self, tx: Connection, generation: Generation | None, number: int, day: FootageDay
    ) -> None:
        """Write a day's file where enough of it is stale. What cannot be kept is read again."""
        if self._folder is None or generation is None:
            return
        key = (generation.id, number)
        before = self._saved.get(key)
        if before is not None and len(day.stale(before)) < SAVE_SLOTS:
            return
        self._saved[key] = day.slot_versions
        path = self._path(key)
        try:
            if not len(day.recorded):
                remove_file(path)
                return
            write_file(path, written(day, self._about(generation, number)))
            if before is None:
                self._prune(tx, generation)
        except (OSError, HindsightError) as error:
            log.warning("%s is not kept: %s", path, error)

    def _prune(self, tx: Connection, generation: Generation) -> None:
        """Remove files of days before all footage, and of generations that do not answer."""
        assert self._folder is not None
        oldest_us = oldest_start_us(tx)
        for path in self._folder.glob(f"*/*{SUFFIX}"):
            other = path.parent.name != str(generation.id)
            if other or (oldest_us is not None and path.stem < utc_day(oldest_us).isoformat()):
                remove_file(path)
                remove_empty_folders(path.parent, self._folder)
