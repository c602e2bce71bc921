"""Of many cameras at once: their newest footage, how far it is indexed, up to when they are due.

One question to the ledger for all of them, each answered at the near end of an index: asked camera
by camera the same takes seconds, and walking all index work takes longer the older the archive is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, and_, func, literal_column, select
from sqlalchemy.sql.elements import ColumnElement

from storage import schema
from storage.segments import KEPT, LONG, LONG_US

IN_ONE = 500  # ids in one statement
NEAR, FAR = 40, 3000  # newest segments of a camera that are looked at for one that is indexed
FRESH_S = 60.0
BUSIEST = 20  # what took long to find out is kept for so many times as long
_s = schema.segment.c
_w = schema.index_work.c
_g = schema.gap.c
_e = schema.expectation.c
_c = schema.camera.c


@dataclass(frozen=True, slots=True)
class Newest:
    """Of one camera, UTC microseconds."""

    kept_us: int | None  # end of its newest kept footage
    live_us: int | None  # of what it recorded itself, kept or not, up to now
    due_since_us: int | None  # begin of the expectation that has not ended
    gap_end_us: int | None  # latest end of its gaps

    def settled_us(self, now_us: int, open_us: int) -> int:
        """Up to when what was due is known, while it records: the rest has no row yet.

        `open_us`: how long a segment may be without a row.
        """
        known = (self.live_us, self.due_since_us, self.gap_end_us)
        horizon = max((us for us in known if us is not None), default=now_us)
        return now_us if now_us - horizon > open_us else horizon


def newest(tx: Connection, camera_ids: Sequence[int], now_us: int) -> dict[int, Newest]:
    """By camera key."""

    def latest(*where: ColumnElement[bool]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        mine = and_(_s.camera_id == _c.id, *where)
        last = select(_s.start_us).where(mine).order_by(_s.start_us.desc()).limit(1)
        # Only what begins LONG_US before the last can end later; what is longer is found apart.
        begun_us = last.correlate(schema.camera).scalar_subquery() - LONG_US
        near = select(func.max(_s.end_us)).where(mine, _s.start_us >= begun_us)
        long = select(func.max(_s.end_us)).where(mine, LONG)
        return (
            near.correlate(schema.camera).scalar_subquery(),
            long.correlate(schema.camera).scalar_subquery(),
        )

    kept, kept_long = latest(KEPT)
    live, live_long = latest(_s.origin == "live", _s.end_us <= now_us)
    due = select(func.min(_e.start_us)).where(_e.camera_id == _c.id, _e.end_us.is_(None))
    gap = select(func.max(_g.end_us)).where(_g.camera_id == _c.id)
    query = select(
        _c.id, kept, kept_long, live, live_long, due.scalar_subquery(), gap.scalar_subquery()
    ).where(among(_c.id, camera_ids))
    return {
        row[0]: Newest(_latest(row[1], row[2]), _latest(row[3], row[4]), row[5], row[6])
        for row in tx.execute(query)
    }


@dataclass(frozen=True, slots=True)
class Indexed:
    """How far a camera's footage is indexed."""

    end_us: int  # of the newest segment that is done
    done_us: int | None  # when that was


def newest_indexed(
    tx: Connection, generation_id: int, camera_ids: Sequence[int]
) -> dict[int, Indexed]:
    """By camera key; absent: nothing of it is indexed.

    Where the index is more than FAR segments behind, an answer may be a minute old.
    """
    some = select(_w.segment_id).where(_w.generation_id == generation_id, _w.state == "done")
    if tx.execute(some.limit(1)).first() is None:
        return {}
    found: dict[int, Indexed] = {}
    for depth in (NEAR, FAR):
        left = [key for key in camera_ids if key not in found]
        if not left:
            return found
        found |= _indexed_near(tx, generation_id, left, depth)
    left = [key for key in camera_ids if key not in found]
    has = {row[0] for row in tx.execute(select(_c.id).where(among(_c.id, left), _has_kept()))}
    return found | _indexed_far(tx, generation_id, has)


def _indexed_near(
    tx: Connection, generation_id: int, camera_ids: Sequence[int], depth: int
) -> dict[int, Indexed]:
    """By the newest `depth` segments of each: told apart by key alone, in two steps. Asked in one,
    SQLite walks all index work of the generation for every camera."""
    ends: dict[str, tuple[int, int]] = {}
    for key in camera_ids:
        recent = select(_s.id, _s.end_us).where(_s.camera_id == key, KEPT)
        for segment_id, end_us in tx.execute(recent.order_by(_s.start_us.desc()).limit(depth)):
            ends[segment_id] = (key, end_us)
    found: dict[int, Indexed] = {}
    ids = list(ends)
    for at in range(0, len(ids), IN_ONE):
        query = select(_w.segment_id, _w.state, _w.done_us).where(
            _w.segment_id.in_(ids[at : at + IN_ONE]), _w.generation_id == generation_id
        )
        for segment_id, state, done_us in tx.execute(query):
            if state == "done":
                key, end_us = ends[segment_id]
                before = found.get(key)
                found[key] = Indexed(
                    max(end_us, before.end_us if before else end_us),
                    _latest(done_us, before.done_us if before else None),
                )
    return found


_far: WeakKeyDictionary[Engine, dict[tuple[int, int], tuple[float, Indexed | None]]]
_far = WeakKeyDictionary()
_far_lock = threading.Lock()


def _indexed_far(
    tx: Connection, generation_id: int, camera_ids: Collection[int]
) -> dict[int, Indexed]:
    """By all index work: for cameras whose index lies far behind, or that have none."""
    began = time.monotonic()
    with _far_lock:
        known = _far.setdefault(tx.engine, {})
        held = {key: known[generation_id, key] for key in camera_ids
                if (generation_id, key) in known}  # fmt: skip
    fresh = {key: one for key, (until, one) in held.items() if began < until}
    left = [key for key in camera_ids if key not in fresh]
    found = {key: one for key, one in fresh.items() if one is not None}
    if not left:
        return found
    query = (
        select(_s.camera_id, func.max(_s.end_us), func.max(_w.done_us))
        .join(schema.index_work, _s.id == _w.segment_id)
        .where(_w.generation_id == generation_id, _w.state == "done", KEPT)
        .where(among(_s.camera_id, left))
        .group_by(_s.camera_id)
    )
    asked = {row[0]: Indexed(row[1], row[2]) for row in tx.execute(query)}
    now = time.monotonic()
    until = now + max(FRESH_S, BUSIEST * (now - began))
    with _far_lock:
        known |= {(generation_id, key): (until, asked.get(key)) for key in left}
    return found | asked


def _has_kept() -> ColumnElement[bool]:
    return select(_s.id).where(_s.camera_id == _c.id, KEPT).limit(1).exists()


def among(column: ColumnElement[int], keys: Collection[int]) -> ColumnElement[bool]:
    """In figures: for hundreds of parameters SQLAlchemy takes longer than the ledger answers."""
    figures = ", ".join(str(int(one)) for one in keys) or "NULL"
    return column.bool_op("IN")(literal_column(f"({figures})"))


def _latest(*us: int | None) -> int | None:
    return max((one for one in us if one is not None), default=None)
