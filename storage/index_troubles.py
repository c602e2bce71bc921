"""Footage that the index could not take in, whole or in part, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, or_, select

from storage import schema
from storage.segments import KEPT

_w = schema.index_work.c
_s = schema.segment.c


@dataclass(frozen=True, slots=True)
class Trouble:
    """A segment that failed, or that is indexed but for some pictures."""

    camera_id: int
    start_us: int
    end_us: int
    failed: bool
    reason: str


def troubles(
    tx: Connection,
    generation_id: int,
    *,
    camera_ids: Sequence[int],
    from_us: int,
    to_us: int,
    limit: int,
) -> list[Trouble]:
    """Those that overlap [from_us, to_us), newest first."""
    query = (
        select(_s.camera_id, _s.start_us, _s.end_us, _w.state, _w.detail)
        .join(schema.index_work, _w.segment_id == _s.id)
        .where(
            _w.generation_id == generation_id, _s.camera_id.in_(camera_ids), KEPT,
            _s.end_us > from_us, _s.start_us < to_us,
            or_(_w.state == "failed", _w.damaged > 0),
        )
        .order_by(_s.start_us.desc())
        .limit(limit)
    )  # fmt: skip
    return [
        Trouble(camera_id, start_us, end_us, state == "failed", detail or "")
        for camera_id, start_us, end_us, state, detail in tx.execute(query)
    ]
