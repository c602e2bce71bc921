"""What lies on a camera's timeline besides its kept footage: tombstones, events, holds, corrections
of its clock, and the borders of segments; each bounded by what is drawn, not by what there is."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
)

from storage import clocks, schema
from storage.cases import holds
from storage.clock import US
from storage.clocks import Correction
from storage.events import Event, events
from storage.segments import KEPT, LONG, LONG_US
from storage.timeline import JOIN_US
from storage.vocabulary import Camera, Hold, Span

_s = schema.segment.c
_e = schema.event.c
DAY_US = 86_400 * US  # UTC days, as of footage_changes
MOST_KNOWN = 50_000  # days of cameras whose tombstones are kept in memory, a span or two each


@dataclass(frozen=True, slots=True)
class EventCount:
    """Events of one kind so close that they are drawn as one."""

    camera_id: int
    kind: str
    first_us: int
    last_us: int
    count: int


@dataclass(frozen=True, slots=True)
class Marks:
    """What is listed of a span, newest first; `…_total` says how many there are in all."""

    holds: list[Hold]
    events: list[Event]
    events_total: int
    corrections: list[tuple[Camera, Correction]]
    corrections_total: int


def any_tombstone(tx: Connection, camera_ids: Collection[int], span: Span) -> bool:
    """Whether something was deleted about then: mostly not, and then nothing is looked through.

    Short ones of whichever camera, by the index of starts by state; long ones of these.
    """
    recent = exists().where(
        _s.state == "expired", _s.start_us >= span.start_us - LONG_US, _s.start_us < span.end_us
    )
    if tx.execute(select(recent)).scalar():
        return True
    long = select(_s.id).where(
        _s.camera_id.in_(camera_ids), _s.start_us < span.start_us, LONG, ~KEPT,
        _s.end_us > span.start_us,
    )  # fmt: skip
    return tx.execute(long.limit(1)).first() is not None


def tombstoned(
    tx: Connection, camera_id: int, within: Sequence[Span], versions: Mapping[int, int]
) -> list[tuple[int, int]]:
    """Spans of a camera's tombstones of the days that `within` (sorted, disjoint) touches.

    Those that lie within JOIN_US of one another are one. `versions`: of these days, as
    footage_changes.day_versions says; while a day's stays, so does what is known of it.
    """
    days: set[int] = set()
    for one in within:
        days.update(range((one.start_us - LONG_US) // DAY_US, (one.end_us - 1) // DAY_US + 1))
    found = [
        span
        for day in sorted(days & versions.keys())
        for span in _known_of_day(tx, camera_id, day, versions[day])
    ]
    if within:
        long = select(_s.start_us, _s.end_us).where(
            _s.camera_id == camera_id, LONG, ~KEPT, _s.start_us < within[-1].end_us,
            _s.end_us > within[0].start_us,
        )  # fmt: skip
        found += [(int(a), int(b)) for a, b in tx.execute(long)]
    joined: list[tuple[int, int]] = []
    for start_us, end_us in sorted(found):
        if joined and start_us <= joined[-1][1] + JOIN_US:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end_us))
        else:
            joined.append((start_us, end_us))
    return joined


_Day = tuple[int, int, int]  # camera, day, version
_known: WeakKeyDictionary[Engine, OrderedDict[_Day, tuple[tuple[int, int], ...]]]
_known = WeakKeyDictionary()
_knowing = threading.Lock()


def _known_of_day(
    tx: Connection, camera_id: int, day: int, version: int
) -> tuple[tuple[int, int], ...]:
    """What begins on a day, from memory where it is known at this version."""
    key = (camera_id, day, version)
    with _knowing:
        mine = _known.setdefault(tx.engine, OrderedDict())
        if key in mine:
            mine.move_to_end(key)
            return mine[key]
    found = _of_day(tx, camera_id, day)
    with _knowing:
        mine[key] = found
        while len(mine) > MOST_KNOWN:
            mine.popitem(last=False)
    return found


def _of_day(tx: Connection, camera_id: int, day: int) -> tuple[tuple[int, int], ...]:
    """1,440 rows or so, joined by the ledger; those longer than LONG_US are asked for apart."""
    rows = (
        select(_s.start_us, _s.end_us)
        .where(
            _s.camera_id == camera_id, ~KEPT, _s.start_us >= day * DAY_US,
            _s.start_us < (day + 1) * DAY_US,
        )
        .subquery()
    )  # fmt: skip
    order = (rows.c.start_us, rows.c.end_us)
    reach = func.max(rows.c.end_us).over(order_by=order, rows=(None, -1))
    reached = select(rows.c.start_us, rows.c.end_us, reach.label("reach")).subquery()
    fresh = case(
        (or_(reached.c.reach.is_(None), reached.c.start_us > reached.c.reach + JOIN_US), 1),
        else_=0,
    )
    number = func.sum(fresh).over(order_by=(reached.c.start_us, reached.c.end_us), rows=(None, 0))
    islands = select(reached.c.start_us, reached.c.end_us, number.label("number")).subquery()
    query = select(func.min(islands.c.start_us), func.max(islands.c.end_us))
    return tuple((int(a), int(b)) for a, b in tx.execute(query.group_by(islands.c.number)))


def event_counts(
    tx: Connection, camera_ids: Collection[int], span: Span, bin_us: int
) -> list[EventCount]:
    """Events of [span), those of one camera and kind within one bin as one; by time."""
    # In figures: PostgreSQL does not see that a parameter is the same one each time.
    place: ColumnElement[int] = literal_column(
        f"(event.at_us - {int(span.start_us)}) / {max(1, int(bin_us))}"
    )
    query = (
        select(_e.camera_id, _e.kind, func.min(_e.at_us), func.max(_e.at_us), func.count())
        .where(_e.camera_id.in_(camera_ids), _inside(span))
        .group_by(_e.camera_id, _e.kind, place)
    )
    return sorted((EventCount(*row) for row in tx.execute(query)), key=lambda one: one.first_us)


def marks(tx: Connection, cameras: Sequence[Camera], span: Span, now_us: int, most: int) -> Marks:
    """Holds in force, events and corrections of these cameras that touch the span."""
    ids = [camera.id for camera in cameras]
    held = [
        one for one in holds(tx, at_us=now_us, camera_ids=ids)
        if one.start_us < span.end_us and one.end_us > span.start_us
    ]  # fmt: skip
    happened = events(tx, camera_ids=ids, from_us=span.start_us, to_us=span.end_us, limit=most)
    total = tx.execute(
        select(func.count()).select_from(schema.event)
        .where(_e.camera_id.in_(ids), _inside(span))
    ).scalar_one()  # fmt: skip
    said = [
        (camera, one)
        for camera in cameras
        for one in clocks.corrections(tx, camera.id, span.start_us, span.end_us)
    ]
    said.sort(key=lambda pair: -pair[1].start_us)
    return Marks(
        sorted(held, key=lambda one: -one.start_us), happened, int(total), said[:most], len(said)
    )


def borders(
    tx: Connection, camera_ids: Collection[int], span: Span, most: int
) -> list[tuple[int, int]]:
    """(camera, instant) at which kept segments begin inside the span, for spans of an hour or so;
    none when there would be more than `most`."""
    query = select(_s.camera_id, _s.start_us).where(
        _s.camera_id.in_(camera_ids), KEPT, _s.start_us > span.start_us, _s.start_us < span.end_us
    )
    rows = tx.execute(query.limit(most + 1)).all()
    return [] if len(rows) > most else [(int(camera), int(us)) for camera, us in rows]


def _inside(span: Span) -> ColumnElement[bool]:
    return and_(_e.at_us >= span.start_us, _e.at_us < span.end_us)
