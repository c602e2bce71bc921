"""The kept and the indexed footage of all cameras that begins on one UTC day, as arrays.

Made of the ledger's slots (storage.footage_changes), each with the version it was read at; a slot
that changed is read again and takes the place of what was there.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from search.span_arrays import (
    EMPTY,
    Ints,
    Ruler,
    Spans,
    inserted,
    merged,
    overlapping_owners,
    owners_of,
    spans,
)
from storage.footage_changes import SLOT_US, FootageRow

MAGIC = b"footage1"  # of the file; another format is another word
NEVER = np.iinfo(np.int64)  # its ends stand for "no first" and "no last"


class DayDamaged(Exception):
    """Bytes that are not what was written, or that were written of something else."""


@dataclass(frozen=True, slots=True)
class Troubles:
    """Segments that failed or are indexed but for some pictures."""

    camera: Ints
    start: Ints
    end: Ints
    segment: npt.NDArray[np.bytes_]  # id

    def only(self, which: npt.NDArray[np.bool_] | Ints) -> Troubles:
        """Those that a mask, or their places in order, name."""
        return Troubles(*(getattr(self, one.name)[which] for one in fields(self)))


@dataclass(frozen=True)
class FootageDay:
    """One day: spans in sorted order, merged within a slot and never across its border."""

    slots: Ints  # (s,) sorted
    versions: Ints  # (s,) at which each was read
    recorded: Spans
    indexed: Spans  # all of it recorded as well; the very same where all is indexed
    part_slots: Ints  # (p,) slot of each (slot, lake part) that there is
    part_hashes: Ints  # (p,)
    troubles: Troubles

    @cached_property
    def version(self) -> int:
        """Of the whole day."""
        return int(self.versions.sum())

    @property
    def size_bytes(self) -> int:
        """What it takes in memory, about: with the places on the axes."""
        shared = self.indexed is self.recorded
        spans = [self.recorded] if shared else [self.recorded, self.indexed]
        return sum(48 * len(one) for one in spans) + self.part_slots.nbytes * 2 + 4096

    @cached_property
    def totals(self) -> Totals:
        """By camera."""
        return Totals.of(self.recorded, self.indexed)

    @cached_property
    def rulers(self) -> tuple[Ruler, Ruler]:
        """Of the recorded and of the indexed; cameras whose spans overlap are not in them.

        Where all of it is indexed, both are the same.
        """
        overlap = self.totals.cameras[self.totals.overlap]

        def ruler(some: Spans) -> Ruler:
            return Ruler(some.only(~np.isin(some.owner, overlap)) if len(overlap) else some)

        kept = ruler(self.recorded)
        return kept, kept if self.indexed is self.recorded else ruler(self.indexed)

    @property
    def slot_versions(self) -> dict[int, int]:
        """Slot → version."""
        return dict(zip(self.slots.tolist(), self.versions.tolist(), strict=True))

    def stale(self, versions: dict[int, int]) -> list[int]:
        """Slots whose version is another now."""
        mine = self.slot_versions
        return sorted(
            slot for slot in mine.keys() | versions.keys() if mine.get(slot) != versions.get(slot)
        )

    def slots_of_parts(self, hashes: Ints) -> list[int]:
        """Slots with segments whose rows lie in one of these lake parts."""
        return [int(slot) for slot in np.unique(self.part_slots[np.isin(self.part_hashes, hashes)])]

    def replaced(
        self,
        slots: Collection[int],
        versions: dict[int, int],
        rows: Iterable[FootageRow],
        unread: Collection[str] = (),
    ) -> FootageDay:
        """With these slots as `rows` say; `unread`: lake parts that do not count as indexed."""
        fresh = _read(list(rows), unread)
        gone = np.array(sorted(slots), dtype=np.int64)

        def kept(us: Ints) -> npt.NDArray[np.bool_]:
            return ~np.isin(us // SLOT_US, gone)

        def both(old: Spans, new: Spans) -> Spans:
            return inserted(old.only(kept(old.start)), new)

        stay = ~np.isin(self.part_slots, gone)
        old, new = self.troubles.only(kept(self.troubles.start)), fresh.troubles
        numbers = sorted(versions)
        recorded, indexed = (both(self.recorded, fresh.recorded), both(self.indexed, fresh.indexed))
        return FootageDay(
            np.array(numbers, dtype=np.int64),
            np.array([versions[slot] for slot in numbers], dtype=np.int64),
            recorded,
            recorded if indexed.same_as(recorded) else indexed,
            np.concatenate((self.part_slots[stay], fresh.part_slots)),
            np.concatenate((self.part_hashes[stay], fresh.part_hashes)),
            Troubles(
                *(
                    np.concatenate((getattr(old, one.name), getattr(new, one.name)))
                    for one in fields(Troubles)
                )
            ),
        )


@dataclass(frozen=True, slots=True)
class Totals:
    """What each camera has of a day."""

    cameras: Ints  # sorted
    first: Ints  # start of what is recorded
    last: Ints  # its latest end
    recorded: Ints  # microseconds; of no meaning where spans overlap
    indexed: Ints
    looked: Ints  # latest end of what is indexed; NEVER.min where nothing is
    overlap: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, recorded: Spans, indexed: Spans) -> Totals:
        """Of spans in sorted order."""
        cameras, begin = owners_of(recorded)
        lengths, looked = np.zeros_like(cameras), np.full_like(cameras, NEVER.min)
        if len(indexed):
            owners, first = owners_of(indexed)
            seen = np.searchsorted(cameras, owners)
            lengths[seen] = np.add.reduceat(indexed.lengths(), first)
            looked[seen] = np.maximum.reduceat(indexed.end, first)
        if not len(cameras):
            return cls(cameras, cameras, cameras, cameras, lengths, looked, cameras != cameras)
        return cls(
            cameras,
            recorded.start[begin],
            np.maximum.reduceat(recorded.end, begin),
            np.add.reduceat(recorded.lengths(), begin),
            lengths,
            looked,
            np.isin(cameras, overlapping_owners(recorded)),
        )


def part_hash(part: str) -> int:
    """A lake part as a number; two parts of one number only cost reading a slot again."""
    return int.from_bytes(blake2b(part.encode(), digest_size=8).digest(), "big", signed=True)


def _read(rows: list[FootageRow], unread: Collection[str]) -> FootageDay:
    """Rows of the ledger as arrays, of no version yet."""
    if not rows:
        return NOTHING
    cameras, starts, ends, states, parts, troubled, ids = zip(*rows, strict=True)
    camera, start, end = (np.array(one, dtype=np.int64) for one in (cameras, starts, ends))
    done = np.array(
        [state == "done" and part not in unread for state, part in zip(states, parts, strict=True)],
        dtype=bool,
    )
    slot = start // SLOT_US
    hashes = {part: part_hash(part) for part in {*parts} if part is not None}
    named = {
        (at, hashes[part])
        for at, part in zip(slot.tolist(), parts, strict=True)
        if part is not None
    }
    bad = np.flatnonzero(np.array(troubled, dtype=bool))
    return FootageDay(
        EMPTY.owner,
        EMPTY.owner,
        _by_slot(slot, camera, start, end),
        _by_slot(slot[done], camera[done], start[done], end[done]),
        np.array([at for at, _ in named], dtype=np.int64),
        np.array([number for _, number in named], dtype=np.int64),
        Troubles(
            camera[bad], start[bad], end[bad],
            np.array([ids[at] for at in bad], dtype="S26"),
        ),
    )  # fmt: skip


def _by_slot(slot: Ints, camera: Ints, start: Ints, end: Ints) -> Spans:
    """Merged within each slot: what crosses a border stays apart, so that a slot can go."""
    cameras, rank = np.unique(camera, return_inverse=True)
    whole = merged(spans(slot * len(cameras) + rank, start, end))
    return spans(cameras[whole.owner % max(1, len(cameras))], whole.start, whole.end)


def _arrays(day: FootageDay) -> list[tuple[str, npt.NDArray[Any]]]:
    """By name; owners as how many spans each has, and what is indexed only where it differs."""
    found = [
        ("slots", day.slots),
        ("versions", day.versions),
        ("part_slots", day.part_slots),
        ("part_hashes", day.part_hashes),
        *((f"troubles.{one.name}", getattr(day.troubles, one.name)) for one in fields(Troubles)),
    ]
    for name in ("recorded",) if day.indexed is day.recorded else ("recorded", "indexed"):
        group: Spans = getattr(day, name)
        owners, first = owners_of(group)
        found += [
            (f"{name}.owners", owners),
            (f"{name}.counts", np.diff(np.append(first, len(group)))),
            (f"{name}.start", group.start),
            (f"{name}.end", group.end),
        ]
    return found


def written(day: FootageDay, about: dict[str, Any]) -> bytes:
    """As a file: its magic, CRC-32 of the rest, length of a JSON header, the header, the arrays."""
    arrays = _arrays(day)
    header = {**about, "arrays": [[name, one.dtype.str, len(one)] for name, one in arrays]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    rest = len(text).to_bytes(8, "little") + text
    rest += b"".join(one.tobytes() for _, one in arrays)
    return MAGIC + zlib.crc32(rest).to_bytes(8, "little") + rest


def read_back(data: bytes, about: dict[str, Any]) -> FootageDay:
    """What `written` gave. DayDamaged: not these bytes, or not of what `about` says."""
    if data[:8] != MAGIC or zlib.crc32(data[16:]) != int.from_bytes(data[8:16], "little"):
        raise DayDamaged
    length = int.from_bytes(data[16:24], "little")
    header = json.loads(data[24 : 24 + length])
    named = header.pop("arrays")
    if header != about:
        raise DayDamaged
    at, found = 24 + length, dict[str, Any]()
    for name, kind, count in named:
        found[name] = np.frombuffer(data, dtype=kind, count=count, offset=at)
        at += found[name].nbytes

    def group(name: str) -> Spans:
        owner = np.repeat(found[f"{name}.owners"], found[f"{name}.counts"])
        return Spans(owner, found[f"{name}.start"], found[f"{name}.end"])

    recorded = group("recorded")
    return FootageDay(
        found["slots"], found["versions"], recorded,
        group("indexed") if "indexed.start" in found else recorded,
        found["part_slots"], found["part_hashes"],
        Troubles(*(found[f"troubles.{one.name}"] for one in fields(Troubles))),
    )  # fmt: skip


NOTHING = FootageDay(
    EMPTY.owner, EMPTY.owner, EMPTY, EMPTY, EMPTY.owner, EMPTY.owner,
    Troubles(EMPTY.owner, EMPTY.owner, EMPTY.owner, np.zeros(0, dtype="S26")),
)  # fmt: skip
