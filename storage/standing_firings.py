"""Firings of standing queries: what was noticed when, and whether somebody was told."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, func, insert, select, update

from storage import schema
from storage.errors import NotFound
from storage.search_tables import standing_firing, standing_query

ERROR_CHARACTERS = 500
_f = standing_firing.c
_q = standing_query.c
_c = schema.camera.c


@dataclass(frozen=True, slots=True)
class Firing:
    """A moment that a standing query noticed."""

    id: int
    standing_id: int
    at_us: int  # when it was noticed
    camera_id: int
    camera: str  # slug
    segment_id: str
    frame_id: int
    start_us: int  # of the moment
    end_us: int
    ts_us: int  # of its best picture
    score: float
    model: str
    generation: int  # number of the model's generation
    delivery: str  # none | quiet | waiting | delivered | failed
    attempts: int
    next_us: int | None  # not tried again before
    delivered_us: int | None
    error: str | None


_FIELDS = [field.name for field in fields(Firing)]


def add(
    tx: Connection, *, standing_id: int, at_us: int, camera_id: int, segment_id: str,
    frame_id: int, start_us: int, end_us: int, ts_us: int, score: float, model: str,
    generation: int, delivery: str,
) -> int:  # fmt: skip
    """A new firing; its number. One that `waiting` may be told at once."""
    values = {
        "standing_id": standing_id, "at_us": at_us, "camera_id": camera_id,
        "segment_id": segment_id, "frame_id": frame_id, "start_us": start_us, "end_us": end_us,
        "ts_us": ts_us, "score": score, "model": model, "generation": generation,
        "delivery": delivery, "next_us": at_us if delivery == "waiting" else None,
    }  # fmt: skip
    key: int = tx.execute(insert(standing_firing).values(**values).returning(_f.id)).scalar_one()
    return key


def near(
    tx: Connection, standing_id: int, camera_id: int, start_us: int, end_us: int
) -> Firing | None:
    """The latest firing at a camera that touches [start_us, end_us]."""
    query = (
        _firings()
        .where(
            _f.standing_id == standing_id, _f.camera_id == camera_id,
            _f.end_us >= start_us, _f.start_us <= end_us,
        )
        .order_by(_f.end_us.desc(), _f.id.desc())
        .limit(1)
    )  # fmt: skip
    row = tx.execute(query).mappings().first()
    return None if row is None else _firing(row)


def widen(tx: Connection, firing: Firing, start_us: int, end_us: int) -> bool:
    """The moment goes on, or began earlier; False when it covers that already."""
    start_us, end_us = min(start_us, firing.start_us), max(end_us, firing.end_us)
    if (start_us, end_us) == (firing.start_us, firing.end_us):
        return False
    tx.execute(
        update(standing_firing).where(_f.id == firing.id).values(start_us=start_us, end_us=end_us)
    )
    return True


def knows_frame(tx: Connection, standing_id: int, frame_id: int) -> bool:
    """Whether this very picture was a firing's best."""
    query = select(_f.id).where(_f.standing_id == standing_id, _f.frame_id == frame_id)
    return tx.execute(query).first() is not None


def find(tx: Connection, firing_id: int) -> Firing:
    """By number."""
    row = tx.execute(_firings().where(_f.id == firing_id)).mappings().first()
    if row is None:
        raise NotFound("firing {number} is not known", number=firing_id)
    return _firing(row)


def firings(
    tx: Connection,
    standing_id: int,
    *,
    limit: int | None = None,
    camera_ids: Collection[int] | None = None,
) -> list[Firing]:
    """Of a standing query (at these cameras), newest first."""
    query = _firings().where(_f.standing_id == standing_id)
    if camera_ids is not None:
        query = query.where(_f.camera_id.in_(camera_ids))
    query = query.order_by(_f.at_us.desc(), _f.id.desc()).limit(limit)
    return [_firing(row) for row in tx.execute(query).mappings()]


def counts(tx: Connection, camera_ids: Collection[int] | None = None) -> dict[int, tuple[int, int]]:
    """Standing query → (how often it fired (at these cameras), when last)."""
    query = select(_f.standing_id, func.count(), func.max(_f.at_us)).group_by(_f.standing_id)
    if camera_ids is not None:
        query = query.where(_f.camera_id.in_(camera_ids))
    return {key: (number, last_us) for key, number, last_us in tx.execute(query)}


def due_webhooks(tx: Connection, now_us: int) -> list[str]:
    """Webhooks that have something to be told now."""
    query = (
        select(_q.webhook)
        .join(standing_firing, _q.id == _f.standing_id)
        .where(_f.delivery == "waiting", _f.next_us <= now_us, _q.webhook.is_not(None))
        .distinct()
    )
    return sorted(tx.execute(query).scalars())


def due(tx: Connection, webhook: str, now_us: int, *, limit: int) -> list[int]:
    """Firings that a webhook is to be told now, those that have waited longest first."""
    query = (
        select(_f.id)
        .join(standing_query, _q.id == _f.standing_id)
        .where(_f.delivery == "waiting", _f.next_us <= now_us, _q.webhook == webhook)
        .order_by(_f.next_us, _f.id)
        .limit(limit)
    )
    return list(tx.execute(query).scalars())


def waiting(tx: Connection, firing_id: int, now_us: int) -> Firing | None:
    """The firing if it is still due, and nobody else takes it before this transaction ends."""
    mine = (_f.id == firing_id, _f.delivery == "waiting", _f.next_us <= now_us)
    # By itself: PostgreSQL locks every table that a statement joins.
    if tx.execute(select(_f.id).where(*mine).with_for_update()).first() is None:
        return None
    return find(tx, firing_id)


def attempt(tx: Connection, firing_id: int, number: int, until_us: int) -> None:
    """It is being told for the `number`th time; whoever does it is given up for dead then."""
    tx.execute(
        update(standing_firing).where(_f.id == firing_id).values(attempts=number, next_us=until_us)
    )


def delivered(tx: Connection, firing_id: int, at_us: int) -> None:
    """Somebody was told."""
    values = {"delivery": "delivered", "delivered_us": at_us, "next_us": None, "error": None}
    tx.execute(update(standing_firing).where(_f.id == firing_id).values(**values))


def undelivered(tx: Connection, firing_id: int, error: str, next_us: int | None) -> None:
    """Nobody was told: why, and when it is tried again; None: never."""
    values: dict[str, Any] = {"error": error[:ERROR_CHARACTERS], "next_us": next_us}
    if next_us is None:
        values["delivery"] = "failed"
    tx.execute(update(standing_firing).where(_f.id == firing_id).values(**values))


def _firings() -> Select[Any]:
    return select(standing_firing, _c.slug.label("camera")).join(
        schema.camera, _c.id == _f.camera_id
    )


def _firing(row: RowMapping) -> Firing:
    return Firing(**{name: row[name] for name in _FIELDS})
