"""Generations (one pass of one model) and index work (which segment is done, claimed, failed)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, and_, func, insert, or_, select, update

from storage import schema
from storage.errors import NotFound
from storage.segments import segment as find_segment
from storage.vocabulary import Generation, Segment

MOST_ATTEMPTS = 3  # a segment that failed this often is marked and left alone
_g = schema.generation.c
_w = schema.index_work.c
_s = schema.segment.c


def add_generation(
    tx: Connection,
    *,
    model: str,
    checkpoint: str | None,
    weights_hash: str,
    preprocess_hash: str,
    dimension: int,
    meaningful: bool,
    state: str,
    at_us: int,
) -> Generation:
    """The next generation of a model."""
    last = tx.execute(select(func.max(_g.number)).where(_g.model == model)).scalar()
    key: int = tx.execute(
        insert(schema.generation).values(
            model=model, number=(last or 0) + 1, checkpoint=checkpoint,
            weights_hash=weights_hash, preprocess_hash=preprocess_hash, dimension=dimension,
            state=state, meaningful=meaningful, created_us=at_us,
        ).returning(schema.generation.c.id)
    ).scalar_one()  # fmt: skip
    return generation(tx, key)


def generation(tx: Connection, generation_id: int) -> Generation:
    """By key."""
    row = tx.execute(select(schema.generation).where(_g.id == generation_id)).mappings().first()
    if row is None:
        raise NotFound("index generation {number} is not known", number=generation_id)
    return _generation(row)


def checkpoint_of(tx: Connection, generation_id: int) -> str | None:
    """The local checkpoint file a generation was made with, when one was named."""
    return tx.execute(select(_g.checkpoint).where(_g.id == generation_id)).scalar()


def generations(tx: Connection) -> list[Generation]:
    """All, oldest first."""
    rows = tx.execute(select(schema.generation).order_by(_g.id)).mappings()
    return [_generation(row) for row in rows]


def active_generation(tx: Connection) -> Generation | None:
    """The one that answers, None before anything was indexed."""
    row = tx.execute(select(schema.generation).where(_g.state == "active")).mappings().first()
    return None if row is None else _generation(row)


def activate(tx: Connection, generation_id: int) -> None:
    """Atomic switch: this generation answers from now on, the one before is retired."""
    tx.execute(update(schema.generation).where(_g.state == "active").values(state="retired"))
    tx.execute(update(schema.generation).where(_g.id == generation_id).values(state="active"))


def claim(
    tx: Connection,
    generation_id: int,
    worker: str,
    *,
    now_us: int,
    lease_us: int,
    limit: int = 1,
    camera_ids: Sequence[int] | None = None,
    newest_first: bool = True,
) -> list[Segment]:
    """Take up to `limit` segments that have no finished row for this generation.

    Also those whose lease lapsed and those that failed fewer than MOST_ATTEMPTS times. The claim
    is atomic: SQLite's writer lock, PostgreSQL's SKIP LOCKED.
    """
    free = or_(
        _w.segment_id.is_(None),
        and_(_w.state == "claimed", _w.lease_us < now_us),
        and_(_w.state == "failed", _w.attempts < MOST_ATTEMPTS, _w.lease_us < now_us),
    )
    order = _s.start_us.desc() if newest_first else _s.start_us
    query = (
        select(_s.id, _w.attempts)
        .outerjoin(
            schema.index_work,
            and_(_w.segment_id == _s.id, _w.generation_id == generation_id),
        )
        .where(_s.state == "closed", free)
        .order_by(order)
        .limit(limit)
    )
    if camera_ids is not None:
        query = query.where(_s.camera_id.in_(camera_ids))
    if tx.dialect.name == "postgresql":
        query = query.with_for_update(of=schema.segment, skip_locked=True)
    taken = tx.execute(query).all()
    for segment_id, attempts in taken:
        values = {"state": "claimed", "worker": worker, "lease_us": now_us + lease_us}
        if attempts is None:
            tx.execute(
                insert(schema.index_work).values(
                    segment_id=segment_id, generation_id=generation_id, attempts=1, **values
                )
            )
        else:
            tx.execute(
                update(schema.index_work)
                .where(_w.segment_id == segment_id, _w.generation_id == generation_id)
                .values(attempts=attempts + 1, **values)
            )
    return [find_segment(tx, segment_id) for segment_id, _ in taken]


def finish(
    tx: Connection,
    segment_ids: Sequence[str],
    generation_id: int,
    worker: str,
    *,
    frames: dict[str, int],
    part: str,
    at_us: int,
) -> list[str]:
    """Mark claimed segments done, their rows being durable in `part`.

    Returns the ids still owned by `worker`; one whose lease lapsed and went to somebody else is
    left to them.
    """
    owned = []
    for segment_id in segment_ids:
        changed = tx.execute(
            update(schema.index_work)
            .where(
                _w.segment_id == segment_id, _w.generation_id == generation_id,
                _w.worker == worker, _w.state == "claimed",
            )
            .values(
                state="done", frames=frames.get(segment_id, 0), part=part, detail=None,
                lease_us=None, done_us=at_us,
            )
        ).rowcount  # fmt: skip
        if changed:
            owned.append(segment_id)
    return owned


def fail(
    tx: Connection, segment_id: str, generation_id: int, detail: str, *, retry_us: int
) -> None:
    """Mark a segment failed with the reason; it may be claimed again from `retry_us` on."""
    tx.execute(
        update(schema.index_work)
        .where(_w.segment_id == segment_id, _w.generation_id == generation_id)
        .values(state="failed", detail=detail[:500], lease_us=retry_us)
    )


def release(tx: Connection, segment_id: str, generation_id: int, worker: str) -> None:
    """Give a claim back untouched (a clean stop)."""
    tx.execute(
        schema.index_work.delete().where(
            _w.segment_id == segment_id, _w.generation_id == generation_id,
            _w.worker == worker, _w.state == "claimed",
        )
    )  # fmt: skip


def indexed_segment_ids(
    tx: Connection, generation_id: int, *, camera_ids: Sequence[int] | None = None,
    from_us: int | None = None, to_us: int | None = None,
) -> dict[str, str]:  # fmt: skip
    """id → state ('claimed', 'done', 'failed') for closed segments that overlap the span."""
    query = (
        select(_w.segment_id, _w.state)
        .join(schema.segment, _s.id == _w.segment_id)
        .where(_w.generation_id == generation_id, _s.state == "closed")
    )
    if camera_ids is not None:
        query = query.where(_s.camera_id.in_(camera_ids))
    if from_us is not None:
        query = query.where(_s.end_us > from_us)
    if to_us is not None:
        query = query.where(_s.start_us < to_us)
    return {row.segment_id: row.state for row in tx.execute(query)}


def live_parts(tx: Connection, generation_id: int) -> dict[str, list[str]]:
    """Parquet part → segments whose rows in it count.

    A part that no finished row names is litter of a killed worker and never read; a segment
    indexed twice counts only in the part its row names, so a search never doubles a frame and
    never returns one whose footage is gone.
    """
    query = (
        select(_w.part, _w.segment_id)
        .join(schema.segment, _s.id == _w.segment_id)
        .where(_w.generation_id == generation_id, _w.state == "done", _s.state == "closed")
        .where(_w.part.is_not(None))
    )
    result: dict[str, list[str]] = {}
    for part, segment_id in tx.execute(query):
        result.setdefault(part, []).append(segment_id)
    return result


def newest_indexed_us(tx: Connection, generation_id: int) -> dict[int, int]:
    """camera key → end of its newest indexed segment."""
    query = (
        select(_s.camera_id, func.max(_s.end_us))
        .join(schema.index_work, _s.id == _w.segment_id)
        .where(_w.generation_id == generation_id, _w.state == "done", _s.state == "closed")
        .group_by(_s.camera_id)
    )
    return {row[0]: row[1] for row in tx.execute(query)}


def failures(tx: Connection, generation_id: int) -> list[tuple[str, str]]:
    """(segment id, reason) of what could not be indexed."""
    query = select(_w.segment_id, _w.detail).where(
        _w.generation_id == generation_id, _w.state == "failed"
    )
    return [(row[0], row[1] or "") for row in tx.execute(query)]


def _generation(row: RowMapping) -> Generation:
    values = dict(row)
    values.pop("checkpoint")
    values["meaningful"] = bool(values["meaningful"])
    return Generation(**values)
