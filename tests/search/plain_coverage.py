"""The coverage of an answer the plain way: every row of the ledger, one span after the other.

What search.coverage must say, to the microsecond.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Connection, select

from search.coverage import Coverage, MissingSpan, UnreadSpan
from search.time_of_day import windows
from storage import schema, timeline
from storage.vocabulary import Camera, Generation, Span

Rows = list[tuple[int, int, int | None]]  # camera, start, end


def plain_coverage(
    tx: Connection,
    cameras: Sequence[Camera],
    generation: Generation | None,
    *,
    from_us: int | None,
    to_us: int | None,
    between: tuple[int, int] | None,
    weekdays: Collection[int] = (),
    now_us: int,
    unread: Collection[str] = (),
) -> Coverage:
    """As search.coverage.coverage."""
    ids = [camera.id for camera in cameras]
    s, e, w = schema.segment.c, schema.expectation.c, schema.index_work.c
    kept_rows: Rows = [
        (row[0], row[1], row[2])
        for row in tx.execute(
            select(s.camera_id, s.start_us, s.end_us).where(
                s.camera_id.in_(ids), s.expired_us.is_(None)
            )
        )
    ]
    due_rows: Rows = [
        (row[0], row[1], row[2])
        for row in tx.execute(select(e.camera_id, e.start_us, e.end_us).where(e.camera_id.in_(ids)))
    ]
    name = None if generation is None else generation.model
    number = None if generation is None else generation.number
    nothing = Coverage(len(cameras), 0, 0, 0, (), None, name, number)
    rows = [*kept_rows, *due_rows]
    if not rows:
        return nothing
    start_us = min(start for _, start, _ in rows)
    end_us = max(now_us if end is None else end for _, _, end in rows)
    asked = Span(
        start_us if from_us is None else max(from_us, start_us),
        end_us if to_us is None else min(to_us, end_us),
    )
    if asked.duration_us <= 0:
        return nothing
    expected, recorded = _spans(due_rows, asked), _spans(kept_rows, asked)
    indexed: dict[int, list[Span]] = {}
    unreadable: list[UnreadSpan] = []
    if generation is not None:
        slugs = {camera.id: camera.slug for camera in cameras}
        work = tx.execute(
            select(s.camera_id, s.start_us, s.end_us, s.id, w.state, w.part, w.damaged, w.detail)
            .join(schema.index_work, w.segment_id == s.id)
            .where(
                s.camera_id.in_(ids), s.expired_us.is_(None), w.generation_id == generation.id
            )
        ).all()  # fmt: skip
        indexed = _spans(
            [row[:3] for row in work if row.state == "done" and row.part not in unread], asked
        )
        bad = [
            row
            for row in work
            if (row.state == "failed" or (row.damaged or 0) > 0)
            and row.end_us > asked.start_us
            and row.start_us < asked.end_us
        ]
        bad.sort(key=lambda row: (row.start_us, row.end_us, row.camera_id, row.id), reverse=True)
        unreadable = [
            UnreadSpan(slugs[row.camera_id], row.start_us, row.end_us, row.detail or "")
            for row in bad[:100]
        ]
    due = kept = seen = 0
    missing: list[MissingSpan] = []
    lags: list[int] = []
    for camera in cameras:
        window = windows(camera.tz, between, asked, weekdays)
        footage = timeline.intersect(recorded.get(camera.id, []), window)
        looked = timeline.intersect(indexed.get(camera.id, []), footage)
        past = [Span(asked.start_us, min(asked.end_us, now_us))]
        so_far = timeline.intersect(timeline.intersect(expected.get(camera.id, []), past), window)
        due += timeline.total_us(so_far + footage)
        kept += timeline.total_us(footage)
        seen += timeline.total_us(looked)
        for gap in timeline.gaps(
            tx, camera_ids=[camera.id], from_us=asked.start_us, to_us=asked.end_us
        ):
            end_us = min(now_us if gap.end_us is None else gap.end_us, asked.end_us)
            missing += [
                MissingSpan(camera.slug, piece.start_us, piece.end_us, gap.cause.value)
                for piece in timeline.intersect([Span(gap.start_us, end_us)], window)
            ]
        if footage:
            newest = looked[-1].end_us if looked else footage[0].start_us
            lags.append(footage[-1].end_us - newest)
    return Coverage(
        len(cameras), due, kept, seen, tuple(missing), max(lags, default=None), name, number,
        tuple(unreadable),
    )  # fmt: skip


def _spans(rows: Iterable[Sequence[int | None]], asked: Span) -> dict[int, list[Span]]:
    """By camera, cut to what is asked; what has no end lasts."""
    found: dict[int, list[Span]] = {}
    for camera_id, start, end in rows:
        assert camera_id is not None
        assert start is not None
        found.setdefault(camera_id, []).append(Span(start, asked.end_us if end is None else end))
    return {camera: timeline.intersect(each, [asked]) for camera, each in found.items()}
