"""Expected, recorded and missing time of a camera: recorded + gaps = expected (invariant 6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, RowMapping, and_, insert, or_, select, update

from storage import schema
from storage.segments import in_state, overlapping
from storage.vocabulary import Gap, GapCause, SegmentState, Span

# Two segments closer than this follow one another: the length of the last picture of a segment
# is a guess, and a camera at 2 pictures a second guesses half a second wrong.
JOIN_US = 1_000_000
_g = schema.gap.c
_e = schema.expectation.c


def merge(spans: Iterable[Span]) -> list[Span]:
    """Sorted, disjoint, non-empty union."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda s: s.start_us):
        if span.duration_us <= 0:
            continue
        if merged and span.start_us <= merged[-1].end_us:
            merged[-1] = Span(merged[-1].start_us, max(merged[-1].end_us, span.end_us))
        else:
            merged.append(span)
    return merged


def intersect(a: Iterable[Span], b: Iterable[Span]) -> list[Span]:
    """Spans in both."""
    left, right = merge(a), merge(b)
    result, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        start = max(left[i].start_us, right[j].start_us)
        end = min(left[i].end_us, right[j].end_us)
        if start < end:
            result.append(Span(start, end))
        if left[i].end_us < right[j].end_us:
            i += 1
        else:
            j += 1
    return result


def subtract(a: Iterable[Span], b: Iterable[Span]) -> list[Span]:
    """Spans of `a` outside `b`."""
    result: list[Span] = []
    holes, first = merge(b), 0
    for span in merge(a):
        cursor = span.start_us
        while first < len(holes) and holes[first].end_us <= cursor:
            first += 1
        for i in range(first, len(holes)):
            hole = holes[i]
            if hole.start_us >= span.end_us:
                break
            if hole.start_us > cursor:
                result.append(Span(cursor, hole.start_us))
            cursor = max(cursor, hole.end_us)
        if cursor < span.end_us:
            result.append(Span(cursor, span.end_us))
    return result


def total_us(spans: Iterable[Span]) -> int:
    """Length of the union, microseconds."""
    return sum(span.duration_us for span in merge(spans))


def expect(tx: Connection, camera_id: int, start_us: int, end_us: int | None = None) -> None:
    """From `start_us` on (until `end_us`) the camera should be recording."""
    tx.execute(
        insert(schema.expectation).values(camera_id=camera_id, start_us=start_us, end_us=end_us)
    )


def open_expectation(tx: Connection, camera_id: int) -> int | None:
    """Start of the expectation that has not ended, or None."""
    query = select(_e.start_us).where(_e.camera_id == camera_id, _e.end_us.is_(None))
    return tx.execute(query.order_by(_e.start_us).limit(1)).scalar()


def end_expectation(tx: Connection, camera_id: int, end_us: int) -> None:
    """The camera need not record from `end_us` on."""
    tx.execute(
        update(schema.expectation)
        .where(_e.camera_id == camera_id, _e.end_us.is_(None), _e.start_us <= end_us)
        .values(end_us=end_us)
    )


def expected(tx: Connection, camera_id: int, asked: Span) -> list[Span]:
    """When, inside `asked`, the camera should have been recording."""
    rows = tx.execute(
        select(_e.start_us, _e.end_us).where(
            _e.camera_id == camera_id,
            _e.start_us < asked.end_us,
            or_(_e.end_us.is_(None), _e.end_us > asked.start_us),
        )
    )
    spans = [Span(start, asked.end_us if end is None else end) for start, end in rows]
    return intersect(spans, [asked])


def recorded(tx: Connection, camera_id: int, asked: Span) -> list[Span]:
    """What, inside `asked`, is kept in closed segments."""
    return _footage(tx, camera_id, asked, SegmentState.CLOSED)


def deleted(tx: Connection, camera_id: int, asked: Span) -> list[Span]:
    """What, inside `asked`, was recorded and lawfully deleted: the spans of tombstones."""
    return _footage(tx, camera_id, asked, SegmentState.EXPIRED)


def _footage(tx: Connection, camera_id: int, asked: Span, state: SegmentState) -> list[Span]:
    s = schema.segment.c
    mine = select(s.start_us, s.end_us).where(s.camera_id == camera_id, in_state(state))
    rows = tx.execute(overlapping(mine, asked.start_us, asked.end_us))
    return intersect([Span(start, end) for start, end in rows], [asked])


def open_gap(
    tx: Connection, camera_id: int, start_us: int, cause: GapCause, detail: str | None = None
) -> None:
    """A gap begins; while one is open its cause may sharpen, its start stays."""
    running = and_(_g.camera_id == camera_id, _g.end_us.is_(None))
    if tx.execute(select(_g.id).where(running)).first():
        tx.execute(
            update(schema.gap).where(running).values(cause=cause.value, detail=_short(detail))
        )
    else:
        add_gap(tx, camera_id, start_us, None, cause, detail)


def close_gap(tx: Connection, camera_id: int, end_us: int) -> None:
    """Recording goes on: the open gap, if any, ends. An empty one vanishes."""
    running = and_(_g.camera_id == camera_id, _g.end_us.is_(None))
    tx.execute(schema.gap.delete().where(running, _g.start_us >= end_us))
    tx.execute(update(schema.gap).where(running).values(end_us=end_us))


def trim_gaps(tx: Connection, camera_id: int, found: Span) -> None:
    """Footage of `found` turned up after all: gaps end where it begins, go on where it ends."""
    for gap in gaps(tx, camera_ids=[camera_id], from_us=found.start_us, to_us=found.end_us):
        tx.execute(schema.gap.delete().where(_g.id == gap.id))
        before_us, after_us = min(found.start_us, gap.end_us or found.start_us), found.end_us
        add_gap(tx, camera_id, gap.start_us, before_us, gap.cause, gap.detail)
        if gap.end_us is None or gap.end_us > after_us:
            start_us = max(after_us, gap.start_us)
            add_gap(tx, camera_id, start_us, gap.end_us, gap.cause, gap.detail)


def add_gap(
    tx: Connection,
    camera_id: int,
    start_us: int,
    end_us: int | None,
    cause: GapCause,
    detail: str | None = None,
) -> None:
    """Record a gap as it is; nothing for an empty one."""
    if end_us is not None and end_us <= start_us:
        return
    tx.execute(
        insert(schema.gap).values(
            camera_id=camera_id, start_us=start_us, end_us=end_us,
            cause=cause.value, detail=_short(detail),
        )
    )  # fmt: skip


def gaps(
    tx: Connection,
    *,
    camera_ids: Sequence[int] | None = None,
    from_us: int | None = None,
    to_us: int | None = None,
) -> list[Gap]:
    """Gap rows that overlap [from_us, to_us), by camera and start."""
    query = (
        select(schema.gap, schema.camera.c.slug.label("camera"))
        .join(schema.camera, schema.camera.c.id == _g.camera_id)
        .order_by(schema.camera.c.slug, _g.start_us)
    )
    if camera_ids is not None:
        query = query.where(_g.camera_id.in_(camera_ids))
    if from_us is not None:
        query = query.where(or_(_g.end_us.is_(None), _g.end_us > from_us))
    if to_us is not None:
        query = query.where(_g.start_us < to_us)
    return [_gap(row) for row in tx.execute(query).mappings()]


def unexplained(tx: Connection, camera_id: int, asked: Span) -> list[Span]:
    """Expected time that is neither recorded, nor deleted, nor in a gap row: must be empty.

    Holes of up to JOIN_US do not count: they are how cameras round the length of a picture.
    """
    rows = gaps(tx, camera_ids=[camera_id], from_us=asked.start_us, to_us=asked.end_us)
    explained = [
        Span(gap.start_us, asked.end_us if gap.end_us is None else gap.end_us) for gap in rows
    ]
    explained += recorded(tx, camera_id, asked) + deleted(tx, camera_id, asked)
    holes = subtract(expected(tx, camera_id, asked), explained)
    return [hole for hole in holes if hole.duration_us > JOIN_US]


def _short(detail: str | None) -> str | None:
    return None if detail is None else detail[:500]


def _gap(row: RowMapping) -> Gap:
    values = dict(row)
    values["cause"] = GapCause(values["cause"])
    return Gap(**values)
