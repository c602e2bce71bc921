"""Generations (one pass of one model) and index work (which segment is done, claimed, failed)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import (
    Connection,
    RowMapping,
    Select,
    and_,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import sqlite

from storage import schema
from storage.errors import NotFound
from storage.segments import KEPT, get
from storage.vocabulary import Generation, Segment

MOST_ATTEMPTS = 3  # a segment that failed this often is marked and left alone
MOST_LAPSES = 5  # so often a worker died over it: more, since a kill hits innocent ones as well
_g = schema.generation.c
_w = schema.index_work.c
_s = schema.segment.c


@dataclass(frozen=True, slots=True)
class Free:
    """A segment that `claim` would take."""

    segment_id: str
    camera_id: int
    start_us: int


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
    named: str = "",
) -> Generation:
    """The next generation of a model. `named`: what the settings named when it was made."""
    last = tx.execute(select(func.max(_g.number)).where(_g.model == model)).scalar()
    key: int = tx.execute(
        insert(schema.generation).values(
            model=model, number=(last or 0) + 1, checkpoint=checkpoint,
            weights_hash=weights_hash, preprocess_hash=preprocess_hash, dimension=dimension,
            state=state, meaningful=meaningful, created_us=at_us, named=named,
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


def activate(tx: Connection, generation_id: int, *, at_us: int) -> None:
    """Atomic switch: this generation answers from now on, the one before is retired."""
    before = active_generation(tx)
    if before is not None and before.id == generation_id:
        return
    tx.execute(update(schema.generation).where(_g.state == "active").values(state="retired"))
    tx.execute(
        update(schema.generation)
        .where(_g.id == generation_id)
        .values(state="active", activated_us=at_us, follows=None if before is None else before.id)
    )


def build(tx: Connection, generation_id: int | None) -> None:
    """Make this the generation being built (None: none); another in building is retired."""
    tx.execute(update(schema.generation).where(_g.state == "building").values(state="retired"))
    tx.execute(update(schema.generation).where(_g.id == generation_id).values(state="building"))


def claimable(
    tx: Connection,
    generation_id: int,
    *,
    now_us: int,
    limit: int = 1,
    camera_ids: Sequence[int] | None = None,
    volumes: Sequence[str] | None = None,
    newest_first: bool = True,
    from_us: int | None = None,
    to_us: int | None = None,
) -> list[Free]:
    """What `claim` would take of the segments that start in [from_us, to_us), in order of start.

    Without a lock: looking through a large archive takes long, and nobody who records may wait
    for it.
    """
    # By state, because there is an index of starts by state.
    query = (
        _free(generation_id, now_us)
        .where(_s.state == "closed")
        .order_by(_s.start_us.desc() if newest_first else _s.start_us)
        .limit(limit)
    )
    if camera_ids is not None:
        query = query.where(_s.camera_id.in_(camera_ids))
    if volumes is not None:
        query = query.where(_s.volume.in_(volumes))
    if from_us is not None:
        query = query.where(_s.start_us >= from_us)
    if to_us is not None:
        query = query.where(_s.start_us < to_us)
    return [Free(row.id, row.camera_id, row.start_us) for row in tx.execute(query)]


def claim(
    tx: Connection,
    generation_id: int,
    worker: str,
    *,
    among: Sequence[str],
    now_us: int,
    lease_us: int,
) -> list[Segment]:
    """Take those of the segments `among` that are free.

    Also those whose lease lapsed and those that failed fewer than MOST_ATTEMPTS times. The claim
    is atomic: SQLite's writer lock, PostgreSQL's SKIP LOCKED.
    """
    query = _free(generation_id, now_us).where(KEPT, _s.id.in_(among))
    if tx.dialect.name == "postgresql":
        query = query.with_for_update(of=schema.segment, skip_locked=True)
    values = {"state": "claimed", "worker": worker, "lease_us": now_us + lease_us}
    attempts = {row.id: row.attempts for row in tx.execute(query)}
    # Neither returns a row where another worker was faster: what this one read is older.
    fresh = [
        {"segment_id": key, "generation_id": generation_id, "attempts": 1, **values}
        for key, count in attempts.items()
        if count is None
    ]
    taken: list[str] = []
    if fresh:
        insert_new = _insert(tx)(schema.index_work).on_conflict_do_nothing()
        taken += tx.execute(insert_new.returning(_w.segment_id), fresh).scalars()
    for key, count in attempts.items():
        if count is None:
            continue
        again = (
            update(schema.index_work)
            .where(
                _w.segment_id == key, _w.generation_id == generation_id, _w.attempts == count,
            )
            .values(attempts=count + 1, **values)
        )  # fmt: skip
        if tx.execute(again).rowcount:
            taken.append(key)
    return get(tx, taken)


def _insert(tx: Connection) -> Any:
    """The insert that can say "unless it is there", which each database says in its own way."""
    if tx.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # megabytes, in every process

        return postgresql.insert
    return sqlite.insert


def renew(
    tx: Connection, segment_ids: Sequence[str], generation_id: int, worker: str, *, lease_us: int
) -> list[str]:
    """Prolong claims to `lease_us`, an instant. Returns the ids still owned by `worker`."""
    mine = and_(
        _w.segment_id.in_(segment_ids), _w.generation_id == generation_id,
        _w.worker == worker, _w.state == "claimed",
    )  # fmt: skip
    tx.execute(update(schema.index_work).where(mine).values(lease_us=lease_us))
    return list(tx.execute(select(_w.segment_id).where(mine)).scalars())


def claimants(tx: Connection, generation_id: int) -> list[str]:
    """Workers that hold claims."""
    query = select(_w.worker).where(_w.generation_id == generation_id, _w.state == "claimed")
    return list(tx.execute(query.distinct()).scalars())


def lapse(tx: Connection, generation_id: int, worker: str) -> None:
    """End the leases of a worker that is known to be dead; the attempts still count."""
    tx.execute(
        update(schema.index_work)
        .where(
            _w.generation_id == generation_id, _w.worker == worker, _w.state == "claimed"
        )
        .values(lease_us=0)
    )  # fmt: skip


def give_up_lapsed(tx: Connection, generation_id: int, *, now_us: int, detail: str) -> None:
    """Mark failed what workers died over MOST_LAPSES times: it must not kill the next one too."""
    tx.execute(
        update(schema.index_work)
        .where(
            _w.generation_id == generation_id, _w.state == "claimed",
            _w.lease_us < now_us, _w.attempts >= MOST_LAPSES,
        )
        .values(state="failed", detail=detail[:500])
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a segment: its rows are durable in the parts that are named."""

    segment_id: str
    frames: int  # rows in `part`
    part: str | None  # None when nothing in it was worth a row
    looked: int  # pictures decided about, in `looks`
    looks: str | None
    damaged: int  # of these: could not be decoded
    detail: str | None  # what was left out


def finish(
    tx: Connection,
    outcomes: Sequence[Outcome],
    generation_id: int,
    worker: str,
    *,
    at_us: int,
) -> list[str]:
    """Mark claimed segments done.

    Returns the ids still owned by `worker`; one whose lease lapsed and went to somebody else is
    left to them.
    """
    owned = []
    for one in outcomes:
        changed = tx.execute(
            update(schema.index_work)
            .where(
                _w.segment_id == one.segment_id, _w.generation_id == generation_id,
                _w.worker == worker, _w.state == "claimed",
            )
            .values(
                state="done", frames=one.frames, part=one.part, looked=one.looked,
                looks=one.looks, damaged=one.damaged, detail=one.detail, deep_part=None,
                deep_frames=None, lease_us=None, done_us=at_us,
            )
        ).rowcount  # fmt: skip
        if changed:
            owned.append(one.segment_id)
    return owned


def fail(
    tx: Connection, segment_id: str, generation_id: int, worker: str, detail: str, *, retry_us: int
) -> None:
    """Mark a claim of `worker` failed with the reason; free again from `retry_us` on."""
    tx.execute(
        update(schema.index_work)
        .where(
            _w.segment_id == segment_id, _w.generation_id == generation_id,
            _w.worker == worker, _w.state == "claimed",
        )
        .values(state="failed", detail=detail[:500], lease_us=retry_us)
    )  # fmt: skip


def release(tx: Connection, segment_id: str, generation_id: int, worker: str) -> None:
    """Give a claim back untouched (a clean stop)."""
    tx.execute(
        schema.index_work.delete().where(
            _w.segment_id == segment_id, _w.generation_id == generation_id,
            _w.worker == worker, _w.state == "claimed",
        )
    )  # fmt: skip


def forget(tx: Connection, segment_ids: Sequence[str], generation_id: int) -> None:
    """As if never indexed: their rows in the lake are lost, or what failed is to be tried again."""
    tx.execute(
        schema.index_work.delete().where(
            _w.segment_id.in_(segment_ids), _w.generation_id == generation_id,
            _w.state.in_(["done", "failed"]),
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
        select(_w.part, _w.deep_part, _w.segment_id)
        .join(schema.segment, _s.id == _w.segment_id)
        .where(_w.generation_id == generation_id, _w.state == "done", _s.expired_us.is_(None))
        .where(or_(_w.part.is_not(None), _w.deep_part.is_not(None)))
    )
    result: dict[str, list[str]] = {}
    for part, deep_part, segment_id in tx.execute(query):
        for one in (part, deep_part):
            if one is not None:
                result.setdefault(one, []).append(segment_id)
    return result


def pending(
    tx: Connection, generation_id: int, *, camera_ids: Sequence[int] | None = None
) -> tuple[int, int]:
    """(how many closed segments are neither done nor failed, their footage in microseconds)."""
    query = (
        select(func.count(), func.coalesce(func.sum(_s.duration_us), 0))
        .select_from(schema.segment)
        .outerjoin(
            schema.index_work,
            and_(_w.segment_id == _s.id, _w.generation_id == generation_id),
        )
        .where(_s.state == "closed", or_(_w.state.is_(None), _w.state == "claimed"))
    )
    if camera_ids is not None:
        query = query.where(_s.camera_id.in_(camera_ids))
    count, duration_us = tx.execute(query).one()
    return int(count), int(duration_us)


def failures(tx: Connection, generation_id: int) -> list[tuple[str, str]]:
    """(segment id, reason) of kept footage that could not be indexed."""
    query = (
        select(_w.segment_id, _w.detail)
        .join(schema.segment, _s.id == _w.segment_id)
        .where(_w.generation_id == generation_id, _w.state == "failed", KEPT)
        .order_by(_w.segment_id)
    )
    return [(row[0], row[1] or "") for row in tx.execute(query)]


def _free(generation_id: int, now_us: int) -> Select[Any]:
    """(id, camera_id, start_us, attempts or NULL) of what nobody indexes or has indexed; whether
    it is kept is asked by whoever knows by which index to find it."""
    return (
        select(_s.id, _s.camera_id, _s.start_us, _w.attempts)
        .outerjoin(
            schema.index_work,
            and_(_w.segment_id == _s.id, _w.generation_id == generation_id),
        )
        .where(
            or_(
                _w.segment_id.is_(None),
                and_(_w.state == "claimed", _w.attempts < MOST_LAPSES, _w.lease_us < now_us),
                and_(_w.state == "failed", _w.attempts < MOST_ATTEMPTS, _w.lease_us < now_us),
            )
        )
    )


def _generation(row: RowMapping) -> Generation:
    values = {field.name: row[field.name] for field in fields(Generation)}
    values["meaningful"] = bool(values["meaningful"])
    return Generation(**values)
