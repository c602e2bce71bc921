"""Which rows of the lake count now: by partition (UTC day) of a generation, with its version."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from storage import schema
from storage.clock import US
from storage.lake import day_of
from storage.search_tables import index_day
from storage.segments import KEPT

DAY_US = 86_400 * US
LONG_US = 7200 * US  # as the index of long segments says
IN_ONE = 500  # ids in one statement
_w = schema.index_work.c
_s = schema.segment.c


class LiveRows(NamedTuple):
    """A kept segment's rows in one part. Rows of another `stamp` are older or newer ones.

    The stamp stays when parts are merged, so that what was made of the rows stays good as well.
    """

    segment_id: str
    stamp: str
    part: str  # relative to lake/


def day_versions(tx: Connection, generation_id: int) -> dict[date, int]:
    """Every day the generation ever had rows of → its version.

    While a version stays, so does what `live_rows` says of the day; triggers see to it.
    """
    query = (
        select(index_day.c.day, func.sum(index_day.c.version))
        .where(index_day.c.generation_id == generation_id)
        .group_by(index_day.c.day)
    )
    return {date.fromisoformat(day): int(version) for day, version in tx.execute(query)}


def days_reaching(tx: Connection, generation_id: int, at_us: int) -> set[date]:
    """Days with rows of segments so long that they reach to `at_us` from more than a day before."""
    query = _rows(
        generation_id,
        _s.end_us - _s.start_us > LONG_US, _s.start_us < at_us, _s.end_us > at_us,
    )  # fmt: skip
    return {day_of(one.part) for one in _unfolded(tx, query)}


def live_rows(tx: Connection, generation_id: int, day: date) -> list[LiveRows]:
    """All of a day. A segment across midnight lies, whole, in the day of its first row."""
    folder = f"/day={day.isoformat()}/"
    found: list[LiveRows] = []
    for query in _of_day(generation_id, day):
        found += (one for one in _unfolded(tx, query) if folder in one.part)
    return found


def live_count(tx: Connection, generation_id: int, day: date) -> int:
    """How many rows `live_rows` names, as the ledger has it."""
    folder = f"/day={day.isoformat()}/"
    whole = 0
    for query in _of_day(generation_id, day):
        named = query.add_columns(_w.frames, _w.deep_frames)
        for _, _, part, deep_part, frames, deep_frames in tx.execute(named):
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


def _of_day(generation_id: int, day: date) -> tuple[Select[Any], Select[Any]]:
    """What may lie in a day: segments that begin around it, and long ones that reach into it."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    start_us = int(midnight.timestamp()) * US
    near = (
        _s.state == "closed", _s.start_us >= start_us - LONG_US, _s.start_us < start_us + DAY_US
    )  # fmt: skip
    long = (
        _s.end_us - _s.start_us > LONG_US, _s.start_us < start_us - LONG_US, _s.end_us >= start_us
    )  # fmt: skip
    return _rows(generation_id, *near), _rows(generation_id, *long)


def _rows(generation_id: int, *which: ColumnElement[bool]) -> Select[Any]:
    return (
        select(_w.segment_id, _w.done_us, _w.part, _w.deep_part)
        .join(schema.segment, _s.id == _w.segment_id)
        .where(
            *which, KEPT,
            and_(_w.generation_id == generation_id, _w.state == "done"),
            or_(_w.part.is_not(None), _w.deep_part.is_not(None)),
        )
    )  # fmt: skip


def _unfolded(tx: Connection, query: Select[Any]) -> list[LiveRows]:
    found: list[LiveRows] = []
    for segment_id, done_us, part, deep_part in tx.execute(query):
        if part is not None:
            found.append(LiveRows(segment_id, str(done_us), part))
        if deep_part is not None:  # gone over again, it has another part; merged, one more
            found.append(LiveRows(segment_id, deep_part, deep_part))
    return found
