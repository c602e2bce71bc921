"""Segment rows: written once at close, read by camera and span, turned into tombstones."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    desc,
    func,
    insert,
    select,
    text,
    union_all,
    update,
)

from storage import schema
from storage.errors import NotFound
from storage.i18n import N_
from storage.ledger import Ledger
from storage.vocabulary import ClockSource, Segment, SegmentState

# Longer than this are only imports. Finding what overlaps a span must not read all that a camera
# ever recorded: short segments are looked for so far back and no farther, long ones are few and
# have an index of their own, whose condition must be in these very words (ix_segment_long).
LONG_US = 7_200_000_000
LONG = text(f"segment.end_us - segment.start_us > {LONG_US}")
# A literal, because no bound parameter proves to SQLite that an index of such rows will do.
WAITING = text("segment.expired_us IS NOT NULL AND segment.unlinked_us IS NULL")
UNKNOWN_SEGMENT = N_("segment {segment} is not in the ledger")
_s = schema.segment.c
# That a row is `closed`, said so that SQLite looks for it by id, or by camera and start: told
# `state = 'closed'` it walks over every row of that state, of all cameras.
KEPT = _s.expired_us.is_(None)
_FIELDS = [field.name for field in fields(Segment)]
_COLUMNS = [
    schema.camera.c.slug.label("camera") if name == "camera" else _s[name] for name in _FIELDS
]
_STATE, _SOURCE = _FIELDS.index("state"), _FIELDS.index("clock_source")
_STATES = {state.value: state for state in SegmentState}
_SOURCES = {source.value: source for source in ClockSource}


def insert_segment(tx: Connection, segment: Segment) -> None:
    """The last step of closing: the file is already whole under its final name (invariant 1)."""
    values = asdict(segment)
    values.pop("camera")
    tx.execute(insert(schema.segment).values(**values))


def segment(tx: Connection, segment_id: str) -> Segment:
    """One segment by id."""
    row = tx.execute(_query().where(_s.id == segment_id)).first()
    if row is None:
        raise NotFound(UNKNOWN_SEGMENT, segment=segment_id)
    return _segment(row)


def segments(
    tx: Connection,
    *,
    camera_ids: Sequence[int] | None = None,
    from_us: int | None = None,
    to_us: int | None = None,
    state: SegmentState | None = SegmentState.CLOSED,
    limit: int | None = None,
) -> list[Segment]:
    """Segments that overlap [from_us, to_us), by camera and start."""
    return list(iterate(tx, camera_ids, from_us, to_us, state, limit))


def iterate(
    tx: Connection,
    camera_ids: Sequence[int] | None = None,
    from_us: int | None = None,
    to_us: int | None = None,
    state: SegmentState | None = SegmentState.CLOSED,
    limit: int | None = None,
) -> Iterator[Segment]:
    """As `segments`, streamed."""
    query = _query()
    if camera_ids is not None:
        query = query.where(_s.camera_id.in_(camera_ids))
    if state is not None:
        query = query.where(in_state(state))
    found = overlapping(query, from_us, to_us).subquery()
    ordered = select(found).order_by(found.c.camera, found.c.start_us, found.c.id).limit(limit)
    for row in tx.execute(ordered):
        yield _segment(row)


def in_state(state: SegmentState) -> ColumnElement[bool]:
    """SQL: rows of a state, by the index that the rest of the question asks for; see KEPT."""
    return KEPT if state is SegmentState.CLOSED else ~KEPT


def overlapping(
    query: Select[Any], from_us: int | None, to_us: int | None
) -> Select[Any] | CompoundSelect[Any]:
    """`query`, of rows of `segment`, for those that overlap [from_us, to_us).

    A short segment that ends after `from_us` begins at most LONG_US before; a long one that
    begins earlier is found by its length.
    """
    if to_us is not None:
        query = query.where(_s.start_us < to_us)
    if from_us is None:
        return query
    query = query.where(_s.end_us > from_us)
    recent = query.where(_s.start_us >= from_us - LONG_US)
    return union_all(recent, query.where(_s.start_us < from_us - LONG_US, LONG))


def newest_end_us(
    tx: Connection,
    camera_id: int,
    *where: ColumnElement[bool],
    until_us: int | None = None,
    begun_us: int | None = None,
) -> int | None:
    """The latest end (not after `until_us`) of a camera's segments (begun by `begun_us`) that
    fulfil `where`."""
    mine = select(_s.end_us.label("end_us")).where(_s.camera_id == camera_id, *where)
    if begun_us is not None:
        mine = mine.where(_s.start_us <= begun_us)
    if until_us is not None:
        mine = mine.where(_s.end_us <= until_us)
    last: int | None = tx.execute(mine.order_by(_s.start_us.desc()).limit(1)).scalar()
    if last is None:
        return None
    # Only what overlaps its end can end later: it began before.
    later = overlapping(mine, last, None).subquery()
    latest: int | None = tx.execute(select(func.max(later.c.end_us))).scalar()
    return last if latest is None else latest


def segment_at(tx: Connection, camera_id: int, at_us: int) -> Segment | None:
    """The closed segment of a camera that holds the instant, or None."""
    before, _ = neighbours(tx, camera_id, at_us)
    if before is None or before.end_us > at_us:
        return before  # nearly always: the last to start is the one
    query = _query().where(_s.camera_id == camera_id, KEPT)
    found = overlapping(query, at_us, at_us + 1).order_by(desc("start_us"))
    row = tx.execute(found.limit(1)).first()
    return None if row is None else _segment(row)


def neighbours(tx: Connection, camera_id: int, at_us: int) -> tuple[Segment | None, Segment | None]:
    """(last closed segment that starts at or before, first that starts after)."""
    base = _query().where(_s.camera_id == camera_id, KEPT).limit(1)
    before = tx.execute(
        base.where(_s.start_us <= at_us).order_by(_s.start_us.desc())
    ).first()  # fmt: skip
    after = tx.execute(base.where(_s.start_us > at_us).order_by(_s.start_us)).first()
    return (
        None if before is None else _segment(before),
        None if after is None else _segment(after),
    )


def last_segment(tx: Connection, camera_id: int, origin: str | None = None) -> Segment | None:
    """The latest-closed segment row of a camera, tombstones included: the chain's head.

    With `origin` ('live' or 'import'), the latest of that kind.
    """
    query = _query().where(_s.camera_id == camera_id).order_by(_s.id.desc()).limit(1)
    if origin is not None:
        query = query.where(_s.origin == origin)
    row = tx.execute(query).first()
    return None if row is None else _segment(row)


def follower(tx: Connection, camera_id: int, sha256: str) -> Segment | None:
    """The segment of this camera that names these bytes as its predecessor's, or None."""
    query = _query().where(_s.camera_id == camera_id, _s.prev_sha256 == sha256).limit(1)
    row = tx.execute(query).first()
    return None if row is None else _segment(row)


def by_sha256(tx: Connection, camera_id: int, sha256: str) -> Segment | None:
    """A segment of this camera with these very bytes, or None."""
    query = _query().where(_s.camera_id == camera_id, _s.sha256 == sha256).limit(1)
    row = tx.execute(query).first()
    return None if row is None else _segment(row)


def known_paths(tx: Connection, volume: str) -> set[str]:
    """Paths of every row of a volume, tombstones included."""
    return set(tx.execute(select(_s.path).where(_s.volume == volume)).scalars())


def count_segments(tx: Connection) -> int:
    """How many rows, of every state."""
    return int(tx.execute(select(func.count()).select_from(schema.segment)).scalar_one())


def kept_time(tx: Connection, camera_ids: Collection[int] | None = None) -> tuple[int, int]:
    """(how many closed segments, their durations together in microseconds), of all cameras or
    of these."""
    query = select(func.count(), func.coalesce(func.sum(_s.duration_us), 0))
    if camera_ids is not None:
        query = query.where(_s.camera_id.in_(camera_ids))
    count, duration_us = tx.execute(query.where(_s.state == "closed")).one()
    return int(count), int(duration_us)


def expire(tx: Connection, segment_ids: Sequence[str], rule: str, at_us: int) -> int:
    """Turn closed rows into tombstones: the step before any file is unlinked."""
    result = tx.execute(
        update(schema.segment)
        .where(_s.id.in_(segment_ids), KEPT)
        .values(state="expired", expired_us=at_us, expired_rule=rule)
    )
    return result.rowcount


def get(tx: Connection, segment_ids: Sequence[str]) -> list[Segment]:
    """Those of `segment_ids` that the ledger has, by id."""
    query = _query().where(_s.id.in_(segment_ids)).order_by(_s.id)
    return [_segment(row) for row in tx.execute(query)]


def matching(
    tx: Connection, *where: ColumnElement[bool], limit: int | None = None
) -> list[Segment]:
    """Rows of any state that fulfil `where`, oldest first: for the rules of retention."""
    query = _query().where(*where).order_by(_s.start_us, _s.id).limit(limit)
    return [_segment(row) for row in tx.execute(query)]


def pages(
    ledger: Ledger, state: SegmentState = SegmentState.CLOSED, size: int = 1000
) -> Iterator[list[Segment]]:
    """All rows of a state by id, each page in a transaction of its own.

    For walks that take hours: one long read would keep SQLite's log from ever shrinking.
    """
    last = ""
    while True:
        with ledger.read() as tx:
            query = _query().where(in_state(state), _s.id > last)
            rows = tx.execute(query.order_by(_s.id).limit(size))
            page = [_segment(row) for row in rows]
        if not page:
            return
        yield page
        last = page[-1].id


def not_unlinked(
    tx: Connection, *, volume: str | None = None, after: str = "", limit: int | None = None
) -> list[Segment]:
    """Tombstones whose file may still be there, by id from the one after `after` on."""
    query = _query().where(WAITING, _s.id > after).order_by(_s.id).limit(limit)
    if volume is not None:
        query = query.where(_s.volume == volume)
    return [_segment(row) for row in tx.execute(query)]


def count_not_unlinked(tx: Connection) -> dict[str, int]:
    """How many tombstones on each volume still wait for their file to go."""
    query = select(_s.volume, func.count()).where(WAITING).group_by(_s.volume)
    return {row[0]: row[1] for row in tx.execute(query)}


def mark_unlinked(tx: Connection, segment_ids: Sequence[str], at_us: int) -> None:
    """The files of these tombstones are gone, durably."""
    tx.execute(update(schema.segment).where(_s.id.in_(segment_ids)).values(unlinked_us=at_us))


def _query() -> Select[Any]:
    return select(*_COLUMNS).join(schema.camera, schema.camera.c.id == _s.camera_id)


def _segment(row: Sequence[Any]) -> Segment:
    """A row of `_query` as facts; a camera's day has 1,440 of them."""
    values = list(row)
    values[_STATE] = _STATES[values[_STATE]]
    values[_SOURCE] = _SOURCES[values[_SOURCE]]
    return Segment(*values)
