"""What became of footage: segments of a span with their tombstones, and when they were indexed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, select

from storage import schema
from storage.segments import overlapping

_s = schema.segment.c
_w = schema.index_work.c
_g = schema.generation.c


@dataclass(frozen=True, slots=True)
class Footage:
    """A segment: when it was entered, expired and why, and indexed in one generation."""

    segment_id: str
    start_us: int
    end_us: int
    created_us: int
    expired_us: int | None
    expired_rule: str | None
    indexed_us: int | None


def footage(
    tx: Connection, camera_id: int, from_us: int, to_us: int, generation_id: int | None = None
) -> list[Footage]:
    """Segments of a camera that overlap [from_us, to_us), tombstones among them, by start."""
    query = _query(generation_id).where(_s.camera_id == camera_id)
    found = [Footage(*row) for row in tx.execute(overlapping(query, from_us, to_us))]
    return sorted(found, key=lambda one: (one.start_us, one.segment_id))


def footage_of(
    tx: Connection, segment_ids: Collection[str], generation_id: int | None = None
) -> list[Footage]:
    """These segments, of whichever camera; those that the ledger knows."""
    query = _query(generation_id).where(_s.id.in_(sorted(segment_ids))).order_by(_s.id)
    return [Footage(*row) for row in tx.execute(query)]


def generation_key(tx: Connection, model: str, number: int) -> int | None:
    """The key of a model's generation."""
    query = select(_g.id).where(_g.model == model, _g.number == number)
    key: int | None = tx.execute(query).scalar()
    return key


def _query(generation_id: int | None) -> Select[Any]:
    return select(
        _s.id, _s.start_us, _s.end_us, _s.created_us, _s.expired_us, _s.expired_rule, _w.done_us
    ).outerjoin(
        schema.index_work,
        and_(_w.segment_id == _s.id, _w.generation_id == generation_id, _w.state == "done"),
    )
