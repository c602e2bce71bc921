"""What befell many cameras over a span: clock offsets, corrections, spans of bad pictures."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, case, func, select

from storage import schema
from storage.clocks import Correction, Offset
from storage.events import EventKind
from storage.newest import among
from storage.vocabulary import Span

# Events that say what is wrong with the picture from then on; the last takes all of them back.
BAD_PICTURES = (
    EventKind.PICTURE_BLACK, EventKind.PICTURE_COVERED, EventKind.PICTURE_MOVED,
    EventKind.PICTURE_FROZEN, EventKind.PICTURE_OVEREXPOSED, EventKind.PICTURE_BLURRED,
)  # fmt: skip
BUCKETS = 100  # of a camera's offsets
_o = schema.clock_offset.c
_k = schema.clock_correction.c
_e = schema.event.c


@dataclass(frozen=True, slots=True)
class Picture:
    """A span in which a camera's picture was bad, as the indexer saw it."""

    kind: EventKind
    start_us: int
    end_us: int
    lasts: bool  # up to the end asked for


def offsets_of(
    tx: Connection, camera_ids: Collection[int], span: Span
) -> dict[int, list[Offset]]:  # fmt: skip
    """Camera → what its clock said in the span, oldest first. Of more than a sparkline can show,
    the least and the most of each BUCKETS-th: a jump is never thinned away."""
    number = func.row_number().over(partition_by=_o.camera_id, order_by=_o.at_us)
    count = func.count().over(partition_by=_o.camera_id)
    rows = (
        select(_o.camera_id, _o.at_us, _o.offset_us, _o.followed, number.label("number"),
               count.label("count"))
        .where(among(_o.camera_id, camera_ids), _o.at_us >= span.start_us, _o.at_us < span.end_us)
        .subquery()
    )  # fmt: skip
    r = rows.c
    bucket = case((r.count <= BUCKETS, r.number), else_=(r.number - 1) * BUCKETS // r.count)
    query = (
        select(
            r.camera_id, func.min(r.at_us), func.max(r.at_us), func.min(r.offset_us),
            func.max(r.offset_us), func.max(case((r.followed, 1), else_=0)),
            func.max(case((r.number == r.count, r.offset_us))),
        )
        .group_by(r.camera_id, bucket)
        .order_by(r.camera_id, func.min(r.at_us))
    )  # fmt: skip
    found: dict[int, list[Offset]] = {}
    for key, first_us, last_us, least_us, most_us, followed, final_us in tx.execute(query):
        mine = found.setdefault(key, [])
        mine.append(Offset(first_us, least_us, bool(followed)))
        if last_us != first_us:
            mine.append(Offset(last_us, most_us, bool(followed)))
        if final_us is not None and mine[-1].offset_us != final_us:
            mine.append(Offset(last_us, final_us, bool(followed)))
    return found


def corrections_of(
    tx: Connection, camera_ids: Collection[int], span: Span
) -> dict[int, list[Correction]]:
    """Camera → corrections of footage of the span, in the order they were added."""
    query = (
        select(schema.clock_correction)
        .where(
            among(_k.camera_id, camera_ids), _k.start_us < span.end_us, _k.end_us > span.start_us
        )
        .order_by(_k.id)
    )
    found: dict[int, list[Correction]] = {}
    for row in tx.execute(query).mappings():
        found.setdefault(row["camera_id"], []).append(Correction(**dict(row)))
    return found


def bad_pictures(
    tx: Connection, camera_ids: Collection[int], span: Span
) -> dict[int, list[Picture]]:
    """Camera → spans of bad pictures, oldest first, each cut to the span."""
    kinds = [kind.value for kind in (*BAD_PICTURES, EventKind.PICTURE_GOOD)]
    told = (among(_e.camera_id, camera_ids), _e.kind.in_(kinds))
    last = (
        select(func.max(_e.id))
        .where(*told, _e.at_us < span.start_us)
        .group_by(_e.camera_id)
    )  # fmt: skip
    query = (
        select(_e.camera_id, _e.at_us, _e.kind)
        .where(*told, _e.at_us < span.end_us)
        .where((_e.at_us >= span.start_us) | _e.id.in_(last))
        .order_by(_e.camera_id, _e.at_us, _e.id)
    )
    steps: dict[int, list[tuple[int, EventKind]]] = {}
    for key, at_us, kind in tx.execute(query):
        steps.setdefault(key, []).append((at_us, EventKind(kind)))
    found: dict[int, list[Picture]] = {}
    for key, mine in steps.items():
        ends = [at_us for at_us, _ in mine[1:]] + [span.end_us]
        for number, ((at_us, kind), end_us) in enumerate(zip(mine, ends, strict=True)):
            start_us = max(at_us, span.start_us)
            if kind is not EventKind.PICTURE_GOOD and end_us > start_us:
                lasts = number == len(mine) - 1
                found.setdefault(key, []).append(Picture(kind, start_us, end_us, lasts))
    return found
