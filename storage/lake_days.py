"""Which rows of the lake count now: by partition (UTC day) of a generation, with its version."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from storage import schema
from storage.clock import US
from storage.footage_changes import SLOT_US
from storage.lake import day_of
from storage.search_tables import footage_change, index_day
from storage.segments import KEPT, LONG, LONG_US

DAY_US = 86_400 * US
IN_ONE = 500  # ids in one statement
MOST_CHANGED = 48  # slots; more are read with all others
_w = schema.index_work.c
_s = schema.segment.c


class LiveRows(NamedTuple):
    """A kept segment's rows in one part. Rows of another `stamp` are older or newer ones.

    The stamp stays when parts are merged, so that what was made of the rows stays good as well.
    """

    segment_id: str
    stamp: str
    part: str  # relative to lake/
    slot: int  # of storage.footage_changes, in which the segment begins


def day_versions(tx: Connection, generation_id: int) -> dict[date, int]:
    """Every day the generation ever had rows of → its version.

    While a version stays, so does what `live_day` says of the day; triggers see to it.
    """
    query = (
        select(index_day.c.day, func.sum(index_day.c.version))
        .where(index_day.c.generation_id == generation_id)
        .group_by(index_day.c.day)
    )
    return {date.fromisoformat(day): int(version) for day, version in tx.execute(query)}


def days_reaching(tx: Connection, generation_id: int, at_us: int) -> set[date]:
    """Days with rows of segments so long that they reach to `at_us` from more than a day before."""
    long = _long(tx, _s.start_us < at_us, _s.end_us > at_us)
    return {day_of(one.part) for one in live_rows_of(tx, generation_id, long)}


@dataclass(frozen=True, slots=True, eq=False)
class LiveDay:
    """What counts in a day, as of one instant."""

    version: int
    rows: Mapping[tuple[str, str], LiveRows]  # by segment and stamp
    slots: Mapping[int, int]  # versions of the slots in which their segments begin


def live_day(
    tx: Connection, generation_id: int, day: date, before: LiveDay | None = None
) -> LiveDay:
    """All of a day. A segment across midnight lies, whole, in the day of its first row.

    `before`: what was known of the day; only slots that changed since are read again.
    """
    version = day_versions(tx, generation_id).get(day, 0)
    first, last = _slots_of(day)
    slots = _slot_versions(tx, first, last)
    near = _near(generation_id, day)
    folder = f"/day={day.isoformat()}/"
    rows: dict[tuple[str, str], LiveRows] = {}
    queries = [near]
    if before is not None:
        changed = {slot for slot in slots if before.slots.get(slot) != slots[slot]}
        if len(changed) <= MOST_CHANGED:
            kept = set(slots) - changed
            rows = {key: row for key, row in before.rows.items() if row.slot in kept}
            queries = [
                near.where(_s.start_us >= slot * SLOT_US, _s.start_us < (slot + 1) * SLOT_US)
                for slot in sorted(changed)
            ]
    found = [one for query in queries for one in _unfolded(tx, query)]
    found += live_rows_of(tx, generation_id, _reaching_into(tx, day))
    for one in found:
        if folder in one.part:
            rows[(one.segment_id, one.stamp)] = one
    return LiveDay(version, rows, slots)


def live_count(tx: Connection, generation_id: int, day: date) -> int:
    """How many rows `live_day` names, as the ledger has it."""
    folder = f"/day={day.isoformat()}/"
    whole = 0
    queries = [_near(generation_id, day)]
    if long := _reaching_into(tx, day):
        queries.append(_rows(generation_id, _s.id.in_(long)))
    for query in queries:
        named = query.add_columns(_w.frames, _w.deep_frames)
        for _, _, part, deep_part, _, frames, deep_frames in tx.execute(named):
            whole += (frames or 0) if part is not None and folder in part else 0
            whole += (deep_frames or 0) if deep_part is not None and folder in deep_part else 0
    return whole


def live_rows_of(
    tx: Connection, generation_id: int, segment_ids: Collection[str]
) -> list[LiveRows]:
    """Those of some segments, whatever their days."""
    wanted: Sequence[str] = sorted(segment_ids)
    found: list[LiveRows] = []
    for start in range(0, len(wanted), IN_ONE):
        some = _s.id.in_(wanted[start : start + IN_ONE])
        found += _unfolded(tx, _rows(generation_id, some))
    return found


def _near(generation_id: int, day: date) -> Select[Any]:
    """Of segments that begin in a day or at most LONG_US before."""
    start_us = _midnight_us(day)
    return _rows(
        generation_id,
        _s.state == "closed", _s.start_us >= start_us - LONG_US, _s.start_us < start_us + DAY_US,
    )  # fmt: skip


def _reaching_into(tx: Connection, day: date) -> list[str]:
    """Long segments that began before those of `_near` and reach into a day."""
    start_us = _midnight_us(day)
    return _long(tx, _s.start_us < start_us - LONG_US, _s.end_us >= start_us)


def _long(tx: Connection, *which: ColumnElement[bool]) -> list[str]:
    """Ids of long segments: few, and by an index of their own. Asked for first, because joined
    with the index work SQLite would walk all of that.
    """
    return list(tx.execute(select(_s.id).where(LONG, *which)).scalars())


def _midnight_us(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * US


def _slots_of(day: date) -> tuple[int, int]:
    """Of segments that begin in a day or at most LONG_US before: half-open."""
    start_us = _midnight_us(day)
    return (start_us - LONG_US) // SLOT_US, (start_us + DAY_US) // SLOT_US


def _slot_versions(tx: Connection, first: int, last: int) -> dict[int, int]:
    slot = footage_change.c.slot
    query = (
        select(slot, func.sum(footage_change.c.version))
        .where(slot >= first, slot < last)
        .group_by(slot)
    )
    return {int(number): int(version) for number, version in tx.execute(query)}


def _rows(generation_id: int, *which: ColumnElement[bool]) -> Select[Any]:
    return (
        select(_w.segment_id, _w.done_us, _w.part, _w.deep_part, _s.start_us)
        .join(schema.segment, _s.id == _w.segment_id)
        .where(
            *which, KEPT,
            and_(_w.generation_id == generation_id, _w.state == "done"),
            or_(_w.part.is_not(None), _w.deep_part.is_not(None)),
        )
    )  # fmt: skip


def _unfolded(tx: Connection, query: Select[Any]) -> list[LiveRows]:
    found: list[LiveRows] = []
    for segment_id, done_us, part, deep_part, start_us in tx.execute(query):
        slot = start_us // SLOT_US
        if part is not None:
            found.append(LiveRows(segment_id, str(done_us), part, slot))
        if deep_part is not None:  # gone over again, it has another part; merged, one more
            found.append(LiveRows(segment_id, deep_part, deep_part, slot))
    return found
